"""Pairs of escalations that differ in one decisive fact: exactly the paragraphs about it change in the draft.

A row of pairs.jsonl holds what both have (`base`), what each has for itself (`before`, `after`), and what is expected: one
pattern for each paragraph that goes (`gone`) and for each that comes (`new`), in the order of the letter. Of the fields,
`order` is the number of a known order that the caller gives with the case, `patch` are changes to it by dotted path,
`dispute` gives its bank dispute too, and `verified` is the caller's word on the customer. The subject is the first
paragraph. The hour of the next update hangs on the severity and is left out.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from agent import wording
from agent.case import Proposal
from agent.pipeline import Deps, propose
from tests.fakes import desk

PAIRS: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "pairs.jsonl").read_text("utf-8").splitlines()
]


def escalation(fields: dict[str, Any]) -> dict[str, Any]:
    """The wire form of one side of a pair."""
    wire: dict[str, Any] = {"channel": "email", "text": fields["text"], "customer": fields["customer"]}
    context: dict[str, Any] = {}
    if "order" in fields:
        row = copy.deepcopy(next(r for r in desk.ORDERS if r["id"] == f"FH-{fields['order']}"))
        dispute = row.pop("dispute", None)
        for path, value in fields.get("patch", {}).items():
            *folders, last = path.split(".")
            place: Any = row
            for step in folders:
                place = place[int(step) if step.isdigit() else step]
            place[last] = value
        context = {"order": row, "dispute": dispute if fields.get("dispute") else None}
    if "order" in fields or "verified" in fields:
        wire["context"] = {**context, "customer_verified": fields.get("verified", True)}
    return wire | ({"order_ref": fields["order_ref"]} if "order_ref" in fields else {})


def drafted(deps: Deps, fields: dict[str, Any]) -> Proposal:
    return asyncio.run(propose(desk.escalation(escalation(fields)), deps, now=desk.NOW))


def letter(p: Proposal, deps: Deps) -> list[str]:
    """Subject and paragraphs, the next update's hour left out."""
    assert p.draft
    text = f"{p.draft.subject}\n\n{p.draft.body}"
    for promise in p.draft.promises:
        if promise.due:
            text = text.replace(wording.instant(promise.due, p.draft.language, deps.pack.store.time_zone), "<slot>")
    return text.split("\n\n")


def test_there_are_pairs_enough_of_many_facts_in_both_languages():
    assert len(PAIRS) >= 60
    assert len({p["id"] for p in PAIRS}) == len(PAIRS)
    assert len({p["fact"] for p in PAIRS}) >= 12
    assert min(sum(p["language"] == language for p in PAIRS) for language in ("en", "de")) >= 20


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: p["id"])
def test_one_decisive_fact_changes_exactly_its_own_paragraphs(deps: Deps, pair: dict[str, Any]):
    before, after = (drafted(deps, pair["base"] | pair[side]) for side in ("before", "after"))
    assert before.draft
    assert after.draft
    assert before.draft.language == after.draft.language == pair["language"]
    assert before.triage.issue_type == after.triage.issue_type
    assert not [f for p in (before, after) for f in p.guard.findings if f.hard]
    old, new = letter(before, deps), letter(after, deps)
    gone, come = [p for p in old if p not in new], [p for p in new if p not in old]
    assert [bool(re.search(x, p)) for x, p in zip(pair["gone"], gone, strict=True)] == [True] * len(gone), gone
    assert [bool(re.search(x, p)) for x, p in zip(pair["new"], come, strict=True)] == [True] * len(come), come
