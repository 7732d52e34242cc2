from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text, update
from standardwebhooks import Webhook

from api import sample
from api.app import create_app
from api.desk import DraftWork
from api.errors import StoreBusyError
from api.hooks.handler import Ticket
from api.settings import load
from api.store import cases, tables
from api.wiring import Runtime, build_runtime
from tests.fakes.desk import PROMPTS
from tests.fakes.parts import quick_parts

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
ZENDESK = (
    "verify: static_header\nsecrets: [ZEN]\nheader: X-Zen\nadapter: zendesk\nid_path: detail.id\ndelivery_id_path: id\n"
)
BARE = """verify: static_header
secrets: [NOWHERE]
header: X-Secret
map: {type: type, external_id: id, 'messages[*].text': text}
"""


class Helpdesk:
    """A fetcher over tickets in memory."""

    def __init__(self) -> None:
        self.tickets: dict[str, Ticket] = {}
        self.broken = False

    async def fetch(self, external_id: str) -> Ticket | None:
        if self.broken:
            raise ConnectionError("the words of a customer")
        return self.tickets.get(external_id)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack with three sources, and a home in which it was checked once."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(PROMPTS, folder / "prompts", ignore=shutil.ignore_patterns("*.jsonl", "sample_store"))
    hooks = folder / "prompts/pack/hooks"
    (hooks / "zen.yaml").write_text(ZENDESK, encoding="utf-8")
    (hooks / "bare.yaml").write_text(BARE, encoding="utf-8")
    build_runtime(load({}, home=folder / "home", prompts=folder / "prompts"), parts=quick_parts()).close()
    return folder


@pytest.fixture
def prompts(tmp_path: Path, template: Path) -> Path:
    """A copy of the pack, whose maps may be changed."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path / "prompts"


@pytest.fixture
def helpdesk() -> Helpdesk:
    return Helpdesk()


@pytest.fixture
def start(
    tmp_path: Path, prompts: Path, clock: Any, proposal: Callable[..., dict[str, Any]], helpdesk: Helpdesk
) -> Iterator[Callable[[], Runtime]]:
    """Starts the desk, and again over what it left."""
    made: list[Runtime] = []

    async def drafter(work: DraftWork) -> dict[str, Any]:
        return proposal(case_id=work.case_id)

    def run() -> Runtime:
        found = load(
            {"DESK_SECRET_GENERIC": SECRET, "DESK_SECRET_ZEN": "0123456789abcdef"},
            home=tmp_path / "home", prompts=prompts, workers=0,
        )  # fmt: skip
        made.append(
            build_runtime(found, clock=clock, drafter=drafter, parts=quick_parts(), fetchers={"zendesk": helpdesk})
        )
        made[-1].parts.all()
        return made[-1]

    yield run
    for one in made:
        one.close()


@pytest.fixture
def desk(start: Callable[[], Runtime]) -> Runtime:
    return start()


@pytest.fixture
def client(desk: Runtime) -> Iterator[TestClient]:
    with TestClient(create_app(desk), base_url="http://127.0.0.1", raise_server_exceptions=False) as browser:
        yield browser


@pytest.fixture
def admin(desk: Runtime) -> dict[str, str]:
    first = sample.first_admin(desk)
    return {"Authorization": f"Bearer {desk.doors.make_key(first, first.id)[1]}"}


def signed(desk: Runtime, number: str, body: str) -> dict[str, str]:
    now = desk.clock.now()
    stamp = str(int(now.timestamp()))
    return {
        "webhook-id": number,
        "webhook-timestamp": stamp,
        "webhook-signature": Webhook(SECRET).sign(number, now, body),
    }


def created(ticket: str = "T-9", **data: Any) -> str:
    messages = [{"id": "1", "author": "customer", "at": "2026-11-24T08:00:00Z", "text": "My kettle arrived cracked."}]
    data = {"external_id": ticket, "subject": "Kettle", "messages": messages, **data}
    return json.dumps({"type": "ticket.escalated", "timestamp": "2026-11-24T08:00:00Z", "data": data})


def post(client: TestClient, desk: Runtime, number: str, body: str, source: str = "generic") -> httpx.Response:
    return client.post(f"/v1/hooks/{source}", content=body, headers=signed(desk, number, body))


def work(desk: Runtime) -> None:
    asyncio.run(desk.worker().run_until_idle())


def rows(desk: Runtime, table: Any, *columns: Any) -> list[Any]:
    with desk.store.read() as conn:
        return [tuple(row) for row in conn.execute(select(*(columns or (func.count(),))).select_from(table))]


def states(desk: Runtime) -> dict[str, int]:
    found: dict[str, int] = {}
    for (state,) in rows(desk, tables.deliveries, tables.deliveries.c.state):
        found[state] = found.get(state, 0) + 1
    return found


# --- coming in ----------------------------------------------------------------------------------------------------


def test_a_signed_webhook_is_stored_with_its_job_before_it_is_answered_and_becomes_a_case(client, desk):
    answer = post(client, desk, "m1", created())
    assert answer.status_code == 202
    delivery = answer.json()["delivery_id"]
    assert rows(desk, tables.deliveries, tables.deliveries.c.id, tables.deliveries.c.state) == [(delivery, "queued")]
    assert rows(desk, tables.jobs, tables.jobs.c.kind, tables.jobs.c.state) == [("hook", "queued")]
    work(desk)
    ((case_id, source, external_id, title),) = rows(
        desk, tables.cases, tables.cases.c.id, tables.cases.c.source, tables.cases.c.external_id, tables.cases.c.title
    )
    assert (source, external_id, title) == ("generic", "T-9", "Kettle")
    found = rows(
        desk, tables.deliveries, tables.deliveries.c.state, tables.deliveries.c.case_id, tables.deliveries.c.body
    )
    assert found == [("done", case_id, None)], "what is on the case is not kept twice"


def test_a_repeated_delivery_has_the_same_answer_and_nothing_new(client, desk):
    first = post(client, desk, "m1", created())
    for _ in range(100):
        again = post(client, desk, "m1", created())
        assert (again.status_code, again.json()) == (first.status_code, first.json())
    work(desk)
    assert post(client, desk, "m1", created()).json() == first.json()
    work(desk)
    assert (rows(desk, tables.deliveries), rows(desk, tables.cases)) == ([(1,)], [(1,)])


def test_a_hundred_at_once_of_one_delivery_are_one(client, desk):
    headers, gate, answers = signed(desk, "m1", created()), threading.Barrier(20), list[Any]()

    def send() -> None:
        gate.wait()
        answers.extend(client.post("/v1/hooks/generic", content=created(), headers=headers) for _ in range(5))

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {202}
    assert len(answers) == 100
    assert len({answer.json()["delivery_id"] for answer in answers}) == 1
    assert rows(desk, tables.jobs) == [(1,)]


def test_the_same_event_under_new_numbers_is_still_one_case(client, desk):
    for number in range(5):
        post(client, desk, f"m{number}", created())
    work(desk)
    assert (rows(desk, tables.cases), rows(desk, tables.messages)) == ([(1,)], [(1,)])


def test_a_forged_old_or_unsigned_webhook_is_refused_and_costs_no_transaction(client, desk, clock, monkeypatch):
    headers = signed(desk, "m1", created())

    def never(*_: Any) -> Any:
        raise AssertionError("a look into the database")

    monkeypatch.setattr(desk.store, "write", never)
    monkeypatch.setattr(desk.store, "read", never)
    assert client.post("/v1/hooks/generic", content=created("T-8"), headers=headers).status_code == 401
    assert client.post("/v1/hooks/generic", content=created()).status_code == 401
    clock.advance(seconds=301)
    old = client.post("/v1/hooks/generic", content=created(), headers=headers)
    assert old.status_code == 401
    assert old.headers["content-type"] == "application/problem+json"
    assert "300 seconds" in old.json()["detail"]


@pytest.mark.parametrize("source", ["nobody", "dead", "..", "Generic", "a" * 60, "generic.yaml", "%2e%2e%2fteams"])
def test_an_unknown_source_is_not_found(client, desk, source: str):
    answer = post(client, desk, "m1", created(), source)
    assert answer.status_code in {404, 405}
    assert rows(desk, tables.deliveries) == [(0,)]


def test_a_source_whose_secret_is_missing_is_closed_and_says_which(client, desk):
    answer = client.post("/v1/hooks/bare", content="{}", headers={"X-Secret": "x"})
    assert answer.status_code == 503
    assert "DESK_SECRET_NOWHERE" in answer.json()["detail"]


def test_a_source_whose_adapter_is_missing_is_closed_and_says_which(client, desk, prompts):
    (prompts / "pack/hooks/zen.yaml").write_text(
        ZENDESK.replace("adapter: zendesk", "adapter: helpy"), encoding="utf-8"
    )
    answer = client.post("/v1/hooks/zen", content="{}", headers={"X-Zen": "0123456789abcdef"})
    assert answer.status_code == 503
    assert "'helpy'" in answer.json()["detail"]


def test_a_body_of_more_than_a_megabyte_is_refused(client, desk):
    assert post(client, desk, "m1", created(url="x" * 1_000_000)).status_code == 413


def test_while_the_store_is_busy_nothing_is_acknowledged_and_afterwards_all_is_well(client, desk, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(desk.inlet, "commit", lambda _: (_ for _ in ()).throw(StoreBusyError("The database is busy.")))
        answer = post(client, desk, "m1", created())
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert post(client, desk, "m1", created()).status_code == 202


def test_what_proves_the_sender_is_not_stored(client, desk):
    post(client, desk, "m1", created())
    client.post("/v1/hooks/zen", content='{"id": "z", "detail": {"id": 1}}', headers={"X-Zen": "0123456789abcdef"})
    for kept in rows(desk, tables.deliveries, tables.deliveries.c.headers):
        assert "0123456789abcdef" not in str(kept)
        assert "v1," not in str(kept)


def test_a_delivery_without_a_number_is_told_by_its_bytes(client, desk):
    for body in ('{"detail": {"id": 1}}', '{"detail": {"id": 1}}', '{"detail": {"id": 2}}', "not JSON"):
        assert client.post("/v1/hooks/zen", content=body, headers={"X-Zen": "0123456789abcdef"}).status_code == 202
    numbers = [number for (number,) in rows(desk, tables.deliveries, tables.deliveries.c.delivery_id)]
    assert len(numbers) == 3
    assert all(number.startswith("sha256:") for number in numbers)


# --- worked in ----------------------------------------------------------------------------------------------------


def test_events_become_messages_and_status_of_one_case(client, desk):
    said = {"id": "2", "at": "2026-11-24T08:20:00Z", "text": "Any news?"}
    events = [
        {
            "type": "ticket.status",
            "timestamp": "2026-11-24T08:30:00Z",
            "data": {"external_id": "T-9", "status": "Pending"},
        },
        {
            "type": "ticket.message",
            "timestamp": "2026-11-24T08:20:00Z",
            "data": {"external_id": "T-9", "messages": [said]},
        },
    ]
    for number, event in enumerate(events):
        post(client, desk, f"e{number}", json.dumps(event))
    post(client, desk, "m1", created())
    work(desk)
    ((case_id, status),) = rows(desk, tables.cases, tables.cases.c.id, tables.cases.c.status)
    assert status == "waiting_customer"
    with desk.store.read() as conn:
        assert [m["body"]["text"] for m in cases.messages_of(conn, case_id)] == [
            "My kettle arrived cracked.",
            "Any news?",
        ]
    assert states(desk) == {"done": 3}


POISON = {
    "not JSON": "<xml/>",
    "a list": "[1]",
    "nested beyond reason": "[" * 100_000,
    "no id": '{"type": "ticket.escalated", "data": {"messages": [{"text": "hello"}]}}',
    "an unknown word": '{"type": "ticket.exploded", "data": {"external_id": "P"}}',
    "no text": '{"type": "ticket.message", "data": {"external_id": "P"}}',
    "refused by the desk": created("P", customer={"phone": "9" * 100}),
    "too much text": created("P", messages=[{"id": "1", "text": "x" * 70_000}]),
}


def test_poison_is_laid_aside_with_a_reason_and_everything_else_flows(client, desk, admin):
    for number in range(30):
        assert post(client, desk, f"good{number}", created(f"G-{number}")).status_code == 202
        if number < len(POISON):
            assert post(client, desk, f"bad{number}", list(POISON.values())[number]).status_code == 202
    work(desk)
    assert states(desk) == {"done": 30, "dead": len(POISON)}
    assert rows(desk, tables.cases) == [(30,)]
    items = client.get("/v1/hooks/dead", headers=admin).json()["items"]
    said = {item["delivery_id"]: item["error"] for item in items}
    assert [said[f"bad{n}"] for n in range(len(POISON)) if not 0 < len(said[f"bad{n}"].splitlines()[0]) < 300] == []
    assert [error for error in said.values() if "\n" in error or "Traceback" in error] == []
    assert said["bad3"].startswith("data.external_id: is missing;")
    assert said["bad4"].startswith("type: holds `ticket.exploded`")
    assert said["bad5"].startswith("data.messages[*].text: is missing;")
    assert "customer.phone" in said["bad6"]
    (no_id,) = [item["id"] for item in items if item["delivery_id"] == "bad3"]
    one = client.get(f"/v1/hooks/dead/{no_id}", headers=admin).json()
    assert one["body"] == POISON["no id"]
    assert client.get("/v1/hooks/dead/hook_none", headers=admin).status_code == 404


def test_a_dead_webhook_is_replayed_with_the_corrected_map(client, desk, admin, prompts):
    body = '{"type": "ticket.raised", "timestamp": "2026-11-24T08:00:00Z", "data": {"external_id": "T", "messages": [{"text": "Hi"}]}}'
    delivery = post(client, desk, "m1", body).json()["delivery_id"]
    work(desk)
    assert states(desk) == {"dead": 1}
    replay = f"/v1/hooks/dead/{delivery}/replay"
    path = prompts / "pack/hooks/generic.yaml"
    good = path.read_text(encoding="utf-8")
    path.write_text("verify: standard", encoding="utf-8")
    broken = client.post(replay, headers=admin)
    assert broken.status_code == 503
    assert "generic.yaml, line 1" in broken.json()["detail"]
    assert post(client, desk, "m2", created("U")).status_code == 202, "the last good map is still in use"
    path.write_text(good.replace("ticket.escalated:", "ticket.raised: created, ticket.escalated:"), encoding="utf-8")
    assert client.post(replay, headers=admin).json() == {"id": delivery, "state": "queued"}
    assert client.post(replay, headers=admin).status_code == 409
    work(desk)
    assert states(desk) == {"done": 2}
    assert rows(desk, tables.cases) == [(2,)]
    assert client.post(replay, headers=admin).status_code == 409
    assert client.post("/v1/hooks/dead/hook_none/replay", headers=admin).status_code == 404


def test_only_an_admin_sees_and_replays_the_dead(client, desk):
    holder = desk.doors.add_principal(sample.first_admin(desk), "Bo", "reviewer")
    key = {"Authorization": f"Bearer {desk.doors.make_key(sample.first_admin(desk), holder.id)[1]}"}
    assert client.get("/v1/hooks/dead", headers=key).status_code == 403
    assert client.get("/v1/hooks/dead/x", headers=key).status_code == 403
    assert client.post("/v1/hooks/dead/x/replay", headers=key).status_code == 403


def test_a_source_that_is_gone_lays_its_deliveries_aside(client, desk, admin, prompts):
    post(client, desk, "m1", created())
    (prompts / "pack/hooks/generic.yaml").unlink()
    assert post(client, desk, "m2", created()).status_code == 404
    work(desk)
    assert "no map any more" in client.get("/v1/hooks/dead", headers=admin).json()["items"][0]["error"]


def test_what_is_acknowledged_survives_a_restart_before_it_is_worked_in(start):
    desk = start()
    with TestClient(create_app(desk), base_url="http://127.0.0.1") as client:
        first = post(client, desk, "m1", created()).json()
    again = start()
    with TestClient(create_app(again), base_url="http://127.0.0.1") as client:
        assert post(client, again, "m1", created()).json() == first
        work(again)
        assert post(client, again, "m1", created()).json() == first
        work(again)
    assert rows(start(), tables.cases) == [(1,)]


def test_a_crash_while_it_is_worked_in_leaves_nothing_half_done_and_it_is_tried_again(client, desk, monkeypatch, clock):
    post(client, desk, "m1", created())
    work(desk)
    solved = {"type": "ticket.status", "data": {"external_id": "T-9", "status": "solved", "order_ref": "FH-1"}}
    with monkeypatch.context() as patch:
        patch.setattr("api.hooks.ticket._follow", lambda *_, **__: 1 / 0)
        post(client, desk, "m2", json.dumps(solved))
        work(desk)
    ((status, payload),) = rows(desk, tables.cases, tables.cases.c.status, tables.cases.c.payload)
    assert (status, states(desk)) == ("in_review", {"done": 1, "queued": 1})
    assert "order_ref" not in payload
    clock.advance(minutes=1)
    work(desk)
    ((status, payload),) = rows(desk, tables.cases, tables.cases.c.status, tables.cases.c.payload)
    assert (status, payload["order_ref"]) == ("resolved", "FH-1")


def test_the_event_log_holds_and_no_text_of_a_customer_is_in_it(client, desk):
    from api.store import audit

    post(client, desk, "m1", created(customer={"name": "Wilhelmina Quist", "email": "w@quist.example"}))
    work(desk)
    with desk.store.read() as conn:
        assert audit.verify(conn).seq > 3
        log = str(conn.execute(select(tables.events.c.data)).all())
    assert "Quist" not in log
    assert "kettle" not in log


# --- adapters -----------------------------------------------------------------------------------------------------


def hint(client: TestClient, number: str) -> None:
    body = json.dumps({"id": number, "detail": {"id": "141"}})
    assert client.post("/v1/hooks/zen", content=body, headers={"X-Zen": "0123456789abcdef"}).status_code == 202


def ticket(*texts: str, status: str = "open", at: str = "2026-11-24T08:00:00Z", **more: Any) -> Ticket:
    messages = [{"id": str(n), "author": "customer", "at": at, "text": words} for n, words in enumerate(texts)]
    return Ticket({"external_id": "141", "at": at, "status": status, "messages": messages}, **more)


def test_a_hint_makes_the_adapter_fetch_the_ticket(client, desk, helpdesk):
    helpdesk.tickets["141"] = ticket("My kettle leaks.")
    hint(client, "a")
    work(desk)
    helpdesk.tickets["141"] = ticket("My kettle leaks.", "Hello?", status="waiting_customer", at="2026-11-24T08:30:00Z")
    hint(client, "b")
    hint(client, "b")
    work(desk)
    assert rows(desk, tables.cases, tables.cases.c.external_id, tables.cases.c.status) == [("141", "waiting_customer")]
    assert rows(desk, tables.messages) == [(2,)]
    assert states(desk) == {"done": 2}


def test_our_own_doing_and_a_ticket_that_is_gone_are_no_news(client, desk, helpdesk):
    helpdesk.tickets["141"] = ticket("My kettle leaks.", author_is_us=True)
    hint(client, "a")
    work(desk)
    helpdesk.tickets["141"] = ticket("[desk:case_1:n1] A draft waits", "second")
    helpdesk.tickets["141"].generic["messages"].pop()
    hint(client, "b")
    work(desk)
    helpdesk.tickets.clear()
    hint(client, "c")
    work(desk)
    assert (rows(desk, tables.cases), states(desk)) == ([(0,)], {"done": 3})


def test_a_helpdesk_that_is_down_is_asked_again_and_a_wrong_ticket_is_laid_aside(client, desk, helpdesk, clock, admin):
    helpdesk.broken = True
    hint(client, "a")
    work(desk)
    assert states(desk) == {"queued": 1}
    helpdesk.broken = False
    helpdesk.tickets["141"] = ticket("My kettle leaks.", status="on fire")
    clock.advance(minutes=1)
    work(desk)
    assert client.get("/v1/hooks/dead", headers=admin).json()["items"][0]["error"].startswith("status: is none of")


def test_a_helpdesk_that_stays_down_ends_as_a_dead_webhook_whose_reason_quotes_nobody(
    client, desk, helpdesk, clock, admin
):
    helpdesk.broken = True
    hint(client, "a")
    for _ in range(12):
        work(desk)
        clock.advance(minutes=11)
    error = client.get("/v1/hooks/dead", headers=admin).json()["items"][0]["error"]
    assert error == "It failed 10 times (ConnectionError); replay it when the cause is gone."
    with desk.store.read() as conn:
        assert "customer" not in str(conn.execute(text("SELECT error FROM jobs")).all())


# --- command line -------------------------------------------------------------------------------------------------


def test_the_command_lists_and_replays_the_dead(tmp_path, prompts, monkeypatch, capsys, client, desk):
    from api.cli import main

    post(client, desk, "m1", "no JSON")
    work(desk)
    for name, value in {"HOME": tmp_path / "home", "PROMPTS": prompts, "STORE": ""}.items():
        monkeypatch.setenv(f"DESK_{name}", str(value))
    assert main(["hooks", "dead", "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert item["delivery_id"] == "m1"
    assert main(["hooks", "dead"]) == 0
    assert "generic: body: is not valid JSON" in capsys.readouterr().out
    assert main(["hooks", "replay", item["id"]]) == 0
    assert states(desk) == {"queued": 1}
    assert main(["hooks", "replay", item["id"]]) == 2
    assert "only a dead one can be replayed" in capsys.readouterr().err
    for wrong in (["hooks", "replay"], ["hooks", "dead", "x"], ["hooks", "replay", "hook_none"]):
        assert main(wrong) == 2
        assert capsys.readouterr().err.count("\n") == 1
    with desk.store.write("finish") as conn:
        conn.execute(update(tables.deliveries).values(state="done"))
    assert main(["hooks", "dead"]) == 0
