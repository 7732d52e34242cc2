"""What the language models may cost in one day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from api.clock import Clock


class Budget:
    """Money spent since midnight UTC by this process; beyond the limit the embedded engine writes."""

    def __init__(self, limit_usd: Decimal, clock: Clock) -> None:
        self._limit, self._clock = limit_usd, clock
        self._day = date.min
        self._spent = Decimal(0)

    def add(self, proposal: Mapping[str, Any]) -> None:
        """Count what a proposal cost; an unknown price counts as nothing."""
        usage: Mapping[str, Any] = proposal.get("usage") or {}
        today = self._clock.now().date()
        if today != self._day:
            self._day, self._spent = today, Decimal(0)
        self._spent += Decimal(str(usage.get("cost_usd") or 0))

    def spent_up(self) -> str:
        """Why no language model may be asked any more today; "" when it may."""
        if self._clock.now().date() == self._day and self._spent >= self._limit:
            return f"the day's budget of {self._limit} USD is used up"
        return ""
