"""The holding update: word by the promised time, although nothing is settled yet."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.case import HOLDING, Proposal
from agent.pipeline import propose
from agent.promises import commitments
from agent.prompts import load_prompts
from tests.fakes.desk import NOW, escalation, pinned

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders_guard import rulebook
from builders_view import ISSUE_TYPES, LANGUAGES, PROMPTS, order, view

LETTERS = load_prompts(PROMPTS)
LED = {"conduct_or_welfare"}
"""Types whose cases a person leads."""
WRITES = {
    "en": "Hello, I wrote to you last week about my Halo desk lamp, order FH-104233, and I am still waiting for your answer.",
    "de": "Guten Tag, ich habe Ihnen letzte Woche wegen meiner Halo desk lamp geschrieben, Bestellung FH-104233, und warte noch auf Ihre Antwort.",
    "fr": "Bonjour, je vous ai écrit la semaine dernière au sujet de ma Halo desk lamp, commande FH-104233, et j'attends toujours votre réponse.",
    "es": "Hola, les escribí la semana pasada sobre mi Halo desk lamp, pedido FH-104233, y todavía espero su respuesta.",
    "it": "Buongiorno, vi ho scritto la settimana scorsa per la mia Halo desk lamp, ordine FH-104233, e aspetto ancora la vostra risposta.",
    "nl": "Hallo, ik heb u vorige week geschreven over mijn Halo desk lamp, bestelling FH-104233, en ik wacht nog steeds op uw antwoord.",
    "pt": "Olá, escrevi-vos na semana passada sobre a minha Halo desk lamp, encomenda FH-104233, e continuo à espera da vossa resposta.",
}
TYPES = tuple(t for t in ISSUE_TYPES if t not in LED)
EVERY = [pytest.param(t, language, id=f"{language}-{t}") for t in TYPES for language in LANGUAGES]


def asked(issue_type: str, language: str, *, hint: str = HOLDING, human_lead: bool = False, **more: Any) -> Proposal:
    case = {
        "id": "case_7", "channel": "email", "text": WRITES[language],
        "customer": {"name": "Hanna Brandt", "email": "hanna.brandt@mailbox.example"}, **more,
    }  # fmt: skip
    deps = pinned(issue_type, "S3", human_lead=human_lead)
    return asyncio.run(propose(escalation(case), deps, now=NOW, hint=hint))


def message(text: str) -> str:
    """What stands between subject, greeting and closing."""
    return " ".join(text.strip().split("\n\n")[2:-1])


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_][\w.@'’-]*", text)


def lix(text: str) -> float:
    """Words in a sentence, and the percentage of long words; below 50 is easy to read."""
    plain = re.sub(r"\S+@\S+|case_\S+", "x", text)
    found = re.findall(r"[^\W\d_]+", plain)
    ends = len(re.findall(r"[.!?:;](?=\s|$)", plain))
    return len(found) / ends + 100 * sum(len(w) > 6 for w in found) / len(found)


def letter(issue_type: str, language: str, **over: Any) -> str:
    return LETTERS.compose(f"reply/{language}/{HOLDING}", view(issue_type, language, **over)).text


def situations(language: str) -> list[dict[str, Any]]:
    none = {"order_id": "", "item": "", "items": []}
    return [
        {},
        {"contact": {"name": ""}},
        {"customer": {"name": ""}, "said": none},
        {"said": {**none, "order_id": "FH-104233"}},
        {"said": none, "order": order(language)},
        {"said": {"items": ["Pebble mugs", "Halo desk lamp"]}},
        {"said": {"notice": True}},
        {"said": {"contacts": 4, "wants": "refund", "harms": ["it broke"], "own_words": "It hums"}, "tone": "angry"},
        {"missing": ["photos", "order_id"]},
        {"clock": {"next_update": ""}},
    ]


# --- the whole way ---


@pytest.mark.parametrize(("issue_type", "language"), EVERY)
def test_a_holding_update_is_a_letter_that_the_guard_has_nothing_against(issue_type: str, language: str):
    made = asked(issue_type, language)
    assert made.draft is not None
    assert (made.triage.issue_type, made.draft.language) == (issue_type, language)
    assert made.state == "ready", made.state_reason
    assert made.guard.findings == ()
    assert made.draft.kind == "reply"
    assert made.draft.proposed_actions == ()
    first = asked(issue_type, language, hint="").draft
    assert first is not None
    assert made.draft.body != first.body


@pytest.mark.parametrize(("issue_type", "language"), EVERY)
def test_it_promises_the_next_update_by_the_clock_and_nothing_else(issue_type: str, language: str):
    draft = asked(issue_type, language).draft
    assert draft is not None
    (promise,) = draft.promises
    (read,) = commitments(draft.body, language, rulebook().phrases, NOW)
    assert promise.due is not None
    assert promise.backed_by == "clock:next_update"
    assert (read.action, read.due, read.text) == ("update", promise.due.date(), promise.text)


@pytest.mark.parametrize(("issue_type", "language"), EVERY)
def test_the_next_update_of_every_first_letter_is_kept_as_the_promise_of_an_update(issue_type: str, language: str):
    draft = asked(issue_type, language, hint="").draft
    assert draft is not None
    slot = next(p.due for p in draft.promises if p.due)
    read = commitments(draft.body, language, rulebook().phrases, NOW)
    assert [c.due for c in read if c.action == "update"] == [slot.date()]


def test_a_case_that_a_person_leads_gets_its_brief():
    made = asked("damaged_or_defective", "en", human_lead=True)
    assert made.draft is not None
    assert made.draft.kind == "brief"
    assert made.state == "needs_human"


def test_a_case_that_still_lacks_what_happened_gets_its_holding_update_and_no_second_question():
    made = asked("other_unclear", "en", text="Hello? Order FH-104233")
    assert made.missing_facts == ("what_happened",)
    assert made.draft is not None
    assert made.draft.kind == "reply"
    assert "not settled yet" in made.draft.body


def test_a_wish_in_a_persons_own_words_changes_nothing_of_the_letter():
    assert asked("damaged_or_defective", "en", hint="holding update please").draft == (
        asked("damaged_or_defective", "en", hint="").draft
    )


def test_what_a_first_message_must_have_is_not_asked_of_a_holding_update_but_safety_is():
    from builders_guard import draft, evidence, triage

    from agent.guard import check

    def missing(issue_type: str, body: str, *, first: bool) -> list[tuple[str, bool]]:
        held = evidence(issue_type=issue_type, first_message=first)
        found = check(draft(body), triage(issue_type), held, rulebook()).findings
        return [(f.message.rpartition(": ")[2], f.hard) for f in found if f.rule == "missing_content"]

    body = "We promised to write to you by now. It is not settled yet, and we are still on it."
    assert ("regret.", False) in missing("damaged_or_defective", body, first=True)
    assert missing("damaged_or_defective", body, first=False) == []
    assert missing("product_safety", body, first=False) == [("stop using.", True)]
