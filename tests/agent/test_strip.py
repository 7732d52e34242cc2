from __future__ import annotations

import pytest

from agent.strip import body, segments


def kinds(text: str) -> list[tuple[str, str]]:
    return [(s.kind, text[s.start : s.end].strip()) for s in segments(text)]


HEADERS = {
    "en": "On Tue, 3 Nov 2026 at 10:12, Fernhill Care <care@fernhill.example> wrote:",
    "de": "Am 03.11.2026 um 10:12 schrieb Fernhill Care <care@fernhill.example>:",
    "fr": "Le mar. 3 nov. 2026 à 10:12, Fernhill Care <care@fernhill.example> a écrit :",
    "es": "El mar, 3 nov 2026 a las 10:12, Fernhill Care (<care@fernhill.example>) escribió:",
    "it": "Il giorno mar 3 nov 2026 alle ore 10:12 Fernhill Care <care@fernhill.example> ha scritto:",
    "nl": "Op di 3 nov 2026 om 10:12 schreef Fernhill Care <care@fernhill.example>:",
    "pt": "Em ter., 3 de nov. de 2026 às 10:12, Fernhill Care <care@fernhill.example> escreveu:",
}


@pytest.mark.parametrize("language", HEADERS)
def test_a_reply_header_begins_the_quote_in_every_language(language: str) -> None:
    text = f"My lamp flickers again.\n\n{HEADERS[language]}\n\nWe are glad it works now.\nYour team"
    assert body(text) == "My lamp flickers again."
    assert segments(text)[-1].kind == "quote"


OUTLOOK = {
    "en": "From: Fernhill Care\nSent: Tuesday, 3 November 2026\nTo: Anna Berg\nSubject: Your order",
    "de": "Von: Fernhill Care\nGesendet: Dienstag, 3. November 2026\nAn: Anna Berg\nBetreff: Ihre Bestellung",
    "fr": "De : Fernhill Care\nEnvoyé : mardi 3 novembre 2026\nÀ : Anna Berg\nObjet : Votre commande",
    "es": "De: Fernhill Care\nEnviado el: martes, 3 de noviembre\nPara: Anna Berg\nAsunto: Su pedido",
    "it": "Da: Fernhill Care\nInviato: martedì 3 novembre\nA: Anna Berg\nOggetto: Il suo ordine",
    "nl": "Van: Fernhill Care\nVerzonden: dinsdag 3 november\nAan: Anna Berg\nOnderwerp: Uw bestelling",
    "pt": "De: Fernhill Care\nEnviada em: terça-feira, 3 de novembro\nPara: Anna Berg\nAssunto: O seu pedido",
}


@pytest.mark.parametrize("language", OUTLOOK)
def test_an_outlook_block_begins_the_quote_in_every_language(language: str) -> None:
    text = f"It broke again.\n\n________________________________\n{OUTLOOK[language]}\n\nAll is fine now."
    assert body(text) == "It broke again."


def test_a_signature_is_stripped_but_kept() -> None:
    text = "Hello,\nmy kettle leaks.\n\nKind regards\nAnna Berg\nTel 020 7946 0123"
    assert kinds(text) == [
        ("greeting", "Hello,"),
        ("body", "my kettle leaks."),
        ("signature", "Kind regards\nAnna Berg\nTel 020 7946 0123"),
    ]


def test_a_delimiter_begins_the_signature() -> None:
    assert kinds("It is broken.\n-- \nAnna\nHead of lamps")[-1] == ("signature", "-- \nAnna\nHead of lamps")


@pytest.mark.parametrize(
    "line",
    ["Sent from my iPhone", "Von meinem iPhone gesendet", "Envoyé de mon iPhone", "Enviado desde mi iPhone",
     "Inviato da iPhone", "Verzonden vanaf mijn iPhone", "Enviado do meu iPhone", "Get Outlook for Android"],
)  # fmt: skip
def test_the_line_of_a_mail_program_is_no_body(line: str) -> None:
    assert body(f"Where is my parcel?\n\n{line}") == "Where is my parcel?"


def test_legal_small_print_is_a_footer() -> None:
    text = "Please send the invoice.\n\nThis e-mail and any attachments are confidential and intended solely for Anna.\nDelete it."
    assert kinds(text)[-1][0] == "footer"
    assert body(text) == "Please send the invoice."


def test_answers_below_quoted_lines_are_body() -> None:
    text = "On 3 Nov 2026 at 10:12, Care <care@fernhill.example> wrote:\n> Which colour was it?\n\nThe blue one.\n\n> And the size?\n\nLarge."
    assert body(text).split() == ["The", "blue", "one.", "Large."]


@pytest.mark.parametrize(
    "mark",
    ["---------- Forwarded message ---------", "Begin forwarded message:", "-------- Weitergeleitete Nachricht --------",
     "---------- Message transféré ---------", "---------- Mensaje reenviado ---------", "---------- Messaggio inoltrato ---------",
     "---------- Doorgestuurd bericht ---------", "---------- Mensagem encaminhada ---------"],
)  # fmt: skip
@pytest.mark.parametrize("own", ["", "FYI\n\n"])
def test_a_forward_without_own_words_has_its_text_as_body(mark: str, own: str) -> None:
    text = f"{own}{mark}\nFrom: Anna Berg <anna@post.example>\nDate: Tue, 3 Nov 2026\nSubject: Broken\n\nThe lid came off in my hand."
    assert body(text).endswith("The lid came off in my hand.")
    assert "forwarded_header" in {s.kind for s in segments(text)}


def test_a_forward_under_own_words_is_quoted() -> None:
    text = "Please take this one, she has written twice.\n\nBegin forwarded message:\nFrom: Anna\nDate: today\nSubject: Lid\n\nThe lid came off."
    assert body(text) == "Please take this one, she has written twice."


def test_a_greeting_before_the_first_sentence_is_cut_off_it() -> None:
    assert kinds("Hi Marta, the zip is stuck.") == [("greeting", "Hi Marta,"), ("body", "the zip is stuck.")]


def test_a_short_problem_that_begins_with_hello_is_body() -> None:
    assert body("hello order is late") == "hello order is late"
    assert body("hi my lamp broke\nplease help") == "hi my lamp broke\nplease help"


def test_thanks_in_the_middle_of_a_mail_are_no_signature() -> None:
    text = "Thanks for the quick answer.\nThe lamp still flickers, and now it hums as well. Can you help?"
    assert body(text) == text


def test_the_parts_of_a_text_cover_it_in_order() -> None:
    text = "Hi,\n\nno.\n\n> why?\n\nBest\nO."
    parts = segments(text)
    assert "".join(text[s.start : s.end] for s in parts) == text
    assert segments("") == ()


def test_a_message_that_is_only_a_visiting_card_has_no_words_of_its_own():
    assert body("--\nJohn Carver\nHead of Facilities\nTel. +44 20 7946 0123") == ""
    assert body("--\nMy lamp broke.\nTel. +44 20 7946 0123") != ""
    assert body("--\nlamp FH-104233 broken") != ""


def test_a_visiting_card_with_shortened_words_still_ends_the_letter():
    letter = "The lamp is broken.\n\nBest wishes,\nMorgan Lindqvist\nHead of Facilities | Tel. +44 1632 960011"
    assert body(letter) == "The lamp is broken."
    assert body("The lamp is broken.\n\nBest wishes,\nMorgan\nPlease tell me by Friday.") != "The lamp is broken."
