"""The escalation as it comes over the wire, taken apart for the store and put together again for the agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pydantic import ValidationError
from sqlalchemy import RowMapping

from agent.wire import WireMessage
from api.errors import InvalidError
from api.store.audit import is_word
from api.store.columns import NEVER

Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Text:
    """One message in its wire form, with the instant at which it was written."""

    body: Json
    at: datetime


def texts(payload: Json, received_at: datetime, now: datetime) -> list[Text]:
    """The messages of an escalation in the order given.

    Raises:
        InvalidError: there is neither a text nor a message, or one cannot be read.

    """
    given: Sequence[Any] = payload.get("messages") or ([payload["text"]] if payload.get("text") else [])
    if not given:
        raise InvalidError("The escalation holds neither `text` nor `messages`; send one of them.")
    return [text(message, received_at, now) for message in given]


def text(message: Any, received_at: datetime, now: datetime) -> Text:
    """One message; without an instant it was written when it was received, and none was written in the future.

    Raises:
        InvalidError: it is not a message in the wire form.

    """
    try:
        read = WireMessage.model_validate({"text": message} if isinstance(message, str) else message)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidError(f"The message cannot be read: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    at = instant(read.at, received_at)
    body = {**read.model_dump(mode="json", exclude_defaults=True), "author": read.author, "text": read.text}
    return Text({**body, "at": at.isoformat()}, min(at, now))


def instant(value: Any, default: datetime) -> datetime:
    """An aware UTC instant from RFC 3339 text; a time without zone is taken as UTC.

    Raises:
        InvalidError: the text is no instant.

    """
    if value in (None, ""):
        return default
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidError(f"{str(value)[:40]!r} is not an instant; write it like 2026-11-24T09:30:00Z.") from None


def rest(payload: Json) -> dict[str, Any]:
    """What the case row keeps of the payload: all but its messages, which have rows of their own."""
    return {key: value for key, value in payload.items() if key not in {"text", "messages"}}


def whole(case: RowMapping, messages: Sequence[RowMapping]) -> dict[str, Any]:
    """The escalation as the agent's intake reads it, with every message that came since; `id` is the case's."""
    return {
        **(case["payload"] or {}),
        "id": case["id"],
        "received_at": case["opened_at"].isoformat(),
        "messages": [message["body"] for message in messages if message["body"]],
    }


def title(messages: Sequence[Text]) -> str:
    """The subject, or else the first line of the first message; at most 120 characters."""
    first = messages[0].body
    line = str(first.get("subject") or "").strip() or next(iter(str(first.get("text", "")).strip().splitlines()), "")
    return line[:120]


def contact(payload: Json) -> str:
    """What tells one customer from another: e-mail address, else phone number, else nothing."""
    customer: Json = payload.get("customer") or {}
    phone = "".join(c for c in str(customer.get("phone") or "") if c.isdigit())
    return str(customer.get("email") or "").strip().casefold() or phone


def words(payload: Json) -> dict[str, str]:
    """Channel and tier, when they are words that an event may hold; the policies of the commitments look at them."""
    customer: Json = payload.get("customer") or {}
    told = {"channel": payload.get("channel") or "api", "tier": customer.get("tier") or ""}
    return {name: str(value) for name, value in told.items() if is_word(str(value))}


def external(clocks: Sequence[Json]) -> dict[str, datetime]:
    """The dates of a proposal that nobody here can move, by name."""
    dated = (c for c in clocks if c.get("metric") == "external" and c.get("due_at"))
    return {str(c["target"]): instant(c["due_at"], NEVER) for c in dated}


def checked(proposal: Json) -> tuple[str, dict[str, Any] | None]:
    """State and draft of a proposal that may be stored.

    Raises:
        InvalidError: it contradicts itself.

    """
    state: Any = proposal.get("state")
    body: Json | None = proposal.get("draft")
    guard: Json = proposal.get("guard") or {}
    if state not in {"ready", "blocked", "needs_human"}:
        raise InvalidError(f"A proposal is ready, blocked or needs a human, not {state!r}.")
    if state == "ready" and guard.get("verdict") == "blocked":
        raise InvalidError("A proposal with hard findings cannot be ready.")
    if state != "needs_human" and not (body and str(body.get("body") or "").strip()):
        raise InvalidError(f"A proposal that is {state} holds a draft with a text.")
    return state, None if body is None else dict(body)
