"""Webhooks as rows: each delivery once, raw until it is done, with its job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, insert, select, update

from api.errors import NotFoundError
from api.ids import new_id
from api.store import queue
from api.store.tables import deliveries

KIND: Final = "hook"
"""The kind of job that works on a delivery."""
PRIORITY: Final = -1
"""Before drafts: first every case is seen, then each gets its draft."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One webhook whose signature was found good."""

    source: str
    delivery_id: str
    """As the sender numbers it."""
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


def put_all(conn: Connection, arrivals: Sequence[Arrival], now: datetime) -> list[str]:
    """Store those that are new, each with a job, and return the id of every one in the order given."""
    ids = _known(conn, arrivals)
    new = list(
        {key: arrival for arrival in arrivals if (key := (arrival.source, arrival.delivery_id)) not in ids}.items()
    )
    made = [new_id("hook", arrival.received_at) for _, arrival in new]
    jobs = queue.put_all(conn, KIND, [{"delivery": id_} for id_ in made], now=now, priority=PRIORITY)
    if new:
        rows = [
            {
                "id": id_, "source": arrival.source, "delivery_id": arrival.delivery_id, "state": "queued",
                "received_at": arrival.received_at, "headers": dict(arrival.headers), "body": arrival.body, "job_id": job,
            }
            for id_, job, (_, arrival) in zip(made, jobs, new, strict=True)
        ]  # fmt: skip
        conn.execute(insert(deliveries), rows)
    ids |= {key: id_ for id_, (key, _) in zip(made, new, strict=True)}
    return [ids[arrival.source, arrival.delivery_id] for arrival in arrivals]


def _known(conn: Connection, arrivals: Sequence[Arrival]) -> dict[tuple[str, str], str]:
    found = dict[tuple[str, str], str]()
    by_source = sorted({(arrival.source, arrival.delivery_id) for arrival in arrivals})
    for source, group in groupby(by_source, lambda key: key[0]):
        query = select(deliveries.c.delivery_id, deliveries.c.id)
        query = query.where(deliveries.c.source == source, deliveries.c.delivery_id.in_([key[1] for key in group]))
        found |= {(source, row.delivery_id): row.id for row in conn.execute(query)}
    return found


def get(conn: Connection, delivery: str, *, lock: bool = False) -> RowMapping:
    """One delivery.

    Raises:
        NotFoundError: there is no such delivery.

    """
    query = select(deliveries).where(deliveries.c.id == delivery)
    row = conn.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise NotFoundError("delivery", delivery)
    return row


def done(conn: Connection, delivery: str, case_id: str | None) -> None:
    """It is worked in: what it said is on the case now, so its raw text goes."""
    _set(conn, delivery, state="done", error="", case_id=case_id, body=None)


def dead(conn: Connection, delivery: str, error: str) -> None:
    """It cannot be worked in as it is; it stays to be looked at and replayed."""
    _set(conn, delivery, state="dead", error=error[:300])


def again(conn: Connection, delivery: RowMapping, now: datetime) -> None:
    """A dead one is worked on once more."""
    _set(conn, delivery["id"], state="queued", error="")
    queue.revive(conn, delivery["job_id"], now)


def all_dead(conn: Connection, most: int) -> Sequence[RowMapping]:
    """The dead ones without their texts, oldest first."""
    columns = [column for column in deliveries.c if column.name not in {"body", "headers"}]
    return conn.execute(
        select(*columns).where(deliveries.c.state == "dead").order_by(deliveries.c.id).limit(most)
    ).mappings().all()  # fmt: skip


def _set(conn: Connection, delivery: str, **columns: Any) -> None:
    conn.execute(update(deliveries).where(deliveries.c.id == delivery).values(columns))
