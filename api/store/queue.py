"""The jobs table as a queue: claimed by one statement, held by a lease, guarded by a fencing token."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, insert, or_, select, update

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
    return put_rows(
        conn, [row(kind, data, now=now, case_id=case_id, run_at=run_at, priority=priority) for data in each]
    )


def row(
    kind: str, data: Mapping[str, Any], *, now: datetime, case_id: str | None = None, run_at: datetime | None = None,
    priority: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Work as `put_rows` takes it."""
    return {
        "id": new_id("job", now), "kind": kind, "state": "queued", "data": dict(data), "case_id": case_id,
        "run_at": run_at or now, "priority": priority, "created_at": now,
    }  # fmt: skip


def put_rows(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Work of several kinds at once: the ids in the order given."""
    if rows:
        conn.execute(_PUT, rows)
    return [str(each["id"]) for each in rows]


def due(conn: Connection, kinds: Collection[str], now: datetime) -> bool:
    """Whether `claim` would find something."""
    return conn.execute(_DUE, {"kinds": list(kinds), "now": now}).first() is not None


def claim(conn: Connection, kinds: Collection[str], worker: str, now: datetime, lease: timedelta) -> Job | None:
    """The next job that is due, or whose worker fell silent, given to `worker`; None when there is none."""
    return next(iter(claim_some(conn, kinds, worker, now, lease, 1)), None)


def claim_some(
    conn: Connection, kinds: Collection[str], worker: str, now: datetime, lease: timedelta, most: int
) -> list[Job]:
    """The same for up to `most` jobs, in the order in which they are to be begun."""
    given = {"kinds": list(kinds), "now": now, "most": most, "by": worker[:64], "until": now + lease}
    rows = sorted(conn.execute(_CLAIM, given), key=lambda row: (row.priority, row.run_at, row.id))
    return [Job(row.id, row.kind, row.case_id, row.data, row.attempts, row.fence) for row in rows]


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


def _set(conn: Connection, job: Job, **columns: Any) -> None:
    # The fence alone decides: an expired lease that nobody took is still the holder's.
    if conn.execute(_HELD, {"its": job.id, "held": job.fence, **columns}).rowcount != 1:
        raise LeaseLostError(f"Job {job.id} was given to another worker; this result is thrown away.")


# Built once: building a statement costs more than running it.
_FREE = and_(
    jobs.c.kind.in_(bindparam("kinds", expanding=True)),
    or_(
        and_(jobs.c.state == "queued", jobs.c.run_at <= bindparam("now")),
        and_(jobs.c.state == "running", jobs.c.lease_until < bindparam("now")),
    ),
)
_PUT = insert(jobs)
_DUE = select(jobs.c.id).where(_FREE).limit(1)
_FIRST = (
    select(jobs.c.id)
    .where(_FREE)
    .order_by(jobs.c.priority, jobs.c.run_at, jobs.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("first")  # apart from the update, which else may ask for it anew at every row
)
_CLAIM = (
    update(jobs)
    .where(jobs.c.id.in_(select(_FIRST.c.id)))
    .values(
        state="running",
        worker=bindparam("by"),
        attempts=jobs.c.attempts + 1,
        fence=jobs.c.fence + 1,
        lease_until=bindparam("until"),
    )
    .returning(
        jobs.c.id, jobs.c.kind, jobs.c.case_id, jobs.c.data, jobs.c.attempts, jobs.c.fence, jobs.c.priority, jobs.c.run_at
    )
)  # fmt: skip
_HELD = update(jobs).where(
    jobs.c.id == bindparam("its"), jobs.c.fence == bindparam("held"), jobs.c.state == "running"
)  # fmt: skip
