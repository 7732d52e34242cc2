from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from agent.intake import parse
from agent.states import IllegalMoveError
from api.auth import WORKER, Principal
from api.desk import Desk
from api.errors import (
    ConflictError,
    DraftChangedError,
    ForbiddenError,
    IdempotencyConflictError,
    InvalidError,
    NotFoundError,
    StaleWorkError,
)
from api.store import queue
from api.store.tables import cases, jobs
from api.store.unit import Store
from api.views import Filter, Views


def number_of(store: Store, table) -> int:
    with store.read() as conn:
        return conn.execute(select(func.count()).select_from(table)).scalar_one()


def claim(store: Store, clock) -> queue.Job:
    with store.write("claim") as conn:
        job = queue.claim(conn, ["draft"], "w", clock.now(), timedelta(minutes=1))
    assert job is not None
    return job


def test_the_same_key_with_the_same_body_gives_the_same_answer(desk: Desk, store: Store, ada, escalation):
    first = desk.receive(ada, escalation, key="k1")
    assert desk.receive(ada, escalation, key="k1") == first
    assert (number_of(store, cases), number_of(store, jobs)) == (1, 1)


def test_the_same_key_with_another_body_is_a_conflict(desk: Desk, ada, escalation):
    desk.receive(ada, escalation, key="k1")
    with pytest.raises(IdempotencyConflictError):
        desk.receive(ada, {**escalation, "text": "other"}, key="k1")


def test_without_a_key_the_callers_own_id_counts(desk: Desk, ada, escalation):
    assert desk.receive(ada, escalation) == desk.receive(ada, escalation)


def test_two_principals_may_use_the_same_key(desk: Desk, doors, ada, escalation):
    bob = doors.add_principal(ada, "Bob", "agent")
    assert desk.receive(ada, escalation, key="k")["case"] != desk.receive(bob, escalation, key="k")["case"]


def test_twenty_parallel_deliveries_make_one_case(desk: Desk, store: Store, ada, escalation):
    gate, answers = threading.Barrier(20), []

    def deliver() -> None:
        gate.wait()
        answers.append(desk.receive(ada, escalation, key="hook-1", source="hook_test")["case"])

    threads = [threading.Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    assert len(set(answers)) == 1
    assert number_of(store, cases) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"text": ""},
        {"messages": []},
        {"messages": [{"text": "x", "mood": "sad"}]},
        {"text": "x", "received_at": "soon"},
    ],
)
def test_an_escalation_that_cannot_be_read_stores_nothing(desk: Desk, store: Store, ada, bad):
    with pytest.raises(InvalidError):
        desk.receive(ada, bad, key="k")
    assert number_of(store, cases) == 0


def test_the_drafter_gets_the_whole_escalation_with_later_messages_in_order(desk: Desk, store, ada, escalation, clock):
    made = desk.receive(ada, {**escalation, "text": None, "messages": ["one", {"text": "two", "subject": "S"}]})
    clock.advance(minutes=1)
    desk.record_message(ada, made["case"], {"text": "three"})
    work = desk.draft_work(claim(store, clock))
    assert work is not None
    assert [m["text"] for m in work.escalation["messages"]] == ["one", "two", "three"]
    assert work.escalation["id"] == made["case"]
    assert work.escalation["order_ref"] == "ORD-77001"
    assert (work.draft_id, work.case_version) == (made["draft"], 4)


def test_what_the_drafter_gets_is_what_intake_reads(desk: Desk, store, ada, escalation, clock):
    thread = [{"from": "buyer", "text": "one"}, {"from": "shop", "text": "two", "at": "2026-11-24T08:00:00"}]
    desk.receive(ada, {**escalation, "text": None, "messages": thread, "received_at": "2026-11-24T07:00:00Z"})
    work = desk.draft_work(claim(store, clock))
    assert work is not None
    read = parse(work.escalation, now=clock.now(), case_id="x")
    assert [(m.author, m.text, m.at.hour) for m in read.messages] == [("customer", "one", 7), ("staff", "two", 8)]
    assert (read.id, read.order_ref, read.customer.name) == (work.case_id, "ORD-77001", "Wilhelmina Quist")


def test_earlier_cases_of_the_same_customer_are_counted(desk: Desk, store, ada, escalation, clock):
    for number in range(3):
        clock.advance(days=1)
        desk.receive(ada, {**escalation, "id": f"n{number}"})
    clock.advance(days=1)
    found = [desk.draft_work(claim(store, clock)) for _ in range(3)]
    assert [work.earlier_contacts for work in found if work] == [0, 1, 2]


def test_a_proposal_is_stored_with_its_triage_and_first_due_instant(desk: Desk, views: Views, ada, escalation, work):
    made = desk.receive(ada, escalation)
    work()
    case = views.case(ada, made["case"])
    assert (case.row.status, case.row.issue_type, case.row.severity) == ("in_review", "damaged_or_defective", "S3")
    assert case.row.next_due_at is not None
    assert case.row.next_due_at.hour == 17
    assert case.draft is not None
    assert case.draft.proposal is not None
    assert case.draft.proposal["draft"]["id"] == made["draft"]
    assert case.draft.proposal["case_id"] == made["case"]


def test_a_message_during_the_drafting_throws_the_result_away(
    *, desk: Desk, store, ada, escalation, clock, proposal, views
):
    made = desk.receive(ada, escalation)
    job = claim(store, clock)
    work = desk.draft_work(job)
    assert work is not None
    again = desk.record_message(ada, made["case"], {"text": "It also leaks"})
    assert again["draft"] == made["draft"]
    with pytest.raises(StaleWorkError):
        desk.apply_proposal(WORKER, job, proposal(), case_version=work.case_version)
    assert views.draft(ada, made["draft"]).state == "pending"


def test_a_new_message_makes_a_finished_draft_stale_and_asks_for_another(desk: Desk, views, ada, escalation, work):
    made = desk.receive(ada, escalation)
    work()
    new = desk.record_message(ada, made["case"], {"text": "It also leaks"})["draft"]
    assert views.draft(ada, made["draft"]).state == "stale"
    assert views.draft(ada, new).state == "pending"


def test_a_staff_note_asks_for_no_draft(desk: Desk, ada, escalation, work):
    made = desk.receive(ada, escalation)
    work()
    assert desk.record_message(ada, made["case"], {"text": "called her", "author": "staff"})["draft"] is None


def test_a_redraft_keeps_the_old_one_until_the_new_one_is_there(desk: Desk, views, ada, escalation, work):
    made = desk.receive(ada, escalation)
    work()
    new = desk.request_draft(ada, made["case"], "shorter")["draft"]
    assert views.draft(ada, made["draft"]).state == "ready"
    assert views.draft(ada, new).hint == "shorter"
    work()
    assert (views.draft(ada, made["draft"]).state, views.draft(ada, new).state) == ("stale", "ready")


@pytest.mark.parametrize(
    "changed",
    [
        {"guard": {"verdict": "blocked"}},
        {"draft": {"kind": "reply", "body": "  "}},
        {"draft": None},
        {"state": "done"},
    ],
)
def test_a_proposal_that_contradicts_itself_is_not_stored(
    *, desk: Desk, store, ada, escalation, clock, proposal, changed
):
    desk.receive(ada, escalation)
    with pytest.raises(InvalidError):
        desk.apply_proposal(WORKER, claim(store, clock), proposal(**changed), case_version=2)


def test_an_approval_binds_to_the_words_and_the_case_that_were_read(desk: Desk, views, ada, escalation, work):
    made = desk.receive(ada, escalation)
    work()
    case = views.case(ada, made["case"])
    assert case.draft is not None
    read = {"draft_hash": case.draft.hash, "case_version": case.version}
    with pytest.raises(DraftChangedError):
        desk.record_review(ada, made["draft"], "approve", **{**read, "draft_hash": "0" * 64})
    desk.record_message(ada, made["case"], {"text": "note", "author": "staff"})
    with pytest.raises(DraftChangedError):
        desk.record_review(ada, made["draft"], "approve", **read)


def review(desk: Desk, views: Views, who: Principal, case_id: str, decision, **more):
    case = views.case(who, case_id)
    assert case.draft is not None
    return desk.record_review(
        who, case.draft.id, decision, draft_hash=case.draft.hash, case_version=case.version, **more
    )


def test_an_approved_draft_is_not_sent_until_a_person_says_so(desk: Desk, views, ada, escalation, work):
    made = desk.receive(ada, escalation)
    work()
    with pytest.raises(IllegalMoveError):
        desk.record_sent(ada, made["case"], "text", draft_id=made["draft"])
    review(desk, views, ada, made["case"], "approve")
    assert views.draft(ada, made["draft"]).state == "approved"
    assert views.case(ada, made["case"]).row.status == "in_review"
    desk.record_sent(ada, made["case"], "text", draft_id=made["draft"], status="waiting_customer")
    assert views.draft(ada, made["draft"]).state == "sent"
    assert views.case(ada, made["case"]).row.status == "waiting_customer"
    assert views.case(ada, made["case"]).messages[-1].direction == "outbound"


def test_what_is_sent_back_is_drafted_anew_with_the_hint(desk: Desk, views, ada, escalation, work):
    made = desk.receive(ada, escalation)
    work()
    new = review(desk, views, ada, made["case"], "send_back", hint="name the item")["draft"]
    assert views.draft(ada, made["draft"]).state == "sent_back"
    assert (views.draft(ada, new).state, views.draft(ada, new).hint) == ("pending", "name the item")


def test_a_blocked_draft_and_a_brief_cannot_be_approved(*, desk: Desk, store, views, ada, escalation, clock, proposal):
    for number, changed in enumerate(
        [{"state": "blocked", "guard": {"verdict": "blocked"}}, {"draft": {"kind": "brief", "body": "facts"}}]
    ):
        made = desk.receive(ada, {**escalation, "id": str(number)})
        desk.apply_proposal(WORKER, claim(store, clock), proposal(**changed), case_version=2)
        with pytest.raises((IllegalMoveError, ConflictError)):
            review(desk, views, ada, made["case"], "approve")


def test_a_late_thank_you_reopens_and_an_old_message_that_arrives_late_does_not(
    desk: Desk, views, ada, escalation, clock
):
    case_id = desk.receive(ada, escalation)["case"]
    clock.advance(hours=1)
    desk.set_status(ada, case_id, "resolved")
    old = (clock.now() - timedelta(minutes=30)).isoformat()
    clock.advance(minutes=5)
    desk.record_message(ada, case_id, {"text": "any news?", "at": old})
    assert views.case(ada, case_id).row.status == "resolved"
    desk.record_message(ada, case_id, {"text": "thanks"})
    assert (views.case(ada, case_id).row.status, views.case(ada, case_id).reopened) == ("triaged", 1)


def test_the_last_word_of_permutations_is_one_thread_in_the_order_written(desk: Desk, views, ada, escalation, clock):
    clock.advance(hours=5)
    start = clock.now()
    case_id = desk.receive(ada, {**escalation, "received_at": (start - timedelta(hours=5)).isoformat()})["case"]
    for hours in (1, 3, 2, 4):
        desk.record_message(ada, case_id, {"text": f"-{hours}", "at": (start - timedelta(hours=hours)).isoformat()})
    assert [m.text for m in views.case(ada, case_id).messages][1:] == ["-4", "-3", "-2", "-1"]


def test_the_queue_pages_by_due_instant_and_shows_each_case_once(
    *, desk: Desk, views, store, ada, escalation, clock, proposal
):
    for number in range(7):
        desk.receive(ada, {**escalation, "id": str(number)})
    for severity in ("S4", "S1", "S3"):
        desk.apply_proposal(WORKER, claim(store, clock), proposal(severity=severity), case_version=2)
    seen, after = [], None
    while True:
        page = views.queue(ada, after=after, limit=2)
        seen += page.rows
        if (after := page.cursor) is None:
            break
    assert [row.severity for row in seen] == ["S1", "", "", "", "", "S3", "S4"], "untriaged ones count as S2"
    assert [row.next_due_at for row in seen] == sorted(row.next_due_at for row in seen)
    assert len({row.id for row in seen}) == 7
    assert len(views.queue(ada, Filter(draft_states=["pending"])).rows) == 4
    with pytest.raises(InvalidError):
        views.queue(ada, after="bm90IGE")


def test_nobody_does_what_the_role_does_not_allow(desk: Desk, views, ada, escalation, proposal):
    reader = Principal("prn_r", "Rae", "agent", frozenset({"read"}))
    case_id = desk.receive(ada, escalation)["case"]
    for forbidden in (
        lambda: desk.receive(reader, escalation),
        lambda: desk.set_status(reader, case_id, "resolved"),
        lambda: desk.receive(WORKER, escalation),
        lambda: views.queue(WORKER),
        lambda: desk.apply_proposal(ada, queue.Job("job_x", "draft", None, {}, 1, 1), proposal(), case_version=1),
    ):
        with pytest.raises(ForbiddenError):
            forbidden()


def test_an_unknown_case_is_named(desk: Desk, ada):
    with pytest.raises(NotFoundError, match="case_nope"):
        desk.set_status(ada, "case_nope", "resolved")


def test_what_a_caller_writes_beside_a_verb_happens_with_it_or_not_at_all(desk, ada, escalation, store, views):
    def refuse(*_: object) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        desk.receive(ada, escalation, also=refuse)
    assert not views.queue(ada).rows
    seen: list[str] = []
    case_id = desk.receive(ada, escalation, also=lambda _, case, now: seen.append(case))["case"]
    desk.receive(ada, escalation, also=lambda *_: seen.append("again"))  # the same delivery: nothing happens
    assert seen == [case_id]
