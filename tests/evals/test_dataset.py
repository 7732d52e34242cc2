"""The loader of cases refuses what would make a run lie, and says where."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from evals import dataset
from evals.dataset import load
from evals.errors import DatasetError
from evals.expectations import Row, Vocabulary, binds
from tests.evals.suite import dataset as stored
from tests.fakes.desk import PROMPTS, pack
from tests.test_house import HISTORY, STARTER, five_grams, rows, words_of

TODAY = date(2026, 12, 1)
NOTHING = {"metadata": {"split": "gate", "cluster": "lamps", "provenance": "authored", "author": "w1"}, "expected": {}}


def row(name: str = "dmg-en-001-lamp", **over: Any) -> dict[str, Any]:
    expected = {
        "issue_type": ["damaged_or_defective"], "severity": {"allow": ["S3"], "forbid": ["S1"]}, "primary_team": ["fulfilment"],
        "language": "en", "kind": ["reply"], "must_cover": ["regret"], "must_not": ["accuses"], "facts_required": ["FH-200001"],
        "policy_refs": ["return-postage"], "human_lead": False, "flags": [], "collaborators": ["carrier_claims"],
    }  # fmt: skip
    return {"name": name, **NOTHING, "expected": {**expected, **over.pop("expected", {})}, **over}


CASE = {
    "now": "2026-11-20T09:30:00Z",
    "escalation": {
        "channel": "email",
        "messages": [
            {"author": "customer", "at": "2026-11-20T09:00:00Z", "text": "The lamp of FH-200001 came broken."}
        ],
    },
}


class Folder:
    """A suite on disk; `load` reads it."""

    def __init__(self, path: Path) -> None:
        self.suites, self.files = path / "cases", path / "files"
        self.suites.mkdir()
        self.files.mkdir()

    def write(self, *rows: dict[str, Any], file: str = "damaged", cases: bool = True) -> Folder:
        (self.suites / f"{file}.yaml").write_text(
            yaml.safe_dump(json.loads(json.dumps({"cases": list(rows)})), sort_keys=False), "utf-8"
        )
        for one in rows if cases else ():
            (self.files / f"{one['name']}.json").write_text(json.dumps(CASE, indent=1), "utf-8")
        return self

    def load(self, today: date = TODAY) -> dataset.Dataset:
        return load(pack(), today, suites=self.suites, files=self.files, prompts=PROMPTS)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_case_is_read_with_its_escalation_and_instant(folder: Folder):
    case = folder.write(row()).load().cases["dmg-en-001-lamp"]
    assert case.escalation.messages[0].text.startswith("The lamp")
    assert case.escalation.id == dataset.case_id("dmg-en-001-lamp") != dataset.case_id("another")
    assert case.now.isoformat() == "2026-11-20T09:30:00+00:00"
    assert case.expected.severity is not None
    assert case.expected.severity.forbid == ("S1",)
    assert case.split == "gate"


BROKEN: dict[str, tuple[Callable[[Folder], object], str]] = {
    "unknown key": (lambda f: f.write(row(colour="red")), r"damaged\.yaml, line \d+: .*colour.*remove or rename"),
    "misspelt key inside": (lambda f: f.write(row(expected={"severty": 1})), r"line \d+: cases\.0\.expected\.severty"),
    "unknown issue type": (lambda f: f.write(row(expected={"issue_type": ["broken"]})), r"line 2.*unknown `broken`.*damaged_or"),
    "unknown team": (lambda f: f.write(row(expected={"collaborators": ["lawyers"]})), r"`collaborators`.*`lawyers`.*legal"),
    "unknown item": (lambda f: f.write(row(expected={"must_cover": ["apology"]})), r"`must_cover`.*`apology`.*regret"),
    "unknown rule": (lambda f: f.write(row(expected={"must_not": ["promise"]})), r"`must_not`.*`promise`.*unbacked_promise"),
    "unknown policy line": (lambda f: f.write(row(expected={"policy_refs": ["refunds"]})), r"`policy_refs`.*returns-window"),
    "unknown language": (lambda f: f.write(row(expected={"language": "xx"})), r"`language`.*`xx`"),
    "severity allowed and forbidden": (
        lambda f: f.write(row(expected={"severity": {"allow": ["S3"], "forbid": ["S3"]}})), r"S3 is allowed and forbidden",
    ),
    "the same name in two files": (
        lambda f: f.write(row()).write(row(), file="other"), r"other\.yaml, line 2: .*name of a case in damaged\.yaml, line 2",
    ),
    "no case file": (lambda f: f.write(row(), cases=False), r"line 2: .*dmg-en-001-lamp\.json is missing"),
    "an unused case file": (
        lambda f: [f.write(row()), (f.files / "left-over.json").write_text("{}")], r"left-over\.json: no case of the suite",
    ),
    "no case": (lambda _: None, r"there is no case"),
    "an empty list of cases": (lambda f: (f.suites / "a.yaml").write_text("cases: []\n"), r"a\.yaml, line 1: cases"),
    "truncated JSON": (
        lambda f: (f.write(row()).files / "dmg-en-001-lamp.json").write_text('{"now": "2026-11-20T09:30:00Z",\n "esc'),
        r"dmg-en-001-lamp\.json, line 2: not valid JSON",
    ),
    "no instant": (
        lambda f: (f.write(row()).files / "dmg-en-001-lamp.json").write_text('{"now": "2026-11-20T09:30:00", "escalation": {}}'),
        r"dmg-en-001-lamp\.json, line 1: now: ",
    ),
    "an escalation without words": (
        lambda f: (f.write(row()).files / "dmg-en-001-lamp.json").write_text(json.dumps({**CASE, "escalation": {"text": " "}})),
        r"no escalation: text",
    ),
    "a message from the future": (
        lambda f: (f.write(row()).files / "dmg-en-001-lamp.json").write_text(json.dumps({**CASE, "now": "2026-11-19T09:00:00Z"})),
        r"lies in the future",
    ),
    "a twin that is no case": (
        lambda f: f.write(row(injection={"twin": "nobody", "canary": "BLUEBIRD"})), r"its twin `nobody` is no case",
    ),
    "a twin with an injection of its own": (
        lambda f: f.write(row(injection={"twin": "dmg-en-001-lamp", "canary": "BLUEBIRD"})), r"has injected words itself",
    ),
    "not YAML": (lambda f: (f.suites / "a.yaml").write_text("cases:\n- name: [\n"), r"a\.yaml, line \d: not valid YAML"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_suite_is_refused_with_file_and_line(what: str, folder: Folder):
    breaks, message = BROKEN[what]
    breaks(folder)
    with pytest.raises(DatasetError, match=message):
        folder.load()


def test_a_case_that_no_answer_can_fail_is_refused(folder: Folder):
    everything = {
        "issue_type": list(pack().issue_types), "severity": {"allow": list(pack().severities)},
        "kind": ["reply", "question", "brief"],
    }  # fmt: skip
    with pytest.raises(DatasetError, match="no answer can fail this case"):
        folder.write({**row(), "expected": everything}).load()


@pytest.mark.parametrize(
    "expected",
    [{field: value} for field, value in row()["expected"].items() if field != "flags"] + [{"flags": ["angry"]}],
    ids=str,
)
def test_each_expectation_alone_is_enough_to_fail_a_case(expected: dict[str, Any]):
    vocabulary = Vocabulary.of(pack(), PROMPTS)
    assert binds(Row.model_validate({**row(), "expected": expected}), vocabulary)
    assert not binds(Row.model_validate({**row(), "expected": {}}), vocabulary)


def test_a_quarantined_case_counts_again_from_its_day_on(folder: Folder):
    paused = {
        **NOTHING["metadata"],
        "quarantine": {"owner": "ann", "until": "2026-12-05", "reason": "twin under repair"},
    }
    folder.write(row(metadata=paused))
    assert folder.load(date(2026, 12, 4)).cases["dmg-en-001-lamp"].split == "quarantine"
    assert folder.load(date(2026, 12, 5)).cases["dmg-en-001-lamp"].split == "gate"
    assert folder.load(date(2026, 12, 4)).hash == folder.load(date(2026, 12, 5)).hash


def test_a_quarantine_needs_an_owner_and_may_not_hold_half_the_suite(folder: Folder):
    paused = {**NOTHING["metadata"], "quarantine": {"owner": "ann", "until": "2026-12-05", "reason": "flaky"}}
    folder.write(*(row(f"case-{n}", metadata=paused) for n in range(2)), row("case-2"), row("case-3"))
    with pytest.raises(DatasetError, match="2 of 4 cases are in quarantine"):
        folder.load()
    del paused["quarantine"]["owner"]
    with pytest.raises(DatasetError, match="owner"):
        folder.write(row(metadata=paused)).load()


def test_the_hash_changes_with_what_is_expected_and_what_is_asked_and_with_nothing_else(folder: Folder):
    before = folder.write(row(), row("case-2")).load().hash
    assert folder.write(row("case-2"), row()).load().hash == before
    author = {**NOTHING["metadata"], "author": "w2"}
    assert folder.write(row(metadata=author), row("case-2")).load().hash == before
    assert folder.write(row(expected={"flags": ["angry"]}), row("case-2")).load().hash != before
    folder.write(row(), row("case-2"))
    (folder.files / "case-2.json").write_text(json.dumps({**CASE, "now": "2026-11-20T09:31:00Z"}), "utf-8")
    assert folder.load().hash != before


def test_the_schema_for_editors_is_the_one_that_the_loader_has():
    assert json.loads(dataset.SCHEMA.read_text("utf-8")) == dataset.schema(), "run `python -m evals.dataset --schema`"


def test_the_command_says_one_sentence_and_ends_with_2(folder: Folder, capsys: pytest.CaptureFixture[str]):
    where = ["--suites", str(folder.suites), "--files", str(folder.files)]
    assert dataset.main(where) == 2
    assert "there is no case" in capsys.readouterr().err
    folder.write(row())
    assert dataset.main(where) == 0
    assert "1 cases, dataset " in capsys.readouterr().out


# --- the stored suite -----------------------------------------------------------------------------------------------


def test_the_stored_suite_is_large_and_covers_every_type_severity_and_language():
    cases = list(stored().cases.values())
    gate = [c for c in cases if c.row.metadata.split == "gate"]
    injected = [c for c in cases if c.row.injection]
    assert len(gate) >= 150
    assert len(injected) >= 60
    assert all(c.split == "guard" for c in injected)
    assert {c.expected.issue_type[0] for c in gate} == set(pack().issue_types)
    assert {c.expected.severity.allow[0] for c in gate if c.expected.severity} == set(pack().severities)
    assert {c.expected.language for c in gate} == set(pack().store.languages)
    assert {c.expected.language for c in injected} == set(pack().store.languages)


def test_no_two_canaries_are_the_same():
    canaries = [c.row.injection.canary.casefold() for c in stored().cases.values() if c.row.injection]
    assert len(set(canaries)) == len(canaries)


def test_the_cases_are_written_apart_from_all_that_teaches():
    taught: set[int] = set()
    for path in (*HISTORY, *STARTER):
        for taught_row in rows(path):
            taught |= five_grams(words_of(taught_row))
    shares: dict[str, float] = {}
    for name, case in stored().cases.items():
        said = {"messages": case.payload["messages"], "customer": case.payload.get("customer")}
        grams = five_grams(words_of(said))
        shares[name] = len(grams & taught) / len(grams) if len(grams) >= 20 else 0.0
    assert {name: round(share, 2) for name, share in shares.items() if share > 0.25} == {}
