"""A draft under the guard's eyes: its text, its facts and what it promises, each worked out once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final, TypeAlias

from agent.case import Draft, Fact, Finding, Triage
from agent.facts import Evidence, Text
from agent.facts.judge import as_given, facts_of, whole_text
from agent.facts.text import Hit
from agent.phrasebook import Pattern, Phrasebook, Phrases
from agent.promises import Commitment, promised, told

Findings: TypeAlias = Iterator[Finding]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What the guard needs of the store's pack."""

    phrases: Phrasebook
    required: Mapping[str, tuple[str, ...]]
    """Issue type -> content items that a first message must have."""
    goodwill_up_to: Decimal = Decimal(0)
    """What the role of `draft_limit_role` may credit, give or waive as goodwill."""
    remedy_up_to: Decimal | None = Decimal(0)
    """What that role may refund or replace when a policy line is cited; None without limit."""


@dataclass(frozen=True)
class Reading:
    """One draft with everything that a rule may ask of it."""

    draft: Draft
    triage: Triage
    evidence: Evidence
    rules: Rulebook

    @cached_property
    def text(self) -> Text:
        """Body and subject as one text; positions below the body's length are the body's own."""
        return whole_text(self.draft)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """Every checkable thing with its state."""
        return tuple(facts_of(self.text, self.draft.language, self.evidence))

    @cached_property
    def given(self) -> tuple[tuple[int, int], ...]:
        """Where clock slots, articles and the case's number stand word for word."""
        return tuple((start, end) for start, end, _ in as_given(self.text, self.evidence.known))

    @cached_property
    def phrases(self) -> tuple[Phrases, ...]:
        """The languages in which this draft is read."""
        return self.rules.phrases.reading(self.draft.language, (words for _, _, words in self.text.sentence_words()))

    @cached_property
    def commitments(self) -> tuple[Commitment, ...]:
        """What the draft promises."""
        return promised(self.text, self.facts, self.phrases, self.evidence.now.date())

    def facts_in(self, start: int, end: int) -> tuple[Fact, ...]:
        """Facts that begin inside [start, end)."""
        return tuple(f for f in self.facts if start <= f.start < end)

    def is_given(self, start: int, end: int) -> bool:
        """Whether a place lies inside such words."""
        return any(a <= start and end <= b for a, b in self.given)

    def harmless(self, m: Hit, p: Phrases, *, conditional: bool = True, deniable: bool = True) -> bool:
        """Whether a match is denied, only told back, or in a clause that is not yet so."""
        begin = self.text.clause(m.start)[0]
        return (
            (deniable and self.text.has(p.negations, begin, m.end))
            or (conditional and _opens(p.subordinate, self.text, begin, m.start))
            or told(self.text, m.start, p)
        )

    def finding(self, rule: str, message: str, start: int = 0, end: int = 0, *, hard: bool = True) -> Finding:
        """A finding; one in the subject has the empty span."""
        if start >= len(self.draft.body):
            start = end = 0
        return Finding(rule, hard, message, start, min(end, len(self.draft.body)))

    def quote(self, start: int, end: int) -> str:
        """The words at a place, short enough for a message."""
        words = " ".join(self.text.raw[start:end].split())
        return f"“{words[:_QUOTE]}…”" if len(words) > _QUOTE else f"“{words}”"


_QUOTE: Final = 90


def _opens(pattern: Pattern, text: Text, begin: int, at: int) -> bool:
    """Whether a word of `pattern` opens the clause, or stands right before position `at`."""
    return any(
        text.folded[begin : m.start].count(" ") <= _LEAD or at - m.end <= _NEAR for m in text.find(pattern, begin, at)
    )


_LEAD: Final = 2
_NEAR: Final = 8
