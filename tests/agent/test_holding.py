"""The holding update: word by the promised time, although nothing is settled yet."""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from agent.case import HOLDING, Proposal
from agent.embedded import EmbeddedModel
from agent.facts import Text
from agent.guard import check
from agent.pipeline import propose
from agent.promises import commitments
from agent.prompts import load_prompts
from tests.fakes.desk import NOW, escalation, pinned

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders_guard import draft, evidence, rulebook, triage
from builders_view import ISSUE_TYPES, LANGUAGES, PROMPTS, TEXTS, order, view, word

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
    none: dict[str, Any] = {"order_id": "", "item": "", "items": []}
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
    made = asked(issue_type, language).draft
    assert made is not None
    (promise,) = made.promises
    (read,) = commitments(made.body, language, rulebook().phrases, NOW)
    assert promise.due is not None
    assert promise.backed_by == "clock:next_update"
    assert (read.action, read.due, read.text) == ("update", promise.due.date(), promise.text)


@pytest.mark.parametrize(("issue_type", "language"), EVERY)
def test_the_next_update_of_every_first_letter_is_kept_as_the_promise_of_an_update(issue_type: str, language: str):
    made = asked(issue_type, language, hint="").draft
    assert made is not None
    slot = next(p.due for p in made.promises if p.due)
    read = commitments(made.body, language, rulebook().phrases, NOW)
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


def test_a_language_without_a_holding_letter_gets_the_letter_of_its_issue_type():
    fewer = replace(LETTERS, all={k: v for k, v in LETTERS.all.items() if k != f"reply/fr/{HOLDING}"})
    deps = replace(pinned("chargeback", "S3"), model=EmbeddedModel(fewer))
    made = asyncio.run(propose(escalation({"text": WRITES["fr"]}), deps, now=NOW, hint=HOLDING)).draft
    assert made is not None
    first = asyncio.run(propose(escalation({"text": WRITES["fr"]}), deps, now=NOW)).draft
    assert made == first


def test_a_wish_in_a_persons_own_words_changes_nothing_of_the_letter():
    assert asked("damaged_or_defective", "en", hint="holding update please").draft == (
        asked("damaged_or_defective", "en", hint="").draft
    )


def test_what_a_first_message_must_have_is_not_asked_of_a_holding_update_but_safety_is():
    def missing(issue_type: str, body: str, *, first: bool) -> list[tuple[str, bool]]:
        held = evidence(issue_type=issue_type, first_message=first)
        found = check(draft(body), triage(issue_type), held, rulebook()).findings
        return [(f.message.rpartition(": ")[2], f.hard) for f in found if f.rule == "missing_content"]

    body = "We promised to write to you by now. It is not settled yet, and we are still on it."
    assert ("regret.", False) in missing("damaged_or_defective", body, first=True)
    assert missing("damaged_or_defective", body, first=False) == []
    assert missing("product_safety", body, first=False) == [("stop using.", True)]


# --- the letter itself ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_names_slot_item_order_case_and_address(language: str):
    text = letter("damaged_or_defective", language)
    assert text.count(word("update", language)) == 1
    for named in ("Halo desk lamp", "FH-104233", "case_01JD3M", "care@fernhill.example", "Petra Nowak"):
        assert named in message(text), named


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_that_word_was_promised_and_that_nothing_is_settled(language: str):
    text = message(letter("damaged_or_defective", language))
    for name in ("promised", "unsettled", "on_it", "regret"):
        assert re.search(TEXTS[language]["holding"][name], text), name


@pytest.mark.parametrize(("issue_type", "language"), EVERY)
def test_it_is_short_and_easy_to_read(issue_type: str, language: str):
    full = message(letter(issue_type, language))
    most = 105 if issue_type == "product_safety" else 90
    assert 50 <= len(words(full)) <= most, (len(words(full)), full)
    worst = max((message(letter(issue_type, language, **s)) for s in situations(language)[:-1]), key=lix)
    assert lix(worst) < 50, worst


@pytest.mark.parametrize(("issue_type", "language"), EVERY)
def test_no_remedy_fault_cause_or_set_phrase_is_in_it(issue_type: str, language: str):
    phrases = rulebook().phrases.languages[language]
    for case in situations(language):
        text = letter(issue_type, language, **case)
        assert not re.search(r"\{|\}|%|\[\[|  |\s[.,;](?:\s|$)|,,|\bNone\b", text), text
        for pattern in TEXTS[language]["never"]:
            assert not (hit := re.search(pattern, text, re.IGNORECASE)), (hit, text)
        assert not (named := Text(text).find(phrases.remedy)), (named, text)
        assert "it broke" not in text
        assert "It hums" not in text


@pytest.mark.parametrize(("issue_type", "language"), EVERY)
def test_without_a_slot_no_time_is_promised(issue_type: str, language: str):
    text = letter(issue_type, language, clock={"next_update": ""})
    assert not commitments(text, language, rulebook().phrases, NOW)
    assert not re.search(TEXTS[language]["says"]["update_without_slot"], text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_privacy_case_is_named_by_its_number_alone(language: str):
    text = letter("privacy_or_security", language, order=order(language))
    assert "case_01JD3M" in text.split("\n")[0]
    assert "Halo" not in text
    assert "FH-104233" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_legal_case_and_a_bank_are_told_no_regret(language: str):
    regret = TEXTS[language]["holding"]["regret"]
    assert not re.search(regret, letter("legal_or_press_threat", language))
    assert not re.search(regret, letter("chargeback", language, said={"notice": True}))
    assert re.search(regret, letter("chargeback", language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_article_that_may_hurt_is_to_stay_unused(language: str):
    stop = TEXTS[language]["holding"]["unused"]
    assert re.search(stop, letter("product_safety", language))
    assert re.search(stop, letter("product_safety", language, said={"item": "", "items": []}))
    assert not re.search(stop, letter("damaged_or_defective", language))


# --- a language model is told so too ---


class Listens(EmbeddedModel):
    """The embedded engine, which keeps the prompt that it is given."""

    heard = ""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        parts = (part for message in messages if isinstance(message, ModelRequest) for part in message.parts)
        self.heard = "".join(str(part.content) for part in parts if isinstance(part, UserPromptPart))
        return await super().request(messages, model_settings, model_request_parameters)


@pytest.mark.parametrize(("hint", "human_lead", "told"), [
    (HOLDING, False, "draft/holding_update"), (HOLDING, True, "draft/chargeback"), ("", False, "draft/chargeback"),
])  # fmt: skip
def test_the_drafting_prompt_says_what_this_draft_must_contain(hint: str, human_lead: bool, told: str):
    model = Listens(LETTERS)
    deps = replace(pinned("chargeback", "S3", human_lead=human_lead), model=model)
    made = asyncio.run(propose(escalation({"text": WRITES["en"]}), deps, now=NOW, hint=hint))
    assert made.versions[told] == LETTERS.version(told)[:16]
    for file in ("draft/holding_update", "draft/chargeback"):
        assert (LETTERS.render(file, {}).strip() in model.heard) == (file == told)
