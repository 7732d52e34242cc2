"""Teams, clocks and promises through the verbs: who is told, once, and what follows from silence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from agent.directory import Channel, Member, Team
from agent.promises import Commitment
from api.auth import WORKER, Principal
from api.desk import Desk
from api.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from api.jobs import DraftHandler, registry
from api.notices import Notices
from api.outgoing.message import Message
from api.post import DeliverHandler
from api.store import mail, queue
from api.store.tables import notices, outbox
from api.store.unit import Store
from api.verbs import Rules
from api.views import Views
from api.watch import Jumps, lateness
from api.worker import Worker
from tests.api.conftest import START, FakeClock
from tests.fakes.desk import pack, prompts

Make = Callable[..., dict[str, Any]]


def channel(*events: str) -> Channel:
    return Channel.model_validate({"kind": "webhook", "secret": "URL", "sign_with": ["KEY"], "events": events})


def rules(**teams: Team) -> Rules:
    """The sample store's pack with a channel for each team and one for a program."""
    names = {t.channel for t in teams.values()} | {t.second_channel for t in teams.values()}
    names |= {m.channel for t in teams.values() for m in t.members.values()}
    channels = {name: channel() for name in names if name} | {
        "erp": channel("case.triaged", "sla.at_risk", "sla.breached")
    }
    directory = pack().directory.model_copy(update={"teams": {**pack().teams, **teams}, "channels": channels})

    def promised(text: str, _: str, now: datetime) -> list[Commitment]:
        found = [Commitment("update", text, 0, 9, due=date(2026, 11, 25), hour="12:00")] if "write" in text else []
        return found + ([Commitment("refund", text, 0, 9, within="5 business_day")] if "refund" in text else [])

    return Rules(pack().model_copy(update={"directory": directory}), promised)


TEAMS = {
    "fulfilment": Team(title="Fulfilment", channel="goods", hours="business", escalates_to="support_lead"),
    "carrier_claims": Team(
        title="Carriers", channel="post", hours="business", members={"ana": Member(name="Ana", channel="ana")},
        on_call=("ana",), escalates_to="support_lead",
    ),
    "support_lead": Team(title="Lead", channel="lead", second_channel="phone", escalates_to="owner"),
    "owner": Team(title="Owner", channel="boss"),
}  # fmt: skip


@pytest.fixture
def desk(store: Store, clock: FakeClock) -> Desk:
    return Desk(store, clock, rules(**TEAMS))


@pytest.fixture
def triaged(
    desk: Desk, store: Store, clock: FakeClock, ada: Principal, escalation: Any, proposal: Make
) -> Callable[..., str]:
    """A case with a stored proposal; returns its id."""

    def make(**changed: Any) -> str:
        case = desk.receive(ada, {**escalation, "id": changed.pop("id", "T-1")})["case"]
        draft(desk, store, clock, proposal(**{"collaborators": ["carrier_claims"], **changed}))
        return case

    return make


def draft(desk: Desk, store: Store, clock: FakeClock, found: Any) -> None:
    async def drafter(_: Any) -> Any:
        return found

    asyncio.run(Worker(store, clock, registry(DraftHandler(desk, drafter))).run_until_idle())


def letters(store: Store, kind: str = "") -> list[tuple[str, Any]]:
    with store.read() as conn:
        rows = conn.execute(select(outbox).order_by(outbox.c.id)).mappings().all()
    return [(row["channel"], row["payload"]) for row in rows if not kind or row["payload"]["kind"] == kind]


def sweep(desk: Desk) -> None:
    while desk.sweep(WORKER):
        pass


def test_each_team_that_a_case_needs_is_told_once_however_often_it_is_drafted(
    desk: Desk, store: Store, clock: FakeClock, ada: Principal, triaged: Callable[..., str], proposal: Make
) -> None:
    case = triaged()
    assert sorted(name for name, _ in letters(store, "pulled_in")) == ["goods", "post"]
    desk.record_message(ada, case, {"text": "And now?"})
    draft(desk, store, clock, proposal(collaborators=["carrier_claims", "support_lead"]))
    assert sorted(name for name, _ in letters(store, "pulled_in")) == ["goods", "lead", "post"]


def test_outside_its_hours_the_first_on_call_is_told_too(
    desk: Desk, store: Store, clock: FakeClock, triaged: Callable[..., str]
) -> None:
    clock.advance(hours=14)
    triaged()
    assert sorted(name for name, _ in letters(store, "pulled_in")) == ["ana", "goods", "post"]


def test_a_silent_team_climbs_its_chain_and_an_acknowledgement_stops_it(
    desk: Desk, store: Store, clock: FakeClock, ada: Principal, triaged: Callable[..., str]
) -> None:
    case = triaged(severity="S1")
    clock.advance(minutes=16)
    sweep(desk)
    asked = [
        (n, i["clock"], i["percent"]) for n, p in letters(store, "clocks") for i in p["clocks"] if "ack" in i["clock"]
    ]
    assert sorted(asked) == [("ana", "team_ack:carrier_claims", 100), ("lead", "team_ack:fulfilment", 100)]
    desk.acknowledge(ada, case, "carrier_claims")
    desk.acknowledge(ada, case, "carrier_claims")
    clock.advance(minutes=15)
    sweep(desk)
    more = [(n, i["clock"]) for n, p in letters(store, "clocks") for i in p["clocks"] if i["percent"] == 200]
    assert more == [("boss", "team_ack:fulfilment")]


def test_a_threshold_is_told_once_with_its_true_instant_whoever_sweeps(
    desk: Desk, store: Store, clock: FakeClock, triaged: Callable[..., str]
) -> None:
    other = Desk(store, clock, desk.rules)
    triaged(severity="S2")
    clock.advance(hours=1, minutes=40)
    sweep(desk)
    sweep(other)
    clock.advance(hours=-1)
    sweep(other)
    clock.advance(hours=5)
    sweep(other)
    sweep(desk)
    with store.read() as conn:
        rows = conn.execute(select(notices).where(notices.c.clock == "first_reply")).mappings().all()
    got = sorted((r["threshold"], r["recipient"], r["due_at"] - START, r["late"]) for r in rows)
    hour = timedelta(hours=1)
    assert got == [
        (50, "fulfilment", hour, True), (80, "fulfilment", 1.6 * hour, True),
        (100, "fulfilment", 2 * hour, True), (100, "support_lead", 2 * hour, True),
    ]  # fmt: skip


def test_a_desk_that_was_down_over_a_deadline_sends_one_letter_a_channel(
    desk: Desk, store: Store, clock: FakeClock, ada: Principal, escalation: Any
) -> None:
    desk.receive(ada, escalation)
    clock.advance(days=2)
    sweep(desk)
    told = sorted(name for name, _ in letters(store, "clocks"))
    assert told == ["boss", "lead"], "the team of untriaged cases and the one above, each once"
    assert all(item["late"] for _, p in letters(store, "clocks") for item in p["clocks"])
    assert {p["type"] for _, p in letters(store, "event")} == {"sla.at_risk", "sla.breached"}


def test_a_sent_reply_stops_the_clock_before_it_is_swept(
    desk: Desk, store: Store, clock: FakeClock, ada: Principal, triaged: Callable[..., str]
) -> None:
    case = triaged(severity="S2")
    clock.advance(minutes=30)
    desk.record_sent(ada, case, "We are on it.", status="waiting_customer")
    for team in ("fulfilment", "carrier_claims"):
        desk.acknowledge(ada, case, team)
    clock.advance(days=30)
    sweep(desk)
    assert not letters(store, "clocks")


def test_promises_of_a_sent_text_are_kept_with_their_clock_and_a_late_one_is_broken(
    desk: Desk, store: Store, views: Views, clock: FakeClock, ada: Principal, triaged: Callable[..., str]
) -> None:
    case = triaged()
    made = desk.record_sent(ada, case, "We refund you.", status="waiting_customer")["promises"]
    desk.settle_promise(ada, made[0], "kept")
    assert views.promises(ada, case)[0].state == "kept"
    clock.advance(minutes=1)
    late = desk.record_sent(ada, case, "We refund you again.")["promises"][0]
    assert views.promises(ada, case)[1].due_at == datetime(2026, 12, 1, 9, 1, tzinfo=UTC)
    clock.advance(days=8)
    sweep(desk)
    assert views.promises(ada, case)[1].state == "broken"
    assert desk.settle_promise(ada, late, "kept")["state"] == "broken", "kept after its time"
    with pytest.raises(NotFoundError):
        desk.settle_promise(ada, "prm_none", "kept")
    with pytest.raises(ConflictError):
        desk.settle_promise(ada, made[0], "dropped")


def test_a_holding_update_is_asked_for_before_a_promised_update_lapses(
    desk: Desk, store: Store, views: Views, clock: FakeClock, ada: Principal, triaged: Callable[..., str]
) -> None:
    case = triaged()
    desk.record_sent(ada, case, "We will write by tomorrow noon.", status="waiting_carrier")
    clock.advance(hours=20)
    sweep(desk)
    assert views.case(ada, case).row.draft_state == "sent" or views.case(ada, case).draft.state != "pending"
    clock.advance(hours=3)
    sweep(desk)
    pending = views.case(ada, case).draft
    assert pending is not None
    assert (pending.state, pending.hint) == ("pending", "holding_update")


def test_what_a_person_set_stands_and_below_the_floor_only_an_admin_goes(
    desk: Desk,
    store: Store,
    clock: FakeClock,
    views: Views,
    ada: Principal,
    triaged: Callable[..., str],
    proposal: Make,
) -> None:
    case = triaged(severity="S2", severity_floor="S2")
    agent = Principal("prn_agent", "Ben", "agent")
    with pytest.raises(ForbiddenError, match="below S2"):
        desk.set_severity(agent, case, "S3", "not_so_bad")
    with pytest.raises(InvalidError, match="short code"):
        desk.set_severity(agent, case, "S1", "because I say so, really!")
    desk.set_severity(ada, case, "S3", "not so bad")
    desk.record_message(ada, case, {"text": "Hello?"})
    draft(desk, store, clock, proposal(severity="S2"))
    assert views.case(ada, case).row.severity == "S3"


def test_the_link_of_a_notice_acknowledges_its_own_team_and_no_other(desk: Desk, triaged: Callable[..., str]) -> None:
    case = triaged()
    token = desk.link_token(case, "fulfilment")
    with pytest.raises(ForbiddenError):
        desk.acknowledge_by_link(case, "carrier_claims", token)
    assert desk.acknowledge_by_link(case, "fulfilment", token)["team"] == "fulfilment"


@pytest.mark.parametrize("count", [7, 40])
def test_a_storm_leaves_as_one_digest_and_nothing_is_lost_or_told_twice(
    desk: Desk, store: Store, clock: FakeClock, count: int
) -> None:
    with store.write("outbox") as conn:
        for number in range(count):
            mail.post(conn, "lead", f"k{number}", {"kind": "test"}, now=clock.now())
            mail.post(conn, "lead", f"k{number}", {"kind": "test"}, now=clock.now())
    batches: list[list[str]] = []

    async def send(_: str, found: Any) -> None:
        batches.append([row["idempotency_key"] for row in found])

    worker = Worker(store, clock, registry(DeliverHandler(desk, send, clock)))
    asyncio.run(worker.run_until_idle())
    clock.advance(minutes=1)
    asyncio.run(worker.run_until_idle())
    told = [key for batch in batches for key in batch]
    assert sorted(told) == sorted({f"k{n}" for n in range(count)})
    assert max(map(len, batches)) >= count - 6, "those after the first few went together"


def test_each_line_of_a_digest_says_how_severe_it_is_when_it_is_due_and_where(
    desk: Desk, store: Store, clock: FakeClock, triaged: Callable[..., str]
) -> None:
    case = triaged()
    due = clock.now() + timedelta(hours=2)
    item = {"clock": "first_reply", "percent": 80, "at": clock.now().isoformat(), "due_at": due.isoformat(), "late": False, "retargeted": False}  # fmt: skip
    team = next(iter(desk.rules.pack.teams))
    told = [{"kind": "clocks", "case": case, "clocks": [item]}, {"kind": "pulled_in", "case": case, "team": team, "draft": ""}, {"kind": "test"}]  # fmt: skip
    rows: list[Any] = [
        {"id": f"out_{n}", "channel": "lead", "payload": payload, "created_at": clock.now()}
        for n, payload in enumerate(told)
    ]
    pack_ = desk.rules.pack
    message = Notices(store, pack_, prompts(), "https://desk.example", desk.link_token).message(rows, "k")
    first, second, third = [line for line in message.text.splitlines() if line.startswith("- ")]
    zone = ZoneInfo(pack_.store.time_zone)
    assert "S3" in first
    assert f", due {due.astimezone(zone):%a %d %b %H:%M} ({zone.key}): https://desk.example/desk/{case}" in first
    assert ", due " in second
    assert f": https://desk.example/ack/{case}/{team}?token=" in second
    assert "due" not in third


def test_a_breach_goes_over_the_second_channel_when_the_first_does_not_take_it(
    desk: Desk, store: Store, clock: FakeClock, ada: Principal, escalation: Any
) -> None:
    from api.outgoing.message import NotTaken

    desk.receive(ada, escalation)
    clock.advance(hours=3)
    sweep(desk)
    tried: list[str] = []

    async def send(_: str, found: Any) -> None:
        tried.append(found[0]["channel"])
        if found[0]["channel"] == "lead":
            raise NotTaken("it is gone", gone=True)

    asyncio.run(Worker(store, clock, registry(DeliverHandler(desk, send, clock))).run_until_idle())
    assert tried.count("phone") == 1
    with store.read() as conn:
        assert mail.closed(conn) == {"lead": "it is gone"}
        dead = conn.execute(select(outbox.c.state).where(outbox.c.channel == "lead")).scalars().all()
    assert dead == ["dead"]


def test_a_brief_says_why_what_by_when_and_what_not_to_say_and_nothing_of_the_customer(
    desk: Desk, store: Store, triaged: Callable[..., str]
) -> None:
    case = triaged(
        severity_reason="one order damaged", route_reason="Damaged goods.", flags=["angry"],
        entities={"order_ids": [{"value": "ORD-77001"}], "amounts": [], "emails": [{"value": "w@quist.example"}]},
        precedents=[{"id": "P-1", "remedy": "Single mug sent.", "outcome": "resolved"}],
    )  # fmt: skip
    notices = Notices(store, desk.rules.pack, prompts(), "https://desk.example", desk.link_token)
    with store.read() as conn:
        row = conn.execute(select(outbox).where(outbox.c.channel == "post")).mappings().one()
    message = notices.message([row], "x")
    assert isinstance(message, Message)
    for part in (
        "needed",
        "one order damaged",
        "ORD-77001",
        "Single mug sent.",
        "the first reply:",
        "no fault",
        "that you have it",
    ):
        assert part in message.subject + message.text, part
    assert message.link.startswith(f"https://desk.example/ack/{case}/carrier_claims?token=")
    assert "quist" not in (message.text + message.subject).lower()


def test_the_health_is_red_when_a_threshold_waits_and_a_jump_of_the_clock_is_noticed(
    desk: Desk, store: Store, clock: FakeClock, ada: Principal, escalation: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk.receive(ada, escalation)
    assert lateness(store, clock) == timedelta(0)
    clock.advance(hours=1, seconds=30)
    assert lateness(store, clock) == timedelta(seconds=30)
    sweep(desk)
    assert lateness(store, clock) == timedelta(0)
    caplog.set_level(logging.WARNING, "api.watch")
    jumps = Jumps(START, 0.0)
    assert jumps.look(START + timedelta(seconds=1), 1.0) == timedelta(0)
    assert jumps.look(START + timedelta(hours=1), 2.0) > timedelta(minutes=59)
    assert "jumped" in caplog.text


def test_a_case_is_not_drafted_anew_because_a_clock_ran_out(
    desk: Desk, store: Store, clock: FakeClock, ada: Principal, escalation: Any
) -> None:
    desk.receive(ada, escalation)
    with store.write("claim") as conn:
        job = queue.claim(conn, ["draft"], "w", clock.now(), timedelta(minutes=1))
    assert job is not None
    work = desk.draft_work(job)
    assert work is not None
    clock.advance(hours=2)
    sweep(desk)
    with store.read() as conn:
        from api.store import cases

        assert cases.get(conn, work.case_id)["version"] == work.case_version
