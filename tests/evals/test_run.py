"""Runs: kept as they come, gone on with, the same bytes each time, and honest about what has no answer."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.errors import AgentError
from evals import run as runs
from evals.cassette import CassetteMiss
from evals.dataset import Case, Dataset
from evals.engine import Engine, Seat, told_deps
from evals.errors import RunError
from evals.severity import cost_of
from tests.evals.suite import dataset, grounds, prompts


def few() -> Dataset:
    """A few cases, one with injected words and its twin."""
    injected = next(c for c in dataset().cases.values() if c.row.injection)
    names = [*list(dataset().cases)[:3], injected.name, injected.row.injection.twin]
    return Dataset({n: dataset().cases[n] for n in sorted(names)}, "few")


class Counted:
    """The engine that is told what is expected; says which cases it was asked."""

    def __init__(self, fails: Any = None) -> None:
        self.asked: list[str] = []
        self.fails = fails
        first = next(iter(few().cases.values()))
        self.engine = Engine("told", "embedded", told_deps(first, grounds(), prompts()), self.of)

    def of(self, case: Case, trial: int) -> Any:
        del trial
        self.asked.append(case.name)
        if self.fails:
            self.fails(case)
        return nullcontext(Seat(self.engine.deps))


def finished(log: runs.Log, engine: Engine) -> runs.Run:
    return runs.finished(runs.scored(log.trials.values(), few(), grounds()), engine, few())


def test_two_runs_of_the_same_files_give_the_same_bytes(tmp_path: Path):
    made: list[str] = []
    for n, jobs in enumerate((1, 3)):
        log = runs.Log(tmp_path / f"{n}.jsonl")
        counted = Counted()
        runs.execute(runs.chosen(few()), counted.engine, log, jobs=jobs)
        made.append(runs.dumped(finished(log, counted.engine)))
    assert made[0] == made[1]
    assert "timing_ms" not in made[0]
    assert '"latency_ms": null' in made[0]


def test_a_run_that_was_stopped_goes_on_without_asking_again(tmp_path: Path):
    log, counted = runs.Log(tmp_path / "log.jsonl"), Counted()

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.execute(runs.chosen(few()), counted.engine, log, jobs=1, progress=stop)
    assert len(counted.asked) == 2
    again, after = runs.Log(log.path), Counted()
    runs.execute(runs.chosen(few()), after.engine, again, jobs=1)
    assert sorted(counted.asked + after.asked) == sorted(few().cases)
    whole = Counted()
    other = runs.Log(tmp_path / "whole.jsonl")
    runs.execute(runs.chosen(few()), whole.engine, other)
    assert runs.dumped(finished(again, after.engine)) == runs.dumped(finished(other, whole.engine))


def test_a_line_that_was_being_written_when_all_stopped_is_asked_for_again(tmp_path: Path):
    log, counted = runs.Log(tmp_path / "log.jsonl"), Counted()
    runs.execute(runs.chosen(few()), counted.engine, log, jobs=1)
    log.path.write_text(log.path.read_text("utf-8").rstrip()[:-40], "utf-8")
    again, after = runs.Log(log.path), Counted()
    runs.execute(runs.chosen(few()), after.engine, again)
    assert len(after.asked) == 1
    assert len(runs.Log(log.path).trials) == len(few().cases)
    assert runs.Log(log.path, fresh=True).trials == {}
    assert not log.path.exists()


def test_what_has_no_answer_is_an_error_and_no_bad_score_and_is_asked_again(tmp_path: Path):
    victim = next(iter(few().cases))

    def fails(case: Case) -> None:
        if case.name == victim:
            raise CassetteMiss(case.name, "no entry answers this request")

    log, counted = runs.Log(tmp_path / "log.jsonl"), Counted(fails)
    runs.execute(runs.chosen(few()), counted.engine, log)
    run = finished(log, counted.engine)
    bad = next(t for t in run.trials if t.case == victim)
    assert (bad.answer, bad.scores, bad.error) == (None, (), f"{victim}: no entry answers this request")
    assert "1 of 5 trials have no answer" in runs.invalid(run)
    after = Counted()
    runs.execute(runs.chosen(few()), after.engine, runs.Log(log.path))
    assert after.asked == [victim]


def test_a_desk_that_fails_inside_is_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    counted = Counted()

    async def broken(*_: Any, **__: Any) -> Any:
        raise AgentError("the engine is out of order")

    monkeypatch.setattr(type(counted.engine.deps.model), "request", broken)
    log = runs.Log(tmp_path / "log.jsonl")
    runs.execute(runs.chosen(few()), counted.engine, log)
    assert {t.answer for t in log.trials.values()} == {None}
    assert all("no draft could be written" in t.error for t in log.trials.values())


def test_only_and_failed_choose_cases_and_bring_the_twin_along(tmp_path: Path):
    injected = next(c for c in few().cases.values() if c.row.injection)
    assert {c.name for c in runs.chosen(few(), injected.name)} == {injected.name, injected.row.injection.twin}
    prefix = next(iter(few().cases)).split("-")[0]
    assert {c.name for c in runs.chosen(few(), f"{prefix}-*")} == {n for n in few().cases if n.startswith(f"{prefix}-")}
    with pytest.raises(RunError, match="no case whose name holds 'nobody'"):
        runs.chosen(few(), "nobody")
    log, counted = runs.Log(tmp_path / "log.jsonl"), Counted()
    runs.execute(runs.chosen(few()), counted.engine, log)
    run = finished(log, counted.engine)
    hard = {t.case for t in run.trials if not runs.passed(t)}
    if hard:
        assert hard <= {c.name for c in runs.chosen(few(), failed=run)}
    good = [t.model_copy(update={"scores": ()}) for t in run.trials]
    with pytest.raises(RunError, match="no case that failed"):
        runs.chosen(few(), failed=run.model_copy(update={"trials": tuple(good)}))


def test_repeated_answers_are_trials_of_their_own(tmp_path: Path):
    log, counted = runs.Log(tmp_path / "log.jsonl"), Counted()
    runs.execute(runs.chosen(few()), counted.engine, log, repeat=2)
    assert sorted(counted.asked) == sorted(2 * list(few().cases))
    assert {t.trial for t in finished(log, counted.engine).trials} == {0, 1}


def test_answers_scored_anew_give_the_same_run_and_unknown_cases_are_refused(tmp_path: Path):
    log, counted = runs.Log(tmp_path / "log.jsonl"), Counted()
    runs.execute(runs.chosen(few()), counted.engine, log)
    run = finished(log, counted.engine)
    assert runs.rescored(run, few(), grounds()) == run
    less = Dataset({n: c for n, c in few().cases.items() if n != run.trials[0].case}, "less")
    with pytest.raises(RunError, match="no longer has"):
        runs.rescored(run, less, grounds())


def test_answers_are_gone_on_with_only_for_the_same_engine_and_cases():
    engine = Counted().engine
    key = runs.key_of(engine, few())
    assert key == runs.key_of(Counted().engine, few())
    assert key != runs.key_of(engine, Dataset(few().cases, "other"))
    assert key != runs.key_of(replace(engine, name="other"), few())


def test_the_cost_of_severities_is_measured_against_the_best_constant(tmp_path: Path):
    log, counted = runs.Log(tmp_path / "log.jsonl"), Counted()
    runs.execute(runs.chosen(few()), counted.engine, log)
    run = finished(log, counted.engine)
    order = grounds().pack.severity_order

    def given(severity: str) -> Any:
        trials = [t.model_copy(update={"answer": {**(t.answer or {}), "severity": severity}}) for t in run.trials]
        return cost_of(run.model_copy(update={"trials": tuple(trials)}), few(), order)

    each = [given(s) for s in order]
    assert min(c.mean for c in each) == each[0].constant
    right = [t.model_copy(update={"answer": {**(t.answer or {}), "severity": t.severity}}) for t in run.trials]
    perfect = cost_of(run.model_copy(update={"trials": tuple(right)}), few(), order)
    assert perfect is not None
    assert perfect.mean == 0
    assert cost_of(run.model_copy(update={"trials": ()}), few(), order) is None


def test_the_log_keeps_every_answer_as_one_line_of_json(tmp_path: Path):
    log, counted = runs.Log(tmp_path / "log.jsonl"), Counted()
    runs.execute(runs.chosen(few()), counted.engine, log)
    lines = [line for line in log.path.read_text("utf-8").split("\n") if line]
    assert {json.loads(line)["trial"]["case"] for line in lines} == set(few().cases)
    assert all(json.loads(line)["ms"] > 0 for line in lines)
