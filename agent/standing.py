"""How a case stands against the store's commitments: every clock, derived from the case's events.

Nothing is counted up and nothing is stored: a state follows from the event log, the policy's versions and an instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from agent.clock import Calendar, Pause, Target, after_pauses, due, open_time
from agent.sla import Sla
from agent.states import CaseState, step

Metric: TypeAlias = Literal[
    "first_reply", "next_reply", "next_update", "resolution", "team_ack", "promise", "external"
]  # fmt: skip
ClockState: TypeAlias = Literal["running", "paused", "met", "met_late", "breached", "cancelled"]

_PAUSABLE: Final = frozenset({"next_reply", "next_update", "resolution", "team_ack"})
_ENDED: Final = frozenset({"resolved", "closed"})
TOTAL: Final = "total"
"""Key of the resolution clock of a reopened case: the first verdict is final, this one runs on."""


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a case's log."""

    kind: str
    at: datetime
    data: Mapping[str, Any]

    @property
    def instant(self) -> datetime:
        """When it happened, which may be before it was written down."""
        told = self.data.get("sent_at") or self.data.get("written_at") or self.data.get("opened_at")
        return min(datetime.fromisoformat(str(told)), self.at) if told else self.at


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
    """Percent -> the instant at which so much of the target is used, if known; 100: the breach, of an earlier one too."""

    @property
    def id(self) -> str:
        """Its name within the case."""
        return f"{self.metric}:{self.key}" if self.key else self.metric

    @property
    def open(self) -> bool:
        """Whether somebody still has to act."""
        return self.ended_at is None and self.state in {"running", "paused", "breached"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a case stands at an instant."""

    clocks: tuple[Clock, ...]
    rework: int = 0
    """Times it was reopened within the grace time."""
    changes_at: datetime | None = None
    """When the first event happens that the log holds already, written while the machine's clock was ahead."""

    @property
    def next_due(self) -> datetime | None:
        """The first due instant that is owed to the outside; what teams owe each other does not count."""
        owed = (c.due_at for c in self.clocks if c.open and c.due_at and c.metric != "team_ack")
        return min(owed, default=None)


Book: TypeAlias = Callable[[str], Sla]
"""A version of the commitments by its content hash; "" is the one in force."""


def standing(events: Iterable[Event], book: Book, now: datetime) -> Standing:
    """Every clock of a case at `now`: the one function that pages, sweep, API and measures ask.

    Args:
        events: the case's log in its order, the opening first; later ones than `now` do not count. Nothing on a
            case counts from before it was opened.
        book: the versions of the commitments.
        now: the instant asked about.

    """
    log = list(events)
    opened = log[0].instant if log else now
    case, order = _Case(book), sorted((max(e.instant, opened), n, e) for n, e in enumerate(log))
    for instant, _, event in order:
        if instant <= now:
            case.take(event, instant)
    clocks = tuple(c for run in case.runs if (c := run.clock(case.sla, now)) is not None)
    return Standing(clocks, case.rework, next((instant for instant, _, _ in order if instant > now), None))


@dataclass(frozen=True, slots=True)
class _Term:
    """From when on which target held."""

    at: datetime
    target: Target | None
    sla: Sla

    @property
    def bound(self) -> tuple[Target | None, Calendar | None]:
        return self.target, self.sla.calendars[self.target.calendar] if self.target else None


@dataclass(slots=True)
class _Run:
    """A clock while the log is read."""

    metric: Metric
    key: str
    start: datetime
    terms: list[_Term] = field(default_factory=list[_Term])
    fixed: datetime | None = None
    """An absolute due instant, which nothing moves."""
    pauses: list[Pause] = field(default_factory=list[Pause])
    end: datetime | None = None
    cancelled: str = ""

    def pause(self, at: datetime) -> None:
        if self.metric in _PAUSABLE and self.end is None and not self._standing_still:
            self.pauses.append((max(at, self.start), None))

    def resume(self, at: datetime) -> None:
        if self.end is None and self._standing_still:
            begun = self.pauses.pop()[0]
            if at > begun:
                self.pauses.append((begun, at))

    def finish(self, at: datetime, cancelled: str = "") -> None:
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

    def _due(self, term: _Term, pauses: Sequence[Pause]) -> datetime | None:
        if term.target is None:
            return None
        calendar = term.sla.calendars[term.target.calendar]
        unpaused = due(term.target, calendar, self.start)
        if all(begun >= unpaused for begun, _ in pauses):
            return unpaused
        moved = after_pauses(calendar, self.start, pauses, self._whole(term))
        # Days that end when a day opens hold the same open time as ones that end at the closing before.
        return None if moved is None else max(moved, unpaused)

    def _whole(self, term: _Term) -> timedelta:
        """Open time that the target gives."""
        assert term.target is not None  # noqa: S101 - callers checked
        amount = term.target.amount
        if isinstance(amount, timedelta):
            return amount
        calendar = term.sla.calendars[term.target.calendar]
        return open_time(calendar, self.start, due(term.target, calendar, self.start))

    def _marks(self, term: _Term | None, sla: Sla, full: datetime | None) -> tuple[tuple[int, datetime], ...]:
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


class _Case:
    """Reads the log of one case."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.sla, self.rework = book(""), 0
        self.runs: list[_Run] = []
        self._facts: dict[str, str] = {}
        self._by_person = self._triaged = False
        self._state = CaseState()
        self._resolved_at: datetime | None = None

    def take(self, event: Event, at: datetime) -> None:
        """One more event, which happened at `at`."""
        before, self._state = self._state.status, step(self._state, event.kind, event.data)
        if heard := getattr(self, f"on_{event.kind}", None):
            heard(event.data, at)
        self._status(before, self._state.status, at)

    # --- what happened: on_<kind of event> ------------------------------------------------------

    def on_case_opened(self, data: Mapping[str, Any], at: datetime) -> None:
        self.sla = self._book(str(data.get("policy", "")))
        self._facts = {"tier": str(data.get("tier", "")), "channel": str(data.get("channel", ""))}
        self._facts["severity"] = self.sla.untriaged
        self._begin("first_reply", "", at)
        self._begin("resolution", "", at)

    def on_triaged(self, data: Mapping[str, Any], at: datetime) -> None:
        if not self._by_person:
            self._facts["severity"] = str(data.get("severity") or self._facts["severity"])
        self._facts["issue_type"] = str(data.get("issue_type", ""))
        if not self._triaged and data.get("policy"):
            self.sla = self._book(str(data["policy"]))
        self._retarget(at, anew=not self._triaged)
        self._triaged = True

    def on_message_received(self, data: Mapping[str, Any], at: datetime) -> None:
        if data.get("author") == "staff" and data.get("sent_at"):
            self.on_reply_sent(data, at)
        elif data.get("author") == "customer" and self._open("next_reply") is None:
            self._begin("next_reply", self._number("next_reply"), at)

    def on_reply_sent(self, data: Mapping[str, Any], at: datetime) -> None:
        for run in self._running("first_reply", "next_reply", "next_update"):
            run.finish(at)
        if self._state.status not in _ENDED:
            self._begin("next_update", self._number("next_update"), at)

    def on_reopened(self, data: Mapping[str, Any], at: datetime) -> None:
        since, self._resolved_at = self._resolved_at, None
        if since is None:
            return
        if self.sla.grace is not None:
            limit = due(self.sla.grace, self.sla.calendars[self.sla.grace.calendar], since)
            self.rework += at <= limit
        first = next(r for r in self.runs if r.metric == "resolution")
        total = next((r for r in self.runs if r.key == TOTAL and r.metric == "resolution"), None)
        if total is None:
            total = _Run("resolution", TOTAL, first.start, list(first.terms), pauses=list(first.pauses))
            self.runs.append(total)
        total.end = None
        total.pauses.append((since, at))
        self._retarget_one(total, at)  # what changed while it was resolved holds from now on

    def on_severity_set(self, data: Mapping[str, Any], at: datetime) -> None:
        self._facts["severity"], self._by_person = str(data["severity"]), True
        self._retarget(at)

    def on_policy_set(self, data: Mapping[str, Any], at: datetime) -> None:
        self.sla = self._book(str(data["policy"]))
        self._retarget(at)

    def on_team_pulled_in(self, data: Mapping[str, Any], at: datetime) -> None:
        team = str(data["team"])
        if not any(run.metric == "team_ack" and run.key == team for run in self.runs):
            self._begin("team_ack", team, at)

    def on_team_acked(self, data: Mapping[str, Any], at: datetime) -> None:
        self._finish("team_ack", str(data["team"]), at)

    def on_promise_made(self, data: Mapping[str, Any], at: datetime) -> None:
        self._fix("promise", str(data["promise"]), at, str(data["due_at"]))

    def on_promise_kept(self, data: Mapping[str, Any], at: datetime, cancelled: str = "") -> None:
        self._finish("promise", str(data["promise"]), at, cancelled)

    def on_promise_dropped(self, data: Mapping[str, Any], at: datetime) -> None:
        self.on_promise_kept(data, at, "dropped")

    def on_deadline_set(self, data: Mapping[str, Any], at: datetime) -> None:
        key = str(data["deadline"])
        if self._open("external", key) is None:
            self._fix("external", key, at, str(data["due_at"]))

    def on_deadline_met(self, data: Mapping[str, Any], at: datetime) -> None:
        self._finish("external", str(data["deadline"]), at)

    def on_no_reply_needed(self, data: Mapping[str, Any], at: datetime) -> None:
        for run in self._running("next_reply"):
            run.finish(at, "no reply needed")

    # --- the steps -----------------------------------------------------------------------------------------------------

    def _status(self, before: str, now: str, at: datetime) -> None:
        for run in self.runs:
            if now in self.sla.paused_by:
                run.pause(at)
            else:
                run.resume(at)
        if now in _ENDED and before not in _ENDED:
            self._resolved_at = at
            for run in self._running("first_reply", "next_reply", "next_update"):
                run.finish(at, "resolved")
            for run in self._running("resolution"):
                run.finish(at)

    def _running(self, *metrics: str) -> list[_Run]:
        return [r for r in self.runs if r.end is None and r.metric in metrics]

    def _open(self, metric: str, key: str | None = None) -> _Run | None:
        return next((r for r in self._running(metric) if key is None or r.key == key), None)

    def _finish(self, metric: str, key: str, at: datetime, cancelled: str = "") -> None:
        if run := self._open(metric, key):
            run.finish(at, cancelled)

    def _number(self, metric: str) -> str:
        return str(1 + sum(r.metric == metric for r in self.runs))

    def _fix(self, metric: Metric, key: str, at: datetime, due_at: str) -> None:
        self.runs.append(_Run(metric, key, at, fixed=datetime.fromisoformat(due_at)))

    def _begin(self, metric: Metric, key: str, at: datetime) -> None:
        run = _Run(metric, key, at)
        self._retarget_one(run, at)
        self.runs.append(run)
        if self._state.status in self.sla.paused_by:
            run.pause(at)

    def _target(self, metric: str) -> Target | None:
        return dict(self.sla.policy(self._facts).targets).get(metric)  # pyright: ignore[reportArgumentType]

    def _retarget(self, at: datetime, *, anew: bool = False) -> None:
        """The open clocks get the targets that hold now, counted from their original start."""
        for run in self.runs:
            if run.end is None and run.fixed is None:
                if anew:
                    run.terms.clear()
                self._retarget_one(run, run.start if anew else at)

    def _retarget_one(self, run: _Run, at: datetime) -> None:
        term = _Term(at, self._target(run.metric), self.sla)
        if not run.terms or run.terms[-1].bound != term.bound:
            run.terms.append(term)
