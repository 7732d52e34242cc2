from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.output import as_json
from agent.pipeline import propose
from agent.recheck import Recheck, lapsed
from tests.fakes.desk import NOW, STORE, Book, escalation, pinned, prompts

ROWS = [
    json.loads(line) for line in (STORE / "open_cases.jsonl").read_text(encoding="utf-8").splitlines() if line.strip()
]
LAMP = {
    "id": "case_7", "text": "My Halo desk lamp, order FH-104233, arrived cracked. Photos attached.",
    "customer": {"name": "Hanna Brandt", "email": "hanna.brandt@mailbox.example"},
}  # fmt: skip


def drafted(row: dict[str, Any], at: datetime) -> tuple[Recheck, Any, dict[str, Any]]:
    deps = pinned("damaged_or_defective", "S3")
    case = escalation(row, now=at)
    proposal = as_json(asyncio.run(propose(case, deps, now=at)))
    return Recheck(deps.pack, prompts(), deps.rulebook, deps.orders), case, proposal


def hard(report: Any) -> set[str]:
    return {f.message for f in report.findings if f.hard}


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_draft_that_nobody_changed_reads_the_same_hours_later(row: dict[str, Any]):
    at = datetime.fromisoformat(row["received_at"]) + timedelta(hours=1, seconds=7)
    check, case, proposal = drafted(row, at)
    if not proposal["draft"] or proposal["draft"]["kind"] == "brief":
        assert proposal["human_lead"]  # no text to the customer to read again
        return
    before = {f["message"] for f in proposal["guard"]["findings"] if f["hard"]}
    for later in (at, at + timedelta(hours=3)):
        report = check.run(case, proposal, proposal["draft"], now=later, answered=False)
        assert hard(report) <= before
        assert {f.state for f in report.facts} <= {f["state"] for f in proposal["guard"]["facts"]} | {"supported"}


@pytest.mark.parametrize(
    "words",
    [
        "We have sent you 900.00 GBP today.", "Please write to boss@elsewhere.example.", "Your tracking is 1Z999AA10123456784.",
        "See https://evil.example/refund for your refund.", "We will refund twice what you paid.",
        "It was our fault and we admit liability.", "Please send us your full card number and the CVV.",
    ],
)  # fmt: skip
def test_words_of_a_person_are_held_to_the_same_rules(words: str):
    check, case, proposal = drafted(LAMP, NOW)
    body = {**proposal["draft"], "body": proposal["draft"]["body"] + "\n\n" + words}
    assert hard(check.run(case, proposal, body, now=NOW, answered=False))


def test_words_that_say_nothing_new_pass():
    check, case, proposal = drafted(LAMP, NOW)
    body = {
        **proposal["draft"],
        "body": proposal["draft"]["body"].replace("\n\n", "\n\nThank you for your patience.\n\n", 1),
    }
    assert not hard(check.run(case, proposal, body, now=NOW + timedelta(hours=2), answered=False))


def test_an_answer_after_the_first_need_not_say_all_that_the_first_must():
    check, case, proposal = drafted(LAMP, NOW)
    body = {**proposal["draft"], "body": "Dear Hanna,\n\nthank you for the photos.\n\nKind regards,\nFernhill"}
    first = check.run(case, proposal, body, now=NOW, answered=False)
    later = check.run(case, proposal, body, now=NOW, answered=True)
    assert len(later.findings) < len(first.findings)


def test_an_order_of_somebody_else_is_no_evidence():
    row = {**LAMP, "customer": {"name": "Eve Stone", "email": "eve@stone.example"}}
    check, case, proposal = drafted(row, NOW)
    order = Book().order("FH-104233")
    assert order is not None
    assert order.total is not None
    body = {
        **proposal["draft"],
        "body": proposal["draft"]["body"] + f"\n\nYou paid {order.total.amount} {order.total.currency}.",
    }
    assert hard(check.run(case, proposal, body, now=NOW, answered=False))


def test_a_promise_lapses_when_its_time_has_passed():
    body = {"promises": [{"due_at": None}, {"due_at": NOW.isoformat()}]}
    assert not lapsed(body, NOW)
    assert lapsed(body, NOW + timedelta(minutes=1))
