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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from pydantic import ValidationError

from agent import pipeline
from agent.output import as_json
from evals.answer import Grounds
from evals.cassette import CassetteError, CassetteMiss
from evals.dataset import Case, Dataset
from evals.engine import Engine
from evals.errors import RunError
from evals.outcome import VERSION, Run, Trial
from evals.scorers import fingerprint, scores

Json: TypeAlias = dict[str, Any]
Progress: TypeAlias = Callable[[int, int], None]
Key: TypeAlias = tuple[str, int]
"""Case and number of the trial."""

MOST_ERRORS: Final = 0.05
"""Share of the trials without an answer above which a run says nothing."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where runs are kept: `<home>/evals`."""

    folder: Path

    @property
    def runs(self) -> Path:
        """Folder of finished runs, `<id>.json` each, with `<id>.times.json` beside it."""
        return self.folder / "runs"

    def path(self, id_: str) -> Path:
        """The file of a run."""
        return self.runs / f"{id_}.json"

    def load(self, name: str) -> Run:
        """A run by its id, the beginning of it, or the path of its file; `latest` is the one written last.

        Raises:
            RunError: there is none, several begin so, or the file is no run of this version.

        """
        if name == "latest":
            pointer = self.folder / "latest"
            if not pointer.is_file():
                raise RunError(f"{self.folder}: there is no run yet; make one with `desk eval run`.")
            name = pointer.read_text(encoding="utf-8").strip()
        given = Path(name)
        found = [given] if given.suffix == ".json" else sorted(self.runs.glob(f"{_plain(name)}*.json"))
        found = [path for path in found if path.is_file() and not path.name.endswith(".times.json")]
        if len(found) != 1:
            many = (
                f"{len(found)} runs begin with {name!r}; give more of the id" if found else f"there is no run {name!r}"
            )
            raise RunError(f"{many}; `ls {self.runs}` shows them.")
        return read(found[0])

    def save(self, run: Run, times: Mapping[Key, float]) -> Path:
        """Writes the run and beside it how long its answers took."""
        self.runs.mkdir(parents=True, exist_ok=True)
        path = self.path(run.id)
        _write(path, dumped(run))
        took = [{"case": c, "trial": t, "ms": round(ms, 2)} for (c, t), ms in sorted(times.items())]
        _write(path.with_suffix(".times.json"), json.dumps(took, indent=1) + "\n")
        _write(self.folder / "latest", run.id + "\n")
        return path


def _plain(name: str) -> str:
    """A name without the signs that a search for files would read."""
    return "".join(c for c in name if c.isalnum() or c in "-_")


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def dumped(run: Run) -> str:
    """The run as its file has it; equal runs give equal bytes."""
    return json.dumps(run.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read(path: Path) -> Run:
    """The run of this file.

    Raises:
        RunError: the file is missing, cut off, of another version, or no run.

    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: there is no such run; make one with `desk eval run`.") from None
    except ValueError as e:
        raise RunError(f"{path}: not a whole run ({e}); run it again.") from None
    version = cast("Json", held).get("v") if isinstance(held, dict) else None
    if version != VERSION:
        raise RunError(f"{path}: a run of version {version!r}, this desk reads version {VERSION}; run it again.")
    try:
        return Run.model_validate(held)
    except ValidationError as e:
        first = e.errors()[0]
        raise RunError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; run it again.") from None


class Log:
    """Answers of a run under way, a line each, written before the next is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trials: dict[Key, Trial] = {}
        self.times: dict[Key, float] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                row = json.loads(line)
                trial = Trial.model_validate(row["trial"])
            except (ValueError, KeyError, TypeError):
                continue  # the line that was being written when the run was stopped
            self._keep(trial, row.get("ms"))

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
        with engine.of(case, trial) as seat:
            proposal = await pipeline.propose(case.escalation, seat.deps, now=case.now)
        if proposal.draft is None:
            error = proposal.state_reason
        else:
            made = {name: value for name, value in as_json(proposal).items() if name != "timing_ms"}
            cost = proposal.usage.cost_usd
            price = None if cost is None else float(cost)
            return _trial(case, trial, made, cost=price, stale=seat.stale()), _ms(started)
    except (CassetteMiss, CassetteError) as missed:
        error = str(missed)
    return _trial(case, trial, None, error=error), _ms(started)


def _ms(started: float) -> float:
    return 1000 * (time.perf_counter() - started)


def _trial(
    case: Case, trial: int, made: Json | None, *, error: str = "", stale: str = "", cost: float | None = None
) -> Trial:
    e, meta = case.expected, case.row.metadata
    return Trial(
        case=case.name, trial=trial, issue_type=(e.issue_type or ("",))[0], language=e.language,
        severity=e.severity.allow[0] if e.severity else "", split=case.split, cluster=meta.cluster,
        answer=made, error=error, stale=stale, cost_usd=cost,
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
