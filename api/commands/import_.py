"""Read a history of resolved escalations (JSONL or CSV) as precedents: all rows, or none when one is wrong."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "read past escalations as precedents"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The file and how to read it."""
    parser.add_argument("file", type=Path, help="JSONL with one resolved escalation on each line, or CSV with a head")
    parser.add_argument("--map", type=Path, metavar="YAML", help="which of their columns is which of our fields")
    parser.add_argument("--wait", action="store_true", help="encode here and now instead of in the background")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Import; the same rows again change nothing."""
    from dataclasses import asdict

    from api.commands.common import as_json, embed_all, progress, runtime, tell_wrong_rows
    from api.history import bring_in
    from api.past import HistoryError
    from api.sample import first_admin

    with runtime() as desk:
        try:
            with progress("Reading") as advance:
                done = bring_in(desk, first_admin(desk), args.file, args.map, advance)
        except HistoryError as error:
            if args.json:
                as_json({"rows": error.rows, "added": 0, "errors": [asdict(e) for e in error.errors]})
            tell_wrong_rows(error)
            raise
        encoded = embed_all(desk) if args.wait else 0
    if args.json:
        as_json({"rows": done.rows, "added": done.added, "encoded": encoded, "errors": []})
        return 0
    known = f", {done.rows - done.added} were here already" if done.rows > done.added else ""
    later = "" if args.wait or not done.added else " They can be found once a running desk has encoded them."
    print(f"{done.added} of {done.rows} past escalations added{known}.{later}")
    return 0
