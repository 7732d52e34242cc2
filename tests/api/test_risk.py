from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.money import Money
from agent.ports import NoOrders
from api import risk, worddiff
from api.marks import pieces
from api.risk import Gift
from tests.fakes.desk import pack

ROLES = pack().authority.roles


def gift(action: str, amount: str) -> Gift:
    return Gift(action, Money(Decimal(amount), "GBP"))


def test_goodwill_and_remedies_have_limits_of_their_own():
    assert risk.covers(ROLES["reviewer"], [gift("credit", "25"), gift("refund", "250")])
    assert not risk.covers(ROLES["reviewer"], [gift("credit", "25.01")])
    assert not risk.covers(ROLES["reviewer"], [gift("refund", "250.01")])
    assert not risk.covers(ROLES["agent"], [gift("credit", "0.01")])
    assert risk.covers(ROLES["admin"], [gift("refund", "99999")])
    assert risk.covers(ROLES["agent"], [])


def test_two_people_are_needed_above_the_line_only():
    assert not risk.needs_two(pack(), [gift("refund", "1000")])
    assert risk.needs_two(pack(), [gift("refund", "1000.01")])


def test_money_at_stake_is_the_dispute_then_the_order_then_what_the_text_names():
    order = {"id": "A", "total": {"amount": "80", "currency": "GBP"}}
    dispute = {"id": "D", "status": "needs_response", "reason": "fraud", "money": {"amount": "70", "currency": "GBP"}}
    named = {"entities": {"amounts": [{"value": "501.00", "currency": "GBP"}, {"value": "3.00", "currency": "GBP"}]}}

    def stake(payload: object, proposal: object = {}) -> object:
        return risk.at_stake(pack(), payload, proposal, NoOrders())  # type: ignore[arg-type]

    assert stake({"context": {"order": order, "dispute": dispute}}, named) == (Money(Decimal(70), "GBP"), True)
    assert stake({"context": {"order": order}}, named) == (Money(Decimal(80), "GBP"), False)
    assert stake({}, named) == (Money(Decimal(501), "GBP"), True)
    assert stake({}) == (None, False)


def test_one_key_is_enough_only_when_nothing_at_all_is_held_against_a_draft():
    clear = {"guard": {"verdict": "clear"}}
    assert risk.green(pack(), "S3", clear, ())
    assert risk.green(pack(), "S4", clear, ())
    assert not risk.green(pack(), "S2", clear, ())
    assert not risk.green(pack(), "S3", {"guard": {"verdict": "warned"}}, ())
    assert not risk.green(pack(), "S3", {**clear, "human_lead": True}, ())
    assert not risk.green(pack(), "S3", clear, (risk.Opening("fact-1", "x", "y"),))


@settings(max_examples=50)
@given(st.text(max_size=60), st.text(max_size=60))
def test_a_difference_gives_both_texts_back(before: str, after: str):
    found = worddiff.changes(before, after)
    assert "".join(c.text for c in found if c.kind != "new") == before
    assert "".join(c.text for c in found if c.kind != "gone") == after


def test_a_difference_is_in_words_and_huge_texts_count_as_replaced():
    kinds = [(c.kind, c.text) for c in worddiff.changes("We look into it.", "We look at it.")]
    assert kinds == [("same", "We look "), ("gone", "into"), ("new", "at"), ("same", " it.")]
    assert [c.kind for c in worddiff.changes("a " * 5000, "b " * 5000)] == ["gone", "new"]


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 45), st.integers(0, 45)), max_size=6))
def test_marks_never_lose_a_character(text: str, spans: list[tuple[int, int]]):
    marks = [(a, b, "k", "n", 1) for a, b in spans if a < b]
    assert "".join(p.text for p in pieces(text, marks)) == text
