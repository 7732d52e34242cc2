"""What has to have been told about a case, worked out anew from the rules: the other opinion of `api.simulation`.

It shares the arithmetic of calendars with the desk and nothing else: where the desk reads a log once and keeps its clocks
up to date, this lays status, facts and targets out by position in the log and asks each clock when it began and ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, select

from agent.clock import Calendar, Target, add_working_time, due, open_time
from agent.directory import Directory
from agent.sla import Sla
from api.store.clocks import CHAIN
from api.store.tables import events

Told: TypeAlias = tuple[str, int]
"""Clock and percent."""
Spans: TypeAlias = list[tuple[datetime, datetime | None]]

_OVER: Final = ("resolved", "closed")
_TO_LIFE: Final = {"triaged": ("new",), "draft_proposed": ("new", "triaged"), "draft_failed": ("new", "triaged")}
"""Events that move a case which stands at one of these statuses."""
_THEN: Final = {"triaged": "triaged", "draft_proposed": "in_review", "draft_failed": "in_review"}
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event and when it happened, as far as is told."""

    at: datetime
    kind: str
    data: Mapping[str, Any]


def read_log(conn: Connection, case_id: str) -> list[Entry]:
    """A case's events by the time they happened; nothing happened before it was opened."""
    query = select(events.c.at, events.c.kind, events.c.data).where(events.c.case_id == case_id)
    found: list[Entry] = []
    for row in conn.execute(query.order_by(events.c.case_seq)):
        told = [row.data[name] for name in ("sent_at", "written_at", "opened_at") if row.data.get(name)]
        at = min([row.at, *(datetime.fromisoformat(text) for text in told[:1])])
        found.append(Entry(max(at, found[0].at) if found else at, row.kind, row.data))
    return sorted(found, key=lambda entry: entry.at)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What decides the target of a clock, after one event."""

    sla: Sla
    severity: str
    issue_type: str
    tier: str
    channel: str

    def target(self, metric: str) -> Target | None:
        facts = {"severity": self.severity, "issue_type": self.issue_type, "tier": self.tier, "channel": self.channel}
        return {str(name): target for name, target in self.sla.policy(facts).targets.items()}.get(metric)


@dataclass(frozen=True, slots=True)
class _Life:
    """When a clock began and ended, as positions in the log; `end` is the length of the log while it is open."""

    name: str
    metric: str
    start: int
    end: int
    fixed: datetime | None = None


def _rests(life: _Life) -> bool:
    """Whether a clock stands still while the case is over."""
    return life.name == "resolution:total" or life.metric == "team_ack"


def _handed_in(entry: Entry) -> bool:
    """Whether this is a text of the staff that another program knows to have been sent."""
    return entry.kind == "message_received" and entry.data["author"] == "staff" and "sent_at" in entry.data


class Truth:
    """All thresholds of a case that its log brings, each with its true instant: those behind and those ahead."""

    def __init__(self, log: Sequence[Entry], versions: Mapping[str, Sla]) -> None:
        """`versions` are the commitments by content hash."""
        self._log, self._versions = log, versions
        self._status = self._statuses()
        self._facts = self._all_facts()
        self._triage = next((n for n, e in enumerate(log) if e.kind == "triaged"), len(log))
        self._over = [status in _OVER for status in self._status]
        self._closings = [n for n, over in enumerate(self._over) if over and not (n and self._over[n - 1])]
        self.marks: dict[Told, datetime] = {}
        for life in self._lives():
            self.marks.update({(life.name, percent): at for percent, at in self._marks_of(life)})

    # --- the log laid out -------------------------------------------------------------------------------------------

    def _statuses(self) -> list[str]:
        """The status after each event."""
        found, now = list[str](), "new"
        for entry in self._log:
            if entry.kind == "status_set":
                now = str(entry.data["status"])
            elif entry.kind == "reopened":
                now = "triaged"
            elif entry.kind == "reply_sent" and now in {"new", "triaged", "in_review"}:
                now = "in_progress"
            elif entry.kind == "message_received" and entry.data["author"] == "customer":
                now = "in_progress" if now == "waiting_customer" else now
            elif now in _TO_LIFE.get(entry.kind, ()):
                now = _THEN[entry.kind]
            found.append(now)
        return found

    def _all_facts(self) -> list[_Facts]:
        """What decides targets, after each event."""
        found, by_person, triaged = list[_Facts](), False, False
        opening = self._log[0].data
        sla = self._versions[str(opening["policy"])]
        severity, issue_type = sla.untriaged, ""
        for entry in self._log:
            if entry.kind == "severity_set":
                severity, by_person = str(entry.data["severity"]), True
            elif entry.kind == "policy_set":
                sla = self._versions[str(entry.data["policy"])]
            elif entry.kind == "triaged":
                severity = severity if by_person else str(entry.data.get("severity") or severity)
                issue_type = str(entry.data.get("issue_type", ""))
                sla, triaged = sla if triaged else self._versions[str(entry.data["policy"])], True
            found.append(
                _Facts(sla, severity, issue_type, str(opening.get("tier", "")), str(opening.get("channel", "")))
            )
        return found

    def _lives(self) -> Iterator[_Life]:
        """Every clock of the case."""
        log, whole = self._log, len(self._log)
        sent = [n for n, e in enumerate(log) if e.kind == "reply_sent" or _handed_in(e)]
        yield _Life("first_reply", "first_reply", 0, self._next(0, sent, self._closings))
        yield _Life("resolution", "resolution", 0, self._next(0, self._closings))
        if self._reopenings():
            end = self._closings[-1] if self._over[-1] else whole
            yield _Life("resolution:total", "resolution", 0, end)
        asked = [n for n in self._where("message_received") if log[n].data["author"] == "customer"]
        yield from self._numbered("next_reply", asked, sent, self._closings, self._where("no_reply_needed"))
        updates = [n for n in sent if not self._over[n]]
        for number, n in enumerate(updates, start=1):
            yield _Life(f"next_update:{number}", "next_update", n, self._next(n, sent, self._closings))
        yield from self._keyed("team_ack", "team", "team_pulled_in", ("team_acked",), once=True)
        yield from self._keyed("promise", "promise", "promise_made", ("promise_kept", "promise_dropped"), once=True)
        yield from self._keyed("external", "deadline", "deadline_set", ("deadline_met",), once=False)

    def _numbered(self, metric: str, starts: Sequence[int], *ends: Sequence[int]) -> Iterator[_Life]:
        """One after the other: a start within a life does not begin another."""
        free, number = 0, 0
        for n in starts:
            if n >= free:
                number, free = number + 1, self._next(n, *ends)
                yield _Life(f"{metric}:{number}", metric, n, free)

    def _keyed(self, metric: str, field: str, begins: str, ends: Sequence[str], *, once: bool) -> Iterator[_Life]:
        """One for each team, promise or date."""
        free: dict[str, int] = {}
        for n in self._where(begins):
            key = str(self._log[n].data[field])
            if n < free.get(key, 0) or (once and key in free):
                continue
            ended = [m for m in self._where(*ends) if self._log[m].data[field] == key]
            free[key] = self._next(n, ended)
            told = self._log[n].data.get("due_at")
            fixed = datetime.fromisoformat(str(told)) if told else None
            yield _Life(f"{metric}:{key}", metric, n, free[key], fixed)

    def _where(self, *kinds: str) -> list[int]:
        return [n for n, entry in enumerate(self._log) if entry.kind in kinds]

    def _next(self, after: int, *places: Sequence[int]) -> int:
        """The first of these places after one."""
        return min((n for found in places for n in found if n > after), default=len(self._log))

    def _reopenings(self) -> list[int]:
        """Where a case that was over is so no longer, by a reopening or because somebody set another status."""
        return [n for n, over in enumerate(self._over) if n and self._over[n - 1] and not over]

    # --- one clock --------------------------------------------------------------------------------------------------

    def _marks_of(self, life: _Life) -> Iterator[tuple[int, datetime]]:
        """Percent and instant of what must be told about one clock."""
        ended = self._log[life.end].at if life.end < len(self._log) else None
        if life.fixed is not None:
            yield from self._fixed_marks(life, life.fixed, ended)
            return
        terms, runs = list(self._terms(life)), self._runs(life)
        reached = [_reach(target, sla, runs, 100) for _, target, sla in terms]
        if life.metric == "team_ack":
            if reached[-1] is not None and ended is None and not self._over[-1]:
                step = max(reached[-1] - self._log[life.start].at, _MINUTE)
                yield from ((100 * n, reached[-1] + step * (n - 1)) for n in range(1, CHAIN + 1))
            return
        limits = [*(at for at, _, _ in terms[1:]), ended]
        over = (
            max(at, begun)
            for (begun, _, _), at, limit in zip(terms, reached, limits, strict=True)
            if at is not None and (limit is None or (at < limit and begun <= limit))
        )
        if (breach := next(over, None)) is not None:
            yield 100, breach
        if ended is None:
            _, target, sla = terms[-1]
            for percent in self._percents():
                if (at := _reach(target, sla, runs, percent)) is not None:
                    yield percent, at

    def _fixed_marks(self, life: _Life, fixed: datetime, ended: datetime | None) -> Iterator[tuple[int, datetime]]:
        start = self._log[life.start].at
        if ended is None or ended > fixed:
            yield 100, fixed
        if ended is None:
            yield from ((p, start + max(fixed - start, timedelta(0)) * p / 100) for p in self._percents())

    def _percents(self) -> list[int]:
        return [p for p in self._facts[-1].sla.thresholds if p < 100]

    def _terms(self, life: _Life) -> Iterator[tuple[datetime, Target | None, Sla]]:
        """From when on which target held. The first triage tells what held from the start; later changes are changes.

        While a case is over, its resolution stands; one that comes back has from then on the target of that moment.
        """
        total = _rests(life)
        changes = set(self._where("triaged", "severity_set", "policy_set"))
        known = [n for n in sorted(changes) if life.start < n < life.end and not (total and self._over[n])]
        back = [n for n in self._reopenings() if n < life.end] if total else []
        first = self._triage if self._triage in known else life.start
        yield self._log[life.start].at, self._facts[first].target(life.metric), self._facts[first].sla
        for n in sorted({*known, *back}):
            if n > first:
                yield self._log[n].at, self._facts[n].target(life.metric), self._facts[n].sla

    def _runs(self, life: _Life) -> Spans:
        """When the clock runs: from its start on, less the time that the case waits, or was over."""
        still = () if life.metric == "first_reply" else self._facts[-1].sla.paused_by
        total = _rests(life)
        found: Spans = []
        begun: datetime | None = self._log[life.start].at
        for n in range(life.start, min(life.end + 1, len(self._log))):
            stands = self._status[n] in still or (total and self._over[n])
            if stands and begun is not None and n < life.end:
                found.append((begun, self._log[n].at))
                begun = None
            elif not stands and begun is None:
                begun = found.pop()[0] if found[-1][1] == self._log[n].at else self._log[n].at
        if begun is not None or life.end < len(self._log):
            found.append((begun or self._log[life.end].at, None))
        return found


def _reach(target: Target | None, sla: Sla, runs: Spans, percent: int) -> datetime | None:
    """When so much of a target is used; None when the clock stands still before."""
    if target is None:
        return None
    calendar, start = sla.calendars[target.calendar], runs[0][0]
    unpaused = due(target, calendar, start)
    if percent == 100 and (runs[0][1] is None or runs[0][1] >= unpaused):
        return unpaused
    left = _whole(target, calendar, start) * percent / 100
    for begun, ended in runs:
        passed = open_time(calendar, begun, ended) if ended is not None else left
        if left <= passed:
            at = add_working_time(calendar, begun, left)
            return max(at, unpaused) if percent == 100 else at
        left -= passed
    return None


def _whole(target: Target, calendar: Calendar, start: datetime) -> timedelta:
    amount = target.amount
    return amount if isinstance(amount, timedelta) else open_time(calendar, start, due(target, calendar, start))


def recipients(directory: Directory, clock: str, percent: int, team: str, fallback: str) -> list[str]:
    """Who must be told of a threshold, of a case that this team has; "nobody" when there is nobody left to ask."""
    metric, _, key = clock.partition(":")
    if metric == "team_ack":
        chain = [who.id for who in directory.chain(key)]
        return [chain[percent // 100]] if percent // 100 < len(chain) else ["nobody"]
    team = team or fallback
    both = [team, directory.teams[team].escalates_to] if percent >= 100 else [team]
    return [name for name in both if name]


def channels(directory: Directory, who: Iterable[str]) -> set[str]:
    """Channels over which these are told."""
    found: set[str] = set()
    for name in who:
        team, _, member = name.partition(".")
        if team in directory.teams:
            found.add(directory.teams[team].members[member].channel if member else directory.teams[team].channel)
    return found - {""}
