"""Ask a model about the stored cases and keep its answers, so that `desk eval run --tier replay` can play them."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from api.commands.eval_gate import Commands

if TYPE_CHECKING:
    from evals.cassette import Library


def add(commands: Commands) -> None:
    """Put this command beside those of `desk eval`."""
    told = "ask a model about the stored cases and keep its answers; the price is told first"
    record = commands.add_parser("record", help=told, description=told)
    record.add_argument("--model", metavar="NAME", help="as litellm names it (default: the setting DESK_MODEL)")
    record.add_argument("--only", default="", metavar="WORDS", help="cases whose name holds this, or fits a pattern")
    which = record.add_mutually_exclusive_group()
    which.add_argument("--missing", action="store_true", help="only what has no recording that fits (the default)")
    which.add_argument("--all", action="store_true", help="everything, also what has one")
    record.add_argument("--repeat", type=int, default=1, metavar="K", help="answers to each case (default: 1)")
    record.add_argument("--to", type=Path, metavar="FOLDER", help="default: evals/cassettes/<model>")
    record.add_argument("--base", default="", metavar="URL", help="address of the provider, if not its usual one")
    record.add_argument("--suites", type=Path, help="folder of the YAML files (default: evals/datasets/cases)")
    record.add_argument("--files", type=Path, help="folder of the case files (default: evals/cases)")
    record.add_argument("--yes", action="store_true", help="go on after the price is told")
    record.add_argument("--json", action="store_true", help="for programs")
    record.set_defaults(act=_record)


def _record(args: argparse.Namespace) -> int:
    """Tell the price, and with `--yes` ask."""
    from agent.llm import EMBEDDED
    from agent.llm_request import Endpoint
    from api.clock import SystemClock
    from api.commands.common import as_json, progress, settings
    from api.errors import UsageError
    from evals import run as runs
    from evals.cassette import FOLDER
    from evals.dataset import FILES, SUITES, load
    from evals.engine import load_deps
    from evals.record import Order, Recorder
    from evals.replay import load_files

    given = settings()
    model = args.model or given.model
    if model == EMBEDDED or args.repeat < 1:
        raise UsageError("Name a model with --model, e.g. openai/gpt-4o-mini, and 1 or more answers to each case.")
    files = load_files()
    today = SystemClock().now().date()
    dataset = load(files.pack, today, suites=args.suites or SUITES, files=args.files or FILES)
    folder = args.to or FOLDER / re.sub(r"[^\w.-]+", "-", model)
    order = Order(model, folder, "all" if args.all else "missing", args.repeat, Endpoint(base=args.base))
    recorder = Recorder(order, dataset, files, lambda: load_deps(given.home / "classifier"))
    todo = recorder.todo(runs.chosen(dataset, args.only))
    if not todo:
        return _done(args, recorder.library, 0)
    print("Loading the engine", file=sys.stderr)
    estimate = recorder.estimate(todo)
    print(estimate, file=sys.stderr)
    if not args.yes:
        print("Nothing was asked; run it again with --yes.", file=sys.stderr)
        if args.json:
            as_json({"recorded": 0, "to_record": estimate.trials, "usd": estimate.usd, "most_usd": estimate.most_usd})
        return 0
    with progress("Recording") as advance:
        recorder.run(todo, advance)
    return _done(args, recorder.library, len(todo))


def _done(args: argparse.Namespace, library: Library, count: int) -> int:
    from api.commands.common import as_json

    if args.json:
        as_json({"recorded": count, "folder": str(library.folder), "recordings": len(library.recordings)})
    elif count:
        print(f"Recorded: {count}; play it with `desk eval run --tier replay --recordings {library.folder}`.")
    else:
        print(f"Every answer is recorded and fits its request; {library.folder}")
    return 0
