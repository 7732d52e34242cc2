"""The sample store's dates moved to the present: instants, days written in texts, and the orders that the cases are about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any, Final, cast

_ENGLISH: Final = "January February March April May June July August September October November December".split()
_GERMAN: Final = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
_MONTHS: Final = {name: n for names in (_ENGLISH, _GERMAN) for n, name in enumerate(names, start=1)}
_WEEKS: Final = (
    "monday tuesday wednesday thursday friday saturday sunday".split(),
    "montag dienstag mittwoch donnerstag freitag samstag sonntag".split(),
)
_MONTH: Final = "(?P<month>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + ")"
_DATE: Final = re.compile(
    rf"(?P<iso>\b20\d\d-\d\d-\d\d\b)|\b{_MONTH} (?P<after>\d{{1,2}})(?P<comma>,? )(?P<year1>20\d\d)\b|"
    rf"\b(?P<day>\d{{1,2}})(?P<mark>st|nd|rd|th|\.)?(?P<of> of | ){_MONTH.replace('<month>', '<name>')}\b(?:(?P<gap> )(?P<year2>20\d\d)\b)?|"
    r"\b(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>20\d\d)?(?!\d)|\b(?P<lone>\d{1,2})(?:st|nd|rd|th)\b(?! (?:time|try|order|floor|attempt|class)\b)"
)
_WEEKDAY: Final = re.compile(r"(?<!\bblack )\b(" + "|".join(chain(*_WEEKS)) + r")(?=s?\b|abend|morgen)", re.IGNORECASE)
_INSTANT: Final = re.compile(r"\b20\d\d-\d\d-\d\d(?=T|\b)")
_HALF_YEAR: Final = timedelta(days=182)


def moved_instant(written: str, by: timedelta) -> str:
    """An instant of a file, moved."""
    return (datetime.fromisoformat(written) + by).astimezone(UTC).isoformat().replace("+00:00", "Z")


def moved_text(text: str, at: date, days: int) -> str:
    """A text of `at` with the days that it writes out, in English or German, moved by so many days.

    A date without a year is the one nearest to `at`, a lone "17th" the last one before. Weekdays move along, since a text
    that is read on a Tuesday speaks of another Sunday.
    """
    if not days:
        return text
    by = timedelta(days=days)
    return _WEEKDAY.sub(lambda m: _weekday(m[0], days), _DATE.sub(lambda m: _date(m, at, by), text))


def moved_order(row: Mapping[str, Any], by: timedelta) -> dict[str, Any]:
    """An order of the book with every day in it moved."""

    def day(m: re.Match[str]) -> str:
        return (date.fromisoformat(m[0]) + by).isoformat()

    return {name: _in(value, lambda text: _INSTANT.sub(day, text)) for name, value in row.items()}


def _in(value: Any, change: Callable[[str], str]) -> Any:
    """A value of a JSON file with its texts changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {k: _in(v, change) for k, v in cast("Mapping[str, Any]", value).items()}
    return [_in(v, change) for v in cast("list[Any]", value)] if isinstance(value, list) else value


def _weekday(word: str, days: int) -> str:
    names = [str(name) for week in _WEEKS if word.lower() in week for name in week]
    found = names[(names.index(word.lower()) + days) % 7]
    return found.capitalize() if word[0].isupper() else found


def _date(m: re.Match[str], at: date, by: timedelta) -> str:
    """One written date, moved and written in the same way."""
    if m["iso"]:
        return (date.fromisoformat(m["iso"]) + by).isoformat()
    if m["lone"]:
        return _ordinal(day + by) if (day := _last(at, int(m["lone"]))) else m[0]
    name, number = m["month"] or m["name"], int(m["after"] or m["day"] or m["d"])
    year = m["year1"] or m["year2"] or m["y"]
    day = _resolved(at, int(year) if year else 0, _MONTHS[name] if name else int(m["m"]), number)
    if day is None:
        return m[0]
    day += by
    if m["month"]:
        return f"{_ENGLISH[day.month - 1]} {day.day}{m['comma']}{day.year}"
    if m["d"]:
        return f"{day.day}.{day.month}.{day.year if year else ''}"
    names = _GERMAN if m["mark"] == "." or name not in _ENGLISH else _ENGLISH
    mark = m["mark"] or ""
    written = f"{day.day}." if mark == "." else _ordinal(day) if mark else f"{day.day:0{len(m['day'])}d}" if m["day"].startswith("0") else str(day.day)  # fmt: skip
    return f"{written}{m['of']}{names[day.month - 1]}{f' {day.year}' if year else ''}"


def _ordinal(day: date) -> str:
    n = day.day
    return f"{n}{'th' if 10 < n < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def _resolved(at: date, year: int, month: int, day: int) -> date | None:
    """A date; without a year (0) the one nearest to `at`. None when there is no such day."""
    found = [d for y in ((year,) if year else (at.year - 1, at.year, at.year + 1)) if (d := _made(y, month, day))]
    return min(found, key=lambda d: abs(d - at), default=None)


def _last(at: date, day: int) -> date | None:
    """The last such day of a month up to `at`."""
    return next((d for d in _back(at) if d.day == day), None)


def _back(at: date) -> Iterator[date]:
    yield from (at - timedelta(days=n) for n in range(_HALF_YEAR.days))


def _made(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
