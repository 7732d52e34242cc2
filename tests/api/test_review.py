from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from agent.case import Finding, GuardReport
from agent.money import Money
from agent.promises import Commitment
from agent.states import IllegalMoveError
from api.auth import Principal
from api.desk import Desk
from api.errors import (
    BlockedError,
    ConflictError,
    DraftChangedError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    StaleWorkError,
    UnreadError,
)
from api.store import casework, decisions, queue
from api.store.desktables import case_work
from api.store.tables import outbox
from api.verbs import Rules
from tests.fakes.desk import pack

WORDS = "We are sorry about the kettle, Wilhelmina."


def gives(text: str, _language: str, _now: Any) -> list[Commitment]:
    """Every `refund N` in a text."""
    from decimal import Decimal

    found: list[Commitment] = []
    for start in (i for i in range(len(text)) if text.startswith("refund ", i)):
        number = text[start + 7 :].split(maxsplit=1)[0].strip(".")
        end = start + 7 + len(number)
        found.append(Commitment("refund", text[start:end], start, end, Money(Decimal(number), "GBP"), remedy=True))
    return found


def reread(case: Any, proposal: Any, body: Any, **_: Any) -> GuardReport:
    at = body["body"].find("moon")
    found = (Finding("unsupported_fact", True, "The moon has no source.", at, at + 4),) if at >= 0 else ()
    return GuardReport("blocked" if found else "clear", found)


@pytest.fixture
def desk(store: Any, clock: Any) -> Desk:
    return Desk(store, clock, Rules(pack(), gives, recheck=reread))


@pytest.fixture
def people(doors: Any, ada: Principal) -> dict[str, Principal]:
    return {
        "ada": ada, "ruth": doors.add_principal(ada, "Ruth", "reviewer"),
        "sam": doors.add_principal(ada, "Sam", "agent"), "tom": doors.add_principal(ada, "Tom", "agent"),
    }  # fmt: skip


@pytest.fixture
def case(desk: Desk, views: Any, ada: Principal, escalation: Any, proposal: Any, store: Any, clock: Any) -> Any:
    """Makes a case whose draft is as told."""
    import asyncio

    from api.jobs import DraftHandler, registry
    from api.worker import Worker

    numbers = itertools.count()

    def make(**changed: Any) -> Any:
        async def drafter(_: Any) -> Any:
            return proposal(**changed)

        ids = desk.receive(ada, {**escalation, "id": f"T-{next(numbers)}"})
        asyncio.run(Worker(store, clock, registry(DraftHandler(desk, drafter))).run_until_idle())
        return views.case(ada, ids["case"])

    return make


def read(case: Any) -> dict[str, Any]:
    return {"draft_hash": case.draft.hash, "case_version": case.version}


@pytest.fixture
def approve(desk: Desk, views: Any, ada: Principal) -> Callable[..., dict[str, Any]]:
    def do(who: Principal, case_id: str, **more: Any) -> dict[str, Any]:
        case = views.case(ada, case_id)
        return desk.record_review(who, case.draft.id, "approve", **{**read(case), **more})

    return do


def fact(text: str, state: str = "supported", kind: str = "x", body: str = WORDS) -> dict[str, Any]:
    start = body.index(text)
    return {"kind": kind, "value": text, "text": text, "start": start, "end": start + len(text), "state": state}


# --- held, undone, released -------------------------------------------------------------------------------------------


def test_an_approval_is_undone_while_it_is_held_and_not_later(desk: Desk, case, approve, views, ada, clock):
    one = case()
    approve(ada, one.row.id)
    clock.advance(seconds=9)
    desk.undo_approval(ada, one.draft.id)
    assert views.case(ada, one.row.id).draft.state == "ready"
    approve(ada, one.row.id)
    clock.advance(seconds=10)
    with pytest.raises(ConflictError, match="released"):
        desk.undo_approval(ada, one.draft.id)
    with pytest.raises(ConflictError, match="no approval"):
        desk.undo_approval(ada, case().draft.id)


def test_programs_hear_of_an_approval_after_the_hold_and_never_of_one_undone(store, clock, case, ada, views):
    from agent.directory import Channel

    directory = pack().directory.model_copy(
        update={"channels": {"hook": Channel(kind="webhook", secret="U", sign_with=("K",), events=("case.approved",))}}
    )
    desk = Desk(store, clock, Rules(pack().model_copy(update={"directory": directory}), gives))
    one = case()
    for _ in range(2):
        clock.advance(seconds=1)
        seen = views.case(ada, one.row.id)
        desk.record_review(ada, one.draft.id, "approve", **read(seen))
        with store.read() as conn:
            letters = (
                conn.execute(select(outbox).where(outbox.c.channel == "hook").order_by(outbox.c.id)).mappings().all()
            )
        assert letters[-1]["state"] == "waiting"
        assert letters[-1]["next_try_at"] == clock.now() + timedelta(seconds=10)
        desk.undo_approval(ada, one.draft.id)
    with store.read() as conn:
        mine = select(outbox.c.state).where(outbox.c.channel == "hook")
        assert [row.state for row in conn.execute(mine)] == ["withdrawn", "withdrawn"]


def test_a_sent_draft_cannot_be_undone(desk: Desk, case, approve, ada):
    one = case()
    approve(ada, one.row.id)
    desk.record_sent(ada, one.row.id, WORDS, draft_id=one.draft.id)
    with pytest.raises(ConflictError, match="sent"):
        desk.undo_approval(ada, one.draft.id)


# --- what was read ----------------------------------------------------------------------------------------------------


def test_notes_and_names_on_a_case_change_nothing_that_was_read_but_a_message_does(desk: Desk, case, ada, views):
    one = case()
    desk.add_note(ada, one.row.id, "called the carrier")
    desk.assign(ada, one.row.id, "Ada")
    desk.record_review(ada, one.draft.id, "approve", **read(one))
    desk.undo_approval(ada, one.draft.id)
    two = views.case(ada, one.row.id)
    desk.record_message(ada, one.row.id, {"text": "and the lid"})
    with pytest.raises((DraftChangedError, IllegalMoveError)):
        desk.record_review(ada, one.draft.id, "approve", **read(two))


def test_a_version_from_the_future_is_refused(desk: Desk, case, ada):
    one = case()
    with pytest.raises(DraftChangedError):
        desk.record_review(ada, one.draft.id, "approve", draft_hash=one.draft.hash, case_version=one.version + 5)


# --- changed words ----------------------------------------------------------------------------------------------------


def test_changed_words_are_approved_and_the_draft_is_kept_beside_them(desk: Desk, case, approve, views, ada, store):
    one = case()
    approve(ada, one.row.id, text="We are very sorry.\r\nA new one is coming.", reason="tone")
    now = views.case(ada, one.row.id).draft
    assert (now.state, now.body["body"]) == ("approved", "We are very sorry.\nA new one is coming.")
    assert now.proposal["draft"]["body"] == now.body["body"]
    assert now.hash != one.draft.hash
    with store.read() as conn:
        given = decisions.approval(conn, one.draft.id)
    assert given is not None
    assert (given["decision"], given["reason_code"], given["before"]["body"]["body"]) == ("edit", "tone", WORDS)
    desk.undo_approval(ada, one.draft.id)
    back = views.case(ada, one.row.id).draft
    assert (back.state, back.hash, back.body["body"]) == ("ready", one.draft.hash, WORDS)


def test_words_that_were_not_changed_are_a_plain_approval(case, approve, ada, store):
    one = case()
    approve(ada, one.row.id, text=WORDS + "\r\n", subject="Your kettle")
    with store.read() as conn:
        assert [d["decision"] for d in decisions.of_draft(conn, one.draft.id)] == ["approve"]


def test_the_guard_blocks_changed_words_and_nothing_is_stored(case, approve, views, ada):
    one = case()
    with pytest.raises(BlockedError, match="moon") as caught:
        approve(ada, one.row.id, text="It comes from the moon.")
    assert caught.value.findings == ("The moon has no source.",)
    assert views.case(ada, one.row.id).draft.body["body"] == WORDS
    for bad in ("  ", "x" * 70_000):
        with pytest.raises(InvalidError):
            approve(ada, one.row.id, text=bad)


# --- findings that block ----------------------------------------------------------------------------------------------

BLOCKED: dict[str, Any] = {
    "state": "blocked",
    "guard": {
        "verdict": "blocked",
        "findings": [
            {"rule": "unsupported_fact", "hard": True, "message": "no source", "start": 0, "end": 6},
            {"rule": "reveals", "hard": True, "message": "tells of rules", "start": 7, "end": 9},
        ],
        "facts": [],
    },
}


def test_a_blocked_draft_is_edited_but_never_approved_as_it_stands(case, approve, views, ada):
    one = case(**BLOCKED)
    with pytest.raises(ConflictError, match="blocks"):
        approve(ada, one.row.id)
    approve(ada, one.row.id, text="A better text.")
    assert views.case(ada, one.row.id).draft.state == "approved"


def test_a_finding_is_answered_with_evidence_by_a_reviewer_only(desk: Desk, case, people, views, ada):
    guard = {**BLOCKED["guard"], "findings": BLOCKED["guard"]["findings"][:1]}
    one = case(**{**BLOCKED, "guard": guard})
    with pytest.raises(ForbiddenError):
        desk.resolve_finding(people["sam"], one.draft.id, 1, "the order", **read(one))
    with pytest.raises(InvalidError):
        desk.resolve_finding(people["ruth"], one.draft.id, 1, " ", **read(one))
    with pytest.raises(InvalidError, match="no number 2"):
        desk.resolve_finding(people["ruth"], one.draft.id, 2, "x", **read(one))
    assert desk.resolve_finding(people["ruth"], one.draft.id, 1, "the order", **read(one))["state"] == "ready"
    now = views.case(ada, one.row.id).draft
    assert (now.state, now.proposal["guard"]["verdict"]) == ("ready", "warned")
    assert now.proposal["guard"]["findings"][0]["answered"] == "Ruth"


def test_what_is_no_question_of_evidence_has_to_be_edited(desk: Desk, case, people, views, ada):
    one = case(**BLOCKED)
    assert desk.resolve_finding(people["ruth"], one.draft.id, 1, "the order", **read(one))["state"] == "blocked"
    now = views.case(ada, one.row.id)
    with pytest.raises(ConflictError, match="edit the sentence"):
        desk.resolve_finding(people["ruth"], one.draft.id, 2, "the order", **read(now))
    with pytest.raises(ConflictError, match="only warns"):
        desk.resolve_finding(people["ruth"], one.draft.id, 1, "again", **read(now))


# --- authority --------------------------------------------------------------------------------------------------------


def test_the_limits_of_each_role_hold(case, approve, people, views, ada):
    for body, who, second in (
        ("A refund 50.", "sam", False), ("A refund 51.", "sam", True), ("A refund 250.", "ruth", False),
        ("A refund 251.", "ruth", True), ("A refund 1000.", "ada", False), ("A refund 1001.", "ada", True),
    ):  # fmt: skip
        one = case(body=body)
        assert approve(people[who], one.row.id)["second"] is second, body
        assert views.case(ada, one.row.id).draft.state == ("ready" if second else "approved")


def test_much_money_needs_two_different_people_one_with_the_authority(case, approve, people, views, ada):
    one = case(body="A refund 1500.")
    assert approve(people["ada"], one.row.id)["second"] is True
    assert approve(people["ada"], one.row.id)["second"] is True, "the same person twice is one person"
    assert approve(people["sam"], one.row.id)["second"] is False
    two = case(body="A refund 1500.")
    assert approve(people["sam"], two.row.id)["second"] is True
    assert approve(people["ruth"], two.row.id)["second"] is True, "neither may give so much"
    assert approve(people["ada"], two.row.id)["second"] is False
    assert views.case(ada, two.row.id).draft.state == "approved"


def test_the_first_of_two_approvals_does_not_hold_for_other_words(*, case, approve, people, views, ada, store):
    one = case(body="A refund 1500.")
    approve(people["sam"], one.row.id)
    assert approve(people["ada"], one.row.id, text="A refund 1400.")["second"] is True
    assert views.case(ada, one.row.id).draft.body["body"] == "A refund 1400."
    assert approve(people["ruth"], one.row.id)["second"] is False
    with store.read() as conn:
        changed = decisions.edit(conn, one.draft.id)
    assert changed is not None
    assert (changed["who"], changed["before"]["body"]["body"]) == (people["ada"].id, "A refund 1500.")


def test_proposed_money_counts_like_promised_money(case, approve, people):
    action = {"kind": "credit", "reason": "late", "money": {"amount": "30.00", "currency": "GBP"}}
    draft = {"kind": "reply", "subject": "s", "body": WORDS, "proposed_actions": [action]}
    one = case(draft=draft)
    with pytest.raises(UnreadError):
        approve(people["ruth"], one.row.id)
    assert approve(people["ruth"], one.row.id, opened=["action-1"])["second"] is True
    assert approve(people["ada"], one.row.id, opened=["action-1"])["second"] is False


def test_an_agent_approves_only_what_is_nobody_elses(desk: Desk, case, approve, people, ada):
    one = case()
    desk.assign(ada, one.row.id, "Tom")
    with pytest.raises(ForbiddenError, match="somebody else"):
        approve(people["sam"], one.row.id)
    approve(people["tom"], one.row.id)


def test_an_answer_of_the_highest_severity_needs_a_reviewer_who_opened_the_facts(case, approve, people):
    one = case(severity="S1", guard={"verdict": "clear", "findings": [], "facts": [fact("kettle"), fact("Wilhelmina")]})
    with pytest.raises(ForbiddenError, match="ask a reviewer"):
        approve(people["sam"], one.row.id, opened=["fact-1", "fact-2"])
    with pytest.raises(UnreadError, match="Wilhelmina") as caught:
        approve(people["ruth"], one.row.id, opened=["fact-1"])
    assert caught.value.missing == ("fact-2",)
    approve(people["ruth"], one.row.id, opened=["fact-1", "fact-2"])


def test_an_answer_of_the_highest_severity_without_facts_asks_for_the_thread(case, approve, people):
    one = case(severity="S1")
    with pytest.raises(UnreadError):
        approve(people["ruth"], one.row.id)
    approve(people["ruth"], one.row.id, opened=["thread"])


def test_facts_without_a_source_and_money_given_are_opened_first(case, approve, ada, store):
    body = "We give you a refund 20 for the kettle of 48.00 GBP from Mars."
    facts = [
        fact("20", kind="amount", body=body),
        fact("48.00 GBP", kind="amount", body=body),
        fact("Mars", "unsupported", body=body),
    ]
    one = case(body=body, guard={"verdict": "warned", "findings": [], "facts": facts})
    with pytest.raises(UnreadError) as caught:
        approve(ada, one.row.id)
    assert caught.value.missing == ("fact-1", "fact-3"), "an amount that is only restated needs nothing"
    approve(ada, one.row.id, opened=["fact-1", "fact-3"])
    with store.read() as conn:
        seen = {(t["kind"], t["target"]) for t in decisions.touches_of(conn, one.row.id)}
    assert seen == {("focused", "fact-1"), ("focused", "fact-3"), ("decided", "")}


def test_an_answer_that_promises_a_time_gone_by_is_refused(case, approve, ada):
    promise = {"action": "update", "text": "by nine", "due_at": "2026-11-24T09:00:00Z"}
    one = case(draft={"kind": "reply", "subject": "", "body": WORDS, "promises": [promise]})
    approve(ada, one.row.id)
    late = case(
        draft={
            "kind": "reply",
            "subject": "",
            "body": WORDS,
            "promises": [{**promise, "due_at": "2026-11-24T08:00:00Z"}],
        }
    )
    with pytest.raises(ConflictError, match="passed"):
        approve(ada, late.row.id)
    approve(ada, late.row.id, text="We write soon.")


# --- whose it is ------------------------------------------------------------------------------------------------------


def test_a_case_is_given_to_a_person_and_back(desk: Desk, case, people, store):
    one = case()
    desk.assign(people["sam"], one.row.id, people["tom"].id)
    with store.read() as conn:
        assert casework.assignee(conn, one.row.id) == people["tom"].id
    desk.assign(people["sam"], one.row.id, "")
    with store.read() as conn:
        assert casework.assignee(conn, one.row.id) == ""
    with pytest.raises(NotFoundError):
        desk.assign(people["sam"], one.row.id, "nobody")


def test_a_person_who_takes_over_has_the_case_and_the_draft_is_put_aside(desk: Desk, case, people, views, ada, approve):
    one = case()
    desk.take_over(people["sam"], one.row.id)
    now = views.case(ada, one.row.id)
    assert (now.draft.state, now.row.status, now.row.needs_human) == ("discarded", "in_progress", True)
    desk.record_sent(people["sam"], one.row.id, "My own words.")
    two = case()
    approve(ada, two.row.id)
    with pytest.raises(ConflictError, match="approved"):
        desk.take_over(people["sam"], two.row.id)


def test_a_case_rests_until_its_time_or_until_the_customer_writes(desk: Desk, case, ada, store, clock):
    one = case()
    desk.snooze(ada, one.row.id, clock.now() + timedelta(hours=3))
    with pytest.raises(InvalidError, match="30 days"):
        desk.snooze(ada, one.row.id, clock.now() + timedelta(days=31))

    def until() -> Any:
        with store.read() as conn:
            return conn.execute(select(case_work.c.snoozed_until)).scalar_one()

    assert until() == clock.now() + timedelta(hours=3)
    desk.record_message(ada, one.row.id, {"text": "Hello?"})
    assert until() is None


def test_a_team_that_a_person_chose_stays_and_is_told_once(desk: Desk, case, ada, views, work):
    one = case()
    desk.set_routing(ada, one.row.id, "returns", "it is a return")
    desk.request_draft(ada, one.row.id)
    work()
    now = views.case(ada, one.row.id)
    assert now.row.primary_team == "returns"
    pulled = [e.data["team"] for e in now.events if e.kind == "team_pulled_in"]
    assert pulled.count("returns") == 1
    with pytest.raises(InvalidError, match="no team"):
        desk.set_routing(ada, one.row.id, "nobody", "x")


# --- who looks at it --------------------------------------------------------------------------------------------------


def test_the_first_who_opens_a_case_holds_it_until_they_leave_or_fall_silent(desk: Desk, case, people, clock):
    one = case()
    sam, tom = people["sam"], people["tom"]
    assert desk.look(sam, one.row.id, [("opened", "")]) == sam.id
    assert desk.look(tom, one.row.id) == sam.id
    clock.advance(seconds=59)
    desk.look(sam, one.row.id)
    clock.advance(seconds=59)
    assert desk.look(tom, one.row.id) == sam.id
    clock.advance(seconds=61)
    assert desk.look(tom, one.row.id) == tom.id
    desk.leave(tom, one.row.id)
    assert desk.look(sam, one.row.id) == sam.id


# --- ratings ----------------------------------------------------------------------------------------------------------


def test_a_second_rating_takes_the_place_of_the_first(desk: Desk, case, people, store):
    one = case()
    desk.rate(people["ruth"], one.draft.id, "down", dims={"tone": "1"}, first_fault="wrong_tone", note="stiff")
    desk.rate(people["ruth"], one.draft.id, "up", dims={"safe_to_send": "pass"})
    desk.rate(people["ada"], one.draft.id, "up")
    with store.read() as conn:
        found = casework.ratings(conn, one.draft.id)
    assert {(r["rater"], r["thumb"]) for r in found} == {(people["ruth"].id, "up"), (people["ada"].id, "up")}
    assert {r["output_hash"] for r in found} == {one.draft.hash}
    for bad in ({"dims": {"tone": "9"}}, {"dims": {"mood": "1"}}, {"first_fault": "ugly"}):
        with pytest.raises(InvalidError):
            desk.rate(people["ruth"], one.draft.id, "up", **bad)
    with pytest.raises(ForbiddenError):
        desk.rate(people["sam"], one.draft.id, "up")


def test_what_misled_is_noted_once_for_each_person(desk: Desk, case, people, store):
    one = case()
    for _ in range(2):
        desk.misled(people["sam"], one.row.id, "precedent", "prc_1")
    desk.misled(people["tom"], one.row.id, "precedent", "prc_1")
    with store.read() as conn:
        assert len(casework.feedback_of(conn, one.row.id)) == 2


# --- races ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("races", [40, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_no_race_of_approval_and_redraft_approves_what_was_not_read(
    *, races: int, desk: Desk, case, ada, store, clock, proposal, views
):
    """An approval of what was read, against the new draft that makes it stale: whoever comes first wins, whole."""
    one, worker, won = case(), Principal("prn_worker", "worker", "worker"), 0
    for number in range(races):
        if number % 20 == 0:  # a short log keeps the race quick
            one = case()
        seen = views.case(ada, one.row.id)
        desk.request_draft(ada, one.row.id)
        seen = replace(views.case(ada, one.row.id), draft=seen.draft)
        with store.write("claim") as conn:
            job = queue.claim(conn, ["draft"], "w", clock.now(), timedelta(minutes=1))
        assert job is not None
        work = desk.draft_work(job)
        assert work is not None
        gate = threading.Barrier(2)

        def decide(seen: Any = seen, gate: Any = gate) -> None:
            gate.wait()
            with suppress(DraftChangedError, IllegalMoveError):
                desk.record_review(ada, seen.draft.id, "approve", **read(seen))

        thread = threading.Thread(target=decide)
        thread.start()
        gate.wait()
        try:
            desk.apply_proposal(worker, job, proposal(body=f"Text {number}."), case_version=work.case_version)
        except StaleWorkError:  # the approval came first, so the case had changed
            won += 1
            desk.bury(worker, job, "race")
        thread.join()
        old, new = views.draft(ada, seen.draft.id), views.draft(ada, job.data["draft"])
        assert new.state != "approved", "the new draft was never read"
        assert (old.hash, old.state) == (seen.draft.hash, "approved" if new.state == "pending" else "stale")
        if new.state == "pending":
            one = case()
    assert won < races
