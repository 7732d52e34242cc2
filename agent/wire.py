"""The wire form of an escalation, as every way in accepts it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

MAX_TEXT_BYTES = 64 * 1024
"""UTF-8 bytes of all texts and subjects of one escalation together."""
MAX_MESSAGES = 200
MAX_CONTEXT_BYTES = 256 * 1024
"""Bytes of `context` as JSON."""

_AUTHORS = {
    "user": "customer", "client": "customer", "buyer": "customer", "agent": "staff", "support": "staff",
    "tool": "system", "store": "staff", "assistant": "staff", "shop": "staff",
}  # fmt: skip


def _id(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _author(value: object) -> object:
    return _AUTHORS.get(value.strip().lower(), value.strip().lower()) if isinstance(value, str) else value


Id = Annotated[str, BeforeValidator(_id), Field(max_length=200)]


class Wire(BaseModel):
    """Base of the wire models: unknown fields are refused."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, str_strip_whitespace=False, populate_by_name=True
    )


class WireMessage(Wire):
    """One message of the thread."""

    author: Annotated[Literal["customer", "staff", "bank", "system"], BeforeValidator(_author)] = Field(
        default="customer", validation_alias=AliasChoices("from"), serialization_alias="from"
    )
    """Who wrote it."""
    text: str = ""
    """Plain text or HTML."""
    at: datetime | None = None
    """When it was written, RFC 3339; missing means `received_at`."""
    subject: Annotated[str, Field(max_length=1000)] = ""
    channel: Annotated[str, Field(max_length=40)] = ""
    """Where it came in; missing means the escalation's channel."""


class WireCustomer(Wire):
    """Who is writing, as the caller knows them."""

    name: Annotated[str, Field(max_length=200)] = ""
    email: Annotated[str, Field(max_length=320)] = ""
    phone: Annotated[str, Field(max_length=60)] = ""
    tier: Annotated[str, Field(max_length=60)] = ""
    """Free word of the store, e.g. `vip`."""


class WireContext(Wire):
    """Facts that the caller vouches for."""

    order: dict[str, Any] | None = None
    """The order in the shape of its own system."""
    dispute: dict[str, Any] | None = None
    """The bank dispute in the shape of its own system."""
    policy: str | list[str] | None = None
    """Extra policy sentences."""
    customer_verified: bool | None = None
    """Whether the writer is known to be the customer of this order."""


class WireEscalation(Wire):
    """One customer problem."""

    id: Id = ""
    """The caller's own id of the case."""
    channel: Annotated[str, Field(max_length=40)] = "api"
    """email, chat, phone, social, bank, ..."""
    lang: Annotated[str, Field(max_length=35)] | None = None
    """Language of the customer if known, e.g. `de`."""
    text: str | None = None
    """The problem as one text; instead of `messages`."""
    messages: list[WireMessage] | None = None
    """The thread, oldest first; instead of `text`."""
    customer: WireCustomer | None = None
    order_ref: Annotated[str, BeforeValidator(_id), Field(max_length=100)] | None = None
    """Id of the order that the escalation is about."""
    received_at: datetime | None = None
    """When it reached the store, RFC 3339; missing means now."""
    context: WireContext | None = None
