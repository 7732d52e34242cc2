"""Money as a decimal amount with its ISO 4217 currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in one currency; amounts of two currencies never compare equal."""

    amount: Decimal
    currency: str
    """ISO 4217 code, or "" when the text names none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", self.amount.quantize(CENT))

    def as_dict(self) -> dict[str, str]:
        """The wire form: `{"amount": "11.50", "currency": "EUR"}`."""
        return {"amount": str(self.amount), "currency": self.currency}
