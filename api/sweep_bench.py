"""Measures the sweep: `python -m api.sweep_bench` (from the project's root).

First what one look costs with nothing due and with a hundred cases due, among more and more open cases. Then the watch of the
serving process over a minute in which 50,000 thresholds fall due on the wall clock: how late each was told. Cases are written
in bulk, with the log of a triaged case of one team; everything else is the desk's own, on a real file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import insert

from agent.pack import Pack, load_pack
from agent.sla import Policy, Sla
from api.auth import WORKER
from api.clock import SystemClock
from api.desk import Desk
from api.settings import Settings
from api.store import clocks
from api.store.columns import NEVER
from api.store.engine import migrate, open_engine
from api.store.tables import cases, events
from api.store.unit import Store
from api.sweep import BATCH
from api.texts import SAMPLE
from api.verbs import Rules
from api.watch import keep_watch

TARGETS: Final = {"first_reply": "2 h", "next_reply": "2 h", "resolution": "48 h", "team_ack": "30 h"}
HALF: Final = timedelta(hours=1)
"""After so much time half of both reply targets is used: two thresholds of one case at one instant."""
SIZES: Final = (1_000, 10_000, 100_000)
DUE: Final = 100
_CHUNK: Final = 5_000


class _Ticking:
    """A clock that is set, for the cost of a look at an instant of choice."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def bench_pack() -> Pack:
    """The sample store's, with targets around the clock, so that the figures do not depend on the hour."""
    pack = load_pack(Settings().prompts, SAMPLE)
    targets = {name: {"within": within, "calendar": "around_the_clock"} for name, within in TARGETS.items()}
    policy = Policy.model_validate({"id": "all", "targets": targets})
    return pack.model_copy(update={"sla": Sla.model_validate(pack.sla.model_dump() | {"policies": [policy]})})


def fill(store: Store, sla: Sla, dues: Sequence[datetime], now: datetime) -> None:
    """One open case for each instant, at which half of its reply targets is used."""
    with store.write("receive") as conn:
        clocks.keep(conn, sla, now)
    for begin in range(0, len(dues), _CHUNK):
        rows = [_case(due - HALF, due) for due in dues[begin : begin + _CHUNK]]
        logs = (_log(row["id"], sla, row["opened_at"], 6 * (begin + n)) for n, row in enumerate(rows))
        with store.write("receive") as conn:
            conn.execute(insert(cases), rows)
            conn.execute(insert(events), [event for log in logs for event in log])


def _case(opened: datetime, due: datetime) -> dict[str, Any]:
    return {
        "id": f"case_{secrets.token_hex(13)}", "version": 6, "status": "in_review", "opened_at": opened, "updated_at": opened, "source": "bench",
        "title": "Kettle", "payload": {}, "channel": "email", "language": "en", "issue_type": "damaged_or_defective",
        "severity": "S3", "primary_team": "fulfilment", "next_due_at": NEVER, "sweep_at": due,
    }  # fmt: skip


def _log(case_id: str, sla: Sla, at: datetime, seq: int) -> Iterator[dict[str, Any]]:
    told: Sequence[tuple[str, dict[str, Any]]] = (
        ("case_opened", {"channel": "email", "opened_at": at.isoformat(), "policy": sla.version}),
        ("message_received", {"author": "customer", "written_at": at.isoformat()}),
        ("triaged", {"severity": "S3", "issue_type": "damaged_or_defective", "policy": sla.version}),
        ("draft_proposed", {"state": "ready"}), ("team_pulled_in", {"team": "fulfilment"}),
        ("team_pulled_in", {"team": "carrier_claims"}),
    )  # fmt: skip
    for number, (kind, data) in enumerate(told, start=1):
        yield {"seq": seq + number, "case_id": case_id, "case_seq": number, "at": at, "kind": kind, "actor": "prn_worker",
               "data": data, "hash": ""}  # fmt: skip


def milliseconds(do: Callable[[], object], times: int) -> float:
    """The median of several runs."""
    took: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        do()
        took.append(1000 * (time.perf_counter() - begun))
    return float(np.median(took))


def looks(folder: Path, pack: Pack, size: int) -> dict[str, Any]:
    """What one look costs among so many open cases."""
    now = SystemClock().now().replace(microsecond=0)
    clock, store = _Ticking(now), _store(folder / f"{size}.db")
    rounds = 3
    dues = [now + timedelta(minutes=1 + n // DUE) for n in range(rounds * DUE)]
    fill(store, pack.sla, [*dues, *(now + timedelta(hours=3 + n % 20) for n in range(size - len(dues)))], now)
    desk = Desk(store, clock, Rules(pack))
    idle = milliseconds(lambda: desk.sweep(WORKER), 50)

    def drain() -> None:
        clock.at += timedelta(minutes=1)
        while desk.sweep(WORKER) >= BATCH:
            pass

    due = milliseconds(drain, rounds)
    store.engine.dispose()
    return {"open cases": size, "idle look ms": round(idle, 3), f"{DUE} due ms": round(due, 1)}


def minute(folder: Path, pack: Pack, thresholds: int, seconds: float) -> dict[str, Any]:
    """The watch at work while thresholds fall due on the wall clock."""
    path = folder / "minute.db"
    store, clock = _store(path), SystemClock()
    count = thresholds // 2
    begin = clock.now() + timedelta(seconds=10 + count / 2_000)
    fill(store, pack.sla, [begin + timedelta(seconds=seconds) * n / count for n in range(count)], clock.now())
    wait = (begin - clock.now()).total_seconds() - 1
    if wait < 0:
        raise SystemExit("Writing the cases took longer than planned; use fewer of them.")
    time.sleep(wait)
    desk, end = Desk(store, clock, Rules(pack)), begin + timedelta(seconds=seconds + 2)

    def stopping() -> bool:
        return clock.now() > end and desk.sweep(WORKER) == 0

    asyncio.run(keep_watch(desk, stopping))
    store.engine.dispose()
    with sqlite3.connect(path) as conn:
        rows = conn.execute("SELECT due_at, fired_at FROM notices").fetchall()
        letters = conn.execute("SELECT count(*) FROM outbox").fetchone()[0]
    late = [(datetime.fromisoformat(fired) - datetime.fromisoformat(due)).total_seconds() for due, fired in rows]
    p50, p99 = np.percentile(late, [50, 99])
    return {
        "thresholds": thresholds, "told": len(rows), "letters": letters, "late p50 s": round(float(p50), 3),
        "late p99 s": round(float(p99), 3), "late max s": round(max(late), 3),
    }  # fmt: skip


def _store(path: Path) -> Store:
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    return Store(engine, b"b" * 32)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: a line of figures for each measurement."""
    parser = argparse.ArgumentParser(prog="python -m api.sweep_bench", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="open cases (default: 1000 10000 100000)")
    parser.add_argument("--thresholds", type=int, default=50_000, help="that fall due (default: 50000; 0: none)")
    parser.add_argument("--seconds", type=float, default=60.0, help="within which they do (default: 60)")
    chosen = parser.parse_args(arguments)
    pack = bench_pack()
    with tempfile.TemporaryDirectory() as folder:
        for size in chosen.sizes:
            print(json.dumps(looks(Path(folder), pack, size)), flush=True)
        if chosen.thresholds:
            print(json.dumps(minute(Path(folder), pack, chosen.thresholds, chosen.seconds)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
