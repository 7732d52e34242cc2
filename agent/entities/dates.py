"""Dates as people write them, resolved against the day of the message, and which of them bind."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice
from typing import Final

from agent.entities.binding import tense, why_binding
from agent.entities.calendar_words import COUNTS, calendar_words
from agent.entities.figures import (
    THEN,
    WrittenDate,
    full_year,
    in_figures,
    likely,
    lone_days,
    make_date,
    nearest,
    numbered_weekday,
    writes_month_first,
)
from agent.entities.scan import Scan, words

_I: Final = re.IGNORECASE
_WORD: Final = re.compile(r"[^\W\d_]+(?:-(?:feira|hier|demain))?")
_DAY_BEFORE: Final = re.compile(
    r"(?<![\w.,/-])(\d{1,2})(?:st|nd|rd|th|er|ste|de|e|\.|º|ª|°)?(?: of(?: the)?| de| di| del)?[ \u00a0-]?$", _I
)
_RANGE_BEFORE: Final = re.compile(
    r"(?<![\w.,/])(\d{1,2})(?:st|nd|rd|th|er|e|\.)? ?(-|–|,|to|bis|or|and|und|oder|et|ou|y|o|e|en|of|a|al|au|tot)"
    r"(?: (?:the|am|den|le|el|il|de|o|dia|día))? ?$",
    _I,
)
_DAY_AFTER: Final = re.compile(r"\.? (?:the )?(\d{1,2})(?:st|nd|rd|th)?(?![\d:.]\d|[\d%])", _I)
_YEAR_AFTER: Final = re.compile(r"[.,]?(?: of| de| del)? ?(20\d\d|[’']\d\d)(?!\d)", _I)
_RUNS_ON: Final = re.compile(r"\.(?=[, ] ?(?:[a-zäöü\d]|$))")
"""A full stop that shortens a month and ends no sentence."""
_ABBREVIATED: Final = frozenset(
    "jan feb mär mar apr jun jul aug sep sept oct okt nov dec dez déc janv févr avr juil ene dic gen mag giu lug ott mrt "
    "fev mai set out".split()
)
_LAST: Final = words(
    "last|past|previous|letzten?|letzter|letztes|vergangene[nrms]?|vorige[nrms]?|afgelopen|vorige|verleden|passato|"
    "último|ultimo|última|pasado|scorso"
)
_NEXT: Final = words(
    "this|next|coming|this coming|diesen?|dieser|nächste[nrms]?|kommende[nrms]?|aanstaande|komende|volgende|deze|este|questo|prossimo|prossima|próximo|próxima|esta|nesta|ce"
)
_BEFORE_LAST: Final = re.compile(rf"\b{_LAST} $", _I)
_BEFORE_NEXT: Final = re.compile(rf"\b{_NEXT} $", _I)
_AFTER_LAST: Final = re.compile(
    r" (?:(?:dernier|passé|pasado|scorso|scorsa|passad[oa]|past|geleden|últim[oa])\b|j\.?l\b\.?)", _I
)
_AFTER_NEXT: Final = re.compile(
    r" (?:(?:prochain|próxim[oa]|que viene|que entra|prossim[oa]|que vem|aanstaande)\b|a\.?s\b\.?)", _I
)
_WEEK_AHEAD: Final = re.compile(
    r"\b(?:next week|nächste woche|volgende week|la semaine prochaine|la próxima semana|la semana que viene|"
    r"la prossima settimana|la settimana prossima|na próxima semana)(?: on| op| am)?,? $",
    _I,
)
_OF_WEEK_AHEAD: Final = re.compile(
    r",? (?:next week|nächste[rn]? woche|volgende week|de la semaine prochaine|de la semana que viene|de la próxima semana|"
    r"della prossima settimana|della settimana prossima|da próxima semana|da semana que vem)\b",
    _I,
)
_WITHIN: Final = (
    "within|within the next|innerhalb von|innerhalb der nächsten|binnen|binnen een termijn van|sous|sous un délai de|dans un délai de",
    "dans les|en moins de|d'ici|d’ici|entro|entro i prossimi|entro le prossime|nel giro di|in meno di|en menos de|en un plazo de|en el plazo de",
    "en un plazo máximo de|no prazo de|no prazo máximo de|num prazo de|em menos de|em até",
)
"""What makes a period end in a deadline where something is demanded."""
_IF_NOT: Final = re.compile(
    r"\b(?:si (?:no|vous ne|je n['’e])|se (?:non|não)|sans|sin|senza|sem|als (?:ik|jullie|u|er) )\b[^.!?\n]{0,60}$", _I
)
_EVERY: Final = re.compile(
    r"\b(?:le|la|chaque|tous les|los|cada|todos los|ogni|tutti i|elke|iedere|toda|todas? as?|every|each|jeden) $", _I
)
"""Before a weekday that is every such day."""
_A_WEEK_ON: Final = re.compile(r" (?:over een week|in einer woche|en huit|week)\b", _I)
_COUNT: Final = rf"(\d{{1,3}}|{words(*COUNTS)})"
_SOME_BEFORE: Final = re.compile(
    rf"(?:\b(?P<ago>vor|il y a|hace|há|ha)|\b(?P<in>in|in den nächsten|in the next|dans|en|em|dentro de|tra|fra|over|daqui a)|"
    rf"\b(?P<within>{words(*_WITHIN)}))?(?: (?:unos|unas|ya|casi|cerca de|environ|presque|déjà|circa|quasi|ongeveer|bijna))? ?"
    rf"\b(?<![.,])(?P<n>{_COUNT[1:-1]}) ?(?:(?:working|business|full|whole|vollen) )?$",
    _I,
)
_SOME_AFTER: Final = re.compile(
    r" (?:(?P<ago>ago|back|earlier|geleden|fa|or sono|atrás|(?P<back>terug))|(?P<in>from now|from today))\b", _I
)
_END_OF: Final = re.compile(
    r"\b(?:end of (?:the |this )?|close of (?:the )?|ende (?:der |dieser |des |dieses |diesem |nächster )?|fin de (?:la |cette |este )?|final (?:de la |da |do |de )|"
    r"fine (?:della |del |di questa |di questo )?|(?:het )?eind(?:e)? (?:van )?(?:de |deze )?|fim (?:da |do |de |desta |deste )?|finale? (?:della |del ))$",
    _I,
)
_IT_IS: Final = re.compile(
    r"(?:^|[.,!?] )(?:è|é|es|c'est) $|\b(?:it's|it’s|its|it is|today is|heute ist|es ist|nous sommes|on est|hoy es|oggi è|het is|vandaag is het|hoje é) $",
    _I,
)
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
_KIND_OF: Final = re.compile(r"([^\W\d_]+) d[ei] $", _I)
_BEFORE_FEASTS: Final = frozenset(
    "antes prima partir depois después veille vigilia véspera víspera día dia jour giorno noche notte noite nuit semana".split()
)
"""Words before "de Noël" that leave it a day; "un cadeau de Noël" is a kind of thing."""
_EVE_OF: Final = re.compile(r"\b(?:veille de|vigilia di|véspera d[eo]|víspera de) $", _I)
_THIS_PART: Final = re.compile(
    r"\b(?:(?P<morning>this morning|ce matin|cette nuit|esta (?:mañana|manhã)|questa mattina|stamattina|stamani|stamane|vanochtend|vanmorgen)|"
    r"this (?:afternoon|evening)|ce (?:soir|midi)|cet(?:te)? après-midi|esta (?:tarde|noche|noite)|questa sera|stasera|vanmiddag|vanavond)\b",
    _I,
)
"""Parts of the day of the message; its morning is past when people write of it."""
_SECOND_DAY: Final = re.compile(
    r"\b(?:(?:na|à|nesta|esta|até|desde|para|pra|última|próxima) (?:próxima |última )?(?P<day>segunda)(?P<feira>[ -]feira)?|(?P<n>[2-6])[.ªa]{1,2}[ -]feira)\b"
    r"(?(feira)|(?(n)|(?=\s*(?:[.,;:!?)]|$)|\s(?:passada|que|de manhã|à|às|dia|mas|e|ou|por|ao|no|pra|para|me|não|é|foi|ele|ela|eu|vou|já|nada)\b)))",
    _I,
)
"""Portuguese names of weekdays that are numbers too."""
_HOURS: Final = frozenset({"h", "hs", "hrs"})
_FURTHER: Final = re.compile(r"\b(?:day after|pasado|depois de|après|apres|dopo) $", _I)
_EARLIER: Final = re.compile(r"\b(?:day before|antes de|antes d['’]|avant|(?:l['’])?altro) $", _I)
_AUJOURD: Final = re.compile(r"['’]hui\b", _I)


def _from_words(scan: Scan, today: date) -> Iterator[WrittenDate]:
    """Dates that hold a word: months, weekdays, yesterday, 3 days ago, the end of the week, feasts."""
    text, table = scan.text, calendar_words(scan.language)
    for m in _WORD.finditer(text):
        word = m[0].lower()
        role = ("unit", 0) if word in _HOURS and not text[m.end() : m.end() + 1].isdigit() else table.get(word)
        if role is None:
            continue
        kind, n = role
        found = None
        if kind == "month":
            yield from _earlier_days(text, m, n, today)
            found = _month(text, m, n, today)
        elif kind == "weekday" and text[max(0, m.start() - 6) : m.start()].lower() != "black ":
            found = _weekday(scan, *m.span(), n, today)
        elif kind == "relative":
            found = _relative(text, m, n, today)
        elif kind == "unit":
            found = _counted(text, m, n, today) or _end_of(text, m, n, today)
        elif kind == "feast" and not _NO_FEAST.search(_around(text, m)):
            found = _feast(text, m, n, today)
        if found:
            yield found
    for m in _WEEKEND.finditer(text):
        yield WrittenDate(*m.span(), today + timedelta(days=(5 - today.weekday()) % 7))
    for m in _THIS_PART.finditer(text):
        yield WrittenDate(*m.span(), today, names="now" if m["morning"] else "")
    for m in _SECOND_DAY.finditer(text) if scan.language == "pt" else ():
        start = m.start("n" if m["n"] else "day")
        if found := _weekday(scan, start, m.end(), int(m["n"] or 2) - 2, today):
            yield found


def _feast(text: str, m: re.Match[str], n: int, today: date) -> WrittenDate | None:
    """The day of a feast, month and day as `n`, or of its eve."""
    day = nearest(today, n // 100, n % 100)
    eve = _FEAST_EVE.match(text, m.end())
    kind_of = _KIND_OF.search(text, max(0, m.start() - 24), m.start())
    if day is None or (kind_of and kind_of[1].lower() not in _BEFORE_FEASTS):
        return None
    head = None if eve else _EVE_OF.search(text, max(0, m.start() - 12), m.start())
    start, end = head.start() if head else m.start(), eve.end() if eve else m.end()
    return WrittenDate(start, end, day - timedelta(days=1 if eve or head else 0))


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
    if year and (resolved := make_date(full_year(year[1].lstrip("’'")), month, day)):
        return WrittenDate(start, year.end(), resolved, names="month")
    resolved = likely(text, start, end, today, month, day)
    return WrittenDate(start, end, resolved, names="month") if resolved else None


def _earlier_days(text: str, m: re.Match[str], month: int, today: date) -> Iterator[WrittenDate]:
    """The first days of "12-14 November" and of "le 3, le 5 et le 6 novembre"."""
    end = _DAY_BEFORE.search(text, max(0, m.start() - 16), m.start())
    last = end
    while last:
        first = _RANGE_BEFORE.search(text, max(0, last.start() - 14), last.start())
        if first is None or int(first[1]) >= int(last[1]) or (first[2] == "," and last is end):
            return
        if day := likely(text, first.start(1), first.end(1), today, month, int(first[1])):
            yield WrittenDate(first.start(1), first.end(1), day)
        last = first


def _weekday(scan: Scan, start: int, end: int, weekday: int, today: date) -> WrittenDate | None:
    text = scan.text
    if numbered := numbered_weekday(text, end, weekday, today, scan.language):
        return WrittenDate(start, *numbered, names="weekday")
    ahead = (weekday - today.weekday()) % 7
    head = max(0, start - 16)
    if _EVERY.search(text, head, start):
        return None
    if a_week_on := _A_WEEK_ON.match(text, end):
        return WrittenDate(start, a_week_on.end(), today + timedelta(days=ahead + 7), names="weekday")
    week_before, week_after = _WEEK_AHEAD.search(text, max(0, start - 30), start), _OF_WEEK_AHEAD.match(text, end)
    if week_before or week_after:
        day = today + timedelta(days=7 - today.weekday() + weekday)
        return WrittenDate(week_before.start() if week_before else start, week_after.end() if week_after else end, day)
    last, passed = _BEFORE_LAST.search(text, head, start), _AFTER_LAST.match(text, end)
    coming, soon = _BEFORE_NEXT.search(text, head, start), _AFTER_NEXT.match(text, end)
    before, after = last or coming, passed or soon
    this = coming is not None and coming[0].lower().strip() == "this"
    if not before and not after and _IT_IS.search(text, max(0, start - 16), start):
        return WrittenDate(start, end, today + timedelta(days=(ahead + 3) % 7 - 3), names="now")
    future = bool(coming or soon) or tense(text, start, end) > 0
    if last or passed or not future or (this and tense(text, start, end) < 0):
        days = ahead - 7
    else:
        days = ahead or (7 if before or after else 0) * (not this)
    return WrittenDate(
        before.start() if before else start,
        after.end() if after else end,
        today + timedelta(days=days),
        names="weekday",
    )


def _relative(text: str, m: re.Match[str], offset: int, today: date) -> WrittenDate | None:
    word, start, end = m[0].lower(), *m.span()
    if word == "aujourd":
        tail = _AUJOURD.match(text, end)
        end = tail.end() if tail else end
    if word in {"morgen", "mañana", "manana", "manhã"}:
        before = text[max(0, start - 8) : start].lower()
        # "guten Morgen", "am Morgen", "goedemorgen", "por la mañana", "heute morgen" are no dates
        if before.endswith(("guten ", "am ", "jeden ", "la ", "de ", "diesen ", "esta ", "heute ", "gestern ")) or (
            m[0][0] == "M" and word == "morgen" and start
        ):
            return None
    near = text[max(0, start - 12) : start]
    if offset == 1 and (further := _FURTHER.search(near)):
        offset, start = 2, start - len(further[0])
    elif offset == -1 and (earlier := _EARLIER.search(near)):
        offset, start = -2, start - len(earlier[0])
    return WrittenDate(start, end, today + timedelta(days=offset))


def _counted(text: str, m: re.Match[str], unit: int, today: date) -> WrittenDate | None:
    """`3 days ago`, `in two weeks`, `within 48 hours`; a bare "for 3 weeks" is a length, not a date."""
    some = _SOME_BEFORE.search(text, max(0, m.start() - 34), m.start())
    if some is None:
        return None
    n = int(some["n"]) if some["n"].isdigit() else COUNTS.get(some["n"].lower(), 0)
    tail = _SOME_AFTER.match(text, m.end())
    to_come = bool(some["in"] or some["within"])
    if tail and tail["back"] and to_come:  # "binnen 3 dagen terug" gives money back
        tail = None
    ago = bool(some["ago"] or (tail and tail["ago"]))
    ahead = to_come or bool(tail and tail["in"])
    if not n or not (ago or ahead):
        return None
    span = _shift(today, n * (-1 if ago else 1), unit)
    # "si no me contestan en 48 horas" gives a term as plainly as "within 48 hours"
    term = bool(some["in"]) and bool(_IF_NOT.search(text, max(0, some.start() - 80), some.start()))
    within = (bool(some["within"]) or term) and not ago
    start = some.start() if some["ago"] or (some["in"] and not ago and not within) else some.start("n")
    return WrittenDate(start, tail.end() if tail else m.end(), span, within=within)


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


def _with_weekdays(text: str, days: list[WrittenDate]) -> Iterator[WrittenDate]:
    """The days in order, a weekday made one with the date right behind it: "Tuesday, 3 November"."""
    for i, w in enumerate(days):
        if w.names in {"weekday", "now"} and i + 1 < len(days) and days[i + 1].names == "month":
            gap = THEN.match(text, w.end)
            if days[i + 1].start < w.end or (gap and gap.end() == days[i + 1].start):
                days[i + 1] = replace(days[i + 1], start=w.start)
                continue
        yield w


_MOST: Final = 300
"""Dates in words that are read of one text; the rest of a flood is left alone."""


def dates(scan: Scan, today: date, month_first: bool) -> None:
    """Dates and deadlines of a text written on `today`.

    A deadline is a day still to come that binds: behind "by", "until", "latest" and their like, or beside an event
    that will not wait. `detail` names that event in English, or else the binding word as written.
    """
    text = scan.text
    said = writes_month_first(text) if "/" in text else None
    written: list[WrittenDate] = []
    if any(map(str.isdigit, text)):
        written += in_figures(text, today, scan.language, month_first=month_first if said is None else said)
        written += islice(lone_days(text, today, scan.language), _MOST)
    written += islice(_from_words(scan, today), _MOST)
    days = sorted((w for w in written if scan.free(w.start, w.end)), key=lambda w: (w.start, -w.end))
    days = [*_with_weekdays(text, days)]
    for i, w in enumerate(days):
        if not scan.free(w.start, w.end):
            continue
        edges = (days[i - 1].end if i else 0, days[i + 1].start if i + 1 < len(days) else len(text))
        may_bind = w.day >= today and w.names != "now"
        why = why_binding(text, w.start, w.end, edges, w.within) if may_bind else ""
        if w.within and not why:
            continue
        scan.add("deadline" if why else "date", w.day.isoformat(), w.start, w.end, why)
