"""What the agent asks of the floors above it."""

from __future__ import annotations

from typing import Protocol

from agent.case import Dispute, Order


class OrderBook(Protocol):
    """Where orders and disputes are looked up by id; who may see them is decided by the caller's verified customer."""

    def order(self, order_id: str) -> Order | None:
        """The order with this id, however it was written; None when there is none."""
        ...

    def dispute(self, order_id: str) -> Dispute | None:
        """The bank dispute on this order, if any."""
        ...


class NoOrders:
    """An order book for a store that gives none."""

    def order(self, order_id: str) -> Order | None:
        """None."""
        return None

    def dispute(self, order_id: str) -> Dispute | None:
        """None."""
        return None
