"""What comes in (every delivery once) and what goes out (at least once, with a key that tells repeats)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from api.errors import IdempotencyConflictError, InvalidError, NotFoundError
from api.ids import new_id
from api.store.tables import inbox, outbox

MAX_KEY = 256


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


def post(
    conn: Connection, channel: str, key: str, payload: Mapping[str, Any], *, now: datetime, case_id: str | None = None
) -> str | None:
    """Something to send over `channel`; None when `key` was posted before."""
    if conn.execute(select(outbox.c.id).where(outbox.c.idempotency_key == key)).first() is not None:
        return None
    letter_id = new_id("out", now)
    conn.execute(
        insert(outbox).values(
            id=letter_id, idempotency_key=key, channel=channel, payload=dict(payload), created_at=now, case_id=case_id
        )
    )
    return letter_id


def letter(conn: Connection, letter_id: str) -> RowMapping:
    """One thing to send, or sent.

    Raises:
        NotFoundError: there is no such letter.

    """
    row = conn.execute(select(outbox).where(outbox.c.id == letter_id)).mappings().first()
    if row is None:
        raise NotFoundError("outbox row", letter_id)
    return row


def delivered(conn: Connection, letter_id: str, now: datetime) -> None:
    """The receiver has it."""
    conn.execute(update(outbox).where(outbox.c.id == letter_id).values(delivered_at=now))
