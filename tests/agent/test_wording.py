from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from agent import wording
from agent.money import Money


@pytest.mark.parametrize(
    ("on", "english", "german"),
    [
        (date(2026, 11, 14), "14 November 2026", "14. November 2026"),
        (date(2027, 3, 1), "1 March 2027", "1. März 2027"),
        (date(2026, 12, 31), "31 December 2026", "31. Dezember 2026"),
    ],
)
def test_a_day_reads_naturally(on: date, english: str, german: str):
    assert (wording.day(on, "en"), wording.day(on, "de")) == (english, german)


def test_an_instant_is_told_in_the_stores_zone():
    at = datetime(2026, 11, 24, 15, 5, tzinfo=UTC)
    assert wording.instant(at, "en", "Europe/London") == "Tuesday 24 November, 15:05"
    assert wording.instant(at, "de", "Europe/Berlin") == "Dienstag, 24. November, 16:05 Uhr"
    assert wording.instant(at, "en", "Pacific/Auckland") == "Wednesday 25 November, 04:05"


@pytest.mark.parametrize(
    ("amount", "currency", "english", "german"),
    [
        ("1299.5", "GBP", "£1,299.50", "1.299,50 £"),
        ("1299.5", "EUR", "€1,299.50", "1.299,50 €"),
        ("0.5", "USD", "$0.50", "0,50 $"),
        ("1234567.89", "CHF", "1,234,567.89 CHF", "1.234.567,89 CHF"),
        ("12", "", "12.00", "12,00"),
        ("-5", "EUR", "€-5.00", "-5,00 €"),
    ],
)
def test_money_is_written_as_its_readers_write_it(amount: str, currency: str, english: str, german: str):
    value = Money(Decimal(amount), currency)
    assert (wording.money(value, "en"), wording.money(value, "de")) == (english, german)


@pytest.mark.parametrize(
    ("language", "day", "first", "instant", "money"),
    [
        ("fr", "14 novembre 2026", "1er mars 2027", "mardi 24 novembre, 15h05", "1 299,50 €"),
        ("es", "14 de noviembre de 2026", "1 de marzo de 2027", "martes 24 de noviembre, 15:05", "1.299,50 €"),
        ("it", "14 novembre 2026", "1º marzo 2027", "martedì 24 novembre, 15:05", "1.299,50 €"),
        ("nl", "14 november 2026", "1 maart 2027", "dinsdag 24 november, 15:05 uur", "€ 1.299,50"),
        ("pt", "14 de novembro de 2026", "1 de março de 2027", "terça-feira, 24 de novembro, 15:05", "1.299,50 €"),
    ],
)
def test_days_instants_and_money_read_naturally_in_every_language(
    language: str, day: str, first: str, instant: str, money: str
):
    assert wording.day(date(2026, 11, 14), language) == day
    assert wording.day(date(2027, 3, 1), language) == first
    assert wording.instant(datetime(2026, 11, 24, 15, 5, tzinfo=UTC), language, "UTC") == instant
    assert wording.money(Money(Decimal("1299.5"), "EUR"), language) == money


def test_no_money_is_no_words():
    assert wording.money(None, "en") == wording.money(None, "de") == ""


def test_a_language_without_words_of_its_own_reads_english():
    assert wording.day(date(2026, 11, 14), "fi") == "14 November 2026"
    assert wording.instant(datetime(2026, 11, 24, 15, tzinfo=UTC), "fi", "UTC") == "Tuesday 24 November, 15:00"


def test_a_state_of_a_foreign_system_is_put_in_words():
    assert wording.state("in_transit", {}) == "in transit"
    assert wording.state("IN_TRANSIT", {"in transit": "unterwegs"}) == "unterwegs"
    assert wording.state("beamed_up", {"in transit": "unterwegs"}) == "beamed up"
    assert wording.state("", {}) == ""
