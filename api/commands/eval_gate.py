"""Judge, compare, show, bless and re-score eval runs: the parts of `desk eval` that begin with a run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from evals.compare import Comparison, TextOf
    from evals.outcome import Run
    from evals.report import Report
    from evals.runs import Shelf
    from evals.verdict import Confirm, Policy, Result

RUN = "a run: its id or the beginning of it, `latest`, or a file"


class Commands(Protocol):
    """Where a command line keeps the commands below one."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:  # noqa: A002
        """One more of them."""
        ...


def add(commands: Commands) -> None:
    """Put these commands beside those of `desk eval`."""
    gate = _command(
        commands, "gate", _gate, "may this run replace the reference? 0 yes, 1 no, 2 invalid, 3 too little to say"
    )
    gate.add_argument("run_name", nargs="?", default="latest", metavar="RUN", help=f"{RUN} (default: latest)")
    gate.add_argument("--reference", type=Path, help="the reference run (default: the blessed one of the run's tier)")
    gate.add_argument(
        "--confirm",
        nargs=2,
        metavar=("REFERENCE_RUN", "RUN"),
        help="fresh trials of both arms, to tell a break from chance",
    )
    gate.add_argument(
        "--headline", metavar="SCORES", help="scores whose means are tested, comma-separated, the first one leads"
    )
    gate.add_argument("--strict", action="store_true", help="1 also when something waits to be blessed")
    _files(gate, "junit", "markdown", "html")

    compare = _command(commands, "compare", _compare, "two runs case by case, flips first")
    compare.add_argument("before", metavar="A", help=RUN)
    compare.add_argument("now", metavar="B", help="the later run")
    compare.add_argument("--prompts-before", type=Path, help="folder with the prompts of run A, to show their text")
    _files(compare, "markdown", "html")

    report = _command(commands, "report", _report, "the figures of a run")
    report.add_argument("run_name", nargs="?", default="latest", metavar="RUN", help=f"{RUN} (default: latest)")
    _files(report, "junit", "markdown", "html")

    bless = _command(commands, "bless", _bless, "make a run the reference of its tier")
    bless.add_argument("run_name", metavar="RUN", help=RUN)
    bless.add_argument("--reason", required=True, help="why these results are the ones to hold")
    bless.add_argument("--author", help="who says so (default: the user of this machine)")
    bless.add_argument("--references", type=Path, help="folder of reference runs (default: evals/references)")

    flaky = _command(commands, "flaky", _flaky, "cases that pass now and then, measured over past runs")
    flaky.add_argument("runs", nargs="+", metavar="RUN", help=f"past runs of one tier, each {RUN}")

    rescore = _command(
        commands, "rescore", _rescore, "score the answers of a run anew, by the present cases and scorers"
    )
    rescore.add_argument("run_name", metavar="RUN", help=RUN)


def _command(commands: Commands, name: str, act: Any, told: str) -> argparse.ArgumentParser:
    found = commands.add_parser(name, help=told, description=told)
    found.add_argument("--json", action="store_true", help="for programs")
    found.set_defaults(act=act)
    return found


def _files(command: argparse.ArgumentParser, *kinds: str) -> None:
    told = {"junit": "JUnit XML, for CI", "markdown": "Markdown, for a pull request", "html": "one HTML file with all"}
    for kind in kinds:
        command.add_argument(f"--{kind}", type=Path, metavar="FILE", help=f"also write {told[kind]}")


def _shelf() -> Shelf:
    from api.commands.common import settings
    from evals.runs import Shelf

    return Shelf(settings().home / "evals")


def _gate(args: argparse.Namespace) -> int:
    """Print the verdict and what it rests on; the exit code says it too."""
    from evals import compare, gate, report, report_text, runs

    policy, shelf = _policy(args.headline), _shelf()
    run = shelf.load(args.run_name)
    path = args.reference or runs.REFERENCES / f"{run.tier}.json"
    reference = runs.read_run(path) if args.reference else runs.read_reference(path).run
    result = gate.judge(reference, run, policy, _confirm(shelf, args.confirm))
    comparison = compare.compare(reference, run) if result.verdict != "invalid" else None
    figures = report.report(run, shelf.times(run))
    _write(args, run, f"Evals: {result.verdict}", result, comparison, figures)
    if args.json:
        _print_json(asdict(result) | {"exit_code": result.exit_code, "needs_bless": result.needs_bless})
    else:
        _print(report_text.result_parts(result))
    return 1 if args.strict and result.needs_bless else result.exit_code


def _policy(headline: str | None) -> Policy:
    from dataclasses import replace

    from api.errors import UsageError
    from evals.verdict import STANDARD

    if headline is None:
        return STANDARD
    names = tuple(dict.fromkeys(name.strip() for name in headline.split(",") if name.strip()))
    if not names:
        raise UsageError("--headline names no score; give at least one, e.g. --headline passed.")
    return replace(STANDARD, headline=names)


def _confirm(shelf: Shelf, names: Sequence[str] | None) -> Confirm | None:
    if names is None:
        return None
    fresh = shelf.load(names[0]), shelf.load(names[1])
    return lambda cases: fresh


def _compare(args: argparse.Namespace) -> int:
    """Print what differs; 0 whatever it is, for that is the gate's to judge."""
    from evals import compare, report_text

    shelf = _shelf()
    before, now = shelf.load(args.before), shelf.load(args.now)
    found = compare.compare(before, now, _texts(args.prompts_before))
    _write(args, now, f"{found.before.id} to {found.now.id}", None, found, None)
    if args.json:
        _print_json(asdict(found))
    else:
        _print(report_text.comparison_parts(found))
    return 0


def _texts(before: Path | None) -> TextOf:
    from api.commands.common import settings
    from evals.prompt_texts import text_of

    return text_of([settings().prompts, *([before] if before else [])])


def _report(args: argparse.Namespace) -> int:
    """Print the figures of a run."""
    from evals import report, report_text

    shelf = _shelf()
    run = shelf.load(args.run_name)
    found = report.report(run, shelf.times(run))
    _write(args, run, f"Evals: {run.id}", None, None, found)
    if args.json:
        _print_json(asdict(found))
    else:
        _print(report_text.report_parts(found))
    return 0


def _bless(args: argparse.Namespace) -> int:
    """Keep the run as the reference of its tier."""
    from getpass import getuser

    from api.clock import SystemClock
    from evals import runs

    run = _shelf().load(args.run_name)
    reference = runs.bless(run, args.author or getuser(), args.reason, SystemClock().now())
    path = (args.references or runs.REFERENCES) / f"{run.tier}.json"
    runs.write_reference(reference, path)
    cases = len({t.case for t in run.trials})
    told = {
        "reference": str(path),
        "run": run.id,
        "cases": cases,
        "author": reference.author,
        "reason": reference.reason,
    }
    if args.json:
        _print_json(told)
    else:
        print(
            f"{run.id} is now the reference of the {run.tier} tier ({cases} cases), blessed by {reference.author}: {path}"
        )
    return 0


def _flaky(args: argparse.Namespace) -> int:
    """Print candidates for quarantine; 0 whether or not there are any."""
    from evals import gate

    shelf = _shelf()
    history = [shelf.load(name) for name in args.runs]
    found = gate.flaky(history)
    if args.json:
        _print_json([asdict(one) for one in found])
        return 0
    for one in found:
        print(f"{one.case}  passed {one.passed} of {one.trials} trials")
    told = f"{gate.number(len(found), 'case')} passed less than {gate.FLAKY:.0%} of their trials and more than none"
    print(f"{told}, over {gate.number(len(history), 'run')}.")
    return 0


def _rescore(args: argparse.Namespace) -> int:
    """Score the stored answers anew and keep that as a run of its own."""
    from api.clock import SystemClock
    from api.commands.common import progress
    from evals import dataset
    from evals.answer import load_grounds
    from evals.run import rescored

    shelf = _shelf()
    run = shelf.load(args.run_name)
    grounds = load_grounds()
    cases = dataset.load(grounds.pack, SystemClock().now().date())
    with progress("Scoring") as advance:
        found = rescored(run, cases, grounds, advance)
    path = shelf.save(found, shelf.times(run))
    if args.json:
        _print_json({"run": found.id, "of": run.id, "file": str(path)})
    else:
        print(f"{found.id} holds the answers of {run.id}, scored anew: {path}")
    return 0


def _write(
    args: argparse.Namespace, run: Run, title: str, result: Result | None, comparison: Comparison | None, report: Report | None
) -> None:  # fmt: skip
    """The files that were asked for."""
    from evals import report_files, report_html
    from evals.runs import write_whole

    if args.html:
        write_whole(args.html, report_html.html(title, report, result, comparison))
    if args.markdown:
        write_whole(args.markdown, report_files.markdown(result, comparison, report))
    if getattr(args, "junit", None):
        write_whole(args.junit, report_files.junit(run, result))


def _print_json(value: Any) -> None:
    from api.commands.common import as_json

    as_json(value)


def _print(parts: Sequence[Any]) -> None:
    from rich.console import Console

    from evals.report_text import show

    show(Console(), parts)
