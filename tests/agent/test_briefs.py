from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from agent.prompts import load_prompts

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders_view import LANGUAGES, PROMPTS, TEXTS, view

WRITTEN = load_prompts(PROMPTS)


def paragraphs(text: str) -> list[str]:
    return text.strip().split("\n\n")


WHO = {
    "grief": ("the customer is grieving", "billing_dispute", [], "sad"),
    "danger": ("conduct or welfare is the matter", "conduct_or_welfare", ["vulnerable"], "sad"),
    "conduct": ("conduct or welfare is the matter", "conduct_or_welfare", [], "plain"),
    "press": ("a press story is live", "legal_or_press_threat", ["press"], "plain"),
    "furious": ("an executive or key account is furious", "executive_complaint", [], "angry"),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("who", WHO)
def test_a_brief_gives_facts_limits_and_three_openings(language: str, who: str):
    reason, issue_type, flags, tone = WHO[who]
    brief = {
        "timeline": [{"on": "1 May", "who": "customer", "what": "first message"}],
        "earlier_promises": ["a call on Monday"],
        "options": [{"kind": "goodwill_credit", "amount": "£25.00", "policy": "", "within": "reviewer"}],
        "avoid": ["the earlier template"],
    }
    over = {"human_lead_reason": reason, "flags": flags, "tone": tone, "brief": brief}
    text = WRITTEN.render(f"brief/{language}", view(issue_type, language, **over, said={"quote": "Enough."}))
    for part in ("1 May", "a call on Monday", "£25.00", "the earlier template", "Enough.", "FH-104233"):
        assert part in text
    assert re.search(TEXTS[language]["openings"][who], text)
    assert len(re.findall(r"^- [\"„«“]", paragraphs(text)[-1], re.MULTILINE)) == 3
    assert not re.search(r"\{|\[\[|  | \.(?!\.)", text)


def test_an_empty_brief_says_that_there_is_nothing():
    text = WRITTEN.render("brief/en", view("conduct_or_welfare"))
    assert "Nothing before this message." in text
    assert "None that we know of." in text
