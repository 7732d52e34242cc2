"""Notices named signals of the pack in a customer's own words, with the words that show them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.addressed import addressed
from agent.case import Signal, Span
from agent.pack import Harm, Pack, SignalWords
from agent.patterns import Cased, Words, words

INJECTION = "injection"
"""The signal of words that speak to a machine."""
_BEFORE = " \t\n.!?;:—–-"
"""What a pattern may take in of the sentence before."""
_SENTENCE_END = re.compile(r"[.!?\n]+(?=\s|$)|\n")
_CLAUSE = re.compile(
    r"[,;:.!?\n(]|\b(?:but|and|because|aber|und|weil|sondern|mais|et|pero|porque|y|ma|perché|maar|omdat|mas)\b",
    re.IGNORECASE,
)
_NEGATION_REACH = 40
"""Characters before a match within which a negation of the same clause counts."""


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    words: Words
    unless: Words | None
    negatable: bool

    @classmethod
    def of(cls, name: str, rule: SignalWords, *, negatable: bool) -> _Rule:
        return cls(name, words(rule.any), words(rule.unless) if rule.unless else None, negatable)


class _Reading:
    """The compiled rules of one word list: the common one, or that of a language."""

    def __init__(
        self,
        negations: Sequence[str],
        signals: Mapping[str, SignalWords],
        negatable: Mapping[str, bool],
        harms: Mapping[str, Sequence[str]],
    ) -> None:
        self.negation = words(tuple(negations)) if negations else None
        self.rules = tuple(_Rule.of(name, rule, negatable=negatable[name]) for name, rule in signals.items())
        self.harms = {name: words(tuple(told)) for name, told in harms.items()}

    def first(self, rule: _Rule, text: Cased) -> re.Match[str] | None:
        """The first match that neither a negation nor an `unless` takes back."""
        for match in rule.words.matches(text):
            if rule.negatable and self.negated(text, match.start()):
                continue
            if rule.unless and rule.unless.first(Cased(_sentence(text.raw, match.start(), match.end()))):
                continue
            return match
        return None

    def harm(self, name: str, text: Cased) -> re.Match[str] | None:
        """The first match of a harm, unless it is negated."""
        match = self.harms[name].first(text) if name in self.harms else None
        return match if match and not self.negated(text, match.start()) else None

    def negated(self, text: Cased, start: int) -> bool:
        """Whether a negation stands before this place in the same clause."""
        if self.negation is None:
            return False
        before = text.raw[max(0, start - _NEGATION_REACH) : start]
        clause = before[max((m.end() for m in _CLAUSE.finditer(before)), default=0) :]
        return self.negation.first(Cased(clause)) is not None


class Signals:
    """The signals of one pack, compiled once; the words of a language are read beside the common ones."""

    def __init__(self, pack: Pack) -> None:
        negatable = {name: rule.negatable for name, rule in pack.signals.items()}
        self._harms = pack.harms
        self._common = _Reading(pack.negations, pack.signals, negatable, {n: h.any for n, h in pack.harms.items()})
        self._negatable = negatable
        self._words = pack.words
        self._languages: dict[str, _Reading] = {}
        told = [pack.signals.get(INJECTION), *(spoken.signals.get(INJECTION) for spoken in pack.words.values())]
        self._orders = [_Rule.of(INJECTION, rule, negatable=False) for rule in told if rule]

    def addressed(self, text: str) -> tuple[tuple[int, int], ...]:
        """Spans of what speaks to a machine, in whatever language."""
        return addressed(text, self._orders_in)

    def _orders_in(self, text: str) -> Iterator[tuple[int, int]]:
        read = Cased(text)
        for rule in self._orders:
            for match in rule.words.matches(read):
                start = match.end() - len(match[0].lstrip(_BEFORE))
                if not (rule.unless and rule.unless.first(Cased(_sentence(text, start, match.end())))):
                    yield start, match.end()

    def find(self, texts: Sequence[str], language: str = "") -> tuple[Signal, ...]:
        """First sight of every signal in `texts`: the messages with all but the customer's own words blanked out."""
        found: dict[str, Signal] = {}
        for number, raw in enumerate(texts):
            text = Cased(raw)
            for reading in self._readings(language):
                for rule in reading.rules:
                    if rule.name not in found and (match := reading.first(rule, text)):
                        start, end = match.span()
                        found[rule.name] = Signal(rule.name, raw[start:end].strip(), Span(number, start, end))
        return tuple(found.values())

    def harms(self, texts: Sequence[str], issue_type: str, language: str = "") -> tuple[tuple[str, Harm], ...]:
        """Harms of `issue_type` that the texts describe, in the order in which they are told."""
        read = [Cased(raw) for raw in texts]
        seen: list[tuple[int, int, str, Harm]] = []
        for name, harm in self._harms.items():
            if issue_type not in harm.issue_types:
                continue
            places = (
                (number, match.start())
                for number, text in enumerate(read)
                for reading in self._readings(language)
                if (match := reading.harm(name, text))
            )
            if first := next(places, None):
                seen.append((*first, name, harm))
        return tuple((name, harm) for _, _, name, harm in sorted(seen, key=lambda x: x[:2]))

    def _compiled(self, language: str) -> _Reading | None:
        """The words of a language, compiled when the first text in it comes."""
        if (told := self._words.get(language)) is None:
            return None
        harms = {name: harm.any for name, harm in told.harms.items()}
        return self._languages.setdefault(language, _Reading(told.negations, told.signals, self._negatable, harms))

    def _readings(self, language: str) -> tuple[_Reading, ...]:
        own = self._languages.get(language) or self._compiled(language)
        if own is None:
            return (self._common,)
        return (own,) if own.rules else (self._common, own)


def names(signals: Sequence[Signal]) -> Mapping[str, Signal]:
    """Signals by name."""
    return {s.name: s for s in signals}


def _sentence(text: str, start: int, end: int) -> str:
    opens = max((m.end() for m in _SENTENCE_END.finditer(text, 0, start)), default=0)
    closes = _SENTENCE_END.search(text, end)
    return text[opens : closes.end() if closes else len(text)]
