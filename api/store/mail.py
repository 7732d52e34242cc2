"""What comes in (every delivery once) and what goes out (at least once, with a key that tells repeats)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, bindparam, delete, insert, or_, select, update

from api.errors import ConflictError, IdempotencyConflictError, InvalidError, NotFoundError
from api.ids import new_id
from api.store import queue
from api.store.queue import Job
from api.store.tables import closed_channels, inbox, outbox

DELIVER = "deliver"
"""Kind of the jobs that send letters."""
HELPDESK = "helpdesk:"
"""How channels begin that lead to tickets: each letter has a place of its own, so these never leave together."""
MAX_KEY = 256
STATES = ("waiting", "delivered", "dead", "withdrawn")
"""What becomes of a letter."""
STORM = 5
"""Letters to one channel within `CALM` after which further ones leave together, as a digest."""
CALM = timedelta(minutes=1)
MOST = 500
"""Letters of one digest."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request as its sender numbers it."""

    source: str
    """Who numbers: a principal's id, or the name of a webhook."""
    id: str
    verb: str
    body_hash: str


def answered(conn: Connection, delivery: Delivery) -> Mapping[str, Any] | None:
    """What this very delivery was answered before; None when it is new.

    Raises:
        IdempotencyConflictError: the same id came before with another body.

    """
    if not 0 < len(delivery.id) <= MAX_KEY:
        raise InvalidError(f"An Idempotency-Key has 1 to {MAX_KEY} characters, this one has {len(delivery.id)}.")
    query = select(inbox).where(inbox.c.source == delivery.source, inbox.c.delivery_id == delivery.id)
    row = conn.execute(query).mappings().first()
    if row is None:
        return None
    if (row["verb"], row["body_hash"]) != (delivery.verb, delivery.body_hash):
        raise IdempotencyConflictError(
            "This Idempotency-Key (or delivery id) came before with another request; use a new one for a new request."
        )
    return row["answer"]


def answer(conn: Connection, delivery: Delivery, ids: Mapping[str, Any], *, case_id: str | None, now: datetime) -> None:
    """Remember what a delivery was answered: ids only."""
    conn.execute(
        insert(inbox).values(
            source=delivery.source, delivery_id=delivery.id, verb=delivery.verb, body_hash=delivery.body_hash,
            answer=dict(ids), case_id=case_id, received_at=now,
        )
    )  # fmt: skip


_KNOWN = select(outbox.c.id).where(outbox.c.idempotency_key == bindparam("key"))
_RECENT = (
    select(outbox.c.created_at)
    .where(
        outbox.c.channel == bindparam("channel"), outbox.c.state.in_(STATES), outbox.c.created_at > bindparam("since")
    )
    .limit(STORM + 1)
)
"""Names all states, so that the index finds the last minute among years of letters."""


_GOING = (
    select(outbox.c.id)
    .where(
        outbox.c.channel == bindparam("channel"), outbox.c.state == "waiting", outbox.c.next_try_at == bindparam("at")
    )
    .limit(1)
)


def post(
    conn: Connection, channel: str, key: str, payload: Mapping[str, Any], *, now: datetime, case_id: str | None = None,
    not_before: datetime | None = None,
) -> str | None:  # fmt: skip
    """Something to send over `channel`, with its job; None when `key` was posted before. `payload` holds ids only.

    After `STORM` letters within `CALM` the next ones wait for the end of a minute and leave together, apart from those to
    a helpdesk.
    """
    if conn.execute(_KNOWN, {"key": key}).first() is not None:
        return None
    letter_id = new_id("out", now)
    recent = conn.execute(_RECENT, {"channel": channel, "since": now - CALM}).all()
    calm = not_before if channel.startswith(HELPDESK) or len(recent) < STORM else _next(not_before or now, CALM)
    going = calm is not None and conn.execute(_GOING, {"channel": channel, "at": calm}).first() is not None
    row = {
        "id": letter_id, "idempotency_key": key, "channel": channel, "payload": dict(payload), "created_at": now,
        "case_id": case_id, "state": "waiting", "next_try_at": calm,
    }  # fmt: skip
    conn.execute(insert(outbox), row)
    if not going:  # one job takes all that wait for the end of a minute
        queue.put(conn, DELIVER, {"letter": letter_id}, now=now, run_at=calm, case_id=case_id)
    return letter_id


def take(conn: Connection, job: Job, now: datetime) -> list[RowMapping]:
    """The letters that a delivery job sends: its own, and in a storm all that wait for the same channel.

    What a job once took stays with it, so that a repeat after a crash sends the same letters under the same key.
    """
    own = letter(conn, job.data["letter"])
    here = and_(outbox.c.channel == own["channel"], outbox.c.state == "waiting")
    mine = select(outbox).where(here, outbox.c.batch == job.id).order_by(outbox.c.id)
    if held := conn.execute(mine).mappings().all():
        return list(held)
    if own["state"] != "waiting" or own["batch"]:
        return []
    free = and_(here, outbox.c.batch == "", _due(now))
    query = select(outbox.c.id, outbox.c.next_try_at, outbox.c.attempts).where(free).order_by(outbox.c.id).limit(MOST)
    waiting = conn.execute(query).all()
    taken = [own["id"]]
    if not own["channel"].startswith(HELPDESK):
        if len(waiting) > STORM:
            taken = [row.id for row in waiting]
        elif (
            own["next_try_at"] is not None and not own["attempts"]
        ):  # those held back to the same minute share this job
            taken = [row.id for row in waiting if (row.next_try_at, row.attempts) == (own["next_try_at"], 0)]
    conn.execute(update(outbox).where(outbox.c.id.in_(taken)).values(batch=job.id))
    return list(conn.execute(mine).mappings().all())


def letter(conn: Connection, letter_id: str) -> RowMapping:
    """One thing to send, or sent.

    Raises:
        NotFoundError: there is no such letter.

    """
    row = conn.execute(select(outbox).where(outbox.c.id == letter_id)).mappings().first()
    if row is None:
        raise NotFoundError("outbox row", letter_id)
    return row


def delivered(conn: Connection, letters: Sequence[RowMapping], now: datetime) -> None:
    """The receiver has them."""
    _set(conn, letters, state="delivered", delivered_at=now, error="")


def follow(conn: Connection, channel: str, now: datetime) -> None:
    """After a digest: a job for what still waits for the same channel, if anything does."""
    free = and_(outbox.c.channel == channel, outbox.c.state == "waiting", outbox.c.batch == "", _due(now))
    row = conn.execute(select(outbox.c.id, outbox.c.case_id).where(free).order_by(outbox.c.id).limit(1)).first()
    if row is not None:
        queue.put(conn, DELIVER, {"letter": row.id}, now=now, case_id=row.case_id)


def refused(
    conn: Connection, letters: Sequence[RowMapping], reason: str, now: datetime, again_at: datetime | None
) -> None:
    """The receiver did not take them: they are tried again at `again_at`, or given up."""
    for row in letters:
        values: dict[str, Any] = {
            "attempts": row["attempts"] + 1, "error": reason[:200], "batch": "", "next_try_at": again_at,
            "first_try_at": row["first_try_at"] or now,
        }  # fmt: skip
        _set(conn, [row], state="dead" if again_at is None else "waiting", **values)
        if again_at is not None:
            queue.put(conn, DELIVER, {"letter": row["id"]}, now=now, run_at=again_at, case_id=row["case_id"])
    if again_at is None and len(letters) > 1:
        follow(conn, letters[0]["channel"], now)


def revive(conn: Connection, letter_id: str, now: datetime) -> None:
    """Send a letter again that was given up.

    Raises:
        ConflictError: it was not given up.

    """
    row = letter(conn, letter_id)
    if row["state"] != "dead":
        raise ConflictError(f"Letter {letter_id} is {row['state']}; only one that was given up is sent again.")
    _set(conn, [row], state="waiting", batch="", attempts=0, next_try_at=None, error="")
    queue.put(conn, DELIVER, {"letter": letter_id}, now=now, case_id=row["case_id"])


def close(conn: Connection, channel: str, reason: str, now: datetime) -> None:
    """Nothing is sent over a channel any more."""
    reopen(conn, channel)
    conn.execute(insert(closed_channels).values(channel=channel, reason=reason[:200], at=now))


def reopen(conn: Connection, channel: str) -> None:
    """A channel is used again."""
    conn.execute(delete(closed_channels).where(closed_channels.c.channel == channel))


def closed(conn: Connection) -> dict[str, str]:
    """Closed channels and why."""
    return {row.channel: row.reason for row in conn.execute(select(closed_channels))}


def withdraw(conn: Connection, prefix: str) -> None:
    """Letters whose keys begin so and that have not left do not leave any more."""
    mine = (outbox.c.idempotency_key.startswith(prefix, autoescape=True), outbox.c.state == "waiting")
    conn.execute(update(outbox).where(*mine, outbox.c.batch == "").values(state="withdrawn"))


def last_delivered(conn: Connection, channel: str, case_id: str) -> RowMapping | None:
    """The newest letter of a case that a channel took; None when it took none."""
    mine = (outbox.c.channel == channel, outbox.c.case_id == case_id, outbox.c.state == "delivered")
    return conn.execute(select(outbox).where(*mine).order_by(outbox.c.id.desc()).limit(1)).mappings().first()


def recent(conn: Connection, limit: int, *, channel: str = "") -> Sequence[RowMapping]:
    """The delivery log, newest first."""
    query = select(outbox).order_by(outbox.c.id.desc()).limit(limit)
    return conn.execute(query.where(outbox.c.channel == channel) if channel else query).mappings().all()


def _set(conn: Connection, letters: Sequence[RowMapping], **values: Any) -> None:
    conn.execute(update(outbox).where(outbox.c.id.in_([row["id"] for row in letters])).values(values))


def _due(now: datetime) -> ColumnElement[bool]:
    return or_(outbox.c.next_try_at.is_(None), outbox.c.next_try_at <= now)


def _next(now: datetime, step: timedelta) -> datetime:
    """The next instant that is a whole number of steps."""
    return now + step - (now - datetime.min.replace(tzinfo=now.tzinfo)) % step
