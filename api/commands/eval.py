"""Measure the desk on its stored cases, and judge what a change did."""

from __future__ import annotations

import argparse

from api.commands import eval_cases, eval_gate

HELP = "measure the desk on its stored cases (eval run, check, add, gate, compare, report, bless, rescore)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """One command of its own each."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="what")
    eval_cases.add(commands)
    eval_gate.add(commands)


def run(args: argparse.Namespace) -> int:
    """Run the one that was named."""
    code: int = args.act(args)
    return code
