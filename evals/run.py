"""Runs the stored cases: answers them, keeps each as it comes, scores all, and writes the run.

A run that was stopped goes on where it was: answers that are kept are not asked for again. Two runs of the same files
give the same bytes, so a run is named by its content and times stand beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, TypeAlias

from agent import pipeline
from agent.output import as_json
from evals.answer import Grounds
from evals.cassette import CassetteError, CassetteMiss
from evals.dataset import Case, Dataset
from evals.engine import Engine, with_model
from evals.errors import RunError
from evals.outcome import Run, Trial
from evals.runs import Shelf, dumped
from evals.runs import read_run as read
from evals.scorers import fingerprint, scores

__all__ = [
    "Log",
    "Shelf",
    "answer",
    "chosen",
    "dumped",
    "execute",
    "finished",
    "invalid",
    "key_of",
    "passed",
    "read",
    "rescored",
    "scored",
]

Json: TypeAlias = dict[str, Any]
Progress: TypeAlias = Callable[[int, int], None]
Key: TypeAlias = tuple[str, int]
"""Case and number of the trial."""

MOST_ERRORS: Final = 0.05
"""Share of the trials without an answer above which a run says nothing."""


class Log:
    """Answers of a run under way, a line each, written before the next is asked for."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        """Reads the answers that are kept there; with `fresh` they are thrown away."""
        self.path = path
        self.trials: dict[Key, Trial] = {}
        self.times: dict[Key, float] = {}
        if fresh:
            self.close()
        for line in path.read_text(encoding="utf-8").split("\n") if path.is_file() else ():
            try:
                row = json.loads(line)
                trial = Trial.model_validate(row["trial"])
            except (ValueError, KeyError, TypeError):
                continue  # the line that was being written when the run was stopped
            self._keep(trial, row.get("ms"))

    def close(self) -> None:
        """Throws the file away, once the run is kept."""
        self.path.unlink(missing_ok=True)

    def _keep(self, trial: Trial, ms: float | None) -> None:
        self.trials[trial.case, trial.trial] = trial
        if ms is not None:
            self.times[trial.case, trial.trial] = ms

    def add(self, trial: Trial, ms: float) -> None:
        """Keeps one answer."""
        self._keep(trial, ms)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"trial": trial.model_dump(mode="json"), "ms": round(ms, 2)}, ensure_ascii=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")  # the line break before it ends a line that was cut off
            file.flush()
            os.fsync(file.fileno())


def chosen(dataset: Dataset, only: str = "", failed: Run | None = None) -> tuple[Case, ...]:
    """The cases to run, each with its twin.

    Args:
        dataset: all cases.
        only: words that a name must hold, or a pattern with `*`; "" for all.
        failed: a run of which only what failed is run again.

    Raises:
        RunError: no case is left.

    """
    names = set(dataset.cases)
    if only:
        pattern = only if any(c in only for c in "*?[") else f"*{only}*"
        names = {name for name in names if fnmatchcase(name, pattern)}
    if failed is not None:
        names &= {t.case for t in failed.trials if not passed(t)}
    if not names:
        what = f" whose name holds {only!r}" if only else ""
        raise RunError(f"There is no case{what}{' that failed' if failed else ''}; nothing was run.")
    twins = {row.injection.twin for name in names if (row := dataset.cases[name].row).injection}
    return tuple(dataset.cases[name] for name in sorted(names | twins))


def passed(trial: Trial) -> bool:
    """Whether there is an answer and no hard scorer gives it less than 1."""
    return trial.answer is not None and all(s.value is None or s.value == 1 for s in trial.scores if s.kind == "hard")


def key_of(engine: Engine, dataset: Dataset) -> str:
    """Names the answers that may be gone on with: those of the same engine, files and cases."""
    parts = [engine.name, engine.tier, engine.versions, dataset.hash]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


async def answer(case: Case, trial: int, engine: Engine) -> tuple[Trial, float]:
    """One answer, not scored, and the milliseconds that it took."""
    started = time.perf_counter()
    made: Json | None = None
    error = ""
    try:
        with engine.of(case, trial) as model:
            proposal = await pipeline.propose(case.escalation, with_model(engine.deps, model), now=case.now)
        if proposal.draft is None:
            error = proposal.state_reason
        else:
            made = {name: value for name, value in as_json(proposal).items() if name != "timing_ms"}
            cost = proposal.usage.cost_usd
            return _trial(case, trial, made, cost=None if cost is None else float(cost)), _ms(started)
    except (CassetteMiss, CassetteError) as missed:
        error = str(missed)
    return _trial(case, trial, None, error=error), _ms(started)


def _ms(started: float) -> float:
    return 1000 * (time.perf_counter() - started)


def _trial(case: Case, trial: int, made: Json | None, *, error: str = "", cost: float | None = None) -> Trial:
    e, meta = case.expected, case.row.metadata
    return Trial(
        case=case.name, trial=trial, issue_type=(e.issue_type or ("",))[0], language=e.language,
        severity=e.severity.allow[0] if e.severity else "", split=case.split, cluster=meta.cluster,
        answer=made, error=error, cost_usd=cost,
    )  # fmt: skip


def execute(
    cases: Sequence[Case], engine: Engine, log: Log, *, repeat: int = 1, jobs: int = 2,
    progress: Progress = lambda done, of: None,
) -> None:  # fmt: skip
    """Asks for every answer that `log` does not have yet, at most `jobs` at a time."""
    todo = [(case, n) for case in cases for n in range(repeat) if not _kept(log, case, n)]
    of, done = len(cases) * repeat, len(cases) * repeat - len(todo)
    progress(done, of)

    async def all_of_them() -> None:
        gate = asyncio.Semaphore(1 if engine.alone else max(1, jobs))

        async def one(case: Case, number: int) -> None:
            nonlocal done
            async with gate:
                log.add(*await answer(case, number, engine))
            done += 1
            progress(done, of)

        await asyncio.gather(*(one(case, n) for case, n in todo))

    asyncio.run(all_of_them())


def _kept(log: Log, case: Case, number: int) -> bool:
    """Whether there is an answer; one that failed is asked for again."""
    trial = log.trials.get((case.name, number))
    return trial is not None and not trial.error


def scored(
    trials: Iterable[Trial], dataset: Dataset, grounds: Grounds, progress: Progress = lambda done, of: None
) -> tuple[Trial, ...]:
    """The trials in order, with their scores made anew.

    Raises:
        RunError: a trial is of a case that the dataset does not have.

    """
    all_ = sorted(trials, key=lambda t: (t.case, t.trial))
    answers = {(t.case, t.trial): t.answer for t in all_}
    made: list[Trial] = []
    for trial in all_:
        case = dataset.cases.get(trial.case)
        if case is None:
            raise RunError(f"The run has the case {trial.case!r}, which the suite no longer has; run it again.")
        twin = answers.get((case.row.injection.twin, trial.trial)) if case.row.injection else None
        given = scores(case, trial.answer, grounds, twin) if trial.answer is not None else ()
        made.append(trial.model_copy(update={"scores": given, "split": case.split}))
        progress(len(made), len(all_))
    return tuple(made)


def finished(trials: tuple[Trial, ...], engine: Engine, dataset: Dataset) -> Run:
    """The run of scored trials, named by its content."""
    return _named(
        Run(
            id="", tier=engine.tier, engine=engine.name, dataset=dataset.hash, scorers=fingerprint(),
            versions=engine.versions, trials=trials,
        )
    )  # fmt: skip


def rescored(run: Run, dataset: Dataset, grounds: Grounds, progress: Progress = lambda done, of: None) -> Run:
    """The answers of a run under the present expectations and scorers."""
    trials = scored(run.trials, dataset, grounds, progress)
    return _named(run.model_copy(update={"trials": trials, "dataset": dataset.hash, "scorers": fingerprint()}))


def _named(run: Run) -> Run:
    content = run.model_dump_json(exclude={"id"})
    return run.model_copy(update={"id": f"run_{hashlib.sha256(content.encode()).hexdigest()[:12]}"})


def invalid(run: Run) -> str:
    """Why a run says nothing; "" when it does."""
    if not run.trials:
        return "The run has no trial."
    errors = [t for t in run.trials if t.answer is None]
    if len(errors) > MOST_ERRORS * len(run.trials):
        return (
            f"{len(errors)} of {len(run.trials)} trials have no answer, at most {MOST_ERRORS:.0%} may; the first: "
            f"{errors[0].case}: {errors[0].error}"
        )
    return ""
