"""Prepare this home once, so that later starts take seconds: database, sample history, vectors, index, classifier."""

from __future__ import annotations

import argparse

HELP = "do the slow work of a first start now"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to leave out."""
    parser.add_argument("--no-sample", action="store_true", help="without the sample store's past escalations")


def run(args: argparse.Namespace) -> int:
    """Do what has not been done yet."""
    from api.commands.common import embed_all, loaded, progress, runtime
    from api.sample import load_history

    with runtime(sample=not args.no_sample) as desk:
        desk.parts.start()
        if not args.no_sample:
            with progress("Reading past escalations") as advance:
                load_history(desk, lambda _, done, of: advance(done, of))
        embed_all(desk)
        search = loaded(desk).search
        health = search.maintain()
    print(f"Ready: {health.precedents} past cases can be found, the classifier is trained.")
    return 0
