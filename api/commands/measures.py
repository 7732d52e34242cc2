"""What the desk changed, measured against the baseline: figures with intervals, and a verdict when one is due."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.measuring import Told

HELP = "compare with the baseline, with intervals and verdicts"


def arguments(parser: argparse.ArgumentParser) -> None:
    """How to tell it."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Work the measures out as they are now."""
    from api.commands.common import as_json, runtime
    from api.measuring import Measuring
    from api.measuring import as_json as told_json

    with runtime() as desk:
        told = Measuring(desk).told()
    if args.json:
        as_json(told_json(told))
    else:
        _print(told, desk.texts.pack.store.time_zone)
    return 0


def _print(told: Told, zone: str) -> None:
    from api.commands.baseline import print_figures, print_head
    from evals.measures import change_words
    from evals.observe import BY_ID
    from evals.use import MEANS

    print(told.says)
    if told.use is None or told.baseline is None:
        return
    print_head(told.baseline, zone)
    print(MEANS)
    for claim in told.claims:
        if claim.issue_type and claim.verdict == "cannot tell":
            continue
        where = f", {claim.issue_type.replace('_', ' ')}" if claim.issue_type else ""
        change = change_words(BY_ID[claim.measure], claim.difference.change.at)
        known = f" ({change})" if change != "unknown" else ""
        print(f"\n{BY_ID[claim.measure].title}{where}: {claim.verdict}{known}\n  {claim.why}")
    if told.worth:
        print(f"\n{told.worth}")
    if told.figures:
        print(f"\nThe {told.cases} cases since consistent use began:\n")
        print_figures(told.figures)
