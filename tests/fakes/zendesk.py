"""A Zendesk on loopback: tokens that expire, tickets, comments in pages, updates that a stale stamp refuses, and faults.

    async with FakeZendesk(clock) as zendesk:
        zendesk.add("141", subject="Where is it?", comments=[...])
        zendesk.faults = ["PUT drop_after", "GET 429 7"]
        ... call `zendesk.base_url` ...
        assert zendesk.visible == []

A fault is `METHOD KIND [DETAIL]` or `METHOD KIND [DETAIL] PATH-PART` and is used up by the first request that it fits:
`drop_before` and `drop_after` close the connection before or after the request did its work, `hang` never answers,
`garbage` does the work and answers HTML, `drip` does it and answers a byte at a time, `race` lets someone else change the ticket first; a number is a status, for 429
and 503 with its Retry-After as detail.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, Self
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.provider import DRIP_SECONDS, send

Json = dict[str, Any]

CLIENT, SECRET = "desk", "s3cret-of-the-client"
REQUESTER, AGENT, OWN, STRANGER, SYSTEM = 55, 7, 900, 56, -1
USERS: dict[int, Json] = {
    REQUESTER: {"id": REQUESTER, "name": "Ada Quist", "email": "ada@example.com", "role": "end-user"},
    AGENT: {"id": AGENT, "name": "Sam Reed", "email": "sam@shop.example", "role": "agent"},
    OWN: {"id": OWN, "name": "Desk", "email": "desk@shop.example", "role": "agent"},
    STRANGER: {"id": STRANGER, "name": "Mallory", "email": "mallory@example.net", "role": "end-user"},
}
TICKET = re.compile(r"/api/v2/tickets/(\d+)\.json")
COMMENTS = re.compile(r"/api/v2/tickets/(\d+)/comments\.json")


async def drip(writer: asyncio.StreamWriter, text: str) -> None:
    """Never silent for long, and never done before a client with a deadline gives up."""
    writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n".encode())
    for byte in text.encode():
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)


class Clock(Protocol):
    def now(self) -> datetime: ...


@dataclass
class Asked:
    """A request that reached the fake."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Held:
    """A ticket as the fake keeps it."""

    raw: Json
    comments: list[Json]
    audits: list[Json] = field(default_factory=list)


class FakeZendesk:
    """The fake; it keeps every request, and names those that a customer would have seen."""

    def __init__(self, clock: Clock, *, largest_page: int = 100, says_comment_id: bool = True) -> None:
        self._clock, self._largest_page, self._says_comment_id = clock, largest_page, says_comment_id
        self.tickets: dict[str, Held] = {}
        self.faults: list[str] = []
        self.asked: list[Asked] = []
        self.visible: list[str] = []
        """Requests that a customer would have seen or that end a ticket, and everything that is not known here."""
        self.token_life = 7200
        self._tokens: dict[str, datetime] = {}
        self._ids = 1000
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def counts(self) -> Counter[str]:
        """Requests by method and last part of the path."""
        return Counter(f"{asked.method} {asked.path.rsplit('/', 1)[-1]}" for asked in self.asked)

    def add(self, id_: str, *, comments: Sequence[Json] = (), **raw: Any) -> Held:
        """A ticket; each comment is `{"text", "author_id", "public", "at"}` and may hold more of Zendesk's names."""
        now = self._stamp()
        ticket = {
            "id": int(id_), "subject": "", "status": "open", "priority": "normal", "group_id": 1, "tags": [],
            "requester_id": REQUESTER, "custom_fields": [], "updated_at": now, "url": f"{id_}.json", **raw,
        }  # fmt: skip
        self.tickets[id_] = held = Held(ticket, [])
        for given in comments:
            text = given.get("text", "")
            held.comments.append(
                {
                    "id": self._next(), "type": "Comment", "author_id": given.get("author_id", REQUESTER), "body": text,
                    "plain_body": text, "html_body": f"<div>{html.escape(text)}</div>",
                    "public": given.get("public", True), "created_at": given.get("at", now), "attachments": [],
                    "via": {"channel": "email"}, **given.get("more", {}),
                }
            )  # fmt: skip
        return held

    def revoke(self) -> None:
        """Every token given so far is dead, as if an admin had revoked it."""
        self._tokens.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _next(self) -> int:
        self._ids += 1
        return self._ids

    def _stamp(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client or the test is done with it
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.split("\r\n")
        method, target, _ = line.split(" ")
        headers = {k.strip().lower(): v.strip() for k, _, v in (item.partition(":") for item in rest)}
        sent = await reader.readexactly(int(headers.get("content-length", 0)))
        parts = urlsplit(target)
        asked = Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, json.loads(sent) if sent else None)
        self.asked.append(asked)
        kind, detail = self._fault(asked)
        if kind in {"drop_before", "hang"}:
            if kind == "hang":
                await reader.read()
            writer.transport.abort()
            return False
        if kind.isdigit():
            return await send(
                writer, int(kind), '{"error": "scripted"}', extra={"retry-after": detail} if detail else {}
            )
        if kind == "race":
            self._change_by_another(asked)
        status, answer = self._answer(asked)
        if kind == "drop_after":
            writer.transport.abort()
            return False
        if kind == "drip":
            await drip(writer, json.dumps(answer))
        if kind == "garbage":
            return await send(writer, 200, "<html>maintenance</html>", kind="text/html")
        return await send(writer, status, json.dumps(answer))

    def _fault(self, asked: Asked) -> tuple[str, str]:
        for fault in self.faults:
            method, kind, *rest = fault.split(" ")
            part = next((word for word in rest if not word.isdigit()), "")
            if method in {asked.method, "*"} and part in asked.path:
                self.faults.remove(fault)
                return kind, next((word for word in rest if word.isdigit()), "")
        return "", ""

    def _change_by_another(self, asked: Asked) -> None:
        found = TICKET.fullmatch(asked.path)
        assert found is not None
        raw = self.tickets[found[1]].raw
        raw["tags"] = [*raw["tags"], f"by-a-colleague-{len(raw['tags'])}"]
        raw["updated_at"] = f"{raw['updated_at']}x"

    def _answer(self, asked: Asked) -> tuple[int, Json]:
        """Status and body; what is not known here is written down as visible unless it only reads."""
        if (asked.method, asked.path) == ("POST", "/oauth/tokens"):
            return self._token(asked.body or {})
        self._watch(asked)
        dead = self._tokens.get(asked.headers.get("authorization", "").removeprefix("Bearer "))
        if dead is None or dead <= self._clock.now():
            return 401, {"error": "invalid_token"}
        if (asked.method, asked.path) == ("GET", "/api/v2/users/me.json"):
            return 200, {"user": USERS[OWN]}
        found = TICKET.fullmatch(asked.path) or COMMENTS.fullmatch(asked.path)
        held = self.tickets.get(found[1]) if found else None
        if held is None:
            return 404, {"error": "RecordNotFound"}
        if asked.method == "PUT":
            return self._update(held, asked.body["ticket"])
        if COMMENTS.fullmatch(asked.path):
            return 200, self._page(held, asked.params)
        users = [USERS[held.raw["requester_id"]]] if asked.params.get("include") == "users" else []
        return 200, {"ticket": held.raw, "users": users}

    def _token(self, body: Json) -> tuple[int, Json]:
        given = body.get("grant_type"), body.get("client_id"), body.get("client_secret")
        if given != ("client_credentials", CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        if not 300 < body.get("expires_in", 7200) < 172_800:
            return 400, {"error": "invalid_request"}
        token = f"token-{self._next()}"
        self._tokens[token] = self._clock.now() + timedelta(seconds=self.token_life)
        scope = body.get("scope", "read")
        return 200, {"access_token": token, "token_type": "bearer", "scope": scope, "expires_in": self.token_life}

    def _watch(self, asked: Asked) -> None:
        """Write down what a customer would see, whatever the answer will be."""
        if asked.method == "GET":
            return
        ticket: Json = (asked.body or {}).get("ticket", {}) if isinstance(asked.body, dict) else {}
        comment: Json = ticket.get("comment") or {}
        if asked.method != "PUT" or not TICKET.fullmatch(asked.path):
            self.visible.append(f"{asked.method} {asked.path}")
        elif comment.get("public", True) is not False or set(ticket) & {"status", "custom_status_id", "email_ccs"}:
            self.visible.append(f"{asked.method} {asked.path} {json.dumps(ticket)}")

    def _update(self, held: Held, ticket: Json) -> tuple[int, Json]:
        if ticket.get("safe_update") and ticket.get("updated_stamp") != held.raw["updated_at"]:
            return 409, {"error": "UpdateConflict"}
        if held.raw["status"] == "closed":
            return 422, {"error": "RecordInvalid", "description": f"Ticket of {USERS[REQUESTER]['email']} is closed"}
        events: list[Json] = []
        if comment := ticket.get("comment"):
            text = html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"</p>|<br>", "\n", comment["html_body"]))).strip()
            made = {
                "id": self._next(), "type": "Comment", "author_id": OWN, "body": text, "plain_body": text,
                "html_body": comment["html_body"], "public": comment.get("public", True), "created_at": self._stamp(),
                "attachments": [], "via": {"channel": "api"},
            }  # fmt: skip
            held.comments.append(made)
            events.append(made if self._says_comment_id else {"id": self._next(), "type": "Change"})
        for name in ("tags", "priority", "group_id"):
            if name in ticket:
                held.raw[name] = ticket[name]
        fields = {entry["id"]: entry for entry in (*held.raw["custom_fields"], *ticket.get("custom_fields", []))}
        held.raw["custom_fields"] = list(fields.values())
        held.raw["updated_at"] = f"{self._stamp()[:-1]}.{self._next()}Z"
        held.audits.append(audit := {"id": self._next(), "events": events})
        return 200, {"ticket": held.raw, "audit": audit}

    def _page(self, held: Held, params: dict[str, str]) -> Json:
        size = min(int(params.get("page[size]", "100")), self._largest_page)
        begin = int(params.get("page[after]", "c0").removeprefix("c"))
        page, end = held.comments[begin : begin + size], begin + size
        named = {comment["author_id"] for comment in page}
        users = [USERS[id_] for id_ in sorted(named) if id_ in USERS] if params.get("include") == "users" else []
        more = end < len(held.comments)
        return {
            "comments": page,
            "users": users,
            "meta": {"has_more": more, "after_cursor": f"c{end}" if more else None},
        }
