"""List the open clocks of the cases, the earliest due first: what is overdue, what comes next, and who owes it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agent.pack import Pack
    from api.clockview import ClockRow

HELP = "list what is due, the earliest first"

SHOWN = 50
"""Clocks that are listed unless `--limit` says otherwise."""
MOST = 10_000
_OVERDUE = "✕"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which of them."""
    parser.add_argument(
        "--due-before", metavar="T",
        help="only those due before T: 2026-11-24, 2026-11-24T17:00 (in the store's zone) or with a zone",
    )  # fmt: skip
    parser.add_argument("--team", help="only what this team owes")
    parser.add_argument("--limit", type=int, default=SHOWN, metavar="N", help=f"at most N of them ({SHOWN})")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """List them as they stand now."""
    from api.clockview import rows
    from api.commands.common import as_json, runtime
    from api.errors import UsageError
    from api.routes.shapes import clock_json, instant

    if not 1 <= args.limit <= MOST:
        raise UsageError(f"--limit {args.limit} is not usable; give a number from 1 to {MOST}.")
    with runtime() as desk:
        pack, now = desk.texts.pack, desk.clock.now()
        before = _instant(args.due_before, pack.store.time_zone)
        if args.team and args.team not in pack.teams:
            raise UsageError(f"There is no team {args.team!r}; use one of {', '.join(pack.teams)}.")
        versions = desk.desk.versions
        with desk.store.read() as conn:
            found = rows(conn, versions, now, before, args.limit + 1, team=args.team or "")
    shown, more = found[: args.limit], len(found) > args.limit
    if args.json:
        as_json({"now": instant(now), "items": [clock_json(row, now) for row in shown], "more": more})
    else:
        _print(shown, pack, now)
        print(_sentence(shown, narrowed=bool(args.team or before), more=more))
    return 0


def _instant(given: str | None, zone: str) -> datetime | None:
    """What `--due-before` means; without a zone of its own it is the store's time."""
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from api.errors import UsageError

    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given.strip())
        return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"--due-before {given[:60]!r} is no instant; write it like 2026-11-24T17:00.") from None


def _print(shown: Sequence[ClockRow], pack: Pack, now: datetime) -> None:
    from api.say import away, local, words

    lines = [("", "case", "severity", "clock", "state", "due", "", "team")] if shown else []
    for row in shown:
        due = local(row.due_at, pack.store.time_zone, now) if row.due_at else "-"
        name = words(row.metric) + (f" {row.key}" if row.key and row.metric != "team_ack" else "")
        state = words(row.state) + (" (retargeted)" if row.retargeted else "")
        mark = _OVERDUE if row.overdue else ""
        lines.append((mark, row.case_id, row.severity or "-", name, state, due, away(row.due_at, now), row.team or "-"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _sentence(shown: Sequence[ClockRow], *, narrowed: bool, more: bool) -> str:
    if not shown:
        return "No such clock is open." if narrowed else "No clock is open: no case waits for anybody."
    over, still = sum(row.overdue for row in shown), sum(row.due_at is None for row in shown)
    counts = f"Open clocks: {len(shown)}, overdue {over}, paused {still}"
    return f"{counts}; there are more, see --limit." if more else f"{counts}."
