"""The nouns of the desk: what comes in, what is understood of it, and what is proposed to a human."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from agent.money import Money
from retrieval.precedent import Hit

Json: TypeAlias = Mapping[str, Any]

# --- what comes in -------------------------------------------------------------------------------------------------

if TYPE_CHECKING:
    from agent.outbreak.trace import Trace


@dataclass(frozen=True, slots=True)
class Span:
    """Where something stands: characters [start, end) of the text of message number `message`."""

    message: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Message:
    """One text on a case, already decoded and freed of hidden characters (intake keeps what it removed)."""

    text: str
    at: datetime
    author: Literal["customer", "staff", "bank", "system"] = "customer"
    channel: str = "api"
    subject: str = ""
    hidden: str = ""
    """What intake took out because no reader could see it: white text, comments, zero-width and tag characters."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Who the helpdesk or caller says is writing."""

    name: str = ""
    email: str = ""
    phone: str = ""
    tier: str = ""
    """Free word of the store, e.g. `vip` or `key_account`."""


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One line of an order."""

    sku: str
    name: str
    quantity: int = 1
    price: Money | None = None


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """One parcel of an order as the carrier reports it."""

    carrier: str = ""
    tracking: str = ""
    status: str = ""
    dispatched_at: datetime | None = None
    estimated_at: datetime | None = None
    delivered_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back, as read."""

    money: Money
    status: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge on the customer's payment method, as read."""

    money: Money
    at: datetime | None = None
    status: str = ""


@dataclass(frozen=True, slots=True)
class Return:
    """One return of goods, as read."""

    status: str = ""
    opened_at: datetime | None = None
    received_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """An order as looked up; fields that the source does not have are empty, never guessed."""

    id: str
    status: str = ""
    placed_at: datetime | None = None
    total: Money | None = None
    items: tuple[OrderItem, ...] = ()
    fulfilments: tuple[Fulfilment, ...] = ()
    refunds: tuple[Refund, ...] = ()
    charges: tuple[Charge, ...] = ()
    returns: tuple[Return, ...] = ()
    customer_name: str = ""
    customer_email: str = ""
    raw: Json = field(default_factory=dict[str, Any])
    """The source's own object, for the ledger's JSON pointers."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """A bank dispute as the processor reports it."""

    id: str
    status: str
    reason: str
    money: Money | None = None
    evidence_due_by: datetime | None = None
    raw: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Context:
    """Facts that come with the escalation (source `caller`) or were looked up by the desk (source `order_book`)."""

    order: Order | None = None
    dispute: Dispute | None = None
    policy: tuple[str, ...] = ()
    """Extra policy sentences given by the caller."""
    customer_verified: bool | None = None
    source: Literal["caller", "order_book", ""] = ""


@dataclass(frozen=True, slots=True)
class Escalation:
    """One customer problem handed to the desk."""

    id: str
    messages: tuple[Message, ...]
    received_at: datetime
    channel: str = "api"
    language_hint: str = ""
    customer: Customer = Customer()
    order_ref: str = ""
    context: Context = Context()
    earlier_contacts: int = 0
    """Earlier inbound messages or cases of this customer on the same problem that the desk knows of."""
    warnings: tuple[str, ...] = ()
    """What intake had to repair: hidden characters, mojibake, a date in the future."""


# --- what is understood --------------------------------------------------------------------------------------------

EntityKind: TypeAlias = Literal[
    "order_id", "amount", "date", "deadline", "tracking_number", "product", "email", "phone", "url", "name",
    "card_last4", "card_number", "iban", "address", "lot",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing named in a text.

    `value` is the normalised form: ids upper-case, amounts `18.40`, dates ISO, phones E.164 where possible.
    `detail` is the currency of an amount, the carrier of a tracking number, the SKU of a product.
    """

    kind: EntityKind
    value: str
    text: str
    span: Span
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Entities:
    """All entities of a case in reading order."""

    all: tuple[Entity, ...] = ()

    def of(self, kind: EntityKind) -> tuple[Entity, ...]:
        """Entities of one kind, in reading order."""
        return tuple(e for e in self.all if e.kind == kind)

    def values(self, kind: EntityKind) -> tuple[str, ...]:
        """Distinct normalised values of one kind, first seen first."""
        return tuple(dict.fromkeys(e.value for e in self.all if e.kind == kind))

    def amounts(self) -> tuple[Money, ...]:
        """Amounts as money, in reading order."""
        return tuple(Money(Decimal(e.value), e.detail) for e in self.of("amount"))


@dataclass(frozen=True, slots=True)
class Signal:
    """A named observation in a text, e.g. `injury` or `photos_attached`, with the words that show it."""

    name: str
    quote: str
    span: Span


@dataclass(frozen=True, slots=True)
class Criterion:
    """One row of the severity table that holds for this case, with what shows it."""

    id: str
    severity: str
    reason: str
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Guess:
    """A decision with its calibrated probability of being right (0 to 1)."""

    value: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Triage:
    """Issue type, severity and routing of a case, each with reason and confidence."""

    issue_type: str
    severity: str
    severity_reason: str
    severity_floor: str
    """The lowest severity that a rule allows, "" when none does."""
    criteria: tuple[Criterion, ...]
    primary_team: str
    collaborators: tuple[str, ...]
    route_reason: str
    flags: tuple[str, ...]
    human_lead: bool
    human_lead_reason: str
    language: str
    confidence: Mapping[str, float]
    """Probability of being right, for `issue_type`, `severity` and `route`."""
    needs_human: bool = False
    needs_human_reason: str = ""


# --- what is proposed ----------------------------------------------------------------------------------------------

DraftKind: TypeAlias = Literal["reply", "question", "brief"]
HOLDING: Final = "holding_update"
"""The hint that asks for a holding update: word by the promised time although nothing is settled yet."""


@dataclass(frozen=True, slots=True)
class Citation:
    """What a sentence of the draft rests on: a policy line, an order field, a precedent or a clock."""

    source: Literal["policy", "order", "dispute", "precedent", "clock", "message", "store"]
    ref: str
    """Policy line id, JSON pointer into the order or dispute, precedent id, or clock metric."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A commitment in a draft, to be tracked once a human has sent it."""

    action: str
    text: str
    due: datetime | None = None
    money: Money | None = None
    backed_by: str = ""
    """Policy line id, clock metric or looked-up fact; "" when nothing backs it."""


@dataclass(frozen=True, slots=True)
class ProposedAction:
    """Something a human may do; the desk itself does nothing."""

    kind: str
    reason: str
    money: Money | None = None
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """Proposed text: to the customer (`reply`, `question`) or for the human alone (`brief`)."""

    kind: DraftKind
    subject: str
    body: str
    language: str
    citations: tuple[Citation, ...] = ()
    promises: tuple[Promise, ...] = ()
    proposed_actions: tuple[ProposedAction, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """One checkable thing in a draft and where it comes from."""

    kind: str
    value: str
    text: str
    start: int
    end: int
    state: Literal["supported", "derived", "unsupported", "contradicted"]
    source: str = ""
    """`message:0`, `order:/items/0/name`, `policy:returns-window`, `clock:next_update`, `store:contacts`, ..."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the guard holds against a draft."""

    rule: str
    hard: bool
    message: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class GuardReport:
    """The guard's answer: `blocked` with a hard finding, `warned` with soft ones, else `clear`."""

    verdict: Literal["clear", "warned", "blocked"]
    findings: tuple[Finding, ...] = ()
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class ClockView:
    """One SLA commitment of this case as it stands when the proposal is made."""

    metric: str
    due_at: datetime | None
    target: str
    calendar: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What the engine used: requests, tokens and price (None when the price is unknown)."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """The desk's whole answer to one escalation, for a human to review."""

    case_id: str
    engine: str
    degraded: bool
    degraded_reason: str
    triage: Triage
    entities: Entities
    draft: Draft | None
    guard: GuardReport
    precedents: tuple[Hit, ...]
    precedents_note: str
    clocks: tuple[ClockView, ...]
    missing_facts: tuple[str, ...]
    state: Literal["ready", "blocked", "needs_human"]
    state_reason: str
    timing_ms: Mapping[str, float]
    usage: Usage
    versions: Mapping[str, str]
    """Content hashes of what made it: pack, prompts, classifier, encoder."""
    trace: Trace | None = None
    """What the case leaves for finding outbreaks; no part of the answer."""
