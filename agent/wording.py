"""Dates, money and states as a reader of each language expects them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from agent.entities.calendar_words import MONTHS, WEEKDAYS
from agent.money import Money

_DEFAULT: Final = "en"
_CAPITALS: Final = frozenset({"en", "de"})
"""Languages that write days and months with a capital."""
_DAY: Final = {
    "en": "{day} {month}", "de": "{day}. {month}", "fr": "{day} {month}", "es": "{day} de {month}",
    "it": "{day} {month}", "nl": "{day} {month}", "pt": "{day} de {month}",
}  # fmt: skip
_YEAR: Final = {"es": " de {year}", "pt": " de {year}"}
_FIRST: Final = {"fr": "1er", "it": "1º"}
"""How the first of a month is written, where it is not a plain 1."""
_INSTANT: Final = {
    "en": "{weekday} {day}, {at:%H:%M}", "de": "{weekday}, {day}, {at:%H:%M} Uhr", "fr": "{weekday} {day}, {at:%H}h{at:%M}",
    "es": "{weekday} {day}, {at:%H:%M}", "it": "{weekday} {day}, {at:%H:%M}", "nl": "{weekday} {day}, {at:%H:%M} uur",
    "pt": "{weekday}, {day}, {at:%H:%M}",
}  # fmt: skip
_SEPARATORS: Final = {"en": ",.", "fr": " ,"}
"""Of thousands and of decimals; a point and a comma elsewhere."""
_SYMBOL_LEADS: Final = {"en": "{symbol}{figure}", "nl": "{symbol} {figure}"}
_SYMBOLS: Final = {"GBP": "£", "EUR": "€", "USD": "$"}


def _known(language: str) -> str:
    return language if language in _DAY else _DEFAULT


def _name(words: Mapping[str, str], number: int, language: str) -> str:
    word = words[language].split()[number]
    return word.capitalize() if language in _CAPITALS else word


def _month_day(on: date, language: str) -> str:
    day = _FIRST.get(language, "1") if on.day == 1 else str(on.day)
    return _DAY[language].format(day=day, month=_name(MONTHS, on.month - 1, language))


def day(on: date, language: str) -> str:
    """`14 November 2026`, `14. November 2026`, `14 de noviembre de 2026`."""
    language = _known(language)
    return _month_day(on, language) + _YEAR.get(language, " {year}").format(year=on.year)


def instant(at: datetime, language: str, zone: str) -> str:
    """`Tuesday 24 November, 15:00`, `Dienstag, 24. November, 15:00 Uhr`, in the store's zone."""
    language, local = _known(language), at.astimezone(ZoneInfo(zone))
    weekday = _name(WEEKDAYS, local.weekday(), language)
    return _INSTANT[language].format(weekday=weekday, day=_month_day(local, language), at=local)


def money(value: Money | None, language: str) -> str:
    """`£1,299.50`, `1.299,50 €`; the amount alone when the currency is unknown, "" for None."""
    if value is None:
        return ""
    language = _known(language)
    figure = f"{value.amount:,.2f}".translate(str.maketrans(",.", _SEPARATORS.get(language, ".,")))
    symbol = _SYMBOLS.get(value.currency, value.currency)
    leads = _SYMBOL_LEADS.get(language) if len(symbol) == 1 else None
    return (leads or "{figure} {symbol}").format(symbol=symbol, figure=figure).strip()


def state(status: str, states: Mapping[str, str]) -> str:
    """A status word of another system as `states` says it; unknown ones stay as they are."""
    plain = status.replace("_", " ").strip()
    return states.get(plain.lower(), plain)
