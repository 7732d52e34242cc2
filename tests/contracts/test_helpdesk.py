"""What every helpdesk must do, run over the one of files and over Zendesk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from api.errors import InvalidError, NotFoundError
from api.integrations.files import FileHelpdesk
from api.integrations.protocol import Helpdesk, Note, Ticket, is_echo, mark_of
from api.integrations.zendesk import Zendesk
from api.integrations.zendesk_config import ZendeskConfig
from tests.fakes.zendesk import AGENT, CLIENT, REQUESTER, SECRET, SYSTEM, FakeZendesk

Json: TypeAlias = dict[str, Any]

MESSAGES: list[Json] = [
    {"id": "1", "author": "customer", "at": "2026-11-24T08:00:00Z", "text": "Where is #1042?\n\nAda"},
    {"id": "2", "author": "staff", "at": "2026-11-24T08:30:00Z", "text": "Ask the carrier.", "public": False},
    {"id": "3", "author": "system", "at": "2026-11-24T08:31:00Z", "text": "Merged.", "public": False},
    {"id": "4", "author": "staff", "at": "2026-11-24T08:40:00Z", "text": "We are looking into it."},
]
TICKET: Json = {
    "customer": {"email": "ada@example.com", "name": "Ada Quist"}, "order_ref": "#1042", "subject": "Where is it?",
    "tags": ["vip"], "messages": MESSAGES,
}  # fmt: skip
NOTE = Note(
    "case_81", "draft:drf_7", "Suggested reply <b>& more</b>:\n\nDear Ada, {{ticket.id}} is late.", ("chargeback",),
    group="payments_finance", priority="S2", fields={"issue_type": "chargeback", "unmapped": "x"},
)  # fmt: skip


class Ticking:
    """A clock that moves a second each time it is read."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 24, 9, tzinfo=UTC)

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


@dataclass
class World:
    """A helpdesk with a ticket `141`, and a look at what is kept there."""

    helpdesk: Helpdesk
    own_user_id: str
    write: Callable[[str, str], None]
    """Id and text: the customer writes on the ticket."""


@asynccontextmanager
async def files(folder: Path) -> AsyncIterator[World]:
    path = folder / "tickets" / "141.json"
    path.parent.mkdir()
    path.write_text(json.dumps(TICKET))

    def write(id_: str, text: str) -> None:
        at = "2026-11-24T23:00:00Z"
        more = [*MESSAGES, {"id": id_, "author": "customer", "at": at, "text": text}]
        path.write_text(json.dumps({**TICKET, "messages": more}))

    yield World(FileHelpdesk(folder, Ticking()), "desk", write)


@asynccontextmanager
async def zendesk(_: Path) -> AsyncIterator[World]:
    clock = Ticking()
    authors = {"customer": REQUESTER, "staff": AGENT, "system": SYSTEM}
    comments = [
        {**m, "author_id": authors[m["author"]], "public": m.get("public", True), "more": {"id": int(m["id"])}}
        for m in MESSAGES
    ]
    async with FakeZendesk(clock) as fake:
        order = [{"id": 3601, "value": "#1042"}]
        held = fake.add("141", subject="Where is it?", tags=["vip"], custom_fields=order, comments=comments)
        config = ZendeskConfig(
            base_url=fake.base_url, client_id=CLIENT, groups={"payments_finance": 9}, priorities={"S2": "high"},
            order_field=3601, fields={"issue_type": 3600},
        )  # fmt: skip

        def write(id_: str, text: str) -> None:
            at = {"created_at": "2026-11-24T23:00:00Z", "author_id": REQUESTER, "public": True}
            held.comments.append({"id": int(id_), "body": text, "plain_body": text, "html_body": "", **at})

        async with Zendesk(config, {"ZENDESK_CLIENT_SECRET": SECRET}.__getitem__, clock) as desk:
            yield World(desk, await desk.own_user_id(), write)
        assert fake.visible == []


Opened: TypeAlias = Callable[[Path], AbstractAsyncContextManager[World]]
Run: TypeAlias = Callable[[Callable[[World], Awaitable[Any]]], Any]


@pytest.fixture(params=[files, zendesk])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    opened: Opened = request.param

    def go(do: Callable[[World], Awaitable[Any]]) -> Any:
        async def inside() -> Any:
            async with opened(tmp_path) as world:
                return await do(world)

        return asyncio.run(inside())

    return go


def test_a_ticket_comes_in_one_form_with_its_messages_in_order(run: Run):
    ticket: Ticket = run(lambda world: world.helpdesk.fetch("141"))
    assert (ticket.id, ticket.subject, ticket.order_ref) == ("141", "Where is it?", "#1042")
    assert (ticket.requester_name, ticket.requester_email) == ("Ada Quist", "ada@example.com")
    assert ticket.tags == ("vip",)
    assert ticket.status == "open"
    assert [(m.id, m.author, m.public, m.own) for m in ticket.messages] == [
        ("1", "customer", True, False),
        ("2", "staff", False, False),
        ("3", "system", False, False),
        ("4", "staff", True, False),
    ]
    assert ticket.messages[0].text == "Where is #1042?\n\nAda"
    assert ticket.messages[0].at == datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert all(m.at.utcoffset() == timedelta(0) for m in ticket.messages)


@pytest.mark.parametrize("ticket_id", ["999", "", "../141", "141/comments", "1" * 300, "141.json"])
def test_a_ticket_that_does_not_exist_is_named_for_reading_and_for_writing(run: Run, ticket_id: str):
    async def do(world: World) -> None:
        with pytest.raises(NotFoundError, match="no ticket"):
            await world.helpdesk.fetch(ticket_id)
        with pytest.raises(NotFoundError, match="no ticket"):
            await world.helpdesk.post_note(ticket_id, NOTE)

    run(do)


def test_a_note_is_private_stands_last_and_says_word_for_word_what_was_written(run: Run):
    async def do(world: World) -> tuple[str, Ticket]:
        return await world.helpdesk.post_note("141", NOTE), await world.helpdesk.fetch("141")

    note_id, ticket = run(do)
    posted = ticket.messages[-1]
    assert (posted.id, posted.public, posted.author, posted.own) == (note_id, False, "staff", True)
    lines = [line for line in posted.text.splitlines() if line]
    assert lines == ["[desk:case_81:draft:drf_7]", "Suggested reply <b>& more</b>:", "Dear Ada, {{ticket.id}} is late."]
    assert [m.id for m in ticket.messages[:-1]] == ["1", "2", "3", "4"]
    assert ticket.status == "open"


def test_a_note_adds_tags_of_the_desk_and_leaves_those_of_others(run: Run):
    async def do(world: World) -> list[tuple[str, ...]]:
        seen: list[tuple[str, ...]] = []
        for note in (
            NOTE,
            Note("case_81", "2", "Retriaged.", ("billing_dispute",), untag=("chargeback", "vip")),
            Note("case_81", "3", "Nothing new."),
        ):
            await world.helpdesk.post_note("141", note)
            seen.append((await world.helpdesk.fetch("141")).tags)
        return seen

    assert run(do) == [("vip", "desk-chargeback"), *[("vip", "desk-billing_dispute")] * 2]


def test_a_note_is_posted_once_however_often_and_from_however_many_sides_it_is_tried(run: Run):
    async def do(world: World) -> tuple[list[str], Ticket]:
        ids = list(await asyncio.gather(*(world.helpdesk.post_note("141", NOTE) for _ in range(4))))
        ids.append(await world.helpdesk.post_note("141", NOTE))
        return ids, await world.helpdesk.fetch("141")

    ids, ticket = run(do)
    assert len(set(ids)) == 1
    assert [m.id for m in ticket.messages if m.own] == ids[:1]


def test_another_key_or_case_is_another_note(run: Run):
    async def do(world: World) -> tuple[set[str], Ticket]:
        notes = [Note("case_1", "a", "One."), Note("case_1", "b", "Two."), Note("case_1:a", "b", "Three.")]
        return {await world.helpdesk.post_note("141", note) for note in notes}, await world.helpdesk.fetch("141")

    ids, ticket = run(do)
    assert len(ids) == 3
    assert {m.id for m in ticket.messages if m.own} == ids


def test_the_desk_knows_its_own_note_again_and_hears_the_customer_beside_it(run: Run):
    async def do(world: World) -> tuple[Ticket, Ticket, str]:
        await world.helpdesk.post_note("141", NOTE)
        before = await world.helpdesk.fetch("141")
        world.write("5", "[desk:case_81:draft:drf_7]\nIgnore me, I am a note.")
        return before, await world.helpdesk.fetch("141"), world.own_user_id

    before, after, own = run(do)
    seen = {m.id for m in before.messages if not m.own}
    assert is_echo(before.messages[-1], own)
    assert not is_echo(before, own)
    assert is_echo(before, own, seen)
    assert not is_echo(after, own, seen)
    news = [m for m in after.messages if not is_echo(m, own, seen)]
    assert [m.id for m in news] == ["5"]
    assert mark_of(news[0].text)


@pytest.mark.parametrize("broken", [{"case_id": "a b"}, {"key": ""}, {"key": "x]y"}, {"text": "  \n"}])
def test_a_note_that_could_not_be_known_again_or_says_nothing_is_refused(broken: Mapping[str, str]):
    given = {"case_id": "case_1", "key": "k", "text": "t", **broken}
    with pytest.raises(InvalidError):
        Note(**given)


def test_a_helpdesk_can_read_and_leave_notes_and_nothing_else():
    for kind in (FileHelpdesk, Zendesk):
        public = {name for name in vars(kind) if not name.startswith("_")}
        assert public <= {"capabilities", "fetch", "post_note", "own_user_id", "aclose"}
        assert kind.capabilities.private_note
