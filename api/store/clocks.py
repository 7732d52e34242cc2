"""Clocks in the store: the versions of the commitments, the log as the clocks read it, and what was told about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, event, insert, select, update

from agent.sla import Sla
from agent.standing import Book, Clock, Event, Standing
from agent.states import CaseStatus
from api.store.columns import NEVER
from api.store.tables import cases, commitments, events, notices

CHAIN = 8
"""How often a team that does not acknowledge is passed over before the chain ends."""
_STEPS = tuple(100 * n for n in range(1, CHAIN + 1))


@dataclass(frozen=True, slots=True)
class Mark:
    """A threshold of a clock: `percent` of its target are used at `at`."""

    clock: Clock
    percent: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Times:
    """When a case is due next, and when the sweep has to look at it."""

    case_id: str
    next_due: datetime | None
    sweep_at: datetime | None


def keep(conn: Connection, sla: Sla, now: datetime) -> bool:
    """Store a version of the commitments, so that a case can keep it; true when it was there already."""
    if conn.execute(select(commitments.c.version).where(commitments.c.version == sla.version)).first() is not None:
        return True
    conn.execute(insert(commitments).values(version=sla.version, body=sla.model_dump(mode="json"), created_at=now))
    return False


class Versions:
    """The versions of the commitments, read once each; `""` and unknown ones are the one in force."""

    def __init__(self, current: Sla) -> None:
        self.current = current
        self._known: dict[str, Sla] = {"": current, current.version: current}
        self._kept = False
        """The one in force is in the store for sure."""

    def keep(self, conn: Connection, now: datetime) -> str:
        """Store the version in force, if it is new, so that a case can keep it; returns its content hash."""
        if not self._kept and keep(conn, self.current, now):
            event.listen(conn, "commit", self._committed)  # until then it may be of this very transaction
        return self.current.version

    def _committed(self, _: Connection) -> None:
        self._kept = True

    def book(self, conn: Connection) -> Book:
        """The versions as the clocks ask for them."""

        def find(version: str) -> Sla:
            if version not in self._known:
                query = select(commitments.c.body).where(commitments.c.version == version)
                body = conn.execute(query).scalar()
                self._known[version] = self.current if body is None else Sla.model_validate(body)
            return self._known[version]

        return find


def log_of(conn: Connection, case_ids: Sequence[str]) -> dict[str, list[Event]]:
    """The events of cases in their order."""
    found: dict[str, list[Event]] = {case_id: [] for case_id in case_ids}
    for row in conn.execute(_LOG, {"these": list(case_ids)}):
        found[row.case_id].append(Event(row.kind, row.at, row.data))
    return found


def marks(clock: Clock) -> list[Mark]:
    """The thresholds of a clock that concern somebody, in order of time; a team that must acknowledge has those of its chain."""
    if clock.metric == "team_ack":
        if clock.due_at is None:
            return []
        step = max(clock.due_at - clock.started_at, timedelta(minutes=1))
        return [Mark(clock, p, clock.due_at + step * (p // 100 - 1)) for p in _STEPS]
    return [Mark(clock, percent, at) for percent, at in clock.marks]


def told(conn: Connection, case_ids: Sequence[str]) -> dict[str, set[tuple[str, int]]]:
    """Clock and threshold of every notice of each case so far."""
    found: dict[str, set[tuple[str, int]]] = {case_id: set() for case_id in case_ids}
    for row in conn.execute(_TOLD, {"these": list(case_ids)}):
        found[row.case_id].add((row.clock, row.threshold))
    return found


def note(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down what was told; the key refuses a second time."""
    if rows:
        conn.execute(insert(notices), rows)


def owed(clock: Clock) -> list[Mark]:
    """What has to be told of a clock, now or later: of an open one every threshold, of an ended one its breach."""
    if clock.open:
        return marks(clock)
    told = clock.breached_at is not None and clock.metric != "team_ack"
    return [mark for mark in marks(clock) if mark.percent == 100] if told else []


def ahead(seen: Standing, fired: set[tuple[str, int]]) -> datetime | None:
    """When the sweep has to look at a case next, which may lie behind; None when there is nothing to tell any more."""
    still = (m.at for c in seen.clocks for m in owed(c) if (c.id, m.percent) not in fired)
    return min((*still, *filter(None, (seen.changes_at,))), default=None)


def set_times(conn: Connection, times: Sequence[Times]) -> None:
    """What queue and sweep sort by."""
    rows = [{"of": t.case_id, **columns(t)} for t in times]
    if rows:
        conn.execute(_SET_TIMES, rows)


def columns(times: Times) -> dict[str, Any]:
    """The same as columns of the case."""
    return {"next_due_at": times.next_due or NEVER, "sweep_at": times.sweep_at}


_THESE: BindParameter[Any] = bindparam("these", expanding=True)
_LOG = (
    select(events.c.case_id, events.c.kind, events.c.at, events.c.data)
    .where(events.c.case_id.in_(_THESE))
    .order_by(events.c.case_id, events.c.case_seq)
)
_TOLD = select(notices.c.case_id, notices.c.clock, notices.c.threshold).where(notices.c.case_id.in_(_THESE))
_SET_TIMES = update(cases).where(cases.c.id == bindparam("of"))


def due_for_sweep(conn: Connection, now: datetime, limit: int) -> Sequence[RowMapping]:
    """Cases that the sweep has to look at, the longest overdue first."""
    query = select(cases).where(cases.c.sweep_at <= now).order_by(cases.c.sweep_at).limit(limit)
    return conn.execute(query.with_for_update(skip_locked=True)).mappings().all()


def oldest_due(conn: Connection) -> datetime | None:
    """The earliest instant at which the sweep has something to do."""
    return conn.execute(
        select(cases.c.sweep_at).where(cases.c.sweep_at.is_not(None)).order_by(cases.c.sweep_at).limit(1)
    ).scalar()


def open_cases(conn: Connection, due_before: datetime | None, limit: int) -> Sequence[RowMapping]:
    """Cases with a clock that is due before an instant, or at all, the earliest first."""
    ended: tuple[CaseStatus, ...] = ("closed",)
    query = select(cases).where(cases.c.next_due_at < (due_before or NEVER), cases.c.status.not_in(ended))
    return conn.execute(query.order_by(cases.c.next_due_at, cases.c.id).limit(limit)).mappings().all()
