"""What comes in (every delivery once) and what goes out (at least once, with a key that tells repeats)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    RowMapping,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

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
    row = conn.execute(_ANSWERED, {"by": delivery.source, "number": delivery.id}).mappings().first()
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


@dataclass(frozen=True, slots=True)
class Letter:
    """Something to send over a channel. `payload` holds ids only; the `key` tells repeats."""

    channel: str
    key: str
    payload: Mapping[str, Any]
    not_before: datetime | None = None
    """When it may leave at the earliest; None for at once."""


def post(
    conn: Connection, channel: str, key: str, payload: Mapping[str, Any], *, now: datetime, case_id: str | None = None,
    not_before: datetime | None = None,
) -> str | None:  # fmt: skip
    """Something to send over `channel`, with its job; None when `key` was posted before. `payload` holds ids only."""
    rows, work = _posted(conn, [Letter(channel, key, payload, not_before)], now=now, case_id=case_id)
    queue.put_rows(conn, work)
    return rows[0]["id"] if rows else None


def post_all(
    conn: Connection, letters: Sequence[Letter], *, now: datetime, case_id: str | None = None
) -> list[dict[str, Any]]:
    """Post those letters that were not posted before; returns their jobs, still to be put into the queue.

    What leaves at once leaves with one job, apart from notes to a helpdesk. After `STORM` letters to a channel within
    `CALM` the next ones wait for the end of a minute and leave together, apart from those to a helpdesk.
    """
    return _posted(conn, letters, now=now, case_id=case_id)[1] if letters else []


def _posted(
    conn: Connection, letters: Sequence[Letter], *, now: datetime, case_id: str | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    by_key: dict[str, Letter] = {}
    for one in letters:
        by_key.setdefault(one.key, one)
    known = set(conn.execute(_KNOWN, {"keys": list(by_key)}).scalars())
    new = [one for key, one in by_key.items() if key not in known]
    if not new:
        return [], []
    channels = {one.channel for one in new}
    lately = {c: len(conn.execute(_RECENT, {"channel": c, "since": now - CALM}).all()) for c in channels}
    rows: list[dict[str, Any]] = []
    going: set[tuple[str, datetime]] = set()
    work: list[dict[str, Any]] = []
    together: list[str] = []
    for one in new:
        channel, letter_id = one.channel, new_id("out", now)
        apart = channel.startswith(HELPDESK)
        calm = one.not_before if apart or lately[channel] < STORM else _next(one.not_before or now, CALM)
        lately[channel] += 1
        rows.append({
            "id": letter_id, "idempotency_key": one.key, "channel": channel, "payload": dict(one.payload),
            "created_at": now, "case_id": case_id, "state": "waiting", "next_try_at": calm,
        })  # fmt: skip
        if calm is not None:  # one job takes all that wait for the end of a minute
            if (channel, calm) not in going and conn.execute(_GOING, {"channel": channel, "at": calm}).first() is None:
                work.append(_job([letter_id], now, case_id, calm))
            going.add((channel, calm))
        elif apart:
            work.append(_job([letter_id], now, case_id))
        else:
            together.append(letter_id)
    conn.execute(_ADD, rows)
    return rows, [_job(together, now, case_id), *work] if together else work


def _job(letters: Sequence[str], now: datetime, case_id: str | None, run_at: datetime | None = None) -> dict[str, Any]:
    return queue.row(DELIVER, {"letters": list(letters)}, now=now, run_at=run_at, case_id=case_id)


def take(conn: Connection, job: Job, now: datetime) -> list[RowMapping]:
    """The letters that a delivery job sends: its own, and in a storm all that wait for the same channel.

    What a job once took stays with it, so that a repeat after a crash sends the same letters under the same key.
    """
    ids: Sequence[str] = job.data.get("letters") or [job.data["letter"]]
    own = conn.execute(_THESE, {"ids": ids}).mappings().all()
    if any(row["batch"] == job.id for row in own):
        held = {"channels": sorted({row["channel"] for row in own}), "batch": job.id}
        return list(conn.execute(_HELD, held).mappings())
    own = [row for row in own if row["state"] == "waiting" and not row["batch"]]
    more = {name for row in own if not row["channel"].startswith(HELPDESK) for name in _beside(conn, row, now)}
    taken = list(dict.fromkeys([*(row["id"] for row in own), *sorted(more)]))
    if taken:
        conn.execute(_TAKE, {"ids": taken, "by": job.id})
    return own if len(taken) == len(own) else list(conn.execute(_THESE, {"ids": taken}).mappings())


def _beside(conn: Connection, own: RowMapping, now: datetime) -> list[str]:
    """Letters that leave with `own`: in a storm all of its channel, else those held back to the same minute."""
    waiting = conn.execute(_WAITING, {"channel": own["channel"], "now": now}).all()
    if len(waiting) > STORM:
        return [row.id for row in waiting]
    if own["next_try_at"] is None or own["attempts"]:
        return []
    return [row.id for row in waiting if (row.next_try_at, row.attempts) == (own["next_try_at"], 0)]


def digests(job: Job, letters: Sequence[RowMapping]) -> set[str]:
    """Channels whose letters leave as one message: those with letters that did not come with the job itself."""
    own = job.data.get("letters") or [job.data["letter"]]
    return {row["channel"] for row in letters if row["id"] not in own}


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
    row = conn.execute(_WAITING.limit(1), {"channel": channel, "now": now}).first()
    if row is not None:
        queue.put_rows(conn, [_job([row.id], now, row.case_id)])


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
            queue.put_rows(conn, [_job([row["id"]], now, row["case_id"], again_at)])
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
    queue.put_rows(conn, [_job([letter_id], now, row["case_id"])])


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
    conn.execute(_CHANGE, {"ids": [row["id"] for row in letters], **values})


def _next(now: datetime, step: timedelta) -> datetime:
    """The next instant that is a whole number of steps."""
    return now + step - (now - datetime.min.replace(tzinfo=now.tzinfo)) % step


# Built once: building a statement costs more than running it.
_ADD = insert(outbox)
_ANSWERED = select(inbox).where(inbox.c.source == bindparam("by"), inbox.c.delivery_id == bindparam("number"))
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_THESE = select(outbox).where(outbox.c.id.in_(_IDS)).order_by(outbox.c.id)
_CHANGE = update(outbox).where(outbox.c.id.in_(_IDS))
_TAKE = _CHANGE.values(batch=bindparam("by"))
_KNOWN = select(outbox.c.idempotency_key).where(outbox.c.idempotency_key.in_(bindparam("keys", expanding=True)))
_TO = outbox.c.channel == bindparam("channel")
_RECENT = (
    select(outbox.c.created_at)
    .where(_TO, outbox.c.state.in_(STATES), outbox.c.created_at > bindparam("since"))
    .limit(STORM + 1)
)
"""Names all states, so that the index finds the last minute among years of letters."""
_GOING = select(outbox.c.id).where(_TO, outbox.c.state == "waiting", outbox.c.next_try_at == bindparam("at")).limit(1)
_HELD = (
    select(outbox)
    .where(
        outbox.c.channel.in_(bindparam("channels", expanding=True)), outbox.c.state == "waiting",
        outbox.c.batch == bindparam("batch"),
    )
    .order_by(outbox.c.id)
)  # fmt: skip
_WAITING = (
    select(outbox.c.id, outbox.c.next_try_at, outbox.c.attempts, outbox.c.case_id)
    .where(
        _TO, outbox.c.state == "waiting", outbox.c.batch == "",
        or_(outbox.c.next_try_at.is_(None), outbox.c.next_try_at <= bindparam("now")),
    )
    .order_by(outbox.c.id)
    .limit(MOST)
)  # fmt: skip
