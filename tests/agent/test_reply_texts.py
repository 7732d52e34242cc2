from __future__ import annotations

import json
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from agent.prompts import Rendered, load_prompts

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders_view import ISSUE_TYPES, LANGUAGES, PROMPTS, TEXTS, harm, order, view, word

LETTERS = load_prompts(PROMPTS)
HARMS: dict[str, Any] = yaml.safe_load((PROMPTS / "pack/harms.yaml").read_text())["harms"]
REQUIRED: dict[str, list[str]] = {
    id_: entry["required"]
    for id_, entry in yaml.safe_load((PROMPTS / "pack/issue_types.yaml").read_text())["issue_types"].items()
}
MISSING = ("order_id", "photos", "item", "tracking", "identity", "what_happened", "charge", "device")
NUMBERS_OF_OUR_OWN = {"999", "112", "116", "123", "0800", "111", "0"}


def reply(issue_type: str, language: str = "en", *, as_question: bool = False, **over: Any) -> Rendered:
    name = "question" if as_question else issue_type
    return LETTERS.compose(f"reply/{language}/{name}", view(issue_type, language, **over))


def says(name: str, language: str, text: str) -> bool:
    """Whether the text has the words by which the language says this."""
    return bool(re.search(TEXTS[language]["says"][name], text))


def asked(language: str, text: str) -> set[str]:
    """The things that a text asks for."""
    return {thing for thing, pattern in TEXTS[language]["asks"].items() if re.search(pattern, text)}


def paragraphs(text: str) -> list[str]:
    return text.strip().split("\n\n")


def situations(issue_type: str, language: str) -> list[dict[str, Any]]:
    """Hand-made cases of one type: each fact that a template asks for, both ways."""
    own = [id_ for id_, h in HARMS.items() if issue_type in h["issue_types"]]
    part, delivered, placed = word("part", language), word("delivered", language), word("placed", language)
    none = {"order_id": "", "item": "", "items": []}
    open_return = {"status": "open", "opened_on": placed, "received_on": ""}
    booked = {"status": "checked in", "opened_on": placed, "received_on": delivered}
    refund = {"amount": part, "on": delivered, "status": "succeeded"}
    dispute = {
        "id": "dp_1Q",
        "status": "needs_response",
        "reason": "x",
        "amount": part,
        "due_on": word("deadline", language),
    }
    charge = {"amount": part, "on": placed, "status": "captured"}
    harmed = [{"said": {"harms": [harm(h, language)]}, "tone": tone} for h in own for tone in ("plain", "angry")]
    return [
        {},
        {"tone": "angry"},
        {"tone": "warm", "severity": "S4", "clock": {"next_update": ""}},
        {"severity": "S4", "clock": {"next_update": ""}, "said": none},
        {"severity": "S1", "said": {"injury": True, "many_affected": True, "photos": True}},
        {"severity": "S2", "contact": {"name": ""}},
        {"customer": {"name": "", "verified": True}, "order": order(language)},
        {"said": none},
        {"said": {**none, "order_id": "FH-104233"}},
        {"said": {**none, "order_id": "FH-104233"}, "order": order(language, item="")},
        {"said": none, "order": order(language)},
        {
            "said": {
                "items": ["Pebble mugs", "Halo desk lamp"],
                "item": "Pebble mugs",
                "harms": [harm(h, language) for h in own[:2]],
            }
        },
        {"said": {"contacts": 2, "wants": "refund", "amounts": [part], "human_requested": True}},
        {"said": {"contacts": 3, "wants": "replacement", "deadline": word("deadline", language)}},
        {"said": {"contacts": 4, "occasion": word("occasion", language)}},
        {"said": {"contacts": 7, "deadline": word("deadline", language), "occasion": word("occasion", language)}},
        {"said": {"delivered_scan": True, "tracking": "PW1234567890", "workaround": True, "many_affected": True}},
        {"said": {"threat": "chargeback"}},
        {"said": {"dispute_open": True}, "dispute": dispute, "order": order(language, refunds=[refund])},
        {"case": {"channel": "bank"}, "said": {"dispute_open": True}, "dispute": dispute},
        {"order": order(language, delivered_on=delivered, within_return_window=True, **{"return": open_return})},
        {
            "order": order(
                language, delivered_on=delivered, within_return_window=False, refunds=[refund], **{"return": booked}
            )
        },
        {
            "order": order(
                language, dispatched_on="", carrier="", tracking="", tracking_state="", charges=[charge, charge]
            )
        },
        {"order": order(language, tracking_state="", charges=[])},
        {"policy": {}, "missing": ["photos", "identity"]},
        {"missing": list(MISSING)},
        *({"missing": [thing]} for thing in MISSING),
        *harmed,
    ]


ALL = [
    pytest.param(type_, language, id=f"{language}-{type_}") for type_ in ISSUE_TYPES for language in LANGUAGES
]  # fmt: skip


def every(issue_type: str, language: str) -> list[tuple[dict[str, Any], Rendered]]:
    cases = situations(issue_type, language)
    made = [(c, reply(issue_type, language, **c)) for c in cases]
    asked = [(c, reply(issue_type, language, as_question=True, **c)) for c in cases if c.get("missing")]
    return made + asked


def lix(text: str) -> float:
    body = re.sub(r"\S+@\S+|case_\S+", "x", " ".join(paragraphs(text)[1:-1]))
    words = re.findall(r"[^\W\d_]+", body)
    ends = len(re.findall(r"[.!?:;](?=\s|$)", body)) or 1
    return len(words) / ends + 100 * sum(len(w) > 6 for w in words) / len(words)


# --- form ---


@pytest.mark.parametrize(("issue_type", "language"), ALL)
def test_every_text_is_clean_and_complete_in_form(issue_type: str, language: str):
    for case, made in every(issue_type, language):
        text = made.text
        glitch = re.search(
            r"\{\{|\{%|%\}|\[\[|  |\s[.,;:!?](?:\s|$)"
            r"|[,;:][.,;:]|(?<!\.)\.\.(?!\.)|\n{3,}|\bNone\b|\bTrue\b|„“|\"\"|\(\)"
            r"|<|\bthe the\b|\bthe your\b|  $|:\n\n|, and\.| zu \.|dass und",
            text,
        )
        assert not glitch, (case, glitch, text)
        parts = paragraphs(text)
        assert re.match(r"Subject: \S.*$", parts[0]), text
        assert parts[1].endswith(","), text
        assert "Fernhill" in parts[-1], text
        assert 4 <= len(parts) <= 10, text
        for number, part in enumerate(parts[2:-1]):
            first = part[0]
            assert (first.islower() and language == "de" and number == 0) or first.isupper(), (part, text)
            assert part[-1] in ".!?", (part, text)
            assert "\n- " in part or len(part.split()) <= 110, part


@pytest.mark.parametrize(("issue_type", "language"), ALL)
def test_every_text_is_easy_to_read(issue_type: str, language: str):
    worst = max((lix(made.text), made.text) for _, made in every(issue_type, language))
    assert worst[0] < 50, worst


@pytest.mark.parametrize(("issue_type", "language"), ALL)
def test_no_figure_appears_that_the_case_file_does_not_hold(issue_type: str, language: str):
    for case, made in every(issue_type, language):
        known = set(re.findall(r"\d+", json.dumps(view(issue_type, language, **case), ensure_ascii=False)))
        known |= NUMBERS_OF_OUR_OWN | ({"2"} if "order" in case else set())
        assert set(re.findall(r"\d+", made.text)) <= known, (case, made.text)


@pytest.mark.parametrize(("issue_type", "language"), ALL)
def test_nothing_of_the_never_list_is_said(issue_type: str, language: str):
    for case, made in every(issue_type, language):
        text = made.text
        for line in view(issue_type, language, **case)["policy"].values():
            text = text.replace(line["text"], "")
        for pattern in TEXTS[language]["never"]:
            assert not (hit := re.search(pattern, text, re.IGNORECASE)), (case, hit, text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_next_update_is_named_exactly_when_the_clock_gives_one(language: str):
    slot = word("update", language)
    for type_ in ISSUE_TYPES:
        if type_ == "conduct_or_welfare":
            continue
        assert reply(type_, language).text.count(slot) == 1, type_
        without = reply(type_, language, clock={"next_update": ""}).text
        assert slot not in without
        assert not says("update_without_slot", language, without)


# --- content ---


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("issue_type", ["damaged_or_defective", "wrong_item_or_size", "product_bug", "billing_dispute"])
def test_what_no_phrase_names_is_said_in_the_customers_own_words(issue_type: str, language: str):
    words = "It only hums now and will not turn"
    assert words in reply(issue_type, language, said={"own_words": words}).text
    named = harm(next(n for n, h in HARMS.items() if issue_type in h["issue_types"]), language)
    assert words not in reply(issue_type, language, said={"own_words": words, "harms": [named]}).text


@pytest.mark.parametrize(("issue_type", "language"), ALL)
@pytest.mark.parametrize("severity", ["S1", "S3"])
def test_every_text_has_what_its_issue_type_must_contain(issue_type: str, language: str, severity: str):
    for over in ({}, {"order": order(language), "customer": {"verified": True}}):
        text = reply(issue_type, language, severity=severity, **over).text
        for item in REQUIRED[issue_type]:
            assert re.search(TEXTS[language]["required"][item], text, re.DOTALL), (item, text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("thing", MISSING)
def test_a_question_asks_for_the_one_thing_that_is_missing_and_for_nothing_else(language: str, thing: str):
    text = reply("damaged_or_defective", language, as_question=True, missing=[thing]).text
    assert asked(language, text) == {thing}
    assert "\n- " not in text


@pytest.mark.parametrize(("issue_type", "language"), ALL)
def test_nothing_is_asked_for_when_nothing_is_missing(issue_type: str, language: str):
    for case in situations(issue_type, language):
        if case.get("missing"):
            continue
        text = reply(issue_type, language, **case).text
        assert not asked(language, text), (case, text)


def test_several_missing_things_become_a_list():
    text = reply("damaged_or_defective", as_question=True, missing=["order_id", "photos"]).text
    assert text.count("\n- ") == 2


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "issue_type",
    [t for t in ISSUE_TYPES if t not in ("privacy_or_security", "conduct_or_welfare", "legal_or_press_threat")],
)
def test_the_harm_the_date_and_earlier_contacts_are_named(issue_type: str, language: str):
    phrase = next(
        (harm(i, language) for i, h in HARMS.items() if issue_type in h["issue_types"]), harm("late", language)
    )
    said = {"harms": [phrase], "deadline": word("deadline", language), "contacts": 3}
    text = reply(issue_type, language, said=said).text
    assert phrase in text
    assert word("deadline", language) in text
    assert says("contact_count", language, text.replace("\n", " "))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_privacy_text_never_repeats_what_was_seen(language: str):
    secret = "the address of Mrs Example"
    text = reply(
        "privacy_or_security", language, severity="S1", said={"harms": [secret], "item": secret, "items": [secret]}
    ).text
    assert secret not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_legal_text_says_nothing_on_the_merits(language: str):
    phrase = harm("late", language)
    text = reply("legal_or_press_threat", language, said={"harms": [phrase], "wants": "refund", "contacts": 3}).text
    assert phrase not in text
    assert not says("regret_or_money", language, text)
    assert len(text.split()) < 70


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_injury_puts_the_doctor_before_everything_else(language: str):
    parts = paragraphs(reply("product_safety", language, severity="S1", said={"injury": True}).text)
    assert says("doctor", language, parts[2])
    assert "112" in parts[2]
    assert says("call", language, "".join(parts))


def test_a_policy_line_that_the_store_does_not_have_is_not_cited():
    for type_ in ISSUE_TYPES:
        bare = view(type_)
        bare["policy"] = {}
        assert LETTERS.compose(f"reply/en/{type_}", bare).cites == ()


def test_a_figure_of_the_policy_is_read_from_the_policy():
    text = reply("not_received_or_late", policy={"carrier-inquiry": {"text": "x", "business_days": 7}}).text
    assert "7 business days" in text
    assert "2 business days" not in text


# --- one decisive fact, one paragraph ---

Pair: TypeAlias = tuple[str, dict[str, Any], dict[str, Any], str, int]
"""Issue type, case before and after, what the changed paragraphs say (a name, or the words), and how many may change."""

PAIRS: list[Pair] = [
    ("damaged_or_defective", {}, {"said": {"photos": True}}, "photos_attached", 2),
    ("damaged_or_defective", {}, {"missing": ["photos"]}, "photos_missing", 2),
    ("damaged_or_defective", {}, {"said": {"contacts": 3}}, "third_contact", 1),
    ("damaged_or_defective", {}, {"said": {"wants": "refund"}}, "wants_refund", 1),
    (
        "damaged_or_defective",
        {"said": {"wants": "refund"}},
        {"said": {"wants": "replacement"}},
        "wants_replacement",
        1,
    ),
    ("damaged_or_defective", {}, {"said": {"deadline": "14.11."}}, "14.11.", 1),
    ("damaged_or_defective", {}, {"said": {"many_affected": True}}, "many_pieces", 1),
    ("damaged_or_defective", {}, {"clock": {"next_update": ""}}, "", 1),
    ("damaged_or_defective", {}, {"said": {"human_requested": True}}, "a_person", 1),
    ("wrong_item_or_size", {}, {"said": {"photos": True}}, "pictures", 1),
    ("not_received_or_late", {}, {"said": {"delivered_scan": True}}, "delivered_scan", 1),
    ("not_received_or_late", {}, {"said": {"tracking": "PW1"}}, "PW1", 1),
    ("not_received_or_late", {}, {"said": {"contacts": 2}}, "second_contact", 1),
    ("return_refund_dispute", {}, {"said": {"amounts": ["£9.00"]}}, "£9.00", 1),
    ("return_refund_dispute", {}, {"said": {"wants": "replacement"}}, "wants_exchange", 1),
    ("billing_dispute", {}, {"said": {"many_affected": True}}, "many_charges", 1),
    ("chargeback", {"said": {"threat": "chargeback"}}, {"said": {"dispute_open": True}}, "dispute", 2),
    ("fraud_or_account_takeover", {}, {"customer": {"verified": True}}, "identity", 1),
    ("outage_or_checkout_failure", {}, {"said": {"workaround": True}}, "workaround", 1),
    ("product_bug", {}, {"said": {"workaround": True}}, "workaround", 1),
    ("product_safety", {"severity": "S1"}, {"severity": "S1", "said": {"injury": True}}, "doctor", 2),
    ("privacy_or_security", {"severity": "S3"}, {"severity": "S3", "customer": {"verified": True}}, "30", 1),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("pair", PAIRS)
def test_one_decisive_fact_changes_its_own_paragraphs_and_no_other(
    language: str, pair: tuple[str, dict[str, Any], dict[str, Any], str, int]
):
    issue_type, before, after, about, most = pair
    old, new = (paragraphs(reply(issue_type, language, **over).text) for over in (before, after))
    changed = [p for p in new if p not in old]
    gone = [p for p in old if p not in new]
    assert changed or gone
    assert len(changed) <= most
    assert len(gone) <= most
    for part in changed:
        if not part.startswith("Subject:"):
            assert about in part or says(about, language, part), part


ORDERS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("damaged_or_defective", {"within_return_window": True}, {"within_return_window": False}, "warranty"),
    ("wrong_item_or_size", {"within_return_window": True}, {"within_return_window": False}, "30 "),
    ("not_received_or_late", {"tracking_state": "at the depot"}, {"tracking_state": "with customs"}, "with customs"),
    ("not_received_or_late", {}, {"dispatched_on": ""}, "no_dispatch"),
    ("return_refund_dispute", {"within_return_window": True}, {"within_return_window": False}, "30 "),
    ("chargeback", {}, {"delivered_on": "2 May"}, "2 May"),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("issue_type", "before", "after", "about"), ORDERS)
def test_one_fact_of_the_order_changes_one_paragraph(
    issue_type: str, language: str, before: dict[str, Any], after: dict[str, Any], about: str
):
    old, new = (paragraphs(reply(issue_type, language, order=order(language, **o)).text) for o in (before, after))
    changed = [p for p in new if p not in old]
    assert len(changed) == 1
    assert about in changed[0] or says(about, language, changed[0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_delivery_on_record_turns_the_advice_on_a_parcel(language: str):
    old, new = (
        reply("not_received_or_late", language, order=order(language, delivered_on=d)).text for d in ("", "2 May")
    )
    assert "2 May" in new
    assert says("scan_is_no_parcel", language, new)
    assert not says("scan_is_no_parcel", language, old)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refund_on_record_is_told_and_no_refund_is_said_to_be_missing(language: str):
    made = {"amount": word("part", language), "on": word("delivered", language), "status": "succeeded"}
    none, one = (reply("return_refund_dispute", language, order=order(language, refunds=r)).text for r in ([], [made]))
    assert says("no_refund_yet", language, none)
    assert word("part", language) in one
    assert not says("no_refund_yet", language, one)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("status", [None, False])
def test_an_unverified_reader_learns_nothing_of_the_order(language: str, status: bool | None):
    for type_ in ISSUE_TYPES:
        text = reply(type_, language, customer={"verified": status}).text
        assert "Parcelwing" not in text
        assert word("dispatched", language) not in text
        assert not says("frozen", language, text)


# --- speed ---


def test_a_reply_renders_in_less_than_a_millisecond():
    made = view("damaged_or_defective", order=order("en"), said={"contacts": 3, "photos": True, "wants": "refund"})
    times: list[float] = []
    for _ in range(200):
        start = time.process_time()
        LETTERS.compose("reply/en/damaged_or_defective", made)
        times.append(time.process_time() - start)
    assert statistics.quantiles(times, n=20)[18] < 0.001
