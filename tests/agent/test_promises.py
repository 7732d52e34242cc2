"""What a text promises, and what only sounds like it."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from agent.money import Money
from agent.promises import Commitment, commitments

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders_guard import NOW, rulebook

PROMISES = {
    "en": """We will refund you £200 today.
You will receive a full refund of £74.00 within 5 days.
Your refund has been approved.
Full refund, today.
Consider it refunded.
We are happy to offer you 50% off.
Please accept a £20 voucher as an apology.
You get your money back, no questions asked.
We'll send you a replacement lamp by Friday.
I can confirm that your refund of two hundred pounds is on its way.
As you requested we will refund you £200.
You asked for it, and we will refund £200.
No worries, we'll refund everything.
Your parcel arrives tomorrow.
We will call you within 2 hours.
Twice what you paid will be returned to your card.
We will not hesitate to refund you £200.
It would be our pleasure to reimburse the two hundred pounds that you kindly mentioned.
Rest assured that the sum of £200 shall find its way to your account.
We owe you £200.
As an exception the fee is waived.
We have sent you a replacement.""",
    "de": """Wir erstatten Ihnen 200 €.
Wir werden Ihnen den vollen Kaufpreis erstatten.
Sie erhalten eine Gutschrift über 50 Euro.
Die Erstattung von zweihundert Euro ist unterwegs.
Gerne schicken wir Ihnen sofort einen Ersatz.
Ihr Geld wird Ihnen morgen überwiesen.
Sie bekommen als Entschuldigung 20 % Rabatt.
Selbstverständlich ersetzen wir Ihnen die Lampe kostenlos.
Ihr Paket kommt morgen an.
Wir rufen Sie innerhalb von 2 Stunden an.
Wie gewünscht erstatten wir Ihnen 200 Euro.""",
    "fr": "Nous vous remboursons 200 euros.",
    "es": "Le reembolsamos 200 euros.",
    "it": "Le rimborsiamo 200 euro.",
    "nl": "Wij betalen u 200 euro terug.",
    "pt": "Vamos reembolsar 200 euros.",
}
NONE = {
    "en": """I cannot promise a refund yet.
You would like a refund of £74.00.
You asked for a replacement, and Petra Nowak checks whether one is in stock.
We will let you know whether a refund is possible.
No refund has been issued yet.
You write that we promised you a refund.
You were told you will get a refund by Friday.
Thank you for your message about the refund for order FH-104233.
The refund you are waiting for is still open.
Payments and finance compares every disputed charge with the order before anything is decided.
Please tell us whether you would prefer a refund or a replacement.
We know that you need the lamp by 14 November.
Before a refund can be decided, we need two photos.
The decision about your refund rests with Returns.
We have not received your return, so no refund could be made so far.
We will look at the order you placed on 3 November.""",
    "de": """Eine Erstattung kann ich Ihnen noch nicht zusagen.
Sie möchten eine Erstattung über 74,00 €.
Sie bitten um Ersatz, und Petra Nowak prüft, ob die Lampe verfügbar ist.
Ob eine Erstattung möglich ist, entscheidet Lucie Brandt.
Danke für Ihre Nachricht zur Erstattung für Bestellung FH-104233.
Die ausstehende Erstattung prüft unsere Buchhaltung.
Sie schreiben, dass Ihnen eine Erstattung zugesagt wurde.
Bisher ist keine Erstattung verbucht.""",
}


def rows(listed: dict[str, str]) -> list[tuple[str, str]]:
    return [(language, line) for language, text in listed.items() for line in text.split("\n")]


def read(text: str, language: str = "en") -> tuple[Commitment, ...]:
    return commitments(text, language, rulebook().phrases, NOW)


@pytest.mark.parametrize(("language", "text"), rows(PROMISES))
def test_a_promise_is_seen(language: str, text: str):
    assert read(text, language)


@pytest.mark.parametrize(("language", "text"), rows(NONE))
def test_wishes_denials_and_open_questions_are_no_promises(language: str, text: str):
    assert not read(text, language)


def test_a_commitment_tells_action_amount_and_day():
    [made] = read("Thank you. We will refund you £74.00 by 14 November 2026.")
    assert (made.action, made.amount, made.due) == ("refund", Money(Decimal(74), "GBP"), date(2026, 11, 14))
    assert made.remedy
    assert made.text == "We will refund you £74.00 by 14 November 2026."


def test_a_next_message_is_a_commitment_of_its_own_kind():
    [made] = read("We will write to you again by Wednesday 11 November, 15:00.")
    assert (made.action, made.due, made.remedy) == ("update", date(2026, 11, 11), False)


def test_a_period_is_kept_when_no_day_is_named():
    [made] = read("We will call you within 2 hours.")
    assert (made.action, made.within) == ("call", "2 hour")


def test_a_promise_over_line_breaks_is_one():
    assert read("We\n\nwill\n\nrefund\n\nyou\n\n£200")


def test_a_text_in_two_languages_is_read_in_both():
    assert read("Thank you for writing. Wir werden Ihnen den vollen Betrag erstatten.", "en")
