"""What an order holds, and what follows from it by listed rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from agent.case import Order
from agent.facts.ids import ident
from agent.facts.known import Known
from agent.money import Money


def order(k: Known, o: Order, at: str, zone: ZoneInfo) -> None:
    """Takes in an order as read; `at` begins its pointers."""
    k.add("order_id", ident(o.id), f"{at}/id")
    instant(k, o.placed_at, f"{at}/placed_at", zone, "placed")
    money(k, o.total, f"{at}/total", "total")
    k.take(f"{o.status} {o.customer_name}", f"{at}/status")
    for i, item in enumerate(o.items):
        k.take(item.name, f"{at}/items/{i}/name")
        k.add("code", ident(item.sku), f"{at}/items/{i}/sku")
        k.add("number", str(item.quantity), f"{at}/items/{i}/quantity")
        k.add("quantity", f"{item.quantity} item", f"{at}/items/{i}/quantity")
        money(k, item.price, f"{at}/items/{i}/price", "total")
    for i, f in enumerate(o.fulfilments):
        here = f"{at}/fulfilments/{i}"
        k.take(f"{f.carrier} {f.status} {f.note}", here)
        k.add("tracking_number", ident(f.tracking), f"{here}/tracking")
        if f.tracking.isdigit():  # such a number may read like a telephone's
            k.add("phone", f.tracking.lstrip("0"), f"{here}/tracking")
        instant(k, f.dispatched_at, f"{here}/dispatched_at", zone, "dispatched")
        instant(k, f.estimated_at, f"{here}/estimated_at", zone, "expected")
        instant(k, f.delivered_at, f"{here}/delivered_at", zone, "delivered")
    for i, r in enumerate(o.refunds):
        money(k, r.money, f"{at}/refunds/{i}", "refund")
        instant(k, r.at, f"{at}/refunds/{i}/at", zone, "refunded")
    for i, c in enumerate(o.charges):
        money(k, c.money, f"{at}/charges/{i}", "charge")
        instant(k, c.at, f"{at}/charges/{i}/at", zone, "charged")
    for i, r in enumerate(o.returns):
        k.take(f"{r.status} {r.reason}", f"{at}/returns/{i}")
        instant(k, r.opened_at, f"{at}/returns/{i}/opened_at", zone, "opened")
        instant(k, r.received_at, f"{at}/returns/{i}/received_at", zone, "received")
    k.add("quantity", f"{len(o.items)} item", f"{at}/items")
    k.add("quantity", f"{len(o.fulfilments)} parcel", f"{at}/fulfilments")
    k.add("quantity", f"{len(o.charges)} order", f"{at}/charges")


def sums(k: Known, o: Order, now: datetime, zone: ZoneInfo) -> None:
    """The listed rules.

    Line times quantity, sums of lines, charges and refunds, total less refunds, charges less total, days since.
    """
    prices = [i.price for i in o.items if i.price]
    for n, i in enumerate(o.items):
        if i.price and i.quantity > 1:
            _sum(
                k,
                Money(i.price.amount * i.quantity, i.price.currency),
                f"order:/items/{n}",
                f"{i.quantity} x {i.price.amount}",
            )
    _total(k, prices, "order:/items")
    _total(k, [c.money for c in o.charges], "order:/charges")
    back = _total(k, [r.money for r in o.refunds], "order:/refunds")
    if o.total:
        if back and back.currency == o.total.currency:
            _sum(k, _less(o.total, back), "order:/refunds", f"{o.total.amount} - {back.amount}")
        for i, c in enumerate(o.charges):
            if c.money.amount > o.total.amount:
                _sum(k, _less(c.money, o.total), f"order:/charges/{i}", f"{c.money.amount} - {o.total.amount}")
        for i, price in enumerate(prices):
            _sum(k, _less(o.total, price), f"order:/items/{i}", f"{o.total.amount} - {price.amount}")
    today = now.astimezone(zone).date()
    stamps = {
        "/placed_at": o.placed_at,
        **{f"/fulfilments/{i}/dispatched_at": f.dispatched_at for i, f in enumerate(o.fulfilments)},
        **{f"/fulfilments/{i}/delivered_at": f.delivered_at for i, f in enumerate(o.fulfilments)},
        **{f"/fulfilments/{i}/estimated_at": f.estimated_at for i, f in enumerate(o.fulfilments)},
        **{f"/returns/{i}/received_at": r.received_at for i, r in enumerate(o.returns)},
    }
    for path, at in stamps.items():
        if at:
            days = (today - at.astimezone(zone).date()).days
            if days > 0:
                k.derive("duration", f"{days} day", f"order:{path}", f"{today} - {at.astimezone(zone).date()}")
                if days % 7 == 0:
                    k.derive(
                        "duration", f"{days // 7} week", f"order:{path}", f"{today} - {at.astimezone(zone).date()}"
                    )


def policy_days(k: Known, name: str, facts: Mapping[str, int | str], o: Order, zone: ZoneInfo) -> None:
    """Date plus policy days, e.g. the end of the return window."""
    starts = [
        o.placed_at, *(f.delivered_at for f in o.fulfilments), *(f.estimated_at for f in o.fulfilments),
        *(r.received_at for r in o.returns),
    ]  # fmt: skip
    for at in (s.astimezone(zone).date() for s in starts if s):
        for unit, n in ((u, int(v)) for u, v in facts.items() if str(v).isdigit() and int(v) < 4000):
            if unit == "days":
                k.derive("date", (at + timedelta(days=n)).isoformat(), f"policy:{name}", f"{at} + {n} days")
            elif unit == "business_days":
                day, left = at, n
                while left:
                    day += timedelta(days=1)
                    left -= day.weekday() < 5
                k.derive("date", day.isoformat(), f"policy:{name}", f"{at} + {n} business days")
            elif unit == "years" and n < 50:
                k.derive("date", _later(at, n).isoformat(), f"policy:{name}", f"{at} + {n} years")


def _later(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)


def _less(a: Money, b: Money) -> Money:
    return Money(abs(a.amount - b.amount), a.currency)


def _total(k: Known, parts: list[Money], source: str) -> Money | None:
    if not parts or len({p.currency for p in parts}) > 1:
        return None
    whole = Money(sum((p.amount for p in parts), Decimal(0)), parts[0].currency)
    if len(parts) > 1:
        _sum(k, whole, source, " + ".join(str(p.amount) for p in parts))
    return whole


def _sum(k: Known, worth: Money, source: str, note: str) -> None:
    k.derive("amount", f"{worth.amount:.2f} {worth.currency}".strip(), source, f"{note} = {worth.amount}")


def money(k: Known, worth: Money | None, source: str, role: str) -> None:
    """One sum of a record."""
    if worth is not None:
        k.add("amount", f"{worth.amount:.2f} {worth.currency}".strip(), source, role)
        if not worth.currency:  # such a sum can only be written as a bare number
            k.add("number", f"{worth.amount.normalize():f}", source, role)


def instant(k: Known, at: datetime | None, source: str, zone: ZoneInfo, *roles: str) -> None:
    """A day counts as the store's and as UTC's."""
    if at is not None:
        k.add("date", at.astimezone(zone).date().isoformat(), source, *roles)
        k.add("date", at.date().isoformat(), source, *roles)
