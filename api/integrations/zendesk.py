"""Zendesk as a helpdesk of the desk: tickets are read, private notes are left, and no request can reach a customer."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final, Self, cast

from api.clock import Clock
from api.errors import InvalidError, NotFoundError
from api.integrations import zendesk_api as zd
from api.integrations.errors import HelpdeskError, HelpdeskRefusedError
from api.integrations.protocol import Author, Capabilities, Message, Note, NoteId, Ticket, mark_of
from api.integrations.zendesk_config import ZendeskConfig
from api.integrations.zendesk_wire import PATIENCE_S, Secret, Sleep, ZendeskWire

_ID: Final = re.compile(r"[0-9]{1,20}")


class Zendesk:
    """A store's Zendesk; fulfils `Helpdesk`."""

    capabilities = Capabilities(tags=True, group=True, priority=True, fields=True, webhooks=True)

    def __init__(
        self, config: ZendeskConfig, secret: Secret, clock: Clock, *, sleep: Sleep = asyncio.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:  # fmt: skip
        """`secret` gives the secret with a name; `sleep` is how it waits before a retry, for `patience_s` at most."""
        self._config = config
        self._wire = ZendeskWire(config, secret, clock, sleep=sleep, patience_s=patience_s)
        self._own_id = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._wire.aclose()

    async def own_user_id(self) -> str:
        """Id of the user under whom the desk writes, asked for once; it also shows that the desk is let in.

        Raises:
            HelpdeskError: it cannot be learned.

        """
        if not self._own_id:
            self._own_id = (await self._wire.read(zd.ME, zd.MeAnswer)).user.id
        return self._own_id

    async def fetch(self, ticket_id: str) -> Ticket:
        """The ticket as it stands now, with all its comments.

        Raises:
            NotFoundError: there is no such ticket.
            HelpdeskError: it cannot be read.

        """
        _check(ticket_id)
        own = await self.own_user_id()
        try:
            answer = await self._wire.read(zd.ticket_path(ticket_id), zd.TicketAnswer, {"include": "users"})
            thread = await self._thread(ticket_id, tries=True)
        except HelpdeskRefusedError as error:
            raise _missing(error, ticket_id) from None
        users = {user.id: user for user in answer.users} | thread.users
        return _ticket(self._config, answer.ticket, thread.comments, users, own)

    async def post_note(self, ticket_id: str, note: Note) -> NoteId:
        """Leave a private note with tags, group, priority and fields in one update, exactly once for case and key.

        Before each try the comments are searched for the note's mark, so one that was stored while its answer was lost,
        even in an earlier life of this process, is not written twice.

        Raises:
            NotFoundError: there is no such ticket.
            HelpdeskError: it was not taken, or the desk could not learn whether it was.

        """
        _check(ticket_id)
        try:
            return await self._wire.retried(lambda: self._post(ticket_id, note))
        except HelpdeskRefusedError as error:
            raise _missing(error, ticket_id) from None

    async def _post(self, ticket_id: str, note: Note) -> NoteId:
        # the ticket before its comments: a write of ours that lands in between makes the stamp stale, and not a second note
        ticket = (await self._wire.once("GET", zd.ticket_path(ticket_id), zd.TicketAnswer)).ticket
        if found := await self._posted(ticket_id, note):
            return found
        body = update(self._config, ticket, note)
        done = await self._wire.once("PUT", zd.ticket_path(ticket_id), zd.UpdateAnswer, body=body)
        written = [event.id for event in done.audit.events if event.type == "Comment" and event.id]
        return NoteId(written[0]) if written else await self._posted(ticket_id, note) or NoteId("")

    async def _posted(self, ticket_id: str, note: Note) -> NoteId | None:
        """The id of this note when it stands on the ticket."""
        thread = await self._thread(ticket_id, tries=False)
        return next((NoteId(c.id) for c in thread.comments if _mark(c, thread.users) == note.mark), None)

    async def _thread(self, ticket_id: str, *, tries: bool) -> _Thread:
        """All comments and who is named in them; `tries` repeats each page by itself."""
        comments: dict[str, zd.ZComment] = {}
        users: dict[str, zd.ZUser] = {}
        params, path = {"page[size]": str(zd.PAGE), "include": "users"}, zd.comments_path(ticket_id)
        for _ in range(zd.MOST_PAGES):
            if tries:
                page = await self._wire.read(path, zd.CommentsAnswer, params)
            else:
                page = await self._wire.once("GET", path, zd.CommentsAnswer, params=params)
            comments |= {comment.id: comment for comment in page.comments}
            users |= {user.id: user for user in page.users}
            if not page.meta.has_more:
                return _Thread(tuple(comments.values()), users)
            params = {**params, "page[after]": page.meta.after_cursor}
        raise HelpdeskError("The ticket has more comments than Zendesk allows; look at it there.")


@dataclass(frozen=True, slots=True)
class _Thread:
    comments: tuple[zd.ZComment, ...]
    users: dict[str, zd.ZUser]


def update(config: ZendeskConfig, ticket: zd.ZTicket, note: Note) -> dict[str, Any]:
    """The one update that leaves this note on a ticket as it was read; what would not change is left out."""
    changed: dict[str, Any] = {}
    tags = tags_after(ticket.tags, add=note.tags, remove=note.untag, prefix=config.tag_prefix)
    if set(tags) != set(ticket.tags):
        changed["tags"] = tags  # replaces all: safe, because the stamp refuses tags that someone changed meanwhile
    group = config.groups.get(note.group)
    if group is not None and str(group) != ticket.group_id:
        changed["group_id"] = group
    priority = config.priorities.get(note.priority)
    if priority is not None and priority != ticket.priority:
        changed["priority"] = priority
    if fields := [{"id": config.fields[name], "value": v} for name, v in note.fields.items() if name in config.fields]:
        changed["custom_fields"] = fields
    comment = {"html_body": as_html(note), "public": False}
    return {"ticket": {"comment": comment, **changed, "safe_update": True, "updated_stamp": ticket.updated_at}}


def tags_after(standing: Iterable[str], *, add: Iterable[str], remove: Iterable[str], prefix: str) -> list[str]:
    """All tags that the ticket shall have; words are the desk's and get its prefix, tags of others stay as they are."""
    gone, new = ({f"{prefix}{_tag(word)}" for word in words} for words in (remove, add))
    return [tag for tag in dict.fromkeys((*standing, *sorted(new))) if tag not in gone or tag in new]


def _tag(word: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "_", word.lower())


def as_html(note: Note) -> str:
    """The note with its mark as first line; braces are escaped too, since Zendesk fills in what stands in two."""
    paragraphs = (note.mark, *re.split(r"\n\s*\n", "\n".join(note.text.strip().splitlines())))
    safe = (html.escape(part).replace("{", "&#123;").replace("}", "&#125;") for part in paragraphs)
    return "".join("<p>" + part.replace("\n", "<br>") + "</p>" for part in safe)


def event_ticket_id(payload: Mapping[str, Any]) -> str:
    """The ticket that a webhook is about, from a subscribed event or from a trigger's own JSON.

    Nothing else of a payload is used: its order is not guaranteed, so the ticket is read anew.

    Raises:
        InvalidError: the payload names no ticket.

    """
    detail: Any = payload.get("detail")
    given: Any = cast(zd.Json, detail).get("id") if isinstance(detail, Mapping) else payload.get("ticket_id")
    found = str(given).strip()
    if not _ID.fullmatch(found):
        raise InvalidError("The webhook names no ticket; send `detail.id`, or `ticket_id` from a trigger.")
    return found


def _check(ticket_id: str) -> None:
    if not _ID.fullmatch(ticket_id):
        raise NotFoundError("ticket", ticket_id[:40])


def _missing(error: HelpdeskRefusedError, ticket_id: str) -> HelpdeskRefusedError | NotFoundError:
    return NotFoundError("ticket", ticket_id) if error.status == 404 else error


def _mark(comment: zd.ZComment, users: Mapping[str, zd.ZUser]) -> str:
    """The desk's mark on a comment; what a stranger mails to a ticket becomes a private comment too, and has none."""
    if comment.public or _author(comment, users) != "staff":
        return ""
    return next((mark for text in (comment.plain_body, comment.body, comment.html_body) if (mark := mark_of(text))), "")


def _ticket(
    config: ZendeskConfig, raw: zd.ZTicket, comments: Iterable[zd.ZComment], users: Mapping[str, zd.ZUser], own: str
) -> Ticket:
    requester = users.get(raw.requester_id) or zd.ZUser(id=raw.requester_id)
    orders = [field.value for field in raw.custom_fields if field.id == str(config.order_field)]
    messages = [_message(comment, users, own) for comment in comments]
    return Ticket(
        raw.id,
        raw.subject,
        tuple(sorted(messages, key=lambda message: message.at)),
        requester.name,
        requester.email,
        str(orders[0]).strip() if orders and orders[0] is not None else "",
        raw.tags,
        f"{config.origin}/agent/tickets/{raw.id}",
        raw.status.lower(),
        raw.priority.lower(),
        zd.CHANNELS.get(str(raw.via.channel), ""),
    )


def _message(comment: zd.ZComment, users: Mapping[str, zd.ZUser], own: str) -> Message:
    return Message(
        comment.id,
        _author(comment, users),
        comment.created_at.astimezone(UTC),
        comment.plain_body or comment.body or comment.html_body,
        comment.public,
        comment.author_id,
        comment.author_id == own or bool(_mark(comment, users)),
    )


def _author(comment: zd.ZComment, users: Mapping[str, zd.ZUser]) -> Author:
    user = users.get(comment.author_id)
    if comment.author_id == zd.SYSTEM_USER or comment.via.channel in {"system", "rule"}:
        return "system"
    if user is not None and user.role:
        return "customer" if user.role == "end-user" else "staff"
    return "customer" if comment.public else "staff"
