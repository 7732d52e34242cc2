"""From the wire form to an escalation: limits, repairs, and one clear sentence for what cannot be read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from agent.case import Context, Customer, Escalation, Message
from agent.errors import BadInput
from agent.orders import read_dispute, read_order
from agent.repair import Repaired, repair
from agent.wire import (
    MAX_CONTEXT_BYTES,
    MAX_MESSAGES,
    MAX_TEXT_BYTES,
    WireContext,
    WireCustomer,
    WireEscalation,
    WireMessage,
)

_FIRST_YEAR: Final = 1990
"""Nobody wrote to an online store before."""
_LANGUAGE: Final = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_EMPTY: Final = 'send `text`, or `messages` with at least one text, e.g. {"text": "My order FH-104233 arrived broken"}'


def parse(payload: Mapping[str, Any] | str | bytes, *, now: datetime, case_id: str) -> Escalation:
    """The escalation that a payload describes.

    A text or bytes beginning with `{` is read as the wire form in JSON, any other as the customer's own words.

    Args:
        payload: the wire form, its JSON, or plain text.
        now: dates after it are moved to it, with a warning.
        case_id: names the escalation when the payload brings no `id`.

    Raises:
        BadInput: with the field and the way out.

    """
    warnings: list[str] = []
    wire = _wire(payload, warnings)
    received = _instant(wire.received_at, now, "received_at", warnings)
    raw = wire.messages or [WireMessage(text=wire.text or "")]
    _check_size(wire, raw)
    messages = [_message(m, f"messages.{i}", wire.channel, (received, now), warnings) for i, m in enumerate(raw)]
    if not any(m.text.strip() or m.subject.strip() for m in messages):
        hidden = any(m.hidden for m in messages)
        problem = "holds only characters that nobody can see" if hidden else "is empty"
        raise BadInput(problem, field="messages" if wire.messages else "text", fix=_EMPTY)
    if any(b.at < a.at for a, b in pairwise(messages)):
        messages.sort(key=lambda m: m.at)
        warnings.append("messages: they were not in the order of their dates and have been sorted")
    return Escalation(
        id=wire.id.strip() or case_id,
        messages=tuple(messages),
        received_at=received,
        channel=wire.channel.strip().lower() or "api",
        language_hint=_language(wire.lang or "", warnings),
        customer=_customer(wire.customer),
        order_ref=repair(wire.order_ref or "").text.strip(),
        context=_context(wire.context),
        warnings=tuple(warnings),
    )


def decode(body: bytes, warnings: list[str]) -> str:
    """The text of raw bytes: UTF-8, UTF-16 with its mark, else Windows-1252 with a warning.

    Raises:
        BadInput: for bytes that are no text.

    """
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return body.decode("utf-16")
        except UnicodeDecodeError:
            raise BadInput("is not text", field="body", fix="send UTF-8 text or JSON") from None
    if b"\x00" in body or sum(b < 9 or 13 < b < 27 for b in body[:4096]) > len(body[:4096]) // 20:
        raise BadInput("is binary data, not text", field="body", fix="send UTF-8 text or JSON")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        warnings.append("body: it was not UTF-8 and has been read as Windows-1252")
        return body.decode("cp1252", errors="replace")


def _wire(payload: Mapping[str, Any] | str | bytes, warnings: list[str]) -> WireEscalation:
    if isinstance(payload, bytes):
        _check_raw(len(payload))
        payload = decode(payload, warnings)
    if isinstance(payload, str):
        _check_raw(len(payload))
        if _is_list(payload):
            raise BadInput("is a JSON list", field="body", fix="send one JSON object, or a file of them with `--batch`")
        payload = _json(payload) if payload.lstrip("\ufeff \t\r\n").startswith("{") else {"text": payload}
    if payload.get("text") is not None and payload.get("messages") is not None:
        raise BadInput("stands beside `messages`", field="text", fix="send one of the two")
    try:
        return WireEscalation.model_validate(dict(payload))
    except ValidationError as error:
        raise _bad(error.errors(include_url=False)[0]) from None
    except RecursionError:
        raise BadInput(
            "is nested too deeply", field="context", fix="send the order and dispute objects as they are"
        ) from None


def _is_list(text: str) -> bool:
    """Whether a text is a list in JSON and not somebody's words in brackets."""
    bare = text.strip("\ufeff \t\r\n")
    if not (bare.startswith("[") and bare.endswith("]")):
        return False
    try:
        return isinstance(json.loads(bare), list)
    except (ValueError, RecursionError):
        return False


def _check_raw(size: int) -> None:
    limit = 4 * (MAX_TEXT_BYTES + MAX_CONTEXT_BYTES)
    if size > limit:
        raise BadInput(f"has {size // 1024} KB", field="body", fix=f"send at most {limit // 1024} KB")


def _json(text: str) -> Mapping[str, Any]:
    try:
        value: object = json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        raise BadInput(
            f"is not valid JSON at line {error.lineno}, column {error.colno} ({error.msg})",
            field="body",
            fix="send one JSON object",
        ) from None
    except (RecursionError, ValueError):
        raise BadInput(
            "cannot be read as JSON", field="body", fix="send one JSON object of ordinary depth and numbers"
        ) from None
    return cast(Mapping[str, Any], value)


_FIXES: Final = {
    "extra_forbidden": ("is not a known field", "remove it, or check its spelling"),
    "missing": ("is missing", "add it"),
    "datetime": ("is not a date and time", "write it like 2026-11-11T09:30:00Z"),
    "string_type": ("is not a text", "send a text in quotes"),
    "string_too_long": ("is too long", "shorten it"),
    "too_long": ("is too long", "shorten it"),
    "list_type": ("is not a list", "send a list in square brackets"),
    "dict_type": ("is not an object", "send an object in braces"),
    "model_type": ("is not an object", "send an object in braces"),
    "model_attributes_type": ("is not an object", "send an object in braces"),
    "bool": ("is neither true nor false", "send true, false or leave it out"),
    "literal_error": ("is not one of the known values", "use one of customer, staff, bank, system"),
}
_KNOWN: Final = {
    "messages": "from, text, at, subject, channel",
    "customer": "name, email, phone, tier",
    "context": "order, dispute, policy, customer_verified",
    "": "id, channel, lang, text, messages, customer, order_ref, received_at, context",
}


def _bad(error: ErrorDetails) -> BadInput:
    """One sentence for the first thing that is wrong."""
    path = [str(p) for p in error["loc"]]
    kind = error["type"]
    shown = [re.sub(r"[^\w\-. ]", "?", p)[:60] for p in path if p not in {"str", "list[str]"}]
    field = ".".join(shown)
    problem, fix = next(
        (text for key, text in _FIXES.items() if kind == key or kind.startswith(f"{key}_")),
        ("cannot be read", "see the format in the README"),
    )
    if kind == "extra_forbidden":
        fix = f"use only {_KNOWN[shown[0] if len(shown) > 1 and shown[0] in _KNOWN else '']}"
    if kind in {"string_too_long", "too_long"}:
        fix = f"send at most {error.get('ctx', {}).get('max_length')} characters"
    return BadInput(problem, field=field, fix=fix)


def _check_size(wire: WireEscalation, messages: list[WireMessage]) -> None:
    if len(messages) > MAX_MESSAGES:
        raise BadInput(f"has {len(messages)} entries", field="messages", fix=f"send at most the last {MAX_MESSAGES}")
    size = sum(len(t.encode("utf-8", "surrogatepass")) for m in messages for t in (m.text, m.subject))
    if size > MAX_TEXT_BYTES:
        field = "messages" if wire.messages else "text"
        raise BadInput(f"has {size // 1024} KB of text", field=field, fix=f"send at most {MAX_TEXT_BYTES // 1024} KB")
    if wire.context and (wire.context.order or wire.context.dispute):
        try:
            size = len(json.dumps([wire.context.order, wire.context.dispute], default=str))
        except (RecursionError, ValueError, TypeError):
            raise BadInput(
                "is nested too deeply", field="context", fix="send the order and dispute objects as they are"
            ) from None
        if size > MAX_CONTEXT_BYTES:
            raise BadInput(
                f"has {size // 1024} KB", field="context", fix=f"send at most {MAX_CONTEXT_BYTES // 1024} KB"
            )


def _message(
    m: WireMessage, where: str, wire_channel: str, times: tuple[datetime, datetime], warnings: list[str]
) -> Message:
    received, now = times
    text, subject = repair(m.text), repair(m.subject)
    for part, done in (("text", text), ("subject", subject)):
        warnings.extend(_repairs(f"{where}.{part}", done))
    return Message(
        text=text.text,
        at=_instant(m.at, now, f"{where}.at", warnings) if m.at else received,
        author=m.author,
        channel=(m.channel or wire_channel).strip().lower() or "api",
        subject=" ".join(subject.text.split()),
        hidden="\n".join(filter(None, (text.hidden, subject.hidden))),
    )


def _repairs(where: str, done: Repaired) -> list[str]:
    said: list[str] = []
    if done.hidden:
        said.append(f"{where}: hidden text or characters were removed")
    if done.mojibake:
        said.append(f"{where}: wrongly decoded characters were mended")
    return said


def _instant(at: datetime | None, now: datetime, field: str, warnings: list[str]) -> datetime:
    """The instant in UTC; one after `now` or from before there were online stores becomes `now`, with a warning."""
    if at is None:
        return now
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    try:
        at = at.astimezone(UTC)
    except OverflowError:
        raise BadInput(
            "is not a date that a clock can hold", field=field, fix="write it like 2026-11-11T09:30:00Z"
        ) from None
    if at.year < _FIRST_YEAR:
        warnings.append(f"{field}: the year {at.year} cannot be right and now is taken instead")
        return now
    if at > now:
        warnings.append(f"{field}: {at:%Y-%m-%d %H:%M} lies in the future and has been moved to now")
        return now
    return at


def _language(lang: str, warnings: list[str]) -> str:
    if not lang.strip():
        return ""
    m = _LANGUAGE.fullmatch(lang.strip())
    if m is None:
        warnings.append("lang: it is no language code and has been left out")
        return ""
    return m[1].lower()


def _customer(wire: WireCustomer | None) -> Customer:
    if wire is None:
        return Customer()
    return Customer(*(repair(v).text.strip() for v in (wire.name, wire.email, wire.phone, wire.tier)))


def _context(wire: WireContext | None) -> Context:
    if wire is None:
        return Context()
    policy = [wire.policy] if isinstance(wire.policy, str) else wire.policy or []
    context = Context(
        order=read_order(wire.order) if wire.order else None,
        dispute=read_dispute(wire.dispute) if wire.dispute else None,
        policy=tuple(p for line in policy if (p := repair(line).text.strip())),
        customer_verified=wire.customer_verified,
    )
    return replace(context, source="caller") if context != Context() else context
