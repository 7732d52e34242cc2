from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model

from agent import guard, pipeline
from agent.case import Finding, GuardReport, Proposal
from agent.output import as_json
from agent.pipeline import Deps, propose
from agent.tools import CLASSIFY, FINAL, ROUTE
from retrieval.precedent import Found, Query
from tests.fakes.desk import NOW, Book, escalation, pack, pinned

BROKEN = {
    "id": "case_7", "channel": "email", "text": "My Halo desk lamp, order FH-104233, arrived cracked. Photos attached.",
    "customer": {"name": "Hanna Brandt", "email": "hanna.brandt@mailbox.example"},
}  # fmt: skip


class BoomError(Exception):
    """What no step expects."""


class Raises:
    """A part whose every method raises."""

    def __init__(self, error: BaseException | None = None) -> None:
        self._error = error or BoomError("the disk is on fire; secret-path/token")

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any, **__: Any) -> Any:
            raise self._error

        return fail


class Scripted(Model):
    """A model that answers with these parts, one answer a request, the last one for ever."""

    model_name = property(lambda _: "scripted")
    system = property(lambda _: "scripted")

    def __init__(self, *answers: Any) -> None:
        super().__init__()
        self.answers = list(answers)
        self.requests = 0

    async def request(self, messages: Any, model_settings: Any, model_request_parameters: Any) -> ModelResponse:
        answer = self.answers[min(self.requests, len(self.answers) - 1)]
        self.requests += 1
        if isinstance(answer, BaseException):
            raise answer
        return ModelResponse(parts=answer, model_name="scripted")


@pytest.fixture
def deps() -> Deps:
    return pinned("damaged_or_defective", "S3")


def run(deps: Deps, payload: dict[str, Any] | None = None, **more: Any) -> Proposal:
    return asyncio.run(propose(escalation({**BROKEN, **(payload or {})}), deps, now=NOW, **more))


def decided(severity: str = "S3", team: str = "fulfilment", **more: Any) -> list[Any]:
    """All three decisions of an engine in one answer."""
    body = more.pop("body", "I am sorry that the lamp arrived cracked.")
    return [
        ToolCallPart(CLASSIFY, {"severity": severity, "criteria": [], "reason": "as read", "confidence": 0.8}),
        ToolCallPart(ROUTE, {"primary_team": team, "collaborators": [team, "returns"], "reason": "goods", **more}),
        ToolCallPart(FINAL, {"kind": "reply", "subject": "Your lamp", "body": body}),
    ]


def to_a_human(made: Proposal, reason: str) -> None:
    """It is a whole proposal that waits for a person and says why."""
    assert made.state == "needs_human"
    assert reason in made.state_reason
    assert made.draft is None
    assert made.degraded
    assert made.degraded_reason
    assert made.case_id == "case_7"
    assert made.triage.primary_team in pack().teams
    assert [c.metric for c in made.clocks]
    assert "secret" not in str(as_json(made))


# --- the fall to a human ------------------------------------------------------------------------------------------


def test_the_desk_as_it_is_makes_a_draft(deps: Deps):
    made = run(deps)
    assert made.state == "ready", made.state_reason
    assert made.draft is not None
    assert made.engine == "embedded"
    assert not made.degraded
    assert {"understand", "triage", "retrieve", "prompt", "engine", "guard", "total"} == set(made.timing_ms)


@pytest.mark.parametrize("part", ["reader", "orders", "classifier", "search"])
def test_a_part_that_raises_while_the_case_is_read_hands_it_to_a_person(deps: Deps, part: str):
    made = run(replace(deps, **{part: Raises()}))
    to_a_human(made, "the case could not be read (BoomError); a person must look at it")
    assert made.triage.severity == "S2"
    assert made.triage.needs_human
    assert "no precedents because" in made.precedents_note


@pytest.mark.parametrize(
    "error", [BoomError("x"), ValueError("x"), KeyError("x"), RecursionError(), AssertionError(), OSError("x")]
)
def test_an_engine_that_raises_hands_the_case_over_with_its_triage(deps: Deps, error: Exception):
    made = run(replace(deps, model=Scripted(error)))
    to_a_human(made, f"no draft could be written ({type(error).__name__})")
    assert made.triage.issue_type == "damaged_or_defective"
    assert made.triage.severity == "S3"
    assert [e.value for e in made.entities.of("order_id")] == ["FH-104233"]


def test_prompts_that_cannot_be_rendered_hand_the_case_over(deps: Deps):
    class Broken:
        all = deps.prompts.all

        def render(self, *_: Any) -> str:
            raise BoomError

    to_a_human(run(replace(deps, prompts=Broken())), "no draft could be written (BoomError)")  # pyright: ignore


def test_a_guard_that_raises_never_lets_its_draft_through(deps: Deps, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any) -> GuardReport:
        raise BoomError

    monkeypatch.setattr(guard, "check", fail)
    to_a_human(run(deps), "no draft could be written (BoomError)")


def test_an_engine_that_says_nothing_useful_hands_the_case_over(deps: Deps):
    model = Scripted([TextPart("I would rather not.")])
    to_a_human(run(replace(deps, model=model)), "no draft could be written")
    assert model.requests <= deps.limits.answers + 2


def test_an_engine_that_never_comes_to_an_end_is_stopped(deps: Deps):
    model = Scripted([ToolCallPart("search_precedents", {"query": "lamp"})])
    to_a_human(run(replace(deps, model=model)), "no draft could be written")
    assert model.requests <= deps.limits.answers + 2


def test_what_failed_is_logged_with_the_case(deps: Deps, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR, logger=pipeline.__name__):
        run(replace(deps, reader=Raises()))  # pyright: ignore
    assert "case case_7 could not be read" in caplog.text


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit()])
def test_an_order_to_stop_is_not_taken_for_a_failure(deps: Deps, error: BaseException):
    with pytest.raises(type(error)):
        run(replace(deps, model=Scripted(error)))


def test_an_index_that_is_down_costs_the_precedents_and_nothing_else(deps: Deps):
    class Down:
        def search(self, query: Query) -> Found:
            return Found(note="no precedents because the index is being rebuilt")

    made = run(replace(deps, search=Down()))
    assert made.state == "ready"
    assert made.precedents == ()
    assert made.precedents_note == "no precedents because the index is being rebuilt"


# --- what an engine may decide ------------------------------------------------------------------------------------


def test_an_engine_may_raise_the_severity_and_name_another_team(deps: Deps):
    made = run(replace(deps, model=Scripted(decided("S2", "returns", issue_type="return_refund_dispute"))))
    assert (made.triage.severity, made.triage.severity_reason) == ("S2", "as read")
    assert (made.triage.primary_team, made.triage.collaborators) == ("returns", ())
    assert made.triage.issue_type == "return_refund_dispute"
    assert made.triage.confidence["severity"] == 0.8
    assert [c.due_at for c in made.clocks] != [c.due_at for c in run(deps).clocks]


def test_an_engine_that_goes_below_the_floor_is_sent_back_until_it_stops(deps: Deps):
    third = {"text": BROKEN["text"] + " This is the third time I write to you."}
    stubborn = Scripted(decided("S4"))
    made = run(replace(deps, model=stubborn), third)
    assert made.triage.severity == "S2"
    assert made.state == "needs_human"
    yielding = Scripted(decided("S4"), decided("S2"))
    made = run(replace(deps, model=yielding), third)
    assert made.triage.severity == "S2"
    assert made.draft is not None
    assert yielding.requests == 2


def test_an_unknown_team_is_sent_back_with_the_known_ones(deps: Deps):
    model = Scripted(decided(team="complaints"), decided(team="returns"))
    made = run(replace(deps, model=model))
    assert made.triage.primary_team == "returns"
    assert model.requests == 2


def test_an_engine_may_add_a_human_lead_and_never_take_one_away(deps: Deps):
    added = run(replace(deps, model=Scripted(decided(team="support_lead", issue_type="conduct_or_welfare"))))
    assert added.triage.human_lead
    assert added.triage.human_lead_reason
    grieving = {"text": "My husband passed away last month. Please close his account, order FH-104233."}
    calm = Scripted(decided())
    made = run(replace(deps, model=calm), grieving)
    assert made.triage.human_lead
    assert made.state == "needs_human"


def test_where_a_person_leads_the_desk_writes_a_brief_that_waits_for_them():
    made = run(pinned("conduct_or_welfare", "S3"), {"text": "Your courier swore at my mother at the door today."})
    assert made.draft is not None
    assert made.draft.kind == "brief"
    assert made.state == "needs_human"
    assert made.state_reason == made.triage.human_lead_reason


# --- states -------------------------------------------------------------------------------------------------------


def test_a_hard_finding_blocks_and_is_the_reason(deps: Deps, monkeypatch: pytest.MonkeyPatch):
    findings = (Finding("soft", False, "a little long"), Finding("money", True, "promises money that nothing backs"))
    monkeypatch.setattr(guard, "check", lambda *_: GuardReport("blocked", findings))
    made = run(deps)
    assert (made.state, made.state_reason) == ("blocked", "promises money that nothing backs")


def test_a_soft_finding_does_not_block(deps: Deps, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard, "check", lambda *_: GuardReport("warned", (Finding("soft", False, "a little long"),)))
    assert run(deps).state == "ready"


def test_an_uncertain_type_waits_for_a_person(deps: Deps):
    from tests.fakes.desk import Pinned

    made = run(replace(deps, classifier=Pinned("damaged_or_defective", "S3", sure=0.3)))
    assert made.state == "needs_human"
    assert "uncertain" in made.state_reason


def test_what_is_missing_is_a_flag_and_a_list(deps: Deps):
    made = run(deps, {"text": "My lamp arrived broken and I am not happy about it at all."})
    assert made.missing_facts == ("order_id", "photos")
    assert "missing_facts" in made.triage.flags
    assert "missing_facts" not in run(deps).triage.flags


def test_the_tools_show_the_order_of_this_verified_customer_alone(deps: Deps):
    asked: list[Any] = []

    class Curious(Scripted):
        async def request(self, messages: Any, *rest: Any) -> ModelResponse:
            asked.append(messages[-1])
            return await super().request(messages, *rest)

    look = [
        ToolCallPart("look_up_order", {"order_id": "FH-104310"}),
        ToolCallPart("look_up_order", {"order_id": "FH-104233"}),
    ]
    book = Book()
    run(replace(deps, model=Curious(look, decided()), orders=book))
    answers = [p.content for p in asked[1].parts]
    assert answers[0] == {"found": False, "why": "no such order of this verified customer"}
    assert answers[1]["id"] == "FH-104233"
    assert "FH-104310" not in book.asked
    asked.clear()
    run(replace(deps, model=Curious(look, decided())), {"customer": {"email": "stranger@mailbox.example"}})
    assert [p.content.get("found") for p in asked[1].parts] == [False, False]


def test_versions_say_what_made_the_proposal(deps: Deps):
    made = run(deps)
    assert made.versions["pack"] == pack().version
    kind = made.triage.issue_type
    prompts = {"triage", "draft/case", f"draft/{kind}", f"reply/en/{kind}"}
    assert {"pack", "classifier", "encoder", *prompts} == set(made.versions)
    assert all(made.versions[id_] == deps.prompts.version(id_)[:16] for id_ in prompts)


def test_two_runs_of_one_case_are_equal_but_for_the_time_they_took(deps: Deps):
    a, b = run(deps), run(deps)
    assert replace(a, timing_ms={}) == replace(b, timing_ms={})
