"""What a text tells of an article: which natures of fault, whether it only asks, whether all of it is over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agent.outbreak.rules import OutbreakRules
from agent.patterns import Cased, words
from agent.signals import Signals

_CLAUSE: Final = re.compile(r"[,;:.!–—](?=\s)")
_QUESTION: Final = re.compile(r"[?][\s\"'»”)]*$")


def asked(sentence: str) -> bool:
    """Whether a sentence is a question."""
    return _QUESTION.search(sentence) is not None


def stated(sentence: str) -> str:
    """What a sentence says before it asks: all of a statement, the clauses before the last of a question."""
    if not asked(sentence):
        return sentence
    return sentence[: max((m.start() for m in _CLAUSE.finditer(sentence)), default=0)]


class Faults:
    """Reads the natures of fault of one store."""

    def __init__(self, signals: Signals, rules: OutbreakRules) -> None:
        self._signals, self._rules = signals, rules
        self._told = {name: words(fault.any) for name, fault in rules.faults.items() if fault.any}
        self._by_harm = [(harm, name) for name, fault in rules.faults.items() for harm in fault.harms]

    def of(self, said: Sequence[str], issue_type: str, language: str) -> frozenset[str]:
        """The natures of the faults that these sentences state; what they only ask about does not count."""
        stands = [s for s in map(stated, said) if s.strip()]
        harms = {
            n for kind in self._rules.same_kind(issue_type) for n, _ in self._signals.harms(stands, kind, language)
        }
        found = {name for harm, name in self._by_harm if harm in harms}
        found |= {name for name, told in self._told.items() if any(told.first(Cased(s)) for s in stands)}
        return frozenset(found)

    def settled(self, said: Sequence[str]) -> bool:
        """Whether these sentences say that the matter is over, and tell of no fault after that."""
        rules = self._rules
        over = words(rules.settled) if rules.settled else None
        last = max((n for n, s in enumerate(said) if over and over.first(Cased(s))), default=-1)
        if last < 0 or any(told.first(Cased(stated(s))) for s in said[last + 1 :] for told in self._told.values()):
            return False
        return not rules.unsettled or not any(words(rules.unsettled).first(Cased(s)) for s in said)
