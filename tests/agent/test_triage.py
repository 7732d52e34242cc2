from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import triage
from agent.case import Entities, Entity, Signal, Span, Triage
from agent.classifier import Sense
from agent.language import Detected
from agent.money import Money
from agent.pack import Condition
from agent.triage import Prior, collaborators, decide, flags, holds, tone
from agent.understand import Understanding
from tests.fakes.desk import pack

NOTHING = Sense("", "en", np.zeros((1, 4), np.float32), np.zeros((1, 4), np.float32), frozenset())
ORDER = ("S1", "S2", "S3", "S4")


def understanding(*conditions: str, **more: Any) -> Understanding:
    """A case of which these signals and computed conditions hold."""
    signals = {name: Signal(name, f"words of {name}", Span(0, 0, 1)) for name in conditions if name in pack().signals}
    made: dict[str, Any] = {
        "own": ("",), "language": Detected("en", 1.0, True), "entities": Entities(), "signals": signals,
        "conditions": frozenset(conditions), "contacts": 1, "deadline_h": None, "value": None, "spans": (),
        "sense": NOTHING,
    }  # fmt: skip
    return Understanding(**{**made, **more})


def prior(kind: str = "damaged_or_defective", severity: str = "S3", *, sure: float = 0.9, lead: float = 0.0) -> Prior:
    types = dict.fromkeys(pack().issue_types, (1 - sure) / (len(pack().issue_types) - 1)) | {kind: sure}
    severities = dict.fromkeys(ORDER, (1 - sure) / 3) | {severity: sure}
    return Prior(types, severities, lead)


def judged(*conditions: str, by: Prior | None = None, **more: Any) -> Triage:
    return decide(pack(), understanding(*conditions, **more), by or prior())


# --- severity -----------------------------------------------------------------------------------------------------


TRACE = triage._DOUBT
"""What a rule of words needs of the classifier, twice for the most severe."""
MILD = Prior(prior().issue_type, {"S1": 0.0, "S2": 0.3, "S3": 0.35, "S4": 0.35}, 0.0)
"""A classifier that would say S3 and holds S2 for possible."""
GRAVE = Prior(prior().issue_type, {"S1": 0.5, "S2": 0.0, "S3": 0.25, "S4": 0.25}, 0.0)
"""A classifier that holds S1 for likely."""


@pytest.mark.parametrize(
    ("condition", "floor"),
    [
        ("injury", "S1"), ("hazard", "S1"), ("data_exposed", "S1"), ("outage_many", "S1"), ("self_harm", "S1"),
        ("violence_threat", "S1"), ("person_in_danger", "S1"), ("press_live", "S1"), ("chargeback_open", "S2"),
        ("regulator", "S2"), ("legal", "S2"), ("press_threat", "S2"), ("fraud_stranger", "S2"),
        ("account_takeover", "S2"), ("executive", "S2"), ("discrimination", "S2"), ("security_weakness", "S2"),
        ("cluster", "S2"),
    ],
)  # fmt: skip
def test_a_signal_sets_the_floor_of_its_row(condition: str, floor: str):
    by = Prior(prior().issue_type, dict.fromkeys(ORDER, 0.0) | {"S1": 2 * TRACE, "S4": 1 - 2 * TRACE}, 0.0)
    made = judged(condition, by=by)
    assert made.severity_floor == floor
    assert ORDER.index(made.severity) <= ORDER.index(floor)
    assert f"words of {condition}" in {c.quote for c in made.criteria}


@given(
    st.sets(st.sampled_from([*pack().signals, "high_value", "hidden_text"]), max_size=6),
    st.lists(st.floats(0.01, 1.0), min_size=4, max_size=4),
    st.sampled_from(list(pack().issue_types)),
    st.integers(1, 5),
    st.one_of(st.none(), st.floats(0, 200)),
)
def test_no_answer_of_the_classifier_undercuts_a_floor(
    conditions: set[str], weights: list[float], kind: str, contacts: int, deadline: float | None
):
    shares = {s: w / sum(weights) for s, w in zip(ORDER, weights, strict=True)}
    made = decide(
        pack(),
        understanding(*conditions, contacts=contacts, deadline_h=deadline),
        Prior(prior(kind).issue_type, shares, 0.0),
    )
    if made.severity_floor:
        assert ORDER.index(made.severity) <= ORDER.index(made.severity_floor)
    learned = max(ORDER, key=shares.__getitem__)
    worst, *_ = ORDER
    plurality = learned == worst and shares[worst] < 0.45
    assert ORDER.index(made.severity) <= ORDER.index(learned) + plurality
    assert made.severity_reason
    assert {c.severity for c in made.criteria} <= set(ORDER)


def test_the_most_severe_level_needs_a_criterion_or_more_than_a_plurality():
    def at(share: float, *conditions: str, deadline: float | None = None) -> str:
        by = Prior(prior().issue_type, {"S1": share, "S2": 0.3, "S3": 0.2, "S4": 0.1}, 0.0)
        return judged(*conditions, by=by, deadline_h=deadline).severity

    assert at(0.44) == "S2"
    assert at(0.46) == "S1"
    assert at(0.44, deadline=3.0) == "S1"


def test_a_rule_of_words_needs_a_trace_of_the_classifier():
    deaf = Prior(prior().issue_type, {"S1": 2 * TRACE - 0.01, "S4": 1.01 - 2 * TRACE}, 0.0)
    heard = Prior(prior().issue_type, {"S1": 2 * TRACE, "S4": 1 - 2 * TRACE}, 0.0)
    assert judged("injury", by=deaf).severity_floor == ""
    assert judged("injury", by=heard).severity_floor == "S1"
    deaf = Prior(prior().issue_type, {"S1": 0.05, "S2": TRACE - 0.06, "S4": 1.01 - TRACE}, 0.0)
    heard = Prior(prior().issue_type, {"S1": 0.05, "S2": TRACE - 0.04, "S4": 0.99 - TRACE}, 0.0)
    assert judged("legal", by=deaf).severity_floor == ""
    assert judged("legal", by=heard).severity_floor == "S2"


def test_dates_counts_and_amounts_need_no_trace_of_the_classifier():
    sure = Prior(prior().issue_type, {"S1": 0.0, "S2": 0.0, "S3": 0.0, "S4": 1.0}, 0.0)
    assert judged(by=sure, contacts=3).severity == "S2"
    assert judged("high_value", by=sure, value=Money(Decimal("501"), "EUR")).severity == "S2"
    assert judged("deadline", by=sure, deadline_h=12.0).severity == "S1"


@pytest.mark.parametrize(
    ("hours", "floor"), [(0.0, "S1"), (23.9, "S1"), (24.0, "S1"), (24.1, "S2"), (72.0, "S2"), (72.1, ""), (None, "")]
)
def test_a_binding_date_weighs_by_its_hours(hours: float | None, floor: str):
    made = judged("deadline", by=MILD, deadline_h=hours)
    assert made.severity_floor == floor
    assert ("hard_deadline" in made.flags) == bool(floor)
    if floor:
        assert "hours left" in made.severity_reason


@pytest.mark.parametrize(("contacts", "floor"), [(1, ""), (2, ""), (3, "S2"), (9, "S2")])
def test_the_third_contact_is_high(contacts: int, floor: str):
    made = judged(by=MILD, contacts=contacts)
    assert made.severity_floor == floor
    assert ("repeat_contact" in made.flags) == (contacts >= 2)


def test_a_joke_voids_a_legal_threat_a_press_threat_and_a_date_but_no_injury():
    serious = judged("legal", "press_threat", "deadline", by=MILD, deadline_h=5.0)
    assert serious.severity == "S1"
    assert {"legal", "press"} <= set(serious.flags)
    joking = judged("legal", "press_threat", "deadline", "joke", by=MILD, deadline_h=5.0)
    assert joking.severity_floor == ""
    assert not {"legal", "press"} & set(joking.flags)
    assert judged("injury", "joke", by=Prior(prior().issue_type, {"S1": 0.5, "S3": 0.5}, 0.0)).severity == "S1"


def test_a_need_and_its_date_count_only_together():
    assert judged("need_date", by=MILD).severity_floor == ""
    assert judged("within_days", by=MILD).severity_floor == ""
    assert judged("need_date", "within_days", by=MILD).severity_floor == "S2"


def test_the_classifier_may_raise_above_the_floor():
    made = judged("legal", by=prior("legal_or_press_threat", "S1"))
    assert (made.severity_floor, made.severity) == ("S2", "S1")


def test_above_the_floor_the_likeliest_severity_counts_and_of_equal_ones_the_more_severe():
    def given(**shares: float) -> str:
        return judged(by=Prior(prior().issue_type, shares, 0.0)).severity

    assert given(S1=0.1, S2=0.2, S3=0.3, S4=0.4) == "S4"
    assert given(S2=0.5, S3=0.5) == "S2"
    for only in ORDER:
        assert given(**{only: 1.0}) == only


def test_the_reason_names_the_criterion_and_the_words_that_show_it():
    made = judged("injury", by=GRAVE)
    assert made.severity_reason == "a person was hurt or ill (words of injury)"
    assert "reads like past S4 cases" in judged(by=prior(severity="S4")).severity_reason
    quoted = judged("no_loss", by=prior(severity="S4")).severity_reason
    assert "no criterion of a higher severity holds" in quoted
    assert "words of no_loss" in quoted


# --- issue type and teams -------------------------------------------------------------------------------------------


def test_of_types_that_fit_equally_well_the_one_that_must_act_first_is_taken():
    order = list(pack().issue_types)
    for first, second in pairwise(order):
        equal = Prior(dict.fromkeys(order, 0.0) | {second: 0.5, first: 0.496}, {"S3": 1.0}, 0.0)
        assert decide(pack(), understanding(), equal).issue_type == first
        apart = Prior(dict.fromkeys(order, 0.0) | {second: 0.52, first: 0.48}, {"S3": 1.0}, 0.0)
        assert decide(pack(), understanding(), apart).issue_type == second


@pytest.mark.parametrize("kind", list(pack().issue_types))
def test_every_issue_type_goes_to_its_team_and_never_twice(kind: str):
    made = judged(by=prior(kind))
    assert made.issue_type == kind
    assert made.primary_team == pack().issue_types[kind].primary_team
    assert set(pack().issue_types[kind].collaborators) - {made.primary_team} <= set(made.collaborators)
    assert made.primary_team not in made.collaborators
    assert len(set(made.collaborators)) == len(made.collaborators)
    assert set(made.collaborators) <= set(pack().teams)


@pytest.mark.parametrize(
    ("kind", "condition", "team"),
    [
        ("not_received_or_late", "delivered_scan", "risk_fraud"),
        ("chargeback", "high_value", "legal"),
        ("billing_dispute", "many_affected", "engineering"),
        ("billing_dispute", "cluster", "engineering"),
        ("damaged_or_defective", "sku_repeats", "supplier_quality"),
    ],
)
def test_a_team_that_is_pulled_in_on_a_condition_comes_only_with_it(kind: str, condition: str, team: str):
    assert team not in collaborators(pack(), understanding(), kind, ())
    assert team in collaborators(pack(), understanding(condition), kind, ())


@pytest.mark.parametrize(("condition", "flag", "team"), [
    ("legal", "legal", "legal"), ("press_threat", "press", "comms"), ("injury", "safety", "product_safety"),
])  # fmt: skip
def test_a_flag_pulls_its_team_in_whatever_the_type(condition: str, flag: str, team: str):
    made = judged(condition, by=GRAVE)
    assert flag in made.flags
    assert team in made.collaborators
    assert team not in judged(by=GRAVE).collaborators


def test_an_uncertain_type_needs_a_human_and_says_how_uncertain():
    made = judged(by=prior(sure=0.34))
    assert made.needs_human
    assert "uncertain (34%" in made.needs_human_reason
    assert not judged(by=prior(sure=0.36)).needs_human


def test_a_language_that_is_not_supported_needs_a_human_and_no_judgement_of_it_is_sure():
    made = judged(language=Detected("fi", 0.9, False))
    assert made.needs_human
    assert "`fi` is not supported" in made.needs_human_reason
    assert max(made.confidence.values()) <= 0.35 < min(judged().confidence.values())


def test_confidences_are_probabilities_and_the_team_is_at_least_as_sure_as_the_type():
    shared = Prior({"damaged_or_defective": 0.5, "wrong_item_or_size": 0.4, "chargeback": 0.1}, {"S3": 1.0}, 0.0)
    made = judged(by=shared)
    assert made.confidence == {"issue_type": 0.5, "severity": 1.0, "route": 0.9}


# --- who leads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", ["grief", "self_harm", "violence_threat", "person_in_danger", "press_live"])
@pytest.mark.parametrize("kind", ["billing_dispute", "product_safety", "other_unclear"])
def test_a_person_leads_in_grief_danger_threats_and_live_press_whatever_the_type(condition: str, kind: str):
    made = judged(condition, by=prior(kind))
    assert made.human_lead
    assert made.human_lead_reason
    assert not judged(by=prior(kind)).human_lead


def test_a_person_leads_every_case_of_conduct_or_welfare():
    made = judged(by=prior("conduct_or_welfare"))
    assert made.human_lead
    assert made.human_lead_reason == "conduct or welfare is the matter"


def test_a_furious_executive_is_led_by_a_person_and_a_calm_one_is_not():
    assert judged("executive", "furious", by=prior("executive_complaint", "S2")).human_lead
    assert not judged("executive", by=prior("executive_complaint", "S2")).human_lead
    assert not judged("furious", by=prior("billing_dispute")).human_lead


def test_a_person_leads_what_reads_like_cases_that_a_person_led():
    assert judged(by=prior(lead=0.15)).human_lead
    assert not judged(by=prior(lead=0.14)).human_lead
    doubtful = Prior({"billing_dispute": 0.84, "conduct_or_welfare": 0.16}, {"S3": 1.0}, 0.0)
    assert judged(by=doubtful).human_lead


# --- conditions -----------------------------------------------------------------------------------------------------


def test_a_condition_holds_by_any_part_and_by_none_that_is_excluded():
    rule = Condition(any=("legal",), types=("chargeback",), contacts_at_least=3, none=("joke",))
    assert holds(rule, understanding(), "billing_dispute") is None
    assert holds(rule, understanding("legal"), "billing_dispute") == "words of legal"
    assert holds(rule, understanding(), "chargeback") == ""
    assert holds(rule, understanding(contacts=4), "billing_dispute") == "contact 4"
    assert holds(rule, understanding("legal", "joke", contacts=4), "chargeback") is None


def test_an_empty_condition_never_holds():
    assert holds(Condition(), understanding(*pack().signals), "chargeback") is None


def test_a_value_is_quoted_with_its_currency_only_where_the_text_names_it():
    rule = Condition(value_over="high_value")
    named = Entities((Entity("amount", "900.00", "900 €", Span(0, 0, 5), "EUR"),))
    value = Money(Decimal("900"), "EUR")
    assert holds(rule, understanding("high_value", value=value, entities=named), "x") == "900.00 EUR"
    assert holds(rule, understanding("high_value", value=value), "x") == ""
    assert holds(rule, understanding(value=Money(Decimal("900"), "EUR")), "x") is None


@pytest.mark.parametrize(
    ("conditions", "flag"),
    [
        (("injection",), "injection_suspected"), (("hidden_text",), "injection_suspected"), (("vip",), "vip"),
        (("vulnerable",), "vulnerable"), (("self_harm",), "vulnerable"), (("cluster",), "cluster"),
        (("human_requested",), "human_requested"), (("angry",), "angry"), (("hazard",), "safety"),
        (("second_contact",), "repeat_contact"), (("press_live",), "press"), (("regulator",), "legal"),
    ],
)  # fmt: skip
def test_a_flag_is_raised_by_its_condition_alone(conditions: tuple[str, ...], flag: str):
    assert flag in flags(pack(), understanding(*conditions), "billing_dispute")
    assert flags(pack(), understanding(), "billing_dispute") == ()


def test_the_saddest_tone_wins_and_plain_is_the_rest():
    assert tone(pack(), understanding("grief", "angry", "praise"), "other_unclear") == "sad"
    assert tone(pack(), understanding("angry", "praise"), "other_unclear") == "angry"
    assert tone(pack(), understanding("praise"), "other_unclear") == "warm"
    assert tone(pack(), understanding(), "other_unclear") == "plain"


def test_an_injected_order_moves_neither_type_nor_severity():
    plain, attacked = judged(by=prior()), judged("injection", "hidden_text", by=prior())
    assert (plain.issue_type, plain.severity, plain.primary_team) == (
        attacked.issue_type, attacked.severity, attacked.primary_team,
    )  # fmt: skip


def test_sure_words_count_against_the_classifier_and_others_do_not():
    mild = {"S1": 0.05, "S2": 0.15, "S3": 0.8}
    sure, doubted = understanding("self_harm"), understanding("violence_threat")
    assert [c.id for c in triage.criteria(pack(), sure, "billing_dispute", mild)] == ["self_harm"]
    assert triage.criteria(pack(), doubted, "billing_dispute", mild) == ()


def test_a_message_without_a_sentence_is_unclear_whatever_the_classifier_makes_of_it():
    made = decide(pack(), understanding(silent=True), Prior({"not_received_or_late": 0.9}, {"S3": 0.9}, 0.0))
    assert (made.issue_type, made.needs_human) == ("other_unclear", True)
