"""Two clocks that count open time by other means than the desk's own, to check it against: `python -m evals.clock_check`.

The one lays out all spans of a calendar at once and looks answers up; the other walks instant by instant and looks at the
wall alone. Both read a calendar's fields and nothing else of it. What the desk means by a local time is one rule: the
first instant at which the wall clock shows that time or a later one. So an edge that the clock shows twice is meant the
first time, and one that it skips is meant at the skip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays as public_holidays
import numpy as np
from numpy.typing import NDArray

from agent.clock import DAYS, Calendar
from evals.errors import BeyondRangeError

Ints = NDArray[np.int64]
"""Microseconds since 1970 in UTC, microseconds of length, or days since 1970, as the name says."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
SECOND = 1_000_000
DAY = 86_400 * SECOND
_SAMPLE = timedelta(hours=6)
"""No zone keeps an offset for less than this."""
_MONDAY = 4
"""1970-01-05, in days since 1970."""


def ticks(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return (instant - EPOCH) // TICK


def instant(at: int) -> datetime:
    """The instant so many microseconds after 1970 began, in UTC."""
    return EPOCH + at * TICK


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - EPOCH.date()).days


@dataclass(frozen=True, slots=True)
class Wall:
    """What clocks on the wall show in a zone: the offset from UTC and since when, in order of time."""

    begins: Ints
    offsets: Ints

    def shown(self, at: Ints) -> Ints:
        """The wall's time at instants, as microseconds since a wall's 1970."""
        return at + self.offsets[np.searchsorted(self.begins, at, side="right") - 1]

    def first(self, shown: Ints) -> Ints:
        """The first instants at which the wall shows these times or later ones."""
        ends = self.begins[1:] + self.offsets[:-1]
        part = np.searchsorted(ends, shown, side="right")
        return np.maximum(self.begins[part], shown - self.offsets[part])


@lru_cache(maxsize=1024)
def wall(zone: str, first_year: int, last_year: int) -> Wall:
    """The wall of a zone from one year to another, both whole."""
    place = ZoneInfo(zone)
    here, end = datetime(first_year, 1, 1, tzinfo=UTC) - timedelta(days=2), datetime(last_year + 1, 1, 3, tzinfo=UTC)
    begins, offsets = [ticks(here)], [_offset(here, place)]
    while here < end:
        there = here + _SAMPLE
        if _offset(there, place) != offsets[-1]:
            begins.append(ticks(_change(here, there, place)))
            offsets.append(_offset(there, place))
        here = there
    return Wall(np.array(begins, np.int64), np.array(offsets, np.int64))


def _offset(at: datetime, place: ZoneInfo) -> int:
    return (at.astimezone(place).utcoffset() or timedelta(0)) // TICK


def _change(early: datetime, late: datetime, place: ZoneInfo) -> datetime:
    """The second at which the offset becomes that of `late`."""
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // timedelta(seconds=2) * timedelta(seconds=1)
        if _offset(middle, place) == _offset(late, place):
            late = middle
        else:
            early = middle
    return late


@lru_cache(maxsize=256)
def _holidays(region: str, first_year: int, last_year: int) -> frozenset[int]:
    country, _, part = region.partition("-")
    years = range(first_year - 1, last_year + 2)
    found = public_holidays.country_holidays(country, subdiv=part or None, years=years)
    return frozenset(day_number(day) for day in found)


def _shut(calendar: Calendar, first_year: int, last_year: int) -> frozenset[int]:
    """Days on which no window begins, as days since 1970; a calendar around the clock has none."""
    if calendar.always_open:
        return frozenset()
    shut = frozenset(day_number(day) for day in calendar.closures)
    return shut if calendar.holidays is None else shut | _holidays(calendar.holidays, first_year, last_year)


def _week(calendar: Calendar) -> list[list[tuple[timedelta, timedelta]]]:
    """Windows by weekday from Monday on, from local midnight; an end may lie in the next day."""
    whole = timedelta(days=1)
    if calendar.always_open:
        return [[(timedelta(0), whole)]] * 7
    windows = [calendar.windows.get(day, ()) for day in DAYS]
    return [[(opens, closes + whole * (closes <= opens)) for opens, closes in found] for found in windows]


@dataclass(frozen=True, slots=True)
class Timeline:
    """All open spans of a calendar over some years, in order; made by `timeline`."""

    wall: Wall
    opens: Ints
    closes: Ints
    day_of: Ints
    """For each span, the place in `days` of the local day on which its window begins."""
    days: Ints
    """Open days since 1970."""
    last_close: Ints
    """For each open day, when its last window closes."""

    @property
    def _filled(self) -> Ints:
        """Open time up to the end of each span."""
        return np.cumsum(self.closes - self.opens)

    def _next(self, at: Ints) -> Ints:
        """The spans that are open at, or open next after, these instants."""
        found = np.searchsorted(self.closes, at, side="right")
        if len(found) and found.max() >= len(self.closes):
            raise BeyondRangeError("An instant lies after the last open span; lay out more years.")
        return found

    def position(self, at: Ints) -> Ints:
        """Open time since the timeline began; instants with only closed time between them share one position."""
        span = self._next(at)
        filled = self._filled
        return filled[span] - (self.closes[span] - np.maximum(at, self.opens[span]))

    def add_working_time(self, starts: Ints, amounts: Ints) -> Ints:
        """When so much open time has passed since each start.

        Raises:
            BeyondRangeError: an answer lies after the last year.

        """
        filled = self._filled
        wanted = self.position(starts) + amounts
        first = self._next(starts)
        span = np.maximum(first, np.searchsorted(filled, wanted, side="left"))
        if len(span) and span.max() >= len(filled):
            raise BeyondRangeError("An amount needs more open time than was laid out; lay out more years.")
        return self.closes[span] - (filled[span] - wanted)

    def add_business_days(self, starts: Ints, days: Ints) -> Ints:
        """The same wall time on the n-th open day, at its last closing if that is earlier or the start was outside hours.

        Raises:
            BeyondRangeError: an answer lies after the last year.

        """
        span = self._next(starts)
        opening = np.maximum(starts, self.opens[span])
        inside = opening == starts
        own = self.day_of[span]
        landing = np.where(days == 0, own, own + days - ~inside)
        if len(landing) and landing.max() >= len(self.days):
            raise BeyondRangeError("A number of days needs more open days than were laid out; lay out more years.")
        closing = self.last_close[landing]
        same = self.wall.first(self.wall.shown(starts) + (self.days[landing] - self.days[own]) * DAY)
        return np.where(days == 0, opening, np.where(inside, np.minimum(same, closing), closing))


def timeline(calendar: Calendar, first_year: int, last_year: int) -> Timeline:
    """The open spans of a calendar from one year to another, both whole."""
    seen = wall(calendar.time_zone, first_year, last_year)
    days = np.arange(day_number(date(first_year, 1, 1)), day_number(date(last_year + 1, 1, 1)), dtype=np.int64)
    days = days[~np.isin(days, list(_shut(calendar, first_year, last_year)))]
    rows = [np.empty((3, 0), np.int64)]
    for weekday, windows in enumerate(_week(calendar)):
        those = days[(days - _MONDAY) % 7 == weekday]
        for opens, closes in windows:
            edges = (seen.first(those * DAY + edge // TICK) for edge in (opens, closes))
            rows.append(np.stack((*edges, those)))
    table = np.concatenate(rows, axis=1)
    table = table[:, table[0] < table[1]]
    opens, closes, owner = table[:, np.argsort(table[0], kind="stable")]
    found, day_of = np.unique(owner, return_inverse=True)
    last = np.full(len(found), np.iinfo(np.int64).min)
    np.maximum.at(last, day_of, closes)
    return Timeline(seen, opens, closes, day_of.astype(np.int64), found, last)


@dataclass(frozen=True, slots=True)
class Step:
    """One instant of a walk."""

    at: datetime
    latest: datetime
    """The latest time that the wall has shown so far, without a zone: while clocks repeat an hour, it stands still."""
    owner: date | None
    """The day on which the window that is open began; None while closed."""


class Walker:
    """Counts open time by walking from instant to instant with open eyes; edges, starts and amounts must be whole steps."""

    def __init__(self, calendar: Calendar, step: timedelta, most: int) -> None:
        """Gives up after `most` steps."""
        self._calendar, self._step, self._most = calendar, step, most
        self._zone = ZoneInfo(calendar.time_zone)
        self._windows = _week(calendar)
        self._found: dict[date, list[tuple[datetime, datetime, date]]] = {}

    def _wall(self, at: datetime) -> datetime:
        return at.astimezone(self._zone).replace(tzinfo=None)

    def _latest_before(self, start: datetime) -> datetime:
        """The latest wall time shown up to `start`; earlier instants matter only where clocks went back of late."""
        back = timedelta(hours=4)
        if self._wall(start) - self._wall(start - back) >= back:
            return self._wall(start)
        return max(self._wall(start - n * self._step) for n in range(back // self._step))

    def _near(self, day: date) -> list[tuple[datetime, datetime, date]]:
        """Windows that begin on this day or on the day before, by the wall."""
        if day not in self._found:
            days = [d for d in (day - timedelta(days=1), day) if not self._closed(d)]
            self._found[day] = [
                (datetime.combine(d, time(0)) + opens, datetime.combine(d, time(0)) + closes, d)
                for d in days
                for opens, closes in self._windows[d.weekday()]
            ]
        return self._found[day]

    def _closed(self, day: date) -> bool:
        return day_number(day) in _shut(self._calendar, day.year, day.year)

    def _walk(self, start: datetime) -> Iterator[Step]:
        latest = self._latest_before(start)
        for n in range(self._most):
            at = start + n * self._step
            latest = max(latest, self._wall(at))
            owner = next((d for opens, closes, d in self._near(latest.date()) if opens <= latest < closes), None)
            yield Step(at, latest, owner)
        raise BeyondRangeError(f"No answer within {self._most} steps; allow more of them.")

    def add_working_time(self, start: datetime, amount: timedelta) -> datetime:
        """When `amount` of open time has passed since `start`.

        Raises:
            BeyondRangeError: the answer lies too many steps away.

        """
        left = amount // self._step
        for seen in self._walk(start):
            if seen.owner is not None and not left:
                return seen.at
            left -= seen.owner is not None
            if seen.owner is not None and not left:
                return seen.at + self._step
        raise AssertionError("the walk never ends")

    def add_business_days(self, start: datetime, days: int) -> datetime:
        """The same wall time on the n-th open day, at its last closing if that is earlier or the start was outside hours.

        Raises:
            BeyondRangeError: the answer lies too many steps away.

        """
        seen: list[Step] = []
        owners: list[date] = []
        inside = False
        for step in self._walk(start):
            seen.append(step)
            if step.owner is None:
                continue
            if not owners:
                inside = step.at == start
                if not days:
                    return step.at
            if step.owner not in owners:
                owners.append(step.owner)
            if len(owners) == days + inside + 1:
                break
        wanted = owners[days + inside - 1]
        closing = max(step.at for step in seen if step.owner == wanted) + self._step
        if not inside:
            return closing
        same = self._wall(start) + (wanted - owners[0])
        return min(closing, next((step.at for step in seen if step.latest >= same), closing))
