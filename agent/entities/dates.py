"""Dates as people write them, resolved against the day of the message, and which of them bind."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Final

from agent.entities.binding import tense, why_binding
from agent.entities.calendar_words import COUNTS, calendar_words
from agent.entities.scan import Scan, words

_I: Final = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class WrittenDate:
    """A date where it stands: characters [start, end) of the text."""

    start: int
    end: int
    day: date
    within: bool = False
    """Whether it is the end of a period ("within 48 hours")."""


# --- figures -------------------------------------------------------------------------------------------------------

_ISO: Final = re.compile(r"(?<![\w./-])(20\d\d)([-/.])(\d{1,2})\2(\d{1,2})(?!\d|[-.]\d)")
_FIGURES: Final = re.compile(r"(?<![\w./-])(\d{1,2})([./-])(\d{1,2})\2(20\d\d|\d\d)(?![\d/-])")
_SHORT: Final = re.compile(r"(?<![\w./:-])(\d{1,2})\.(\d{1,2})\.(?!\d)")
_VERSION: Final = re.compile(r"\b(?:version|firmware|update|release|app|android|ios|v)\.? ?$", _I)
_SLASH: Final = re.compile(
    r"\b(?:on|since|until|by|from|of|dated|the|am|vom|seit|bis|le|du|el|del|il|op|em|dia|día|and|und) (\d{1,2})/(\d{1,2})(?![\d/%])",
    _I,
)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _year(text: str) -> int:
    return int(text) + 2000 if len(text) == 2 else int(text)


def _figures(text: str, today: date, month_first: bool) -> Iterator[WrittenDate]:
    for m in _ISO.finditer(text):
        if day := _date(int(m[1]), int(m[3]), int(m[4])):
            yield WrittenDate(*m.span(), day)
    for m in _FIGURES.finditer(text):
        a, b, year = int(m[1]), int(m[3]), _year(m[4])
        first = month_first and m[2] != "."
        if day := (_date(year, a, b) if first else _date(year, b, a)) or _date(year, *((b, a) if first else (a, b))):
            yield WrittenDate(*m.span(), day)
    for m in _SHORT.finditer(text):
        if _VERSION.search(text, max(0, m.start() - 12), m.start()):
            continue
        if day := _nearest(today, int(m[2]), int(m[1])):
            yield WrittenDate(*m.span(), day)
    for m in _SLASH.finditer(text) if "/" in text else ():
        a, b = int(m[1]), int(m[2])
        pair = (a, b) if (month_first and a <= 12) or b > 12 else (b, a)
        if day := _nearest(today, *pair):
            yield WrittenDate(m.start(1), m.end(2), day)


def _nearest(today: date, month: int, day: int) -> date | None:
    """The day of that month that lies nearest to today; people leave out a year that is plain."""
    near = [d for y in (today.year - 1, today.year, today.year + 1) if (d := _date(y, month, day))]
    return min(near, key=lambda d: abs((d - today).days), default=None)


def _writes_month_first(text: str) -> bool | None:
    """What a date with a number above 12 says of all others in the text, or None."""
    for m in _FIGURES.finditer(text):
        if m[2] == "/" and max(int(m[1]), int(m[3])) > 12:
            return int(m[3]) > 12
    return None


# --- words ---------------------------------------------------------------------------------------------------------

_WORD: Final = re.compile(r"[^\W\d_]+(?:-(?:feira|hier|demain))?")
_DAY_BEFORE: Final = re.compile(
    r"(?<![\w.,/-])(\d{1,2})(?:st|nd|rd|th|er|ste|de|e|\.|º|ª|°)?(?: of(?: the)?| de| di| del)?[ \u00a0-]?$", _I
)
_RANGE_BEFORE: Final = re.compile(r"(?<![\w.,/])(\d{1,2})(?:st|nd|rd|th|\.)? ?(?:-|–|to|bis|or|and|und|oder) ?$", _I)
_DAY_AFTER: Final = re.compile(r"\.? (?:the )?(\d{1,2})(?:st|nd|rd|th)?(?![\d:.]\d|[\d%])", _I)
_YEAR_AFTER: Final = re.compile(r"[.,]?(?: of| de| del)? ?(20\d\d|[’']\d\d)(?!\d)", _I)
_RUNS_ON: Final = re.compile(r"\.(?=[, ] ?(?:[a-zäöü\d]|$))")
"""A full stop that shortens a month and ends no sentence."""
_ABBREVIATED: Final = frozenset(
    "jan feb mär mar apr jun jul aug sep sept oct okt nov dec dez déc janv févr avr juil ene dic gen mag giu lug ott mrt "
    "fev mai set out".split()
)
_LAST: Final = words(
    "last|past|previous|letzten?|letzter|letztes|vergangene[nrms]?|vorige[nrms]?|afgelopen|vorige|passato|último|ultimo"
)
_NEXT: Final = words(
    "this|next|coming|this coming|diesen?|dieser|nächste[nrms]?|kommende[nrms]?|aanstaande|komende|volgende|este|questo|prossimo|próximo|ce"
)
_BEFORE_LAST: Final = re.compile(rf"\b{_LAST} $", _I)
_BEFORE_NEXT: Final = re.compile(rf"\b{_NEXT} $", _I)
_AFTER_LAST: Final = re.compile(r" (?:dernier|passé|pasado|scorso|scorsa|passad[oa]|past|geleden)\b", _I)
_AFTER_NEXT: Final = re.compile(r" (?:prochain|próximo|que viene|prossimo|próxim[ao]|que vem)\b", _I)
_COUNT: Final = rf"(\d{{1,3}}|{words(*COUNTS)})"
_SOME_BEFORE: Final = re.compile(
    rf"(?:\b(?P<ago>vor|il y a|hace|há|ha)|\b(?P<in>in|in den nächsten|in the next|dans|en|dentro de|tra|fra|over|em|daqui a)|\b(?P<within>within|within the next|innerhalb von|innerhalb der nächsten|binnen|sous|entro|dentro de|en menos de))? ?\b(?<![.,])(?P<n>{_COUNT[1:-1]}) (?:working |business |full |whole |vollen )?$",
    _I,
)
_SOME_AFTER: Final = re.compile(r" (?:(?P<ago>ago|back|earlier|geleden|fa|atrás)|(?P<in>from now|from today))\b", _I)
_END_OF: Final = re.compile(
    r"\b(?:end of (?:the |this )?|close of (?:the )?|ende (?:der |dieser |des |dieses |diesem |nächster )?|fin de (?:la |cette |este )?|final (?:de la |da |do |de )|"
    r"fine (?:della |del |di questa )?|eind(?:e)? (?:van )?(?:de |deze )?|fim (?:da |do ))$",
    _I,
)
_IT_IS: Final = re.compile(r"\b(?:it's|it’s|its|it is|today is|heute ist|es ist) $", _I)
_WEEKEND: Final = re.compile(
    r"\b(?:(?:this|next|(?:by|before|for) the|dieses|kommendes|(?:am|zum|bis zum) kommenden|am|zum|ce|este|questo|dit) )"
    r"(?:weekend|week-end|wochenende|fin de semana|fine settimana|fim de semana)\b",
    _I,
)
_NO_FEAST: Final = re.compile(
    r"(?:merry|happy|frohe|fröhliche|joyeux|feliz|buon) \w+$|"
    r"\|(?: part(?:y|ies)| presents?| gifts?| trees?| cards?| sales?| period| do| shopping| season| holidays?)\b",
    _I,
)
"""A wish, or a feast that only says what kind of thing is meant; `|` marks the end of the feast's name."""
_FEAST_EVE: Final = re.compile(r" eve\b", _I)
_AUJOURD: Final = re.compile(r"['’]hui\b", _I)


def _from_words(scan: Scan, today: date) -> Iterator[WrittenDate]:
    """Dates that hold a word: months, weekdays, yesterday, 3 days ago, the end of the week, feasts."""
    text, table = scan.text, calendar_words(scan.language)
    for m in _WORD.finditer(text):
        role = table.get(m[0].lower())
        if role is None:
            continue
        kind, n = role
        found = None
        if kind == "month":
            yield from _range_start(text, m, n, today)
            found = _month(text, m, n, today)
        elif kind == "weekday" and text[max(0, m.start() - 6) : m.start()].lower() != "black ":
            found = _weekday(text, m, n, today)
        elif kind == "relative":
            found = _relative(text, m, n, today)
        elif kind == "unit":
            found = _counted(text, m, n, today) or _end_of(text, m, n, today)
        elif kind == "feast" and not _NO_FEAST.search(_around(text, m)) and (day := _nearest(today, n // 100, n % 100)):
            eve = _FEAST_EVE.match(text, m.end())
            found = WrittenDate(m.start(), eve.end() if eve else m.end(), day - timedelta(days=1 if eve else 0))
        if found:
            yield found
    for m in _WEEKEND.finditer(text):
        yield WrittenDate(*m.span(), today + timedelta(days=(5 - today.weekday()) % 7))


def _around(text: str, m: re.Match[str]) -> str:
    """The words before and after a feast's name, with `|` behind it."""
    tail = text[m.end() : m.end() + 12]
    return f"{text[max(0, m.start() - 12) : m.end()]}|{tail}"


def _month(text: str, m: re.Match[str], month: int, today: date) -> WrittenDate | None:
    before = _DAY_BEFORE.search(text, max(0, m.start() - 16), m.start())
    after = None if before else _DAY_AFTER.match(text, m.end())
    if not before and not (after and m[0][0].isupper()):
        return None
    day, start, end = int((before or after or m)[1]), m.start(), m.end()
    start, end = before.start() if before else start, after.end() if after else end
    if before and m[0].lower() in _ABBREVIATED and _RUNS_ON.match(text, end):
        end += 1
    year = _YEAR_AFTER.match(text, end)
    if year and (resolved := _date(_year(year[1].lstrip("’'")), month, day)):
        return WrittenDate(start, year.end(), resolved)
    resolved = _nearest(today, month, day)
    return WrittenDate(start, end, resolved) if resolved else None


def _range_start(text: str, m: re.Match[str], month: int, today: date) -> Iterator[WrittenDate]:
    """The first day of "12-14 November"."""
    last = _DAY_BEFORE.search(text, max(0, m.start() - 16), m.start())
    first = _RANGE_BEFORE.search(text, max(0, last.start() - 10), last.start()) if last else None
    if last and first and int(first[1]) < int(last[1]) and (day := _nearest(today, month, int(first[1]))):
        yield WrittenDate(first.start(1), first.end(1), day)


def _weekday(text: str, m: re.Match[str], weekday: int, today: date) -> WrittenDate:
    ahead = (weekday - today.weekday()) % 7
    start, end = m.span()
    head = max(0, start - 16)
    last, passed = _BEFORE_LAST.search(text, head, start), _AFTER_LAST.match(text, end)
    coming, soon = _BEFORE_NEXT.search(text, head, start), _AFTER_NEXT.match(text, end)
    before, after = last or coming, passed or soon
    this = coming is not None and coming[0].lower().strip() == "this"
    if not before and not after and _IT_IS.search(text, max(0, start - 10), start):
        return WrittenDate(start, end, today + timedelta(days=(ahead + 3) % 7 - 3))
    future = bool(coming or soon) or tense(text, start, end) > 0
    if last or passed or not future or (this and tense(text, start, end) < 0):
        days = ahead - 7
    else:
        days = ahead or (7 if before or after else 0) * (not this)
    return WrittenDate(before.start() if before else start, after.end() if after else end, today + timedelta(days=days))


def _relative(text: str, m: re.Match[str], offset: int, today: date) -> WrittenDate | None:
    word, start, end = m[0].lower(), *m.span()
    if word == "aujourd":
        tail = _AUJOURD.match(text, end)
        end = tail.end() if tail else end
    if word in {"morgen", "mañana"}:
        before = text[max(0, start - 8) : start].lower()
        # "guten Morgen", "am Morgen", "goedemorgen", "por la mañana" are no dates
        if before.endswith(("guten ", "am ", "jeden ", "la ", "de ", "diesen ")) or (
            m[0][0] == "M" and word == "morgen" and start
        ):
            return None
    if re.search(r"\bday after $", text[max(0, start - 12) : start], _I):
        offset, start = offset + 1, start - len("day after ")
    elif re.search(r"\bday before $", text[max(0, start - 12) : start], _I):
        offset, start = offset - 1, start - len("day before ")
    return WrittenDate(start, end, today + timedelta(days=offset))


def _counted(text: str, m: re.Match[str], unit: int, today: date) -> WrittenDate | None:
    """`3 days ago`, `in two weeks`, `within 48 hours`; a bare "for 3 weeks" is a length, not a date."""
    some = _SOME_BEFORE.search(text, max(0, m.start() - 34), m.start())
    if some is None:
        return None
    n = int(some["n"]) if some["n"].isdigit() else COUNTS.get(some["n"].lower(), 0)
    tail = _SOME_AFTER.match(text, m.end())
    ago = bool(some["ago"] or (tail and tail["ago"]))
    ahead = bool(some["in"] or some["within"] or (tail and tail["in"]))
    if not n or not (ago or ahead):
        return None
    span = _shift(today, n * (-1 if ago else 1), unit)
    start = some.start() if some["ago"] or ((some["in"] or some["within"]) and not ago) else some.start("n")
    if some["within"]:
        start = some.start("n")
    return WrittenDate(start, tail.end() if tail else m.end(), span, within=bool(some["within"]) and not ago)


def _shift(today: date, n: int, unit: int) -> date:
    """`n` units on from today; hours round up to whole days, months keep the day of the month."""
    if unit == 30:
        months = today.year * 12 + today.month - 1 + n
        year, month = divmod(months, 12)
        return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1]))
    days = -(-n // 24) if unit == 0 and n > 12 else 0 if unit == 0 else n * unit
    return today + timedelta(days=days)


def _end_of(text: str, m: re.Match[str], unit: int, today: date) -> WrittenDate | None:
    head = _END_OF.search(text, max(0, m.start() - 24), m.start())
    spanish_weekend = m[0].lower() == "semana" and bool(head) and re.fullmatch(r"fi[nm] de ", head[0], _I)
    if head is None or spanish_weekend:
        return None
    if unit == 30:
        day = today.replace(day=calendar.monthrange(today.year, today.month)[1])
    else:
        day = today + timedelta(days=6 - today.weekday() if unit == 7 else 0)
    return WrittenDate(head.start(), m.end(), day)


_MOST: Final = 300
"""Dates in words that are read of one text; the rest of a flood is left alone."""


def dates(scan: Scan, today: date, month_first: bool) -> None:
    """Dates and deadlines of a text written on `today`.

    A deadline is a day still to come that binds: behind "by", "until", "latest" and their like, or beside an event
    that will not wait. `detail` names that event in English, or else the binding word as written.
    """
    text = scan.text
    said = _writes_month_first(text) if "/" in text else None
    written = [*_figures(text, today, month_first if said is None else said)] if any(map(str.isdigit, text)) else []
    written += islice(_from_words(scan, today), _MOST)
    days = sorted((w for w in written if scan.free(w.start, w.end)), key=lambda w: (w.start, -w.end))
    for i, w in enumerate(days):
        if not scan.free(w.start, w.end):
            continue
        edges = (days[i - 1].end if i else 0, days[i + 1].start if i + 1 < len(days) else len(text))
        why = why_binding(text, w.start, w.end, edges, w.within) if w.day >= today else ""
        if w.within and not why:
            continue
        scan.add("deadline" if why else "date", w.day.isoformat(), w.start, w.end, why)
