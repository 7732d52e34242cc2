"""Since when the desk is in consistent use, and at which instants a verdict is due."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

FIRST: Final = timedelta(days=30)
"""Consistent use before the first verdict."""
QUARTER: Final = timedelta(days=91)
"""From one verdict to the next; each looks at the cases of its own time only, so that no case is judged twice."""
GAP: Final = 3
"""Days with new cases in a row without any work at the desk, after which its use is no longer consistent."""
MEANS: Final = (
    f"Consistent use means that people worked cases at the desk (decided on drafts, recorded replies) without leaving it aside "
    f"on {GAP} days with new cases in a row."
)


@dataclass(frozen=True, slots=True)
class Look:
    """A verdict that is due: it looks at the cases opened in a window, as they stood at its end."""

    number: int
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Use:
    """How the desk is used."""

    since: datetime | None
    """Begin of consistent use; None while nobody works at the desk."""
    day: int
    """The day of use that today is, from 1; 0 without use."""
    look: Look | None
    """The last verdict that is due; None before day 30."""
    next_at: datetime | None

    @property
    def says(self) -> str:
        """How far it is to a verdict."""
        if self.since is None:
            return "The desk is not in use yet."
        if self.look is None:
            return f"Day {min(self.day, FIRST.days)} of {FIRST.days}."
        return f"Verdict {self.look.number}, on cases opened from {self.look.begins:%Y-%m-%d} until {self.look.ends:%Y-%m-%d}."


def use(worked: Set[date], incoming: Set[date], now: datetime) -> Use:
    """How the desk is used at `now`.

    Args:
        worked: days (UTC) on which people worked cases.
        incoming: days on which cases came in.
        now: the instant asked about.

    """
    since = _since(worked, incoming, now.date())
    if since is None:
        return Use(None, 0, None, None)
    begins = datetime.combine(since, time(0), UTC)
    first = begins + FIRST
    day = (now.date() - since).days + 1
    if now < first:
        return Use(begins, day, None, first)
    passed = (now - first) // QUARTER
    ends = first + passed * QUARTER
    look = Look(passed + 1, begins if not passed else ends - QUARTER, ends)
    return Use(begins, day, look, ends + QUARTER)


def _since(worked: Set[date], incoming: Set[date], today: date) -> date | None:
    """The first day of the unbroken time of use that goes on today."""
    since: date | None = None
    idle = 0
    at = min(worked, default=today)
    while at <= today:
        if at in worked:
            since, idle = since or at, 0
        elif at in incoming:
            idle += 1
            if idle >= GAP:
                since = None
        at += timedelta(days=1)
    return since
