from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from api import cli
from evals.outcome import Run
from evals.runs import REFERENCES, Shelf, dumped, read_reference
from tests.builders_runs import ANSWER, drawn, hard, run, soft, trial

ROOT = Path(__file__).resolve().parents[2]
DRAFT = ANSWER["draft"]
BEFORE = run(*(trial(f"dmg-{n}") for n in range(12)), id="run_aaaa", versions={"pack": "p1"})
AFTER = run(
    trial("dmg-0", 0, hard(0.0, reason="FH-9 is in no source"), soft(), answer={"draft": DRAFT | {"body": "Your parcel FH-9 is lost."}}),
    *(trial(f"dmg-{n}") for n in range(1, 12)),
    id="run_bbbb",
    versions={"pack": "p2"},
)  # fmt: skip


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A home of its own with two runs."""
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    found = Shelf(tmp_path / "home/evals")
    for one in (BEFORE, AFTER):
        found.save(one, {})
    return found


def desk(*words: object) -> int:
    return cli.main(["eval", *map(str, words)])


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    return capsys


def kept(shelf: Shelf, one: Run) -> str:
    shelf.save(one, {})
    return one.id


# --- bless and gate -----------------------------------------------------------------------------------------------


def test_a_blessed_run_is_what_later_ones_are_judged_by(tmp_path: Path, said: pytest.CaptureFixture[str]):
    assert desk("bless", "run_aaaa", "--reason", "first", "--author", "Ines", "--references", tmp_path) == 0
    assert "run_aaaa is now the reference of the embedded tier (12 cases), blessed by Ines" in said.readouterr().out
    reference = tmp_path / "embedded.json"
    assert read_reference(reference).reason == "first"
    assert desk("gate", "run_aaaa", "--reference", reference) == 0
    assert said.readouterr().out.startswith("PASS  12 cases compared, no answer changed.")
    assert desk("gate", "--reference", reference) == 1, "the latest run is the one that got worse"
    out = said.readouterr().out
    assert out.startswith("FAIL  1 case got worse than in the reference.")
    assert "FH-9 is in no source" in out


def test_the_user_of_the_machine_blesses_when_nobody_is_named(tmp_path: Path):
    from getpass import getuser

    assert desk("bless", "run_aaaa", "--reason", "first", "--references", tmp_path) == 0
    assert read_reference(tmp_path / "embedded.json").author == getuser()


def test_the_verdict_for_programs_and_for_ci(tmp_path: Path, said: pytest.CaptureFixture[str]):
    files = {kind: tmp_path / f"gate.{kind}" for kind in ("junit", "markdown", "html")}
    asked = [word for kind, path in files.items() for word in (f"--{kind}", path)]
    assert (
        desk("gate", "run_bbbb", "--reference", Shelf(tmp_path / "home/evals").path("run_aaaa"), "--json", *asked) == 1
    )
    told = json.loads(said.readouterr().out)
    assert (told["verdict"], told["exit_code"], told["broken"][0]["case"]) == ("fail", 1, "dmg-0")
    suite = ET.fromstring(files["junit"].read_text(encoding="utf-8"))  # noqa: S314 - our own
    assert suite.get("failures") == "2"
    assert files["markdown"].read_text(encoding="utf-8").startswith("## Evals: fail")
    page = files["html"].read_text(encoding="utf-8")
    assert "<b>fail</b>" in page
    assert "<h2>Figures</h2>" in page


def test_what_waits_to_be_blessed_fails_only_when_asked_to(shelf: Shelf, said: pytest.CaptureFixture[str]):
    softer = BEFORE.model_copy(
        update={"id": "run_soft", "trials": (trial("dmg-0", 0, hard(), soft(0.1)), *BEFORE.trials[1:])}
    )
    name, reference = kept(shelf, softer), shelf.path("run_aaaa")
    assert desk("gate", name, "--reference", reference) == 0
    assert "desk eval bless" in said.readouterr().out
    assert desk("gate", name, "--reference", reference, "--strict") == 1


def test_too_few_data_are_their_own_exit_code(shelf: Shelf, said: pytest.CaptureFixture[str]):
    few, reference = kept(shelf, drawn([0.9] * 8, 1, id="run_few")), kept(shelf, drawn([0.9] * 8, 2, id="run_ref"))
    assert desk("gate", few, "--reference", shelf.path(reference)) == 3
    assert said.readouterr().out.startswith("INSUFFICIENT DATA  8 cases in 8 clusters")


def test_fresh_trials_are_given_as_runs(shelf: Shelf):
    fine, dead = [1.0] * 60, [1.0] * 59 + [0.0]
    names = [
        kept(shelf, drawn(chances, seed, id=f"run_{name}"))
        for seed, (name, chances) in enumerate({"ra": fine, "rb": dead, "fa": fine, "fb": dead, "fc": fine}.items())
    ]
    asked = ("gate", names[1], "--reference", shelf.path(names[0]), "--headline", "passed")
    assert desk(*asked) == 3
    assert desk(*asked, "--confirm", names[2], names[3]) == 1
    assert desk(*asked, "--confirm", names[2], names[4]) == 0


# --- compare and report -------------------------------------------------------------------------------------------


def test_two_runs_are_compared_case_by_case(tmp_path: Path, said: pytest.CaptureFixture[str]):
    assert desk("compare", "run_a", "run_b", "--html", tmp_path / "c.html", "--markdown", tmp_path / "c.md") == 0
    out = said.readouterr().out
    assert "1 broke, 0 mended" in out
    assert "+ Your parcel FH-9 is lost." in out
    assert "<ins>" in (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "### Got worse" in (tmp_path / "c.md").read_text(encoding="utf-8")
    assert desk("compare", "run_a", "run_b", "--json") == 0
    assert json.loads(said.readouterr().out)["diffs"][0]["flip"] == "broke"


def test_prompts_are_shown_side_by_side_from_a_folder_of_the_ones_before(
    tmp_path: Path, shelf: Shelf, said: pytest.CaptureFixture[str]
):
    import shutil

    from agent.prompts import load_prompts

    shutil.copytree(
        ROOT / "prompts", tmp_path / "prompts", ignore=shutil.ignore_patterns("history", "starter", "*.jsonl")
    )
    triage = tmp_path / "prompts/triage.md"
    triage.write_text(triage.read_text(encoding="utf-8") + "\nBe brief, as before.\n", encoding="utf-8")
    old, new = (load_prompts(folder).version("triage")[:16] for folder in (tmp_path / "prompts", ROOT / "prompts"))
    assert old != new
    names = [
        kept(shelf, run(trial("a", answer={"versions": {"prompt": hash_}}), id=f"run_{at}"))
        for at, hash_ in (("old", old), ("new", new))
    ]
    assert desk("compare", *names, "--prompts-before", tmp_path / "prompts") == 0
    assert "- Be brief, as before." in said.readouterr().out


def test_flaky_cases_are_told_from_past_runs(shelf: Shelf, said: pytest.CaptureFixture[str]):
    names = [kept(shelf, drawn([1.0, 0.5, 0.0], seed, id=f"run_past{seed}")) for seed in range(6)]
    assert desk("flaky", *names) == 0
    out = said.readouterr().out
    assert re.search(r"^case-001  passed \d+ of 24 trials\n1 case passed less than 75%", out)
    assert desk("flaky", *names, "--json") == 0
    assert json.loads(said.readouterr().out)[0]["case"] == "case-001"


def test_a_run_is_reported_with_its_figures(tmp_path: Path, said: pytest.CaptureFixture[str]):
    assert desk("report", "run_bbbb", "--html", tmp_path / "r.html", "--junit", tmp_path / "r.xml") == 0
    out = said.readouterr().out
    assert "passed 91.7%" in out
    assert "facts: FH-9 is in no source" in out
    assert ET.parse(tmp_path / "r.xml").getroot().get("failures") == "1"  # noqa: S314
    assert desk("report", "--json") == 0
    assert json.loads(said.readouterr().out)["id"] == "run_bbbb"


def test_runs_of_two_datasets_compare_once_both_are_scored_anew(
    tmp_path: Path, shelf: Shelf, said: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from evals import dataset

    suites, files = tmp_path / "suites", tmp_path / "files"
    suites.mkdir()
    files.mkdir()
    case = {
        "name": "dmg-en-001-lamp", "expected": {"issue_type": ["damaged_or_defective"], "severity": {"allow": ["S3"]}, "language": "en"},
        "metadata": {"split": "gate", "cluster": "lamps", "provenance": "authored", "author": "w1"},
    }  # fmt: skip
    message = {"author": "customer", "at": "2026-11-20T09:00:00Z", "text": "The lamp of FH-200001 came broken."}
    (suites / "damaged.yaml").write_text(json.dumps({"cases": [case]}), encoding="utf-8")
    held = {"now": "2026-11-20T09:30:00Z", "escalation": {"channel": "email", "messages": [message]}}
    (files / "dmg-en-001-lamp.json").write_text(json.dumps(held), encoding="utf-8")
    load = dataset.load
    monkeypatch.setattr(dataset, "load", lambda pack, today: load(pack, today, suites=suites, files=files))
    names = [
        kept(shelf, run(trial("dmg-en-001-lamp", answer={"severity": s}), id=f"run_{s}", dataset=f"{s}" * 32))
        for s in ("S3", "S4")
    ]
    assert desk("compare", *names) == 2
    said.readouterr()
    anew: list[str] = []
    for name in names:
        assert desk("rescore", name, "--json") == 0
        anew.append(json.loads(said.readouterr().out)["run"])
    assert desk("compare", *anew, "--json") == 0
    told = json.loads(said.readouterr().out)
    assert [f["name"] for f in told["diffs"][0]["fields"]] == ["severity"]
    assert {s.name for s in shelf.load(anew[0]).trials[0].scores} > {"schema", "language", "severity_cost"}


# --- bad input ----------------------------------------------------------------------------------------------------

BROKEN = {
    "cut off": (dumped(BEFORE)[:300], "no whole JSON"),
    "empty": ("", "the file is empty"),
    "another schema": (dumped(BEFORE).replace('"v": 1', '"v": 3', 1), "schema version 3"),
    "no trials": (dumped(BEFORE.model_copy(update={"trials": ()})), "holds no trial"),
    "not blessed by anyone": (dumped(BEFORE).replace('"id"', '"name"', 1), "this is no run"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("command", ["gate", "compare", "report", "bless"])
def test_a_file_that_is_no_run_is_one_sentence_and_exit_code_2(
    tmp_path: Path, said: pytest.CaptureFixture[str], name: str, command: str
):
    text, says = BROKEN[name]
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    words: dict[str, list[object]] = {
        "gate": ["run_aaaa", "--reference", path], "compare": ["run_aaaa", path], "report": [path],
        "bless": [path, "--reason", "x", "--references", tmp_path],
    }  # fmt: skip
    assert desk(command, *words[command]) == 2
    err = said.readouterr().err
    assert err.startswith("desk: ")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["report", "run_zz"], "There is no run 'run_zz'"),
        (["report", "run_"], "2 runs begin with 'run_'"),
        (["bless", "run_aaaa", "--reason", " "], "who blessed it and why"),
        (["gate", "run_aaaa", "--reference", "nowhere.json"], "there is no such run"),
        (["gate", "run_aaaa", "--headline", " , "], "--headline names no score"),
        (["compare", "run_aaaa", "run_bbbb", "--html", "no/such/folder/x.html"], "No such file"),
        (["compare", "run_aaaa", "run_bbbb", "--prompts-before", "nowhere"], "nowhere: there is no such folder"),
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_followed_is_one_sentence(
    said: pytest.CaptureFixture[str], words: list[str], says: str
):
    if "--reference" not in words and words[0] == "gate":
        words = [*words, "--reference", str(REFERENCES / "x.json")]
    assert desk(*words) == 2
    err = said.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_a_reference_of_another_dataset_is_named_and_invalid(shelf: Shelf, said: pytest.CaptureFixture[str]):
    other = kept(shelf, BEFORE.model_copy(update={"id": "run_other", "dataset": "x" * 64}))
    assert desk("gate", "run_bbbb", "--reference", shelf.path(other)) == 2
    out = said.readouterr().out
    assert out.startswith("INVALID  Run run_bbbb and run_other do not compare: their datasets differ")
    assert desk("compare", other, "run_bbbb") == 2
    assert re.match(r"desk: Run run_bbbb and run_other do not compare: .*`desk eval rescore`", said.readouterr().err)


def test_a_run_without_a_reference_is_told_what_to_do(
    said: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    from evals import runs

    monkeypatch.setattr(runs, "REFERENCES", tmp_path)
    assert desk("gate", "run_aaaa") == 2
    assert "embedded.json: there is no" in said.readouterr().err


def test_the_command_line_loads_nothing_heavy_to_show_its_help():
    code = "import sys; from api.cli import main\ntry: main(['eval', 'gate', '--help'])\nexcept SystemExit: pass\nprint(sorted({'scipy', 'numpy', 'pydantic', 'rich', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")
