"""Dates and money as a reader of each language expects them."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from agent.money import Money

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
}
_DAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
}
_SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$"}


def _words(table: dict[str, str], language: str) -> list[str]:
    return table.get(language, table["en"]).split()


def day(on: date, language: str) -> str:
    """`14 November 2026`, `14. November 2026`."""
    month = _words(_MONTHS, language)[on.month - 1]
    return f"{on.day}. {month} {on.year}" if language == "de" else f"{on.day} {month} {on.year}"


def instant(at: datetime, language: str, zone: str) -> str:
    """`Tuesday 24 November, 15:00`, `Dienstag, 24. November, 15:00 Uhr`, in the store's zone."""
    local = at.astimezone(ZoneInfo(zone))
    weekday, month = _words(_DAYS, language)[local.weekday()], _words(_MONTHS, language)[local.month - 1]
    if language == "de":
        return f"{weekday}, {local.day}. {month}, {local:%H:%M} Uhr"
    return f"{weekday} {local.day} {month}, {local:%H:%M}"


def money(value: Money | None, language: str) -> str:
    """`£1,299.50`, `1.299,50 €`; the amount alone when the currency is unknown, "" for None."""
    if value is None:
        return ""
    figure = f"{value.amount:,.2f}"
    if language == "de":
        figure = figure.translate(str.maketrans(",.", ".,"))
    symbol = _SYMBOLS.get(value.currency, value.currency)
    if language == "de" or len(symbol) > 1:
        return f"{figure} {symbol}".strip()
    return f"{symbol}{figure}"


_STATES = {
    "de": {
        "in transit": "unterwegs", "delivered": "zugestellt", "dispatched": "versandt", "shipped": "versandt", "processing": "in Bearbeitung",
        "processed": "bearbeitet", "pending": "offen", "open": "offen", "requested": "angemeldet", "approved": "genehmigt",
        "received": "eingegangen", "closed": "abgeschlossen", "cancelled": "storniert", "canceled": "storniert", "returned": "zurückgegeben",
        "refunded": "erstattet", "partially refunded": "teilweise erstattet", "failed": "fehlgeschlagen", "succeeded": "ausgeführt",
        "checked in": "geprüft", "inspected": "geprüft", "rejected": "abgelehnt", "paid": "bezahlt", "placed": "aufgegeben",
    }
}  # fmt: skip


def state(status: str, language: str) -> str:
    """A status word of a foreign system as a reader of the language expects it; unknown ones stay as they are."""
    plain = status.replace("_", " ").strip()
    return _STATES.get(language, {}).get(plain.lower(), plain)
