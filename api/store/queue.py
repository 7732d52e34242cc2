"""The jobs table as a queue: claimed by one statement, held by a lease, guarded by a fencing token."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, update

from api.errors import LeaseLostError
from api.ids import new_id
from api.store.tables import jobs


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work as one worker holds it; only the holder of the newest `fence` may finish it."""

    id: str
    kind: str
    case_id: str | None
    data: Mapping[str, Any]
    attempts: int
    """Times that it was begun, this one included."""
    fence: int


def put(
    conn: Connection, kind: str, data: Mapping[str, Any], *, now: datetime, case_id: str | None = None,
    run_at: datetime | None = None, priority: int = 0,
) -> str:  # fmt: skip
    """Work to be done not before `run_at`; a smaller `priority` comes first."""
    return put_all(conn, kind, [data], now=now, case_id=case_id, run_at=run_at, priority=priority)[0]


def put_all(
    conn: Connection, kind: str, each: Sequence[Mapping[str, Any]], *, now: datetime, case_id: str | None = None,
    run_at: datetime | None = None, priority: int = 0,
) -> list[str]:  # fmt: skip
    """Many at once: the ids in the order given."""
    rows = [
        {
            "id": new_id("job", now), "kind": kind, "state": "queued", "data": dict(data), "case_id": case_id,
            "run_at": run_at or now, "priority": priority, "created_at": now,
        }
        for data in each
    ]  # fmt: skip
    if rows:
        conn.execute(insert(jobs), rows)
    return [str(row["id"]) for row in rows]


def due(conn: Connection, kinds: Collection[str], now: datetime) -> bool:
    """Whether `claim` would find something."""
    return conn.execute(select(jobs.c.id).where(jobs.c.kind.in_(kinds), _free(now)).limit(1)).first() is not None


def claim(conn: Connection, kinds: Collection[str], worker: str, now: datetime, lease: timedelta) -> Job | None:
    """The next job that is due, or whose worker fell silent, given to `worker`; None when there is none."""
    first = (
        select(jobs.c.id)
        .where(jobs.c.kind.in_(kinds), _free(now))
        .order_by(jobs.c.priority, jobs.c.run_at, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = conn.execute(
        update(jobs)
        .where(jobs.c.id == first)
        .values(
            state="running",
            worker=worker[:64],
            attempts=jobs.c.attempts + 1,
            fence=jobs.c.fence + 1,
            lease_until=now + lease,
        )
        .returning(jobs.c.id, jobs.c.kind, jobs.c.case_id, jobs.c.data, jobs.c.attempts, jobs.c.fence)
    ).first()
    return None if row is None else Job(*row)


def extend(conn: Connection, job: Job, until: datetime) -> None:
    """Keep a job for longer.

    Raises:
        LeaseLostError: another worker has it.

    """
    _set(conn, job, lease_until=until)


def finish(conn: Connection, job: Job, now: datetime) -> None:
    """The job is done; call it in the transaction that stores its result.

    Raises:
        LeaseLostError: another worker has it, so this result must not be stored.

    """
    _set(conn, job, state="done", finished_at=now, lease_until=None)


def bury(conn: Connection, job: Job, error: str, now: datetime) -> None:
    """The job is given up; it stays to be looked at and run again.

    Raises:
        LeaseLostError: another worker has it.

    """
    _set(conn, job, state="dead", error=error[:200], finished_at=now, lease_until=None)


def back(conn: Connection, job: Job, run_at: datetime, *, error: str = "", counts: bool = True) -> None:
    """The job goes back into the queue; `counts` says whether this attempt was one.

    Raises:
        LeaseLostError: another worker has it.

    """
    attempts = job.attempts if counts else job.attempts - 1
    _set(conn, job, state="queued", run_at=run_at, error=error[:200], attempts=attempts, lease_until=None)


def revive(conn: Connection, job_id: str, now: datetime) -> bool:
    """Run a dead job again; false when it is not dead."""
    statement = update(jobs).where(jobs.c.id == job_id, jobs.c.state == "dead")
    done = conn.execute(statement.values(state="queued", run_at=now, attempts=0, error="", finished_at=None))
    return done.rowcount == 1


def counts(conn: Connection) -> dict[str, int]:
    """Number of jobs by state."""
    query = select(jobs.c.state, func.count().label("number")).group_by(jobs.c.state)
    return {row.state: row.number for row in conn.execute(query)}


def _free(now: datetime) -> ColumnElement[bool]:
    waiting = and_(jobs.c.state == "queued", jobs.c.run_at <= now)
    return or_(waiting, and_(jobs.c.state == "running", jobs.c.lease_until < now))


def _set(conn: Connection, job: Job, **columns: Any) -> None:
    # The fence alone decides: an expired lease that nobody took is still the holder's.
    held = and_(jobs.c.id == job.id, jobs.c.fence == job.fence, jobs.c.state == "running")
    if conn.execute(update(jobs).where(held).values(columns)).rowcount != 1:
        raise LeaseLostError(f"Job {job.id} was given to another worker; this result is thrown away.")
