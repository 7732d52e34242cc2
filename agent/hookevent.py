"""An event of a helpdesk, read from its JSON as the map of its source says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from pydantic import ValidationError

from agent.errors import BadInput
from agent.hookmap import EVERY, STATUSES, TYPES, EventStatus, EventType, Hook, Map, Rule, find, steps
from agent.wire import WireMessage

_REPLAY: Final = "correct the map or the sender, then replay it"
MAX_ID: Final = 200
"""Characters of a ticket's id, as of an escalation's."""
_MILLISECONDS: Final = 10**11
"""A number of seconds as large as this lies beyond the year 5000, so it counts milliseconds."""


@dataclass(frozen=True, slots=True)
class EventMessage:
    """One text as its sender has it."""

    id: str
    """The sender's own id; "" when it has none."""
    author: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to one ticket of a source."""

    type: EventType
    external_id: str
    at: datetime
    """When, by the sender's clock; when it came in if the sender does not say."""
    facts: Mapping[str, Any]
    """What is known of the ticket: `url`, `subject`, `tags`, `customer.email` and so on, only those that are given."""
    assumed: Mapping[str, str]
    """What the map takes for granted where nothing is given, under the same names."""
    messages: tuple[EventMessage, ...]
    status: EventStatus | None


_FACTS: Final = {
    "url": "url", "subject": "subject", "order_ref": "order_ref", "channel": "channel",
    "customer_name": "customer.name", "customer_email": "customer.email", "customer_phone": "customer.phone",
    "customer_tier": "customer.tier",
}  # fmt: skip


def read_event(fields: Map, payload: Mapping[str, Any], received_at: datetime) -> Event | None:
    """The event that a payload tells of; None for one that the map ignores.

    Raises:
        BadInput: something that it must hold is missing or is of the wrong kind; `field` is the path.

    """
    kind = _known(fields.type, payload, TYPES, "type")
    if not kind:
        raise _missing(fields.type, "type")
    if kind == "ignore":
        return None
    at = _instant(fields.at, received_at, payload)
    status = _known(fields.status, payload, STATUSES, "status") if fields.status else ""
    messages = _messages(fields, payload, at)
    if kind == "status" and not status:
        raise _missing(fields.status, "status")
    if kind in {"created", "message"} and not messages:
        raise _missing(fields.message_text, "messages[*].text")
    facts, assumed = _facts(fields, payload)
    if fields.tags and (tags := _tags(fields.tags, payload)):
        facts["tags"] = tags
    external_id = _text(fields.external_id, payload).strip()
    if not external_id:
        raise _missing(fields.external_id, "external_id")
    if len(external_id) > MAX_ID:
        raise BadInput(f"has more than {MAX_ID} characters", field=fields.external_id.path, fix=_REPLAY)
    known = None if status in {"", "ignore"} else cast("EventStatus", status)
    return Event(cast("EventType", kind), external_id, at, facts, assumed, messages, known)


def delivery_id(hook: Hook, payload: Mapping[str, Any]) -> str:
    """The sender's own number of a delivery, where the payload holds one; else ""."""
    path = hook.delivery_id_path or (hook.map.delivery_id.path if hook.map and hook.map.delivery_id else "")
    found = find(payload, steps(path)) if path else None
    return str(found).strip() if isinstance(found, (str, int)) else ""


def ticket_id(hook: Hook, payload: Mapping[str, Any]) -> str:
    """Which ticket the adapter has to fetch.

    Raises:
        BadInput: the payload does not say.

    """
    rule = Rule(path=hook.id_path)
    if not (found := _text(rule, payload).strip()):
        raise _missing(rule, "id_path")
    return found


def _facts(fields: Map, payload: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What is given, and what is assumed instead."""
    given, assumed = dict[str, Any](), dict[str, str]()
    for name, ours in _FACTS.items():
        rule: Rule | None = getattr(fields, name)
        if rule is not None and (text := _text(rule, payload).strip()):
            (assumed if _found(rule, payload, None) in (None, "") else given)[ours] = text
    return given, assumed


def _found(rule: Rule, payload: Any, entry: Any) -> Any:
    """What stands at a rule's path; behind `[*]` it is looked for in `entry`."""
    path = steps(rule.path) if rule.path else ()
    if EVERY in path:
        return find(entry, path[path.index(EVERY) + 1 :])
    return find(payload, path) if path else None


def _text(rule: Rule | None, payload: Any, entry: Any = None) -> str:
    """What a rule finds, in our words; "" when there is nothing."""
    if rule is None:
        return ""
    found = _found(rule, payload, entry)
    if found is None or found == "":
        return rule.default or ""
    if isinstance(found, (dict, list)):
        what = "an object" if isinstance(found, dict) else "a list"
        raise BadInput(f"holds {what} and not a text", field=rule.path, fix=_REPLAY)
    text = str(found).lower() if isinstance(found, bool) else str(found)
    if not rule.table:
        return text
    word = text.strip().casefold()
    ours = rule.table.get(word, rule.table.get("*"))
    if ours is None:
        shown = re.sub(r"[^\w\-. ]", "?", word)[:40]
        raise BadInput(f"holds `{shown}`, which its table does not know", field=rule.path, fix=_REPLAY)
    return ours


def _known(rule: Rule, payload: Mapping[str, Any], known: frozenset[str], what: str) -> str:
    text = _text(rule, payload).strip().casefold()
    if text and text not in known:
        words = ", ".join(sorted(known))
        raise BadInput(f"is none of {words}", field=rule.path or what, fix=f"give `{what}` a table, then replay it")
    return text


def _missing(rule: Rule | None, what: str) -> BadInput:
    if rule is None:
        return BadInput(f"the map has no `{what}`", field="", fix="add it, then replay the event")
    return BadInput("is missing", field=rule.path or what, fix=_REPLAY)


def _instant(rule: Rule | None, default: datetime, payload: Any, entry: Any = None) -> datetime:
    text = _text(rule, payload, entry).strip()
    if rule is None or not text:
        return default
    try:
        if re.fullmatch(r"\d{1,16}(\.\d+)?", text):
            number = float(text)
            return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS else number, UTC)
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise BadInput("is no instant such as 2026-11-24T09:30:00Z", field=rule.path, fix=_REPLAY) from None


def _tags(rule: Rule, payload: Mapping[str, Any]) -> list[str]:
    path = steps(rule.path) if rule.path else ()
    found = find(payload, path[: path.index(EVERY)] if EVERY in path else path)
    entries = cast("list[Any]", found) if isinstance(found, list) else [found]
    tags = [_found(rule, payload, entry) for entry in entries] if EVERY in path else entries
    return [str(tag).strip() for tag in tags if isinstance(tag, (str, int)) and str(tag).strip()]


def _messages(fields: Map, payload: Mapping[str, Any], at: datetime) -> tuple[EventMessage, ...]:
    place = fields.messages
    found = [None] if place is None else find(payload, place)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise BadInput("is no list", field=(fields.message_text or fields.type).path, fix=_REPLAY)
    read = (_message(fields, payload, entry, at) for entry in cast("list[Any]", found))
    return tuple(message for message in read if message is not None)


def _message(fields: Map, payload: Mapping[str, Any], entry: Any, at: datetime) -> EventMessage | None:
    """The message of one entry; None when there is no text in it."""
    text = _text(fields.message_text, payload, entry)
    if not text.strip():
        return None
    return EventMessage(
        id=_text(fields.message_id, payload, entry).strip(),
        author=_author(fields.message_author, payload, entry),
        at=_instant(fields.message_at, at, payload, entry),
        text=text,
    )


def _author(rule: Rule | None, payload: Any, entry: Any) -> str:
    if rule is None:
        return "customer"
    word = _text(rule, payload, entry)
    if not word:
        raise _missing(rule, "messages[*].author")
    try:
        return WireMessage.model_validate({"from": word}).author
    except ValidationError:
        fix = "give `messages[*].author` a table, then replay it"
        raise BadInput("is none of customer, staff, bank, system", field=rule.path, fix=fix) from None
