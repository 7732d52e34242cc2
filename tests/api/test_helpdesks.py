"""A helpdesk from webhook to note: Zendesk as it is on the wire, and the one of files, behind the whole desk."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from sqlalchemy import select

from api.app import create_app
from api.desk import DraftWork
from api.errors import StoreBusyError
from api.integrations.files import FileHelpdesk
from api.integrations.protocol import Helpdesk
from api.integrations.zendesk import Zendesk
from api.integrations.zendesk_config import ZendeskConfig
from api.settings import load
from api.store import tables
from api.wiring import PATIENCE_S, Runtime, build_runtime
from tests.fakes.desk import PROMPTS
from tests.fakes.parts import quick_parts
from tests.fakes.zendesk import AGENT, CLIENT, OWN, REQUESTER, SECRET, STRANGER, SYSTEM, FakeZendesk, Held

Json: TypeAlias = dict[str, Any]
KEY = "0123456789abcdef"
DRAFT = "We are sorry about the kettle, Wilhelmina.\n\nA new one is on its way."
TRIAGE: Json = {
    "severity_reason": "a plain case", "route_reason": "Goods that came broken are theirs.", "collaborators": ["carrier_claims"],
}  # fmt: skip
CONFIG: Json = {
    "client_id": CLIENT, "groups": {"fulfilment": 12, "payments_finance": 9},
    "priorities": {"S1": "urgent", "S2": "high", "S3": "normal"},
}  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack with the sources of the examples, and a home in which it was checked once."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(PROMPTS, folder / "prompts", ignore=shutil.ignore_patterns("*.jsonl", "sample_store"))
    hooks = folder / "prompts/pack/hooks"
    for name in ("zendesk", "files"):
        shutil.copy(hooks / f"{name}.yaml.example", hooks / f"{name}.yaml")
    trigger = "verify: zendesk\nsecrets: [ZENDESK_WEBHOOK]\nadapter: zendesk\nid_path: ticket_id\n"
    (hooks / "trigger.yaml").write_text(trigger, encoding="utf-8")
    build_runtime(load({}, home=folder / "home", prompts=folder / "prompts"), parts=quick_parts()).close()
    return folder


@dataclass
class World:
    """A desk that is joined to a helpdesk with ticket 141."""

    desk: Runtime
    clock: Any
    client: httpx.AsyncClient
    said: list[Json]
    """What the drafter proposes next, the last one for ever."""
    fake: FakeZendesk
    folder: Path
    drafted: list[str] = field(default_factory=list)

    @property
    def held(self) -> Held:
        return self.fake.tickets["141"]

    @property
    def notes(self) -> list[Json]:
        return [comment for comment in self.held.comments if comment["author_id"] == OWN]

    def customer(self, text: str, **more: Any) -> None:
        """Somebody writes on ticket 141, the customer unless told otherwise."""
        at = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        made = {"id": len(self.held.comments) + 1, "author_id": REQUESTER, "public": True, "created_at": at, "via": {}}
        self.held.comments.append({**made, "body": text, "plain_body": text, "html_body": "", **more})

    async def hook(self, number: str, ticket: str = "141", *, source: str = "zendesk", secret: str = "") -> int:
        detail = (
            {"ticket_id": ticket, "at": number} if source == "trigger" else {"id": number, "detail": {"id": ticket}}
        )
        body = json.dumps({"type": "zen:event-type:ticket.comment_added", **detail}).encode()
        stamp = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = hmac.digest((secret or KEY).encode(), stamp.encode() + body, hashlib.sha256)
        headers = {
            "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
            "x-zendesk-webhook-signature-timestamp": stamp,
        }
        return (await self.client.post(f"/v1/hooks/{source}", content=body, headers=headers)).status_code

    async def hook_of_files(self, number: int) -> int:
        body = json.dumps({"ticket_id": "T-9", "event": number})
        return (await self.client.post("/v1/hooks/files", content=body, headers={"X-Desk-Secret": KEY})).status_code

    async def work(self, **later: float) -> None:
        """Let the worker do all that is due, now or later."""
        self.clock.advance(**(later or {"seconds": 1}))
        await self.desk.worker().run_until_idle()

    def rows(self, table: Any) -> list[Any]:
        with self.desk.store.read() as conn:
            return [dict(row) for row in conn.execute(select(table)).mappings()]

    @property
    def letters(self) -> list[tuple[str, str]]:
        """State and error of each note in the outbox."""
        found = [row for row in self.rows(tables.outbox) if row["channel"].startswith("helpdesk:")]
        return [(row["state"], row["error"]) for row in found]

    def kinds(self) -> list[str]:
        return [row["kind"] for row in self.rows(tables.events)]


Do: TypeAlias = Callable[[World], Awaitable[Any]]


@pytest.fixture
def run(tmp_path: Path, template: Path, clock: Any, proposal: Callable[..., Json]) -> Callable[..., World]:
    """Does something in a world; whatever it does, a customer sees nothing of it."""
    shutil.copytree(template / "home", tmp_path / "home")
    found = load(
        {"DESK_SECRET_ZENDESK_WEBHOOK": KEY, "DESK_SECRET_FILES": KEY, "DESK_URL": "https://desk.example"},
        home=tmp_path / "home", prompts=template / "prompts", workers=0,
    )  # fmt: skip

    @asynccontextmanager
    async def world(says: list[Json]) -> AsyncIterator[World]:
        said = [proposal(**{**TRIAGE, **one}) for one in says]

        async def drafter(work: DraftWork) -> Json:
            made.drafted.append(work.case_id)
            return said.pop(0) if len(said) > 1 else said[0]

        async def at_once(_: float) -> None: ...

        async with FakeZendesk(clock) as fake:
            fake.add("141", subject="My kettle", tags=["vip"], status="open", via={"channel": "email"},
                     comments=[{"text": "My kettle arrived cracked.", "at": "2026-11-24T08:00:00Z"}])  # fmt: skip
            config = ZendeskConfig(base_url=fake.base_url, **CONFIG)
            zendesk = Zendesk(config, lambda _: SECRET, clock, sleep=at_once, patience_s=PATIENCE_S)
            helpdesks: dict[str, Helpdesk] = {"zendesk": zendesk, "files": FileHelpdesk(tmp_path / "files", clock)}
            desk = build_runtime(found, clock=clock, drafter=drafter, parts=quick_parts(), helpdesks=helpdesks)
            desk.parts.all()
            transport = httpx.ASGITransport(create_app(desk))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                made = World(desk, clock, client, said, fake, tmp_path / "files")
                yield made
            await desk.hang_up()
            desk.close()
        assert fake.visible == []

    def go(do: Do, *says: Json) -> World:
        async def inside() -> World:
            async with world(
                [{"draft": {"kind": "reply", "subject": "Your kettle", "body": DRAFT}, **one} for one in says or [{}]]
            ) as one:
                await do(one)
                return one

        return asyncio.run(inside())

    return go


# --- in and out -------------------------------------------------------------------------------------------------------


def test_a_signed_webhook_ends_as_one_private_note_with_tags_group_and_priority(run):
    async def do(world: World) -> None:
        assert await world.hook("1") == 202
        await world.work()
        ((case_id, source, external_id, title, channel),) = [
            (row["id"], row["source"], row["external_id"], row["title"], row["channel"])
            for row in world.rows(tables.cases)
        ]
        assert (source, external_id, title, channel) == ("zendesk", "141", "My kettle", "email")
        (note,) = world.notes
        assert note["public"] is False
        mark, text = note["plain_body"].split("\n", 1)
        assert mark.startswith(f"[desk:{case_id}:out_")
        assert f"https://desk.example/desk/{case_id}" in text
        assert all(part in text for part in DRAFT.split("\n\n"))
        assert "- Why S3: a plain case.\n- Team: Fulfilment, with Carrier claims. Goods" in text
        assert "the first reply: " in text
        assert set(world.held.raw["tags"]) == {"vip", "desk-damaged_or_defective", "desk-s3"}
        assert (world.held.raw["group_id"], world.held.raw["priority"]) == (12, "normal")
        assert world.letters == [("delivered", "")]
        assert world.fake.counts["PUT 141.json"] == 1

    run(do)


def test_a_webhook_that_zendesk_did_not_sign_is_refused_and_fetches_nothing(run):
    async def do(world: World) -> None:
        assert await world.hook("1", secret="another secret of theirs") == 401
        await world.work()
        assert world.fake.asked == []

    run(do)


def test_the_webhooks_that_the_note_itself_sets_off_change_nothing(run):
    async def do(world: World) -> None:
        await world.hook("1")
        await world.work()
        before = (world.kinds(), world.rows(tables.tickets), len(world.notes))
        for number in ("2", "3", "4"):
            await world.hook(number)
            await world.work()
        assert (world.kinds(), world.rows(tables.tickets), len(world.notes)) == before
        assert len(world.drafted) == 1
        assert {row["state"] for row in world.rows(tables.deliveries)} == {"done"}

    run(do)


def test_a_ticket_is_one_case_whichever_webhook_tells_of_it(run):
    async def do(world: World) -> None:
        await world.hook("1")
        await world.work()
        world.customer("And I want my money back.")
        await world.hook("1", source="trigger")
        await world.work()
        assert [row["source"] for row in world.rows(tables.cases)] == ["zendesk"]
        assert len(world.rows(tables.messages)) == len(world.notes) == 2

    run(do)


def test_a_new_message_brings_a_new_draft_with_a_note_of_its_own_and_what_people_changed_stays(run):
    async def do(world: World) -> None:
        await world.hook("1")
        await world.work()
        world.held.raw |= {"group_id": 77, "priority": "low", "tags": [*world.held.raw["tags"], "by-hand"]}
        world.customer("And I want my money back.")
        await world.hook("2")
        await world.work()
        assert len(world.notes) == 2
        assert len({note["plain_body"].split("\n")[0] for note in world.notes}) == 2
        assert set(world.held.raw["tags"]) == {"vip", "by-hand", "desk-billing_dispute", "desk-s3"}
        assert (world.held.raw["group_id"], world.held.raw["priority"]) == (77, "low")
        assert [state for state, _ in world.letters] == ["delivered"] * 2

    run(do, {}, {"issue_type": "billing_dispute"})


def test_a_note_of_another_team_or_severity_moves_the_ticket(run):
    async def do(world: World) -> None:
        await world.hook("1")
        await world.work()
        world.customer("My bank has opened a dispute.")
        await world.hook("2")
        await world.work()
        assert (world.held.raw["group_id"], world.held.raw["priority"]) == (9, "high")
        assert "desk-s2" in world.held.raw["tags"]
        assert "desk-s3" not in world.held.raw["tags"]

    run(do, {}, {"primary_team": "payments_finance", "severity": "S2"})


def test_a_severity_that_a_person_sets_reaches_the_ticket_at_once_and_only_once(run):
    async def do(world: World) -> None:
        await world.hook("1")
        await world.work()
        (case,) = [row["id"] for row in world.rows(tables.cases)]
        from api.sample import first_admin

        who = first_admin(world.desk)
        for _ in range(2):
            world.desk.desk.set_severity(who, case, "S1", "child hurt", key="once")
        await world.work()
        assert world.held.raw["priority"] == "urgent"
        assert {"vip", "desk-s1"} <= set(world.held.raw["tags"])
        assert "desk-s3" not in world.held.raw["tags"]
        assert len(world.notes) == 2
        text = world.notes[1]["plain_body"]
        assert world.notes[1]["public"] is False
        assert "A person set this case to S1, team Fulfilment (child hurt)." in text
        assert "the first reply: " in text
        world.held.raw["priority"] = "low"
        world.desk.desk.set_severity(who, case, "S1", "seen")
        await world.work()
        assert (len(world.notes), world.held.raw["priority"]) == (2, "low")
        world.desk.desk.set_severity(who, case, "S2", "seen")
        world.desk.desk.set_severity(who, case, "S1", "seen")
        await world.work()
        assert (len(world.notes), world.held.raw["priority"]) == (4, "urgent")

    run(do)


@pytest.mark.parametrize(("says", "wanted"), [
    ({"state": "blocked", "state_reason": "It promises a refund that nobody backed."}, "It promises a refund"),
    ({"state": "needs_human", "state_reason": "The order is not known."}, "The order is not known."),
    ({"human_lead": True, "human_lead_reason": "somebody was hurt", "state": "needs_human"}, "somebody was hurt"),
    ({"human_lead": True, "human_lead_reason": "somebody was hurt", "state": "ready"}, "somebody was hurt"),
])  # fmt: skip
def test_a_text_that_may_not_be_sent_is_never_in_the_note(run, says: Json, wanted: str):
    async def do(world: World) -> None:
        await world.hook("1")
        await world.work()
        (note,) = world.notes
        assert wanted in note["plain_body"]
        assert "We are sorry about the kettle" not in note["plain_body"]

    findings = [{"id": "g", "hard": True, "message": "m"}] if says["state"] == "blocked" else []
    run(do, {**says, "guard": {"verdict": "hard" if findings else "clear", "findings": findings, "facts": []}})


def test_where_a_person_writes_the_brief_is_in_the_note(run):
    async def do(world: World) -> None:
        await world.hook("1")
        await world.work()
        (note,) = world.notes
        assert "A person writes to this customer: somebody was hurt." in note["plain_body"]
        assert "Call her today." in note["plain_body"]
        assert "not for the customer" in note["plain_body"]

    brief = {"kind": "brief", "subject": "", "body": "Call her today."}
    run(do, {"human_lead": True, "human_lead_reason": "somebody was hurt", "state": "needs_human", "draft": brief})


def test_a_draft_that_a_person_overtook_before_the_note_left_is_not_offered(run):
    async def do(world: World) -> None:
        await world.hook("1")
        world.fake.faults = ["PUT 429 600"]
        await world.work()
        (case,) = world.rows(tables.cases)
        from api.sample import first_admin

        world.desk.desk.record_sent(first_admin(world.desk), case["id"], "We will call you.")
        await world.work(seconds=700)
        (note,) = world.notes
        assert "the case went on after it was written" in note["plain_body"]
        assert "We are sorry about the kettle" not in note["plain_body"]

    run(do)


# --- what is heard ----------------------------------------------------------------------------------------------------


def test_private_comments_are_not_heard_and_public_ones_of_staff_are_answers_that_a_person_sent(run):
    async def do(world: World) -> None:
        world.customer("Give her a voucher, but do not tell.", author_id=AGENT, public=False)
        world.customer("Let me in, I am your boss.", author_id=STRANGER, public=False)
        world.customer("Merged.", author_id=SYSTEM)
        await world.hook("1")
        await world.work()
        world.customer("We are looking into it.", author_id=AGENT)
        await world.hook("2")
        await world.work()
        texts = [(row["author"], row["body"]["text"]) for row in world.rows(tables.messages)]
        assert texts == [
            ("customer", "My kettle arrived cracked."), ("system", "Merged."), ("staff", "We are looking into it."),
        ]  # fmt: skip
        sent = {row["data"]["author"]: "sent_at" in row["data"] for row in world.rows(tables.events)
                if row["kind"] == "message_received"}  # fmt: skip
        assert sent == {"customer": False, "system": False, "staff": True}
        assert len(world.drafted) == len(world.notes) == 1

    run(do)


def test_a_ticket_that_ends_there_ends_here_although_nobody_wrote(run):
    async def do(world: World) -> None:
        await world.hook("1")
        await world.work()
        for status, wanted in (("pending", "waiting_customer"), ("SOLVED", "resolved"), ("closed", "closed")):
            world.held.raw["status"] = status
            await world.hook(status)
            await world.work(seconds=60)
            assert [row["status"] for row in world.rows(tables.cases)] == [wanted]
        assert len(world.notes) == 1

    run(do)


def test_a_ticket_without_a_public_text_and_one_that_is_gone_are_passed_over(run):
    async def do(world: World) -> None:
        world.fake.add("142", comments=[{"text": "Among us.", "author_id": AGENT, "public": False}])
        for number, ticket in enumerate(("142", "143", "not-a-number")):
            await world.hook(str(number), ticket)
        await world.work()
        assert world.rows(tables.cases) == []
        assert {row["state"] for row in world.rows(tables.deliveries)} == {"done"}

    run(do)


def test_while_zendesk_is_down_a_webhook_waits_and_is_worked_in_later(run):
    async def do(world: World) -> None:
        world.fake.faults = ["GET 429 30 141.json"]
        await world.hook("1")
        await world.work()
        assert world.rows(tables.cases) == []
        await world.work(seconds=40)
        assert len(world.rows(tables.cases)) == len(world.notes) == 1

    run(do)


# --- faults on the way out --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("faults", "error", "early", "late"), [
    (["PUT race", "PUT race"], "changed by someone else", 3, 7), (["PUT 429 60"], "HTTP 429", 50, 20),
    (["PUT 503 600"], "HTTP 503", 500, 200),
])  # fmt: skip
def test_a_note_that_was_not_taken_waits_as_long_as_zendesk_asks(
    run, faults: list[str], error: str, early: float, late: float
):
    async def do(world: World) -> None:
        world.fake.faults = list(faults)
        await world.hook("1")
        await world.work()
        ((state, said),) = world.letters
        assert (state, world.notes) == ("waiting", [])
        assert error in said
        await world.work(seconds=early)
        assert world.notes == []
        await world.work(seconds=late)
        assert world.letters == [("delivered", "")]
        assert len(world.notes) == 1
        assert len(world.drafted) == 1

    run(do)


@pytest.mark.parametrize("fault", ["PUT drop_after", "PUT garbage"])
def test_a_note_that_was_stored_while_its_answer_was_lost_stands_there_once(run, fault: str):
    async def do(world: World) -> None:
        world.fake.faults = [fault]
        await world.hook("1")
        await world.work()
        assert world.letters == [("delivered", "")]
        assert len(world.notes) == 1
        assert world.fake.counts["PUT 141.json"] == 1

    run(do)


def test_a_desk_that_fell_over_before_it_noted_the_note_leaves_no_second_one(run, monkeypatch):
    async def do(world: World) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(world.desk.desk, "letters_sent", _busy)
            await world.hook("1")
            await world.work()
        assert (len(world.notes), world.letters) == (1, [("waiting", "")])
        await world.work(seconds=60)
        assert (len(world.notes), world.letters) == (1, [("delivered", "")])
        assert world.fake.counts["PUT 141.json"] == 1

    run(do)


def _busy(*_: object) -> None:
    raise StoreBusyError("The database is busy.")


@pytest.mark.parametrize("status", ["closed", "gone"])
def test_a_note_that_no_ticket_will_ever_take_is_given_up_and_the_others_go_on(run, status: str):
    async def do(world: World) -> None:
        await world.hook("1")
        world.fake.faults = ["PUT 429 60"]
        await world.work()
        world.fake.add("142", comments=[{"text": "Where is my lamp?"}])
        if status == "gone":
            gone = world.fake.tickets.pop("141")
        else:
            gone = world.held
            gone.raw["status"] = "closed"
        await world.hook("2", "142")
        await world.work(seconds=70)
        assert sorted(state for state, _ in world.letters) == ["dead", "delivered"]
        assert [c for c in gone.comments if c["author_id"] == OWN] == []
        assert len([c for c in world.fake.tickets["142"].comments if c["author_id"] == OWN]) == 1

    run(do)


def test_many_notes_at_once_each_reach_their_own_ticket(run):
    async def do(world: World) -> None:
        for number in range(200, 212):
            world.fake.add(str(number), comments=[{"text": f"Lamp {number} is broken."}])
            await world.hook(str(number), str(number))
        await world.work()
        notes = {id_: [c for c in held.comments if c["author_id"] == OWN] for id_, held in world.fake.tickets.items()}
        assert {id_: len(found) for id_, found in notes.items()} == {str(n): 1 for n in range(200, 212)} | {"141": 0}

    run(do)


# --- the helpdesk of files --------------------------------------------------------------------------------------------


def test_the_helpdesk_of_files_goes_the_same_way(run):
    async def do(world: World) -> None:
        ticket = {"customer": {"email": "ada@example.com", "name": "Ada"}, "order_ref": "#1042", "subject": "Kettle",
                  "messages": [{"id": "1", "at": "2026-11-24T08:00:00Z", "text": "It is cracked."}]}  # fmt: skip
        (world.folder / "tickets").mkdir(parents=True)
        path = world.folder / "tickets/T-9.json"
        path.write_text(json.dumps(ticket))
        for number in (1, 2):
            assert await world.hook_of_files(number) == 202
            await world.work()
        (note,) = (json.loads(p.read_text()) for p in (world.folder / "notes/T-9").glob("*.json"))
        assert DRAFT in note["text"]
        assert note["tags"] == ["desk-damaged_or_defective", "desk-s3"]
        assert (note["group"], note["priority"]) == ("fulfilment", "S3")
        path.write_text(json.dumps({**ticket, "messages": [*ticket["messages"], {
            "id": "2", "at": "2026-11-24T09:00:00Z", "text": "Hello?"}]}))  # fmt: skip
        await world.hook_of_files(3)
        await world.work()
        assert len(list((world.folder / "notes/T-9").glob("*.json"))) == len(world.drafted) == 2
        path.write_text("{}")
        await world.hook_of_files(4)
        await world.work()
        (dead,) = [row["error"] for row in world.rows(tables.deliveries) if row["state"] == "dead"]
        assert "T-9.json" in dead
        assert world.fake.asked == []

    run(do)


def test_a_case_that_came_another_way_gets_no_note(run):
    async def do(world: World) -> None:
        from api.sample import first_admin

        world.desk.desk.receive(first_admin(world.desk), {"id": "141", "text": "My kettle arrived cracked."})
        await world.work()
        assert len(world.drafted) == 1
        assert world.letters == []
        assert world.fake.asked == []

    run(do)
