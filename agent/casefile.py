"""The case file: plain data that both engines read and that templates render from. Nothing in it is an object.

Order and dispute are in it only when the customer is verified; otherwise they go to the human beside the draft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from agent import clock, wording
from agent.case import ClockView, Context, Dispute, Escalation, Fulfilment, Order, Triage
from agent.entities import order_key
from agent.money import Money
from agent.pack import Pack
from agent.ports import OrderBook
from agent.signals import Signals
from agent.triage import tone
from agent.understand import Understanding
from retrieval.precedent import Hit

Json = dict[str, Any]

_QUOTE = 160
_MOST_HARMS = 2
_RETURNS_WINDOW = "returns-window"
"""Policy line whose `days` say how long a return is open."""


def look_up(case: Escalation, seen: Understanding, orders: OrderBook) -> Context:
    """The order and dispute of the case: given by the caller, else found in the order book by what the case names."""
    given = case.context
    order, dispute, source = given.order, given.dispute, given.source
    if order is None:
        for name in dict.fromkeys((case.order_ref, *seen.entities.values("order_id"))):
            if name and (order := orders.order(name)):
                source = "order_book"
                break
    if dispute is None and order is not None and source == "order_book":
        dispute = orders.dispute(order.id)
    return replace(given, order=order, dispute=dispute, source=source, customer_verified=verified(case, order))


def verified(case: Escalation, order: Order | None) -> bool | None:
    """Whether the writer is the order's customer: the caller's word, else the same e-mail address; None when unknown."""
    if case.context.customer_verified is not None or order is None:
        return case.context.customer_verified
    if not case.customer.email or not order.customer_email:
        return None
    return case.customer.email.strip().lower() == order.customer_email.strip().lower()


@dataclass(frozen=True, slots=True)
class Slots:
    """Commitments of the SLA clock that a draft may name, in words of its language."""

    text: Mapping[str, str]
    at: Mapping[str, datetime]


def clocks(pack: Pack, severity: str, opened: datetime) -> tuple[ClockView, ...]:
    """The due instants of a case of this severity, opened then."""
    views: list[ClockView] = []
    for metric, target in pack.sla.targets[severity].items():
        if target is None:
            views.append(ClockView(metric, None, "on change", ""))
        else:
            at = clock.due(target, pack.sla.calendars[target.calendar], opened)
            views.append(ClockView(metric, at, target.within, target.calendar))
    return tuple(views)


def slots(pack: Pack, severity: str, language: str, now: datetime) -> Slots:
    """The next-update slot as it would be if the draft went out now; approval fills it anew."""
    target = pack.sla.targets[severity].get("next_update")
    if target is None:
        return Slots({}, {})
    at = clock.due(target, pack.sla.calendars[target.calendar], now)
    return Slots({"next_update": wording.instant(at, language, pack.store.time_zone)}, {"next_update": at})


def missing(pack: Pack, case: Escalation, seen: Understanding, triage: Triage, context: Context) -> tuple[str, ...]:
    """What the desk truly needs and does not have; never what is given."""
    found, order = seen.entities, context.order
    have = {
        "order_id": bool(found.of("order_id") or case.order_ref or order),
        "photos": "photos_attached" in seen.conditions,
        "item": bool(found.of("product") or (order and order.items)),
        "charge": bool(found.of("amount") or (order and order.charges)),
        "device": "device" in seen.conditions,
        "what_happened": len(seen.sense.text.split()) > 8 or bool({"question", "praise"} & seen.conditions),
    }
    lowest = triage.severity == pack.severity_order[-1]
    needs = [n for n in pack.issue_types[triage.issue_type].needs if not have.get(n, False)]
    if lowest:
        needs = [n for n in needs if n == "what_happened"]
    if order is not None and not context.customer_verified and not lowest:
        needs.append("identity")
    return tuple(needs)


def view(
    pack: Pack, signals: Signals, case: Escalation, seen: Understanding, triage: Triage, context: Context,
    lacking: Sequence[str], slot: Slots, hits: Sequence[Hit], language: str, now: datetime,
) -> Json:  # fmt: skip
    """The case file in the language of the draft."""
    open_to_customer = context.customer_verified is True
    zone = pack.store.time_zone
    return {
        "case": {
            "id": case.id,
            "channel": case.channel,
            "language": triage.language,
            "received_on": wording.day(case.received_at.date(), language),
        },
        "store": {"name": pack.store.name, "support_email": pack.store.support_email},
        "customer": {"name": _name(case, seen), "verified": context.customer_verified},
        "issue_type": triage.issue_type,
        "severity": triage.severity,
        "severity_reason": triage.severity_reason,
        "flags": list(triage.flags),
        "human_lead": triage.human_lead,
        "human_lead_reason": triage.human_lead_reason,
        "tone": tone(pack, seen, triage.issue_type),
        "said": _said(pack, signals, case, seen, triage, language),
        "order": _order(pack, context.order, seen, language, now) if open_to_customer and context.order else None,
        "dispute": _dispute(context.dispute, language, zone) if open_to_customer and context.dispute else None,
        "policy": {
            name: {"text": line.text.get(language, line.text["en"]), **line.facts}
            for name, line in pack.policy_for(triage.issue_type).items()
        },
        "clock": {"next_update": slot.text.get("next_update", "")},
        "contact": {
            "name": pack.store.contacts.get(triage.primary_team, ""),
            "team": pack.teams[triage.primary_team].title,
        },
        "missing": list(lacking),
        "precedents": [_card(hit) for hit in hits],
        "brief": _brief(pack, case, context, language),
    }


def _name(case: Escalation, seen: Understanding) -> str:
    if case.customer.name:
        return case.customer.name
    signed = [e for e in seen.entities.of("name") if e.detail != "staff"]
    return signed[-1].value if len({e.value for e in signed}) == 1 else ""


def _said(pack: Pack, signals: Signals, case: Escalation, seen: Understanding, triage: Triage, language: str) -> Json:
    found, has = seen.entities, seen.conditions
    deadlines = sorted(e.value for e in found.of("deadline"))
    products = [e for e in found.of("product")]
    names = {p.sku: p.name for p in pack.products}
    items = list(dict.fromkeys(names.get(e.detail, e.text) for e in products))
    harms = [h.phrase.get(language, "") for _, h in signals.harms(seen.own, triage.issue_type)]
    ids = found.values("order_id")
    return {
        "order_id": ids[0] if ids else case.order_ref,
        "item": items[0] if len(items) == 1 else "",
        "items": items,
        "harms": [h for h in harms if h][:_MOST_HARMS],
        "amounts": [wording.money(m, language) for m in dict.fromkeys(found.amounts())],
        "deadline": wording.day(date.fromisoformat(deadlines[0][:10]), language) if deadlines else "",
        "occasion": _occasion(seen),
        "contacts": seen.contacts,
        "photos": "photos_attached" in has,
        "wants": "refund" if "wants_refund" in has else "replacement" if "wants_replacement" in has else "",
        "delivered_scan": "delivered_scan" in has,
        "tracking": next(iter(found.values("tracking_number")), ""),
        "threat": _threat(triage, has),
        "dispute_open": "chargeback_open" in has or bool(case.context.dispute),
        "many_affected": bool({"many_affected", "cluster", "outage_many"} & has),
        "workaround": "workaround" in has,
        "human_requested": "human_requested" in has,
        "injury": "injury" in has or any(c.id == "injury" for c in triage.criteria),
        "quote": _quote(case, seen),
    }


def _threat(triage: Triage, has: frozenset[str]) -> str:
    if triage.issue_type == "chargeback" or "chargeback_threat" in has:
        return "chargeback"
    held = {c.id for c in triage.criteria}
    return "legal" if "legal" in held else "press" if held & {"press", "press_live"} else ""


def _occasion(seen: Understanding) -> str:
    signal = seen.signals.get("need_date")
    return signal.quote.lower() if signal and "within_days" in seen.conditions and len(signal.quote) < 24 else ""


def _quote(case: Escalation, seen: Understanding) -> str:
    strongest = [seen.signals[c].span for c in seen.signals if c not in {"question", "praise", "device", "within_days"}]
    for span in strongest:
        for s in seen.spans:
            if s.message == span.message and s.start <= span.start < s.end:
                return _short(case.messages[s.message].text[s.start : s.end])
    first = seen.spans[0] if seen.spans else None
    return _short(case.messages[first.message].text[first.start : first.end]) if first else ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _QUOTE else text[: _QUOTE - 1].rsplit(" ", 1)[0] + "…"


def _on(at: datetime | None, language: str, zone: str) -> str:
    del zone
    return wording.day(at.astimezone(UTC).date(), language) if at else ""


def _order(pack: Pack, order: Order, seen: Understanding, language: str, now: datetime) -> Json:
    zone = pack.store.time_zone
    parcel = _parcel(order, seen)
    skus = {e.detail for e in seen.entities.of("product")}
    concerned = [i.name for i in order.items if i.sku in skus] or [i.name for i in order.items]
    days = (now - parcel.delivered_at).days if parcel.delivered_at else None
    line = pack.policy.get(_RETURNS_WINDOW)
    window = int(line.facts["days"]) if line and "days" in line.facts else None
    returned = order.returns[-1] if order.returns else None
    refunded: dict[str, Any] = {}
    for refund in order.refunds:
        refunded[refund.money.currency] = refunded.get(refund.money.currency, 0) + refund.money.amount
    return {
        "id": order.id,
        "placed_on": _on(order.placed_at, language, zone),
        "status": order.status,
        "total": wording.money(order.total, language),
        "item": concerned[0] if len(concerned) == 1 else "",
        "items": [
            {"name": i.name, "quantity": i.quantity, "price": wording.money(i.price, language)} for i in order.items
        ],
        "carrier": parcel.carrier,
        "tracking": parcel.tracking,
        "tracking_state": parcel.status.replace("_", " "),
        "dispatched_on": _on(parcel.dispatched_at, language, zone),
        "expected_on": _on(parcel.estimated_at, language, zone),
        "delivered_on": _on(parcel.delivered_at, language, zone),
        "refunds": [
            {"amount": wording.money(r.money, language), "on": _on(r.at, language, zone), "status": r.status}
            for r in order.refunds
        ],
        "refunded_total": _total(refunded, language),
        "charges": [
            {"amount": wording.money(c.money, language), "on": _on(c.at, language, zone), "status": c.status}
            for c in order.charges
        ],
        "return": None
        if returned is None
        else {
            "status": returned.status,
            "opened_on": _on(returned.opened_at, language, zone),
            "received_on": _on(returned.received_at, language, zone),
        },
        "days_since_delivery": days,
        "within_return_window": None if days is None or window is None else days <= window,
    }


def _total(refunded: Mapping[str, Any], language: str) -> str:
    return " + ".join(wording.money(Money(amount, currency), language) for currency, amount in refunded.items())


def _parcel(order: Order, seen: Understanding) -> Fulfilment:
    named = set(seen.entities.values("tracking_number"))
    for parcel in order.fulfilments:
        if parcel.tracking and order_key(parcel.tracking) in {order_key(n) for n in named}:
            return parcel
    undelivered = [p for p in order.fulfilments if p.delivered_at is None]
    return (undelivered or list(order.fulfilments) or [Fulfilment()])[0]


def _dispute(dispute: Dispute, language: str, zone: str) -> Json:
    return {
        "id": dispute.id,
        "status": dispute.status.replace("_", " "),
        "reason": dispute.reason.replace("_", " "),
        "amount": wording.money(dispute.money, language),
        "due_on": _on(dispute.evidence_due_by, language, zone),
    }


def _card(hit: Hit) -> Json:
    p = hit.precedent
    return {
        "id": p.id,
        "summary": p.summary,
        "remedy_kind": p.remedy_kind,
        "remedy": p.remedy,
        "cost": f"{p.cost} {p.currency}" if p.cost is not None else "",
        "resolved_in_days": round(p.resolved_in.total_seconds() / 86400, 1),
        "outcome": p.outcome,
        "aftermath": p.aftermath,
        "satisfaction": p.satisfaction,
    }


def _brief(pack: Pack, case: Escalation, context: Context, language: str) -> Json:
    events = [(m.at, m.author, _short(m.text)) for m in case.messages]
    order = context.order
    if order is not None:
        events += [(order.placed_at, "order", f"{order.id} placed")] if order.placed_at else []
        for parcel in order.fulfilments:
            events += [(parcel.dispatched_at, "order", f"dispatched with {parcel.carrier}")] if parcel.dispatched_at else []
            events += [(parcel.delivered_at, "order", "carrier reports delivery")] if parcel.delivered_at else []
        events += [(r.at, "order", f"refund {wording.money(r.money, language)} {r.status}") for r in order.refunds if r.at]
    store = pack.store
    options = [
        {
            "kind": "goodwill credit",
            "amount": wording.money(Money(role.goodwill_up_to, store.default_currency), language),
            "policy": "",
            "within": name,
        }
        for name, role in pack.authority.roles.items()
        if role.goodwill_up_to
    ]
    promised = [_short(m.text) for m in case.messages if m.author == "staff" and len(case.messages) > 1]
    return {
        "timeline": [
            {"on": wording.day(at.date(), language), "who": who, "what": what} for at, who, what in sorted(events, key=lambda e: e[0])
        ],
        "earlier_promises": promised,
        "options": options,
        "avoid": [],
    }

