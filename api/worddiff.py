"""What a person changed in a text, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

MOST_WORDS: Final = 4000
"""Beyond so many words of one text the whole counts as replaced: comparing takes quadratic time."""
_WORDS: Final = re.compile(r"\s+|[^\W_]+|[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class Change:
    """A stretch that stayed, is gone, or is new."""

    kind: Literal["same", "gone", "new"]
    text: str


def changes(before: str, after: str) -> tuple[Change, ...]:
    """The way from one text to another; what is gone stands before what came in its place."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > MOST_WORDS:
        return tuple(c for c in (Change("gone", before), Change("new", after)) if c.text)
    return tuple(_changes(old, new))


def _changes(old: list[str], new: list[str]) -> Iterator[Change]:
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Change("same", "".join(old[a:b]))
            continue
        if b > a:
            yield Change("gone", "".join(old[a:b]))
        if d > c:
            yield Change("new", "".join(new[c:d]))
