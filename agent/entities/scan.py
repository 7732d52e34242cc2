"""One text under the reader's eyes: which characters are taken, and what was found."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent.case import Entity, EntityKind, Span


@dataclass(slots=True)
class Scan:
    """A text being read by one pass after the other; no character belongs to two entities."""

    text: str
    message: int
    language: str = "en"
    found: list[Entity] = field(default_factory=list[Entity])
    taken: bytearray = field(default_factory=bytearray)
    """One byte per character, 1 where a pass has claimed it."""

    def __post_init__(self) -> None:
        self.taken = bytearray(len(self.text))

    def free(self, start: int, end: int) -> bool:
        """Whether no pass has claimed any of [start, end)."""
        return self.taken.find(1, start, end) < 0

    def block(self, start: int, end: int) -> None:
        """Keeps [start, end) from later passes without calling it an entity."""
        self.taken[start:end] = b"\x01" * (end - start)

    def add(self, kind: EntityKind, value: str, start: int, end: int, detail: str = "") -> bool:
        """Claims [start, end) as an entity; False, and nothing changes, when part of it is taken."""
        if start >= end or not self.free(start, end):
            return False
        self.block(start, end)
        self.found.append(Entity(kind, value, self.text[start:end], Span(self.message, start, end), detail))
        return True

    def has(self, kind: EntityKind) -> bool:
        """Whether this text holds an entity of `kind`."""
        return any(e.kind == kind for e in self.found)


def words(*alternatives: str) -> str:
    """Alternatives as one regular-expression group, longest first, so that a short word never hides a long one."""
    every = [a for group in alternatives for a in re.split(r"\|(?![^()]*\))", group)]
    return "(?:" + "|".join(sorted(set(every), key=len, reverse=True)) + ")"


RELATIONS = words(
    "wife|husband|son|daughter|mum|mother|father|dad|partner|fiancée?|femme|mari|fils|fille|compagn(?:e|on)|conjointe?|mère|père|sœur|soeur|frère",
    "esposa|esposo|marido|mujer|hij[oa]|madre|padre|herman[oa]|pareja|novi[oa]|moglie|marito|figli[oa]|fratello|sorella|compagn[oa]",
    "vrouw|(?:mijn|m'n) man|zoon|dochter|moeder|vader|zus|broer|vriendin?|mulher|filh[oa]|mãe|pai|irmão|irmã|companheir[oa]|namorad[oa]",
)
"""Words for a relation of the writer's, before that person's name."""

NUMBER_SIGN = r"(?:[\s:#.°º\-–=(]|\bnº(?=\d)|\b(?:no|nr|num|núm|number|numbers|nummer|nummern|n|nº|nro|id|ids|is|was|with|the|ist|lautet|mit|der|die|das|den|numéro|numero|número|est|es|è|é|are|sind|my|meine|de|del|du|do|da|della|dell|van)\b){0,10}?"
"""What may stand between a word such as "order" and its number."""

LONG_DIGITS = re.compile(r"(?<![\w.,/#-])\d{5,18}(?![\w/]|[.,-]\d)")
"""Digits that stand alone."""
