"""One text made ready for reading: folded letters, words and sentences, all at the positions of the original."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
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
    def words(self) -> tuple[Word, ...]:
        """Runs of letters in reading order."""
        folded = self.folded
        return tuple(Word(folded[a:b], a, b) for a, b in (m.span() for m in _WORD.finditer(self.raw)))

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Folded words, each once."""
        return frozenset(w.folded for w in self.words)

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

    def sentences(self) -> tuple[tuple[int, int], ...]:
        """Start and end of every sentence that holds a letter."""
        ends = (*self.edges[1:], len(self.raw))
        return tuple((a, b) for a, b in zip(self.edges, ends, strict=True) if not self.raw[a:b].isspace() and a < b)
