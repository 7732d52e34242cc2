"""Orders and disputes of foreign systems read into ours: lenient about names and shapes, never guessing a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias, cast

from agent.case import Charge, Dispute, Fulfilment, Json, Order, OrderItem, Refund, Return
from agent.money import Money
from agent.numbers import currency_of, parse_number

_Path: TypeAlias = str
"""Keys separated by dots, e.g. `shipping.address`."""

_WRAPPERS: Final = ("order", "data", "object", "dispute", "payload")
_CURRENCY: Final = (
    "currency", "currency_code", "currencyCode", "presentment_currency", "total.currency", "total.currency_code",
    "total_price_set.shop_money.currency_code", "amount.currency", "amount.currency_code",
)  # fmt: skip
_LIMIT: Final = 200
"""Items of a list that are read; `raw` keeps all."""


def read_order(source: Json) -> Order:
    """An order of any shape: our own, a Shopify order, a tau-bench order. `raw` is the source's own object."""
    o = _unwrapped(source, ("order", "data", "object"))
    currency = _currency(o)
    parcels = [
        p
        for f in _rows(o, "fulfilments", "fulfillments", "shipments", "parcels", "deliveries", "shipping")
        for p in _parcels(f)
    ]
    bare = _parcels(o) if not parcels and _first(o, *_TRACKING) is not None else ()
    payments = _rows(o, "payment_history", "payments", "transactions", "charges", "captures")
    refunds = [r for row in _rows(o, "refunds") for r in _refunds(row, currency)]
    refunds += [
        Refund(money, _text(row, "status", "state"), _time(row, *_AT))
        for row in payments
        if _is_refund(row) and (money := _money(row, currency, *_AMOUNT))
    ]
    return Order(
        id=_text(o, "order_id", "orderId", "order_number", "orderNumber", "name", "number", "increment_id", "id", "ref", "reference"),
        status=_status(o),
        placed_at=_time(o, "placed_at", "placedAt", "ordered_at", "order_date", "orderDate", "created_at", "createdAt", "processed_at", "date", "created"),
        total=_money(o, currency, "total", "total_price", "totalPrice", "current_total_price", "grand_total", "amount_total", "amount", "total_amount", "order_total"),
        items=tuple(_item(i, currency) for i in _rows(o, "items", "line_items", "lineItems", "lines", "products", "positions")),
        fulfilments=(*parcels, *bare),
        refunds=tuple(refunds),
        charges=tuple(
            Charge(money, _time(row, *_AT), _text(row, "status", "state"))
            for row in payments
            if not _is_refund(row) and (money := _money(row, currency, *_AMOUNT))
        ),
        returns=tuple(
            Return(
                _text(r, "status", "state"),
                _time(r, "opened_at", "requested_at", "created_at", "createdAt", "date"),
                _time(r, "received_at", "receivedAt", "arrived_at"),
                _text(r, "reason", "return_reason", "note"),
            )
            for r in _rows(o, "returns", "return", "rmas")
        ),
        customer_name=_person(o),
        customer_email=_text(o, "customer_email", "email", "customer.email", "contact_email", "billing.email", "buyer.email", "buyer_email"),
        raw=source,
    )  # fmt: skip


def read_dispute(source: Json) -> Dispute:
    """A bank dispute of any shape: our own, Stripe (minor units, epoch seconds), Shopify."""
    d = _unwrapped(source, ("dispute", "data", "object"))
    stripe = d.get("object") == "dispute" or "evidence_details" in d
    money = _money(d, _currency(d), "money", "amount", "disputed_amount", "dispute_amount")
    if money and stripe:
        money = Money(money.amount / (1 if money.currency in {"JPY", "KRW", "HUF"} else 100), money.currency)
    return Dispute(
        id=_text(d, "id", "dispute_id", "case_id", "reference", "ref"),
        status=_text(d, "status", "state"),
        reason=_text(d, "reason", "reason_code", "network_reason_code", "category", "type"),
        money=money,
        evidence_due_by=_time(
            d,
            "evidence_due_by",
            "evidence_details.due_by",
            "evidence_due_at",
            "due_by",
            "due_at",
            "respond_by",
            "deadline",
            "due",
        ),
        raw=source,
    )


_AT: Final = ("at", "created_at", "createdAt", "processed_at", "date", "created", "timestamp")
_AMOUNT: Final = ("money", "amount", "value", "total", "price")
_TRACKING: Final = (
    "tracking", "tracking_number", "trackingNumber", "tracking_numbers", "tracking_id", "tracking_ids", "tracking_no",
    "tracking_info.number", "waybill",
)  # fmt: skip


def _item(row: Json, currency: str) -> OrderItem:
    price = _money(row, currency, "price", "unit_price", "unitPrice", "amount", "price_set.shop_money", "total")
    options = row.get("options")
    name = _text(row, "name", "title", "product_name", "description", "product.name", "product.title")
    if isinstance(options, Mapping) and options:
        named = ", ".join(f"{k} {v}" for k, v in list(cast(Json, options).items())[:8])
        name = f"{name} ({named})"
    quantity = _first(row, "quantity", "qty", "count")
    number = quantity if isinstance(quantity, int) else parse_number(str(quantity)) if quantity is not None else None
    return OrderItem(
        sku=_text(row, "sku", "SKU", "item_id", "variant_sku", "article_number", "product_id", "variant_id", "id"),
        name=name,
        quantity=int(number) if number is not None and abs(number) < 10**6 else 1,
        price=price,
    )


def _parcels(row: Json) -> tuple[Fulfilment, ...]:
    """One entry for each tracking number of a fulfilment, or one without."""
    numbers = _first(row, *_TRACKING)
    if isinstance(numbers, Mapping):
        numbers = _text(cast(Json, numbers), "number", "id", "tracking_number")
    many = cast(Sequence[Any], numbers) if isinstance(numbers, (list, tuple)) else [numbers]
    codes = [s for s in (_as_text(n) for n in many[:_LIMIT]) if s] or [""]
    return tuple(
        Fulfilment(
            carrier=_text(
                row,
                "carrier",
                "tracking_company",
                "trackingCompany",
                "carrier_name",
                "shipping_carrier",
                "tracking_info.company",
            ),
            tracking=code,
            status=_text(row, "shipment_status", "delivery_status", "status", "state"),
            dispatched_at=_time(row, "dispatched_at", "shipped_at", "shippedAt", "sent_at", "created_at", "createdAt"),
            estimated_at=_time(
                row, "estimated_at", "estimated_delivery", "estimated_delivery_at", "eta", "expected_at"
            ),
            delivered_at=_time(row, "delivered_at", "deliveredAt", "delivered_on"),
            note=_text(row, "note", "notes", "last_event", "message", "delivery_note"),
        )
        for code in codes
    )


def _refunds(row: Json, currency: str) -> Iterator[Refund]:
    """A refund with its own amount, or as Shopify writes it: one for each of its transactions."""
    own = _money(row, currency, *_AMOUNT)
    for r in [row] if own else _rows(row, "transactions", "refund_transactions"):
        if money := _money(r, currency, *_AMOUNT):
            yield Refund(money, _text(r, "status", "state"), _time(r, *_AT) or _time(row, *_AT))


def _is_refund(row: Json) -> bool:
    return "refund" in _text(row, "transaction_type", "kind", "type").lower()


def _status(o: Json) -> str:
    if _first(o, "cancelled_at", "canceled_at"):
        return "cancelled"
    return _text(o, "status", "state", "order_status", "fulfillment_status", "fulfilment_status", "financial_status")


def _person(o: Json) -> str:
    for path in ("customer", "user", "buyer", "shipping_address", "billing_address", "address"):
        value = _at(o, path)
        if isinstance(value, Mapping):
            who = cast(Json, value)
            name = _at(who, "name")
            if isinstance(name, Mapping):
                who, name = cast(Json, name), None
            full = (
                _as_text(name)
                or f"{_text(who, 'first_name', 'firstName')} {_text(who, 'last_name', 'lastName')}".strip()
            )
            if full:
                return full
    return _text(o, "customer_name", "customerName", "buyer_name") or _as_text(_at(o, "customer"))


# --- reading one value ---------------------------------------------------------------------------------------------


def _unwrapped(source: Json, names: Sequence[str]) -> Json:
    """The object itself, when an envelope such as `{"order": {...}}` or Stripe's event holds nothing else of use."""
    inner: Json = source
    for _ in range(3):
        found = next((inner[n] for n in names if isinstance(inner.get(n), Mapping) and "status" not in inner), None)
        if found is None:
            break
        inner = cast(Json, found)
    return inner


def _at(source: Json, path: _Path) -> Any:
    value: Any = source
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = cast(Json, value).get(key)
    return value


def _first(source: Json, *paths: _Path) -> Any:
    """The first value that is there and says something."""
    return next((v for p in paths if (v := _at(source, p)) not in (None, "", [], {})), None)


def _as_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return str(value).strip()[:2000]


def _text(source: Json, *paths: _Path) -> str:
    return next((s for p in paths if (s := _as_text(_at(source, p)))), "")


def _rows(source: Json, *paths: _Path) -> list[Json]:
    """The first list (or single object) under one of the names, as objects; a plain string counts as a name."""
    value = _first(source, *paths)
    many = cast(Sequence[Any], value) if isinstance(value, (list, tuple)) else [value]
    rows: list[Json] = []
    for row in many[:_LIMIT]:
        if isinstance(row, Mapping):
            rows.append(cast(Json, row))
        elif isinstance(row, str):
            rows.append({"name": row})
    return rows


def _currency(source: Json) -> str:
    return currency_of(_text(source, *_CURRENCY))


def _money(source: Json, currency: str, *paths: _Path) -> Money | None:
    """The first amount under one of the names: a number, a text, or an object with its own currency."""
    own = currency_of(_text(source, "currency", "currency_code", "currencyCode")) or currency
    for path in paths:
        value = _at(source, path)
        if isinstance(value, Mapping):
            inner = cast(Json, value)
            if money := _money(inner, own, "amount", "value", "shop_money"):
                return money
        elif (number := _decimal(value)) is not None:
            return Money(number, own or _written_currency(value))
    return None


def _written_currency(value: Any) -> str:
    """The currency inside a written price such as "€ 12,50"."""
    return currency_of(str(value).strip(" \u00a0.,-0123456789'")) if isinstance(value, str) else ""


def _decimal(value: Any) -> Decimal | None:
    """A finite amount below a million millions, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        written = str(value).strip()
        number = parse_number(written.strip(" \u00a0€£$¥ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") or "x")
    return number if number is not None and number.is_finite() and abs(number) < 10**12 else None


def _time(source: Json, *paths: _Path) -> datetime | None:
    return next((t for p in paths if (t := read_time(_at(source, p)))), None)


def read_time(value: Any) -> datetime | None:
    """An instant written as RFC 3339, as a plain date (midnight UTC) or as epoch seconds; None for anything else."""
    try:
        if isinstance(value, bool):
            return None
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC) if 10**8 < value < 10**11 else None
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
