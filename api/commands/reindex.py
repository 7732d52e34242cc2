"""Rebuild the vector index from the database."""

from __future__ import annotations

import argparse

HELP = "rebuild the vector index from the database"


def arguments(parser: argparse.ArgumentParser) -> None:
    """None but --json."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Encode what waits, build a new index, verify it, put it in the place of the old one."""
    from dataclasses import asdict

    from api.commands.common import as_json, embed_all, progress, runtime
    from api.errors import UsageError
    from retrieval.search import PrecedentSearch

    with runtime() as desk:
        encoded = embed_all(desk)
        encoder = desk.parts.encoder()
        search = PrecedentSearch(desk.archive, encoder.fingerprint, encoder.dimension, desk.settings.home / "index")
        with progress("Indexing") as advance:
            health = search.rebuild(advance)
        search.close()
    if health.state != "ready":
        raise UsageError(f"The index was not rebuilt: {health.reason}.")
    if args.json:
        as_json({**asdict(health), "encoded": encoded})
    else:
        recall = "-" if health.recall is None else f"{health.recall:.0%}"
        print(f"The index holds {health.precedents} past cases; {recall} of those sampled find themselves.")
    return 0
