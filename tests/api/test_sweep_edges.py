"""What the sweep must tell although the case moved on before it looked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from api.auth import WORKER, Principal
from api.desk import Desk
from api.store import mail
from api.store.tables import notices, outbox
from api.store.unit import Store
from api.verbs import Rules
from tests.api.conftest import START, FakeClock
from tests.fakes.desk import pack


def told(store: Store) -> set[tuple[str, int]]:
    with store.read() as conn:
        return {(row.clock, row.threshold) for row in conn.execute(select(notices.c.clock, notices.c.threshold))}


def test_a_breach_is_told_although_the_reply_came_before_the_sweep_looked(
    desk: Desk, store: Store, clock: FakeClock, ada: Principal, escalation: Any
):
    case = desk.receive(ada, escalation)["case"]
    clock.advance(hours=2, seconds=1)
    desk.record_sent(ada, case, "We are sorry.")
    assert desk.sweep(WORKER) == 1
    assert ("first_reply", 100) in told(store)
    assert desk.sweep(WORKER) == 0


def test_a_case_whose_log_is_ahead_of_a_clock_that_was_set_back_is_looked_at_again(
    desk: Desk, store: Store, clock: FakeClock, ada: Principal, escalation: Any
):
    case = desk.receive(ada, escalation)["case"]
    clock.advance(hours=-1)
    desk.set_severity(ada, case, "S1", "seen")
    clock.advance(hours=1, minutes=30)
    while desk.sweep(WORKER):
        pass
    assert ("first_reply", 100) in told(store)


def test_a_case_keeps_the_commitments_of_its_opening_until_it_is_triaged(
    desk: Desk, store: Store, clock: FakeClock, ada: Principal, escalation: Any
):
    desk.receive(ada, escalation)
    sla = pack().sla.model_dump()
    for policy in sla["policies"]:
        policy["targets"] = {"first_reply": {"within": "1 min", "calendar": "around_the_clock"}}
    other = pack().model_copy(update={"sla": type(pack().sla).model_validate(sla)})
    changed = Desk(store, clock, Rules(other))
    clock.advance(minutes=30)
    assert changed.sweep(WORKER) == 0
    clock.advance(minutes=31)
    assert changed.sweep(WORKER) == 1
    assert told(store) == {("first_reply", 50), ("next_reply:1", 50)}


def test_a_letter_is_one_of_a_storm_whatever_became_of_those_before_it(store: Store):
    with store.write("sweep") as conn:
        for n, state in enumerate((*mail.STATES, *mail.STATES)):
            letter = mail.post(conn, "notices", f"key{n}", {}, now=START)
            conn.execute(outbox.update().where(outbox.c.id == letter).values(state=state))
        mail.post(conn, "notices", "last", {}, now=START + timedelta(seconds=59))
    with store.read() as conn:
        found = conn.exec_driver_sql("SELECT count(*) FROM jobs WHERE run_at > created_at").scalar_one()
        assert found == 2 * len(mail.STATES) - mail.STORM + 1
