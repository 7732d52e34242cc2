"""Patterns of the pack as they are matched: alternatives in any case, compiled once wherever they are used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, cached_property

_TWO_FORMS = frozenset("İıſΣσς")
"""Letters with two small forms, or with one that is longer: in any case they match more than their small form does."""
_CLASS = re.compile(r"\\[wWdDsSbBnrt]|\\[^\w]")
"""Escapes that name no letter."""


class Cased:
    """A text with its small letters at the same places, where these say the same; else `small` is None."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self.small = raw.lower() if _TWO_FORMS.isdisjoint(raw) else None


class Words:
    """Alternatives in any case.

    Patterns in small letters read the small text as it stands: there the engine passes over an alternative by its
    first letter, which it cannot do in any case, and finds the same three times as fast.
    """

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._source = "|".join(f"(?:{expand(p)})" for p in patterns)
        letters = _CLASS.sub("", self._source)
        plain = letters == letters.lower() and "\\" not in letters and _TWO_FORMS.isdisjoint(letters)
        self._small = re.compile(self._source) if plain else None
        if self._small is None:
            _ = self._any  # what cannot be compiled is told now

    @cached_property
    def _any(self) -> re.Pattern[str]:
        return re.compile(self._source, re.IGNORECASE)

    def matches(self, text: Cased) -> Iterator[re.Match[str]]:
        """Every match in order, at its place in the raw text; its own words may be in small letters."""
        if self._small is not None and text.small is not None:
            return self._small.finditer(text.small)
        return self._any.finditer(text.raw)

    def first(self, text: Cased) -> re.Match[str] | None:
        """The first match."""
        return next(self.matches(text), None)

    @property
    def matches_nothing(self) -> bool:
        """Whether an alternative holds in the empty text, and so always."""
        return (self._small or self._any).match("") is not None


@cache
def words(patterns: tuple[str, ...]) -> Words:
    """The alternatives, compiled once.

    Raises:
        re.error: one of them is no regular expression.

    """
    return Words(patterns)


def expand(pattern: str) -> str:
    """The regular expression behind a pack pattern: `~` stands for up to five words."""
    return pattern.replace("~ ", r"(?: [^\s.!?]+){0,5}? ").replace("~", r"(?:[^\s.!?]+ ){0,5}?")
