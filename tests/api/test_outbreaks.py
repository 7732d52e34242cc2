"""Cases that report one thing become an incident; people merge and split; twins are offered and never merged silently."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from agent.outbreak import Trace, load_rules
from api import incidentview
from api.auth import Principal
from api.desk import Desk
from api.errors import ConflictError, NotFoundError
from api.jobs import TRACE, DraftHandler, SightHandler, registry
from api.store import incidents
from api.store.tables import cases
from api.store.unit import Store
from api.verbs import Rules
from api.views import Views
from api.worker import Worker
from tests.api.conftest import FakeClock
from tests.fakes.desk import PROMPTS, pack, prompts

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def desk(store: Store, clock: FakeClock) -> Desk:
    return Desk(store, clock, Rules(pack(), outbreak=load_rules(PROMPTS, pack())))


class Shop:
    """Hands reports in, each drafted with a trace of its own."""

    def __init__(self, desk: Desk, store: Store, clock: FakeClock, who: Principal, proposal: Make) -> None:
        self.desk, self.store, self.clock, self.who, self.proposal = desk, store, clock, who, proposal

    def report(self, customer: str, *, lot: str = "26-117B", severity: str = "S3", order: str = "") -> str:
        case = self.desk.receive(self.who, {"text": f"It leaks. {customer}", "customer": {"email": customer}})["case"]
        self.draft(customer, lot, severity, order)
        self.clock.advance(minutes=5)
        return str(case)

    def draft(self, customer: str, lot: str, severity: str, order: str) -> None:
        async def drafter(work: Any) -> Any:
            trace = Trace(
                case_id=work.case_id, at=self.clock.now(), customer=customer, issue_type="damaged_or_defective",
                skus=frozenset({"KTL-330"}), lots=frozenset({lot} - {""}), orders=frozenset({order} - {""}),
                vector=np.eye(8, dtype=np.float32)[0], english=np.eye(8, dtype=np.float32)[0],
            )  # fmt: skip
            return {**self.proposal(severity=severity), TRACE: trace}

        for _ in range(2):
            handlers = registry(DraftHandler(self.desk, drafter), SightHandler(self.desk))
            asyncio.run(Worker(self.store, self.clock, handlers).run_until_idle())
            self.clock.advance(minutes=1)

    def incident(self, case_id: str) -> str:
        with self.store.read() as conn:
            row = incidents.incident_of(conn, case_id)
        return str(row["incident_id"]) if row else ""


@pytest.fixture
def shop(desk: Desk, store: Store, clock: FakeClock, ada: Principal, proposal: Make) -> Shop:
    return Shop(desk, store, clock, ada, proposal)


def test_three_customers_with_one_lot_are_one_incident_flagged_and_raised(
    shop: Shop, views: Views, ada: Principal
) -> None:
    first, second = shop.report("a@x.example"), shop.report("b@x.example")
    assert (shop.incident(first), shop.incident(second)) == ("", "")
    third = shop.report("c@x.example")
    assert shop.incident(first) == shop.incident(second) == shop.incident(third) != ""
    for case in (first, second, third):
        seen = views.case(ada, case)
        assert seen.row.severity == "S2"
        assert seen.draft is not None
        assert seen.draft.proposal is not None
        assert "cluster" in seen.draft.proposal["flags"]
    fourth = shop.report("d@x.example", severity="S4")
    assert shop.incident(fourth) == shop.incident(first)
    assert views.case(ada, fourth).row.severity == "S2"


def test_a_later_triage_does_not_take_a_clustered_case_below_its_floor(
    shop: Shop, views: Views, ada: Principal
) -> None:
    cases = [shop.report(f"{name}@x.example") for name in "abc"]
    shop.desk.record_message(ada, cases[0], {"text": "Any news?"})
    shop.draft("a@x.example", "26-117B", "S4", "")
    assert views.case(ada, cases[0]).row.severity == "S2"


def test_one_customer_writing_thrice_is_no_incident_but_twins_to_merge(
    shop: Shop, views: Views, ada: Principal
) -> None:
    cases = [shop.report("a@x.example", order="ORD-1") for _ in range(3)]
    assert [shop.incident(case) for case in cases] == ["", "", ""]
    with shop.store.read() as conn:
        offers = {(row["case_id"], row["other_id"]) for row in incidents.offers(conn, cases[0])}
    assert (cases[1], cases[0]) in offers
    shop.desk.settle_offer(ada, cases[1], cases[0], merge=True)
    assert views.case(ada, cases[1]).row.status == "resolved"
    assert len(views.case(ada, cases[0]).messages) == 2
    shop.desk.settle_offer(ada, cases[2], cases[0], merge=False)
    assert views.case(ada, cases[2]).row.status == "in_review"
    with pytest.raises(NotFoundError):
        shop.desk.settle_offer(ada, cases[2], cases[0], merge=True)


def test_people_split_merge_and_close_and_what_they_set_apart_stays_apart(
    shop: Shop, store: Store, clock: FakeClock, ada: Principal
) -> None:
    one = [shop.report(f"{name}@x.example") for name in "abc"]
    shop.desk.split_off(ada, one[0])
    assert shop.incident(one[0]) == ""
    shop.report("d@x.example")
    assert shop.incident(one[0]) == "", "a person said so"
    with store.write("incident") as conn:
        other = incidents.found(conn, clock.now())
    shop.desk.join_incident(ada, one[0], other)
    shop.desk.merge_incidents(ada, shop.incident(one[1]), other)
    assert shop.incident(one[0]) == shop.incident(one[1])
    with pytest.raises(ConflictError):
        shop.desk.merge_incidents(ada, shop.incident(one[1]), other)
    shop.desk.close_incident(ada, shop.incident(one[1]))
    late = shop.report("e@x.example")
    assert shop.incident(late) != shop.incident(one[1]), "what is over takes no more cases"


def test_an_incident_shows_what_is_shared_and_one_message_for_all(shop: Shop, store: Store, clock: FakeClock) -> None:
    case, *_ = [shop.report(f"{name}@x.example") for name in "abc"]
    with store.read() as conn:
        found = incidentview.one(conn, shop.incident(case), pack(), prompts(), clock.now())
    assert (found.customers, found.shared["lots"], found.shared["skus"]) == (3, ["26-117B"], ["KTL-330"])
    assert "26-117B" in found.body
    assert "kettle" in found.subject.lower()
    assert "x.example" not in found.body
    assert all("same lot" in c.reason for c in found.cases)


@pytest.mark.parametrize(
    ("most", "written", "says"),
    [
        ("de", "de", "Guten Tag,"), ("fr", "fr", "Bonjour,"), ("es", "es", "Hola:"), ("it", "it", "Buongiorno,"), ("nl", "nl", "Goedendag,"),
        ("pt", "pt", "Bom dia,"), ("en", "en", "Hello,"), ("pl", "en", "Hello,"),
    ],
)  # fmt: skip
def test_the_message_for_all_is_in_the_language_of_most_cases(
    shop: Shop, store: Store, clock: FakeClock, most: str, written: str, says: str
) -> None:
    found = [shop.report(f"{name}@x.example") for name in "abc"]
    with store.write("incident") as conn:
        conn.execute(update(cases).where(cases.c.id.in_(found[:2])).values(language=most))
        conn.execute(update(cases).where(cases.c.id == found[2]).values(language="en"))
    with store.read() as conn:
        seen = incidentview.one(conn, shop.incident(found[0]), pack(), prompts(), clock.now())
    assert (seen.language, seen.body.splitlines()[0]) == (written, says)
    assert "26-117B" in seen.body
    assert "kettle" in seen.subject.lower()
    assert seen.body.splitlines()[-1] == pack().store.name
    assert "\n\n\n" not in seen.body


def test_all_that_the_detector_compares_is_kept(store: Store, clock: FakeClock, desk: Desk, ada: Principal) -> None:
    case = str(desk.receive(ada, {"text": "It leaks."})["case"])
    told = frozenset({"X"})
    eye = np.eye(8, dtype=np.float32)[0]
    trace = Trace(
        case_id=case, at=clock.now(), customer="c", issue_type="product_safety", skus=told, lots=told, codes=told, orders=told,
        lane="DHL GB LE", pages=told, errors=told, harms=told, faults=told, asks=True, settled=True, vector=eye, english=eye,
    )  # fmt: skip
    with store.write("sight") as conn:
        incidents.put(conn, trace, "digest")
    with store.read() as conn:
        (kept,) = incidents.traces_of(conn, [case])
    for field in fields(Trace):
        assert np.array_equal(getattr(kept, field.name), getattr(trace, field.name)), field.name
