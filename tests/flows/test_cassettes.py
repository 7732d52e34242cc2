"""Twelve stored cases of language models, good and bad answers, replayed through the whole pipeline."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.case import Proposal
from agent.prompts import load_prompts
from evals.cassette import FOLDER, Cassette, CassetteError, CassetteMiss, main, playing
from tests.fakes import desk
from tests.flows.cassette_drive import cases, play

pytestmark = pytest.mark.asks_models

GPT, CLAUDE, EMBEDDED = "openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5", "embedded"


@dataclass(frozen=True)
class Expected:
    """What must come of a case."""

    severity: str
    team: str
    state: str
    verdict: str = "clear"
    engine: str = GPT
    kind: str = "reply"
    requests: int = 1
    degraded: str = ""
    """Words of the reason, "" when the draft is not degraded."""
    rules: tuple[str, ...] = ()
    """Guard rules that must have fired hard."""
    says: str = ""


EXPECTED: dict[str, Expected] = {
    "damaged-en": Expected("S3", "fulfilment", "ready", says="your father's birthday"),
    "late-de": Expected("S3", "carrier_claims", "ready", says="Nachforschung"),
    "chargeback-en": Expected("S2", "payments_finance", "ready", requests=2, says="your choice"),
    "return-de": Expected("S3", "returns", "ready", engine=CLAUDE, requests=2, says="12. November 2026"),
    "billing-en": Expected("S3", "payments_finance", "ready", requests=3, says="two charges"),
    "refusal-en": Expected("S3", "fulfilment", "ready", engine=EMBEDDED, degraded="it refused to answer"),
    "cut-off-de": Expected("S3", "fulfilment", "ready", engine=EMBEDDED, degraded="was cut off at the token limit"),
    "invented-tracking-en": Expected(
        "S3", "carrier_claims", "blocked", "blocked", rules=("foreign_personal_data",), says="PW9988776655"
    ),
    "promised-refund-en": Expected(
        "S2", "fulfilment", "blocked", "blocked", engine=CLAUDE, rules=("unbacked_promise",), says="£549.00"
    ),
    "empty-de": Expected("S3", "fulfilment", "ready", engine=CLAUDE, requests=2, says="Größe M"),
    "raised-en": Expected("S2", "product", "ready", says="your mother"),
    "brief-de": Expected("S3", "support_lead", "needs_human", engine=CLAUDE, kind="brief", says="Nicht sagen"),
}


def replay(path: Path, **more: Any) -> Proposal:
    with playing(path) as player:
        return asyncio.run(play(player.cassette, **more))


def copied(case: str, folder: Path, change: Any = None) -> Path:
    """A cassette of its own, changed as wanted."""
    path = folder / f"{case}.json"
    body = json.loads((FOLDER / path.name).read_text("utf-8"))
    if change:
        change(body)
    path.write_text(json.dumps(body), "utf-8")
    return path


def test_every_stored_case_is_expected_and_told_apart_by_its_wire_form():
    stored = {path.stem: Cassette.load(path) for path in FOLDER.glob("*.json")}
    assert stored.keys() == EXPECTED.keys() == cases().keys()
    assert {made.made for made in stored.values()} == {"scripted"}
    assert sum(made.model == GPT for made in stored.values()) == 8
    assert sum(made.model == CLAUDE for made in stored.values()) == 4


@pytest.mark.parametrize("case", EXPECTED)
def test_a_stored_case_ends_as_expected(case: str):
    expected, proposal = EXPECTED[case], replay(FOLDER / f"{case}.json")
    triage, draft = proposal.triage, proposal.draft
    assert draft is not None
    assert (proposal.state, proposal.guard.verdict) == (expected.state, expected.verdict), proposal.guard.findings
    assert (triage.severity, triage.primary_team) == (expected.severity, expected.team)
    assert triage.issue_type == cases()[case]["classifier"]["issue_type"]
    assert (proposal.engine, proposal.degraded) == (expected.engine, bool(expected.degraded))
    assert expected.degraded in proposal.degraded_reason
    assert proposal.usage.requests == expected.requests
    assert draft.kind == expected.kind
    assert draft.body.strip()
    assert expected.says in draft.body
    assert set(expected.rules) <= {f.rule for f in proposal.guard.findings if f.hard}


def test_a_severity_below_the_floor_is_sent_back_with_the_floor():
    second = _asked("chargeback-en")[1]
    assert "`S3` is below the floor S2" in second
    assert replay(FOLDER / "chargeback-en.json").triage.severity_floor == "S2"


def test_an_unknown_team_is_sent_back_with_the_known_ones():
    second = _asked("return-de")[1]
    assert "unknown team customer_happiness" in second
    assert "carrier_claims" in second


def test_a_raised_severity_keeps_the_models_reason():
    proposal = replay(FOLDER / "raised-en.json")
    assert "depends on the heating" in proposal.triage.severity_reason
    assert proposal.triage.confidence["severity"] == 0.75
    assert {c.metric: c.target for c in proposal.clocks}["first_reply"] == "2 h"


def test_a_look_up_gives_this_customers_order_and_no_other():
    _, second, third = _asked("billing-en")
    assert "17 November 2026" in second
    assert "no such order of this verified customer" in third
    assert "Ruth Okafor" not in third
    assert "Crema" not in third


def test_nothing_of_a_cut_off_answer_is_in_the_draft():
    draft = replay(FOLDER / "cut-off-de.json").draft
    assert draft is not None
    assert "wir erstatten Ih" not in draft.body


def _asked(case: str) -> list[str]:
    """The requests of a case as text, in order."""
    entries = Cassette.load(FOLDER / f"{case}.json").entries
    return [json.dumps(entry.request, ensure_ascii=False) for entry in entries]


# --- a cassette that does not fit ------------------------------------------------------------------------------------


def test_a_changed_prompt_line_is_named(tmp_path: Path):
    shutil.copytree(desk.PROMPTS, tmp_path / "prompts", ignore=shutil.ignore_patterns("*.jsonl"))
    prompt = tmp_path / "prompts" / "draft" / "damaged_or_defective.md"
    old = next(line for line in prompt.read_text("utf-8").splitlines() if line.startswith("Never:"))
    prompt.write_text(prompt.read_text("utf-8").replace(old, "Never: guess."), "utf-8")
    with pytest.raises(CassetteMiss) as caught:
        replay(FOLDER / "damaged-en.json", prompts=load_prompts(tmp_path / "prompts"))
    assert f"- {old}" in str(caught.value)
    assert "+ Never: guess." in str(caught.value)
    assert "python -m evals.cassette remake" in str(caught.value)


def test_a_reply_that_nothing_asks_for_fails_the_replay(tmp_path: Path):
    def spare(body: dict[str, Any]) -> None:
        body["entries"].append({**body["entries"][0], "key": "", "request": {}})

    path = copied("damaged-en", tmp_path, spare)
    with pytest.raises(CassetteError, match="1 of its replies were not asked for"):
        replay(path)


def test_a_missing_reply_is_a_miss(tmp_path: Path):
    path = copied("billing-en", tmp_path, lambda body: body["entries"].pop())
    with pytest.raises(CassetteMiss, match="no entry answers this request"):
        replay(path)


def test_a_truncated_file_is_named_with_the_way_out(tmp_path: Path):
    path = copied("damaged-en", tmp_path)
    path.write_text(path.read_text("utf-8")[:-400], "utf-8")
    with pytest.raises(CassetteError, match=r"damaged-en\.json.*mend it or make it anew"):
        replay(path)


def test_remaking_without_a_change_asks_the_same_and_notes_what_shaped_it(tmp_path: Path):
    path = copied("chargeback-en", tmp_path)
    assert main(["remake", str(path)]) == 0
    made = Cassette.load(path)
    assert made.entries == Cassette.load(FOLDER / path.name).entries
    assert made.versions.keys() == {"pack", "triage", "draft/case", "draft/chargeback"}


def test_remaking_elsewhere_says_where_to_run_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = copied("damaged-en", tmp_path)
    assert main(["remake", str(path), "--drive", "nowhere.at_all:play"]) == 2
    assert "run this in the root of the repository" in capsys.readouterr().err
