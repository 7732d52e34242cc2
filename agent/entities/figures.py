"""Dates written in figures, and the day of a month that people leave half unsaid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from agent.entities.binding import binds, tense, told_before

_I: Final = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class WrittenDate:
    """A date where it stands: characters [start, end) of the text."""

    start: int
    end: int
    day: date
    within: bool = False
    """Whether it is the end of a period ("within 48 hours")."""
    names: str = ""
    """`weekday` where it names a day of the week, `month` where it names day and month, which says more, and `now`
    where it only says what day it is, which binds nobody."""


_ISO: Final = re.compile(r"(?<![\w./-])(20\d\d)([-/.])(\d{1,2})\2(\d{1,2})(?!\d|[-.]\d)")
_FIGURES: Final = re.compile(r"(?<![\w./-])(\d{1,2})([./-])(\d{1,2})\2[’']?(20\d\d|\d\d)(?![\d/-])")
_SHORT: Final = re.compile(r"(?<![\w./:-])(\d{1,2})\.(\d{1,2})\.(?!\d)")
_VERSION: Final = re.compile(r"\b(?:version|firmware|update|release|app|android|ios|v)\.? ?$", _I)
_SLASH: Final = re.compile(
    r"\b(?:on|since|until|by|from|of|dated|the|am|vom|seit|bis|le|du|au|el|del|il|dal|al|op|van|sinds|vanaf|tot|voor|vóór|"
    r"uiterlijk|em|até|desde|dia|día|and|und) (\d{1,2})/(\d{1,2})(?![\d/%])",
    _I,
)
_NO_DAY: Final = r"(?![\w/%-]|[.,:]\d| ?(?:€|x\b|\d|(?:cm|kg|h|u|uur|horas?|ore|dagen|weken|werkdagen|stuks|personen|d[ií]as?|semanas?|años|anos|giorni|jours|pers)\b))"
_BARE: Final = re.compile(rf"(?<![\w./,:'’-])(0?[1-9]|[12]\d|3[01])([/-])(0[1-9]|1[0-2]){_NO_DAY}", _I)
_DASHES: Final = frozenset({"nl", "es", "pt"})
"""Languages that write 28-10 for the 28th of October."""
_DATED: Final = re.compile(r"\b(?:op|van|sinds|vanaf|voor|vóór|tot|uiterlijk|de|em|até|desde|el|del|d[ií]a|a) $", _I)


def in_figures(text: str, today: date, language: str, *, month_first: bool) -> Iterator[WrittenDate]:
    """Dates of figures alone: 2026-11-03, 3.11.26, 3/11, and where the language writes so 28-10."""
    for m in _ISO.finditer(text):
        if day := make_date(int(m[1]), int(m[3]), int(m[4])):
            yield WrittenDate(*m.span(), day, names="month")
    for m in _FIGURES.finditer(text):
        a, b, year = int(m[1]), int(m[3]), full_year(m[4])
        first = month_first and m[2] != "."
        if day := (make_date(year, a, b) if first else make_date(year, b, a)) or make_date(
            year, *((b, a) if first else (a, b))
        ):
            yield WrittenDate(*m.span(), day, names="month")
    for m in _SHORT.finditer(text):
        if _VERSION.search(text, max(0, m.start() - 12), m.start()):
            continue
        if day := likely(text, *m.span(), today, int(m[2]), int(m[1])):
            yield WrittenDate(*m.span(), day, names="month")
    for m in _SLASH.finditer(text) if "/" in text else ():
        a, b = int(m[1]), int(m[2])
        pair = (a, b) if (month_first and a <= 12) or b > 12 else (b, a)
        if day := likely(text, m.start(1), m.end(2), today, *pair):
            yield WrittenDate(m.start(1), m.end(2), day, names="month")
    if language not in {"en", "de"}:
        yield from _bare(text, today, language)


def _bare(text: str, today: date, language: str) -> Iterator[WrittenDate]:
    """28/10 that no word introduces; 9/10 is a mark, and 8-12 is a range unless a word says that it is a day."""
    for m in _BARE.finditer(text):
        a, b = int(m[1]), int(m[3])
        mark = m[2] == "/" and b == 10 and a <= 10
        range_ = m[2] == "-" and (
            language not in _DASHES or (a < b and not _DATED.search(text, max(0, m.start() - 10), m.start()))
        )
        if not mark and not range_ and (day := likely(text, *m.span(), today, b, a)):
            yield WrittenDate(*m.span(), day, names="month")


_MONTHS: Final = 60


def make_date(year: int, month: int, day: int) -> date | None:
    """The day, or None for one that no calendar has."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def full_year(text: str) -> int:
    """The year written with two digits or four."""
    return int(text) + 2000 if len(text) == 2 else int(text)


def nearest(today: date, month: int, day: int) -> date | None:
    """The day of that month that lies nearest to today; people leave out a year that is plain."""
    near = [d for y in (today.year - 1, today.year, today.year + 1) if (d := make_date(y, month, day))]
    return min(near, key=lambda d: abs((d - today).days), default=None)


def likely(text: str, start: int, end: int, today: date, month: int, day: int) -> date | None:
    """The nearest such day, unless that is months off and the words say otherwise.

    A day months ahead that no word puts in the future was last year; one months ago that binds is still to come.
    """
    found = nearest(today, month, day)
    away = (found - today).days if found else 0
    if found and away > _MONTHS and tense(text, start, end) < 0 and not binds(text, start):
        return make_date(found.year - 1, month, day)
    if found and away < -_MONTHS and binds(text, start):
        return make_date(found.year + 1, month, day)
    return found


def writes_month_first(text: str) -> bool | None:
    """What a date with a number above 12 says of all others in the text, or None."""
    for m in _FIGURES.finditer(text):
        if m[2] == "/" and max(int(m[1]), int(m[3])) > 12:
            return int(m[3]) > 12
    return None


# --- the number of a day alone -------------------------------------------------------------------------------------

_ENDS: Final = r"(?=\s*(?:[;!?)]|[.,](?!\s?\d)|$)|\s+(?:WORDS)\b)(?!, (?:rue|avenue|bis)\b)"
_LONE: Final = {
    code: re.compile(form + _ENDS.replace("WORDS", after), _I)
    for code, form, after in (
        ("en", r"\b(?:on|by|before|until|till|since|from) the (\d{1,2})(?:st|nd|rd|th)", "and|or|but|at|because|of this month|so|i|we"),
        ("de", r"\b(?:am|zum|vom|bis zum|seit dem|ab dem|vor dem) (\d{1,2})\.", "und|oder|aber|um|habe|ist|war|dieses monats|wurde|sollte"),
        ("fr", r"\b(?:le|jusqu['’]au) (\d{1,2})", "et|ou|mais|pour|puis|je|j['’]ai|on|vous|nous|à|au|par|car|donc|du mois|matin|soir|dernier|prochain|sans"),
        ("es", r"\b(?:el|antes del) (\d{1,2})", "y|o|pero|para|a las|me|os|lo|la|no|que|en|se|ya|de este mes|pasado|sin"),
        ("it", r"\b(?:il|dal|al|prima del)(?: giorno)? (\d{1,2})", "e|o|ma|per|non|mi|vi|ho|alle|ed|scorso|prossimo|di questo mese|senza"),
        ("nl", r"\b(?:de|den) (\d{1,2})(?:ste|de|e)", "en|of|maar|op|om|al|nog|niet|was|ben|heb|is|van deze maand|zou|ga|gaan|naar|dan|bij|aan|zonder|al"),
    )
}  # fmt: skip
"""For each language, how the number of a day stands alone, and the words that may follow it."""
_CALLED_DAY: Final = re.compile(r"\bd[ií]a (\d{1,2})(?![\w/:ªº-]|[.,]\d| ?(?:h|horas|útil)\b)", _I)


_UNTIL: Final = re.compile(r"until|till|bis|jusqu", _I)
"""Words that end a stay as well in the past, "I was away until the 30th", as in the time to come."""
_FAR: Final = 20
"""Days from which on a day to come is named with its month, unless it is still the nearer one."""


def lone_days(text: str, today: date, language: str) -> Iterator[WrittenDate]:
    """Days named by their number alone: "le 15", "el día 4", "de 15e"; the last or the next such day, as the words say."""
    forms = [_LONE[language]] if language in _LONE else []
    for form in [*forms, *([_CALLED_DAY] if language in {"es", "pt"} else [])]:
        for m in form.finditer(text):
            ahead = tense(text, m.start(1), m.end(1)) > 0
            away = ahead and _UNTIL.match(m[0]) is not None and told_before(text, m.start())
            if day := _of_this_month(today, int(m[1]), ahead=ahead, far=0 if away else _FAR):
                yield WrittenDate(m.start(1), m.end(), day)


def _of_this_month(today: date, number: int, *, ahead: bool, far: int) -> date | None:
    """The last day with that number up to today; `ahead` the next one, unless it is `far` off and the last is nearer."""
    if not 1 <= number <= 31:
        return None
    near = [today + timedelta(days=n) for n in range(-61, 62)]
    last = max(d for d in near if d.day == number and d <= today)
    coming = min(d for d in near if d.day == number and d >= today)
    nearer = coming - today < today - last
    return coming if ahead and (nearer or (coming - today).days <= far) else last


_BESIDE: Final = re.compile(
    r",? \(?(?:the |den |le |el |il |de |d[ií]a )?(\d{1,2})(st|nd|rd|th|er|e|º|°|ª|)(?![\w/]|[.,:-]\d| ?(?:h|u|uur|uhr|am|pm|ore|horas?|heures?|%|€|£)\b)",
    _I,
)
_A_WHILE: Final = 45
"""Days on either side of today among which a weekday with a number is looked for."""


def numbered_weekday(text: str, end: int, weekday: int, today: date, language: str) -> tuple[int, date] | None:
    """(end, day) of a weekday with its number, "martes 3": the nearest such day on which both are right."""
    m = _BESIDE.match(text, end)
    if m is None or (not m[2] and language in {"en", "de"}):
        return None
    every = (today + timedelta(days=n) for n in range(-_A_WHILE, _A_WHILE + 1))
    fits = [d for d in every if d.day == int(m[1]) and d.weekday() == weekday]
    return (m.end(), min(fits, key=lambda d: abs((d - today).days))) if fits else None


THEN: Final = re.compile(r",? ?\(?(?:(?:the|den|dem|le|el|il|de|d[ií]a) )?", _I)
"""What may stand between a weekday and its date."""
