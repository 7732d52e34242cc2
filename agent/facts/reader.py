"""A text being read for checkable things, one reader after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from agent.entities.calendar_words import Role, calendar_words
from agent.facts.text import Text


@dataclass(frozen=True, slots=True)
class Found:
    """One checkable thing where it stands.

    `value` is the normalised form: ids without separators in upper case, amounts `18.40 GBP`, dates ISO,
    periods `5 business_day`, shares `20`, links and mail in lower case, phones as digits.
    """

    kind: str
    value: str
    start: int
    end: int
    other: tuple[str, ...] = ()
    """Further readings of the same text, e.g. 3/11 as the 11th of March."""

    @property
    def values(self) -> tuple[str, ...]:
        """Every value that the text may stand for."""
        return (self.value, *self.other)


@dataclass(slots=True)
class Reader:
    """A text, the day from which it is read, and what was found; no character belongs to two things."""

    text: Text
    today: date
    language: str
    found: list[Found] = field(default_factory=list[Found])
    taken: bytearray = field(default_factory=bytearray)
    """One byte per character, 1 where something was found."""

    def __post_init__(self) -> None:
        self.taken = bytearray(len(self.text.raw))

    def free(self, start: int, end: int) -> bool:
        """Whether nothing was found in [start, end)."""
        return self.taken.find(1, start, end) < 0

    def add(self, kind: str, value: str, start: int, end: int, *other: str) -> bool:
        """Takes [start, end) as found; False, and nothing changes, when part of it is taken."""
        if start >= end or not self.free(start, end):
            return False
        self.taken[start:end] = b"\x01" * (end - start)
        self.found.append(Found(kind, value, start, end, other))
        return True

    def calendar(self, word: str) -> Role:
        """What a calendar word is, ("", 0) for any other word."""
        return calendar_words(self.language).get(word.lower(), ("", 0))


def words(listed: str) -> frozenset[str]:
    """A list of words as a set."""
    return frozenset(listed.split())
