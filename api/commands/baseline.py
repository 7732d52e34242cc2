"""How it was before the desk: import the past, freeze a window of it, and show what was frozen.

`import` reads JSONL, CSV, or what a helpdesk exports, and tells of every row that cannot be used, and of what was found out
about the others. `freeze` measures a window for good: a frozen baseline never changes, a later one gets the next version.
Without a baseline nothing is compared with anything.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.proof import Taken
    from evals.baseline import Baseline
    from evals.measures import Figure
    from evals.past import RowNote

HELP = "import how it was before, freeze it, show it"

MOST = 20
"""Rows of a kind that are told one by one."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its three parts."""
    parts = parser.add_subparsers(dest="part", required=True, metavar="import|freeze|show")
    taken = parts.add_parser("import", help="read past escalations")
    taken.add_argument("file", type=Path, help="JSONL, CSV, a JSON array, or tickets as Zendesk exports them")
    taken.add_argument("--map", type=Path, metavar="YAML", help="which of their columns and words is which of ours")
    freeze = parts.add_parser("freeze", help="measure a window of the past for good")
    freeze.add_argument("--from", dest="begins", required=True, metavar="DAY", help="cases opened from this day on")
    freeze.add_argument(
        "--to", dest="ends", required=True, metavar="DAY", help="and before this one, as they stood then"
    )
    freeze.add_argument(
        "--exclude", action="append", default=[], metavar="'REASON: QUERY'",
        help="leave cases out, e.g. 'warehouse fire: team=fulfilment and opened<2026-03-08'; may be given several times",
    )  # fmt: skip
    show = parts.add_parser("show", help="what was frozen")
    show.add_argument("--version", type=int, metavar="N", help="an earlier one")
    for one in (taken, freeze, show):
        one.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Do the part that was asked for."""
    return {"import": _import, "freeze": _freeze, "show": _show}[args.part](args)


def _import(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from api.commands.common import as_json, progress, runtime
    from api.proof import take_past
    from api.sample import first_admin

    with runtime() as desk, progress("Reading") as advance:
        done = take_past(desk, first_admin(desk), args.file, args.map, advance)
    report = done.report
    if args.json:
        as_json({
            "rows": report.rows, "added": done.added, "changed": done.changed, "rejected": [asdict(n) for n in report.rejected],
            "twice": [asdict(n) for n in report.twice], "noted": dict(report.kinds), "unused_columns": dict(report.unused),
        })  # fmt: skip
    else:
        _print_report(done)
    return 2 if report.rejected and len(report.rejected) == report.rows else 0


def _print_report(done: Taken) -> None:
    report = done.report
    used = report.rows - len(report.rejected) - len(report.twice)
    print(
        f"{report.rows} rows: {used} used ({done.added} new, {done.changed} changed), {len(report.rejected)} rejected, {len(report.twice)} there twice."
    )
    _listed("Rejected", report.rejected)
    _listed("There twice", report.twice)
    if report.kinds:
        print("\nFound in rows that were used:")
        for what, number in report.kinds.most_common(MOST):
            first = next(note.line for note in report.noted if note.what == what)
            print(f"  {number} x {what} (first on line {first})")
    if report.unused:
        names = ", ".join(name for name, _ in report.unused.most_common(MOST))
        print(f"\nColumns that nothing was read from: {names}. If one of them matters, name it with --map.")
    if report.rows and len(report.rejected) == report.rows:
        print("\nNo row could be used; check the mapping.")


def _listed(head: str, notes: Sequence[RowNote]) -> None:
    if notes:
        print(f"\n{head}:")
        for note in notes[:MOST]:
            print(f"  line {note.line}: {note.what}")
        if len(notes) > MOST:
            print(f"  ... and {len(notes) - MOST} more; --json lists them all")


def _freeze(args: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from api.commands.common import as_json, progress, runtime
    from api.measuring import baseline_json
    from api.proof import freeze_baseline
    from api.sample import first_admin
    from evals.baseline import day, exclusion

    with runtime() as desk:
        zone = ZoneInfo(desk.texts.pack.store.time_zone)
        begins, ends = day(args.begins, "--from", zone), day(args.ends, "--to", zone)
        exclusions = [exclusion(text, zone) for text in args.exclude]
        with progress("Measuring") as advance:
            frozen = freeze_baseline(desk, first_admin(desk), begins, ends, exclusions, advance)
    if args.json:
        as_json(baseline_json(frozen))
    else:
        print_head(frozen, desk.texts.pack.store.time_zone)
    return 0


def _show(args: argparse.Namespace) -> int:
    from api.commands.common import as_json, runtime
    from api.errors import UsageError
    from api.measuring import BY_BEFORE, NO_BASELINE, baseline_json, figure_json
    from api.proof import baseline
    from evals.measures import figures

    with runtime() as desk, desk.store.read() as conn:
        frozen = baseline(conn, args.version)
    if frozen is None:
        raise UsageError(NO_BASELINE)
    told = figures(frozen.table, BY_BEFORE)
    if args.json:
        as_json({**baseline_json(frozen), "figures": [figure_json(f) for f in told]})
        return 0
    print_head(frozen, desk.texts.pack.store.time_zone)
    print()
    print_figures(told)
    return 0


def print_head(frozen: Baseline, zone: str) -> None:
    """What a baseline is about, its days in the store's zone."""
    from zoneinfo import ZoneInfo

    begins, ends = (at.astimezone(ZoneInfo(zone)) for at in (frozen.begins, frozen.ends))
    print(f"Baseline {frozen.version}: {len(frozen.table)} cases opened from {begins:%Y-%m-%d} until {ends:%Y-%m-%d}.")
    for text, number in frozen.excluded.items():
        print(f"  left out: {number} x {text}")
    print(f"  hash {frozen.hash}")


def print_figures(told: Sequence[Figure]) -> None:
    """The figures of all cases as a table."""
    from api.measureview import figure_words
    from evals.observe import BY_ID

    lines = [("measure", "cases", "still open", "half / mean", "95 % interval", "nine of ten")]
    for figure in (f for f in told if not f.by):
        half, span, high = figure_words(figure)
        lines.append((BY_ID[figure.measure].title, str(figure.cases), str(figure.open or "-"), half, span, high))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print(
            "  ".join(
                cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
        )
