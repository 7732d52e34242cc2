from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from agent.money import Money
from agent.orders import read_dispute, read_order, read_time

SHOPIFY = {
    "order": {
        "id": 450789469, "name": "#1001", "currency": "USD", "total_price": "409.94", "email": "bob@post.example",
        "created_at": "2026-01-10T11:00:00-05:00", "financial_status": "partially_refunded", "fulfillment_status": None,
        "customer": {"first_name": "Bob", "last_name": "Norman"},
        "line_items": [{"sku": "IPOD-342", "title": "Player", "quantity": 2, "price": "199.00"}],
        "fulfillments": [{"tracking_company": "UPS", "tracking_numbers": ["1Z1", "1Z2"], "shipment_status": "in_transit"}],
        "refunds": [{"created_at": "2026-02-01T00:00:00Z", "transactions": [{"kind": "refund", "amount": "209.00", "status": "success"}]}],
    }
}  # fmt: skip
TAU = {
    "order_id": "#W2611340", "user_id": "james_li_5688", "status": "processed",
    "items": [{"name": "Water Bottle", "product_id": "8310926033", "item_id": "6469567736", "price": 47.84, "options": {"color": "blue"}}],
    "fulfillments": [{"tracking_id": ["357962501027"], "item_ids": ["6469567736"]}],
    "payment_history": [{"transaction_type": "payment", "amount": 536.65}, {"transaction_type": "refund", "amount": 47.84}],
}  # fmt: skip
OURS = {
    "id": "FH-104233", "status": "delivered", "total": {"amount": "69.00", "currency": "GBP"}, "placed_at": "2026-11-01",
    "items": [{"sku": "KTL-330", "name": "Quay electric kettle", "quantity": 1, "price": {"amount": "69.00", "currency": "GBP"}}],
    "fulfilments": [{"carrier": "DPD", "tracking": "15501234567890", "delivered_at": "2026-11-09T10:00:00Z"}],
    "returns": [{"status": "requested", "reason": "leaks"}], "customer": {"name": "Rosa Lindholm"},
}  # fmt: skip


def test_a_shopify_order_is_read() -> None:
    order = read_order(SHOPIFY)
    assert (order.id, order.status, order.customer_name) == ("#1001", "partially_refunded", "Bob Norman")
    assert order.total == Money(Decimal("409.94"), "USD")
    assert order.placed_at == datetime(2026, 1, 10, 16, tzinfo=UTC)
    assert [(f.carrier, f.tracking) for f in order.fulfilments] == [("UPS", "1Z1"), ("UPS", "1Z2")]
    assert [r.money for r in order.refunds] == [Money(Decimal(209), "USD")]
    assert order.raw is SHOPIFY


def test_a_tau_bench_order_is_read_without_inventing_a_currency() -> None:
    order = read_order(TAU)
    assert (order.id, order.fulfilments[0].tracking) == ("#W2611340", "357962501027")
    assert [c.money for c in order.charges] == [Money(Decimal("536.65"), "")]
    assert [r.money for r in order.refunds] == [Money(Decimal("47.84"), "")]
    assert (order.items[0].name, order.items[0].sku) == ("Water Bottle (color blue)", "6469567736")
    assert order.total is None


def test_an_order_in_our_own_shape_is_read() -> None:
    order = read_order(OURS)
    assert order.items[0].price == Money(Decimal(69), "GBP")
    assert order.fulfilments[0].delivered_at == datetime(2026, 11, 9, 10, tzinfo=UTC)
    assert (order.returns[0].status, order.customer_name) == ("requested", "Rosa Lindholm")


@pytest.mark.parametrize(
    "odd",
    [
        {}, {"items": None}, {"items": "lamp"}, {"items": [1, None, "lamp"]}, {"total": float("nan")}, {"total": "1e999"},
        {"total": 10**40}, {"fulfillments": {"tracking_id": None}}, {"refunds": [[]]}, {"customer": 7}, {"created_at": 1e300},
        {"created_at": "soon"}, {"order": {"order": {"order": {}}}}, {"quantity": {}}, {"items": [{"quantity": "many"}]}, {"id": True},
    ],
)  # fmt: skip
def test_an_odd_shape_gives_empty_fields_and_no_error(odd: dict[str, object]) -> None:
    assert read_order(odd).raw is odd
    assert read_dispute(odd).raw is odd


def test_a_written_price_brings_its_own_currency() -> None:
    assert read_order({"total": "€ 1.299,50"}).total == Money(Decimal("1299.50"), "EUR")


def test_a_stripe_dispute_counts_in_cents_and_epoch_seconds() -> None:
    dispute = read_dispute(
        {"id": "dp_1", "object": "dispute", "amount": 8500, "currency": "usd", "reason": "fraudulent", "status": "needs_response",
         "evidence_details": {"due_by": 1795046399}}
    )  # fmt: skip
    assert dispute.money == Money(Decimal(85), "USD")
    assert dispute.evidence_due_by == datetime(2026, 11, 18, 23, 59, 59, tzinfo=UTC)


def test_a_plain_dispute_counts_in_whole_units() -> None:
    dispute = read_dispute(
        {"id": "7K", "amount": "164.00", "currency": "GBP", "evidence_due_by": "2026-11-20T12:00:00Z"}
    )
    assert dispute.money == Money(Decimal(164), "GBP")


def test_an_instant_without_zone_is_utc() -> None:
    assert read_time("2026-11-11T09:30:00") == datetime(2026, 11, 11, 9, 30, tzinfo=UTC)
    assert read_time("11 Nov") is None
