from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from agent.case import (
    Citation,
    Draft,
    Entities,
    Entity,
    EntityKind,
    Promise,
    Proposal,
    ProposedAction,
    Span,
    Usage,
)
from agent.money import Money
from agent.output import as_json
from agent.pipeline import propose
from tests.fakes.desk import NOW, escalation, pinned

FIELDS = {
    "case_id", "engine", "degraded", "issue_type", "severity", "severity_reason", "severity_floor", "confidence",
    "primary_team", "collaborators", "flags", "human_lead", "human_lead_reason", "language", "entities", "precedents",
    "draft", "guard", "clocks", "missing_facts", "timing_ms", "usage",
}  # fmt: skip
"""What the interface promises to carry always."""


@pytest.fixture(scope="module")
def proposal() -> Proposal:
    case = escalation({
        "text": "My Halo desk lamp, order FH-104233, arrived cracked. I paid £74.00 on 14 November. Photos attached.",
        "customer": {"name": "Hanna Brandt", "email": "hanna.brandt@mailbox.example"},
    })  # fmt: skip
    return asyncio.run(propose(case, pinned("damaged_or_defective", "S3"), now=NOW))


def test_every_field_of_the_interface_is_there(proposal: Proposal):
    told = as_json(proposal)
    assert set(told) >= FIELDS
    assert set(told["confidence"]) == {"issue_type", "severity", "route"}
    assert set(told["draft"]) >= {"id", "kind", "subject", "body", "citations", "promises", "proposed_actions"}
    assert set(told["guard"]) == {"verdict", "findings", "facts"}
    assert set(told["usage"]) == {"requests", "input_tokens", "output_tokens", "cost_usd"}


def test_it_is_plain_json(proposal: Proposal):
    told = as_json(proposal)
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_a_proposal_without_a_draft_says_null(proposal: Proposal):
    assert as_json(replace(proposal, draft=None))["draft"] is None


def test_entities_stand_under_their_kind_with_value_text_and_span(proposal: Proposal):
    found = as_json(proposal)["entities"]
    (amount,) = found["amounts"]
    assert (amount["value"], amount["currency"], amount["text"]) == ("74.00", "GBP", "£74.00")
    assert "detail" not in amount
    (order,) = found["order_ids"]
    text = "My Halo desk lamp, order FH-104233, arrived"
    assert text[order["span"]["start"] : order["span"]["end"]] == order["text"]
    assert order["span"]["message"] == 0
    assert found["phones"] == []


@pytest.mark.parametrize("kind", get_args(EntityKind))
def test_every_kind_of_entity_has_a_place(proposal: Proposal, kind: Any):
    one = Entities((Entity(kind, "v", "t", Span(0, 0, 1), "d"),))
    told = as_json(replace(proposal, entities=one))["entities"]
    assert [name for name, found in told.items() if found] != []
    assert sum(len(found) for found in told.values()) == 1


def test_instants_are_utc_with_a_z_and_money_has_its_currency(proposal: Proposal):
    draft = Draft(
        "reply", "S", "B", "en",
        citations=(Citation("policy", "returns-window"),),
        promises=(Promise("refund", "We refund it.", datetime(2026, 11, 25, 15, tzinfo=UTC), Money(Decimal("11.5"), "EUR"), "policy:x"),),
        proposed_actions=(ProposedAction("refund", "as asked", Money(Decimal(7), "GBP"), "refund-window"), ProposedAction("call", "")),
    )  # fmt: skip
    told = as_json(replace(proposal, draft=draft))["draft"]
    assert told["promises"] == [
        {"action": "refund", "text": "We refund it.", "due_at": "2026-11-25T15:00:00Z",
         "money": {"amount": "11.50", "currency": "EUR"}, "backed_by": "policy:x"},
    ]  # fmt: skip
    assert told["proposed_actions"][0]["money"] == {"amount": "7.00", "currency": "GBP"}
    assert told["proposed_actions"][1]["money"] is None
    assert told["citations"] == [{"source": "policy", "ref": "returns-window"}]


def test_clocks_without_an_instant_say_null(proposal: Proposal):
    clocks = [replace(proposal.clocks[0], due_at=None, target="on change")]
    assert as_json(replace(proposal, clocks=tuple(clocks)))["clocks"][0]["due_at"] is None
    assert all(c["due_at"].endswith("Z") for c in as_json(proposal)["clocks"] if c["due_at"])


def test_a_price_is_told_exactly_or_as_unknown(proposal: Proposal):
    priced = as_json(replace(proposal, usage=Usage(2, 900, 80, Decimal("0.00123"))))["usage"]
    assert priced == {"requests": 2, "input_tokens": 900, "output_tokens": 80, "cost_usd": "0.00123"}
    assert as_json(replace(proposal, usage=Usage()))["usage"]["cost_usd"] is None
