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
from agent.prompts import load_prompts
from agent.promises import commitments
from tests.fakes.desk import NOW, escalation, pack, pinned

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders_guard import rulebook
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
