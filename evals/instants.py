"""Instants as people and programs write them in exports: read where they are clear, named where they are not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

Order: TypeAlias = Literal["day_first", "month_first"]

NOTHING: Final = frozenset(
    {"", "n/a", "na", "nan", "none", "null", "nil", "-", "--", "?", "unknown", "tbd", "0", "0000-00-00", "0000-00-00 00:00:00"}
)  # fmt: skip
"""Words that stand where an instant is not known."""
YEARS: Final = range(1995, 2200)
"""Years that a past escalation can lie in; what lies outside stands for "not known"."""

_PARTS: Final = re.compile(
    r"(\d{1,2})([/.\-])(\d{1,2})\2(\d{4})"
    r"(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([AaPp]\.?[Mm]\.?)?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
"""A date by its parts, the year last, with or without a time."""
_OFFSET: Final = re.compile(r"([+-])(\d{2}):?(\d{2})")


@dataclass(frozen=True, slots=True)
class Read:
    """What a value says: an instant in UTC or none, and what had to be found out for it."""

    at: datetime | None = None
    note: str = ""
    """`placeholder`, `day first`, `month first` or `no zone`, comma between several; "" when it was plain."""
    problem: str = ""
    """Why it cannot be read; "" when it can."""


@dataclass(slots=True)
class Evidence:
    """Which order of day and month the dates of a file show: a part above 12 can only be a day."""

    day_first: int = 0
    month_first: int = 0

    def see(self, value: object) -> None:
        """Look at one value."""
        if isinstance(value, str) and (match := _PARTS.fullmatch(value.strip())) and match[2] != ".":
            self.day_first += int(match[1]) > 12
            self.month_first += int(match[3]) > 12

    @property
    def order(self) -> Order | None:
        """The order that all clear dates share; None when none is clear, or when they contradict each other."""
        if bool(self.day_first) == bool(self.month_first):
            return None
        return "day_first" if self.day_first else "month_first"


def read(value: Any, zone: ZoneInfo, order: Order | None) -> Read:
    """An instant of an export.

    Args:
        value: ISO 8601, seconds or milliseconds since 1970, or day, month and year with a time.
        zone: where one without a zone of its own was written.
        order: of day and month; dates with dots have the day first anyway.

    """
    if isinstance(value, datetime):
        return _placed(value, zone, "")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _counted(float(value))
    text = "" if value is None else str(value).strip()
    if text.lower() in NOTHING:
        return Read(note="placeholder" if text else "")
    if re.fullmatch(r"\d{9,13}", text):
        return _counted(float(text))
    try:
        return _placed(datetime.fromisoformat(text.replace(" UTC", "+00:00")), zone, "")
    except (ValueError, OverflowError):
        pass
    match = _PARTS.fullmatch(text)
    return _parts(match, text, zone, order) if match else Read(problem=f"{text[:40]!r} is no instant that can be read")


def _parts(match: re.Match[str], text: str, zone: ZoneInfo, order: Order | None) -> Read:
    first, second, year = int(match[1]), int(match[3]), int(match[4])
    if match[2] == "." or first > 12:
        day, month, note = first, second, "day first"
    elif second > 12:
        day, month, note = second, first, "month first"
    elif first == second:
        day, month, note = first, second, ""
    elif order is None:
        return Read(
            problem=f"{text[:40]!r} can be two days; say `dates: day_first` or `dates: month_first` in the mapping"
        )
    else:
        day, month = (first, second) if order == "day_first" else (second, first)
        note = order.replace("_", " ")
    hour, minute, second_ = (int(match[n] or 0) for n in (5, 6, 7))
    if match[8]:
        hour = hour % 12 + (12 if match[8][0] in "pP" else 0)
    try:
        at = datetime(year, month, day, hour, minute, second_)  # noqa: DTZ001 - its zone comes next
    except ValueError:
        return Read(problem=f"{text[:40]!r} is no day of the calendar")
    return _placed(_offset(at, match[9]), zone, note)


def _offset(at: datetime, zone: str | None) -> datetime:
    if not zone:
        return at
    match = _OFFSET.fullmatch(zone)
    if match is None:
        return at.replace(tzinfo=UTC)
    shift = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return (at - shift if match[1] == "+" else at + shift).replace(tzinfo=UTC)


def _counted(number: float) -> Read:
    seconds = number / 1000 if number > 1e11 else number
    if seconds < 86400:
        return Read(note="placeholder")
    return _placed(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(seconds, 1e11)), ZoneInfo("UTC"), "")


def _placed(at: datetime, zone: ZoneInfo, note: str) -> Read:
    if at.year not in YEARS:
        return Read(note="placeholder")
    if at.tzinfo is not None:
        return Read(at.astimezone(UTC), note)
    return Read(at.replace(tzinfo=zone).astimezone(UTC), f"{note}, no zone" if note else "no zone")
