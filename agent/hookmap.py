"""The files that say how events of any helpdesk are read: who is believed, and where each of our fields stands.

One file `prompts/pack/hooks/<source>.yaml` for each source; `generic.yaml` shows all that may stand there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, TypeVar, cast, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from agent.errors import BrokenFile
from agent.yamlfile import read_yaml

SOURCE: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""Names of sources: they stand in addresses, file names and events."""
RESERVED: Final = {"dead"}
"""Names that a route of the desk has."""

EventType: TypeAlias = Literal["created", "message", "status", "ignore"]
EventStatus: TypeAlias = Literal[
    "open", "in_progress", "waiting_customer", "waiting_carrier", "waiting_team", "resolved", "closed", "ignore"
]
"""Where a case can be taken from outside. `open` is what neither waits nor has ended: only a case that did is taken
back to work by it, while a new one goes its own way."""

TYPES: Final = frozenset(get_args(EventType))
STATUSES: Final = frozenset(get_args(EventStatus))
EVERY: Final = -1
"""The step `[*]`."""
_STEP: Final = re.compile(r"(?:^|\.)([^\s.\[\]\"']+)|\[(\d{1,6}|\*)\]")
_HEADER: Final = r"^[A-Za-z][A-Za-z0-9-]{0,63}$"


@lru_cache(maxsize=4096)
def steps(path: str) -> tuple[str | int, ...]:
    """A path such as `data.items[0].sku` as keys and positions; `[*]` is -1.

    Raises:
        ValueError: it is no path.

    """
    rest, found = path.strip().removeprefix("$").removeprefix("."), list[str | int]()
    at = 0
    while at < len(rest):
        step = _STEP.match(rest, at)
        if step is None:
            break
        key, position = step.groups()
        found.append(key if key is not None else EVERY if position == "*" else int(position))
        at = step.end()
    if not found or at < len(rest):
        raise ValueError(
            f"`{path}` is no path; write it like data.customer.email, data.items[0].sku or data.texts[*].body"
        )
    return tuple(found)


def find(value: Any, path: tuple[str | int, ...]) -> Any:
    """What stands at a path without `[*]`; None when nothing does."""
    for step in path:
        if isinstance(step, str):
            value = cast("dict[str, Any]", value).get(step) if isinstance(value, dict) else None
        else:
            entries: list[Any] = cast("list[Any]", value) if isinstance(value, list) else []
            value = entries[step] if step < len(entries) else None
    return value


# --- the file -----------------------------------------------------------------------------------------------------


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _words(table: object) -> object:
    """Words of the sender in the form in which they are compared; YAML reads some of them as numbers."""
    if not isinstance(table, dict):
        return table
    given = cast("dict[object, object]", table)
    if any(isinstance(word, bool) for word in given):
        raise ValueError("YAML reads one of these words as true or false; put it in quotes")
    return {str(word).strip().casefold(): ours for word, ours in given.items()}


class Rule(_File):
    """Where one of our fields stands in the payload."""

    path: str = ""
    """Keys with dots, `[n]` for an entry of a list, `[*]` for each; empty when `default` always holds."""
    default: str | None = None
    """What holds when nothing stands there."""
    table: Annotated[Mapping[str, str], BeforeValidator(_words)] = Field(default_factory=dict[str, str])
    """The sender's word -> our value; `"*"` stands for any other word. Without a table the word is taken as it is."""

    @model_validator(mode="before")
    @classmethod
    def _a_text_is_a_path(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("path")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        if value:
            steps(value)
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.path and self.default is None:
            raise ValueError("there is neither `path` nor `default`; give one of them")
        return self


Ours = TypeVar("Ours", Mapping[str, str], str | None)


class TypeRule(Rule):
    """Where the sender says what happened."""

    @field_validator("table", "default")
    @classmethod
    def _gives_types(cls, value: Ours) -> Ours:
        return _within(value, TYPES)


class StatusRule(Rule):
    """Where the sender says how its ticket stands."""

    @field_validator("table", "default")
    @classmethod
    def _gives_statuses(cls, value: Ours) -> Ours:
        return _within(value, STATUSES)


def _within(value: Ours, known: frozenset[str]) -> Ours:
    for ours in (value,) if isinstance(value, str) else (value or {}).values():
        if ours not in known:
            raise ValueError(f"`{ours}` is none of {', '.join(sorted(known))}")
    return value


class Map(_File):
    """Our field -> where it stands in the payload."""

    type: TypeRule
    external_id: Rule
    at: Rule | None = None
    """When it happened at the sender: RFC 3339, or seconds or milliseconds since 1970."""
    delivery_id: Rule | None = None
    url: Rule | None = None
    subject: Rule | None = None
    tags: Rule | None = None
    order_ref: Rule | None = None
    channel: Rule | None = None
    status: StatusRule | None = None
    customer_name: Rule | None = Field(None, alias="customer.name")
    customer_email: Rule | None = Field(None, alias="customer.email")
    customer_phone: Rule | None = Field(None, alias="customer.phone")
    customer_tier: Rule | None = Field(None, alias="customer.tier")
    message_id: Rule | None = Field(None, alias="messages[*].id")
    message_author: Rule | None = Field(None, alias="messages[*].author")
    message_at: Rule | None = Field(None, alias="messages[*].at")
    message_text: Rule | None = Field(None, alias="messages[*].text")

    @model_validator(mode="after")
    def _many_stand_where_many_may(self) -> Self:
        of_messages = ("message_id", "message_author", "message_at", "message_text")
        lists = set[str]()
        for name in type(self).model_fields:
            rule: Rule | None = getattr(self, name)
            many = steps(rule.path).count(EVERY) if rule is not None and rule.path else 0
            if rule is None or not many:
                continue
            if many > 1 or name not in {*of_messages, "tags"}:
                raise ValueError(f"`{rule.path}` stands for many values; name one entry, e.g. [0]")
            if name in of_messages:
                lists.add(rule.path.partition("[*]")[0])
        if len(lists) > 1:
            raise ValueError(f"the messages stand in two lists, {' and '.join(sorted(lists))}; name one")
        return self

    @property
    def messages(self) -> tuple[str | int, ...] | None:
        """Path of the list of messages; None when an event holds one message."""
        for rule in (self.message_text, self.message_id, self.message_author, self.message_at):
            if rule is not None and rule.path and EVERY in (path := steps(rule.path)):
                return path[: path.index(EVERY)]
        return None


TICKET: Final = Map.model_validate(
    {
        "type": {"default": "created"}, "external_id": "external_id", "at": "at", "url": "url", "subject": "subject",
        "tags": "tags", "order_ref": "order_ref", "channel": "channel", "status": "status",
        "customer.name": "customer.name", "customer.email": "customer.email", "customer.phone": "customer.phone",
        "customer.tier": "customer.tier", "messages[*].id": "messages[*].id", "messages[*].at": "messages[*].at",
        "messages[*].author": "messages[*].author", "messages[*].text": "messages[*].text",
    }
)  # fmt: skip
"""The form in which an adapter hands a ticket over: our fields under their own names."""


class Hook(_File):
    """One source of events: how its signature is checked and how its events are read."""

    verify: Literal["standard", "zendesk", "static_header"]
    """How it signs: Standard Webhooks, Zendesk's way, or a secret that a header brings."""
    secrets: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")], ...], Field(min_length=1, max_length=2)
    ]
    """Names of its secrets, two while one takes the place of the other; the values never stand in a file of the pack."""
    header: Annotated[str, Field(pattern=_HEADER)] | None = None
    """With `static_header`: the header that brings the secret."""
    id_header: Annotated[str, Field(pattern=_HEADER)] | None = None
    """The header that numbers the deliveries, when the payload does not; Standard Webhooks has its own."""
    map: Map | None = None
    """Where everything stands in the payload."""
    adapter: str = ""
    """Name of the adapter that fetches the ticket instead, for senders whose event is only a hint."""
    id_path: str = ""
    """With `adapter`: where the ticket's id stands in the payload."""
    delivery_id_path: str = ""
    """With `adapter`: where the delivery's own id stands, if anywhere."""

    @field_validator("id_path", "delivery_id_path")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        if value and EVERY in steps(value):
            raise ValueError(f"`{value}` stands for many values; name one entry, e.g. [0]")
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.header is None) == (self.verify == "static_header"):
            raise ValueError("`header` belongs to `verify: static_header` and to nothing else; add or remove it")
        if (self.map is None) == (not self.adapter):
            raise ValueError("there must be either a `map` or an `adapter`; give one of the two")
        if bool(self.adapter) != bool(self.id_path) or (self.delivery_id_path and not self.adapter):
            raise ValueError(
                "`id_path` (and `delivery_id_path`) belong to `adapter`; a map has external_id and delivery_id"
            )
        return self


def load_hook(path: Path) -> Hook:
    """One source.

    Raises:
        BrokenFile: the file is missing, malformed, or maps to or from something that cannot be.

    """
    if not SOURCE.fullmatch(path.stem) or path.stem in RESERVED:
        raise BrokenFile(
            path, 0, f"`{path.stem}` cannot name a source", "name it with small letters, digits and _, e.g. acme.yaml"
        )
    return read_yaml(path, Hook)


def load_hooks(folder: Path) -> dict[str, Hook]:
    """All sources of a pack by name; none when the folder is not there.

    Raises:
        BrokenFile: one of the files is broken.

    """
    return {path.stem: load_hook(path) for path in sorted(folder.glob("*.yaml"))}
