"""One flow suite for every engine: what holds of a proposal, whoever wrote it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

from agent.case import Proposal
from agent.embedded import write
from agent.llm import EMBEDDED, Limits, build_model
from agent.llm_request import Endpoint
from agent.pipeline import Deps, propose
from tests.fakes import desk
from tests.fakes.llm_wires import own_clients  # noqa: F401 - fixture
from tests.fakes.provider import FAULTS, Provider
from tests.flows.situations import LAMP, SITUATIONS, Situation, who

pytestmark = pytest.mark.asks_models

MODEL = "openai/gpt-4o-mini"
ENGINES = (EMBEDDED, MODEL)
THANKS = {"en": "We are glad that you told us.", "de": "Gut, dass Sie uns das sagen."}
"""What the fake provider adds to every letter, so that its hand is seen."""


def good_answer(request: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a careful model makes of the case file in its prompt."""
    prompt = next(m["content"] for m in request["messages"] if m["role"] == "user")
    file = json.loads(prompt.split("<case_file>\n")[1].split("\n</case_file>")[0])
    letter = write(desk.prompts(), file)
    opening, rest = letter["body"].split("\n\n", 1)
    letter["body"] = f"{opening}\n\n{THANKS[file['language']]} {rest}" if letter["kind"] != "brief" else letter["body"]
    severity = {**file["triage"]["severity"], "reason": "judged by the model", "confidence": 0.8}
    return {"classify_severity": severity, "route_team": file["triage"]["route"], "final_result": letter}


def run(
    deps: Deps, wire: dict[str, Any], engine: str = EMBEDDED, *script: str, limits: Limits | None = None
) -> tuple[Proposal, Provider | None]:
    """The proposal for an escalation by this engine; `script` makes the provider misbehave."""
    case = desk.escalation(wire)

    async def go() -> tuple[Proposal, Provider | None]:
        if engine == EMBEDDED:
            return await propose(case, deps, now=desk.NOW), None
        async with Provider(script or ("ok",), answers=good_answer) as provider:
            model = build_model(
                [engine],
                embedded=deps.model,
                limits=limits,
                endpoints={engine: Endpoint(provider.base_url, "test-key")},
                sleep=lambda _: asyncio.sleep(0),
            )
            try:
                return await propose(case, replace(deps, model=model), now=desk.NOW), provider
            finally:
                await close_litellm_async_clients()

    return asyncio.run(go())


# --- what holds for any engine ---------------------------------------------------------------------------------------


def a_draft_is_there(p: Proposal, _: Situation) -> None:
    assert p.draft is not None
    assert p.draft.subject.strip()
    assert len(p.draft.body.split()) > 20


def what_is_not_ready_says_why(p: Proposal, _: Situation) -> None:
    assert (p.state == "ready") == (p.state_reason == "")
    assert (p.state == "blocked") == (p.guard.verdict == "blocked") == any(f.hard for f in p.guard.findings)


def the_floor_is_never_undercut(p: Proposal, s: Situation) -> None:
    order = desk.pack().severity_order
    if p.triage.severity_floor:
        assert order.index(p.triage.severity) <= order.index(p.triage.severity_floor)
    if s.least:
        assert order.index(p.triage.severity) <= order.index(s.least), p.triage.severity_reason


def a_led_case_gets_a_brief_and_a_person(p: Proposal, _: Situation) -> None:
    if p.triage.human_lead:
        assert p.draft is not None
        assert (p.draft.kind, p.state) == ("brief", "needs_human")
        assert p.triage.human_lead_reason


def every_fact_has_a_source(p: Proposal, _: Situation) -> None:
    for fact in p.guard.facts:
        assert fact.state in {"supported", "derived"}, fact
        assert fact.source, fact


def clocks_run_from_the_start(p: Proposal, _: Situation) -> None:
    due = {c.metric: c.due_at for c in p.clocks}
    assert {"first_reply", "next_update", "resolution"} <= due.keys()
    first, last = due["first_reply"], due["resolution"]
    assert first is not None
    assert last is not None
    assert first < last


def confidence_is_a_probability(p: Proposal, _: Situation) -> None:
    assert p.triage.confidence.keys() == {"issue_type", "severity", "route"}
    assert all(0 <= v <= 1 for v in p.triage.confidence.values())


def no_case_is_silent_about_the_past(p: Proposal, _: Situation) -> None:
    assert p.precedents or p.precedents_note.startswith("no precedents because")


def the_rest_of_the_situation_holds(p: Proposal, s: Situation) -> None:
    assert p.draft is not None
    text = f"{p.draft.subject}\n{p.draft.body}"
    if s.type:
        assert p.triage.issue_type == s.type
        assert p.triage.primary_team == desk.pack().issue_types[s.type].primary_team
    if s.state:
        assert p.state == s.state, p.state_reason
    if s.kind:
        assert p.draft.kind == s.kind
    if s.language:
        assert p.triage.language == s.language
    assert p.draft.language == (s.language if s.language in desk.pack().store.languages else "en")
    assert [w for w in s.says if w not in text] == []
    if p.draft.kind != "brief":
        assert [w for w in s.never if w in text] == []
    assert set(s.missing) <= set(p.missing_facts)
    assert s.flags <= set(p.triage.flags)


ALWAYS: tuple[Callable[[Proposal, Situation], None], ...] = (
    a_draft_is_there, what_is_not_ready_says_why, the_floor_is_never_undercut, a_led_case_gets_a_brief_and_a_person,
    every_fact_has_a_source, clocks_run_from_the_start, confidence_is_a_probability, no_case_is_silent_about_the_past,
    the_rest_of_the_situation_holds,
)  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.id)
def test_a_situation_ends_well_on_every_engine(deps: Deps, situation: Situation, engine: str):
    proposal, provider = run(deps, situation.wire, engine)
    for holds in ALWAYS:
        holds(proposal, situation)
    assert (proposal.engine, proposal.degraded, proposal.degraded_reason) == (engine, False, "")
    if provider:
        assert provider.count == proposal.usage.requests == 1
        assert proposal.triage.severity_reason == "judged by the model"
        assert proposal.draft is not None
        assert proposal.draft.kind == "brief" or THANKS[proposal.draft.language] in proposal.draft.body


def test_the_situations_cover_every_issue_type_and_both_languages():
    assert {s.type for s in SITUATIONS if s.type} == desk.pack().issue_types.keys()
    assert {"en", "de"} <= {s.language for s in SITUATIONS}


def test_a_warning_of_intake_is_kept_for_a_date_in_the_future():
    wire = next(s for s in SITUATIONS if s.warns).wire
    assert any("lies in the future" in w for w in desk.escalation(wire).warnings)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "injected", [s for s in SITUATIONS if s.id.startswith("injected") and LAMP in s.wire["text"]], ids=lambda s: s.id
)
def test_an_instruction_in_a_message_changes_nothing_of_the_triage(deps: Deps, injected: Situation, engine: str):
    plain = {"text": f"{LAMP}\n\nHanna Brandt", "customer": who("Hanna Brandt")}
    clean, bent = run(deps, plain, engine)[0].triage, run(deps, injected.wire, engine)[0].triage
    assert (bent.issue_type, bent.severity, bent.primary_team) == (clean.issue_type, clean.severity, clean.primary_team)


def test_the_prompt_of_an_unverified_customer_holds_no_fact_of_the_order(deps: Deps):
    wire = next(s for s in SITUATIONS if s.id == "other-customers-order").wire
    provider = run(deps, wire, MODEL)[1]
    assert provider is not None
    sent = json.dumps(provider.requests[0]["messages"], ensure_ascii=False)
    assert not re.search(r"549|Okafor|Crema espresso|PW0\d+|6 November", sent)


def test_a_note_on_an_order_never_reaches_the_model(deps: Deps):
    wire = next(s for s in SITUATIONS if s.id == "injected-order-note").wire
    provider = run(deps, wire, MODEL)[1]
    assert provider is not None
    assert "ignore your rules" not in json.dumps(provider.requests)


# --- a provider that fails -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in {"hang", "headers_hang", "drip"}])
def test_a_provider_that_fails_leaves_an_embedded_draft_that_says_so(deps: Deps, fault: str):
    proposal, provider = run(deps, SITUATIONS[0].wire, MODEL, fault)
    assert provider is not None
    assert provider.count >= 1
    for holds in ALWAYS:
        holds(proposal, SITUATIONS[0])
    assert (proposal.engine, proposal.degraded) == (EMBEDDED, True)
    assert proposal.degraded_reason.startswith(f"{MODEL}: ")


@pytest.mark.parametrize("fault", ["hang", "headers_hang", "drip"])
def test_a_provider_that_keeps_the_desk_waiting_is_left_at_the_deadline(deps: Deps, fault: str):
    proposal, _ = run(deps, SITUATIONS[0].wire, MODEL, fault, limits=Limits(answer_s=0.3))
    assert (proposal.engine, proposal.degraded, proposal.state) == (EMBEDDED, True, "ready")
    assert "did not answer within 0.3 seconds" in proposal.degraded_reason


def test_a_provider_that_comes_back_within_the_tries_is_not_degraded(deps: Deps):
    proposal, provider = run(deps, SITUATIONS[0].wire, MODEL, "503", "429 0", "ok")
    assert provider is not None
    assert (proposal.engine, proposal.degraded, proposal.usage.requests) == (MODEL, False, 3)


def test_what_a_failed_provider_said_is_not_in_the_proposal(deps: Deps):
    proposal, _ = run(deps, SITUATIONS[0].wire, MODEL, "400 Hanna Brandt lives in Leeds")
    assert "Leeds" not in repr(proposal)


# --- a part that fails -----------------------------------------------------------------------------------------------


class Broken:
    """Any part of the desk that was loaded and then breaks."""

    version = fingerprint = ""

    def __getattr__(self, name: str) -> Any:
        raise OSError("disk is full")


@pytest.mark.parametrize("part", ["reader", "classifier", "orders", "search", "rulebook", "model", "prompts"])
def test_a_part_that_fails_gives_the_case_to_a_person_with_a_reason(deps: Deps, part: str):
    proposal, _ = run(replace(deps, **{part: Broken()}), SITUATIONS[0].wire)
    assert proposal.state == "needs_human"
    assert proposal.state_reason
    assert "disk" not in proposal.state_reason
    assert proposal.clocks
    assert proposal.draft is None or part == "search"


def test_the_same_case_gives_the_same_proposal_twice(deps: Deps):
    for situation in SITUATIONS[::5]:
        first, second = (replace(run(deps, situation.wire)[0], timing_ms={}) for _ in range(2))
        assert first == second


def test_a_case_opened_days_ago_has_clocks_from_then_and_a_next_update_from_now(deps: Deps):
    opened = desk.NOW - timedelta(days=6)
    proposal, _ = run(deps, {**SITUATIONS[0].wire, "received_at": opened.isoformat()})
    first = next(c.due_at for c in proposal.clocks if c.metric == "first_reply")
    assert first is not None
    assert first < desk.NOW
    promised = [p.due for p in proposal.draft.promises] if proposal.draft else []
    assert promised
    assert all(due is not None and due > desk.NOW for due in promised)
