"""Check this desk: texts, database, files, event log, cases, drafts, jobs, letters, keys, clocks and index."""

from __future__ import annotations

import argparse

HELP = "check database, event log, files and index"

_MARK = {"ok": "✓", "warn": "▲", "fail": "✕"}
_CODE = {"ok": 0, "warn": 1, "fail": 2}


def arguments(parser: argparse.ArgumentParser) -> None:
    """None but --json."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when all is well, 1 with a warning, 2 when something must be mended."""
    from dataclasses import asdict

    from api.commands.common import as_json, runtime
    from api.doctor import examine

    with runtime() as desk:
        checks = list(examine(desk))
    code = max(_CODE[check.state] for check in checks)
    if args.json:
        as_json({"ok": code < _CODE["fail"], "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            print(f"{_MARK[check.state]} {check.name:12} {check.state:4}  {check.detail}")
    return code
