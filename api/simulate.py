"""Past escalations under commitments that never held: each becomes the events that it would have left, and its clocks
follow from these as those of any case do. What a history does not tell is counted, never guessed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, TypeVar

from agent.clock import Calendar, open_time
from agent.sla import Sla
from agent.standing import Clock, Event, standing
from api.past import PastEscalation, PastMessage, utc

N = TypeVar("N", timedelta, float)
METRICS: Final = ("first_reply", "next_reply", "next_update", "resolution")
"""What a history can tell of; it has no promises, no dates from outside and no teams that acknowledge."""
Verdict: TypeAlias = Literal["met", "met_late", "breached", "cancelled", "unknown"]
"""met late: done, but after it was due. breached: never done, and overdue when the case was resolved. cancelled: the case
was resolved before it was due. unknown: the history does not tell when it was done.
"""
_DONE: Final = frozenset[Verdict]({"met", "met_late"})
_ENDS: Final[Mapping[str, Verdict]] = {
    "met": "met", "met_late": "met_late", "breached": "breached", "cancelled": "cancelled",
}  # fmt: skip
"""What a clock's state at the resolution means."""
_STAFF: Final = frozenset({"staff", "agent", "support"})


@dataclass(frozen=True, slots=True)
class Log:
    """The events of one past escalation, and what its row does not tell."""

    name: str
    """Its id, else the place of its row."""
    severity: str
    events: tuple[Event, ...]
    """The resolution stands last."""
    first_reply: bool
    """The first reply has an instant."""
    replies: bool
    """The row has texts of the staff, all with instants, so that a reply which is not among them was not sent."""
    undated: int
    """Messages without an instant; they are left out."""
    after: int
    """Messages from after the resolution; they are left out."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one clock of a past escalation ended."""

    clock: str
    """Its name within the case."""
    metric: str
    severity: str
    verdict: Verdict
    used: timedelta | None = None
    """Open time until it was done, on its own calendar; None when it was not done."""
    share: float | None = None
    """`used` as a part of the time that its target gave."""
    at_risk: int = 0
    """Notices before it was due."""
    overdue: int = 0
    """Notices that it was overdue."""


def log_of(past: PastEscalation, name: str) -> Log:
    """The events that a past escalation would have left: it is triaged when it comes in, its severity is the final one."""
    opened, resolved = utc(past.opened_at), utc(past.resolved_at)
    given = past.messages or (PastMessage(text=past.text),)
    dated = [(m, utc(m.at)) for m in given[1:] if m.at is not None]
    dated.insert(0, (given[0], utc(given[0].at) if given[0].at else opened))
    texts = [(m.author in _STAFF, m, at) for m, at in dated if at <= resolved]
    sent = sorted(at for by_staff, _, at in texts if by_staff and at > opened)
    whole = bool(sent) and not any(m.author in _STAFF and m.at is None for m in given[1:])
    first = utc(past.first_reply_at) if past.first_reply_at else sent[0] if whole else None
    first = first if first is not None and first >= opened else None
    events = [
        Event("case_opened", opened, {"channel": past.channel, "tier": past.customer.tier}),
        Event("triaged", opened, {"severity": past.severity, "issue_type": past.issue_type}),
        *(Event("message_received", at, {"author": m.author}) for by_staff, m, at in texts if not by_staff),
    ]
    if first is not None and first <= resolved:
        events += [Event("reply_sent", at, {}) for at in (first, *(at for at in sent if at > first))]
    return Log(
        name, past.severity, (*events, Event("status_set", resolved, {"status": "resolved"})),
        first_reply=first is not None, replies=whole, undated=len(given) - len(dated),
        after=sum(at > resolved for _, at in dated),
    )  # fmt: skip


def judge(log: Log, sla: Sla) -> tuple[Outcome, ...]:
    """How the clocks of a past escalation end under these commitments."""
    end = log.events[-1].at
    seen = standing(log.events, lambda _: sla, end).clocks
    if any(clock.state == "cancelled" for clock in seen):  # such a one does not tell what was told while it ran
        running = {clock.id: clock.marks for clock in standing(log.events[:-1], lambda _: sla, end).clocks}
        seen = tuple(replace(clock, marks=running[clock.id]) for clock in seen)
    return tuple(_outcome(clock, log, sla) for clock in seen if clock.metric in METRICS)


def _outcome(clock: Clock, log: Log, sla: Sla) -> Outcome:
    ended, due_at = clock.ended_at, clock.due_at
    assert ended is not None  # noqa: S101 - a resolved case has no open clock of these metrics
    assert due_at is not None  # noqa: S101 - nothing pauses, see `log_of`
    told = Outcome(
        clock.id, clock.metric, log.severity, _ENDS[clock.state], overdue=int(clock.breached_at is not None),
        at_risk=sum(percent < 100 and at < ended for percent, at in clock.marks),
    )  # fmt: skip
    if told.verdict not in _DONE:
        known = log.first_reply if clock.metric == "first_reply" else log.replies
        return told if known else Outcome(clock.id, clock.metric, log.severity, "unknown")
    used, whole = (_spent(clock, sla.calendars[clock.calendar], at) for at in (ended, due_at))
    return replace(told, used=used, share=used / whole if whole else None)


def _spent(clock: Clock, calendar: Calendar, until: datetime) -> timedelta:
    """Open time of a clock outside its pauses."""
    still = ((begun, min(ended or until, until)) for begun, ended in clock.pauses)
    stood = sum((open_time(calendar, begun, ended) for begun, ended in still), timedelta(0))
    return open_time(calendar, clock.started_at, until) - stood


# --- many of them ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """The clocks of one metric and severity over a history."""

    metric: str
    severity: str
    cases: int
    """Cases that have such a clock."""
    clocks: int
    """These clocks; the five verdicts add up to them."""
    met: int
    met_late: int
    breached: int
    cancelled: int
    unknown: int
    median: timedelta | None
    """The open time that half of those that were done did not exceed; None when none was done."""
    high: timedelta | None
    """The open time that nine of ten of them did not exceed."""
    median_share: float | None
    """As `median`, as a part of the time that the target gave."""
    high_share: float | None
    at_risk: int
    """Notices that would have been given before clocks were due."""
    overdue: int
    """Notices that would have been given of overdue clocks."""


def table(judged: Iterable[Sequence[Outcome]], severities: Sequence[str]) -> list[Line]:
    """What became of the clocks of many cases, by metric and by severity in the order given."""
    all_of: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    cases: Counter[tuple[str, str]] = Counter()
    for outcomes in judged:
        for outcome in outcomes:
            all_of[outcome.metric, outcome.severity].append(outcome)
        cases.update({(o.metric, o.severity) for o in outcomes})
    keys = ((metric, severity) for metric in METRICS for severity in severities)
    return [_line(*key, cases[key], all_of[key]) for key in keys if key in all_of]


def _line(metric: str, severity: str, cases: int, outcomes: Sequence[Outcome]) -> Line:
    ends = Counter(o.verdict for o in outcomes)
    used = sorted(o.used for o in outcomes if o.used is not None)
    shares = sorted(o.share for o in outcomes if o.share is not None)
    return Line(
        metric, severity, cases, len(outcomes), ends["met"], ends["met_late"], ends["breached"], ends["cancelled"],
        ends["unknown"], _rank(used, 50), _rank(used, 90), _rank(shares, 50), _rank(shares, 90),
        sum(o.at_risk for o in outcomes), sum(o.overdue for o in outcomes),
    )  # fmt: skip


def _rank(ordered: Sequence[N], percent: int) -> N | None:
    """The value that so many percent do not exceed (nearest rank)."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None


@dataclass(frozen=True, slots=True)
class Change:
    """A clock that ends otherwise under other commitments."""

    case: str
    clock: str
    metric: str
    before: Verdict | None
    """None when there was no such clock."""
    after: Verdict | None


def changes(name: str, before: Sequence[Outcome], after: Sequence[Outcome]) -> list[Change]:
    """The clocks of one case whose end differs."""
    old: dict[str, Verdict] = {o.clock: o.verdict for o in before}
    new: dict[str, Verdict] = {o.clock: o.verdict for o in after}
    metrics = {o.clock: o.metric for o in (*before, *after)}
    return [
        Change(name, clock, metric, old.get(clock), new.get(clock))
        for clock, metric in metrics.items()
        if old.get(clock) != new.get(clock)
    ]
