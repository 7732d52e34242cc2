"""The end does not depend on the order in which events come, nor on how often they do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from agent.hookevent import Event, EventMessage
from api.auth import Doors, Principal
from api.desk import Desk
from api.hooks.ticket import HOOKS, settle, wanted
from api.store import audit, cases, tables
from api.store.engine import migrate, open_engine
from api.store.unit import Store
from api.verbs import Rules
from tests.api.conftest import START, FakeClock
from tests.fakes.desk import pack

BEGIN = START - timedelta(hours=3)
NUMBERS = count()


def at(minutes: float) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


def text(number: int, minutes: float, author: str = "customer", words: str = "") -> EventMessage:
    return EventMessage(str(number), author, at(minutes), words or f"text {number}")


def told(kind: Any, minutes: float, *messages: EventMessage, status: Any = None, **facts: Any) -> Event:
    return Event(
        kind, "", at(minutes), {name.replace("_of_", "."): v for name, v in facts.items()}, {}, messages, status
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, FakeClock]]:
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('order') / 'desk.db'}")
    migrate(engine)
    clock = FakeClock()
    yield Desk(Store(engine, b"k" * 32), clock, Rules(pack())), clock
    engine.dispose()


def work_in(desk: Desk, *events: Event, external_id: str = "") -> str | None:
    """Each event in the order given, on a ticket of its own; the id of the case."""
    from dataclasses import replace

    external_id = external_id or f"T-{next(NUMBERS)}"
    case_id = None
    with desk.store.write("apply_delivery") as conn:
        for event in events:
            case_id = settle(conn, desk, "acme", replace(event, external_id=external_id), desk.clock.now())
    return case_id


def state(desk: Desk, case_id: str | None) -> Any:
    """All of a case that must not depend on order."""
    if case_id is None:
        return None
    with desk.store.read() as conn:
        case = cases.get(conn, case_id)
        same = select(func.count()).where(tables.cases.c.external_id == case["external_id"])
        payload = {name: value for name, value in case["payload"].items() if name not in {"id", "received_at"}}
        texts = sorted((m["body"]["text"], m["author"], m["at"]) for m in cases.messages_of(conn, case_id))
        log = list(audit.of_case(conn, case_id))
        number = conn.execute(same).scalar_one()
    from agent.states import fold

    assert fold(log).status == case["status"], "the log tells how the case stands"
    return number, case["status"], texts, payload, case["opened_at"], case["customer_key"]


def status(desk: Desk, *events: Event) -> str:
    found = state(desk, work_in(desk, *events))
    return found[1]


# --- the rules one by one -----------------------------------------------------------------------------------------


def test_events_that_come_before_the_case_is_created_still_make_the_one_case(world):
    desk, _ = world
    created = told(
        "created", 0, text(1, 0), customer_of_email="ada@quist.example", order_ref="FH-104233", subject="Kettle"
    )
    news, solved = told("message", 5, text(2, 5)), told("status", 9, status="resolved")
    for events in ([created, news, solved], [solved, news, created], [news, created, solved], [solved, created, news]):
        number, ends, texts, payload, opened, customer = state(desk, work_in(desk, *events))
        assert (number, ends) == (1, "resolved")
        assert [one[0] for one in texts] == ["text 1", "text 2"]
        assert payload == {"order_ref": "FH-104233", "customer": {"email": "ada@quist.example"}}
        assert opened == at(0)
        assert customer


def test_a_status_alone_makes_no_case_and_is_not_forgotten(world):
    desk, _ = world
    assert work_in(desk, told("status", 9, status="resolved"), external_id="alone") is None
    assert state(desk, work_in(desk, told("created", 0, text(1, 0)), external_id="alone"))[1] == "resolved"


def test_an_older_status_is_kept_in_the_log_and_does_not_apply(world):
    desk, _ = world
    case = work_in(
        desk,
        told("created", 0, text(1, 0)),
        told("status", 9, status="resolved"),
        told("status", 5, status="waiting_team"),
    )
    assert case is not None
    assert state(desk, case)[1] == "resolved"
    with desk.store.read() as conn:
        log = list(audit.of_case(conn, case))
    assert ("status_noted", {"status": "waiting_team", "source": "acme", "written_at": at(5).isoformat()}) in log


def test_what_the_customer_writes_after_the_end_reopens_the_case_and_asks_for_a_draft(world):
    desk, _ = world
    created, solved = told("created", 0, text(1, 0)), told("status", 5, status="resolved")
    late, before = told("message", 7, text(2, 7)), told("message", 4, text(3, 4))
    for events in ([created, solved, late], [created, late, solved], [late, solved, created], [solved, late, created]):
        assert status(desk, *events) == "triaged"
    for events in ([created, solved, before], [before, solved, created], [solved, created, before]):
        assert status(desk, *events) == "resolved"
    assert status(desk, created, solved, told("message", 7, text(2, 7, "staff"))) == "resolved"


def test_open_takes_back_to_work_only_what_waited_or_had_ended(world):
    desk, _ = world
    created, opened = told("created", 0, text(1, 0), status="open"), told("status", 9, status="open")
    assert status(desk, created, opened) == "new"
    for before in ("waiting_customer", "waiting_carrier", "resolved", "closed"):
        other = told("status", 5, status=before)
        assert {status(desk, *events) for events in ([created, other, opened], [opened, other, created])} == {
            "in_progress"
        }


@pytest.mark.parametrize("first", ["in_progress", "waiting_customer", "waiting_team", "resolved", "closed"])
@pytest.mark.parametrize("last", ["in_progress", "waiting_customer", "waiting_carrier", "resolved", "closed"])
def test_from_every_status_the_newest_is_reached(world, first: str, last: str):
    desk, _ = world
    events = [told("created", 0, text(1, 0)), told("status", 1, status=first), told("status", 2, status=last)]
    assert status(desk, *events) == last
    assert status(desk, *reversed(events)) == last


def test_a_case_ends_when_its_helpdesk_says_so_and_not_when_the_event_came(world):
    desk, _ = world
    case = work_in(desk, told("created", 0, text(1, 0)), told("status", 5, status="closed"))
    assert case is not None
    with desk.store.read() as conn:
        assert cases.get(conn, case)["resolved_at"] == at(5)


def test_a_person_who_moved_the_case_here_is_not_overruled_by_older_news(world):
    desk, clock = world
    ada = Doors(desk.store, clock).add_principal(None, f"Ada {next(NUMBERS)}", "admin")
    case = work_in(desk, told("created", 0, text(1, 0)), external_id="moved here")
    assert case is not None
    desk.set_status(ada, case, "waiting_carrier")
    work_in(desk, told("status", 9, status="resolved"), external_id="moved here")
    assert state(desk, case)[1] == "waiting_carrier"
    clock.advance(minutes=1)
    newer = (clock.now() - BEGIN).total_seconds() / 60
    work_in(desk, told("status", newer, status="resolved"), external_id="moved here")
    assert state(desk, case)[1] == "resolved"


def test_our_own_notes_are_no_news(world):
    desk, _ = world
    note = text(5, 5, "staff", "<p>[desk:case_1:k] Draft for you</p>\nDear Ada")
    assert work_in(desk, told("message", 5, note)) is None
    case = work_in(desk, told("created", 0, text(1, 0)), told("message", 5, note, text(6, 5)))
    assert [one[0] for one in state(desk, case)[2]] == ["text 1", "text 6"]


def test_messages_without_an_id_are_told_apart_by_what_they_say(world):
    desk, _ = world
    one, other = EventMessage("", "customer", at(0), "one"), EventMessage("", "customer", at(1), "other")
    case = work_in(desk, told("created", 0, one), told("message", 1, one, other), told("message", 2, other))
    assert [text for text, *_ in state(desk, case)[2]] == ["one", "other"]


def test_a_clock_that_is_years_ahead_does_not_hold_a_status_for_years(world):
    desk, clock = world
    created = told("created", 0, text(1, 0))
    ahead = told("status", 60 * 24 * 900, status="resolved")
    case = work_in(desk, created, ahead, external_id="ahead")
    clock.advance(minutes=1)
    newer = (clock.now() - BEGIN).total_seconds() / 60
    work_in(desk, told("status", newer, status="waiting_team"), external_id="ahead")
    assert state(desk, case)[1] == "waiting_team"


def test_what_is_assumed_gives_way_to_what_is_known(world):
    from dataclasses import replace

    desk, _ = world
    created = told("created", 0, text(1, 0), channel="chat")
    later = replace(told("status", 5, status="open"), assumed={"channel": "email"})
    for events in ([created, later], [later, created]):
        assert state(desk, work_in(desk, *events))[3] == {"channel": "chat"}


def test_the_actor_of_webhooks_may_neither_review_nor_read():
    assert isinstance(HOOKS, Principal)
    assert [action for action in ("read", "review", "rate", "admin", "apply") if HOOKS.may(action)] == []


def test_no_status_of_the_helpdesk_leaves_the_desks_own():
    assert wanted("open", at(0), at(5), moved=False) is None
    assert wanted("waiting_customer", at(0), at(5), moved=True) == "in_progress"
    assert wanted("waiting_customer", at(5), at(5), moved=True) == "waiting_customer"


# --- every order --------------------------------------------------------------------------------------------------

MINUTES = st.integers(0, 5)
TEXTS = [text(n, n % 5, "staff" if n % 3 == 2 else "customer") for n in range(6)]
STATUS = st.sampled_from([None, "open", "in_progress", "waiting_customer", "waiting_team", "resolved", "closed"])
FACTS = st.fixed_dictionaries(
    {},
    optional={
        "order_ref": st.sampled_from(["FH-1", "FH-2"]),
        "channel": st.sampled_from(["email", "chat"]),
        "customer.email": st.sampled_from(["ada@quist.example", "bo@lund.example"]),
        "customer.name": st.sampled_from(["Ada", "Bo"]),
    },
)
EVENTS = st.builds(
    lambda minutes, facts, messages, word: Event(
        "message" if messages else "status", "", at(minutes), facts, {}, tuple(messages), word or (None if messages else "open")
    ),
    MINUTES, FACTS, st.lists(st.sampled_from(TEXTS), max_size=3), STATUS,
)  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> tuple[Sequence[Event], Sequence[Event]]:
    """A list of events, and the same in another order with repeats."""
    events = draw(st.lists(EVENTS, min_size=1, max_size=6))
    again = draw(st.lists(st.sampled_from(events), max_size=4))
    return events, draw(st.permutations([*events, *again]))


@settings(max_examples=150, deadline=None)
@given(streams())
def test_every_order_with_repeats_ends_in_the_same_state(world, stream: tuple[Sequence[Event], Sequence[Event]]):
    desk, _ = world
    straight, mixed = stream
    assert state(desk, work_in(desk, *straight)) == state(desk, work_in(desk, *mixed))
