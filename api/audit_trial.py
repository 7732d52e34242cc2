"""Tampers with an event log a thousand times at random and counts how often `desk audit verify` would see it.

    python -m api.audit_trial [--rounds 1000] [--seed 7]

Each round changes, deletes, adds, swaps or cuts events of a log of its own, also as somebody would who knows how the
chain is made: with the recorded head put right, or with every later hash worked out anew. The last two are seen only
against a head that was noted outside the database.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from api.errors import TamperedError
from api.store import audit
from api.store.audit import Head
from api.store.engine import migrate, open_engine
from api.store.tables import events, meta
from api.store.unit import Store

EVENTS: Final = 60
_START: Final = datetime(2026, 11, 24, 9, tzinfo=UTC)
_OTHER: Final[Mapping[str, Any]] = {
    "data": {"rows": 10**6}, "actor": "prn_z", "kind": "key_made", "at": _START - timedelta(days=9), "case_id": "case_z",
    "hash": "f" * 64,
}  # fmt: skip


def trial(rounds: int, seed: int) -> tuple[Counter[str], Counter[str]]:
    """How often each kind of tampering was done, and how often it was missed."""
    rng, done, missed = Random(seed), Counter[str](), Counter[str]()  # noqa: S311 - a plan that can be repeated
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'desk.db'}")
        migrate(engine)
        heads = _fill(Store(engine, b"k" * 32))
        for _ in range(rounds):
            kind = rng.choice(sorted(_WAYS))
            done[kind] += 1
            with engine.execution_options(desk_write=True).connect() as conn:
                _WAYS[kind](conn, rng)
                try:
                    audit.verify(conn, heads)
                    missed[kind] += 1
                except TamperedError:
                    pass
                conn.rollback()
        with engine.connect() as conn:
            audit.verify(conn, heads)  # the log itself is untouched at the end
        engine.dispose()
    return done, missed


def _fill(store: Store) -> list[Head]:
    heads: list[Head] = []
    with store.write("finish") as conn:
        for number in range(1, EVENTS + 1):
            at = _START + timedelta(minutes=number)
            head = audit.append(conn, "signed_in", actor="prn_a", at=at, data={"rows": number})
            if number in {EVENTS // 2, EVENTS}:
                heads.append(head)
    return heads


def _change(conn: Connection, rng: Random) -> None:
    name = rng.choice(sorted(_OTHER))
    conn.execute(update(events).where(events.c.seq == rng.randint(1, EVENTS)).values({name: _OTHER[name]}))


def _delete(conn: Connection, rng: Random) -> None:
    conn.execute(delete(events).where(events.c.seq == rng.randint(1, EVENTS)))


def _insert(conn: Connection, rng: Random) -> None:
    row = dict(conn.execute(select(events).where(events.c.seq == rng.randint(1, EVENTS))).mappings().one())
    conn.execute(insert(events).values({**row, "seq": EVENTS + 1, "case_seq": EVENTS + 1}))


def _swap(conn: Connection, rng: Random) -> None:
    one, two = rng.sample(range(1, EVENTS + 1), 2)
    rows = {row["seq"]: dict(row) for row in conn.execute(select(events)).mappings()}
    for here, there in ((one, two), (two, one)):
        values = {k: v for k, v in rows[there].items() if k not in {"seq", "case_seq"}}
        conn.execute(update(events).where(events.c.seq == here).values(values))


def _cut(conn: Connection, rng: Random) -> None:
    conn.execute(delete(events).where(events.c.seq >= rng.randint(1, EVENTS)))


def _cut_with_head(conn: Connection, rng: Random) -> None:
    last = rng.randint(1, EVENTS - 1)
    conn.execute(delete(events).where(events.c.seq > last))
    digest = conn.execute(select(events.c.hash).where(events.c.seq == last)).scalar_one()
    conn.execute(update(meta).where(meta.c.key == "event_head").values(value=f"{last}:{digest}"))


def _forge(conn: Connection, rng: Random) -> None:
    """Write the log anew from one event on, with a chain that fits."""
    first = rng.randint(1, EVENTS)
    rows = conn.execute(select(events).where(events.c.seq >= first).order_by(events.c.seq)).mappings().all()
    conn.execute(delete(events).where(events.c.seq >= first))
    before = conn.execute(select(events.c.hash).where(events.c.seq == first - 1)).scalar()
    conn.execute(update(meta).where(meta.c.key == "event_head").values(value=f"{first - 1}:{before or '0' * 64}"))
    if first == 1:
        conn.execute(delete(meta).where(meta.c.key == "event_head"))
    for row in rows:
        data = {"rows": 10**6} if row["seq"] == first else row["data"]
        audit.append(conn, row["kind"], actor=row["actor"], at=row["at"], data=data)


_WAYS: Final[Mapping[str, Callable[[Connection, Random], None]]] = {
    "change": _change, "delete": _delete, "insert": _insert, "swap": _swap, "cut": _cut,
    "cut, head put right": _cut_with_head, "forged chain": _forge,
}  # fmt: skip


def main() -> int:
    """Print what was done and missed as JSON; 1 when something was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    done, missed = trial(args.rounds, args.seed)
    print(json.dumps({"done": dict(sorted(done.items())), "missed": dict(missed)}, indent=2))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
