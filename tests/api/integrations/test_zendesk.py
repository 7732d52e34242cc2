from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from pydantic import BaseModel, ValidationError

from agent.errors import BrokenFile
from agent.pack import SeverityLevel, Team
from agent.yamlfile import read_yaml
from api.errors import DeskError, InvalidError, NotFoundError
from api.integrations import zendesk_wire
from api.integrations.errors import (
    HelpdeskAuthError,
    HelpdeskError,
    HelpdeskRefusedError,
    HelpdeskUnavailableError,
    SendGuardError,
    TicketChangedError,
)
from api.integrations.protocol import Note, is_echo
from api.integrations.zendesk import Zendesk, as_html, event_ticket_id, tags_after
from api.integrations.zendesk_api import ALLOWED, check, ticket_path
from api.integrations.zendesk_config import ZendeskConfig
from api.integrations.zendesk_wire import TRIES, ZendeskWire
from tests.api.conftest import FakeClock
from tests.fakes.desk import pack
from tests.fakes.zendesk import AGENT, CLIENT, OWN, REQUESTER, SECRET, STRANGER, SYSTEM, FakeZendesk, Held

Json: TypeAlias = dict[str, Any]

ROOT = Path(__file__).resolve().parents[3]
NOTE = Note(
    "case_81", "drf_7", "Dear Ada,\n\nit is late.", ("chargeback",), group="payments_finance", priority="S2",
    fields={"issue_type": "chargeback"},
)  # fmt: skip


@dataclass
class World:
    """A Zendesk with one ticket, and a desk that talks to it and notes how long it waited."""

    fake: FakeZendesk
    held: Held
    clock: FakeClock
    config: ZendeskConfig
    secrets: dict[str, str]
    desk: Zendesk = field(init=False)
    wire: ZendeskWire = field(init=False)
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk = Zendesk(self.config, lambda name: self.secrets[name], self.clock, sleep=self._sleep)
        self.wire = self.desk._wire

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    @property
    def notes(self) -> list[Json]:
        return [c for c in self.held.comments if c["author_id"] == OWN]


def run(do: Callable[[World], Awaitable[Any]], *, faults: tuple[str, ...] = (), count: int = 1, **given: Any) -> World:
    """Do something in a world whose Zendesk misbehaves as told; what it saw is left in the world."""

    async def go() -> World:
        clock = FakeClock()
        async with FakeZendesk(clock, **given) as fake:
            held = fake.add("141", subject="Where?", tags=["vip"], comments=[{"text": f"c{n}"} for n in range(count)])
            fake.faults = list(faults)
            config = ZendeskConfig(
                base_url=fake.base_url, client_id=CLIENT, groups={"payments_finance": 9}, priorities={"S2": "high"},
                order_field=3601, fields={"issue_type": 3600},
            )  # fmt: skip
            world = World(fake, held, clock, config, {"ZENDESK_CLIENT_SECRET": SECRET})
            try:
                await do(world)
            finally:
                await world.desk.aclose()
        assert fake.visible == []
        return world

    return asyncio.run(go())


async def post(world: World) -> None:
    await world.desk.post_note("141", NOTE)


async def fetch(world: World) -> None:
    await world.desk.fetch("141")


def failing(do: Callable[[World], Awaitable[Any]], error: type[DeskError]) -> Callable[[World], Awaitable[None]]:
    async def wrapped(world: World) -> None:
        with pytest.raises(error) as raised:
            await do(world)
        said = "".join(traceback.format_exception(raised.value))
        assert not any(word in said for word in (SECRET, "token-1", "ada@example.com")), said
        assert str(raised.value).endswith(".")
        assert "\n" not in str(raised.value)

    return wrapped


# --- the token ----------------------------------------------------------------------------------------------------


def test_one_token_serves_many_requests_and_asks_for_what_the_desk_needs():
    async def do(world: World) -> None:
        await asyncio.gather(*(world.desk.fetch("141") for _ in range(5)))
        await post(world)

    world = run(do)
    assert world.fake.counts["POST tokens"] == 1
    assert world.fake.asked[0].body == {
        "grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET,
        "scope": "tickets:read tickets:write users:read", "expires_in": 7200,
    }  # fmt: skip


@pytest.mark.parametrize(("share", "tokens"), [(0.79, 1), (0.81, 2)])
def test_a_token_is_renewed_after_four_fifths_of_its_life(share: float, tokens: int):
    async def do(world: World) -> None:
        world.fake.token_life = 1000
        await fetch(world)
        world.clock.advance(seconds=1000 * share)
        await fetch(world)

    world = run(do)
    assert world.fake.counts["POST tokens"] == tokens
    assert world.waits == []


def test_a_revoked_token_is_renewed_once_and_the_request_goes_through():
    async def do(world: World) -> None:
        await fetch(world)
        world.fake.revoke()
        await post(world)

    world = run(do)
    assert world.fake.counts["POST tokens"] == 2
    assert len(world.notes) == 1


def test_requests_that_find_the_token_dead_at_the_same_time_fetch_one_new_one():
    async def do(world: World) -> None:
        await fetch(world)
        world.fake.revoke()
        await asyncio.gather(*(world.desk.fetch("141") for _ in range(5)))

    assert run(do).fake.counts["POST tokens"] == 2


def test_a_token_that_is_refused_twice_is_the_end_and_not_a_loop():
    world = run(failing(fetch, HelpdeskAuthError), faults=("GET 401", "GET 401"))
    assert world.fake.counts == {"POST tokens": 2, "GET me.json": 2}


@pytest.mark.parametrize(("secret", "status"), [("wrong", 401), ("", 0)])
def test_a_wrong_or_empty_secret_is_one_sentence_that_keeps_it(secret: str, status: int):
    async def do(world: World) -> None:
        world.secrets["ZENDESK_CLIENT_SECRET"] = secret
        with pytest.raises(HelpdeskAuthError, match=f"HTTP {status}" if status else "is empty") as raised:
            await fetch(world)
        assert not secret or secret not in str(raised.value)

    assert run(do).fake.counts["POST tokens"] == (1 if secret else 0)


def test_a_changed_secret_counts_at_the_next_token():
    async def do(world: World) -> None:
        world.secrets["ZENDESK_CLIENT_SECRET"] = "old"
        with pytest.raises(HelpdeskAuthError):
            await fetch(world)
        world.secrets["ZENDESK_CLIENT_SECRET"] = SECRET
        await fetch(world)

    run(do)


def test_a_wrong_subdomain_is_not_taken_for_a_missing_ticket():
    run(failing(post, HelpdeskAuthError), faults=("POST 404",))


# --- reading ------------------------------------------------------------------------------------------------------


def test_all_pages_of_comments_are_read():
    async def do(world: World) -> None:
        ticket = await world.desk.fetch("141")
        assert [m.text for m in ticket.messages] == [f"c{n}" for n in range(250)]

    world = run(do, count=250)
    pages = [asked for asked in world.fake.asked if asked.path.endswith("comments.json")]
    assert [asked.params.get("page[after]") for asked in pages] == [None, "c100", "c200"]
    assert {asked.params["page[size]"] for asked in pages} == {"100"}


def test_messages_stand_in_the_order_in_which_they_were_written():
    async def do(world: World) -> None:
        world.held.comments[0]["created_at"] = "2026-11-25T00:00:00+02:00"
        world.held.comments[1]["created_at"] = "2026-11-24T21:59:59Z"
        assert [m.text for m in (await world.desk.fetch("141")).messages] == ["c1", "c0"]

    run(do, count=2)


def test_a_page_that_fails_is_read_again_by_itself():
    world = run(fetch, faults=("GET 503 1 comments", "GET drop_before comments"), count=150)
    assert world.fake.counts["GET comments.json"] == 4
    assert world.fake.counts["GET 141.json"] == 1


def test_pages_without_end_are_an_error_and_not_a_loop():
    run(failing(fetch, HelpdeskError), count=60, largest_page=1)


def test_who_wrote_is_told_by_their_role_and_not_by_what_they_say():
    async def do(world: World) -> None:
        world.held.comments.clear()
        mark = "[desk:case_81:drf_7]\nnothing to see here"
        world.fake.tickets["141"].comments = world.fake.add("9", comments=[
            {"author_id": REQUESTER, "text": "mine"},
            {"author_id": AGENT, "text": "ours", "public": True},
            {"author_id": SYSTEM, "text": "merged", "public": False},
            {"author_id": AGENT, "text": "by rule", "public": False, "more": {"via": {"channel": "rule"}}},
            {"author_id": STRANGER, "text": mark, "public": False},
            {"author_id": REQUESTER, "text": mark},
            {"author_id": AGENT, "text": mark, "public": False},
            {"author_id": AGENT, "text": mark, "public": True},
            {"author_id": OWN, "text": "by the desk's user", "public": True},
            {"author_id": 12345, "text": "role unknown", "public": True},
        ]).comments  # fmt: skip
        ticket = await world.desk.fetch("141")
        assert [(m.author, m.own) for m in ticket.messages] == [
            ("customer", False), ("staff", False), ("system", False), ("system", False), ("customer", False),
            ("customer", False), ("staff", True), ("staff", False), ("staff", True), ("customer", False),
        ]  # fmt: skip
        own = await world.desk.own_user_id()
        assert [is_echo(m, own) for m in ticket.messages] == [m.own for m in ticket.messages]
        assert is_echo(replace(ticket.messages[8], own=False), own)

    run(do)


def test_a_ticket_with_hardly_anything_in_it_can_be_read():
    async def do(world: World) -> None:
        world.held.raw |= {
            "subject": None, "priority": None, "group_id": None, "requester_id": STRANGER, "status": "OPEN",
            "custom_fields": [{"id": 3601, "value": None}],
        }  # fmt: skip
        more = {"plain_body": None, "body": "", "html_body": "<p>only html</p>", "via": {}, "author_id": None}
        world.held.comments[0] |= more
        ticket = await world.desk.fetch("141")
        assert (ticket.subject, ticket.priority, ticket.order_ref, ticket.status) == ("", "", "", "open")
        assert ticket.requester_name == "Mallory"
        assert [(m.text, m.author_id) for m in ticket.messages] == [("<p>only html</p>", "")]
        assert ticket.url == f"{world.config.origin}/agent/tickets/141"

    run(do)


@pytest.mark.parametrize("payload", [
    {"type": "zen:event-type:ticket.comment_added", "id": "01JQ", "detail": {"id": "141", "status": "OPEN"}},
    {"type": "zen:event-type:ticket.created", "detail": {"id": 141}},
    {"ticket_id": "141", "event": "escalated"},
    {"ticket_id": 141},
])  # fmt: skip
def test_a_webhook_names_its_ticket(payload: Json):
    assert event_ticket_id(payload) == "141"


@pytest.mark.parametrize("payload", [
    {}, {"detail": {}}, {"detail": "141"}, {"detail": {"id": None}}, {"ticket_id": "../users/me"}, {"id": "141"},
    {"ticket_id": "{{ticket.id}}"}, {"ticket_id": "141\n142"}, {"detail": {"id": "٣"}}, {"ticket_id": True},
])  # fmt: skip
def test_a_webhook_without_a_ticket_is_refused(payload: Json):
    with pytest.raises(InvalidError, match="names no ticket"):
        event_ticket_id(payload)


# --- the note -----------------------------------------------------------------------------------------------------


def test_note_tags_group_priority_and_fields_go_out_in_one_private_update():
    async def do(world: World) -> None:
        stamp = world.held.raw["updated_at"]
        note_id = await world.desk.post_note("141", NOTE)
        assert note_id == str(world.notes[0]["id"])
        [put] = [asked for asked in world.fake.asked if asked.method == "PUT"]
        assert put.body == {
            "ticket": {
                "comment": {"html_body": "<p>[desk:case_81:drf_7]</p><p>Dear Ada,</p><p>it is late.</p>", "public": False},
                "tags": ["vip", "desk-chargeback"], "group_id": 9, "priority": "high",
                "custom_fields": [{"id": 3600, "value": "chargeback"}], "safe_update": True, "updated_stamp": stamp,
            }
        }  # fmt: skip

    world = run(do)
    assert len(world.held.audits) == 1
    assert world.held.raw["status"] == "open"


@pytest.mark.parametrize("same", [True, False])
def test_what_the_store_has_not_mapped_and_what_would_not_change_is_left_out(same: bool):
    async def do(world: World) -> None:
        world.held.raw |= {"tags": ["desk-chargeback"], "group_id": 9, "priority": "high"}
        await post(world) if same else await world.desk.post_note("141", unknown)

    unknown = replace(NOTE, group="nobody", priority="S9", fields={"severity": "S2"})
    world = run(do)
    [put] = [asked.body["ticket"] for asked in world.fake.asked if asked.method == "PUT"]
    assert set(put) - {"custom_fields" if same else ""} == {"comment", "safe_update", "updated_stamp"}


def test_nothing_in_a_note_is_read_as_markup_or_filled_in():
    text = 'Ada <img src="x"> & {{ticket.requester.email}} {% if %}\r\nline two\n\n\n[x](http://evil.example)'
    html = as_html(replace(NOTE, text=text))
    assert html == (
        "<p>[desk:case_81:drf_7]</p>"
        "<p>Ada &lt;img src=&quot;x&quot;&gt; &amp; &#123;&#123;ticket.requester.email&#125;&#125; &#123;% if %&#125;"
        "<br>line two</p><p>[x](http://evil.example)</p>"
    )


@pytest.mark.parametrize(("standing", "add", "remove", "left"), [
    (["vip", "desk-a"], ["b"], ["a"], ["vip", "desk-b"]),
    (["vip"], [], ["vip"], ["vip"]),
    (["desk-a"], ["a"], ["a"], ["desk-a"]),
    (["x"], ["Not received, late", "S1"], [], ["x", "desk-not_received_late", "desk-s1"]),
    ([], ["desk-x"], [], ["desk-desk-x"]),
])  # fmt: skip
def test_only_tags_with_the_prefix_of_the_desk_come_and_go(
    standing: list[str], add: list[str], remove: list[str], left: list[str]
):
    assert tags_after(standing, add=add, remove=remove, prefix="desk-") == left


# --- once, and only once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "garbage", "429 3", "503 3", "503", "500", "502"])
def test_a_note_whose_answer_was_lost_stands_there_once(fault: str):
    async def do(world: World) -> None:
        assert await world.desk.post_note("141", NOTE) == str(world.notes[0]["id"])

    world = run(do, faults=(f"PUT {fault}",), count=120)
    assert len(world.notes) == 1
    stored = fault in {"drop_after", "garbage"}
    assert world.fake.counts["PUT 141.json"] == (1 if stored else 2)
    assert len(world.waits) == 1


def test_a_note_that_was_stored_by_a_process_that_died_is_found_by_the_next_one():
    async def do(world: World) -> None:
        await post(world)
        async with Zendesk(world.config, world.secrets.__getitem__, world.clock) as other:
            assert await other.post_note("141", NOTE) == str(world.notes[0]["id"])

    world = run(do)
    assert world.fake.counts["PUT 141.json"] == 1


def test_a_note_is_found_again_without_its_id_in_the_answer():
    async def do(world: World) -> None:
        assert await world.desk.post_note("141", NOTE) == str(world.notes[0]["id"])

    assert run(do, says_comment_id=False).fake.counts["PUT 141.json"] == 1


@pytest.mark.parametrize("author", [{"author_id": STRANGER, "public": False}, {"author_id": REQUESTER, "public": True}])
def test_a_customer_who_writes_the_mark_of_a_note_cannot_suppress_it(author: Json):
    async def do(world: World) -> None:
        world.held.comments[0] |= {"plain_body": f"{NOTE.mark}\nha", **author}
        await post(world)

    assert len(run(do).notes) == 1


def test_a_ticket_that_changed_meanwhile_is_read_again_and_keeps_the_change():
    world = run(post, faults=("PUT race",))
    assert world.held.raw["tags"] == ["vip", "by-a-colleague-1", "desk-chargeback"]
    assert world.fake.counts["PUT 141.json"] == 2
    assert world.waits == [0.0]
    assert len(world.notes) == 1


def test_a_ticket_that_changes_twice_is_left_for_later():
    world = run(failing(post, TicketChangedError), faults=("PUT race", "PUT race"))
    assert world.fake.counts["PUT 141.json"] == 2
    assert world.notes == []
    assert TicketChangedError.retryable


# --- retries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("do", [fetch, post])
def test_retry_after_is_honoured_and_else_the_wait_is_drawn_from_a_growing_span(do: Callable[[World], Awaitable[None]]):
    faults = ("GET 429 7 141.json", "GET 503 2 141.json", *["GET 503 141.json"] * 3)
    world = run(do, faults=faults)
    assert world.waits[:2] == [7.0, 2.0]
    assert len(world.waits) == 5
    assert all(0 <= wait <= most for wait, most in zip(world.waits[2:], (2.0, 4.0, 8.0), strict=True))
    assert len(set(world.waits[2:])) == 3


@pytest.mark.parametrize(("do", "part", "asked"), [
    (fetch, "GET 503 me.json", "GET me.json"), (fetch, "GET 429 1 141.json", "GET 141.json"),
    (fetch, "GET drop_before comments", "GET comments.json"), (post, "PUT 503", "PUT 141.json"),
    (post, "PUT drop_before", "PUT 141.json"), (post, "POST 503", "POST tokens"),
])  # fmt: skip
def test_six_tries_are_all(do: Callable[[World], Awaitable[None]], part: str, asked: str):
    world = run(failing(do, HelpdeskUnavailableError), faults=(part,) * 20)
    assert world.fake.counts[asked] == TRIES == 6
    assert len(world.waits) == 5
    assert HelpdeskUnavailableError.retryable


def test_a_wait_that_is_too_long_is_left_to_the_caller():
    async def do(world: World) -> None:
        with pytest.raises(HelpdeskUnavailableError) as raised:
            await post(world)
        assert raised.value.retry_after == 3600

    world = run(do, faults=("PUT 429 3600",))
    assert world.waits == []
    assert world.fake.counts["PUT 141.json"] == 1


@pytest.mark.parametrize("status", [400, 403, 410, 413, 422, 301])
@pytest.mark.parametrize("do", [fetch, post])
def test_any_other_refusal_is_final(do: Callable[[World], Awaitable[None]], status: int):
    error = HelpdeskAuthError if status == 403 else HelpdeskRefusedError
    world = run(failing(do, error), faults=(f"* {status} 141.json",))
    assert world.fake.counts["GET 141.json"] == 1
    assert world.waits == []
    assert not error.retryable


def test_a_closed_ticket_takes_no_note_and_its_text_is_not_quoted():
    async def do(world: World) -> None:
        world.held.raw["status"] = "closed"
        await failing(post, HelpdeskRefusedError)(world)

    world = run(do)
    assert world.fake.counts["PUT 141.json"] == 1


@pytest.mark.parametrize("fault", ["PUT hang", "PUT drip"])
def test_an_answer_that_never_comes_or_drips_ends_by_the_wall_clock(fault: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(zendesk_wire, "DEADLINE_S", 0.3)
    world = run(post, faults=(fault,))
    assert len(world.notes) == len(world.waits) == 1


def test_a_desk_that_cannot_reach_zendesk_says_so():
    async def do(world: World) -> None:
        config = world.config.model_copy(update={"base_url": "http://127.0.0.1:1"})
        async with Zendesk(config, world.secrets.__getitem__, world.clock, sleep=world._sleep) as nowhere:
            with pytest.raises(HelpdeskUnavailableError, match="cannot be reached"):
                await nowhere.fetch("141")

    assert run(do).fake.asked == []


def test_no_secret_and_no_token_reaches_the_log(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    run(post, faults=("GET 401", "PUT 503"))
    assert caplog.records
    assert not any(word in caplog.text for word in (SECRET, "Bearer", "token-1", "Dear Ada", "ada@example.com"))


# --- the send guard -----------------------------------------------------------------------------------------------


class Anything(BaseModel):
    """Whatever is answered."""


HTML = f"<p>{NOTE.mark}</p><p>text</p>"


def put(**changed: Any) -> Json:
    ticket = {"comment": {"html_body": HTML, "public": False}, "safe_update": True, "updated_stamp": "2026", **changed}
    return {"ticket": {key: value for key, value in ticket.items() if value is not ...}}


def comment(**changed: Any) -> Json:
    return put(comment={key: v for key, v in {"html_body": HTML, "public": False, **changed}.items() if v is not ...})


TICKET = "/api/v2/tickets/141.json"
REFUSED: dict[str, tuple[str, str, Any]] = {
    "a public comment": ("PUT", TICKET, comment(public=True)),
    "a comment that is public by default": ("PUT", TICKET, comment(public=...)),
    "zero is not false": ("PUT", TICKET, comment(public=0)),
    "a word is not false": ("PUT", TICKET, comment(public="false")),
    "null is not false": ("PUT", TICKET, comment(public=None)),
    "a comment with attachments": ("PUT", TICKET, comment(uploads=["t"])),
    "a comment under another name": ("PUT", TICKET, comment(author_id=AGENT)),
    "a comment without the mark": ("PUT", TICKET, comment(html_body="<p>text</p>")),
    "a comment with a link": ("PUT", TICKET, comment(html_body=HTML + '<a href="http://evil.example">x</a>')),
    "a comment with a picture": ("PUT", TICKET, comment(html_body=HTML + "<img src=x>")),
    "a plain comment": ("PUT", TICKET, put(comment={"body": "text", "public": False})),
    "no comment": ("PUT", TICKET, put(comment=...)),
    "a comment that is a text": ("PUT", TICKET, put(comment="text")),
    "solved": ("PUT", TICKET, put(status="solved")),
    "closed": ("PUT", TICKET, put(status="closed")),
    "any status": ("PUT", TICKET, put(status="open")),
    "a status of the store's own": ("PUT", TICKET, put(custom_status_id=1)),
    "a copy to others": ("PUT", TICKET, put(email_ccs=[{"user_email": "x@example.com"}])),
    "collaborators": ("PUT", TICKET, put(additional_collaborators=["x@example.com"])),
    "another requester": ("PUT", TICKET, put(requester={"email": "x@example.com"})),
    "a macro": ("PUT", TICKET, put(macro_ids=[1])),
    "no stamp": ("PUT", TICKET, put(updated_stamp=...)),
    "an update that is not safe": ("PUT", TICKET, put(safe_update=False)),
    "a priority that is none": ("PUT", TICKET, put(priority="S1")),
    "a group that is not configured": ("PUT", TICKET, put(group_id=77)),
    "a field that is not configured": ("PUT", TICKET, put(custom_fields=[{"id": 1, "value": "x"}])),
    "a field with more in it": ("PUT", TICKET, put(custom_fields=[{"id": 3600, "value": "x", "y": 1}])),
    "tags that are no list": ("PUT", TICKET, put(tags="a")),
    "more than a ticket": ("PUT", TICKET, {**put(), "tickets": []}),
    "many tickets": ("PUT", "/api/v2/tickets/update_many.json?ids=1,2", put()),
    "an update by another path": ("PUT", "/api/v2/tickets/141", put()),
    "a path that climbs": ("PUT", "/api/v2/tickets/141.json/../142.json", put(status="solved")),
    "a path in disguise": ("PUT", "/api/v2/tickets/141%2Ejson", put()),
    "a path with more behind it": ("PUT", "/api/v2/tickets/141.json.json", put()),
    "a path behind the ticket's": ("GET", "/api/v2/tickets/141.json/related", None),
    "an update with a parameter": ("PUT", TICKET + "?async=true", put()),
    "another host": ("PUT", "https://evil.example/api/v2/tickets/141.json", put()),
    "a list": ("PUT", TICKET, [put()]),
    "nothing": ("PUT", TICKET, None),
    "a new ticket": ("POST", "/api/v2/tickets.json", {"ticket": {"comment": {"body": "x", "public": False}}}),
    "a note by POST": ("POST", TICKET, put()),
    "a note by PATCH": ("PATCH", TICKET, put()),
    "deletion": ("DELETE", TICKET, None),
    "redaction": ("PUT", "/api/v2/tickets/141/comments/1/make_private.json", {}),
    "tags": ("PUT", "/api/v2/tickets/141/tags.json", {"tags": ["x"]}),
    "a rating": ("POST", "/api/v2/tickets/141/satisfaction_rating.json", {"satisfaction_rating": {"score": "good"}}),
    "a request as the customer": ("PUT", "/api/v2/requests/141.json", {"request": {"comment": {"body": "x"}}}),
    "a chat": ("POST", "/api/v2/chats", {}),
    "a user": ("PUT", "/api/v2/users/55.json", {"user": {"email": "x@example.com"}}),
    "a search": ("GET", "/api/v2/search.json?query=x", None),
    "reading with a body": ("GET", TICKET, put(status="solved")),
    "reading with another parameter": ("GET", TICKET + "?include=users&_method=delete", None),
    "a token of a person": ("POST", "/oauth/tokens", {"grant_type": "password", "client_id": CLIENT}),
    "a token and more": ("POST", "/oauth/tokens", {"grant_type": "client_credentials", "ticket": {}}),
}


@pytest.mark.parametrize("method, path, body".split(", "), REFUSED.values(), ids=REFUSED)
def test_a_request_that_a_customer_could_see_is_refused_before_the_wire(method: str, path: str, body: Any):
    async def do(world: World) -> None:
        with pytest.raises(SendGuardError, match="does not send") as raised:
            await world.wire.once(method, path, Anything, body=body)
        assert not raised.value.retryable
        with pytest.raises(SendGuardError):
            await world.wire.retried(lambda: world.wire.once(method, path, Anything, body=body))

    assert run(do).fake.asked == []


def test_the_request_that_the_refused_ones_were_bent_from_is_taken():
    async def do(world: World) -> None:
        stamp = world.held.raw["updated_at"]
        full = put(
            updated_stamp=stamp, tags=["a"], group_id=9, priority="high", custom_fields=[{"id": 3600, "value": 1}]
        )
        await world.wire.once("PUT", TICKET, Anything, body=full)

    assert len(run(do).notes) == 1


def test_the_fake_would_have_told_of_a_request_that_a_customer_sees():
    async def go() -> list[str]:
        async with FakeZendesk(FakeClock()) as fake, httpx.AsyncClient(base_url=fake.base_url) as client:
            fake.add("141")
            await client.get(TICKET)
            await client.put(TICKET, json=put())
            seen = [
                *(("PUT", TICKET, body) for body in (comment(public=True), comment(public=...), put(status="solved"))),
                ("POST", "/api/v2/tickets.json", {}),
                ("DELETE", TICKET, None),
            ]
            for method, path, body in seen:
                await client.request(method, path, json=body)
            return fake.visible

    assert len(asyncio.run(go())) == 5


def test_no_call_of_the_adapter_makes_a_request_that_a_customer_could_see():
    """Every public call, over every fault, with hostile texts, words and tickets."""
    hostile = [
        replace(NOTE, text='</p>"}},"public":true,"status":"solved"{{ticket.requester.email}}<script>'),
        replace(NOTE, tags=('x","status":"solved', "solved closed", "ünïcode"), untag=("*", "vip")),
        replace(NOTE, group="status", priority="solved", fields={"status": "solved", "issue_type": "solved"}),
        replace(NOTE, case_id="status", key="solved"),
    ]
    faults = ["", "PUT drop_after", "PUT race", "PUT 429 1", "GET 401", "POST 503", "GET garbage", "PUT garbage"]
    for fault in faults:

        async def do(world: World) -> None:
            await world.desk.own_user_id()
            for number, note in enumerate((NOTE, *hostile)):
                await world.desk.fetch("141")
                await world.desk.post_note("141", replace(note, key=f"{note.key}-{number}"))

        world = run(do, faults=(fault,) if fault else ())  # `run` asserts that nothing was visible
        assert len(world.notes) == 5
        assert {asked.method for asked in world.fake.asked} == {"GET", "POST", "PUT"}
        assert world.held.raw["status"] == "open"
        assert "vip" in world.held.raw["tags"]
        assert all(tag.startswith(("vip", "desk-", "by-a-colleague")) for tag in world.held.raw["tags"])
        assert [n["public"] for n in world.notes] == [False] * 5


def test_the_list_of_what_is_allowed_is_as_short_as_it_was_meant():
    assert [(kind.method, kind.path.pattern.replace("\\", "")) for kind in ALLOWED] == [
        ("POST", "/oauth/tokens"),
        ("GET", "/api/v2/users/me.json"),
        ("GET", "/api/v2/tickets/[0-9]{1,20}.json"),
        ("GET", "/api/v2/tickets/[0-9]{1,20}/comments.json"),
        ("PUT", "/api/v2/tickets/[0-9]{1,20}.json"),
    ]


def test_the_guard_reads_the_bytes_that_go_out(zendesk_config: ZendeskConfig):
    client = httpx.Client(base_url=zendesk_config.origin)
    path = ticket_path("141")
    check(client.build_request("PUT", path, content=json.dumps(put())), zendesk_config)
    for content in (b"{", b"\xff", b"null", json.dumps(put(status="solved")).encode("utf-16")):
        with pytest.raises(SendGuardError):
            check(client.build_request("PUT", path, content=content), zendesk_config)


def test_only_one_module_speaks_http_and_only_one_line_sends():
    folder = ROOT / "api" / "integrations"
    sends = {path.name: path.read_text(encoding="utf-8").count("_client.send(") for path in folder.glob("zendesk*.py")}
    assert {name for name, count in sends.items() if count} == {"zendesk_wire.py"}
    assert sends["zendesk_wire.py"] == 1
    for path in folder.glob("zendesk*.py"):
        text = path.read_text(encoding="utf-8")
        assert not any(
            f"client.{verb}(" in text for verb in ("get", "put", "post", "patch", "delete", "request", "stream")
        )


# --- configuration ------------------------------------------------------------------------------------------------


@pytest.fixture
def zendesk_config() -> ZendeskConfig:
    return ZendeskConfig(
        subdomain="acme", client_id=CLIENT, groups={"payments_finance": 9}, fields={"issue_type": 3600}
    )


@pytest.fixture
def example() -> ZendeskConfig:
    return read_yaml(ROOT / "prompts/pack/integrations/zendesk.yaml.example", ZendeskConfig)


def test_the_example_can_be_read_and_names_what_the_pack_has(example: ZendeskConfig):
    assert example.origin == "https://acme.zendesk.com"
    teams: dict[str, Team] = dict(pack().teams)
    severities: dict[str, SeverityLevel] = dict(pack().severities)
    assert set(example.groups) <= set(teams)
    assert set(example.priorities) == set(severities)
    assert example.tag_prefix == "desk-"


@pytest.mark.parametrize("broken", [
    {}, {"subdomain": "acme", "base_url": "https://x.example"}, {"subdomain": "acme.zendesk.com"},
    {"subdomain": "acme/../x"}, {"base_url": "http://x.example"}, {"base_url": "ftp://127.0.0.1"},
    {"base_url": "https://x.example/api"}, {"base_url": "https://a:b@x.example"}, {"base_url": "https://x.example?a"},
    {"subdomain": "acme", "tag_prefix": ""}, {"subdomain": "acme", "tag_prefix": "v"},
    {"subdomain": "acme", "priorities": {"S1": "critical"}}, {"subdomain": "acme", "groups": {"x": 0}},
    {"subdomain": "acme", "client_secret": "s"}, {"subdomain": "acme", "client_id": ""},
])  # fmt: skip
def test_a_configuration_that_cannot_work_is_refused(broken: Json):
    with pytest.raises(ValidationError):
        ZendeskConfig.model_validate({"client_id": "desk", **broken})


def test_a_broken_file_names_its_line(tmp_path: Path):
    path = tmp_path / "zendesk.yaml"
    path.write_text("subdomain: acme\nclient_id: desk\npriorites: {}\n")
    with pytest.raises(BrokenFile, match="line 3"):
        read_yaml(path, ZendeskConfig)


def test_a_missing_ticket_is_named_and_asked_for_once():
    async def do(world: World) -> None:
        with pytest.raises(NotFoundError, match="'142'"):
            await world.desk.post_note("142", NOTE)

    world = run(do)
    assert world.fake.counts["GET 142.json"] == 1
    assert timedelta(0) == timedelta(seconds=sum(world.waits))
