"""How much care a draft asks for: what it gives away, who may let that go out, and what has to be read before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias, cast

from agent.money import Money
from agent.orders import read_dispute, read_order
from agent.pack import Pack, Role
from agent.ports import OrderBook
from agent.promises import Commitment

Json: TypeAlias = Mapping[str, Any]

GOODWILL: Final = frozenset({"goodwill", "credit", "discount", "compensation", "exception", "voucher"})
"""Actions that the limit for goodwill holds for; the limit for remedies holds for all others."""
UNSURE: Final = frozenset({"unsupported", "contradicted"})
THREAD: Final = "thread"
"""What is to be opened of a draft of the highest severity that states no fact."""


@dataclass(frozen=True, slots=True)
class Gift:
    """Money that a draft gives or proposes."""

    action: str
    money: Money
    start: int = 0
    end: int = 0
    """Where in the text; both 0 for a proposed action."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One thing that has to be opened before a draft is approved."""

    id: str
    """`fact-3`, `action-1` or `thread`."""
    text: str
    why: str


def gifts(body: Json, commitments: Sequence[Commitment]) -> tuple[Gift, ...]:
    """What a draft gives away, in its words and in the actions that it proposes."""
    said = [Gift(c.action, c.amount, c.start, c.end) for c in commitments if c.remedy and c.amount]
    actions = [(str(a.get("kind") or ""), amount(a.get("money"))) for a in rows(body, "proposed_actions")]
    return (*said, *(Gift(kind, money) for kind, money in actions if money is not None))


def covers(role: Role, given: Collection[Gift]) -> bool:
    """Whether a role may decide on all that is given."""
    limits = ((role.goodwill_up_to if g.action in GOODWILL else role.remedy_up_to, g.money.amount) for g in given)
    return all(limit is None or worth <= limit for limit, worth in limits)


def needs_two(pack: Pack, given: Collection[Gift]) -> bool:
    """Whether so much is given that two people have to agree."""
    return any(g.money.amount > pack.authority.second_person_above for g in given)


def to_open(pack: Pack, severity: str, proposal: Json, body: Json, given: Sequence[Gift]) -> tuple[Opening, ...]:
    """What has to be opened before an approval: facts without a source, money that is given, and in a case of the highest
    severity every fact.
    """
    highest = severity == pack.severity_order[0]
    found: list[Opening] = []
    for number, fact in enumerate(shown_facts(proposal, body), start=1):
        state, text = str(fact.get("state") or ""), str(fact.get("text") or fact.get("value") or "")
        inside = any(g.end and g.start <= int(fact["start"]) < g.end for g in given)
        money = fact.get("kind") == "amount" and inside
        why = f"it is {state}" if state in UNSURE else "it is money that the draft gives" if money else ""
        if why or highest:
            found.append(Opening(f"fact-{number}", text, why or f"the case is {severity}"))
    for number, action in enumerate(rows(body, "proposed_actions"), start=1):
        if (money := amount(action.get("money"))) is not None:
            text = f"{str(action.get('kind') or '').replace('_', ' ')} {money.amount:,.2f} {money.currency}".strip()
            found.append(Opening(f"action-{number}", text, "it proposes money"))
    return tuple(found) or ((Opening(THREAD, "the thread", f"the case is {severity}"),) if highest else ())


def green(pack: Pack, severity: str, proposal: Json, openings: Collection[Opening]) -> bool:
    """Whether one key is enough to approve: nothing to open, nothing found, and one of the two lowest severities."""
    guard: Json = proposal.get("guard") or {}
    low = severity in pack.severity_order[-2:]
    return low and not openings and guard.get("verdict") == "clear" and not proposal.get("human_lead")


def failed(proposal: Json) -> int:
    """Checks that a draft fails: findings, and facts without a source."""
    guard: Json = proposal.get("guard") or {}
    return len(rows(guard, "findings")) + sum(f.get("state") in UNSURE for f in rows(guard, "facts"))


def at_stake(pack: Pack, payload: Json, proposal: Json, orders: OrderBook) -> tuple[Money | None, bool]:
    """The money that a case is about, and whether it is much: over the store's high-value line, or under a dispute."""
    context: Json = payload.get("context") or {}
    entities: Json = proposal.get("entities") or {}
    order = read_order(context["order"]) if context.get("order") else None
    dispute = read_dispute(context["dispute"]) if context.get("dispute") else None
    named = [str(payload.get("order_ref") or ""), *(str(e.get("value") or "") for e in rows(entities, "order_ids"))]
    for order_id in filter(None, named):
        order = order or orders.order(order_id)
        dispute = dispute or orders.dispute(order_id)
    texts = [amount({"amount": e.get("value"), "currency": e.get("currency")}) for e in rows(entities, "amounts")]
    known = (dispute.money if dispute else None) or (order.total if order else None)
    money = known or max((m for m in texts if m), key=lambda m: m.amount, default=None)
    if money is None:
        return None, dispute is not None
    lines = pack.store.high_value
    line = lines.get(money.currency or pack.store.default_currency) or max(lines.values(), default=Decimal(0))
    return money, dispute is not None or money.amount > line


def shown_facts(proposal: Json, body: Json) -> list[Json]:
    """The facts of a draft that have a place in its text, in the order of their numbers."""
    length = len(str(body.get("body") or ""))
    guard: Json = proposal.get("guard") or {}
    return [f for f in rows(guard, "facts") if 0 <= int(f.get("start", 0)) < int(f.get("end", 0)) <= length]


def amount(value: object) -> Money | None:
    """Money as the wire writes it; None when it is none."""
    if not isinstance(value, Mapping):
        return None
    given = cast("Json", value)
    try:
        return Money(Decimal(str(given.get("amount"))), str(given.get("currency") or ""))
    except InvalidOperation:
        return None


def rows(source: Json, name: str) -> Sequence[Json]:
    """The objects in a list of a proposal; none when it is missing."""
    return cast("Sequence[Json]", source.get(name) or ())
