"""What the eval pages and `/v1/evals` tell: the runs on the shelf, one of them, two side by side, and what ratings are worth."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from api.errors import NotFoundError
from api.wiring import Runtime
from evals.errors import RunError
from evals.outcome import Run
from evals.runs import Shelf, read_run

if TYPE_CHECKING:
    from evals.calibration import Calibration
    from evals.compare import Comparison
    from evals.ratings import Planned
    from evals.report import Report
    from evals.stats import Agreement, Interval

MOST_RUNS: Final = 200
"""Runs of the list."""
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of the list."""

    id: str
    at: datetime
    """When its file was written."""
    tier: str = ""
    engine: str = ""
    cases: int = 0
    passed: Interval | None = None
    errors: int = 0
    cost_usd: float | None = None
    problem: str = ""
    """Why it cannot be read; then nothing else is known."""


def shelf(desk: Runtime) -> Shelf:
    """Where this desk keeps its runs."""
    return Shelf(desk.settings.home / "evals")


def runs(desk: Runtime) -> list[RunLine]:
    """The runs of this desk, the newest first."""
    folder = shelf(desk).runs
    files = [(path.stat().st_mtime_ns, path) for path in folder.glob("*.json") if _ID.fullmatch(path.stem)]
    return [_line(path, at) for at, path in sorted(files, reverse=True)[:MOST_RUNS]]


@lru_cache(maxsize=2 * MOST_RUNS)
def _line(path: Path, written_ns: int) -> RunLine:
    """Read once for each state of the file."""
    at = datetime.fromtimestamp(written_ns / 1e9, UTC)
    try:
        run = read_run(path)
    except RunError as error:
        return RunLine(path.stem, at, problem=str(error))
    found = _report(run)
    return RunLine(run.id, at, run.tier, run.engine, found.cases, found.passed, found.errors, found.costs.usd)


def one(desk: Runtime, id_: str) -> Run:
    """A run by its whole id.

    Raises:
        NotFoundError: there is none.
        RunError: its file cannot be used.

    """
    path = shelf(desk).path(id_)
    if not _ID.fullmatch(id_) or not path.is_file():
        raise NotFoundError("eval run", id_)
    return read_run(path)


def report(desk: Runtime, id_: str) -> Report:
    """What a run shows."""
    run = one(desk, id_)
    return _report(run, shelf(desk).times(run))


def _report(run: Run, times: Mapping[tuple[str, int], float] | None = None) -> Report:
    from evals.report import report as made  # scipy

    return made(run, times)


def compared(desk: Runtime, before: str, now: str) -> Comparison:
    """Two runs case by case, with the texts of prompts that are still on disk.

    Raises:
        IncomparableError: they answered other cases, or were scored by other scorers.

    """
    from evals.compare import compare  # scipy
    from evals.prompt_texts import text_of

    return compare(one(desk, before), one(desk, now), text_of([desk.settings.prompts]))


def planned(desk: Runtime, id_: str) -> list[Planned]:
    """The outputs of a run that people may rate; takes a few seconds.

    Raises:
        RatingError: the suite has changed since the run, or it holds no letter.

    """
    from evals.answer import load_grounds  # the whole pack, read as evals read it
    from evals.dataset import load
    from evals.rating_draw import plan

    run, grounds = one(desk, id_), load_grounds()
    return plan(run, load(grounds.pack, desk.clock.now().date()), grounds)


def calibration_json(found: Calibration) -> dict[str, Any]:
    """The figures of the ratings as `/v1` tells them; below 100 outputs rated twice, agreement is "too few"."""
    return {
        "items": found.items, "mutants": found.mutants, "rated": found.rated, "double_rated": found.double,
        "disagreements_open": found.open, "settled": found.settled, "gold": found.gold, "enough": found.enough,
        "dimensions": [
            {"name": line.name, "alpha": _agreement(line.alpha), "kappa": _agreement(line.kappa)} for line in found.lines
        ],
        "reviewers": [
            {
                "rater": r.rater, "rated": r.rated, "caught": interval_json(r.caught), "steady": interval_json(r.steady),
                "median_seconds": r.seconds, "safe_early": interval_json(r.early), "safe_late": interval_json(r.late),
            }
            for r in found.reviewers
        ],
    }  # fmt: skip


def _agreement(found: Agreement | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {**asdict(found), "prevalence": dict(found.prevalence), "enough": found.enough}


def interval_json(found: Interval | None) -> dict[str, Any] | None:
    """A share with its range."""
    return None if found is None else asdict(found)


def run_json(line: RunLine) -> dict[str, Any]:
    """A run of the list as `/v1` tells it."""
    return {**asdict(line), "at": line.at.isoformat(), "passed": interval_json(line.passed)}


def chosen(lines: Sequence[RunLine], before: str, now: str) -> tuple[str, str]:
    """The two runs to compare: those named, else the newest with the one before it of the same tier."""
    good = [line for line in lines if not line.problem]
    now = now or (good[0].id if good else "")
    tier = next((line.tier for line in good if line.id == now), "")
    at = next((place for place, line in enumerate(good) if line.id == now), 0)
    before = before or next((line.id for line in good[at + 1 :] if line.tier == tier), "")
    return before, now
