"""The fact ledger under the eyes of an extractor that was written apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.facts import Evidence, ledger

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders_guard import draft, evidence, ordered
from extractor import audit, records

HONEST = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "flows" / "honest_drafts.jsonl").read_text("utf-8").splitlines()
]


def texts(e: Evidence) -> list[str]:
    """The records of a case, written out for the extractor."""
    return [
        *records([e.messages, e.order, e.dispute, e.store, e.customer, e.case_id, e.contacts]),
        *records([p.text for p in e.policy.values()]), *records([s.text for s in e.clock.values()]),
    ]  # fmt: skip


@pytest.mark.parametrize("row", HONEST, ids=lambda r: r["id"])
def test_the_ledger_lists_and_sources_all_that_the_extractor_finds(row: dict[str, Any]):
    language, at = row["language"], ordered(row["order"], row["language"]) if row["order"] else None
    e = evidence(language, message=row["message"], issue_type=row["issue_type"], order=at)
    assert audit(row["body"], ledger(draft(row["body"], language), e), texts(e)) == []


@pytest.mark.parametrize(
    "body",
    [
        "Your order FH-118820 was placed on 14 March 2026.",
        "The sum of £93.20 and 17 % reach you within 9 days.",
        "Please write to gerald.pike@mailbox.example or open https://evil.example/x.",
        "Die Summe von 1.299,50 € kommt am 03.12.2026, spätestens in 4 Werktagen.",
    ],
)
def test_the_audit_itself_sees_a_ledger_that_calls_foreign_things_sourced(body: str):
    e = evidence()
    honest = ledger(draft(body), e)
    assert audit(body, honest, texts(e)) == []
    lying = [{"start": f.start, "end": f.end, "state": "supported", "source": "message:0"} for f in honest]
    assert len(audit(body, lying, texts(e))) >= 2
    assert len(audit(body, [], texts(e))) >= 2
