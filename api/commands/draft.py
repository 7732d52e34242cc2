"""Triage and draft one escalation, or a file of them; nothing is stored.

Exit code 0: ready. 1: a person must look (blocked, or led by a person). 2: an error.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.wiring import Runtime

HELP = "triage and draft one escalation, or a file of them"

READY, PERSON, ERROR = 0, 1, 2
STDIN = "-"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where the escalation comes from and how the answer looks."""
    parser.add_argument(
        "text", nargs="?", help="the customer's words, or the escalation as JSON; missing or - reads stdin"
    )
    parser.add_argument("--file", type=Path, help="read it from this file instead")
    parser.add_argument("--batch", type=Path, metavar="IN.JSONL", help="one escalation as JSON on each line")
    parser.add_argument(
        "--out", type=Path, metavar="OUT.JSONL", help="where the answers of --batch go (default: stdout)"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--no-sample", action="store_true", help="without the sample store's history and orders")


def run(args: argparse.Namespace) -> int:
    """Draft."""
    from api.errors import UsageError

    ways = sum(way is not None for way in (args.text, args.file, args.batch))
    if ways > 1:
        raise UsageError("Give the escalation once: as an argument, with --file, or with --batch.")
    if args.out and not args.batch:
        raise UsageError("--out belongs to --batch; redirect the output of a single draft instead.")
    body = None if args.batch else _body(args.text, args.file)

    from api.commands.common import embed_all, loaded, progress, runtime
    from api.sample import load_history

    with runtime(sample=not args.no_sample) as desk:
        if body is not None:
            _check(desk, body)  # a mistake is told before anything slow begins
        desk.parts.start()
        if not args.no_sample:
            with progress("Reading past escalations") as advance:
                if load_history(desk, lambda _, done, of: advance(done, of)):
                    embed_all(desk)
        loaded(desk)
        if args.batch:
            from api.batch import run_batch

            return run_batch(desk, args.batch, args.out)
        assert body is not None  # noqa: S101 - read above, when it is no batch
        return _one(desk, body, as_json=args.json)


def exit_code(answer: Mapping[str, Any]) -> int:
    """0 when a proposal is ready, 1 when a person must look."""
    return READY if answer["state"] == "ready" else PERSON


def _body(text: str | None, file: Path | None) -> bytes:
    """What was given, as bytes.

    Raises:
        UsageError: there is nothing to read.

    """
    import sys

    from api.errors import UsageError

    if file is not None:
        if not file.is_file():
            raise UsageError(f"There is no file {file}; check the path.")
        return file.read_bytes()
    if text is not None and text != STDIN:
        return text.encode("utf-8", "surrogateescape")
    if sys.stdin.isatty():
        print("Paste the customer's words, then press Ctrl-D.", file=sys.stderr)
    return sys.stdin.buffer.read()


def _check(desk: Runtime, body: bytes) -> None:
    from agent import intake

    intake.parse(body, now=desk.clock.now(), case_id="case")


def _one(desk: Runtime, body: bytes, *, as_json: bool) -> int:
    import asyncio

    from api.commands.common import as_json as print_json
    from api.ids import new_id
    from api.letter import letter
    from api.wiring import propose

    deps = desk.parts.all().deps
    answer = asyncio.run(propose(body, deps, desk.clock, case_id=new_id("case", desk.clock.now())))
    if as_json:
        print_json(answer)
    else:
        print(letter(answer, desk.texts.pack, desk.clock.now()))
    return exit_code(answer)
