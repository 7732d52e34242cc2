"""What a draft may rest on: everything that the desk knows of this case and may tell this customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from agent.case import Customer, Dispute, Entities, Message, Order
from agent.facts.index import index
from agent.facts.known import Known
from retrieval.precedent import Hit


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One line of the store's policy in the language of the draft, with the figures in it."""

    text: str
    facts: Mapping[str, int | str] = field(default_factory=dict[str, int | str])
    """`days`, `business_days`, `years`, ... as the pack writes them."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A commitment of the SLA clock: the words that fill the slot of a draft, and the instant."""

    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What every customer may know of the store."""

    name: str = ""
    legal_name: str = ""
    support_email: str = ""
    hosts: tuple[str, ...] = ()
    """Hosts that a draft may link to, exactly as written."""
    contacts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Team -> person whom a draft may name."""
    products: tuple[str, ...] = ()
    """Names of the articles as customers see them."""
    languages: tuple[str, ...] = ()
    """Languages that the store answers in; empty allows every language that the guard can read."""
    time_zone: str = "UTC"


@dataclass(frozen=True)
class Evidence:
    """All that the fact ledger and the guard may look things up in; nothing else makes a draft's words true."""

    messages: tuple[Message, ...]
    entities: Entities
    now: datetime
    case_id: str = ""
    order_ref: str = ""
    """The order number that came with the case, outside its texts."""
    language: str = "en"
    """Language of the case, for the calendar words in its messages."""
    customer: Customer = field(default_factory=Customer)
    order: Order | None = None
    """The customer's own order; None unless looked up and the customer verified."""
    dispute: Dispute | None = None
    """The bank dispute; None unless looked up and the customer verified."""
    withheld: Order | None = None
    """An order that was looked up and must not reach the customer, since nobody verified who writes."""
    policy: Mapping[str, PolicyLine] = field(default_factory=dict[str, PolicyLine])
    """Policy lines by id."""
    clock: Mapping[str, Slot] = field(default_factory=dict[str, Slot])
    """SLA metric -> what the draft may promise for it."""
    first_message: bool = True
    """Whether the customer has had no message from the desk before; a later one need not say all that the first must."""
    contacts: int = 1
    """How often the customer has written on this problem, this message included."""
    store: StoreFacts = field(default_factory=StoreFacts)
    precedents: tuple[Hit, ...] = ()
    """Shown to the engine, and never a source for customer text."""
    log: frozenset[str] = frozenset()
    """Deeds that people have recorded on this case, by the ids of the guard's `actions` (e.g. `inquiry`, `forward`)."""
    prompts: tuple[str, ...] = ()
    """Texts of the prompts that the engine was given, so that a leak of them is seen."""
    canaries: tuple[str, ...] = ()
    """Secret words of those prompts, which no draft may hold."""

    @cached_property
    def known(self) -> Known:
        """The values in this evidence by kind, indexed once."""
        return index(self)
