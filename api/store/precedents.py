"""The archive of precedents: what retrieval reads, and how cards and vectors come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from api.store.tables import meta, precedent_keys, precedents
from api.store.unit import Store
from retrieval.precedent import Entry, Precedent

_CHANGE = "precedent_change"
_BATCH = 500
"""Values in one `IN (...)`: databases limit the number of parameters."""


@dataclass(frozen=True, slots=True)
class Card:
    """A redacted precedent as it is put into the archive."""

    precedent: Precedent
    content_hash: str
    """Equal for equal content: a card that is already here is left alone."""
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
        with self._store.read() as conn:
            return {
                row["id"]: _precedent(row)
                for some in _parts(ids)
                for row in conn.execute(select(precedents).where(precedents.c.id.in_(some))).mappings()
            }

    def with_keys(self, keys: Sequence[str]) -> Sequence[str]:
        """Ids of the precedents that carry any of these exact keys, newest first."""
        found: dict[str, Any] = {}
        with self._store.read() as conn:
            for some in _parts(keys):
                query = select(precedents.c.id, precedents.c.resolved_at).join(precedent_keys)
                found |= {id_: at for id_, at in conn.execute(query.where(precedent_keys.c.key.in_(some)))}
        return sorted(found, key=lambda id_: (found[id_], id_), reverse=True)

    def put(self, cards: Sequence[Card], import_id: str | None = None) -> int:
        """Add cards or replace those of the same id; those with equal content stay. Returns how many changed.

        A card whose content changed loses its vector until it is encoded again.
        """
        with self._store.write("put_precedents") as conn:
            return put(conn, cards, import_id)

    def waiting(self, fingerprint: str, limit: int) -> Sequence[tuple[str, str]]:
        """Id and summary of precedents that have no vector of this encoder yet."""
        query = select(precedents.c.id, precedents.c.summary).where(precedents.c.fingerprint != fingerprint)
        with self._store.read() as conn:
            return [(id_, summary) for id_, summary in conn.execute(query.order_by(precedents.c.change).limit(limit))]

    def set_vectors(self, fingerprint: str, vectors: Mapping[str, NDArray[np.floating[Any]]]) -> None:
        """Keep the vectors of these ids, in half precision; an id that is gone is left out."""
        with self._store.write("set_vectors") as conn:
            change = _advance(conn, len(vectors))
            for number, (id_, vector) in enumerate(vectors.items(), change + 1):
                blob = np.asarray(vector, np.float16).tobytes()
                conn.execute(
                    update(precedents)
                    .where(precedents.c.id == id_)
                    .values(vector=blob, fingerprint=fingerprint, change=number)
                )

    def remove(self, ids: Sequence[str]) -> int:
        """Forget precedents; the index has to be rebuilt afterwards. Returns how many were there."""
        with self._store.write("remove_precedents") as conn:
            _advance(conn, 1)
            return sum(_remove(conn, some) for some in _parts(ids))


def put(conn: Connection, cards: Sequence[Card], import_id: str | None = None) -> int:
    """What `PrecedentArchive.put` does, inside a transaction that is already open."""
    known: dict[str, str] = {}
    for some in _parts([card.precedent.id for card in cards]):
        query = select(precedents.c.id, precedents.c.content_hash).where(precedents.c.id.in_(some))
        known |= {id_: digest for id_, digest in conn.execute(query)}
    new = {c.precedent.id: c for c in cards if known.get(c.precedent.id) != c.content_hash}
    if not new:
        return 0
    for some in _parts([id_ for id_ in new if id_ in known]):
        _remove(conn, some)
    change = _advance(conn, len(new))
    rows = [_row(card, number, import_id) for number, card in enumerate(new.values(), change + 1)]
    conn.execute(insert(precedents), rows)
    keys = [{"key": key, "precedent_id": id_} for id_, card in new.items() for key in dict.fromkeys(card.keys) if key]
    if keys:
        conn.execute(insert(precedent_keys), keys)
    return len(new)


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
        "id": p.id, "change": change, "content_hash": card.content_hash, "case_id": card.case_id,
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
