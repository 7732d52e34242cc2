from __future__ import annotations

from decimal import Decimal

import pytest

from agent.numbers import currency_of, find_amounts, parse_number


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1.299,50", "1299.50"), ("1,299.50", "1299.50"), ("1 299,50", "1299.50"), ("1\u202f299,50", "1299.50"),
        ("1'299.50", "1299.50"), ("1’299.50", "1299.50"), ("45,-", "45"), ("45,–", "45"), ("45", "45"), ("1.2k", "1200"),
        ("1,2k", "1200"), ("1.299", "1299"), ("1,299", "1299"), ("12,5", "12.5"), ("1.234.567,89", "1234567.89"), ("39'95", "39.95"),
    ],
)  # fmt: skip
def test_a_number_is_read_in_every_locale(written: str, value: str) -> None:
    assert parse_number(written) == Decimal(value)


@pytest.mark.parametrize("written", ["", "abc", "-", "1a", "12345678901234", "k", "€"])
def test_what_is_no_amount_of_money_gives_none(written: str) -> None:
    assert parse_number(written) is None


@pytest.mark.parametrize(
    ("text", "value", "currency", "words"),
    [
        ("it cost €1.299,50 in all", "1299.50", "EUR", "€1.299,50"),
        ("it cost 1,299.50 EUR", "1299.50", "EUR", "1,299.50 EUR"),
        ("CHF 1'299.50 weg", "1299.50", "CHF", "CHF 1'299.50"),
        ("nur 45,- Euro", "45.00", "EUR", "45,- Euro"),
        ("like 30 bucks", "30.00", "USD", "30 bucks"),
        ("27 quid for that", "27.00", "GBP", "27 quid"),
        ("worth $1.2k now", "1200.00", "USD", "$1.2k"),
        ("R$ 1.299,50 de volta", "1299.50", "BRL", "R$ 1.299,50"),
        ("pay GBP45.00", "45.00", "GBP", "GBP45.00"),
        ("$45 CAD please", "45.00", "CAD", "$45 CAD"),
        ("you refunded 45.00 only", "45.00", "", "45.00"),
        ("charged me 54 twice", "54.00", "", "54"),
        ("even 50p would do", "0.50", "GBP", "50p"),
        ("payé 39€90 ici", "39.90", "EUR", "39€90"),
        ("cuesta 39'95 € hoy", "39.95", "EUR", "39'95 €"),
        ("son 2 mil euros", "2000.00", "EUR", "2 mil euros"),
        ("only sixty-six pounds", "66.00", "GBP", "sixty-six pounds"),
    ],
)
def test_an_amount_is_found_with_its_currency(text: str, value: str, currency: str, words: str) -> None:
    (found,) = find_amounts(text)
    assert (f"{found.value:.2f}", found.currency, text[found.start : found.end]) == (value, currency, words)


@pytest.mark.parametrize(
    "text",
    [
        "it weighs 5 pounds",
        "20% off",
        "at 14.30 Uhr",
        "on 12.11.2026",
        "version 2.10",
        "55 x 40 x 20 cm",
        "FH-104233",
        "3 kids",
    ],
)
def test_other_numbers_are_no_money(text: str) -> None:
    assert not list(find_amounts(text))


def test_two_currencies_side_by_side_are_kept_apart() -> None:
    assert [(a.value, a.currency) for a in find_amounts("45 EUR/£30")] == [(Decimal(45), "EUR"), (Decimal(30), "GBP")]


def test_crowns_are_those_of_the_language() -> None:
    assert [currency_of("kr", code) for code in ("sv", "da", "nb")] == ["SEK", "DKK", "NOK"]


@pytest.mark.parametrize(
    ("text", "language", "value"),
    [
        ("five hundred and forty-nine pounds", "en", 549), ("zweiundzwanzig Euro", "de", 22), ("dreißig Euro", "de", 30),
        ("quatre-vingt-seize euros", "fr", 96), ("soixante et onze euros", "fr", 71), ("deux cents euros", "fr", 200), ("treinta y cinco euros", "es", 35),
        ("veintidós euros", "es", 22), ("mil euros", "es", 1000), ("quattromila euro", "it", 4000), ("ventuno euro", "it", 21),
        ("tweeëntwintig euro", "nl", 22), ("vinte e cinco reais", "pt", 25), ("duzentos e dez euros", "pt", 210),
    ],
)  # fmt: skip
def test_an_amount_in_words_is_read_in_the_language_of_the_text(text: str, language: str, value: int) -> None:
    (found,) = find_amounts(f"eh {text}!", language)
    assert (found.value, text.endswith(f"eh {text}!"[found.start : found.end])) == (value, True)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("one pound", "en"),
        ("a two pound coin", "en"),
        ("it weighs two pounds", "en"),
        ("pas un euro de plus", "fr"),
        ("sechs Freunde", "de"),
    ],
)
def test_one_of_something_a_coin_and_a_weight_are_no_amount_in_words(text: str, language: str) -> None:
    assert not list(find_amounts(text, language))


def test_a_number_shares_the_currency_of_its_neighbour() -> None:
    assert [(a.value, a.currency) for a in find_amounts("129 en 84 euro", "nl")] == [(129, "EUR"), (84, "EUR")]
    assert [(a.value, a.currency) for a in find_amounts("54 € au lieu de 79.", "fr")] == [(54, "EUR"), (79, "EUR")]


def test_a_comma_amount_is_money_without_a_word_for_it_but_not_with_a_unit_or_an_hour() -> None:
    assert [a.value for a in find_amounts("mes 29,90 vendredi, puis 86,50", "fr")] == [
        Decimal("29.90"),
        Decimal("86.50"),
    ]
    assert not list(find_amounts("12,50 m, 1,92 de haut, alle 14,30", "it"))
