"""One clock: what is known of it while a case's log is read, and its state at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from agent.clock import Calendar, Pause, Target, after_pauses, due, open_time
from agent.sla import Sla

Metric: TypeAlias = Literal[
    "first_reply", "next_reply", "next_update", "resolution", "team_ack", "promise", "external"
]  # fmt: skip
ClockState: TypeAlias = Literal["running", "paused", "met", "met_late", "breached", "cancelled"]

_PAUSABLE: Final = frozenset({"next_reply", "next_update", "resolution", "team_ack"})


@dataclass(frozen=True, slots=True)
class Clock:
    """One commitment on one case, as it stands at an instant."""

    metric: Metric
    key: str
    """Tells several of a metric apart: a team, a promise, a deadline, the number of a reply; "" for the only one."""
    state: ClockState
    started_at: datetime
    due_at: datetime | None
    """None while it is paused: nobody knows yet."""
    target: str
    calendar: str
    pauses: tuple[Pause, ...] = ()
    ended_at: datetime | None = None
    breached_at: datetime | None = None
    retargeted: bool = False
    """The breach was made only by a change of severity, policy or calendar; such ones are counted apart."""
    late_by: timedelta = timedelta(0)
    reason: str = ""
    """Why it was cancelled."""
    marks: tuple[tuple[int, datetime], ...] = ()
    """Percent -> the instant at which so much of the target is used, as far as that is known; 100 is the breach, if there
    was one, though it be that of an earlier target.
    """

    @property
    def id(self) -> str:
        """Its name within the case."""
        return f"{self.metric}:{self.key}" if self.key else self.metric

    @property
    def open(self) -> bool:
        """Whether somebody still has to act."""
        return self.ended_at is None and self.state in {"running", "paused", "breached"}


@dataclass(frozen=True, slots=True)
class Term:
    """From when on which target held."""

    at: datetime
    target: Target | None
    sla: Sla

    @property
    def bound(self) -> tuple[Target | None, Calendar | None]:
        """What it binds to; two terms that bind to the same are one."""
        return self.target, self.sla.calendars[self.target.calendar] if self.target else None


@dataclass(slots=True)
class Run:
    """A clock while the log is read."""

    metric: Metric
    key: str
    start: datetime
    terms: list[Term] = field(default_factory=list[Term])
    fixed: datetime | None = None
    """An absolute due instant, which nothing moves."""
    pauses: list[Pause] = field(default_factory=list[Pause])
    end: datetime | None = None
    cancelled: str = ""

    def pause(self, at: datetime) -> None:
        """It stands still from `at` on, if it is of a kind that can."""
        if self.metric in _PAUSABLE and self.end is None and not self._standing_still:
            self.pauses.append((max(at, self.start), None))

    def resume(self, at: datetime) -> None:
        """It goes on."""
        if self.end is None and self._standing_still:
            begun = self.pauses.pop()[0]
            if at > begun:
                self.pauses.append((begun, at))

    def finish(self, at: datetime, cancelled: str = "") -> None:
        """It is over: what it asked for was done, or it was cancelled for a reason."""
        self.resume(at)
        self.end, self.cancelled = at, cancelled

    @property
    def _standing_still(self) -> bool:
        return bool(self.pauses) and self.pauses[-1][1] is None

    def clock(self, sla: Sla, now: datetime) -> Clock | None:
        """Its state at `now`; None when there was never a target."""
        last = self.terms[-1] if self.terms else None
        if self.fixed is None and (last is None or all(t.target is None for t in self.terms)):
            return None
        end = self.end if self.end is not None and self.end <= now else None
        breached_at, retargeted = self._breach(end or now)
        target = last.target if last else None
        due_at = self.fixed or (self._due(last, self.pauses) if last else None)
        void = self.fixed is None and target is None
        state, reason = self._state(end, breached_at, void)
        late = (end or now) - (due_at or breached_at) if breached_at and (due_at or breached_at) else timedelta(0)
        return Clock(
            metric=self.metric, key=self.key, state=state, started_at=self.start, due_at=None if void else due_at,
            target=target.within if target else "", calendar=target.calendar if target else "",
            pauses=tuple(self.pauses), ended_at=end, breached_at=breached_at, retargeted=retargeted,
            late_by=max(late, timedelta(0)), reason=reason,
            marks=() if state == "cancelled" else self._marks(last, sla, breached_at or due_at),
        )  # fmt: skip

    def _state(self, end: datetime | None, breached_at: datetime | None, void: bool) -> tuple[ClockState, str]:
        if end is not None and not self.cancelled and not void:
            return ("met_late" if breached_at else "met"), ""
        if breached_at is not None:
            return "breached", self.cancelled
        if self.cancelled or void:
            return "cancelled", self.cancelled or "no target any more"
        return ("paused" if self._standing_still else "running"), ""

    def _breach(self, until: datetime) -> tuple[datetime | None, bool]:
        """When it was first overdue, and whether only a change of its target made it so."""
        if self.fixed is not None:
            return (self.fixed, False) if until > self.fixed else (None, False)
        for number, term in enumerate(self.terms):
            changed = self.terms[number + 1].at if number + 1 < len(self.terms) else until
            limit = min(changed, until)
            if term.target is None or limit < term.at:
                continue
            due_at = self._due(term, _before(self.pauses, limit))
            if due_at is not None and due_at < limit:
                return (due_at, False) if due_at >= term.at else (term.at, True)
        return None, False

    def _due(self, term: Term, pauses: Sequence[Pause]) -> datetime | None:
        if term.target is None:
            return None
        calendar = term.sla.calendars[term.target.calendar]
        unpaused = due(term.target, calendar, self.start)
        if all(begun >= unpaused for begun, _ in pauses):
            return unpaused
        moved = after_pauses(calendar, self.start, pauses, self._whole(term))
        # Days that end when a day opens hold the same open time as ones that end at the closing before.
        return None if moved is None else max(moved, unpaused)

    def _whole(self, term: Term) -> timedelta:
        """Open time that the target gives."""
        assert term.target is not None  # noqa: S101 - callers checked
        amount = term.target.amount
        if isinstance(amount, timedelta):
            return amount
        calendar = term.sla.calendars[term.target.calendar]
        return open_time(calendar, self.start, due(term.target, calendar, self.start))

    def _marks(self, term: Term | None, sla: Sla, full: datetime | None) -> tuple[tuple[int, datetime], ...]:
        percents = [p for p in sla.thresholds if p < 100]
        found: list[tuple[int, datetime]] = []
        if self.fixed is not None:
            span = max(self.fixed - self.start, timedelta(0))
            found = [(p, self.start + span * p / 100) for p in percents]
        elif term is not None and term.target is not None:
            calendar, whole = term.sla.calendars[term.target.calendar], self._whole(term)
            each = ((p, after_pauses(calendar, self.start, self.pauses, whole * p / 100)) for p in percents)
            found = [(p, at) for p, at in each if at is not None]
        found += [(100, full)] if full is not None else []
        return tuple(sorted(found, key=lambda mark: mark[1]))


def _before(pauses: Sequence[Pause], limit: datetime) -> list[Pause]:
    """The pauses as they stood at `limit`."""
    return [(a, b if b is not None and b <= limit else None) for a, b in pauses if a < limit]
