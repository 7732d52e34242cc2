"""Measure the desk on its stored cases, and judge what a change did."""

from __future__ import annotations

import argparse

from api.commands import eval_gate

HELP = "measure the desk on its stored cases (eval gate, compare, report, bless, rescore)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """One command of its own each."""
    eval_gate.add(parser.add_subparsers(dest="what", required=True, metavar="what"))


def run(args: argparse.Namespace) -> int:
    """Run the one that was named."""
    code: int = args.act(args)
    return code
