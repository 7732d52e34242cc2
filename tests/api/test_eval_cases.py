"""`desk eval run`, `check` and `add`: exit codes, what is kept, and what a reviewed draft becomes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from api import cli, reviewed
from api.errors import ConflictError, NotFoundError
from evals import answer, dataset, engine, from_draft
from evals.engine import told_deps
from evals.outcome import Run
from evals.runs import Shelf
from tests.evals.suite import dataset as stored
from tests.evals.suite import grounds, prompts
from tests.evals.test_from_draft import reviewed as example


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A suite of three cases of one issue type and an engine that is told the first of them."""
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    suites, files = tmp_path / "cases", tmp_path / "files"
    suites.mkdir()
    files.mkdir()
    rows = yaml.safe_load((dataset.SUITES / "damaged_or_defective.yaml").read_text("utf-8"))["cases"][:3]
    (suites / "damaged.yaml").write_text(yaml.safe_dump({"cases": rows}, allow_unicode=True), "utf-8")
    for row in rows:
        shutil.copy(dataset.FILES / f"{row['name']}.json", files)
    deps = told_deps(stored().cases[rows[0]["name"]], grounds(), prompts())
    monkeypatch.setattr(engine, "load_deps", lambda _: deps)
    monkeypatch.setattr(answer, "load_grounds", grounds)
    return ("--suites", str(suites), "--files", str(files))


def desk(*words: str) -> int:
    return cli.main(["eval", *words])


def latest(tmp_path: Path) -> Run:
    return Shelf(tmp_path / "home/evals").load("latest")


def test_a_run_is_kept_told_and_judged_by_its_exit_code(
    folders: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code = desk("run", *folders)
    out = capsys.readouterr().out
    run = latest(tmp_path)
    failed = {t.case for t in run.trials if any(s.kind == "hard" and s.value == 0 for s in t.scores)}
    assert code == (1 if failed else 0)
    assert f"{run.id}: 3 trials, {len(failed)} failed" in out
    assert "severity_cost" in out
    assert len(Shelf(tmp_path / "home/evals").times(run)) == 3
    assert list((tmp_path / "home/evals/running").glob("*")) == []
    assert desk("run", "--jobs", "1", *folders) == code
    assert latest(tmp_path) == run


def test_a_part_of_the_cases_can_be_run_several_times(folders: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    name = sorted(p.stem for p in (tmp_path / "files").glob("*.json"))[0]
    desk("run", "--only", name, "--repeat", "2", "--json", *folders)
    told = json.loads(capsys.readouterr().out)
    assert told["trials"] == 2
    assert {(t.case, t.trial) for t in latest(tmp_path).trials} == {(name, 0), (name, 1)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--only", "no-such-case"), "no case whose name holds 'no-such-case'"),
        (("run", "--failed"), "there is no run yet"),
        (("run", "--repeat", "0"), "--repeat and --jobs are 1 or more"),
        (("check", "--suites", "/nowhere"), "there is no case"),
    ],
)
def test_what_cannot_be_run_is_one_sentence_and_exit_code_2(
    words: tuple[str, ...], message: str, folders: Any, capsys: pytest.CaptureFixture[str]
):
    given = folders if "--suites" not in words else folders[2:]
    assert desk(*words, *given) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_check_counts_the_cases(folders: Any, capsys: pytest.CaptureFixture[str]):
    assert desk("check", *folders) == 0
    assert "3 cases, dataset " in capsys.readouterr().out


def test_add_writes_both_files_and_the_suite_still_loads(
    folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(reviewed, "reviewed", lambda *_: example())
    assert desk("add", "case_01JD3M", "--json", *folders) == 0
    made = json.loads(capsys.readouterr().out)
    assert Path(made["file"]).is_file()
    assert desk("check", *folders) == 0
    assert "4 cases" in capsys.readouterr().out
    assert desk("add", "case_01JD3M", *folders) == 2
    assert "is a case already" in capsys.readouterr().err


def test_add_leaves_no_trace_when_the_suite_would_not_load_with_it(
    folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(reviewed, "reviewed", lambda *_: example())
    assert desk("add", "case_01JD3M", "--name", "No Good Name", *folders) == 2
    assert "name" in capsys.readouterr().err
    assert not (tmp_path / "cases" / from_draft.SUITE).exists()
    assert not (tmp_path / "files/No Good Name.json").exists()


# --- what a reviewed draft is ---------------------------------------------------------------------------------------


def decide(desk: Any, views: Any, ada: Any, case_id: str, decision: str) -> None:
    case = views.case(ada, case_id)
    desk.record_review(ada, case.draft.id, decision, draft_hash=case.draft.hash, case_version=case.version)


def test_a_draft_that_was_sent_back_is_a_rejected_one(
    *, desk: Any, views: Any, ada: Any, escalation: Any, work: Any, clock: Any
):
    made = desk.receive(ada, escalation)
    work()
    with pytest.raises(ConflictError, match="Nobody has edited"):
        reviewed.reviewed(views, ada, made["case"])
    decide(desk, views, ada, made["case"], "send_back")
    found = reviewed.reviewed(views, ada, made["case"])
    assert (found.decision, found.sent) == ("rejected", "")
    assert [m["text"] for m in found.payload["messages"]] == [escalation["text"]]
    assert found.payload["customer"]["name"] == "Wilhelmina Quist"
    assert found.proposal["issue_type"] == "damaged_or_defective"


def test_another_text_that_a_person_sent_makes_an_edited_one(
    *, desk: Any, views: Any, ada: Any, escalation: Any, work: Any, clock: Any
):
    made = desk.receive(ada, escalation)
    work()
    decide(desk, views, ada, made["case"], "approve")
    clock.advance(minutes=5)
    desk.record_sent(ada, made["case"], "Dear Wilhelmina, we look into the kettle.", draft_id=made["draft"])
    found = reviewed.reviewed(views, ada, made["case"])
    assert (found.decision, found.sent) == ("edited", "Dear Wilhelmina, we look into the kettle.")
    assert len(found.payload["messages"]) == 1


def test_a_draft_that_went_out_as_it_was_is_no_case(
    *, desk: Any, views: Any, ada: Any, escalation: Any, work: Any, clock: Any, proposal: Any
):
    made = desk.receive(ada, escalation)
    work()
    decide(desk, views, ada, made["case"], "approve")
    clock.advance(minutes=5)
    desk.record_sent(ada, made["case"], proposal()["draft"]["body"], draft_id=made["draft"])
    with pytest.raises(ConflictError):
        reviewed.reviewed(views, ada, made["case"])
    with pytest.raises(NotFoundError):
        reviewed.reviewed(views, ada, "case_nobody")
