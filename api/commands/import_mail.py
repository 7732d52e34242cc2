"""Take mails in from files (mbox, .eml, Maildir, folders of these, - for stdin): each a new case, or a message on one.

Each mail is taken once, however often it is imported. Exit code 0: all were read. 1: some could not be. 2: an error.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.mailbox.sources import Source
    from api.mailbox.take import Taken
    from api.wiring import Runtime

HELP = "take mails in from files"

STDIN = "-"
MOST_ERRORS = 50
"""Mails that are told one by one."""
DONE, SOME_FAILED = 0, 1


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where the mails lie and who the store is."""
    parser.add_argument("path", nargs="+", help="an mbox, a mail, a Maildir or a folder of these; - reads stdin")
    parser.add_argument(
        "--own", action="append", default=[], metavar="ADDRESS",
        help="an address of the store, or a domain as @shop.example: its mail is passed over (also from mailbox.yaml)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Take them in; the desk drafts the answers when it runs."""
    import sys

    from api.commands.common import as_json, progress, runtime
    from api.mailbox.sources import by_date, raws
    from api.mailbox.take import Taker
    from api.sample import first_admin

    sources = _sources(args.path)  # a mistake is told before anything is opened
    with runtime() as desk:
        taker = Taker(desk.desk, first_admin(desk), [*args.own, *_configured(desk)])
        now = desk.clock.now()
        with progress("Reading dates") as advance:
            ordered = by_date(sources, now, lambda done: advance(done, len(sources)))
        with progress("Taking mail") as advance:
            result = taker.take_all(raws(ordered, now), lambda done: advance(done, len(sources)))
    for one in result.failed[:MOST_ERRORS]:
        print(f"{one.name}: {one.problem}", file=sys.stderr)
    if len(result.failed) > MOST_ERRORS:
        print(f"... and {len(result.failed) - MOST_ERRORS} more", file=sys.stderr)
    if args.json:
        as_json(_report(result, len(sources)))
    else:
        print(_sentence(result, len(sources)))
    return SOME_FAILED if result.failed else DONE


def _sources(paths: Sequence[str]) -> list[Source]:
    import sys

    from api.mailbox.sources import find, of_bytes

    found: list[Source] = []
    for path in paths:
        found += of_bytes(sys.stdin.buffer.read(), "stdin") if path == STDIN else find(Path(path))
    return found


def _configured(desk: Runtime) -> tuple[str, ...]:
    from api.mailbox.config import load

    config = load(desk.settings.prompts)
    return config.own if config else ()


def _report(result: Taken, mails: int) -> dict[str, object]:
    errors = [{"mail": one.name, "problem": one.problem} for one in result.failed]
    return {
        "mails": mails, "opened": result.opened, "added": result.added, "known": result.known,
        "skipped": dict(result.skipped), "errors": errors,
    }  # fmt: skip


def _sentence(result: Taken, mails: int) -> str:
    parts = [
        f"{result.opened} opened a case", f"{result.added} came to a case", f"{result.known} were here already",
        *(f"{number} passed over: {reason}" for reason, number in result.skipped.items()),
        *([f"{len(result.failed)} could not be read"] if result.failed else []),
    ]  # fmt: skip
    return f"{mails} mails: {'; '.join(parts)}."
