"""SLA arithmetic: working time on calendars with zones, windows and holidays. Pure; `now` is always a parameter.

Elapsed time is counted in UTC, so a working day that loses or gains an hour to daylight saving is that much shorter or
longer. A local time is the first instant at which the zone's clock shows it or a later one: a time shown twice is meant
the first time, and a skipped one at the skip. So no clock change makes windows overlap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays as public_holidays
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MIDNIGHT = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_WINDOW = re.compile(r"^(\d{1,2}):(\d{2})(?::(\d{2}))?-(\d{1,2}):(\d{2})(?::(\d{2}))?$")
_HORIZON_DAYS = 3660
"""No open time within ten years means the calendar never opens again."""


class ClosedForeverError(ValueError):
    """The calendar has no open time within ten years of the start."""


def _parse_window(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = _WINDOW.match(value.strip())
    if match is None:
        raise ValueError(f"`{value}` is not a window like 09:00-17:00")
    h1, m1, s1, h2, m2, s2 = (int(x or 0) for x in match.groups())
    if max(m1, s1, m2, s2) >= 60:
        raise ValueError(f"`{value}` is not a window within one day")
    start, end = (timedelta(hours=h, minutes=m, seconds=s) for h, m, s in ((h1, m1, s1), (h2, m2, s2)))
    if start >= _MIDNIGHT or end > _MIDNIGHT or start == end:
        raise ValueError(f"`{value}` is not a window within one day")
    return start, end


Window = Annotated[tuple[timedelta, timedelta], BeforeValidator(_parse_window)]
"""Local start and end, counted from local midnight; an end before the start runs over midnight."""


class Calendar(BaseModel):
    """When a team works: windows of local time on weekdays, less holidays and closures; or around the clock."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    time_zone: str = "UTC"
    windows: Mapping[Day, tuple[Window, ...]] = Field(default_factory=dict[Day, tuple[Window, ...]])
    holidays: str | None = None
    """Country, or country-subdivision, whose public holidays are closed (`GB-ENG`, `DE-SN`)."""
    closures: tuple[date, ...] = ()
    always_open: bool = False

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"unknown time zone `{name}`") from None

    @field_validator("holidays")
    @classmethod
    def _known_holidays(cls, region: str | None) -> str | None:
        if region is not None:
            country, _, part = region.partition("-")
            try:
                public_holidays.country_holidays(country, subdiv=part or None)
            except NotImplementedError:
                raise ValueError(f"no public holidays are known for `{region}`") from None
        return region

    @model_validator(mode="after")
    def _usable(self) -> Calendar:
        if not self.always_open and not any(self.windows.values()):
            raise ValueError("the calendar has no open time")
        for day in range(7):
            spans = sorted(self._spans(day))
            if any(b[0] < a[1] for a, b in pairwise(spans)):
                raise ValueError(f"windows overlap on {DAYS[day]}")
        return self

    def _spans(self, weekday: int) -> list[tuple[timedelta, timedelta]]:
        """Open spans of one weekday from local midnight, with what runs over from the day before."""
        own = self.windows.get(DAYS[weekday], ())
        before = self.windows.get(DAYS[weekday - 1], ())
        spans = [(s, e if e > s else _MIDNIGHT) for s, e in own]
        return spans + [(timedelta(0), e) for s, e in before if e < s and e > timedelta(0)]

    @cached_property
    def zone(self) -> ZoneInfo:
        """The calendar's time zone."""
        return ZoneInfo(self.time_zone)

    def is_open(self, at: datetime) -> bool:
        """Whether an instant lies in open time."""
        day = at.astimezone(self.zone).date()
        return any(s <= at < e for d in (day - timedelta(days=1), day) for s, e in self.spans(d))

    def is_open_day(self, day: date) -> bool:
        """Whether work begins on this day."""
        return bool(self.spans(day))

    def _shut(self, day: date) -> bool:
        return day in self.closures or (self.holidays is not None and day in _public(self.holidays, day.year))

    @cached_property
    def _spans_by_day(self) -> dict[date, tuple[tuple[datetime, datetime], ...]]:
        """Spans of days that were asked for; working them out is most of what an answer costs."""
        # A copy with other windows (`model_copy`) would keep these: build a calendar anew instead.
        return {}

    def spans(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """Windows that start on one local day, as UTC instants in order; a night window runs on into the next day."""
        found = self._spans_by_day.get(day)
        if found is None:
            found = self._spans_by_day[day] = self._work_out(day)
        return found

    def _work_out(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        midnight = datetime.combine(day, time(0))
        if self.always_open:
            return ((self.instant(midnight), self.instant(midnight + _MIDNIGHT)),)
        own = () if self._shut(day) else self.windows.get(DAYS[day.weekday()], ())
        ends = ((s, e if e > s else e + _MIDNIGHT) for s, e in own)
        found = ((self.instant(midnight + s), self.instant(midnight + e)) for s, e in ends)
        return tuple(sorted(span for span in found if span[0] < span[1]))

    def instant(self, wall: datetime) -> datetime:
        """The first instant at which the zone's clock shows `wall` (without a zone) or a later time, in UTC."""
        found = wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        if found.astimezone(self.zone).replace(tzinfo=None) == wall:
            return found
        # The clock skips `wall`: read with the offset before and after the skip, it lies on either side of it.
        before, after = (wall.replace(microsecond=0, tzinfo=self.zone, fold=n).astimezone(UTC) for n in (1, 0))
        while after - before > _SECOND:
            middle = before + (after - before) // _SECOND // 2 * _SECOND
            skipped = middle.astimezone(self.zone).replace(tzinfo=None) > wall
            before, after = (before, middle) if skipped else (middle, after)
        return after


@lru_cache(maxsize=256)
def _public(region: str, year: int) -> frozenset[date]:
    country, _, part = region.partition("-")
    return frozenset(public_holidays.country_holidays(country, subdiv=part or None, years=year))


class Target(BaseModel):
    """How long a commitment may take, on which calendar."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    within: str
    """`30 min`, `2 h`, `8 business h` or `3 business days`."""
    calendar: str

    @model_validator(mode="after")
    def _readable(self) -> Target:
        self.amount  # noqa: B018 - raises for a text that cannot be read
        return self

    @cached_property
    def amount(self) -> timedelta | int:
        """Working time, or a whole number of business days."""
        match = re.match(r"^(\d+(?:\.\d+)?)\s*(?:business\s+)?(min|h|days?)$", self.within.strip())
        if match is None:
            raise ValueError(f"`{self.within}` is not a target like `30 min`, `8 business h` or `3 business days`")
        count, unit = float(match[1]), match[2]
        if count <= 0:
            raise ValueError(f"`{self.within}` must be more than nothing")
        if count > _HORIZON_DAYS * {"min": 1440, "h": 24}.get(unit, 1):
            raise ValueError(f"`{self.within}` must be at most ten years")
        if unit.startswith("day"):
            if not count.is_integer():
                raise ValueError(f"`{self.within}` must be whole days; write hours for a part of one")
            return int(count)
        return timedelta(minutes=count) if unit == "min" else timedelta(hours=count)


def due(target: Target, calendar: Calendar, start: datetime) -> datetime:
    """The instant at which a commitment made at `start` falls due, in UTC."""
    if isinstance(target.amount, int):
        return add_business_days(calendar, start, target.amount)
    return add_working_time(calendar, start, target.amount)


def open_spans(calendar: Calendar, start: datetime) -> Iterator[tuple[date, datetime, datetime]]:
    """Open spans from `start` on, each with its local day, as UTC instants; the first is cut to begin at `start`.

    Raises:
        ClosedForeverError: ten years without an open instant.

    """
    start = start.astimezone(UTC)
    day = start.astimezone(calendar.zone).date() - timedelta(days=1)
    last_open = day
    while (day - last_open).days < _HORIZON_DAYS:
        for opens, closes in calendar.spans(day):
            if closes > start:
                last_open = day
                yield day, max(opens, start), closes
        day += timedelta(days=1)
    raise ClosedForeverError(f"the calendar has no open time within ten years after {start.isoformat()}")


def add_working_time(calendar: Calendar, start: datetime, amount: timedelta) -> datetime:
    """The instant at which `amount` of open time has passed since `start` (aware), in UTC.

    A start outside hours counts from the next opening; time that fills a window exactly ends at its closing.
    """
    if calendar.always_open:
        return start.astimezone(UTC) + amount
    for _, opens, closes in open_spans(calendar, start):
        if amount <= closes - opens:
            return opens + amount
        amount -= closes - opens
    raise AssertionError("open_spans never ends")


def add_business_days(calendar: Calendar, start: datetime, days: int) -> datetime:
    """The same local time on the `days`-th open day after `start`, at its closing if that is earlier.

    A start outside hours counts the day of the next opening as the first and ends at closing. The hours of a night
    window belong to the day on which it starts.
    """
    first, opening, _ = next(open_spans(calendar, start))
    if not days:
        return opening
    inside = opening == start.astimezone(UTC)
    day = _nth_open_day(calendar, first, days if inside else days - 1)
    closing = calendar.spans(day)[-1][1]
    if not inside:
        return closing
    wall = start.astimezone(calendar.zone).replace(tzinfo=None)
    return min(calendar.instant(wall + (day - first)), closing)


def _nth_open_day(calendar: Calendar, day: date, after: int) -> date:
    """The open day that is `after` open days later than `day`."""
    if calendar.always_open:
        return day + timedelta(days=after)
    last = day + timedelta(days=_HORIZON_DAYS)
    while after:
        day += timedelta(days=1)
        if day > last:
            raise ClosedForeverError(f"the calendar has {after} open days too few within ten years")
        after -= calendar.is_open_day(day)
    return day


def open_time(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """How much open time lies between two instants; none when `end` is not after `start`."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end <= start or calendar.always_open:
        return max(end - start, timedelta(0))
    passed = timedelta(0)
    for _, opens, closes in open_spans(calendar, start):
        if opens >= end:
            break
        passed += min(closes, end) - opens
    return passed


Pause: TypeAlias = tuple[datetime, datetime | None]
"""From when until when a clock stood still; None while it does."""


def after_pauses(calendar: Calendar, start: datetime, pauses: Sequence[Pause], amount: timedelta) -> datetime | None:
    """The instant at which `amount` of open time outside pauses has passed; None when a pause that goes on is before."""
    for begun, ended in pauses:
        passed = open_time(calendar, start, begun)
        if amount <= passed:
            break
        if ended is None:
            return None
        amount, start = amount - passed, ended
    return add_working_time(calendar, start, amount) if amount else start
