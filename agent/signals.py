"""Notices named signals of the pack in a customer's own words, with the words that show them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.case import Signal, Span
from agent.pack import Harm, Pack
from agent.packcheck import expand

_SENTENCE_END = re.compile(r"[.!?\n]+(?=\s|$)|\n")
_CLAUSE = re.compile(r"[,;:.!?\n(]|\b(?:but|and|because|aber|und|weil|sondern)\b", re.IGNORECASE)
_NEGATION_REACH = 40
"""Characters before a match within which a negation of the same clause counts."""


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None
    negatable: bool


class Signals:
    """The signals of one pack, compiled once."""

    def __init__(self, pack: Pack) -> None:
        self._negation = _union(pack.negations)
        self._rules = tuple(
            _Rule(name, _union(rule.any), _union(rule.unless) if rule.unless else None, rule.negatable)
            for name, rule in pack.signals.items()
        )
        self._harms = tuple((name, harm, _union(harm.any)) for name, harm in pack.harms.items())

    def find(self, texts: Sequence[str]) -> tuple[Signal, ...]:
        """First sight of every signal in `texts`: the messages with all but the customer's own words blanked out."""
        found: dict[str, Signal] = {}
        for number, text in enumerate(texts):
            for rule in self._rules:
                if rule.name not in found and (match := self._first(rule, text)):
                    span = Span(number, match.start(), match.end())
                    found[rule.name] = Signal(rule.name, match[0].strip(), span)
        return tuple(found.values())

    def harms(self, texts: Sequence[str], issue_type: str) -> tuple[tuple[str, Harm], ...]:
        """Harms of `issue_type` that the texts describe, in the order in which they are told."""
        seen: list[tuple[int, int, str, Harm]] = []
        for name, harm, pattern in self._harms:
            if issue_type not in harm.issue_types:
                continue
            for number, text in enumerate(texts):
                match = pattern.search(text)
                if match and not self._negated(text, match.start()):
                    seen.append((number, match.start(), name, harm))
                    break
        return tuple((name, harm) for _, _, name, harm in sorted(seen, key=lambda x: x[:2]))

    def _first(self, rule: _Rule, text: str) -> re.Match[str] | None:
        for match in rule.pattern.finditer(text):
            if rule.negatable and self._negated(text, match.start()):
                continue
            if rule.unless and rule.unless.search(_sentence(text, match.start(), match.end())):
                continue
            return match
        return None

    def _negated(self, text: str, start: int) -> bool:
        before = text[max(0, start - _NEGATION_REACH) : start]
        clause = before[max((m.end() for m in _CLAUSE.finditer(before)), default=0) :]
        return self._negation.search(clause) is not None


def names(signals: Sequence[Signal]) -> Mapping[str, Signal]:
    """Signals by name."""
    return {s.name: s for s in signals}


def _union(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{expand(p)})" for p in patterns), re.IGNORECASE)


def _sentence(text: str, start: int, end: int) -> str:
    opens = max((m.end() for m in _SENTENCE_END.finditer(text, 0, start)), default=0)
    closes = _SENTENCE_END.search(text, end)
    return text[opens : closes.end() if closes else len(text)]
