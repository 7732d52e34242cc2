"""An order book in a file: one order of any known shape on each line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.case import Dispute, Order
from agent.entities import order_key
from agent.errors import BrokenFile
from agent.orders import read_dispute, read_order


class FileOrders:
    """The orders of a JSONL file, read once; fulfils the agent's `OrderBook`."""

    def __init__(self, path: Path) -> None:
        """Reads `path`.

        Raises:
            BrokenFile: a line is not a JSON object with an id.

        """
        self._rows: dict[str, tuple[Order, Mapping[str, Any] | None]] = {}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                order = read_order(row)
            except (ValueError, AttributeError, TypeError):
                raise BrokenFile(
                    path, number, "not an order as one JSON object", "correct or remove the line"
                ) from None
            if not order.id:
                raise BrokenFile(path, number, "the order has no id", "add `id`")
            self._rows[order_key(order.id)] = order, row.get("dispute")

    def order(self, order_id: str) -> Order | None:
        """The order with this id, however it was written."""
        found = self._rows.get(order_key(order_id))
        return found[0] if found else None

    def dispute(self, order_id: str) -> Dispute | None:
        """The bank dispute on this order."""
        found = self._rows.get(order_key(order_id))
        return read_dispute(found[1]) if found and found[1] else None
