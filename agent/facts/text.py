"""One text made ready for reading: folded letters, words and sentences, all at the positions of the original."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

_LETTER: Final = r"[a-z\u00c0-\u1fff\u2c00-\uffff]"
_WORD: Final = re.compile(rf"{_LETTER}+(?:['-]{_LETTER}+)*")
_CLAUSE: Final = re.compile(r"[,;:()]| - | (?:and|but|und|aber|sondern|so|et|mais|y|pero|ma|maar|mas)(?= )")
_STOP: Final = re.compile(r"[.!?…]+(?=[\s\"'”»)\]]|$)|\n[ \t]*\n")
_ABBREVIATED: Final = re.compile(
    r"(?:\b(?:no|nr|mr|mrs|ms|dr|approx|incl|ca|bzw|z\. ?b|d\. ?h|u\. ?a|evtl|inkl|usw|etc|e\.g|i\.e|vs|st|str|art|sr|sra|mme|n|p)"
    r"|[\s(]\d{1,2})$",
    re.IGNORECASE,
)
_APOSTROPHES: Final = {
    "’": "'",
    "‘": "'",
    "ʼ": "'",
    "´": "'",
    "`": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
}
_DASHES: Final = {"‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "\n": " ", "\r": " ", "\t": " "}


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    """One character without accent, case or typography; always one character, so that positions stay."""
    if found := _APOSTROPHES.get(char) or _DASHES.get(char):
        return found
    if char.isspace():
        return " "
    bare = unicodedata.normalize("NFKD", char)[0].lower()
    return bare if len(bare) == 1 else char


class _Table(dict[int, str]):
    """A translation table that fills itself."""

    def __missing__(self, code: int) -> str:
        self[code] = plain = _plain(chr(code))
        return plain


_TABLE: Final = _Table()


def fold(text: str) -> str:
    """`text` in lower case, without accents, curly quotes and line breaks; every character keeps its position."""
    return text.translate(_TABLE)


_APART: Final = str.maketrans(dict.fromkeys(',"()[]{}<>/|*~•·', " "))


class Hit(NamedTuple):
    """A phrase that was found, with the name of the group that found it."""

    start: int
    end: int
    words: str
    name: str
    part: str
    """What the named group holds."""


class Word(NamedTuple):
    """A run of letters with its folded form."""

    folded: str
    start: int
    end: int


@dataclass(frozen=True)
class Text:
    """A text and the ways of reading it, each worked out once."""

    raw: str

    @cached_property
    def folded(self) -> str:
        """The whole text folded."""
        return fold(self.raw)

    @cached_property
    def spaced(self) -> str:
        """The folded text as phrases are looked up in it: every word has a blank before it, so all stands one place later."""
        return f" {self.folded.translate(_APART)}".replace(" '", "  ")

    def find(self, phrase: re.Pattern[str], start: int = 0, end: int | None = None) -> list[Hit]:
        """Where a phrase that begins with a blank stands in [start, end)."""
        stop = len(self.spaced) if end is None else end + 1
        return [
            Hit(m.start(), m.end() - 1, m[0].strip(), m.lastgroup or "", m[m.lastgroup or 0])
            for m in phrase.finditer(self.spaced, start, stop)
        ]

    def has(self, phrase: re.Pattern[str], start: int = 0, end: int | None = None) -> bool:
        """Whether a phrase stands in [start, end)."""
        return phrase.search(self.spaced, start, len(self.spaced) if end is None else end + 1) is not None

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """Runs of letters in reading order."""
        make = Word._make
        return tuple([make((m[0], m.start(), m.end())) for m in _WORD.finditer(self.folded)])

    @cached_property
    def edges(self) -> tuple[int, ...]:
        """Where sentences begin, 0 first; a full stop behind a number or abbreviation ends none."""
        raw = self.raw
        starts = [0]
        for m in _STOP.finditer(raw):
            plain_stop = m[0] == "."
            if (
                plain_stop
                and _ABBREVIATED.search(raw, max(0, m.start() - 8), m.start())
                and raw[m.end() : m.end() + 2][-1:] != "\n"
            ):
                continue
            if m.end() > starts[-1]:
                starts.append(m.end())
        return tuple(starts)

    def sentence(self, at: int) -> tuple[int, int]:
        """Start and end of the sentence that holds position `at`."""
        edges = self.edges
        i = bisect_right(edges, at) - 1
        return edges[i], edges[i + 1] if i + 1 < len(edges) else len(self.raw)

    @cached_property
    def _cuts(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Where what parts two clauses begins and ends."""
        spans = [m.span() for m in _CLAUSE.finditer(self.folded)]
        return tuple(a for a, _ in spans), tuple(b for _, b in spans)

    def clause(self, at: int) -> tuple[int, int]:
        """Start and end of the clause that holds position `at`."""
        start, end = self.sentence(at)
        begins, ends = self._cuts
        i = bisect_right(ends, at)
        left = ends[i - 1] if i else start
        j = bisect_right(begins, at)
        return max(start, left), min(end, begins[j]) if j < len(begins) else end

    def sentence_words(self) -> list[tuple[int, int, list[str]]]:
        """Every sentence with its folded words."""
        ends = (*self.edges[1:], len(self.raw))
        rows: list[tuple[int, int, list[str]]] = [(a, b, []) for a, b in zip(self.edges, ends, strict=True)]
        i = 0
        for w in self.words:
            while w.start >= rows[i][1]:
                i += 1
            rows[i][2].append(w.folded)
        return rows

    def sentences(self) -> tuple[tuple[int, int], ...]:
        """Start and end of every sentence that holds a letter."""
        ends = (*self.edges[1:], len(self.raw))
        return tuple((a, b) for a, b in zip(self.edges, ends, strict=True) if not self.raw[a:b].isspace() and a < b)
