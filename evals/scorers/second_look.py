"""A second look at figures and addresses, by plain comparison with the records and without the fact ledger.

The guard and the `facts` scorer share the ledger, so what the ledger cannot see neither would find. This look shares no
code with it: it knows less, but it is blind to other things.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Final

from evals.answer import Answer

_ADDRESS: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_LINK: Final = re.compile(r"(?:https?://|www\.)[^\s<>()]+")
_TOKEN: Final = re.compile(r"[^\s()\[\]\"“”„«»,;]*\d[^\s()\[\]\"“”„«»;]*")
_MONEY: Final = re.compile(r"(?<![\d.,])(\d{1,3}(?:[.,'’ \u00a0\u202f]\d{3})*|\d+)[.,](\d\d)(?![\d.,]*\d)")
_TIME: Final = re.compile(r"\d{1,2}[:h.]\d\d(?: ?(?:uhr|h|am|pm))?", re.IGNORECASE)
_SHORT: Final = 4
"""Fewer figures than these are a count, a day or an hour; the ledger reads those."""
_EMERGENCY: Final = frozenset({"116117", "116123", "116111", "8001110111", "8001110222", "8001110333"})


def personal(a: Answer) -> list[str]:
    """Mail addresses, links and long numbers of the draft that no record has."""
    text = _text(a)
    known, digits = records(a).lower(), _digits(records(a))
    found = [m[0].rstrip(".") for p in (_ADDRESS, _LINK) for m in p.finditer(text)]
    strange = [word for word in found if word.lower() not in known]
    for number in _numbers(text):
        figures = re.sub(r"\D", "", number).lstrip("0")
        if len(figures) >= _SHORT and figures not in _EMERGENCY and not any(figures in run for run in digits):
            strange.append(number)
    return strange


def sums(a: Answer) -> list[str]:
    """Amounts with cents that no record has and that are no sum or difference of two that one has."""
    held = {_value(m) for m in _MONEY.finditer(records(a))} | _plain(records(a))
    derived = {x for p, q in itertools.product(held, held) for x in (p + q, abs(p - q))} if len(held) < _MANY else held
    return [m[0] for m in _MONEY.finditer(_text(a)) if _value(m) not in held | derived]


_MANY: Final = 60
"""With more amounts than these nearly anything would be a sum of two."""


def _text(a: Answer) -> str:
    return f"{a.draft.subject}\n{a.draft.body}" if a.draft else ""


def _numbers(text: str) -> Iterator[str]:
    """Tokens with figures that are no amount, time or calendar day."""
    bare = _ADDRESS.sub(" ", _LINK.sub(" ", text))
    for m in _TOKEN.finditer(_MONEY.sub(" ", bare)):
        token = m[0].strip(".,:!?'’")
        if not _TIME.fullmatch(token) and not re.fullmatch(
            r"(?:19|20)\d\d|\d{1,2}[./-]\d{1,2}[./-](?:\d\d)?\d\d", token
        ):
            yield token


def records(a: Answer) -> str:
    """All that the desk may know of this case, as one text."""
    seen, store = a.evidence, a.grounds.pack.store
    language = a.draft.language if a.draft else ""
    return "\n".join(
        (
            json.dumps(a.case.payload, ensure_ascii=False),
            *(f"{m.subject}\n{m.text}" for m in seen.messages),
            *(line.text.get(language, line.text["en"]) for line in a.grounds.pack.policy.values()),
            *(slot.text for slot in seen.clock.values()),
            *(p.name for p in a.grounds.pack.products),
            store.name, store.legal_name, store.support_email, *store.hosts, *store.contacts.values(), seen.case_id,
        )
    )  # fmt: skip


@lru_cache(maxsize=64)
def _digits(text: str) -> frozenset[str]:
    """Every token with figures, and every longer run of figures with blanks between, without what parts them."""
    tokens = (m[0] for m in re.finditer(r"\S*\d\S*|\d[\d ]{6,}\d", text))
    return frozenset(run for token in tokens if (run := re.sub(r"\D", "", token)))


def _value(m: re.Match[str]) -> Decimal:
    whole = re.sub(r"\D", "", m[1])
    return Decimal(f"{whole}.{m[2]}")


@lru_cache(maxsize=64)
def _plain(text: str) -> frozenset[Decimal]:
    """Whole amounts such as `EUR 40` or `"total": 40`."""
    return frozenset(Decimal(m[0]) for m in re.finditer(r"(?<![\w.,-])\d{1,5}(?![\w.,-]*\d)", text))
