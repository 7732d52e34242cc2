from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from agent.case import Customer
from agent.classifier import Taught
from agent.errors import BrokenFile
from agent.outbreak import Detector, Middle, OutbreakRules, Sighting, Trace, Tracer, customer_key, load_rules
from agent.signals import Signals
from agent.understand import Reader
from tests.fakes.desk import NOW, PROMPTS, WordEncoder, escalation, pack

RULES = load_rules(PROMPTS, pack())
SAME = 1.0
"""Nearness of two texts that say the same."""


def words(near: float) -> Any:
    """A unit vector with this cosine to that of `words(SAME)`; two of the same nearness are that near each other squared."""
    v = np.zeros(64, dtype=np.float32)
    v[0], v[1 + int(near * 1000) % 60] = near, np.sqrt(1 - near**2)
    return v


def trace(name: str, hour: float = 0, near: float = SAME, **more: Any) -> Trace:
    base = Trace(name, NOW + timedelta(hours=hour), customer=f"of {name}", issue_type="damaged_or_defective", vector=words(near))  # fmt: skip
    return replace(base, **{k: (v if isinstance(v, frozenset) else frozenset({v})) if k in {"skus", "lots", "codes", "orders", "pages", "errors", "harms", "faults"} else v for k, v in more.items()})  # fmt: skip


def pass_by(*traces: Trace, rules: OutbreakRules = RULES) -> tuple[dict[str, str], list[Sighting]]:
    """Incidents by case after all traces came in, and what was seen each time."""
    incidents: dict[str, str] = {}
    seen: list[Sighting] = []
    for number, t in enumerate(traces):
        sighting = Detector(rules).look(t, traces[:number], incidents)
        incidents |= dict.fromkeys(sighting.cases, sighting.incident or f"by {t.case_id}")
        seen.append(sighting)
    return incidents, seen


def linked(*traces: Trace) -> set[str]:
    return set(pass_by(*traces)[0])


# --- founding and joining -----------------------------------------------------------------------------------------


def test_three_customers_with_one_lot_found_an_incident_and_the_fourth_joins_it():
    incidents, seen = pass_by(*(trace(n, i, near=0.3 + i / 50, lots="VB2609") for i, n in enumerate("abcd")))
    assert [s.verdict for s in seen] == ["nothing", "nothing", "founds", "joins"]
    assert set(seen[2].cases) == {"a", "b", "c"}
    assert seen[3].incident == "by c"
    assert seen[3].cases == ("d",)
    assert seen[3].customers == 4
    assert incidents == dict.fromkeys("abcd", "by c")


def test_every_link_says_why():
    _, seen = pass_by(
        trace("a", lots="VB2609", skus="BLN-610"), trace("b", lots="VB2609"), trace("c", skus="BLN-610", faults="leak"),
        trace("d", near=0.5, skus="BLN-610", faults="leak"), trace("e", near=0.7, faults="leak"),
    )  # fmt: skip
    reasons = {link.case_id: str(link) for s in seen for link in s.links}
    assert reasons["b"] == "same lot VB2609, nearness 1.00"
    assert reasons["c"].startswith("same article BLN-610, like words, nearness 1.00")
    assert reasons["d"].startswith("same article BLN-610, same fault (leak), nearness 0.5")
    assert reasons["e"].startswith("like words and fault (leak), nearness 0.68")


def test_one_customer_counts_once():
    of_one = [trace(n, i, customer="one", lots="VB2609") for i, n in enumerate("abcd")]
    assert linked(*of_one) == set()
    assert linked(*of_one, trace("e", 5, lots="VB2609")) == set()
    assert linked(*of_one, trace("e", 5, lots="VB2609"), trace("f", 6, lots="VB2609")) == set("abcdef")


def test_customers_whom_nobody_knows_count_each():
    assert linked(*(trace(n, customer="", lots="VB2609") for n in "abc")) == set("abc")


def test_cases_outside_the_window_do_not_count():
    assert linked(trace("a", 0, lots="VB2609"), trace("b", 1, lots="VB2609"), trace("c", 48.5, lots="VB2609")) == set()
    assert linked(trace("a", 0, lots="VB2609"), trace("b", 1, lots="VB2609"), trace("c", 47.5, lots="VB2609")) == set("abc")  # fmt: skip


def test_the_store_sets_window_and_minimum():
    rules = RULES.model_copy(update={"window_h": 1.0, "minimum": 2})
    assert set(pass_by(trace("a", 0, lots="V22"), trace("b", 0.9, lots="V22"), rules=rules)[0]) == set("ab")
    assert set(pass_by(trace("a", 0, lots="V22"), trace("b", 1.1, lots="V22"), rules=rules)[0]) == set()


def test_a_case_between_two_that_share_nothing_brings_both_together():
    bridge = trace("c", 2, lots="VB2609", skus="BLN-610")
    assert linked(trace("a", 0, lots="VB2609"), trace("b", 1, skus="BLN-610"), bridge) == set("abc")


def test_an_early_report_is_gathered_once_the_incident_is_clear():
    early = trace("early", 0, near=0.4, skus="BLN-610", faults="leak")
    others = [trace(n, 1 + i, near=SAME, skus="BLN-610", faults="leak") for i, n in enumerate("abcd")]
    assert linked(early, *others[:2]) == set()
    assert linked(early, *others) == {"early", "a", "b", "c", "d"}


def test_a_case_that_fits_two_incidents_joins_the_surer_and_names_the_other():
    lot = [trace(n, lots="VB2609") for n in "abc"]
    words_alone = [trace(n, skus="BLN-610") for n in "def"]
    incidents = dict.fromkeys("abc", "one") | dict.fromkeys("def", "two")
    new = trace("g", near=0.95, lots="VB2609", skus="BLN-610")
    seen = Detector(RULES).look(new, [*lot, *words_alone], incidents)
    assert (seen.verdict, {seen.incident, *seen.also}) == ("joins", {"one", "two"})


def test_a_second_wave_on_the_same_article_belongs_to_the_incident_of_the_first():
    first = [trace(f"m{i}", skus="BLN-610", faults="leak") for i in range(9)]
    own = np.eye(64, dtype=np.float32)
    told = [0.19 * own[0] + 0.65 * own[62] + 0.7358 * own[40 + i] for i in range(3)]
    second = [trace(n, i, vector=told[i], skus="BLN-610", faults="leak") for i, n in enumerate("abc")]
    incidents = dict.fromkeys((t.case_id for t in first), "one")
    look = Detector(RULES).look
    assert look(second[0], first, incidents).verdict == "nothing"
    seen = look(second[2], [*first, *second[:2]], incidents)
    assert (seen.verdict, seen.incident, set(seen.cases)) == ("joins", "one", set("abc"))


def test_the_new_case_may_be_among_the_recent_ones():
    three = [trace(n, lots="VB2609") for n in "abc"]
    assert set(Detector(RULES).look(three[2], three, {}).cases) == set("abc")


# --- what links and what does not ---------------------------------------------------------------------------------


def founded(new: Trace) -> bool:
    """Whether `new` joins an incident of nine customers: one article, one lot, one fault, and like words."""
    nine = [trace(f"m{i}", skus="BLN-610", lots="VB2609", faults="leak") for i in range(9)]
    return Detector(RULES).look(new, nine, dict.fromkeys((t.case_id for t in nine), "one")).verdict == "joins"


def test_a_shared_lot_is_enough():
    assert founded(trace("x", near=0.1, lots="VB2609"))


def test_a_mark_that_another_customer_calls_a_lot_is_one():
    assert founded(trace("x", near=0.1, codes="VB2609"))
    assert not founded(trace("x", near=0.1, codes="VB2608"))
    assert linked(*(trace(n, near=0.1 + i / 9, codes="VB2609") for i, n in enumerate("abc"))) == set()


def test_a_lot_is_the_same_when_a_letter_was_read_for_a_figure():
    three = [trace(n, near=0.3 + i / 9, lots=lot) for i, (n, lot) in enumerate(zip("abc", ("L2611O", "L26110", "LZ611O"), strict=True))]  # fmt: skip
    assert linked(*three[:2], trace("d", near=0.7, lots="126ll0".upper())) == {"a", "b", "d"}
    assert linked(*three) == set()


def test_a_shared_article_needs_a_like_fault_and_some_like_words_or_very_like_words():
    assert founded(trace("x", near=0.21, skus="BLN-610", faults="leak"))
    assert not founded(trace("x", near=0.19, skus="BLN-610", faults="leak"))
    assert founded(trace("x", near=0.56, skus="BLN-610"))
    assert not founded(trace("x", near=0.54, skus="BLN-610"))


def test_another_fault_of_the_same_article_is_another_matter():
    assert not founded(trace("x", near=0.79, skus="BLN-610", faults="noise"))
    assert not founded(trace("x", near=0.79, faults="noise"))
    assert founded(trace("x", near=0.21, skus="BLN-610", faults=frozenset({"leak", "noise"})))


def test_another_lot_of_the_same_article_is_another_matter():
    assert founded(trace("x", near=0.9, skus="BLN-610", faults="leak"))
    assert not founded(trace("x", near=0.99, skus="BLN-610", lots="VB2610", faults="leak"))


def test_the_same_lot_with_another_fault_needs_like_words():
    assert founded(trace("x", near=0.39, lots="VB2609", faults="noise"))
    assert not founded(trace("x", near=0.37, lots="VB2609", faults="noise"))


def test_a_fault_of_a_few_members_is_not_that_of_the_group():
    nine = [trace(f"m{i}", skus="BLN-610", faults="leak" if i > 1 else "noise") for i in range(9)]
    look, incidents = Detector(RULES).look, dict.fromkeys((t.case_id for t in nine), "one")
    assert look(trace("x", near=0.7, skus="BLN-610", faults="leak"), nine, incidents).verdict == "joins"
    assert look(trace("x", near=0.7, skus="BLN-610", faults="noise"), nine, incidents).verdict == "nothing"


def test_an_article_that_is_one_digit_off_never_links():
    assert not founded(trace("x", near=0.99, skus="BLN-611"))
    assert not founded(trace("x", near=0.99, skus="BLN-611", lots="VB2609"))


def test_the_same_article_with_another_problem_never_links():
    for other in ("not_received_or_late", "wrong_item_or_size", "billing_dispute"):
        assert not founded(trace("x", near=0.99, skus="BLN-610", issue_type=other))
        assert not founded(trace("x", near=0.3, skus="BLN-610", lots="VB2609", issue_type=other))


def test_a_lot_and_like_words_outweigh_an_issue_type_that_may_be_mistaken():
    assert founded(trace("x", near=0.5, lots="VB2609", issue_type="wrong_item_or_size"))


def test_broken_and_dangerous_are_one_kind_of_trouble():
    assert founded(trace("x", near=0.61, skus="BLN-610", issue_type="product_safety"))


def test_what_only_asks_or_is_settled_never_links():
    assert not founded(trace("x", near=0.99, skus="BLN-610", lots="VB2609", asks=True))
    assert not founded(trace("x", near=0.99, skus="BLN-610", lots="VB2609", faults="leak", settled=True))


def test_a_lawyers_letter_joins_by_its_lot_its_article_or_its_fault():
    letter = "legal_or_press_threat"
    assert founded(trace("x", near=0.4, lots="VB2609", issue_type=letter))
    assert founded(trace("x", near=0.3, skus="BLN-610", faults="leak", issue_type=letter))
    assert founded(trace("x", near=0.4, faults="leak", issue_type=letter))
    assert not founded(trace("x", near=0.1, lots="VB2609", issue_type=letter))
    assert not founded(trace("x", near=0.99, issue_type=letter))


def test_refunds_of_one_article_are_no_incident_without_very_like_words():
    back = [trace(n, near=0.6, skus="BLN-610", issue_type="return_refund_dispute") for n in "abcd"]
    apart = [replace(t, vector=np.roll(t.vector, 3 * i)) for i, t in enumerate(back)]
    assert linked(*apart) == set()


def test_words_alone_link_only_when_very_near_and_nothing_speaks_against_it():
    assert founded(trace("x", near=0.61))
    assert not founded(trace("x", near=0.59))
    assert founded(trace("x", near=0.37, faults="leak"))
    assert not founded(trace("x", near=0.35, faults="leak"))
    assert not founded(trace("x", near=0.9, lots="KT2610"))


def test_words_alone_say_nothing_of_what_reads_alike_every_day():
    late = [trace(n, issue_type="not_received_or_late") for n in "abcd"]
    assert linked(*late) == set()
    broken = [trace(n) for n in "abcd"]
    assert linked(*broken) == set("abcd")


def test_an_empty_text_is_near_to_nothing():
    silent = [trace(n, vector=np.zeros(0, dtype=np.float32)) for n in "abcd"]
    assert linked(*silent) == set()


def test_an_article_of_a_large_order_that_no_other_customer_has_does_not_count():
    big = replace(trace("a"), skus=frozenset({"BLN-610", "MUG-004", "TEA-036"}), lots=frozenset({"VB2609"}))
    others = [trace(n, skus="BLN-610", lots="VB2609") for n in "bc"]
    incidents = dict.fromkeys("abc", "one")
    look = Detector(RULES).look
    assert look(trace("x", near=0.65, skus="MUG-004"), [big, *others], incidents).verdict == "nothing"
    assert look(trace("x", near=0.65, skus="BLN-610"), [big, *others], incidents).verdict == "joins"


def outage(name: str, hour: float, **more: Any) -> Trace:
    return trace(name, hour, near=0.01 * (1 + ord(name[0]) % 50), issue_type="outage_or_checkout_failure", **more)


@pytest.mark.parametrize("same", [{"pages": "checkout"}, {"errors": "502"}, {"harms": "checkout_error"}])
def test_outages_of_one_hour_share_a_page_an_error_or_a_harm(same: dict[str, str]):
    assert linked(*(outage(n, i / 4, **same) for i, n in enumerate("abc"))) == set("abc")


def test_outages_of_different_hours_or_pages_are_not_one():
    assert linked(*(outage(n, 1.5 * i, pages="checkout") for i, n in enumerate("abc"))) == set()
    assert linked(*(outage(n, 0, pages=f"/{n}") for n in "abc")) == set()


def test_an_outage_goes_on_as_long_as_reports_follow_within_the_hour():
    assert linked(*(outage(n, 0.5 * i, pages="checkout") for i, n in enumerate("abcdefgh"))) == set("abcdefgh")


def test_late_parcels_link_by_carrier_and_part_of_the_country():
    late = {"issue_type": "not_received_or_late", "near": 0.9}
    assert linked(*(trace(n, lane="DHL GB LE", **late) for n in "abc")) == set("abc")
    assert linked(*(trace(n, lane=f"DHL GB {n}", **late) for n in "abc")) == set()


# --- duplicates ---------------------------------------------------------------------------------------------------


def duplicates(new: Trace, *recent: Trace) -> list[tuple[str, str]]:
    return [(d.case_id, d.reason) for d in Detector(RULES).look(new, recent, {}).duplicates]


def test_a_second_case_of_one_customer_on_one_order_lot_or_problem_is_offered_for_a_merge():
    mine = {"customer": "one"}
    assert duplicates(trace("b", orders="FH1", **mine), trace("a", near=0.1, orders="FH1", **mine)) == [("a", "same customer, same order FH1")]  # fmt: skip
    assert duplicates(trace("b", lots="V22", **mine), trace("a", near=0.1, lots="V22", **mine)) == [("a", "same customer, same lot V22")]  # fmt: skip
    assert duplicates(trace("b", **mine), trace("a", near=0.8, **mine)) == [("a", "same customer, nearness 0.80")]


def test_two_customers_another_problem_and_unknown_people_are_no_duplicates():
    assert duplicates(trace("b", orders="FH1"), trace("a", orders="FH1")) == []
    assert duplicates(trace("b", customer=""), trace("a", customer="")) == []
    mine = {"customer": "one"}
    assert duplicates(trace("b", **mine), trace("a", near=0.1, **mine)) == []
    assert duplicates(trace("b", **mine), trace("a", issue_type="billing_dispute", **mine)) == []
    assert duplicates(trace("b", 60, **mine), trace("a", **mine)) == []


def test_the_nearest_duplicate_in_time_comes_first():
    mine = {"customer": "one", "orders": "FH1"}
    found = duplicates(trace("c", 10, **mine), trace("a", 1, **mine), trace("b", 9, **mine))
    assert [case for case, _ in found] == ["b", "a"]


# --- the trace of a case ------------------------------------------------------------------------------------------


def tracer(secret: bytes = b"secret") -> Tracer:
    middle = Middle(np.zeros(WordEncoder().dimension, np.float32), np.zeros(WordEncoder().dimension, np.float32))
    return Tracer(pack(), Signals(pack()), RULES, middle, secret)


def traced(text: str, issue_type: str = "damaged_or_defective", severity: str = "S3", **more: Any) -> Trace:
    encoder = WordEncoder()
    case = escalation({"text": text, **more})
    return tracer().trace(case, Reader(pack(), Signals(pack()), encoder, encoder).read(case, NOW), issue_type, severity)


def order(*items: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"context": {"order": {"id": "FH-104233", "items": [{"sku": s, "name": n} for s, n in items], **more}}}


def test_a_trace_holds_article_lot_order_and_harm():
    seen = traced("My kettle leaks, lot L26/0418, order FH-104512.", customer={"email": "Ada@Mail.example"})
    assert (seen.skus, seen.lots, seen.orders, seen.harms) == ({"KTL-330"}, {"260418"}, {"FH104512"}, {"leaks"})
    assert seen.customer == customer_key(Customer(email="ada@mail.example"), b"secret")
    assert float(np.linalg.norm(seen.vector)) == pytest.approx(1.0, abs=1e-5)


def test_a_trace_keeps_marks_that_may_be_a_lot_and_no_numbers_that_are_something_else():
    text = (
        "It cracked. On the base: L2611/B. Order FH-104233, tracking 1Z999AA10123456784, call 07700 900123, paid 45.00."
    )
    assert traced(text, order_ref="FH-104233").codes == {"2611B"}
    assert traced("My gift card K7QZ-3L19 is empty.", "billing_dispute").codes == frozenset()


def test_a_stated_number_of_no_known_article_stands_for_itself():
    assert traced("My kettle KTL-331 leaks.").skus == {"KTL-331"}
    assert traced("My kettle KTL 330 leaks.").skus == {"KTL-330"}
    assert traced("The jug leaks, SKU 88-120B.").skus == {"88-120B"}


def test_the_order_says_which_article_it_is():
    assert traced("The kettle leaks.", **order(("KTL-331", "Quay electric kettle, small"))).skus == {"KTL-331"}
    two = order(("KTL-330", "Quay electric kettle"), ("MUG-004", "Pebble mugs (set of 4)"))
    assert traced("The kettle leaks.", **two).skus == {"KTL-330"}
    assert traced("It leaks.", **two).skus == {"KTL-330", "MUG-004"}


def test_what_the_stores_quoted_mail_names_is_no_report():
    text = "Mine is fine, thanks for asking.\n\nOn Monday, Fernhill wrote:\n> Please check your blender, lot VB-2609.\n"
    assert (traced(text).lots, traced(text).skus) == (frozenset(), frozenset())


def test_a_harmless_question_asks_and_a_report_does_not():
    assert traced("How do I take the blade out to clean it?", severity="S4").asks
    assert traced("How do I take the blade out to clean it?", severity="S3").asks
    assert not traced("Where is my parcel?", "not_received_or_late").asks
    assert traced("Is it safe on a gas hob?", "product_safety").asks
    assert traced("Which bolt, the long or the short?", "other_unclear", "S4").asks
    assert not traced("My kettle arrived broken. What do I do now?", severity="S4").asks


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("The jug cracked and leaks.", {"break", "leak"}), ("The plug melted.", {"heat"}), ("It gave me a rash.", {"skin"}),
        ("Der Krug ist gerissen und läuft aus.", {"break", "leak"}), ("Das Gehäuse ist geschmolzen.", {"heat"}), ("Ich habe Ausschlag davon.", {"skin"}),
        ("La cruche est fendue et fuit.", {"break", "leak"}), ("Le boîtier a fondu.", {"heat"}), ("J'ai des plaques rouges.", {"skin"}),
        ("La jarra se ha roto y gotea.", {"break", "leak"}), ("La carcasa se ha derretido.", {"heat"}), ("Tengo ronchas.", {"skin"}),
        ("La caraffa è crepata e gocciola.", {"break", "leak"}), ("La plastica si è sciolta.", {"heat"}), ("Ho uno sfogo sul viso.", {"skin"}),
        ("De kan is gescheurd en lekt.", {"break", "leak"}), ("De stekker is gesmolten.", {"heat"}), ("Ik heb uitslag.", {"skin"}),
        ("O jarro rachou e pinga.", {"break", "leak"}), ("O plástico derreteu.", {"heat"}), ("Fiquei com comichão.", {"skin"}),
        ("Does it leak? Could it melt?", set[str]()), ("Ours leaks, is that normal?", {"leak"}), ("It is lovely.", set[str]()),
    ],
)  # fmt: skip
def test_faults_are_read_in_every_language_and_not_from_what_is_only_asked(text: str, faults: set[str]):
    assert traced(text).faults == faults


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("Thank you for the refund on the cream that gave me a rash. All healed now, matter closed.", True), ("Es hat sich erledigt, danke.", True),
        ("Merci pour le remboursement.", True), ("Ya está resuelto, gracias.", True), ("È stato risolto.", True), ("Het is helemaal opgelost.", True),
        ("Já está resolvido.", True), ("Thanks for the replacement. This one leaks too.", False), ("Thanks for the refund, but the mug is missing.", False),
        ("It leaks. Please sort it out.", False),
    ],
)  # fmt: skip
def test_a_text_that_says_that_all_is_over_is_settled_unless_it_goes_on(text: str, settled: bool):
    assert traced(text).settled is settled


@pytest.mark.parametrize(
    "text",
    ["Checkout shows error 502.", "An der Kasse kommt Fehler 502.", "Page de paiement : erreur 502", "Al finalizar la compra sale el error 502",
     "Alla cassa esce errore 502", "Bij het afrekenen krijg ik fout 502", "Ao finalizar a compra dá erro 502"],
)  # fmt: skip
def test_an_outage_is_traced_by_page_and_error_in_every_language(text: str):
    seen = traced(text, "outage_or_checkout_failure")
    assert (seen.pages, seen.errors) == ({"checkout"}, {"502"})


def test_links_of_the_shop_are_pages_without_ids_and_others_are_not():
    seen = traced("https://fernhill.example/shop/pay/88123?x=1 and https://bank.example/pay fail", "outage_or_checkout_failure")  # fmt: skip
    assert seen.pages == {"/shop/pay"}


def test_the_lane_is_carrier_and_area_and_never_the_whole_address():
    parcel = {"fulfilments": [{"carrier": "DHL", "tracking": "JD014600003812345678"}]}
    there = {"zip": "LE2 7QD", "country_code": "GB", "address1": "4 Elm Street"}
    late = traced("Where is it?", "not_received_or_late", **order(("KTL-330", "Kettle"), shipping_address=there, **parcel))  # fmt: skip
    assert late.lane == "DHL GB LE"
    assert traced("Where is it?", "not_received_or_late", **order(("KTL-330", "Kettle"), **parcel)).lane == ""


def test_no_trace_names_a_person():
    who = {"name": "Ada Quist", "email": "ada@quist.example", "phone": "+44 7700 900123"}
    seen = traced("Ada Quist here, ada@quist.example, +44 7700 900123. It leaks.", customer=who)
    assert not any(part in repr(seen).lower() for part in ("ada", "quist", "7700"))


def test_a_customer_is_told_by_address_else_telephone_else_name_and_only_under_the_stores_secret():
    ada = Customer("Ada Quist", "ada@quist.example", "+44 7700 900123")
    assert customer_key(ada, b"k") == customer_key(Customer("A. Q.", " ADA@quist.example"), b"k")
    assert customer_key(replace(ada, email=""), b"k") == customer_key(Customer("", "", "+44 7700-900123"), b"k")
    assert customer_key(Customer("ADA  quist"), b"k") == customer_key(Customer("Ada Quist"), b"k")
    assert customer_key(ada, b"k") != customer_key(ada, b"other")
    assert customer_key(Customer(), b"k") == ""


def test_the_middle_leaves_out_what_has_no_english_vector():
    taught = Taught(np.array([[1, 0], [0, 0]], np.float32), np.array([[1, 0], [0, 1]], np.float32))
    middle = Middle.of(taught)
    assert middle.english.tolist() == [1.0, 0.0]
    assert middle.multilingual.tolist() == [0.5, 0.5]


# --- the rules ----------------------------------------------------------------------------------------------------


def broken(tmp_path: Path, old: str, new: str) -> str:
    text = (PROMPTS / "pack/outbreak.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/outbreak.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BrokenFile) as error:
        load_rules(tmp_path, pack())
    return str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("window_h: 48", "window_h: 0", "window_h"), ("minimum: 3", "minimum: 1", "minimum"), ("same_lot: 0.05", "same_lot: 2", "same_lot"),
        ("window_h: 48", "windows_h: 48", "windows_h"), ("outages: [outage_or", "outages: [sea_monster, outage_or", "no issue type `sea_monster`"),
        ("reports: [injury", "reports: [gloom, injury", "no signal `gloom`"), ("severities: [S3]", "severities: [S9]", "no severity `S9`"),
        ("  search: [", "  search: ['(', ", "pages.search: not a pattern"), ("  search: [", "  search: ['', ", "matches every text"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_used_are_refused_with_the_reason(tmp_path: Path, old: str, new: str, problem: str):
    assert problem in broken(tmp_path, old, new)


def test_missing_rules_are_said_to_be_missing(tmp_path: Path):
    with pytest.raises(BrokenFile, match="missing"):
        load_rules(tmp_path, pack())


def test_a_thousand_recent_cases_take_a_fraction_of_a_second():
    recent = [trace(f"r{i}", i / 30, near=(i % 90) / 100, skus=f"S-{i % 40}", faults="leak") for i in range(1000)]
    seconds: list[float] = []
    for _ in range(3):
        begun = perf_counter()
        assert (
            Detector(RULES).look(trace("new", 30, near=0.7, skus="S-1", faults="leak"), recent, {}).verdict == "founds"
        )
        seconds.append(perf_counter() - begun)
    assert min(seconds) < 0.5
