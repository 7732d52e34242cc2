"""What was sent to teams and programs, what failed and why; test a channel, retry a notice, or open a channel again."""

from __future__ import annotations

import argparse

HELP = "the delivery log (notices list, test CHANNEL, retry ID, open CHANNEL)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which."""
    parser.add_argument("what", choices=["list", "test", "retry", "open"], help="list is the log, newest first")
    parser.add_argument("which", nargs="?", help="a channel, or with retry the id of a notice")
    parser.add_argument("--limit", type=int, default=50, help="lines of the list (50)")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """List, test, retry or open."""
    import asyncio

    from api.commands.common import as_json, runtime
    from api.errors import UsageError
    from api.outbox import Outbox
    from api.routes.shapes import letter_json
    from api.sample import first_admin

    if args.what != "list" and args.which is None:
        raise UsageError(f"Name what to {args.what}: `desk notices {args.what} ...`.")
    with runtime() as desk:
        admin, outbox = first_admin(desk), Outbox(desk.desk)
        if args.what == "test":
            letter = outbox.test(admin, args.which)
            asyncio.run(desk.post_worker().run_until_idle())
            row = next(row for row in outbox.log(admin, args.which) if row["id"] == letter)
            as_json(letter_json(row)) if args.json else print(f"{args.which}: {row['state']} {row['error']}".rstrip())
            return 0 if row["state"] == "delivered" else 1
        if args.what == "retry":
            outbox.retry(admin, args.which)
        elif args.what == "open":
            outbox.reopen(admin, args.which)
        rows = [letter_json(row) for row in outbox.log(admin, args.which if args.what == "open" else "", args.limit)]
        closed = outbox.closed(admin)
    if args.json:
        as_json({"items": rows, "closed": closed})
        return 0
    for channel, reason in closed.items():
        print(f"closed  {channel}: {reason}")
    for row in rows:
        print(
            f"{row['created_at']}  {row['state']:<9}  {row['channel']}  {row['kind']}  {row['case_id'] or ''}  {row['error']}".rstrip()
        )
    print(f"{len(rows)} notices." if rows else "No notice was sent yet.")
    return 0
