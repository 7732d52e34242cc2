"""Check the stored cases, run them, and make one of a reviewed draft: the parts of `desk eval` that begin with cases."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.commands.eval_gate import RUN, Commands

if TYPE_CHECKING:
    from evals.answer import Grounds
    from evals.dataset import Dataset
    from evals.engine import Engine
    from evals.from_draft import Made
    from evals.outcome import Run

ALL_RIGHT, SOME_FAILED, ERROR = 0, 1, 2
MOST_SHOWN = 20
"""Failures that are told one by one."""


def add(commands: Commands) -> None:
    """Put these commands beside those of `desk eval`."""
    run = _command(
        commands, "run", _run, "answer the stored cases and score the answers: 0 all right, 1 not, 2 invalid"
    )
    run.add_argument(
        "--only", default="", metavar="WORDS", help="cases whose name holds this, or fits a pattern with *"
    )
    run.add_argument("--failed", action="store_true", help="only cases that failed in --of")
    run.add_argument("--of", default="latest", metavar="RUN", help=f"for --failed: {RUN} (default: latest)")
    run.add_argument("--repeat", type=int, default=1, metavar="K", help="answers to each case (default: 1)")
    run.add_argument("--jobs", type=int, default=2, metavar="N", help="cases at the same time (default: 2)")
    run.add_argument("--fresh", action="store_true", help="begin anew instead of going on with a run that was stopped")
    check = _command(commands, "check", _check, "check the files of the stored cases and count them")
    new = _command(commands, "add", _add, "make a case of a draft that a person edited, sent back or discarded")
    new.add_argument("case_id", metavar="CASE_ID", help="the case on the desk, e.g. case_01JD3M")
    new.add_argument("--name", help="name of the new case (default: from language, issue type and case)")
    for command in (run, check, new):
        command.add_argument("--suites", type=Path, help="folder of the YAML files (default: evals/datasets/cases)")
        command.add_argument("--files", type=Path, help="folder of the case files (default: evals/cases)")


def _command(commands: Commands, name: str, act: Any, told: str) -> argparse.ArgumentParser:
    found = commands.add_parser(name, help=told, description=told)
    found.add_argument("--json", action="store_true", help="for programs")
    found.set_defaults(act=act)
    return found


def _folders(args: argparse.Namespace) -> tuple[Path, Path]:
    from evals.dataset import FILES, SUITES

    return args.suites or SUITES, args.files or FILES


def _dataset(args: argparse.Namespace, grounds: Grounds) -> Dataset:
    from api.clock import SystemClock
    from evals.dataset import load

    suites, files = _folders(args)
    return load(grounds.pack, SystemClock().now().date(), suites=suites, files=files)


def _check(args: argparse.Namespace) -> int:
    """Count the cases, or say what is wrong with the first broken one."""
    from api.commands.common import as_json
    from evals.answer import load_grounds
    from evals.dataset import table

    found = _dataset(args, load_grounds())
    if args.json:
        as_json({"cases": len(found.cases), "dataset": found.hash})
    else:
        print(table(found))
    return ALL_RIGHT


def _run(args: argparse.Namespace) -> int:
    """Answer, score, keep, and tell."""
    from api.commands.common import progress, settings
    from api.errors import UsageError
    from evals import run as runs
    from evals.answer import load_grounds
    from evals.engine import embedded, load_deps

    if args.repeat < 1 or args.jobs < 1:
        raise UsageError("--repeat and --jobs are 1 or more.")
    home = settings().home
    shelf = runs.Shelf(home / "evals")
    grounds = load_grounds()
    dataset = _dataset(args, grounds)  # a mistake is told before anything slow begins
    failed = shelf.load(args.of) if args.failed else None
    chosen = runs.chosen(dataset, args.only, failed)
    print("Loading the engine", file=sys.stderr)
    engine = embedded(load_deps(home / "classifier"))
    log = runs.Log(shelf.folder / "running" / f"{runs.key_of(engine, dataset)}.jsonl", fresh=args.fresh)
    with progress("Answering") as advance:
        runs.execute(chosen, engine, log, repeat=args.repeat, jobs=args.jobs, progress=advance)
    names = {case.name for case in chosen}
    mine = [t for t in log.trials.values() if t.case in names and t.trial < args.repeat]
    with progress("Scoring") as advance:
        run = runs.finished(runs.scored(mine, dataset, grounds, advance), engine, dataset)
    path = shelf.save(run, {key: ms for key, ms in log.times.items() if key[0] in names and key[1] < args.repeat})
    log.close()
    return _told(args, run, path, dataset, engine)


def _told(args: argparse.Namespace, run: Run, path: Path, dataset: Dataset, engine: Engine) -> int:
    """Print the run in short; the exit code says whether all was right."""
    from dataclasses import asdict

    from api.commands.common import as_json
    from evals.run import invalid, passed
    from evals.severity import cost_of

    failed = [t for t in run.trials if t.split in {"gate", "guard"} and not passed(t)]
    cost = cost_of(run, dataset, engine.deps.pack.severity_order)
    why = invalid(run)
    if args.json:
        names = sorted({t.case for t in failed})
        severity = asdict(cost) | {"share": cost.share} if cost else None
        as_json({"run": run.id, "file": str(path), "trials": len(run.trials), "failed": names, "severity": severity, "invalid": why})  # fmt: skip
    else:
        print(_text(run, failed))
        if cost and cost.share is not None:
            kappa = "undefined" if cost.kappa is None else f"{cost.kappa:.2f}"
            print(
                f"Severity: mean cost {cost.mean:.2f}, {cost.share:.0%} of the constant best guess; quadratic kappa {kappa}"
            )
        print(f"{run.id}: {len(run.trials)} trials, {len(failed)} failed; {path}")
    if why:
        print(f"desk: {why}", file=sys.stderr)
        return ERROR
    return SOME_FAILED if failed else ALL_RIGHT


def _text(run: Run, failed: list[Any]) -> str:
    """The scores of a run in a table, and the first failures."""
    names = {s.name: s.kind for t in run.trials for s in t.scores}
    lines = [f"{'scorer':22}{'':6}{'scored':>8}{'unscored':>10}{'mean':>8}"]
    for name, kind in names.items():
        values = [s.value for t in run.trials if t.split in {"gate", "guard"} for s in t.scores if s.name == name]
        held = [v for v in values if v is not None]
        mean = f"{sum(held) / len(held):.3f}" if held else "-"
        lines.append(f"{name:22}{kind:6}{len(held):8}{len(values) - len(held):10}{mean:>8}")
    for t in failed[:MOST_SHOWN]:
        why = [t.error] if t.error else [f"{s.name}: {s.reason}" for s in t.scores if s.kind == "hard" and s.value == 0]
        lines.append(f"failed: {t.case}: {'; '.join(why)[:200]}")
    if len(failed) > MOST_SHOWN:
        lines.append(f"... and {len(failed) - MOST_SHOWN} more; `desk eval report` shows all")
    return "\n".join(lines)


def _add(args: argparse.Namespace) -> int:
    """Make a case of a reviewed draft, or leave no trace of it when it cannot be one."""
    from api.commands.common import as_json, runtime
    from api.reviewed import reviewed
    from api.sample import first_admin
    from evals import from_draft
    from evals.answer import load_grounds

    suites, files = _folders(args)
    with runtime() as desk:
        seen = reviewed(desk.views, first_admin(desk), args.case_id)
    grounds = load_grounds()
    made = from_draft.make(seen, grounds.pack, grounds.rulebook)
    made = from_draft.renamed(made, args.name) if args.name else made
    suite, file = _kept(args, made, grounds, suites, files)
    if args.json:
        as_json({"case": made.name, "suite": str(suite), "file": str(file)})
    else:
        print(
            f"{made.name} is a case now. Read both files before you keep them: names that nothing marks stay as they were."
        )
        print(f"{suite}\n{file}")
    return ALL_RIGHT


def _kept(args: argparse.Namespace, made: Made, grounds: Grounds, suites: Path, files: Path) -> tuple[Path, Path]:
    """The two files, written when the suite loads with them and taken back when it does not."""
    from evals import from_draft
    from evals.errors import DatasetError

    before = (suites / from_draft.SUITE).read_bytes() if (suites / from_draft.SUITE).is_file() else None
    suite, file = from_draft.keep(made, suites, files)
    try:
        _dataset(args, grounds)
    except DatasetError:
        file.unlink()
        suite.unlink() if before is None else suite.write_bytes(before)
        raise
    return suite, file
