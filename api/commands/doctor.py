"""Check this desk: settings, files, database, event log, index."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.wiring import Runtime

HELP = "check database, event log, files and index"

GOOD, WARN, BAD = "good", "warn", "bad"
_MARK = {GOOD: "✓", WARN: "▲", BAD: "✕"}
_SAFE_SQLITE = (3, 51, 3)


def arguments(parser: argparse.ArgumentParser) -> None:
    """None but --json."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when nothing is bad, else 1."""
    from api.commands.common import as_json, runtime

    with runtime() as desk:
        checks = list(_checks(desk))
    bad = any(state == BAD for _, state, _ in checks)
    if args.json:
        as_json({"ok": not bad, "checks": [{"name": n, "state": s, "detail": d} for n, s, d in checks]})
    else:
        for name, state, detail in checks:
            print(f"{_MARK[state]} {name:12} {detail}")
    return int(bad)


def _checks(desk: Runtime) -> Iterator[tuple[str, str, str]]:
    from api.errors import TamperedError
    from api.store import audit, queue
    from api.store.engine import SCHEMA

    pack, problem = desk.texts.pack, desk.texts.problem
    yield (
        "texts",
        WARN if problem else GOOD,
        problem or f"pack {pack.version}, {len(desk.texts.prompts.all)} prompt files",
    )
    yield "database", GOOD, f"{desk.store.engine.dialect.name} at schema {SCHEMA}"
    if desk.store.engine.dialect.name == "sqlite":
        yield _sqlite()
    try:
        with desk.store.read() as conn:
            head = audit.verify(conn, audit.anchors(desk.settings.home / audit.HEADS))
            jobs = queue.counts(conn)
        yield "event log", GOOD, f"{head.seq} events, chain intact"
        dead = jobs.get("dead", 0)
        shown = ", ".join(f"{number} {state}" for state, number in sorted(jobs.items())) or "none"
        yield "jobs", WARN if dead else GOOD, shown
    except TamperedError as error:
        yield "event log", BAD, str(error)
    yield _index(desk)


def _sqlite() -> tuple[str, str, str]:
    import sqlite3

    if sqlite3.sqlite_version_info >= _SAFE_SQLITE:
        return "sqlite", GOOD, sqlite3.sqlite_version
    fixed = ".".join(map(str, _SAFE_SQLITE))
    return (
        "sqlite",
        WARN,
        f"{sqlite3.sqlite_version}: a rare WAL fault is mended in {fixed}; keep backups, or use PostgreSQL",
    )


def _index(desk: Runtime) -> tuple[str, str, str]:
    from retrieval.search import PrecedentSearch

    encoder = desk.parts.encoder()
    search = PrecedentSearch(desk.archive, encoder.fingerprint, encoder.dimension, desk.settings.home / "index")
    health = search.maintain()
    search.close()
    counts = f"{health.precedents} can be found, {health.waiting} wait for their vector"
    if health.state == "ready":
        recall = f", {health.recall:.0%} of those sampled find themselves" if health.recall is not None else ""
        return "precedents", WARN if health.waiting else GOOD, counts + recall
    return "precedents", WARN, f"{counts}; {health.reason}"
