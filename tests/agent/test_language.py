from __future__ import annotations

import pytest

from agent.language import SUPPORTED, detect


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("My parcel was left in the rain and the box fell apart.", "en"),
        ("where is my order", "en"),
        ("order late", "en"),
        ("Das Paket lag im Regen und der Karton ist zerfallen.", "de"),
        ("wo ist mein paket", "de"),
        ("Le colis est resté sous la pluie et le carton est détruit.", "fr"),
        ("où est mon colis", "fr"),
        ("El paquete se quedó bajo la lluvia y la caja está rota.", "es"),
        ("quiero mi dinero", "es"),
        ("Il pacco è rimasto sotto la pioggia e la scatola è distrutta.", "it"),
        ("Het pakket lag in de regen en de doos is kapot.", "nl"),
        ("A encomenda ficou à chuva e a caixa está destruída.", "pt"),
    ],
)
def test_the_seven_languages_are_told_apart(text: str, code: str) -> None:
    found = detect(text)
    assert (found.code, found.supported) == (code, True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Paczka leżała na deszczu i karton się rozpadł, proszę o zwrot pieniędzy.", "pl"),
        ("Paketet låg i regnet och kartongen gick sönder, jag vill ha pengarna tillbaka.", "sv"),
        ("Paket yağmurda kaldı ve kutu dağıldı, paramı geri istiyorum.", "tr"),
        ("Посылка лежала под дождём, верните мне деньги.", "ru"),
        ("包裹在雨中被淋坏了,请退款。", "zh"),
    ],
)
def test_an_unsupported_language_is_recognised_as_such(text: str, code: str) -> None:
    found = detect(text)
    assert (found.code, found.supported) == (code, False)
    assert code not in SUPPORTED


@pytest.mark.parametrize("text", ["", "👍", "???", "FH-104233", "12", "https://fernhill.example/x"])
def test_a_text_without_words_follows_the_hint_else_english(text: str) -> None:
    assert detect(text, "de").code == "de"
    assert detect(text).code == "en"
    assert detect(text).confidence < 0.5


def test_a_long_text_outweighs_a_wrong_hint() -> None:
    assert detect("Das Paket lag im Regen und der Karton ist zerfallen.", "en").code == "de"
