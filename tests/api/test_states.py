from __future__ import annotations

import pytest

from agent.states import CASE_MOVES, DRAFT_MOVES, CaseState, IllegalMoveError, fold, move_case, move_draft


def test_a_case_goes_from_new_to_review_when_its_draft_is_there():
    assert fold([("case_opened", {}), ("triaged", {}), ("draft_proposed", {})]) == CaseState("in_review", 3)


def test_a_case_without_a_draft_still_goes_to_review():
    assert fold([("case_opened", {}), ("draft_failed", {})]).status == "in_review"


def test_a_draft_is_no_reply_and_only_a_recorded_send_counts():
    events = [("case_opened", {}), ("draft_proposed", {}), ("reviewed", {"decision": "approve"})]
    assert fold(events).human_replies == 0
    assert fold([*events, ("reply_sent", {})]) == CaseState("in_progress", 4, human_replies=1)


def test_the_customer_ends_a_wait_for_the_customer_but_not_one_for_the_carrier():
    for waiting, then in (("waiting_customer", "in_progress"), ("waiting_carrier", "waiting_carrier")):
        events = [
            ("case_opened", {}),
            ("status_set", {"status": waiting}),
            ("message_received", {"author": "customer"}),
        ]
        assert fold(events).status == then


def test_a_reopened_case_is_triaged_again():
    events = [("case_opened", {}), ("status_set", {"status": "resolved"}), ("reopened", {})]
    assert fold(events) == CaseState("triaged", 3, reopened=1)


@pytest.mark.parametrize(("old", "new"), [("closed", "new"), ("resolved", "in_review"), ("in_progress", "triaged")])
def test_an_illegal_move_of_a_case_names_the_legal_ones(old: str, new: str):
    with pytest.raises(IllegalMoveError, match=f"{old}.*cannot become '{new}'.*can become:"):
        move_case(old, new)


def test_a_draft_with_hard_findings_cannot_be_approved():
    with pytest.raises(IllegalMoveError):
        move_draft("blocked", "approved")


def test_no_draft_is_sent_without_an_approval():
    assert {old for old, new in DRAFT_MOVES.items() if "sent" in new} == {"approved", "released"}


def test_every_state_that_can_be_reached_is_listed():
    assert {s for new in CASE_MOVES.values() for s in new} | {"new"} == set(CASE_MOVES)
    assert {s for new in DRAFT_MOVES.values() for s in new} | {"pending"} == set(DRAFT_MOVES)
