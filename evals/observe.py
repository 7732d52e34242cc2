"""What each case says of each measure: columns of numbers, with times that are cut off where a case goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from agent.sla import Sla
from agent.standing import Clock, Event, standing
from agent.states import CaseStatus
from evals.differences import Sample
from evals.past import PastCase
from evals.survival import Flags, Floats

Kind: TypeAlias = Literal["time", "share", "score"]
REWORK: Final = timedelta(days=7)
"""A case that comes back so soon after its resolution was not resolved; so long must it have been followed to be counted."""
WAITING: Final = frozenset({"waiting_customer", "waiting_carrier"})
LABELS: Final = ("issue_type", "severity", "team", "engine", "prompts")
_STATUSES: Final = frozenset(get_args(CaseStatus)) - {"resolved", "closed", "new"}
NAN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is measured of every case."""

    id: str
    title: str
    kind: Kind
    """A time in seconds, a share of cases, or a mean."""
    better: Literal["lower", "higher"]
    says: str
    """What exactly is counted."""
    claimed: bool = False
    """Whether a verdict is given on it, where the baseline tells it too."""


MEASURES: Final = (
    Measure("cycle_time", "Time per case, end to end", "time", "lower", "From when it was opened to the resolution that held; open cases count for as long as they have been seen.", claimed=True),
    Measure("first_reply", "Time to the first human reply", "time", "lower", "From when it was opened to the first reply that a person sent. Automatic receipts and drafts are no replies.", claimed=True),
    Measure("waiting", "Of that, waiting for others", "time", "lower", "Time in which the case waited for the customer or the carrier, of resolved cases."),
    Measure("touch", "Of that, hands on the case", "time", "lower", "Time in which somebody had the case open and did something in it; a pause of more than five minutes ends it."),
    Measure("first_reply_kept", "First reply within its commitment", "share", "higher", "Share of cases whose first reply came before it was due.", claimed=True),
    Measure("resolution_kept", "Resolution within its commitment", "share", "higher", "Share of cases that were resolved before they were due.", claimed=True),
    Measure("next_reply_kept", "Later replies within their commitment", "share", "higher", "Share of cases in which every later message of the customer was answered in time."),
    Measure("next_update_kept", "Updates within their commitment", "share", "higher", "Share of cases in which the customer heard from the store as often as was due."),
    Measure("faulted", "Complaint or error about the handling", "share", "lower", "Share of cases marked as complained about, or as handled wrongly.", claimed=True),
    Measure("corrected", "Severity or team corrected by a person", "share", "lower", "Share of cases in which a person changed what the triage had said."),
    Measure("missed", "Fault found after the checks", "share", "lower", "Share of rated drafts in which a reviewer found a wrong fact or an unsafe promise that the checks had let through."),
    Measure("broken", "Promise broken", "share", "lower", "Share of cases with a settled promise in which one was broken."),
    Measure("reopened", "Reopened within seven days", "share", "lower", "Share of cases, resolved at least seven days ago, that came back within seven days of a resolution.", claimed=True),
    Measure("sent_back", "Drafts sent back, per case", "score", "lower", "Drafts that a person sent back or discarded, of cases with a draft."),
    Measure("redrafted", "Drafts beyond the first, per case", "score", "lower", "Further drafts that a case took, of cases with a draft."),
    Measure("edited", "Words changed before approval", "score", "lower", "Share of the words of an approved draft that a person put in, took out or replaced; 0 for one approved as it was."),
    Measure("satisfaction", "Satisfaction, 1 to 5", "score", "higher", "What customers answered when they were asked.", claimed=True),
    Measure("rating", "Drafts that reviewers found good", "share", "higher", "Share of rated drafts whose last rating is a thumb up."),
    Measure("cost", "Cost per case", "score", "lower", "What the remedy cost the store, of cases where that is told, in the currency of most of them.", claimed=True),
    Measure("engine_cost", "Cost of the engine per case, USD", "score", "lower", "What the language models of a case cost; the embedded engine costs nothing."),
)  # fmt: skip
BY_ID: Final = {measure.id: measure for measure in MEASURES}


@dataclass(frozen=True, slots=True)
class Own:
    """What only the desk's own log tells of a case; nan where nothing does."""

    kept: Mapping[str, bool] = field(default_factory=dict[str, bool])
    """Metric -> whether every clock of it was kept."""
    touch: float = NAN
    """Seconds."""
    corrected: bool | None = None
    missed: bool | None = None
    broken: bool | None = None
    sent_back: float = NAN
    redrafted: float = NAN
    edited: float = NAN
    rating: bool | None = None
    engine_cost: float = NAN
    engine: str = ""
    prompts: str = ""
    """Version of the prompts that the first draft was written with."""


@dataclass(frozen=True, slots=True)
class Table:
    """Cases as columns."""

    ids: tuple[str, ...]
    opened: Floats
    """Seconds since 1970."""
    labels: Mapping[str, tuple[str, ...]]
    values: Mapping[str, Floats]
    """By measure; nan where a case does not tell it."""
    ended: Mapping[str, Flags]
    """By measure of time: False where it was cut off."""

    def __len__(self) -> int:
        return len(self.ids)

    def sample(self, measure: str, strata: NDArray[np.int64], where: Flags | None = None) -> Sample:
        """The cases that tell a measure."""
        values = self.values[measure]
        told = ~np.isnan(values) if where is None else ~np.isnan(values) & where
        ended = self.ended.get(measure)
        flags = np.ones(int(told.sum()), np.bool_) if ended is None else ended[told]
        return Sample(values[told], strata[told], flags)

    def column(self, label: str) -> NDArray[np.str_]:
        """The words of a label."""
        return np.array(self.labels[label], dtype=np.str_)


def strata(*tables: Table) -> list[NDArray[np.int64]]:
    """The stratum of each case, by issue type and severity, numbered alike in all tables."""
    known: dict[tuple[str, str], int] = {}
    return [
        np.array([known.setdefault(pair, len(known)) for pair in zip(t.labels["issue_type"], t.labels["severity"], strict=True)], np.int64)
        for t in tables
    ]  # fmt: skip


def table(cases: Iterable[tuple[PastCase, Own]], end: datetime, currency: str = "") -> Table:
    """Cases as they stood at `end`; what came later does not count.

    Args:
        cases: with what the desk's own log tells of them, if anything.
        end: those that were opened later are left out.
        currency: costs in others do not count; "" for the one of most cases.

    """
    kept = [(cut(case, end), own) for case, own in cases if case.opened < end]
    money = [case.currency for case, _ in kept if case.cost is not None]
    currency = currency or max(sorted(set(money)), key=money.count, default="")
    rows = [_values(case, own, end, currency) for case, own in kept]
    times = [m.id for m in MEASURES if m.kind == "time"]
    label_rows = [(c.issue_type, c.severity, c.team, own.engine, own.prompts) for c, own in kept]
    return Table(
        tuple(case.id for case, _ in kept), np.array([case.opened.timestamp() for case, _ in kept]),
        {name: tuple(row[n] for row in label_rows) for n, name in enumerate(LABELS)},
        {m.id: np.array([row.get(m.id, NAN) for row in rows], np.float64) for m in MEASURES},
        {name: np.array([not row.get(f"{name}.open") for row in rows], np.bool_) for name in times},
    )  # fmt: skip


def cut(case: PastCase, end: datetime) -> PastCase:
    """A case as it stood at an instant."""
    if case.resolved is not None and case.resolved <= end and (not case.steps or case.steps[-1].at <= end):
        return case
    steps = tuple(step for step in case.steps if step.at <= end)
    resolved = case.resolved if case.resolved is not None and case.resolved <= end else None
    first = case.first_reply if case.first_reply is not None and case.first_reply <= end else None
    back = tuple(at for at in case.reopened if at <= end)
    reopens = case.reopens if resolved is not None else len(back) or None
    return replace(case, steps=steps, resolved=resolved, first_reply=first, reopened=back, reopens=reopens)


def _values(case: PastCase, own: Own, end: datetime, currency: str) -> dict[str, float]:
    ends = case.resolved or end
    found = {"cycle_time": _s(ends - case.opened), "cycle_time.open": float(case.resolved is None)}
    if case.first_reply is not None:
        found["first_reply"] = _s(case.first_reply - case.opened)
    else:  # resolved without a word, or not answered yet: no reply was seen for so long
        found |= {"first_reply": found["cycle_time"], "first_reply.open": 1.0}
    if case.resolved is not None:
        waited = waiting(case, case.resolved)
        found |= {} if waited is None else {"waiting": waited}
        if end - case.resolved >= REWORK and case.reopens is not None:
            found["reopened"] = float(_came_back(case))
    found |= {f"{metric}_kept": float(kept) for metric, kept in own.kept.items()}
    marks = [mark for mark in (case.complaint, case.error) if mark is not None]
    shares = {"faulted": any(marks) if marks else None, "corrected": own.corrected, "missed": own.missed,
              "broken": own.broken, "rating": own.rating}  # fmt: skip
    found |= {name: float(value) for name, value in shares.items() if value is not None}
    found |= {"touch": own.touch, "sent_back": own.sent_back, "redrafted": own.redrafted, "edited": own.edited,
              "engine_cost": own.engine_cost}  # fmt: skip
    if case.satisfaction is not None:
        found["satisfaction"] = float(case.satisfaction)
    if case.cost is not None and case.currency == currency:
        found["cost"] = float(case.cost)
    return found


def _s(gap: timedelta) -> float:
    return gap.total_seconds()


def _came_back(case: PastCase) -> bool:
    """Whether it came back soon after a resolution; where no instant is told, whether it came back at all."""
    if not case.reopened:
        return bool(case.reopens)
    done = [step.at for step in case.steps if step.kind == "status" and step.value in {"resolved", "closed"}]
    return not done or any(at - was <= REWORK for at in case.reopened for was in done if was <= at)


def waiting(case: PastCase, end: datetime) -> float | None:
    """Seconds in which a case waited for customer or carrier; None when its statuses are not told."""
    moves = [step for step in case.steps if step.kind == "status"]
    if not moves:
        return None
    ends = [step.at for step in moves[1:]] + [end]
    return sum(
        max(0.0, _s(min(after, end) - move.at)) for move, after in zip(moves, ends, strict=True) if move.value in WAITING
    )  # fmt: skip


# --- commitments -------------------------------------------------------------------------------------------------------


def kept(clocks: Iterable[Clock]) -> dict[str, bool]:
    """Metric -> whether all of its clocks that ended or are overdue were kept."""
    found: dict[str, bool] = {}
    for clock in clocks:
        if clock.state in {"met", "met_late", "breached"}:
            found[clock.metric] = found.get(clock.metric, True) and clock.state == "met"
    return found


def kept_by(case: PastCase, sla: Sla, end: datetime) -> dict[str, bool]:
    """Which commitments a past case would have kept under `sla`, as it stood at `end`. Of later replies and updates nothing is
    said, since no file tells that its messages are all there were.
    """
    case = cut(case, end)
    if not case.severity:
        return {}
    seen = standing(_events(case), lambda _: sla, case.resolved or end).clocks
    told = {"resolution"} | ({"first_reply"} if case.first_reply or case.resolved is None else set[str]())
    return {metric: value for metric, value in kept(seen).items() if metric in told}


def _events(case: PastCase) -> Sequence[Event]:
    events = [Event("case_opened", case.opened, {"channel": case.channel}),
              Event("triaged", case.opened, {"severity": case.severity, "issue_type": case.issue_type})]  # fmt: skip
    if case.first_reply is not None:
        events.append(Event("reply_sent", case.first_reply, {}))
    moves = (step for step in case.steps if step.kind == "status" and step.value in _STATUSES)
    events += [Event("status_set", step.at, {"status": step.value}) for step in moves]
    if case.resolved is not None:
        events.append(Event("status_set", case.resolved, {"status": "resolved"}))
    return events
