"""Erase a customer from everything that the desk keeps: rows, free pages, index and files; a signed report remains."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "erase a customer everywhere, with a signed report"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Whom."""
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument(
        "--customer", action="append", metavar="EMAIL|KEY",
        help="e-mail address, phone number or customer key; may be given several times",
    )  # fmt: skip
    whom.add_argument("--check", type=Path, metavar="REPORT", help="check the signature of a report instead")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be erased")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Erase, and say what was found; nobody is named in the output."""
    from dataclasses import asdict

    from api import erasure
    from api.commands.common import as_json, runtime
    from api.sample import first_admin

    with runtime() as desk:
        if args.check:
            report = erasure.check(desk.store, args.check)
        else:
            report = erasure.erase(desk, first_admin(desk), args.customer, dry_run=args.dry_run)
    if args.json:
        as_json(asdict(report))
        return 0
    verb = "would be erased" if args.dry_run else "were erased"
    print(f"{report.cases} cases of {len(report.people)} customers {verb}; {report.files} files tell of them.")
    for name, number in report.tables.items():
        print(f"  {name:20} {number}")
    if report.signature:
        print(f"Report {report.id}, signed {report.signature[:16]}...: {erasure.REPORTS}/{report.id}.json")
    return 0
