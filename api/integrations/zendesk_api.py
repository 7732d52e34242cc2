"""Zendesk's own names: paths, limits, the shape of its answers, and the list of requests that no customer can see."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias, cast

import httpx
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict

from api.integrations.errors import SendGuardError
from api.integrations.protocol import mark_of
from api.integrations.zendesk_config import ZendeskConfig

Json: TypeAlias = Mapping[str, Any]

TOKENS: Final = "/oauth/tokens"
ME: Final = "/api/v2/users/me.json"
SCOPE: Final = "tickets:read tickets:write users:read"
TOKEN_S: Final = 7200
"""Life that is asked for each token, in seconds; Zendesk allows more than 300 and less than 172,800."""
PAGE: Final = 100
"""Comments on one page."""
MOST_PAGES: Final = 51
"""A ticket holds at most 5000 comments."""
SYSTEM_USER: Final = "-1"
"""Author of what Zendesk itself writes."""
CHANNELS: Final = {
    "email": "email", "web": "web_form", "web_form": "web_form", "chat": "chat", "native_messaging": "chat",
    "messaging": "chat", "voice": "phone", "phone": "phone", "facebook": "social", "twitter": "social",
    "instagram_dm": "social", "whatsapp": "social",
}  # fmt: skip
"""The desk's word for a channel of Zendesk's."""


def ticket_path(ticket_id: str) -> str:
    """Path of a ticket."""
    return f"/api/v2/tickets/{ticket_id}.json"


def comments_path(ticket_id: str) -> str:
    """Path of its comments."""
    return f"/api/v2/tickets/{ticket_id}/comments.json"


# --- answers ------------------------------------------------------------------------------------------------------


class _Answer(BaseModel):
    """Base of the answers: of a foreign answer only what the desk uses is read."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


def _text(value: object) -> object:
    return "" if value is None else str(value) if isinstance(value, int) else value


Id = Annotated[str, BeforeValidator(_text)]
Text = Annotated[str, BeforeValidator(_text)]


class ZUser(_Answer):
    """A person as Zendesk knows them."""

    id: Id
    name: Text = ""
    email: Text = ""
    role: Text = ""
    """`end-user`, `agent` or `admin`."""


class ZField(_Answer):
    """The value of a custom field."""

    id: Id
    value: Any = None


class ZVia(_Answer):
    """How a comment came to be."""

    channel: Any = None


class ZComment(_Answer):
    """A comment on a ticket."""

    id: Id
    author_id: Id = ""
    body: Text = ""
    html_body: Text = ""
    plain_body: Text = ""
    public: bool
    created_at: AwareDatetime
    via: ZVia = ZVia()


class ZTicket(_Answer):
    """A ticket without its comments."""

    id: Id
    subject: Text = ""
    status: Text = ""
    priority: Text = ""
    group_id: Id = ""
    requester_id: Id = ""
    tags: tuple[str, ...] = ()
    custom_fields: tuple[ZField, ...] = ()
    via: ZVia = ZVia()
    updated_at: str
    """As Zendesk writes it: it goes back unchanged as `updated_stamp`."""


class TicketAnswer(_Answer):
    """Answer to a ticket's path."""

    ticket: ZTicket
    users: tuple[ZUser, ...] = ()


class ZMeta(_Answer):
    """Where the next page begins."""

    has_more: bool = False
    after_cursor: Text = ""


class CommentsAnswer(_Answer):
    """One page of comments."""

    comments: tuple[ZComment, ...]
    users: tuple[ZUser, ...] = ()
    meta: ZMeta = ZMeta()


class ZEvent(_Answer):
    """One thing that an update did."""

    id: Id = ""
    type: Text = ""


class ZAudit(_Answer):
    """What an update did."""

    events: tuple[ZEvent, ...] = ()


class UpdateAnswer(_Answer):
    """Answer to an update; the event of the comment has the comment's id."""

    audit: ZAudit = ZAudit()


class TokenAnswer(_Answer):
    """A token and its life in seconds."""

    access_token: Annotated[str, BeforeValidator(_text)]
    expires_in: float | None = None


class MeAnswer(_Answer):
    """The user under whom the desk writes."""

    user: ZUser


# --- the send guard -----------------------------------------------------------------------------------------------

_TICKET_KEYS = {
    "comment", "tags", "group_id", "priority", "custom_fields", "safe_update", "updated_stamp",
}  # fmt: skip
_TOKEN_KEYS = {"grant_type", "client_id", "client_secret", "scope", "expires_in"}
_PRIORITIES = {"low", "normal", "high", "urgent"}
_MARKUP = re.compile(r"<(?!/?p>|br>)")

Check: TypeAlias = Callable[[Any, ZendeskConfig], str]
"""What is wrong with a body, as half a sentence; "" when nothing is."""


def _nothing(body: Any, config: ZendeskConfig) -> str:
    return "" if body is None else "reading takes no body"


def _token(body: Any, config: ZendeskConfig) -> str:
    if not isinstance(body, dict) or set(cast(Json, body)) - _TOKEN_KEYS:
        return "it asks for more than a token"
    return "" if cast(Json, body).get("grant_type") == "client_credentials" else "it is no client's request for a token"


def _note(body: Any, config: ZendeskConfig) -> str:  # noqa: PLR0911 - one line for each thing that can be wrong
    ticket: Any = cast(Json, body)["ticket"] if isinstance(body, dict) and set(cast(Json, body)) == {"ticket"} else None
    if not isinstance(ticket, dict):
        return "it is not one ticket"
    ticket = cast(Json, ticket)
    if more := sorted(set(ticket) - _TICKET_KEYS):
        return f"it sets {', '.join(more)[:100]}"
    comment: Any = ticket.get("comment")
    if not isinstance(comment, dict) or set(cast(Json, comment)) != {"html_body", "public"}:
        return "it holds no private note"
    html, public = cast(Json, comment)["html_body"], cast(Json, comment)["public"]
    if public is not False:
        return "its comment is public"
    if not isinstance(html, str) or not mark_of(html) or _MARKUP.search(html):
        return "its note has no mark of the desk, or holds markup"
    if ticket.get("safe_update") is not True or not isinstance(ticket.get("updated_stamp"), str):
        return "it would write over what others wrote meanwhile"
    return _values(ticket, config)


def _values(ticket: Json, config: ZendeskConfig) -> str:
    if "priority" in ticket and ticket["priority"] not in _PRIORITIES:
        return "its priority is none"
    if "group_id" in ticket and ticket["group_id"] not in config.groups.values():
        return "its group is not configured"
    tags: Any = ticket.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in cast("list[Any]", tags)):
        return "its tags are no list of words"
    fields: Any = ticket.get("custom_fields", [])
    known = set(config.fields.values())
    if not isinstance(fields, list) or not all(_is_field(entry, known) for entry in cast("list[Any]", fields)):
        return "it sets a field that is not configured"
    return ""


def _is_field(entry: Any, known: set[int]) -> bool:
    return isinstance(entry, dict) and set(cast(Json, entry)) == {"id", "value"} and cast(Json, entry)["id"] in known


@dataclass(frozen=True, slots=True)
class Allowed:
    """One kind of request that no customer can see."""

    method: str
    path: re.Pattern[str]
    body: Check
    params: frozenset[str] = frozenset()


ALLOWED: Final = (
    Allowed("POST", re.compile(re.escape(TOKENS)), _token),
    Allowed("GET", re.compile(re.escape(ME)), _nothing),
    Allowed("GET", re.compile(r"/api/v2/tickets/[0-9]{1,20}\.json"), _nothing, frozenset({"include"})),
    Allowed(
        "GET",
        re.compile(r"/api/v2/tickets/[0-9]{1,20}/comments\.json"),
        _nothing,
        frozenset({"include", "page[size]", "page[after]"}),
    ),
    Allowed("PUT", re.compile(r"/api/v2/tickets/[0-9]{1,20}\.json"), _note),
)
"""Everything that the desk ever asks of Zendesk."""


def check(request: httpx.Request, config: ZendeskConfig) -> None:
    """Refuse a request that is not on the list; it reads the very bytes that would go out.

    Raises:
        SendGuardError: a customer might see what this request does, or it goes elsewhere.

    """
    url, home = request.url, httpx.URL(config.origin)
    if (url.scheme, url.host, url.port) != (home.scheme, home.host, home.port):
        raise SendGuardError("it goes to another address")
    path = url.raw_path.partition(b"?")[0].decode("ascii")  # as sent: `url.path` is decoded and may look harmless
    kinds = [kind for kind in ALLOWED if kind.method == request.method and kind.path.fullmatch(path)]
    if not kinds:
        raise SendGuardError(f"{request.method} of this path is not on the list")
    if set(url.params) - kinds[0].params:
        raise SendGuardError("it has a parameter that is not on the list")
    try:
        body: Any = json.loads(request.content) if request.content else None
    except ValueError:
        raise SendGuardError("its body is no JSON") from None
    if problem := kinds[0].body(body, config):
        raise SendGuardError(problem)
