"""Check the event log, whole or of one case, against its hash chain and the heads noted outside; or export it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.wiring import Runtime

HELP = "verify the event log, or export it with its hashes"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do."""
    parser.add_argument("action", choices=("verify", "export"), help="check the log, or print it as JSONL")
    parser.add_argument("--case", default="", metavar="ID", help="only this case")
    parser.add_argument("--json", action="store_true", help="for programs (verify)")


def run(args: argparse.Namespace) -> int:
    """0 when the log is intact, 1 when it is not; `export` never judges."""
    import json

    from api.commands.common import as_json, runtime
    from api.errors import NotFoundError, TamperedError
    from api.store import audit

    with runtime() as desk:
        if args.action == "export":
            with desk.store.read() as conn:
                for row in audit.export(conn, args.case):
                    print(json.dumps(row, ensure_ascii=False, sort_keys=True))
            return 0
        try:
            events, noted = _verify(desk, args.case)
        except TamperedError as error:
            if args.json:
                as_json({"ok": False, "first_broken": error.seq, "detail": str(error)})
            else:
                print(f"✕ {error}")
            return 1
    if args.case and not events:
        raise NotFoundError("case", args.case)
    if args.json:
        as_json({"ok": True, "events": events, "heads": noted})
    else:
        print(f"✓ {events} events, chain intact, {noted} heads noted outside fit.")
    return 0


def _verify(desk: Runtime, case_id: str) -> tuple[int, int]:
    """Events checked, and heads that they were compared with."""
    from api.store import audit

    heads = audit.anchors(desk.settings.home / audit.HEADS)
    with desk.store.read() as conn:
        head = audit.verify(conn, heads)
        return (audit.verify_case(conn, case_id) if case_id else head.seq), len(heads)
