from __future__ import annotations

import random
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from agent.states import fold
from api.desk import Desk
from api.errors import PersonalTextError, TamperedError
from api.store import audit, cases
from api.store.tables import events, meta
from api.store.unit import Store


@pytest.fixture
def filled(store: Store, clock) -> Store:
    with store.write("finish") as conn:
        for number in range(40):
            clock.advance(seconds=1)
            audit.append(conn, "signed_in", actor="prn_a", at=clock.now(), data={"rows": number})
    return store


def test_an_untouched_log_verifies(filled: Store):
    with filled.read() as conn:
        assert audit.verify(conn).seq == 40


def tamper(conn: Connection, rng: random.Random) -> None:
    seq = rng.randint(1, 40)
    match rng.choice(["data", "actor", "kind", "at", "delete", "cut", "swap", "add"]):
        case "data":
            conn.execute(update(events).where(events.c.seq == seq).values(data={"rows": 99}))
        case "actor":
            conn.execute(update(events).where(events.c.seq == seq).values(actor="prn_b"))
        case "kind":
            conn.execute(update(events).where(events.c.seq == seq).values(kind="key_made"))
        case "at":
            moved = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
            conn.execute(update(events).where(events.c.seq == seq).values(at=moved))
        case "delete":
            conn.execute(delete(events).where(events.c.seq == seq))
        case "cut":
            conn.execute(delete(events).where(events.c.seq >= seq))
        case "swap":
            one, two = rng.sample(range(1, 41), 2)
            rows = {r["seq"]: dict(r) for r in conn.execute(select(events)).mappings()}
            for here, there in ((one, two), (two, one)):
                values = {k: v for k, v in rows[there].items() if k not in {"seq", "case_seq"}}
                conn.execute(update(events).where(events.c.seq == here).values(values))
        case _:
            row = dict(conn.execute(select(events).where(events.c.seq == 40)).mappings().one())
            conn.execute(insert(events).values({**row, "seq": 41, "case_seq": 41}))


def test_every_edit_removal_swap_and_cut_is_found(filled: Store):
    rng = random.Random(7)
    for _ in range(200):
        with filled.read() as conn:  # a read is rolled back at the end of the round
            tamper(conn, rng)
            with pytest.raises(TamperedError):
                audit.verify(conn)
            conn.rollback()


def test_a_tail_cut_together_with_its_head_is_found_by_the_anchor_outside(filled: Store, tmp_path: Path, clock):
    anchor = tmp_path / "heads.log"
    with filled.read() as conn:
        audit.anchor(conn, anchor, clock.now())
    with filled.write("finish") as conn:
        row = conn.execute(select(events.c.hash).where(events.c.seq == 30)).scalar()
        conn.execute(delete(events).where(events.c.seq > 30))
        conn.execute(update(meta).where(meta.c.key == "event_head").values(value=f"30:{row}"))
        assert audit.verify(conn).seq == 30
        with pytest.raises(TamperedError, match="is gone"):
            audit.verify(conn, audit.anchors(anchor))


@pytest.mark.parametrize(
    "data",
    [
        {"author": "anna@example.com"},
        {"author": "Anna Schmidt"},
        {"text": "hello"},
        {"message": "+49 170 1234567"},
        {"rows": 1.5},
        {"rows": True},
        {"text_hash": "abc"},
        {"sent_at": "yesterday"},
        {"draft": {"body": "x"}},
    ],
)
def test_an_event_refuses_what_is_not_an_id_enum_instant_number_or_hash(store: Store, clock, data):
    with pytest.raises(PersonalTextError), store.write("finish") as conn:
        audit.append(conn, "x", actor="prn_a", at=clock.now(), data=data)


def test_no_personal_text_gets_into_the_events_of_a_whole_case(
    *, desk: Desk, store: Store, ada, escalation, work, views
):
    case_id = desk.receive(ada, escalation)["case"]
    work()
    desk.record_message(ada, case_id, {"text": "Wilhelmina again, +44 20 7946 0958", "subject": "Quist"})
    work()
    desk.record_sent(ada, case_id, "Dear Wilhelmina Quist, ...", status="waiting_customer")
    with store.read() as conn:
        log = str([dict(row) for row in conn.execute(select(events)).mappings()]).casefold()
    assert "message_received" in log
    for canary in ("wilhelmina", "quist", "kettle", "77001", "7946", "t-1"):
        assert canary not in log


def test_the_case_row_is_the_fold_of_its_events(desk: Desk, store: Store, ada, escalation, work):
    case_id = desk.receive(ada, escalation)["case"]
    work()
    desk.record_sent(ada, case_id, "Hello", status="waiting_customer")
    desk.set_status(ada, case_id, "resolved")
    with store.read() as conn:
        row, state = cases.get(conn, case_id), fold(audit.of_case(conn, case_id))
    assert (row["status"], row["version"], row["human_replies"]) == (state.status, state.version, state.human_replies)
    assert state.status == "resolved"
