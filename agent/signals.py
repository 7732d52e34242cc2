"""Notices named signals of the pack in a customer's own words, with the words that show them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.case import Signal, Span
from agent.pack import Harm, Pack
from agent.packcheck import expand

_SENTENCE_END = re.compile(r"[.!?\n]+(?=\s|$)|\n")
_CLAUSE = re.compile(r"[,;:.!?\n(]|\b(?:but|and|because|aber|und|weil|sondern)\b", re.IGNORECASE)
_NEGATION_REACH = 40
"""Characters before a match within which a negation of the same clause counts."""
_TWO_FORMS = frozenset("İıſΣσς")
"""Letters with two small forms, or with one that is longer: in any case they match more than their small form does."""
_CLASS = re.compile(r"\\[wWdDsSbBnrt]|\\[^\w]")
"""Escapes that name no letter."""


class _Text:
    """A text with its small letters at the same places, where these say the same; else `small` is None."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self.small = raw.lower() if _TWO_FORMS.isdisjoint(raw) else None


class _Words:
    """Patterns in any case.

    Patterns in small letters read the small text as it stands: there the engine passes over an alternative by its
    first letter, which it cannot do in any case, and finds the same three times as fast.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        source = "|".join(f"(?:{expand(p)})" for p in patterns)
        letters = _CLASS.sub("", source)
        plain = letters == letters.lower() and "\\" not in letters and _TWO_FORMS.isdisjoint(letters)
        self._any = re.compile(source, re.IGNORECASE)
        self._small = re.compile(source) if plain else None

    def matches(self, text: _Text) -> Iterator[re.Match[str]]:
        """Every match in order, at its place in the raw text; its own words may be in small letters."""
        if self._small is not None and text.small is not None:
            return self._small.finditer(text.small)
        return self._any.finditer(text.raw)

    def first(self, text: _Text) -> re.Match[str] | None:
        """The first match."""
        return next(self.matches(text), None)


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    words: _Words
    unless: _Words | None
    negatable: bool


class Signals:
    """The signals of one pack, compiled once."""

    def __init__(self, pack: Pack) -> None:
        self._negation = _Words(pack.negations)
        self._rules = tuple(
            _Rule(name, _Words(rule.any), _Words(rule.unless) if rule.unless else None, rule.negatable)
            for name, rule in pack.signals.items()
        )
        self._harms = tuple((name, harm, _Words(harm.any)) for name, harm in pack.harms.items())

    def find(self, texts: Sequence[str]) -> tuple[Signal, ...]:
        """First sight of every signal in `texts`: the messages with all but the customer's own words blanked out."""
        found: dict[str, Signal] = {}
        for number, raw in enumerate(texts):
            text = _Text(raw)
            for rule in self._rules:
                if rule.name not in found and (match := self._first(rule, text)):
                    start, end = match.span()
                    found[rule.name] = Signal(rule.name, raw[start:end].strip(), Span(number, start, end))
        return tuple(found.values())

    def harms(self, texts: Sequence[str], issue_type: str) -> tuple[tuple[str, Harm], ...]:
        """Harms of `issue_type` that the texts describe, in the order in which they are told."""
        seen: list[tuple[int, int, str, Harm]] = []
        read = [_Text(raw) for raw in texts]
        for name, harm, words in self._harms:
            if issue_type not in harm.issue_types:
                continue
            for number, text in enumerate(read):
                match = words.first(text)
                if match and not self._negated(text, match.start()):
                    seen.append((number, match.start(), name, harm))
                    break
        return tuple((name, harm) for _, _, name, harm in sorted(seen, key=lambda x: x[:2]))

    def _first(self, rule: _Rule, text: _Text) -> re.Match[str] | None:
        for match in rule.words.matches(text):
            if rule.negatable and self._negated(text, match.start()):
                continue
            if rule.unless and rule.unless.first(_Text(_sentence(text.raw, match.start(), match.end()))):
                continue
            return match
        return None

    def _negated(self, text: _Text, start: int) -> bool:
        before = text.raw[max(0, start - _NEGATION_REACH) : start]
        clause = before[max((m.end() for m in _CLAUSE.finditer(before)), default=0) :]
        return self._negation.first(_Text(clause)) is not None


def names(signals: Sequence[Signal]) -> Mapping[str, Signal]:
    """Signals by name."""
    return {s.name: s for s in signals}


def _sentence(text: str, start: int, end: int) -> str:
    opens = max((m.end() for m in _SENTENCE_END.finditer(text, 0, start)), default=0)
    closes = _SENTENCE_END.search(text, end)
    return text[opens : closes.end() if closes else len(text)]
