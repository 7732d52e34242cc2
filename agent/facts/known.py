"""The values that the evidence of a case holds, by kind, each with where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Final

from agent.facts.days import WRONG_WEEKDAY
from agent.facts.scan import scan
from agent.facts.text import Text

_DIGITS: Final = re.compile(r"\d+")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d")
IDS: Final = ("order_id", "tracking_number", "code")
ALSO: Final = {
    "order_id": ("order_id", "code"),
    "tracking_number": ("tracking_number", "code"),
    "code": ("code", "order_id", "tracking_number"),
}
"""Kinds whose values may stand for one another, since the words around an id say what it is."""


def _core(kind: str, value: str) -> str:
    """A value without what people leave out: currency, letters of an id, country code."""
    if kind == "amount":
        return value.partition(" ")[0]
    if kind in IDS:
        return re.sub(r"\D", "", value) or value
    return value[-8:] if kind == "phone" else value


@dataclass(slots=True)
class Known:
    """The index: value -> source for each kind. The first source wins; looked-up facts precede the customer's words."""

    values: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    cores: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """The same by the value's core: an amount without its currency, an id without its letters."""
    derived: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict[str, dict[str, tuple[str, str]]])
    """kind -> value -> (source, the sum in words)."""
    roles: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """What a looked-up value is: `delivered`, `refund`, `total` ... -> its values."""
    words: dict[str, str] = field(default_factory=dict[str, str])
    """Folded words of all records and messages -> source."""
    slots: dict[str, str] = field(default_factory=dict[str, str])
    """Folded text of every clock slot -> metric."""
    literals: dict[str, str] = field(default_factory=dict[str, str])
    """Folded names and ids with figures in them -> source; inside them no figure stands for itself."""
    precedents: str = ""
    """Folded texts of the precedents, which are never a source."""
    withheld: frozenset[tuple[str, str]] = frozenset()
    """(kind, value) of the order that this customer must not be told of."""
    said: Text = field(default_factory=lambda: Text(""))
    """All messages as one text."""
    policy_lines: tuple[tuple[str, Text], ...] = ()
    """(id, text) of every policy line."""
    tokens: frozenset[str] = frozenset()
    """Ids, codes and words of the case in upper case without separators."""
    contact_names: tuple[str, ...] = ()
    """Folded names of the people whom a draft may name."""
    item_words: tuple[str, ...] = ()
    """Folded names of the articles concerned, and their last words ("lamp")."""
    prompt_runs: frozenset[str] = frozenset()
    """Runs of folded words that stand in a prompt and nowhere in the case or the policy."""
    policy_text: str = ""
    """Folded text of all policy lines."""

    def add(self, kind: str, value: str, source: str, *roles: str) -> None:
        """Takes in one value of the records."""
        if value:
            self.values.setdefault(kind, {}).setdefault(value, source)
            self.cores.setdefault(kind, {}).setdefault(_core(kind, value), source)
            for role in roles:
                self.roles.setdefault(role, set()).add(value)

    def source(self, kind: str, value: str) -> str:
        """Where a value stands, or ""; an amount without currency and an id without letters match any that has them."""
        for k in ALSO.get(kind, (kind,)):
            values, core = self.values.get(k, {}), _core(k, value)
            if hit := values.get(value) or values.get(core):
                return hit
            if (core == value or kind == "phone") and (hit := self.cores.get(k, {}).get(core)):
                return hit
        if kind == "date":
            return self._calendar(value)
        if kind == "duration" and value.endswith(" week"):
            return self.source(kind, f"{int(float(value[:-5]) * 7)} day")
        return self.source("number", value.split(maxsplit=1)[0]) if kind == "quantity" else ""

    def _calendar(self, value: str) -> str:
        """The source of a bare weekday or month: a known day that falls on it."""
        word, _, number = value.partition(" ")
        if word == "weekday":
            near = (
                d
                for d in self.values.get("date", {})
                if _ISO.fullmatch(d) and date.fromisoformat(d).weekday() == int(number)
            )
        elif word == "month":
            near = (d for d in self.values.get("date", {}) if _ISO.fullmatch(d) and int(d[5:7]) == int(number))
        else:
            near = (d for d in self.values.get("date", {}) if len(value) == 7 and d.startswith(value))
        return next((self.values["date"][d] for d in near if self.values["date"][d] != "clock:now"), "")

    def rule(self, kind: str, value: str) -> tuple[str, str] | None:
        """The listed rule that gives a value, as (source, the sum in words)."""
        sums = self.derived.get(kind, {})
        return sums.get(value) or next(
            (r for v, r in sums.items() if kind == "amount" and _core(kind, v) == value), None
        )

    def derive(self, kind: str, value: str, source: str, note: str) -> None:
        """Takes in one value that a listed rule gives."""
        self.derived.setdefault(kind, {}).setdefault(value, (source, note))

    def read(self, text: str, source: str, today: date, language: str) -> None:
        """Takes in all values and words of a text."""
        for kind, value in _values(text, today, language):
            self.add(kind, value, source)
        self.take(text, source)

    def take(self, text: str, source: str) -> None:
        """Takes in the words and bare figures of a text."""
        words, figures = _pieces(text)
        for word in words:
            self.words.setdefault(word, source)
        for figure in figures:
            self.add("number", figure, source)


RUN: Final = 8
"""So many words in a row that also stand in a prompt are a leak."""


@lru_cache(maxsize=1024)
def _values(text: str, today: date, language: str) -> tuple[tuple[str, str], ...]:
    """(kind, value) of everything checkable in a text; texts of the store come again with every case."""
    found = scan(Text(text), today, language)
    return tuple((f.kind, value.removesuffix(WRONG_WEEKDAY)) for f in found for value in f.values)


@lru_cache(maxsize=1024)
def _pieces(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folded words of a text, whole and by the parts between hyphens, and its runs of figures."""
    words = (w.folded for w in Text(text).words)
    parts = (part for w in words for part in (w, w.removesuffix("'s"), *(w.split("-") if "-" in w else ())))
    return tuple(dict.fromkeys(parts)), tuple(m[0].lstrip("0") or "0" for m in _DIGITS.finditer(text))


@lru_cache(maxsize=256)
def runs(text: str, length: int) -> frozenset[str]:
    """Every run of `length` folded words of a text."""
    words = [w.folded for w in Text(text).words]
    return frozenset(" ".join(words[i : i + length]) for i in range(len(words) - length + 1))
