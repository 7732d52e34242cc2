"""Drafts as careful people write them: the guard may not stand in their way."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from agent.case import Dispute, GuardReport
from agent.guard import check
from agent.money import Money

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders_guard import day, draft, evidence, ordered, rulebook, triage

ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "honest_drafts.jsonl").read_text("utf-8").splitlines()
]


def read(row: dict[str, Any]) -> GuardReport:
    language, issue_type = row["language"], row["issue_type"]
    dispute = Dispute("dp_1Q", "needs_response", "fraudulent", Money(Decimal("74.00"), "GBP"), day(11, 20))
    e = evidence(
        language,
        message=row["message"],
        issue_type=issue_type,
        order=ordered(row["order"], language) if row["order"] else None,
        dispute=dispute if row.get("dispute") else None,
        contacts=row.get("contacts", 1),
    )
    made = draft(row["body"], language, kind=row.get("kind", "reply"))
    return check(made, triage(issue_type, language), e, rulebook())


def test_there_are_enough_honest_drafts_in_both_languages():
    assert len(ROWS) >= 100
    assert min(sum(r["language"] == code for r in ROWS) for code in ("en", "de")) >= 40


def test_at_most_three_percent_of_honest_drafts_are_blocked():
    blocked = {
        r["id"]: [f.message for f in found.findings if f.hard] for r in ROWS if (found := read(r)).verdict == "blocked"
    }
    assert len(blocked) <= 0.03 * len(ROWS), "\n".join(f"{k}: {v}" for k, v in blocked.items())


def test_few_honest_drafts_are_warned_about():
    warned = {r["id"]: [f.message for f in found.findings] for r in ROWS if (found := read(r)).verdict == "warned"}
    assert len(warned) <= 0.15 * len(ROWS), "\n".join(f"{k}: {v}" for k, v in warned.items())
