"""Days and hours, in figures and in words, resolved as seen from the day on which the text is read."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

from agent.entities.calendar_words import calendar_words
from agent.facts.measures import currency_before
from agent.facts.reader import Reader, words

WRONG_WEEKDAY: Final = " on another weekday"
"""Ends the value of a date whose weekday does not fit it."""

_ISO: Final = re.compile(r"(20\d\d)([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_FIGURES: Final = re.compile(r"(\d{1,2})([./-])(\d{1,2})(?:\2(20\d\d|\d\d)(?!\d)|(?![\d%])\2?(?!\d))")
_DAY_MONTH: Final = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|er|e|ste|de|\.|º|ª)?(?:[ \u00a0](?:of |de |di |del |d')?|-)"
    r"([^\W\d_]{3,12})(?:\.?,? (?:of |de |del )?(20\d\d)(?!\d))?"
)
_MONTH_BEFORE: Final = re.compile(r"([^\W\d_]{3,12})\.? (?:the )?$")
_DAY_AFTER: Final = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?(?:,? (20\d\d))?(?![\d:.]\d|[\d%])")
_YEAR: Final = re.compile(r"20\d\d\b")
_WEEKDAY_BEFORE: Final = re.compile(r"([^\W\d_]{2,10}(?:-feira)?)\.?,? (?:the |den |dem |le |el |il |op |dia )?$")


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _resolve(today: date, year: int, month: int, day: int) -> date | None:
    """The day meant; without a year, the one nearest to today."""
    if year:
        return _day(year + 2000 if year < 100 else year, month, day)
    near = [d for y in (today.year - 1, today.year, today.year + 1) if (d := _day(y, month, day))]
    return min(near, key=lambda d: abs((d - today).days), default=None)


def dates(r: Reader, start: int, digit: int) -> bool:
    """A date with figures in it."""
    raw = r.text.raw
    if start != digit:
        return False
    if (m := _ISO.match(raw, start)) and (found := _day(int(m[1]), int(m[3]), int(m[4]))):
        return r.add("date", found.isoformat(), *m.span())
    if (m := _DAY_MONTH.match(raw, start)) and (month := _month(r, m[2])):
        return _add(r, int(m[3] or 0), month, int(m[1]), *m.span())
    before = _MONTH_BEFORE.search(raw, max(0, start - 18), start)
    if before and (month := _month(r, before[1])):
        if m := _DAY_AFTER.match(raw, start):
            return _add(r, int(m[2] or 0), month, int(m[1]), before.start(), m.end())
        if m := _YEAR.match(raw, start):
            return r.add("date", f"{m[0]}-{month:02d}", before.start(), m.end())
    return _in_figures(r, start)


def _month(r: Reader, word: str) -> int:
    role, number = r.calendar(word)
    return number if role == "month" else 0


def _in_figures(r: Reader, start: int) -> bool:
    """`14.11.2026`, `14.11.`, `3/11`: the second reading of a slash date puts the month first."""
    m = _FIGURES.match(r.text.raw, start)
    if m is None or (m[4] is None and m[2] != "/" and not (m[2] == "." and m[0].endswith("."))):
        return False
    a, b, year = int(m[1]), int(m[3]), int(m[4] or 0)
    if m[4] is None and (a, b) == _ALWAYS:
        return False
    days = [d.isoformat() for month, day in ((b, a), (a, b)) if (d := _resolve(r.today, year, month, day))]
    if m[2] == ".":
        days = days[:1] if b <= 12 else []
    return bool(days) and r.add("date", days[0], *m.span(), *days[1:])


_ALWAYS: Final = (24, 7)


def _add(r: Reader, year: int, month: int, day: int, start: int, end: int) -> bool:
    """A day with month, and the weekday before it."""
    found = _resolve(r.today, year, month, day)
    if found is None:
        return False
    w = _WEEKDAY_BEFORE.search(r.text.raw, max(0, start - 20), start)
    role, number = r.calendar(w[1]) if w else ("", 0)
    if w and role == "weekday":
        return r.add("date", found.isoformat() + WRONG_WEEKDAY * (found.weekday() != number), w.start(), end)
    return r.add("date", found.isoformat(), start, end)


_CLOCK: Final = re.compile(
    r"(\d{1,2})[:h.](\d\d)(?::\d\d)?(?: ?((?i:am|pm|a\.m\.|p\.m\.|uhr|o'clock)))?(?!\d)"
    r"|(\d{1,2}) ?((?i:am|pm|a\.m\.|p\.m\.|uhr|o['’]clock))\b"
)


def times(r: Reader, start: int, digit: int) -> bool:
    """A time of day."""
    m = _CLOCK.match(r.text.raw, start) if start == digit else None
    if m is None or ("." in m[0][:3] and not m[3]):
        return False
    hour, minute, half = int(m[1] or m[4]), int(m[2] or 0), (m[3] or m[5] or "").lower()
    if half.startswith("p") and hour < 12:
        hour += 12
    if hour > 24 or minute > 59 or currency_before(r.text.raw, start) >= 0:
        return False
    return r.add("time", f"{hour:02d}:{minute:02d}", *m.span())


_NEXT: Final = words(
    "next coming nachste nachsten nachster nachstes kommende kommenden kommender prochain prochaine proximo proxima "
    "prossimo prossima volgende komende"
)
_AMBIGUOUS: Final = words("may march mars sept mar out set mai ago dic gen sat sun dag")
"""Short or common words that are months or days only beside a number."""
_MORNING: Final = words("guten goede heute vandaag am bom buona de la")
"""Words before `morgen` or `mañana` that make it the morning, not tomorrow."""


def in_words(r: Reader) -> None:
    """Weekdays, "tomorrow", "next week" and months that stand without a number."""
    written, raw, table = r.text.words, r.text.raw, calendar_words(r.language)
    for i, w in enumerate(written):
        entry = table.get(raw[w.start : w.end].lower())
        if entry is None or not r.free(w.start, w.end):
            continue
        role, number = entry
        before = written[i - 1].folded if i else ""
        if role == "weekday" and w.folded not in _AMBIGUOUS:
            day = r.today + timedelta(days=(number - r.today.weekday()) % 7)
            r.add("date", f"weekday {number}", w.start, w.end, day.isoformat())
        elif role == "relative" and not (w.folded in {"morgen", "manana"} and before in _MORNING):
            r.add("date", (r.today + timedelta(days=number)).isoformat(), w.start, w.end)
        elif role == "unit" and number >= 7 and before in _NEXT:
            r.add("date", f"next {'week' if number == 7 else 'month'}", written[i - 1].start, w.end)
        elif role == "month" and w.folded not in _AMBIGUOUS and raw[w.start].isupper():
            r.add("date", f"month {number}", w.start, w.end)
