"""Cases for the guard by hand: what the desk knows, and the draft that is held against it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from agent.case import (
    Charge,
    Citation,
    Customer,
    Draft,
    Fulfilment,
    GuardReport,
    Message,
    Order,
    OrderItem,
    Refund,
    Return,
    Triage,
)
from agent.entities import extract
from agent.facts import Evidence, PolicyLine, Slot, StoreFacts
from agent.guard import RULES, Rulebook, check, load_rulebook
from agent.money import Money
from agent.pack import Pack, load_pack

ROOT = Path(__file__).resolve().parents[1]
PROMPTS = ROOT / "prompts"
NOW = datetime(2026, 11, 10, 10, 0, tzinfo=UTC)
SLOTS = {
    "en": Slot("Wednesday 11 November, 15:00", datetime(2026, 11, 11, 15, tzinfo=UTC)),
    "de": Slot("Mittwoch, 11. November, 15:00 Uhr", datetime(2026, 11, 11, 15, tzinfo=UTC)),
}
MESSAGE = {
    "en": "My Halo desk lamp, order FH-104233, arrived with cracked glass. I need it by 14 November for a wedding and "
    "would like a refund of £74.00. Two photos attached. Hanna Brandt",
    "de": "Meine Halo Schreibtischlampe, Bestellung FH-104233, kam mit gesprungenem Glas an. Ich brauche sie bis zum "
    "14. November für eine Hochzeit und möchte 85,10 € zurück. Zwei Fotos hängen an. Hanna Brandt",
}


@cache
def pack() -> Pack:
    return load_pack(PROMPTS, PROMPTS / "sample_store")


@cache
def rulebook() -> Rulebook:
    return load_rulebook(PROMPTS, pack())


def day(month: int, number: int) -> datetime:
    return datetime(2026, month, number, 9, 30, tzinfo=UTC)


def order(language: str = "en", **over: Any) -> Order:
    """Lamp for 74 pounds (or 85.10 euros), placed 3, dispatched 5 and delivered 7 November."""
    price = Money(Decimal("85.10"), "EUR") if language == "de" else Money(Decimal("74.00"), "GBP")
    made: dict[str, Any] = {
        "id": "FH-104233", "status": "delivered", "placed_at": day(11, 3), "total": price,
        "items": (OrderItem("LMP-210", "Halo desk lamp", 1, price),),
        "fulfilments": (Fulfilment("Parcelwing", "PW1234567890", "delivered", day(11, 5), day(11, 8), day(11, 7)),),
        "charges": (Charge(price, day(11, 3), "captured"),),
        "customer_name": "Hanna Brandt",
    }  # fmt: skip
    return Order(**{**made, **over})


def ordered(kind: str, language: str = "en") -> Order:
    """The order as it went: `delivered`, in `transit`, `returned`, partly `refunded`, charged `double`, or `old`."""
    price, parcel = order(language).charges[0].money, ("Parcelwing", "PW1234567890")
    late = datetime(2026, 9, 20, 9, tzinfo=UTC)
    over: dict[str, dict[str, Any]] = {
        "delivered": {},
        "transit": {
            "status": "dispatched",
            "fulfilments": (Fulfilment(*parcel, "in transit", day(11, 5), day(11, 8)),),
        },
        "returned": {"returns": (Return("received", day(11, 8), day(11, 9)),)},
        "refunded": {"refunds": (Refund(Money(Decimal("18.40"), price.currency), "succeeded", day(11, 6)),)},
        "double": {"charges": (Charge(price, day(11, 3), "captured"), Charge(price, day(11, 3), "captured"))},
        "old": {"fulfilments": (Fulfilment(*parcel, "delivered", late, late, late),), "placed_at": late},
    }
    return order(language, **over[kind])


def evidence(
    language: str = "en", message: str = "", issue_type: str = "damaged_or_defective", **over: Any
) -> Evidence:
    """What the desk knows in the sample store; `over` replaces fields."""
    store = pack().store
    messages = over.pop("messages", (Message(message or MESSAGE[language], NOW),))
    made: dict[str, Any] = {
        "messages": messages,
        "entities": extract(messages, store_products=[(p.sku, p.name) for p in pack().products],
                            order_id_format=store.order_id_format, language=language),
        "now": NOW, "case_id": "case_01JD3M", "language": language,
        "customer": Customer("Hanna Brandt", "hanna.brandt@mailbox.example"),
        "policy": {
            id_: PolicyLine(line.text[language], line.facts)
            for id_, line in pack().policy.items() if issue_type in line.topics
        },
        "clock": {"next_update": SLOTS[language]},
        "store": StoreFacts(
            name=store.name, legal_name=store.legal_name, support_email=store.support_email, hosts=store.hosts,
            contacts=store.contacts, products=tuple(p.name for p in pack().products), languages=store.languages,
            time_zone=store.time_zone,
        ),
    }  # fmt: skip
    return Evidence(**{**made, **over})


def triage(issue_type: str = "damaged_or_defective", language: str = "en", **over: Any) -> Triage:
    made: dict[str, Any] = {
        "issue_type": issue_type, "severity": "S3", "severity_reason": "", "severity_floor": "", "criteria": (),
        "primary_team": pack().issue_types[issue_type].primary_team, "collaborators": (), "route_reason": "",
        "flags": (), "human_lead": False, "human_lead_reason": "", "language": language, "confidence": {},
    }  # fmt: skip
    return Triage(**{**made, **over})


def draft(body: str, language: str = "en", **over: Any) -> Draft:
    cites = tuple(Citation("policy", ref) for ref in over.pop("cites", ()))
    return Draft(**{"kind": "reply", "subject": "", "body": body, "language": language, "citations": cites, **over})


def report(body: str, language: str = "en", issue_type: str = "damaged_or_defective", **over: Any) -> GuardReport:
    """The guard's report on a text in the usual case; `over` goes to the evidence."""
    drafted = {k: over.pop(k) for k in ("kind", "subject", "cites") if k in over}
    without = over.pop("without", "")
    e = evidence(language, issue_type=issue_type, **over)
    rules = {name: rule for name, rule in RULES.items() if name != without}
    return check(draft(body, language, **drafted), triage(issue_type, language), e, rulebook(), rules)


def rules_of(made: GuardReport, *, hard: bool = True) -> set[str]:
    return {f.rule for f in made.findings if f.hard or not hard}
