"""The archive of precedents: what retrieval reads, and how cards and vectors come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, RowMapping, Select, bindparam, delete, func, insert, select, update

from api.store import queue
from api.store.queue import Job
from api.store.tables import meta, precedent_keys, precedents
from api.store.unit import Store
from retrieval.precedent import Entry, Precedent

EMBED: Final = "embed"
"""The job that encodes what waits for a vector."""
BACKGROUND: Final = 10
"""Priority of work that no person waits for."""

_CHANGE = "precedent_change"
_BATCH = 500
"""Values in one `IN (...)`: databases limit the number of parameters."""


@dataclass(frozen=True, slots=True)
class Card:
    """A redacted precedent as it is put into the archive; its id stands for its content."""

    precedent: Precedent
    keys: tuple[str, ...] = ()
    case_id: str | None = None


class PrecedentArchive:
    """Reads and writes precedents; each call is one transaction. Fulfils retrieval's `Archive`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def counts(self, fingerprint: str) -> tuple[int, int]:
        """How many precedents have a vector of this encoder, and how many still wait for one."""
        with self._store.read() as conn:
            everything = conn.execute(select(func.count()).select_from(precedents)).scalar_one()
            done = conn.execute(select(func.count()).where(precedents.c.fingerprint == fingerprint)).scalar_one()
        return done, everything - done

    def entries(self, fingerprint: str, after: int, limit: int) -> Sequence[Entry]:
        """At most `limit` entries of this encoder with `updated` above `after`, in rising order of it."""
        t = precedents.c
        query = select(t.id, t.issue_type, t.language, t.resolved_at, t.vector, t.change)
        query = query.where(t.fingerprint == fingerprint, t.change > after).order_by(t.change).limit(limit)
        with self._store.read() as conn:
            return [
                Entry(id_, issue_type, language, at, np.frombuffer(vector, np.float16), change)
                for id_, issue_type, language, at, vector, change in conn.execute(query)
            ]

    def precedents(self, ids: Sequence[str]) -> Mapping[str, Precedent]:
        """The precedents of these ids; an id that is gone is left out."""
        if not ids:
            return {}
        with self._store.read() as conn:
            return {
                row["id"]: _precedent(row)
                for some in _parts(ids)
                for row in conn.execute(_CARDS, {"ids": some}).mappings()
            }

    def with_keys(self, keys: Sequence[str]) -> Sequence[str]:
        """Ids of the precedents that carry any of these exact keys, newest first."""
        found: dict[str, Any] = {}
        with self._store.read() as conn:
            for some in _parts(keys):
                found |= {row.id: row.resolved_at for row in conn.execute(_WITH_KEYS, {"keys": some})}
        return sorted(found, key=lambda id_: (found[id_], id_), reverse=True)

    def put(self, cards: Sequence[Card], now: datetime, import_id: str | None = None) -> int:
        """Add the cards whose ids are not here yet, and the job that encodes them; returns how many were added."""
        with self._store.write("put_precedents") as conn:
            return put(conn, cards, now, import_id)

    def waiting(self, fingerprint: str, limit: int) -> Sequence[tuple[str, str]]:
        """Id and summary of precedents that have no vector of this encoder yet."""
        with self._store.read() as conn:
            return [(row.id, row.summary) for row in conn.execute(_waiting(fingerprint, limit))]

    def set_vectors(self, fingerprint: str, vectors: Mapping[str, NDArray[np.floating[Any]]]) -> None:
        """Keep the vectors of these ids, in half precision; an id that is gone is left out."""
        with self._store.write("set_vectors") as conn:
            set_vectors(conn, fingerprint, vectors)

    def finish_vectors(
        self, job: Job, fingerprint: str, vectors: Mapping[str, NDArray[np.floating[Any]]], now: datetime
    ) -> None:
        """`set_vectors` as the result of a job; another job goes on while precedents wait.

        Raises:
            LeaseLostError: another worker has the job.

        """
        with self._store.write("set_vectors") as conn:
            queue.finish(conn, job, now)
            set_vectors(conn, fingerprint, vectors)
            if conn.execute(_waiting(fingerprint, 1)).first() is not None:
                queue.put(conn, EMBED, {}, now=now, priority=BACKGROUND)

    def bury(self, job: Job, error: str, now: datetime) -> None:
        """Give an encoding job up; its precedents go on waiting.

        Raises:
            LeaseLostError: another worker has the job.

        """
        with self._store.write("finish") as conn:
            queue.bury(conn, job, error, now)

    def remove(self, ids: Sequence[str]) -> int:
        """Forget precedents; the index has to be rebuilt afterwards. Returns how many were there."""
        with self._store.write("remove_precedents") as conn:
            return sum(_remove(conn, some) for some in _parts(ids))


def put(conn: Connection, cards: Sequence[Card], now: datetime, import_id: str | None = None) -> int:
    """What `PrecedentArchive.put` does, inside a transaction that is already open."""
    given = {card.precedent.id: card for card in cards}
    known: set[str] = set()
    for some in _parts(list(given)):
        known |= set(conn.execute(select(precedents.c.id).where(precedents.c.id.in_(some))).scalars())
    new = [card for id_, card in given.items() if id_ not in known]
    if not new:
        return 0
    change = _advance(conn, len(new))
    conn.execute(insert(precedents), [_row(card, number, import_id) for number, card in enumerate(new, change + 1)])
    keys = [{"key": k, "precedent_id": card.precedent.id} for card in new for k in dict.fromkeys(card.keys) if k]
    if keys:
        conn.execute(insert(precedent_keys), keys)
    queue.put(conn, EMBED, {}, now=now, priority=BACKGROUND)
    return len(new)


def set_vectors(conn: Connection, fingerprint: str, vectors: Mapping[str, NDArray[np.floating[Any]]]) -> None:
    """What `PrecedentArchive.set_vectors` does, inside a transaction that is already open."""
    change = _advance(conn, len(vectors))
    for number, (id_, vector) in enumerate(vectors.items(), change + 1):
        columns = {"vector": np.asarray(vector, np.float16).tobytes(), "fingerprint": fingerprint, "change": number}
        conn.execute(update(precedents).where(precedents.c.id == id_).values(columns))


def _waiting(fingerprint: str, limit: int) -> Select[Any, Any]:
    query = select(precedents.c.id, precedents.c.summary).where(precedents.c.fingerprint != fingerprint)
    return query.order_by(precedents.c.change).limit(limit)


def _advance(conn: Connection, steps: int) -> int:
    """The change counter before it is moved on by `steps`."""
    old = conn.execute(select(meta.c.value).where(meta.c.key == _CHANGE).with_for_update()).scalar()
    new = str(int(old or 0) + steps)
    if old is None:
        conn.execute(insert(meta).values(key=_CHANGE, value=new))
    else:
        conn.execute(update(meta).where(meta.c.key == _CHANGE).values(value=new))
    return int(old or 0)


def _remove(conn: Connection, ids: Sequence[str]) -> int:
    conn.execute(delete(precedent_keys).where(precedent_keys.c.precedent_id.in_(ids)))
    return conn.execute(delete(precedents).where(precedents.c.id.in_(ids))).rowcount


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))


def _row(card: Card, change: int, import_id: str | None) -> dict[str, Any]:
    p = card.precedent
    return {
        "id": p.id, "change": change, "case_id": card.case_id,
        "import_id": import_id, "redacted": True, "issue_type": p.issue_type, "severity": p.severity,
        "language": p.language, "channel": p.channel, "summary": p.summary, "remedy_kind": p.remedy_kind,
        "remedy": p.remedy, "cost": None if p.cost is None else str(p.cost), "currency": p.currency,
        "resolved_in_s": round(p.resolved_in.total_seconds()), "resolved_at": p.resolved_at, "outcome": p.outcome,
        "aftermath": p.aftermath, "satisfaction": p.satisfaction, "teams": list(p.teams), "products": list(p.products),
    }  # fmt: skip


def _precedent(row: RowMapping) -> Precedent:
    return Precedent(
        id=row["id"], issue_type=row["issue_type"], severity=row["severity"], language=row["language"],
        channel=row["channel"], summary=row["summary"], remedy_kind=row["remedy_kind"], remedy=row["remedy"],
        cost=None if row["cost"] is None else Decimal(row["cost"]), currency=row["currency"],
        resolved_in=timedelta(seconds=row["resolved_in_s"]), resolved_at=row["resolved_at"], outcome=row["outcome"],
        aftermath=row["aftermath"], satisfaction=row["satisfaction"], teams=tuple(row["teams"]),
        products=tuple(row["products"]),
    )  # fmt: skip


# Built once: building a statement costs more than running it.
_CARDS = select(precedents).where(precedents.c.id.in_(bindparam("ids", expanding=True)))
_WITH_KEYS = (
    select(precedents.c.id, precedents.c.resolved_at)
    .join(precedent_keys)
    .where(precedent_keys.c.key.in_(bindparam("keys", expanding=True)))
)
