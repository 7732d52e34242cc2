"""A rehearsal lists exactly what a candidate would change, although it drafts only what can differ."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent import pipeline
from agent.case import Proposal
from agent.embedded import EmbeddedModel
from agent.guard import load_rulebook
from agent.pipeline import Deps
from agent.prompts import load_prompts
from agent.retext import with_texts
from evals import rehearsal
from evals.errors import DatasetError
from evals.rehearsal import Known, Rehearsal, rehearse, stored_cases
from tests.fakes.desk import PROMPTS, Pinned, pack, toy_deps

GREETING, BODY = "partials/en/greeting", "Hello{%"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("candidate") / "prompts"
    shutil.copytree(PROMPTS, made, ignore=shutil.ignore_patterns("*.jsonl", "sample_store"))
    return made


@pytest.fixture(scope="module")
def present(folder: Path) -> Deps:
    """A desk that judges every case as damaged goods."""
    return with_prompts(replace(toy_deps(), classifier=Pinned("damaged_or_defective", "S3")), folder)


@pytest.fixture(scope="module")
def cases() -> tuple[Known, ...]:
    return stored_cases(most=16)


def with_prompts(deps: Deps, folder: Path) -> Deps:
    prompts = load_prompts(folder)
    return replace(deps, prompts=prompts, model=EmbeddedModel(prompts))


def changed(present: Deps, folder: Path, id_: str, change: Callable[[str], str]) -> Deps:
    """The desk with one file changed; the folder is left as it was."""
    path = folder / f"{id_}.md"
    text = path.read_text(encoding="utf-8")
    assert change(text) != text
    path.write_text(change(text), encoding="utf-8")
    try:
        return with_prompts(present, folder)
    finally:
        path.write_text(text, encoding="utf-8")


def by_hand(present: Deps, candidate: Deps, cases: Sequence[Known]) -> set[str]:
    """The cases that differ when every one is answered twice from its beginning."""

    async def answers(deps: Deps) -> list[Proposal]:
        return [await pipeline.propose(c.escalation, deps, now=c.now) for c in cases]

    before, after = asyncio.run(answers(present)), asyncio.run(answers(candidate))
    pairs = zip(cases, before, after, strict=True)
    return {case.name for case, old, new in pairs if list(rehearsal.compare(old, new))}


def rehearsed(present: Deps, candidate: Deps, cases: Sequence[Known]) -> Rehearsal:
    return asyncio.run(rehearse(present, candidate, cases))


def test_another_greeting_changes_exactly_the_texts_that_greet_with_it(
    present: Deps, folder: Path, cases: tuple[Known, ...], monkeypatch: pytest.MonkeyPatch
):
    candidate = changed(present, folder, GREETING, lambda text: text.replace(BODY, "Good day{%"))
    drafted: list[str] = []
    whole = pipeline.answered

    async def counted(read: pipeline.Read, deps: Deps, *more: object) -> Proposal:
        drafted.append(read.case.id)
        return await whole(read, deps, *more)  # type: ignore[arg-type]

    expected = by_hand(present, candidate, cases)
    monkeypatch.setattr(pipeline, "answered", counted)
    result = rehearsed(present, candidate, cases)
    assert {one.name for one in result.changed} == expected
    assert 0 < len(expected) < len(cases)
    assert {one.kinds for one in result.changed} == {("text",)}
    assert all("+ Good day" in "\n".join(one.diff()) for one in result.changed)
    assert len(drafted) == len(cases) + len(expected)  # nothing else was drafted twice
    assert result.passed
    assert result.summary.startswith(f"{len(expected)} of {len(cases)} cases change (text {len(expected)})")


def test_a_candidate_that_is_the_same_changes_nothing_and_drafts_nothing_twice(
    present: Deps, folder: Path, cases: tuple[Known, ...]
):
    told: list[tuple[int, int]] = []
    result = asyncio.run(
        rehearse(present, with_prompts(present, folder), cases, lambda done, of: told.append((done, of)))
    )
    assert (result.same, result.changed, result.counts) == (len(cases), (), {})
    assert told[-1] == (len(cases), len(cases))


def test_a_text_that_the_guard_stops_is_named_as_worse_and_fails_the_rehearsal(
    present: Deps, folder: Path, cases: tuple[Known, ...]
):
    promise = "\nWe will refund you £999.00 today.\n"
    candidate = changed(present, folder, GREETING, lambda text: text.rstrip() + promise)
    result = rehearsed(present, candidate, cases)
    worst = [one for one in result.changed if one.worse]
    assert worst
    assert not result.passed
    assert {"state", "findings", "text"} <= set(worst[0].kinds)
    assert any("the guard stops the draft" in why for one in worst for why in one.worse)
    assert f"{len(worst)} get worse" in result.summary


def test_a_change_of_the_pack_reads_the_cases_anew_and_says_what_moves(
    present: Deps, folder: Path, cases: tuple[Known, ...]
):
    kinds = dict(pack().issue_types)
    kinds["damaged_or_defective"] = kinds["damaged_or_defective"].model_copy(update={"primary_team": "returns"})
    other = pack().model_copy(update={"issue_types": kinds, "version": "other"})
    candidate = with_texts(present, other, present.prompts, load_rulebook(PROMPTS, other), None)
    result = rehearsed(present, candidate, cases)
    assert {one.name for one in result.changed} == by_hand(present, candidate, cases)
    moved = [change for one in result.changed for change in one.changes if change.kind == "teams"]
    assert moved
    assert all(change.after.startswith("returns") for change in moved)


def test_lower_severities_and_lost_leads_are_worse(present: Deps, cases: tuple[Known, ...]):
    old = asyncio.run(pipeline.propose(cases[0].escalation, present, now=cases[0].now))
    high = replace(old, triage=replace(old.triage, severity="S2", human_lead=True))
    low = replace(old, triage=replace(old.triage, severity="S4", human_lead=False), draft=None)
    order = pack().severity_order
    assert list(rehearsal.worsened(high, low, order)) == [
        "no draft can be written", "the severity falls from S2 to S4", "no person leads any more",
    ]  # fmt: skip
    assert list(rehearsal.worsened(replace(low, draft=old.draft), high, order)) == []


def test_a_broken_case_file_is_named(tmp_path: Path):
    (tmp_path / "odd.json").write_text('{"now": "yesterday"}')
    with pytest.raises(DatasetError, match=r"odd\.json: it is no case file"):
        stored_cases(tmp_path)
