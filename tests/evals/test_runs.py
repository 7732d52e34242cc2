from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.errors import IncomparableError, RunError
from evals.runs import Shelf, bless, comparable, dumped, read_reference, read_run, write_reference
from tests.builders_runs import run, trial

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
RUN = run(trial("dmg-2"), trial("dmg-1", 1), trial("dmg-1", 0), versions={"pack": "p1"})


def test_a_run_comes_back_as_it_was_kept(tmp_path: Path):
    shelf = Shelf(tmp_path / "evals")
    path = shelf.save(RUN, {("dmg-1", 0): 12.5})
    for name in ("run_b", "run", "latest", str(path)):
        back = shelf.load(name)
        assert sorted(back.trials, key=str) == sorted(RUN.trials, key=str)
        assert back.model_copy(update={"trials": RUN.trials}) == RUN
    assert shelf.times(RUN) == {("dmg-1", 0): 12.5}
    assert Shelf(tmp_path).times(RUN) == {}
    assert not [p for p in path.parent.iterdir() if p.name.endswith(".part")]


def test_the_same_results_are_the_same_bytes_whatever_their_order():
    assert dumped(RUN) == dumped(RUN.model_copy(update={"trials": RUN.trials[::-1]}))


@pytest.mark.parametrize("name", ["latest", "run_x", "no.json"])
def test_a_run_that_is_not_there_is_told(tmp_path: Path, name: str):
    with pytest.raises(RunError, match=r"[Tt]here is no"):
        Shelf(tmp_path).load(name)


def test_a_reference_keeps_who_why_and_when_and_a_line_for_each_trial(tmp_path: Path):
    path = tmp_path / "embedded.json"
    write_reference(bless(RUN, " Ines ", "new policy lines", AT), path)
    found = read_reference(path)
    assert (found.author, found.reason, found.blessed_at) == ("Ines", "new policy lines", AT)
    assert read_run(path).trials == found.run.trials
    lines = path.read_text(encoding="utf-8").splitlines()
    assert sum('"case":' in line for line in lines) == len(RUN.trials)


def text(**change: Any) -> str:
    return json.dumps(RUN.model_dump(mode="json") | change)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no such run"),
        ("", "the file is empty"),
        (text()[:200], "no whole JSON"),
        ("[]", "this is no run but list"),
        (text(v=2), "schema version 2 and this desk reads 1"),
        (json.dumps({"v": 1, "blessed_at": "2026-11-20T09:30:00Z", "author": "I", "reason": "r", "run": json.loads(text(v=9))}), "schema version 9"),
        (text(trials=[]), "holds no trial"),
        (text(colour="red"), "colour: Extra inputs"),
        (text(tier="dream"), "tier: Input should be"),
        (text(trials=[json.loads(text())["trials"][0]] * 2), "is there 2 times"),
        (json.dumps({"v": 1, "blessed_at": "2026-11-20T09:30:00", "author": "I", "reason": "r", "run": json.loads(text())}), "blessed_at: Input should have timezone"),
    ],
    ids=["missing", "empty", "cut off", "no run", "other schema", "other schema in a reference", "no trials", "unknown key", "unknown tier", "twice", "no zone"],
)  # fmt: skip
def test_a_file_that_is_no_run_is_refused_in_one_sentence(tmp_path: Path, content: str | None, says: str):
    path = tmp_path / "run.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(RunError) as caught:
        read_run(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    (tmp_path / "run.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match="cannot be read"):
        read_run(tmp_path / "run.json")


def test_a_run_that_nobody_blessed_is_no_reference(tmp_path: Path):
    (tmp_path / "run.json").write_text(dumped(RUN), encoding="utf-8")
    with pytest.raises(RunError, match="nobody blessed this run"):
        read_reference(tmp_path / "run.json")


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"error": "timeout", "answer": None}, "dmg-9 failed (timeout)"),
        ({"stale": "tone changed"}, "dmg-9 is stale (tone changed)"),
        ({"answer": None}, "dmg-9 has no answer"),
    ],
)
def test_what_is_no_result_is_not_blessed(bad: dict[str, Any], says: str):
    with pytest.raises(RunError) as caught:
        bless(run(trial("dmg-1"), trial("dmg-9", **bad)), "Ines", "why not", AT)
    assert str(caught.value).startswith("1 of 2 trials are no result")
    assert says in str(caught.value)


@pytest.mark.parametrize(("author", "reason"), [("", "why"), ("Ines", "  ")])
def test_a_blessing_has_an_author_and_a_reason(author: str, reason: str):
    with pytest.raises(RunError, match="who blessed it and why"):
        bless(RUN, author, reason, AT)


def test_runs_of_other_cases_or_scorers_do_not_compare():
    comparable(RUN, RUN)
    with pytest.raises(IncomparableError, match=r"their scorers differ .*desk eval rescore"):
        comparable(RUN, RUN.model_copy(update={"scorers": "other"}))
