"""The case file: plain data that both engines read and that templates render from. Nothing in it is an object.

Order and dispute are in it only when the customer is verified; otherwise they go to the human beside the draft.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from agent import clock, wording
from agent.case import ClockView, Context, Dispute, Entities, Escalation, Fulfilment, Order, Triage
from agent.entities import order_key
from agent.money import Money
from agent.pack import Pack
from agent.ports import OrderBook
from agent.said import articles, clip, greeting_name, is_notice, said
from agent.signals import Signals
from agent.standing import Event, standing
from agent.triage import tone
from agent.understand import Understanding
from retrieval.precedent import Hit

Json = dict[str, Any]

_SETTLED = frozenset({"succeeded", "success", "captured", "paid", "completed", "complete", "settled"})
_TOLD = 400
"""Characters of a message that a timeline shows."""
_RETURNS_WINDOW = "returns-window"
"""Policy line whose `days` say how long a return is open."""


def look_up(case: Escalation, found: Entities, orders: OrderBook) -> Context:
    """The order and dispute of the case: given by the caller, else found in the order book by what the case names."""
    given = case.context
    order, dispute, source = given.order, given.dispute, given.source
    if order is None:
        for name in dict.fromkeys((case.order_ref, *found.values("order_id"))):
            if name and (order := orders.order(name)):
                source = "order_book"
                break
    if dispute is None and order is not None and source == "order_book":
        dispute = orders.dispute(order.id)
    return replace(given, order=order, dispute=dispute, source=source, customer_verified=verified(case, order))


def verified(case: Escalation, order: Order | None) -> bool | None:
    """Whether the writer is the order's customer; None when unknown.

    The caller's word counts for the order that the caller gave or named. For one that only the text names the e-mail
    address decides, and without addresses the caller's word unless the names differ: else a verified customer could
    read a stranger's order by naming it.
    """
    told = case.context.customer_verified
    if order is None or told is False:
        return told
    if told and (case.context.order is not None or order_key(case.order_ref) == order_key(order.id)):
        return True
    if case.customer.email and order.customer_email:
        return case.customer.email.strip().lower() == order.customer_email.strip().lower()
    name, other = case.customer.name.strip().lower(), order.customer_name.strip().lower()
    return None if not told or (name and other and name != other) else True


@dataclass(frozen=True, slots=True)
class Slots:
    """Commitments of the SLA clock that a draft may name, in words of its language."""

    text: Mapping[str, str]
    at: Mapping[str, datetime]


def clocks(
    pack: Pack, case: Escalation, severity: str, issue_type: str, seen: Understanding | None = None
) -> tuple[ClockView, ...]:
    """The due instants of a case of this severity and type, as they follow from its coming in."""
    opened, facts = case.received_at, _facts(case, severity, issue_type)
    log = [Event("case_opened", opened, facts), Event("triaged", opened, facts)]
    outside = {} if seen is None else _external(pack, issue_type, seen, opened)
    log += [Event("deadline_set", opened, {"deadline": k, "due_at": at.isoformat()}) for k, at in outside.items()]
    found = [
        ClockView(c.metric, c.due_at, c.key or c.target, c.calendar)
        for c in standing(log, lambda _: pack.sla, opened).clocks
    ]
    update = _update(pack, facts)
    if update is None:
        return (*found, ClockView("next_update", None, "on change", ""))
    at = clock.due(update, pack.sla.calendars[update.calendar], opened)
    return (*found, ClockView("next_update", at, update.within, update.calendar))


def _external(pack: Pack, issue_type: str, seen: Understanding, opened: datetime) -> dict[str, datetime]:
    """The nearest date of each kind that nobody here can move."""
    found = sorted(seen.binding, key=lambda b: b[1], reverse=True)
    law = [
        (s.signal, s.due(opened))
        for s in pack.sla.statutory
        if s.issue_type == issue_type and s.signal in seen.conditions
    ]
    return {name: at for name, at in (*found, *law) if at > opened}


def _facts(case: Escalation, severity: str, issue_type: str) -> dict[str, str]:
    """What the policies of the commitments look at."""
    return {"severity": severity, "issue_type": issue_type, "tier": case.customer.tier, "channel": case.channel}


def _update(pack: Pack, facts: Mapping[str, str]) -> clock.Target | None:
    return pack.sla.policy(facts).targets.get("next_update")


def slots(pack: Pack, case: Escalation, severity: str, issue_type: str, language: str, now: datetime) -> Slots:
    """The next-update slot as it would be if the draft went out now; approval fills it anew."""
    target = _update(pack, _facts(case, severity, issue_type))
    if target is None:
        return Slots({}, {})
    at = clock.due(target, pack.sla.calendars[target.calendar], now)
    return Slots({"next_update": wording.instant(at, language, pack.store.time_zone)}, {"next_update": at})


def missing(pack: Pack, case: Escalation, seen: Understanding, triage: Triage, context: Context) -> tuple[str, ...]:
    """What the desk truly needs and does not have; never what is given."""
    found, order = seen.entities, context.order
    words = " ".join(seen.own)
    named = bool(found.of("order_id") or case.order_ref or order or _ORDER_LIKE.search(words))
    have = {
        "order_id": named,
        "photos": "photos_attached" in seen.conditions,
        "item": named or bool(found.of("product")),
        "charge": bool(found.of("amount") or (order and order.charges) or _SUM.search(words)),
        "device": "device" in seen.conditions or bool(found.of("product")),
        "what_happened": not seen.silent
        and (len(seen.sense.text.split()) > 8 or bool({"question", "praise"} & seen.conditions)),
    }
    lowest = triage.severity == pack.severity_order[-1]
    notice = is_notice(case, seen)
    needs = [n for n in pack.issue_types[triage.issue_type].needs if not have.get(n, False) and not notice]
    if lowest:
        needs = [n for n in needs if n == "what_happened"]
    if order is not None and not context.customer_verified and not lowest and not notice:
        needs.append("identity")
    return tuple(needs)


_ORDER_LIKE = re.compile(r"\b[A-Z]{2,4}[- ]?\d{4,9}\b")
"""What reads like an order number, even when it is not of this store's style."""
_SUM = re.compile(r"\b\d{1,5}[.,]\d{2}\b")


def _tone(pack: Pack, seen: Understanding, issue_type: str) -> str:
    """The customer's tone; kind words beside orders to a machine are not taken for thanks."""
    heard = tone(pack, seen, issue_type)
    return "plain" if heard == "warm" and {"injection", "hidden_text"} & seen.conditions else heard


def view(
    pack: Pack, signals: Signals, case: Escalation, seen: Understanding, triage: Triage, context: Context,
    lacking: Sequence[str], slot: Slots, hits: Sequence[Hit], language: str, now: datetime, issue: int = 0,
) -> Json:  # fmt: skip
    """The case file in the language of the draft; `issue` is the row of the sentence that the case is about, 0 when none stands out."""
    open_to_customer = context.customer_verified is True
    shown = context.order if open_to_customer else None
    zone = pack.store.time_zone
    return {
        "case": {
            "id": case.id,
            "channel": case.channel,
            "language": triage.language,
            "received_on": wording.day(case.received_at.date(), language),
        },
        "store": {"name": pack.store.name, "support_email": pack.store.support_email},
        "customer": {
            "name": greeting_name(case, seen),
            "given": case.customer.name or greeting_name(case, seen),
            "verified": context.customer_verified,
        },
        "issue_type": triage.issue_type,
        "severity": triage.severity,
        "severity_reason": triage.severity_reason,
        "flags": list(triage.flags),
        "human_lead": triage.human_lead,
        "human_lead_reason": triage.human_lead_reason,
        "tone": _tone(pack, seen, triage.issue_type),
        "said": said(pack, signals, case, seen, triage, shown, language, issue),
        "order": _order(pack, shown, seen, language, now) if shown else None,
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
        "brief": _brief(
            pack, case, context if open_to_customer or triage.human_lead else replace(context, order=None), language
        ),
    }


def _on(at: datetime | None, language: str, zone: str) -> str:
    del zone
    return wording.day(at.astimezone(UTC).date(), language) if at else ""


def _order(pack: Pack, order: Order, seen: Understanding, language: str, now: datetime) -> Json:
    zone, states = pack.store.time_zone, pack.words_of(language).states
    parcel = _parcel(order, seen)
    concerned = articles(pack, seen, order, language)
    line = pack.policy.get(_RETURNS_WINDOW)
    window = int(line.facts["days"]) if line and "days" in line.facts else None
    returned = order.returns[-1] if order.returns else None
    days = (now - parcel.delivered_at).days if parcel.delivered_at else None
    claimed = (returned.opened_at if returned else None) or now
    waited = (claimed - parcel.delivered_at).days if parcel.delivered_at else None
    refunded: dict[str, Any] = {}
    for refund in order.refunds:
        refunded[refund.money.currency] = refunded.get(refund.money.currency, 0) + refund.money.amount
    return {
        "id": order.id,
        "placed_on": _on(order.placed_at, language, zone),
        "status": wording.state(order.status, states),
        "total": wording.money(order.total, language),
        "item": concerned[0] if len(concerned) == 1 else "",
        "items": [
            {"name": i.name, "quantity": i.quantity, "price": wording.money(i.price, language)} for i in order.items
        ],
        "carrier": parcel.carrier,
        "tracking": parcel.tracking,
        "tracking_state": wording.state(parcel.status, states),
        "dispatched_on": _on(parcel.dispatched_at, language, zone),
        "expected_on": _on(parcel.estimated_at, language, zone),
        "delivered_on": _on(parcel.delivered_at, language, zone),
        "refunds": [
            {
                "amount": wording.money(r.money, language),
                "on": _on(r.at, language, zone),
                "status": _unsettled(r.status, states),
            }
            for r in order.refunds
        ],
        "refunded_total": _total(refunded, language),
        "charges": [
            {
                "amount": wording.money(c.money, language),
                "on": _on(c.at, language, zone),
                "status": _unsettled(c.status, states),
            }
            for c in order.charges
        ],
        "return": None
        if returned is None
        else {
            "status": wording.state(returned.status, states),
            "opened_on": _on(returned.opened_at, language, zone),
            "received_on": _on(returned.received_at, language, zone),
        },
        "days_since_delivery": days,
        "within_return_window": None if waited is None or window is None else waited <= window,
    }


def _unsettled(status: str, states: Mapping[str, str]) -> str:
    """A payment's state, "" when it went through as it should."""
    return "" if status.lower() in _SETTLED else wording.state(status, states)


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
    words = pack.words_of(language)
    word = words.events
    events = [(m.at, m.author, clip(m.text, _TOLD)) for m in case.messages]
    if order := context.order:
        told = [(order.placed_at, f"{order.id} {word['placed']}")]
        for parcel in order.fulfilments:
            told.append((parcel.dispatched_at, f"{word['dispatched']} {parcel.carrier}".strip()))
            told.append((parcel.delivered_at, word["delivered"]))
        told += [
            (r.at, f"{word['refund']} {wording.money(r.money, language)} {wording.state(r.status, words.states)}")
            for r in order.refunds
        ]
        events += [(at, "order", f"{what}.") for at, what in told if at]
    events.sort(key=lambda e: e[0])
    options = [
        {
            "kind": "goodwill_credit",
            "amount": wording.money(Money(role.goodwill_up_to, pack.store.default_currency), language),
            "policy": "",
            "within": name,
        }
        for name, role in pack.authority.roles.items()
        if role.goodwill_up_to
    ]
    return {
        "timeline": [{"on": wording.day(at.date(), language), "who": who, "what": what} for at, who, what in events],
        "earlier_promises": [
            clip(m.text, _TOLD) for m in case.messages if m.author == "staff" and len(case.messages) > 1
        ],
        "options": options,
        "avoid": [],
        "found_order": context.order.id if context.order else "",
    }


def lists(pack: Pack) -> Json:
    """What of the pack every engine is told."""
    return {
        "store": {"name": pack.store.name},
        "issue_types": [
            {"id": name, "about": kind.about, "primary_team": kind.primary_team}
            for name, kind in pack.issue_types.items()
        ],
        "severities": [{"id": name, "title": level.title} for name, level in pack.severities.items()],
        "criteria": [{"id": c.id, "severity": c.severity, "reason": c.reason} for c in pack.criteria],
        "teams": list(pack.teams),
    }
