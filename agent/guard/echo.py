"""What a message instructs a machine to write, so that a draft that obeys is seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from agent.facts import Text, fold
from agent.facts.known import runs
from agent.phrasebook import Phrasebook

ECHO: Final = 5
"""So many words in a row from an instructing sentence are an echo."""
_QUOTED: Final = re.compile(r"[\"“„«'‘](?=\S)([^\"”“»'’\n]{3,80})[\"”“»'’]")
_MARK: Final = re.compile(r"\b(?:[A-Z]{5,}\d*|[A-Za-z]+[-_]?\d[\w-]*|[A-Z]+_[A-Z_]+)\b")
_AFTER: Final = 2
"""So many sentences behind an instructing one still belong to it."""


@lru_cache(maxsize=256)
def instructed(texts: tuple[str, ...], book: Phrasebook) -> tuple[frozenset[str], tuple[str, ...]]:
    """Word runs and single marks that the messages order a machine to write; both empty for a message without orders."""
    parts = [part for text in texts for part in _orders(Text(text), book)]
    found = frozenset[str]().union(*(runs(part, ECHO) for part in parts))
    quoted = (fold(m[1]).strip() for part in parts for m in _QUOTED.finditer(part))
    marks = (fold(m[0]) for part in parts for m in _MARK.finditer(part) if not m[0].isdigit())
    return found, tuple(dict.fromkeys((*quoted, *marks)))


def _orders(text: Text, book: Phrasebook) -> Iterator[str]:
    """Sentences that instruct a machine, each with those right behind it."""
    sentences = text.sentences()
    for i, (start, end) in enumerate(sentences):
        if any(text.has(p.instructions, start, end) for p in book.languages.values()):
            last = sentences[min(i + _AFTER, len(sentences) - 1)][1]
            yield text.raw[start:last]
