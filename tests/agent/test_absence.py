"""The end of an absence is a date and binds nobody."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent.case import Message
from agent.entities import extract

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def read(text: str, language: str, kind: str) -> list[str]:
    found = extract([Message(text, AT)], store_products=(), order_id_format="FH-######", language=language)
    return [e.value for e in found.all if e.kind == kind]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I was away until the 30th and there was nothing in the porch."),
        ("en", "I am away until 30 November, please leave it with number 12."),
        ("en", "We are on holiday till 5 December."), ("en", "I won't be home until Monday."), ("en", "Out of the office until 3 December."),
        ("en", "I'm abroad for work until the 28th and cannot check."), ("en", "Until 30 November I am out of the country."),
        ("de", "Ich bin bis zum 30. November verreist."), ("de", "Wir waren bis zum 15. November nicht zu Hause."),
        ("de", "Bis 5.12. bin ich im Urlaub und kann nichts annehmen."), ("de", "Ich bin auf Dienstreise bis 30. November."),
        ("fr", "Je suis absente jusqu'au 30 novembre."), ("fr", "Nous sommes en vacances jusqu'au 5 décembre."), ("fr", "Jusqu'au 30 novembre je suis à l'étranger."),
        ("es", "Estoy fuera hasta el 30 de noviembre."), ("es", "Hasta el 5 de diciembre no estaré en casa."), ("es", "Estamos de vacaciones hasta el 3 de diciembre."),
        ("it", "Sono via fino al 30 novembre."), ("it", "Siamo in vacanza fino al 5 dicembre."), ("it", "Fino al 30 novembre sono all'estero."),
        ("nl", "Ik ben tot 30 november op vakantie."), ("nl", "Wij zijn niet thuis tot 5 december."), ("nl", "Ik ben afwezig tot 30 november."),
        ("pt", "Estou fora até 30 de novembro."), ("pt", "Estamos de férias até 5 de dezembro."), ("pt", "Até 30 de novembro não estou em casa."),
    ],
)  # fmt: skip
def test_the_day_until_which_somebody_is_away_is_a_date_and_no_deadline(language: str, text: str) -> None:
    assert read(text, language, "deadline") == []
    assert len(read(text, language, "date")) == 1


@pytest.mark.parametrize(
    ("language", "text", "day"),
    [
        ("en", "I am away from Friday, so I need an answer by 30 November.", "2026-11-30"),
        ("en", "I fly on 30 November and will be abroad until 20 December.", "2026-11-30"),
        ("en", "Evidence accepted until 03 December 2026 23:59 UTC.", "2026-12-03"),
        ("en", "\"I was away until the 30th and nothing was here when I came home.\" Evidence accepted until 03 December 2026.", "2026-12-03"),
        ("en", "I'm on holiday next week, please reply until 30 November.", "2026-11-30"),
        ("de", "Bitte antworten Sie bis zum 30. November.", "2026-11-30"),
        ("de", "Wir fahren in den Urlaub, ich brauche das Zelt bis zum 30. November.", "2026-11-30"),
        ("fr", "Vous avez jusqu'au 30 novembre pour me rembourser.", "2026-11-30"),
        ("es", "Tienen hasta el 30 de noviembre para devolverme el dinero.", "2026-11-30"),
        ("it", "Avete tempo fino al 30 novembre per rispondere.", "2026-11-30"),
        ("nl", "U hebt tot 30 november om te antwoorden.", "2026-11-30"),
        ("pt", "Têm até 30 de novembro para responder.", "2026-11-30"),
    ],
)  # fmt: skip
def test_a_day_that_binds_stays_a_deadline_beside_an_absence(language: str, text: str, day: str) -> None:
    assert day in read(text, language, "deadline")
