"""How a case stands against the store's commitments: every clock, derived from the case's events.

Nothing is counted up and nothing is stored: a state follows from the event log, the policy's versions and an instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from agent.clock import Target, due
from agent.running import Clock, ClockState, Metric, Run, Term
from agent.sla import Sla
from agent.states import CaseState, step

_ENDED: Final = frozenset({"resolved", "closed"})
_RESOLVED: Final = "resolved"
"""Why clocks are cancelled that a resolution ends; a team that is still asked when the case comes back is asked on."""
TOTAL: Final = "total"
"""Key of the resolution clock of a reopened case: the first verdict is final, this one runs on."""

__all__ = ["Book", "Clock", "ClockState", "Event", "Metric", "Standing", "standing"]


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


class _Case:
    """Reads the log of one case."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.sla = book("")
        self.runs: list[Run] = []
        self.rework = 0
        self._facts: dict[str, str] = {}
        self._by_person = False
        self._triaged = False
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

    def on_severity_set(self, data: Mapping[str, Any], at: datetime) -> None:
        self._facts["severity"], self._by_person = str(data["severity"]), True
        self._retarget(at)

    def on_severity_raised(self, data: Mapping[str, Any], at: datetime) -> None:
        self._facts["severity"] = str(data["severity"])
        self._retarget(at)

    def on_policy_set(self, data: Mapping[str, Any], at: datetime) -> None:
        self.sla = self._book(str(data["policy"]))
        self._retarget(at)

    def on_team_pulled_in(self, data: Mapping[str, Any], at: datetime) -> None:
        team = str(data["team"])
        if not any(run.metric == "team_ack" and run.key == team for run in self.runs):
            self._begin("team_ack", team, at)
            if self._state.status in _ENDED:
                self.runs[-1].finish(at, _RESOLVED)

    def on_team_acked(self, data: Mapping[str, Any], at: datetime) -> None:
        team = str(data["team"])
        self._finish("team_ack", team, at)
        for run in self.runs:
            if run.metric == "team_ack" and run.key == team and run.cancelled == _RESOLVED:
                run.cancelled = "acknowledged after it was resolved"  # and not asked again when the case comes back

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
        if before in _ENDED and now not in _ENDED:
            self._came_back(at)
        for run in self.runs:
            if now in self.sla.paused_by:
                run.pause(at)
            else:
                run.resume(at)
        if now in _ENDED and before not in _ENDED:
            self._resolved_at = at
            for run in self._running("first_reply", "next_reply", "next_update", "team_ack"):
                run.finish(at, _RESOLVED)
            for run in self._running("resolution"):
                run.finish(at)

    def _came_back(self, at: datetime) -> None:
        """A case that was over is worked on again, by a reopening or because somebody set another status."""
        since, self._resolved_at = self._resolved_at, None
        if since is None:
            return
        if self.sla.grace is not None:
            limit = due(self.sla.grace, self.sla.calendars[self.sla.grace.calendar], since)
            self.rework += at <= limit
        first = next(r for r in self.runs if r.metric == "resolution")
        total = next((r for r in self.runs if r.key == TOTAL and r.metric == "resolution"), None)
        if total is None:
            total = Run("resolution", TOTAL, first.start, list(first.terms), pauses=list(first.pauses))
            self.runs.append(total)
        for run in (total, *(r for r in self.runs if r.metric == "team_ack" and r.cancelled == _RESOLVED)):
            run.end, run.cancelled = None, ""
            run.pauses.append((max(since, run.start), at))
            self._retarget_one(run, at)  # what changed while it was resolved holds from now on

    def _running(self, *metrics: str) -> list[Run]:
        return [r for r in self.runs if r.end is None and r.metric in metrics]

    def _open(self, metric: str, key: str | None = None) -> Run | None:
        return next((r for r in self._running(metric) if key is None or r.key == key), None)

    def _finish(self, metric: str, key: str, at: datetime, cancelled: str = "") -> None:
        if run := self._open(metric, key):
            run.finish(at, cancelled)

    def _number(self, metric: str) -> str:
        return str(1 + sum(r.metric == metric for r in self.runs))

    def _fix(self, metric: Metric, key: str, at: datetime, due_at: str) -> None:
        self.runs.append(Run(metric, key, at, fixed=datetime.fromisoformat(due_at)))

    def _begin(self, metric: Metric, key: str, at: datetime) -> None:
        run = Run(metric, key, at)
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

    def _retarget_one(self, run: Run, at: datetime) -> None:
        term = Term(at, self._target(run.metric), self.sla)
        if not run.terms or run.terms[-1].bound != term.bound:
            run.terms.append(term)
