"""Draws calendars of all kinds and instants where clocks are easily wrong, for `evals.clock_check`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import available_timezones

import numpy as np

from agent.clock import DAYS, Calendar, Day
from evals.clock_oracle import DAY, EPOCH, SECOND, Ints, Timeline, Wall, day_number, timeline, wall

FIRST, LAST = 2024, 2032
"""Years in which every start lies, both whole."""
_LAID_OUT = FIRST - 1, LAST + 6
HARD_ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/St_Johns", "America/Santiago",
    "America/Havana", "America/Nuuk", "Australia/Lord_Howe", "Australia/Adelaide", "Asia/Kathmandu", "Asia/Kolkata",
    "Asia/Beirut", "Africa/Cairo", "Africa/Casablanca", "Antarctica/Troll", "Atlantic/Azores", "Pacific/Apia",
    "Pacific/Auckland", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Tongatapu", "Pacific/Pago_Pago", "UTC",
)  # fmt: skip
"""Clock changes of half an hour and of two, at midnight, backwards in spring; offsets of quarter hours and past half a day."""
REGIONS = (
    "DE-SN",
    "DE-BE",
    "GB-ENG",
    "GB-SCT",
    "US-NY",
    "CA-NL",
    "AU-NSW",
    "NZ",
    "WS",
    "NP",
    "BR",
    "EG",
    "JP",
    "IL",
    "CL",
)
_WEEK = 7 * 86_400
_HALF = 43_200


@dataclass(frozen=True, slots=True)
class Drawn:
    """A calendar with its spans, and cases on it."""

    calendar: Calendar
    line: Timeline
    starts: Ints
    amounts: Ints
    """Working time, one amount for each start."""
    days: Ints
    """Business days, one number for each start."""


@cache
def every_zone() -> tuple[str, ...]:
    """All time zones that this machine knows."""
    return tuple(sorted(available_timezones() - {"Factory", "localtime"}))


def draw(random: np.random.Generator, zone: str, cases: int, snap: int | None = None) -> Drawn:
    """A random calendar with `cases` random cases; every edge and start is a multiple of `snap` seconds, if given."""
    calendar = draw_calendar(random, zone, snap)
    line = lay_out(calendar)
    starts = _starts(random, line, cases)
    amounts = _amounts(random, line, starts)
    if snap is not None:
        starts, amounts = starts // (snap * SECOND) * snap * SECOND, amounts // (snap * SECOND) * snap * SECOND
    days = np.where(random.random(cases) < 0.9, random.integers(0, 11, cases), random.integers(0, 61, cases))
    return Drawn(calendar, line, starts, amounts, days.astype(np.int64))


def lay_out(calendar: Calendar) -> Timeline:
    """All spans of a calendar in the years of the starts, and some years more for late answers."""
    return timeline(calendar, *_LAID_OUT)


def draw_calendar(random: np.random.Generator, zone: str, snap: int | None = None) -> Calendar:
    """A calendar with open time: office hours, one of many windows anywhere in the week, or around the clock."""
    if (kind := random.random()) < 0.1:
        return Calendar(time_zone=zone, always_open=True)
    step = snap or int(random.choice([1, 60, 900, 1800, 3600]))
    windows = _office(random, step) if kind < 0.3 else _anywhere(random, step)
    days = random.integers(day_number(date(FIRST, 1, 1)), day_number(date(LAST + 1, 1, 1)), random.integers(0, 40))
    changes = [int(x) // DAY + random.integers(-2, 3) for x in _changes(wall(zone, *_LAID_OUT))]
    shut = [*days.tolist(), *(day for day in changes if random.random() < 0.2)]
    fields = {
        "time_zone": zone,
        "windows": windows,
        "holidays": str(random.choice(REGIONS)) if random.random() < 0.4 else None,
        "closures": sorted({EPOCH.date() + timedelta(days=int(day)) for day in shut}),
    }
    return Calendar.model_validate(fields)


def _changes(seen: Wall) -> Ints:
    """Instants at which the zone's offset changes in the years of the starts."""
    first, end = _bounds()
    return seen.begins[(seen.begins > first) & (seen.begins < end)]


def _bounds() -> tuple[int, int]:
    return day_number(date(FIRST, 1, 1)) * DAY, day_number(date(LAST + 1, 1, 1)) * DAY


def _office(random: np.random.Generator, step: int) -> dict[Day, list[str]]:
    """The same hours on the first few weekdays, with or without a break."""
    edges = np.sort(random.choice(86_400 // step, 4, replace=False)) * step
    hours = [(edges[0], edges[1]), (edges[2], edges[3])] if random.random() < 0.5 else [(edges[0], edges[3])]
    return {day: [_window(int(a), int(b)) for a, b in hours] for day in DAYS[: random.integers(1, 8)]}


def _anywhere(random: np.random.Generator, step: int) -> dict[Day, list[str]]:
    """Windows of any length below a day, some of which touch, many of which begin or end in the small hours."""
    points = random.integers(0, _WEEK, 2 * int(random.integers(1, 15)))
    small = random.random(len(points)) < 0.5
    points[small] = points[small] // 86_400 * 86_400 + random.integers(0, 5 * 3600, int(small.sum()))
    points = np.unique(points // step * step)
    points = np.append(points, points[0] + _WEEK)
    windows: dict[Day, list[str]] = {}
    was_open = random.random() < 0.5
    for a, b in pairwise(int(x) for x in points):
        was_open = random.random() < (0.2 if was_open else 0.8)
        if not was_open:
            continue
        day, opens = divmod(a, 86_400)
        closes = min(opens + b - a, opens + 86_400 - step, 2 * 86_400 - step)
        windows.setdefault(DAYS[day], []).append(_window(opens, closes))
    return windows or {"mon": ["22:00-06:00"]}


def _window(opens: int, closes: int) -> str:
    """As a store writes it; an end after midnight is written as the time of the next day."""
    return "-".join(_time(x) for x in (opens, closes if closes <= 86_400 else closes - 86_400))


def _time(of_day: int) -> str:
    minutes, seconds = divmod(of_day, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}" + f":{seconds:02}" * (seconds > 0)


def _starts(random: np.random.Generator, line: Timeline, cases: int) -> Ints:
    """Near clock changes, window edges, leap days and turns of the year; the rest anywhere; some between seconds."""
    first, end = _bounds()
    anywhere = random.integers(first, end, cases) // SECOND * SECOND
    changes = _changes(line.wall)
    edges = np.concatenate((line.opens, line.closes))
    edges = edges[(edges > first) & (edges < end)]
    turns = [day_number(date(y, m, 1)) * DAY for y in range(FIRST, LAST + 1) for m in (1, 3)]
    days_away = random.integers(-2 * _HALF, 2 * _HALF, cases) * SECOND
    seconds_away = random.choice([-1, 0, 0, 1, 60], cases) * SECOND
    kind = random.random(cases)
    starts = anywhere
    starts = np.where(kind < 0.5, random.choice(edges, cases) + seconds_away, starts)
    starts = np.where(kind < 0.25, random.choice(turns, cases) + days_away, starts)
    if len(changes):
        away = np.where(random.random(cases) < 0.5, days_away, days_away // 16 // SECOND * SECOND)
        starts = np.where(kind < 0.2, random.choice(changes, cases) + away, starts)
    starts = np.where(random.random(cases) < 0.1, starts + random.integers(0, SECOND, cases), starts)
    return np.clip(starts, first, end - SECOND)


def _amounts(random: np.random.Generator, line: Timeline, starts: Ints) -> Ints:
    """Nothing, whole hours, anything up to 100 hours, and what ends exactly at a closing or a second beside it."""
    cases = len(starts)
    anything = np.exp(random.uniform(0, np.log(360_000), cases)).astype(np.int64) * SECOND
    hours = random.integers(0, 81, cases) * 3600 * SECOND
    closing = np.searchsorted(line.closes, starts, side="right") + random.geometric(0.2, cases) - 1
    beside = random.choice([-1, 0, 0, 1], cases) * SECOND
    exact = line.position(line.closes[closing]) - line.position(starts) + beside
    kind = random.random(cases)
    amounts = np.select([kind < 0.4, kind < 0.6, kind < 0.65], [np.maximum(exact, 0), hours, 0], anything)
    half_year = int((line.closes - line.opens).sum()) // (2 * (_LAID_OUT[1] - _LAID_OUT[0]))
    return np.minimum(amounts, half_year).astype(np.int64)
