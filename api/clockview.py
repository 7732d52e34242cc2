"""What is due when: the clocks of the cases as a page, an answer or a command shows them, derived at the instant asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, RowMapping, and_, or_, select

from agent.standing import Clock, ClockState, Metric, standing
from api.store import cases as case_rows
from api.store import clocks
from api.store.clocks import Versions
from api.store.columns import NEVER
from api.store.tables import cases

MOST: Final = 200
"""Clocks of one answer, unless it asks for another number."""
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class ClockRow:
    """One commitment on one case, as it stands at an instant."""

    case_id: str
    severity: str
    """The case's own; "" until it is triaged."""
    team: str
    """Who owes it: the case's team, or the one that has to acknowledge; "" when nobody was routed to yet."""
    metric: Metric
    key: str
    """Tells several of a metric on one case apart; "" for the only one."""
    state: ClockState
    started_at: datetime
    due_at: datetime | None
    """None while it is paused."""
    overdue: bool
    """It is open and its due instant lies behind. A breached one that got more time later is not overdue now."""
    ended_at: datetime | None
    retargeted: bool
    """Only a change of severity, policy or calendar made it late."""
    late_by: timedelta
    target: str
    calendar: str

    @property
    def clock(self) -> str:
        """Its name within the case."""
        return f"{self.metric}:{self.key}" if self.key else self.metric


def rows(
    conn: Connection, versions: Versions, now: datetime, due_before: datetime | None = None, limit: int = MOST,
    *, team: str = "",
) -> tuple[ClockRow, ...]:  # fmt: skip
    """The open clocks of all cases that are not closed, the earliest due first, paused ones last.

    Args:
        conn: of one read transaction.
        versions: of the commitments.
        now: the instant asked about.
        due_before: only those due before it, which no paused one is; None for all.
        limit: the most to return.
        team: only what this team owes; "" for all.

    """
    found = [
        row
        for row in _open(conn, versions, now)
        if (not team or row.team == team)
        and (due_before is None or (row.due_at is not None and row.due_at < due_before))
    ]
    return tuple(sorted(found, key=_order)[:limit])


def of_case(conn: Connection, versions: Versions, case_id: str, now: datetime) -> tuple[ClockRow, ...]:
    """Every clock of one case, the open ones first as `rows` orders them, then the ended ones by their end.

    Raises:
        NotFoundError: there is no such case.

    """
    case = case_rows.get(conn, case_id)
    seen = standing(clocks.log_of(conn, [case_id])[case_id], versions.book(conn), now)
    still = sorted((_row(case, clock, now) for clock in seen.clocks if clock.open), key=_order)
    ended = (_row(case, clock, now) for clock in seen.clocks if not clock.open)
    return (*still, *sorted(ended, key=lambda row: (row.ended_at or NEVER, row.clock)))


def _open(conn: Connection, versions: Versions, now: datetime) -> Iterator[ClockRow]:
    """The open clocks of cases in work, and of resolved ones that still owe something."""
    c = cases.c
    owed = and_(c.status == "resolved", or_(c.next_due_at < NEVER, c.sweep_at.is_not(None)))
    query = select(c.id, c.severity, c.primary_team).where(or_(c.status.not_in(("resolved", "closed")), owed))
    book = versions.book(conn)
    found = conn.execute(query).mappings().all()
    for start in range(0, len(found), _BATCH):
        some = found[start : start + _BATCH]
        logs = clocks.log_of(conn, [case["id"] for case in some])
        for case in some:
            seen = standing(logs[case["id"]], book, now)
            yield from (_row(case, clock, now) for clock in seen.clocks if clock.open)


def _row(case: RowMapping, clock: Clock, now: datetime) -> ClockRow:
    return ClockRow(
        case_id=case["id"], severity=case["severity"],
        team=clock.key if clock.metric == "team_ack" else case["primary_team"], metric=clock.metric, key=clock.key,
        state=clock.state, started_at=clock.started_at, due_at=clock.due_at,
        overdue=clock.open and clock.due_at is not None and clock.due_at < now, ended_at=clock.ended_at,
        retargeted=clock.retargeted, late_by=clock.late_by, target=clock.target, calendar=clock.calendar,
    )  # fmt: skip


def _order(row: ClockRow) -> tuple[datetime, str, str]:
    return row.due_at or NEVER, row.case_id, row.clock
