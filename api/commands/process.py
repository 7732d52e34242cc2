"""How escalations are handled, from their events: paths, waiting, hand-over and bottlenecks, by states, teams or people."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evals.process import ProcessMap

HELP = "show how escalations are handled, from their events"
MOST = 15
"""Places and paths that are listed."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which cases, and seen how."""
    parser.add_argument("--issue-type", metavar="TYPE", help="only cases of this type")
    parser.add_argument("--severity", metavar="S", help="only cases of this severity")
    parser.add_argument("--by", choices=("states", "teams", "people"), default="states", help="what the places are")
    parser.add_argument(
        "--of", choices=("past", "desk", "all"), default="all", help="imported cases, the desk's own, or both"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the map into this file")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Read the events and show what they add up to."""
    from api.commands.common import as_json, runtime
    from api.errors import UsageError
    from api.processview import as_json as map_json
    from api.processview import people_named, read
    from evals.process_svg import draw

    with runtime() as desk:
        pack = desk.texts.pack
        for given, known, what in (
            (args.issue_type, pack.issue_types, "issue type"),
            (args.severity, pack.severities, "severity"),
        ):
            if given and given not in known:
                raise UsageError(f"There is no {what} {given!r}; use one of {', '.join(known)}.")
        seen = read(desk, args.by, issue_type=args.issue_type or "", severity=args.severity or "", of=args.of)
        names = people_named(desk)
    if args.svg:
        words = " ".join(filter(None, (args.severity, args.issue_type))).replace("_", " ")
        try:
            args.svg.write_text(
                draw(seen, f"How escalations are handled, by {args.by}{': ' + words if words else ''}"),
                encoding="utf-8",
            )
        except OSError as error:
            raise UsageError(f"{args.svg} cannot be written: {error.strerror}.") from None
    if args.json:
        as_json(map_json(seen))
    else:
        _print(seen, names)
    return 0


def _print(seen: ProcessMap, names: dict[str, str]) -> None:
    from evals.process import span

    if not seen.cases:
        print("There is no such case; import the past with `desk baseline import FILE`.")
        return
    print(f"{seen.cases} cases, {seen.open} of them open; {seen.without_steps} tell nothing between opening and end.\n")
    total = sum(time.total_seconds() for time in seen.parts.values()) or 1.0
    words = {"waiting": "waiting for customer or carrier", "touch": "hands on the case", "hand_over": "from team to team",
             "in_house": "otherwise in the house", "not_told": "after a reply, nobody says whose turn"}  # fmt: skip
    for name, time in sorted(seen.parts.items(), key=lambda item: -item[1]):
        print(f"{time.total_seconds() / total:6.1%}  {words[name]}")
    print()
    rows = [("place", "visits", "cases", "half", "nine of ten", "of all time")]
    rows += [
        (names.get(p.name, p.name), str(p.visits), str(p.cases), span(p.median), span(p.high), f"{p.share:.1%}")
        for p in seen.places[:MOST]
    ]
    _table(rows)
    print()
    paths = [("from", "to", "times", "half after")]
    paths += [
        (names.get(p.begins, p.begins), names.get(p.ends, p.ends), str(p.times), span(p.median))
        for p in seen.paths[:MOST]
    ]
    _table(paths)
    for sentence in seen.bottlenecks:
        print(f"\n{sentence}")


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = 2 if len(rows[0]) == 4 else 1
    for row in rows:
        cells = (
            cell.ljust(w) if n < left else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())
