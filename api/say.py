"""Values in words, as people at the store read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from agent.money import Money

_CONFIDENCE: Final = ((0.9, "very likely"), (0.75, "likely"), (0.5, "uncertain"), (0.0, "a guess"))


def words(name: object) -> str:
    """An id as words: `not_received_or_late` is "not received or late"."""
    return str(name or "").replace("_", " ")


def confidence(value: object) -> str:
    """A probability in words with its figure, e.g. "likely (82 %)"; "" when there is none."""
    if not isinstance(value, (int, float)):
        return ""
    return next(f"{word} ({value:.0%})" for least, word in _CONFIDENCE if value >= least or least == 0.0)


def local(at: datetime | None, zone: str, now: datetime) -> str:
    """An instant as a person at the store reads it, e.g. "Tue 24 Nov, 17:00 GMT"."""
    if at is None:
        return "no clock"
    here = at.astimezone(ZoneInfo(zone))
    year = f" {here.year}" if here.year != now.astimezone(ZoneInfo(zone)).year else ""
    return f"{here:%a} {here.day} {here:%b}{year}, {here:%H:%M} {here:%Z}"


def away(at: datetime | None, now: datetime) -> str:
    """How far an instant is, e.g. "in 3 h" or "2 d over"."""
    if at is None:
        return ""
    gap = abs(at - now)
    size = (
        f"{gap.days} d"
        if gap >= timedelta(days=2)
        else f"{gap // timedelta(hours=1)} h"
        if gap >= timedelta(hours=2)
        else ""
    )
    size = size or f"{gap // timedelta(minutes=1)} min"
    return f"in {size}" if at >= now else f"{size} over"


def money(value: Money | Mapping[str, Any] | None) -> str:
    """An amount with its currency, e.g. "11.50 EUR"; "" for none."""
    if value is None:
        return ""
    if isinstance(value, Money):
        return f"{value.amount:,.2f} {value.currency}".strip()
    try:
        return f"{Decimal(str(value.get('amount'))):,.2f} {value.get('currency') or ''}".strip()
    except InvalidOperation:
        return ""


def sentences(*parts: str) -> str:
    """Parts as sentences, each with its full stop; empty ones are left out."""
    return " ".join(
        part if part.endswith((".", "!", "?", "…")) else f"{part}." for part in map(str.strip, parts) if part
    )
