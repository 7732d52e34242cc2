"""The fact ledger: what it finds, in which formats, and what it says of each."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from agent.case import Customer, Fact, Fulfilment, OrderItem
from agent.facts import Evidence, ledger
from agent.facts.scan import scan
from agent.facts.text import Text, fold
from agent.money import Money

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders_guard import day, draft, evidence, order, ordered

TODAY = date(2026, 11, 10)


def found(text: str, language: str = "en") -> list[tuple[str, str]]:
    return [(f.kind, f.value) for f in scan(Text(text), TODAY, language)]


def facts(body: str, language: str = "en", **over: object) -> list[Fact]:
    return list(ledger(draft(body, language), evidence(language, **over)))  # type: ignore[arg-type]


def only(body: str, language: str = "en", **over: object) -> Fact:
    [fact] = facts(body, language, **over)
    return fact


# --- what is found --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "language"),
    [
        ("1.299,50 €", "de"), ("€1,299.50", "en"), ("1 299,50 EUR", "fr"), ("EUR 1.299,50", "de"), ("1299.5 euros", "es"),
        ("1.299,50 euro", "it"), ("€ 1.299,50", "nl"), ("1'299.50 EUR", "de"),
    ],
)  # fmt: skip
def test_an_amount_is_one_figure_however_it_is_written(written: str, language: str):
    assert found(f"x {written} y", language) == [("amount", "1299.50 EUR")]


@pytest.mark.parametrize(
    ("written", "language", "value"),
    [
        ("two hundred pounds", "en", "200.00 GBP"), ("a hundred and fifty pounds", "en", "150.00 GBP"),
        ("twenty-five quid", "en", "25.00 GBP"), ("zweihundertfünfzig Euro", "de", "250.00 EUR"),
        ("deux cents euros", "fr", "200.00 EUR"), ("doscientos cincuenta euros", "es", "250.00 EUR"),
        ("duecento euro", "it", "200.00 EUR"), ("tweehonderd euro", "nl", "200.00 EUR"), ("duzentos euros", "pt", "200.00 EUR"),
        ("one thousand two hundred dollars", "en", "1200.00 USD"),
    ],
)  # fmt: skip
def test_amounts_in_words_are_read(written: str, language: str, value: str):
    assert found(f"also {written}.", language) == [("amount", value)]


@pytest.mark.parametrize(
    ("written", "language"),
    [
        ("14 November 2026", "en"), ("November 14, 2026", "en"), ("14th of November", "en"), ("2026-11-14", "en"),
        ("14/11/2026", "en"), ("Saturday 14 November", "en"), ("14. November 2026", "de"), ("14.11.2026", "de"),
        ("14.11.", "de"), ("Samstag, 14. November", "de"), ("le 14 novembre 2026", "fr"), ("14 de noviembre de 2026", "es"),
        ("14 novembre", "it"), ("zaterdag 14 november", "nl"), ("14 de novembro de 2026", "pt"),
    ],
)  # fmt: skip
def test_a_date_is_one_day_however_it_is_written(written: str, language: str):
    assert found(f"x {written}", language) == [("date", "2026-11-14")]


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("within 5 business days", [("duration", "5 business_day")]),
        ("innerhalb von fünf Werktagen", [("duration", "5 business_day")]),
        ("sous 5 jours ouvrés", [("duration", "5 business_day")]),
        ("3 to 5 working days", [("duration", "3 business_day"), ("duration", "5 business_day")]),
        ("a 2-year warranty", [("duration", "2 year")]),
        ("15 % and twenty percent", [("percent", "15"), ("percent", "20")]),
        ("2 photos", [("quantity", "2 photo")]),
        ("at 15:00 or 3 pm", [("time", "15:00"), ("time", "15:00")]),
        ("order #104233", [("order_id", "104233")]),
        ("Bestellung FH-104233", [("order_id", "FH104233")]),
        ("tracking 1Z999AA10123456784", [("tracking_number", "1Z999AA10123456784")]),
        ("IBAN DE89 3704 0044 0532 0130 00", [("iban", "DE89370400440532013000")]),
        ("call +44 20 7946 0958", [("phone", "442079460958")]),
        ("4111 1111 1111 1111", [("card_number", "4111111111111111")]),
        ("a.b@mail.example and x.example/y", [("email", "a.b@mail.example"), ("url", "x.example/y")]),
        ("code SAVE20", [("code", "SAVE20")]),
        ("try it one time", []),
        ("flat 7", [("number", "7")]),
    ],
)
def test_everything_with_a_figure_in_it_is_found(text: str, things: list[tuple[str, str]]):
    language = "de" if "innerhalb" in text else "fr" if "sous" in text else "en"
    assert found(text, language) == things


def test_folding_keeps_every_position():
    text = "Ünïcödé “quotes” – ß, İ and ﬁ…\nTab\tend"
    assert len(fold(text)) == len(text)


# --- what is said of it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "source"),
    [
        ("You paid £74.00.", "order:/total"),
        ("It went out on 5 November 2026.", "order:/fulfilments/0/dispatched_at"),
        ("The number is PW1234567890.", "order:/fulfilments/0/tracking"),
        ("About order FH-104233.", "order:/id"),
        ("We need 2 photos.", "policy:damage-photos"),
        ("You need it by 14 November.", "message:0"),
        ("We write by Wednesday 11 November, 15:00.", "clock:next_update"),
        ("Write to care@fernhill.example.", "store:support_email"),
        ("Ask for Petra Nowak.", "store:contacts"),
        ("Dear Hanna Brandt,", "customer:name"),
        ("The case is case_01JD3M.", "case:id"),
    ],
)
def test_a_fact_names_the_record_that_holds_it(body: str, source: str):
    made = facts(body, order=order())
    assert made
    assert {f.state for f in made} == {"supported"}
    assert made[0].source == source
    assert body[made[0].start : made[0].end] == made[0].text


@pytest.mark.parametrize(
    ("body", "kind", "note"),
    [
        ("Two charges, £148.00 in all.", "amount", "74.00 + 74.00 = 148.00"),
        ("You can return it until 7 December 2026.", "date", "2026-11-07 + 30 days"),
        ("It was delivered 3 days ago.", "duration", "2026-11-10 - 2026-11-07"),
    ],
)
def test_what_follows_by_a_listed_rule_shows_the_sum(body: str, kind: str, note: str):
    made = [f for f in facts(body, order=ordered("double"), issue_type="return_refund_dispute") if f.kind == kind]
    assert [(f.state, f.note) for f in made] == [("derived", note)]


def test_total_less_refund_is_derived():
    fact = only("That leaves £55.60.", order=ordered("refunded"))
    assert (fact.state, fact.note) == ("derived", "74.00 - 18.40 = 55.60")


@pytest.mark.parametrize(
    "body",
    ["It costs £81.40.", "On 2 March 2026.", "Within 9 days.", "Call 0161 496 0000.", "Ask for Gerald Pike.", "See evil.example.", "30 %"],
)  # fmt: skip
def test_what_no_record_holds_is_unsupported(body: str):
    assert {f.state for f in facts(body)} <= {"unsupported", "contradicted"}
    assert facts(body)


@pytest.mark.parametrize(
    "body",
    [
        "Your order FH-118820.",
        "It was delivered on 9 November 2026.",
        "The order was placed on 7 November.",
        "The total of £81.40 was charged.",
        "Dear Karen Moss,",
        "We write by Tuesday 14 November.",
    ],
)
def test_another_value_than_the_record_has_is_contradicted(body: str):
    assert [f.state for f in facts(body, order=order())] == ["contradicted"]


def test_a_date_of_another_role_is_contradicted_even_though_the_record_holds_it():
    fact = only("It was delivered on 5 November 2026.", order=order())
    assert fact.state == "contradicted"


def test_the_currency_is_part_of_the_amount():
    assert only("You paid €74.00.", order=order()).state in {"unsupported", "contradicted"}


def test_a_precedent_is_never_a_source_and_the_note_says_so():
    from datetime import timedelta

    from retrieval.precedent import Hit, Precedent

    past = Precedent(
        "p1", "damaged_or_defective", "S3", "en", "email", "Lamp broken, paid £61.20", "refund", "refunded £61.20",
        Decimal("61.20"), "GBP", timedelta(hours=5), day(5, 1), "resolved", "", 5,
    )  # fmt: skip
    fact = only("Others got £61.20.", precedents=(Hit(past, 0.9, "similar"),))
    assert (fact.state, fact.note) == ("unsupported", "only a precedent has it")


def test_a_german_noun_is_no_name_but_a_greeted_one_is():
    assert not [f for f in facts("Die Lampe kam mit Kratzern im Karton der Verpackung an.", "de") if f.kind == "name"]
    assert [f.state for f in facts("Sehr geehrte Frau Osterkamp,", "de")] == ["contradicted"]


def test_names_with_apostrophes_and_initials_are_the_customers_own():
    e = evidence(customer=Customer("Tara O'Shea"))
    assert {f.state for f in ledger(draft("Hello Tara O'Shea,"), e)} == {"supported"}
    assert {f.state for f in ledger(draft("Hello J. B.,"), evidence(customer=Customer("J. B.")))} <= {"supported"}


def test_facts_of_the_subject_have_the_empty_span():
    made = ledger(draft("Thank you.", subject="Order FH-118820"), evidence())
    assert [(f.start, f.end, f.state) for f in made] == [(0, 0, "contradicted")]


def test_an_article_with_a_figure_in_its_name_is_no_number():
    power = order(items=(OrderItem("PWR-200", "Trail power bank 20000", 1, Money(Decimal("59"), "GBP")),))
    assert {f.state for f in facts("Your Trail power bank 20000.", order=power)} <= {"supported"}


def test_a_tracking_number_that_reads_like_a_telephones_is_the_orders():
    parcel = Fulfilment("DPD", "01475600988120", "in transit", day(11, 5), day(11, 8))
    body = "It left us with DPD, tracking number 01475600988120."
    assert [f.state for f in facts(body, order=order(fulfilments=(parcel,)))] == ["supported"]
    assert [f.state for f in facts(body)] != ["supported"]


@pytest.mark.parametrize("number", ["13", "1", "t-1", "A7", "2026/44", "000123", "case_01JD3M"])
def test_the_number_that_the_caller_gave_the_case_may_be_told(number: str):
    made = facts(f"It has the case number {number}.", case_id=number)
    assert {f.state for f in made} == {"supported"}


@pytest.mark.parametrize("number", ["13", "A7", "2026/44", "000123"])
def test_the_number_of_another_case_may_not_be_told(number: str):
    assert {f.state for f in facts(f"It has the case number {number}.")} != {"supported"}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("www.evil.example", "Please pay at www.evil.example now."), ("Bob 500.00 GBP", "You get Bob 500.00 GBP."),
        ("call 07700 900123", "Please call 07700 900123."), ("within 3 days", "It comes within 3 days."),
    ],
)  # fmt: skip
def test_a_display_name_is_a_source_of_nothing_but_a_name(name: str, body: str):
    assert "unsupported" in {f.state for f in facts(body, customer=Customer(name))}


def test_a_name_that_reads_like_a_month_is_the_customers():
    assert {f.state for f in facts("Hello April May,", customer=Customer("April May"))} == {"supported"}


def test_what_is_withheld_is_known_and_not_a_source():
    hidden = order(fulfilments=(Fulfilment("Parcelwing", "PW777888999", "delivered", None, None, day(11, 2)),))
    e = evidence(withheld=hidden)
    assert ("tracking_number", "PW777888999") in e.known.withheld
    assert only("It is PW777888999.", withheld=hidden).state == "unsupported"


def test_the_index_is_made_once():
    e: Evidence = evidence()
    assert e.known is e.known


def test_the_emergency_number_needs_no_source_in_dutch_behind_an_or():
    body = "Bel in nood eerst 999 in het Verenigd Koninkrijk of 112 in de rest van Europa."
    assert {f.source for f in ledger(draft(body, "nl"), evidence()) if f.text in {"999", "112"}} == {"emergency"}
