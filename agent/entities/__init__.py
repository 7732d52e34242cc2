"""Entities of a case, read without a model: what is named in each message, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from agent.case import Customer, Entities, Entity, Message, Span
from agent.entities.contact import addresses, mail_and_web, phones
from agent.entities.dates import dates
from agent.entities.ids import bare_orders, cards, id_format, order_key, orders, parcels, shaped_parcels
from agent.entities.lots import lot_key, lots
from agent.entities.people import people
from agent.entities.products import catalogue, products
from agent.entities.scan import Scan
from agent.numbers import find_amounts

__all__ = ["extract", "lot_key", "order_key"]

_NOBODY: Final = Customer()


def extract(
    messages: Sequence[Message],
    *,
    store_products: Sequence[tuple[str, str]] = (),
    order_id_format: str = "",
    default_region: str = "GB",
    language: str = "en",
    customer: Customer = _NOBODY,
    store_names: Sequence[str] = (),
) -> Entities:
    """Entities of all messages in reading order; what a subject line names has the empty span at 0 of its message.

    Args:
        messages: the thread; relative days are resolved against each message's own date.
        store_products: (sku, name) of the store's catalogue.
        order_id_format: the store's own style, `FH-######`, one `#` for each digit; "" takes ids as written.
        default_region: ISO country of the store, for telephone numbers and dates of English texts.
        language: language of the case, for dates, crowns and telephone numbers.
        customer: the customer's record; its name is found wherever it stands.
        store_names: the store's own names, which are never a person's.

    """
    shop = catalogue(tuple(store_products))
    style = id_format(order_id_format)
    own = frozenset(w.lower() for name in store_names for w in name.split())
    nobody = shop.words | own

    def read(text: str, number: int, day: date) -> Scan:
        scan = Scan(text, number, language)
        if not text:
            return scan
        digits = any(map(str.isdigit, text))
        mail_and_web(scan)
        if digits:
            shaped_parcels(scan)
            lots(scan)
            orders(scan, style)
            parcels(scan)
            cards(scan)
            addresses(scan)
        for a in find_amounts(text, language):
            scan.add("amount", f"{a.value:.2f}", a.start, a.end, a.currency)
        dates(scan, day, month_first=_month_first(text, default_region, language))
        if digits:
            phones(scan, default_region)
        people(scan, customer.name, nobody)
        products(scan, shop, own)
        return scan

    subjects = [read(m.subject, i, m.at.date()) for i, m in enumerate(messages)]
    texts = [read(m.text, i, m.at.date()) for i, m in enumerate(messages)]
    if not any(scan.has("order_id") for scan in (*subjects, *texts)):
        for message, *scans in zip(messages, subjects, texts, strict=True):
            for scan in scans if message.author == "customer" else ():
                bare_orders(scan, style)
    every: list[Entity] = []
    for i, (subject, text) in enumerate(zip(subjects, texts, strict=True)):
        every += [replace(e, span=Span(i, 0, 0)) for e in _in_order(subject)]
        every += _in_order(text)
    return Entities(tuple(every))


def _in_order(scan: Scan) -> list[Entity]:
    return sorted(scan.found, key=lambda e: (e.span.start, e.span.end))


def _month_first(text: str, region: str, language: str) -> bool:
    """Whether 3/11 is the 11th of March: in the United States, or where only dollars are spoken of in English."""
    if language != "en":
        return False
    return region == "US" or ("$" in text and not any(sign in text for sign in "£€"))
