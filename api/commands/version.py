"""Print the version."""

from __future__ import annotations

import argparse

HELP = "print the version"


def arguments(parser: argparse.ArgumentParser) -> None:
    """None but --json."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Print it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("escalation-desk")
    except PackageNotFoundError:
        found = "0 (not installed)"
    if args.json:
        from api.commands.common import as_json

        as_json({"version": found})
    else:
        print(f"Escalation Desk {found}")
    return 0
