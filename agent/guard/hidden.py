"""Text that is not what it looks like: invisible characters, foreign look-alike letters, encoded or scattered words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from agent.facts import Text

Place = tuple[int, int, str]
"""Start, end, and what is wrong there."""

_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff\ue000-\uf8ff]"
)
_LOOK_ALIKE: Final = re.compile(
    "[\u0250-\u02ff\u0370-\u03ff\u0400-\u052f\u0530-\u058f\u10a0-\u10ff\u13a0-\u13ff\u1c80-\u1cff\u1d00-\u1dbf\u2070-\u209c\u2100-\u2115\u2119-\u211d"
    "\u2124-\u214f\u2150-\u218b\u2460-\u24ff\u2c60-\u2c7f\ua720-\ua7ff\uab30-\uab6f\uff01-\uff65\U0001d400-\U0001d7ff\U0001f100-\U0001f1e5]"
)
_MARKS: Final = re.compile("[\u0300-\u036f]")


def unseen(text: Text, known: str) -> Iterator[Place]:
    """Invisible characters, and letters of other scripts that look like Latin ones; `known` is text where they are at home."""
    raw = text.raw
    if raw.isascii() and raw.isprintable():
        return
    if m := _INVISIBLE.search(raw):
        yield m.start(), m.end(), f"an invisible character (U+{ord(m[0]):04X})"
    if (m := _LOOK_ALIKE.search(raw)) and m[0] not in known:
        yield m.start(), m.end(), f"a letter that only looks Latin (U+{ord(m[0]):04X})"
    if m := _MARKS.search(raw):
        yield m.start(), m.end(), "loose accents"


_HEX: Final = re.compile(r" (?:0x)?(?:[0-9a-f]{2}[ :]?){8,}(?![0-9a-z])")
_ESCAPES: Final = re.compile(
    r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2}){2,}|\\[ux][0-9A-Fa-f]{2,4}\\[ux]|&#x?[0-9a-fA-F]+;|[01]{7,8} ?(?:[01]{7,8} ?){2,}|[.·-]{1,5}(?:[ /]+[.·-]{1,5}){5,}"
)
_SPACED: Final = re.compile(r" [.'-]?[^\W\d_](?:[ .\-_']{1,3}[^\W\d_](?!\w)){5,}")
_SHORT_LINES: Final = re.compile(r"\n(?:[ \t]*[^\n]{1,13}\n+){5,}")
_CUT: Final = re.compile(r"(?:[*|~^]+|-\n|\n-)(?=[^\W\d_]{2})")
_INNER_FIGURE: Final = re.compile(r"\d+(?=[A-Za-z])")
_SIGNS: Final = re.compile(r"[^0-9A-Z]")


def encoded(text: Text, known: frozenset[str]) -> Iterator[Place]:
    """Encoded runs, letters set apart, words cut or scattered; `known` holds ids without separators, which are exempt."""
    raw = text.raw
    for run in {c.strip("()[].,;:!?\"'“”„") for c in raw.split() if len(c) >= _LONG}:
        if _SIGNS.sub("", run.upper()) not in known and _looks_encoded(run):
            at = raw.find(run)
            yield at, at + len(run), "an encoded run of characters"
    for hit in text.find(_HEX):
        letters = _SIGNS.sub("", hit.words.upper())
        if letters not in known and not letters.isdigit() and not letters.isalpha():
            yield hit.start, hit.end, "an encoded run of characters"
    yield from ((hit.start, hit.end, "letters set apart") for hit in text.find(_SPACED))
    yield from ((*m.span(), "encoded characters") for m in _ESCAPES.finditer(raw))
    odd = [
        (w.start, w.end)
        for w in text.words
        if not raw[w.start + 1 : w.end].islower() and _odd_case(raw[w.start : w.end]) and w.folded.upper() not in known
    ]
    if len(odd) >= _ODD:
        yield *odd[0], "words whose letters change case"
    for m in _INNER_FIGURE.finditer(raw):
        start, end = m.span()
        while start and raw[start - 1].isalnum():
            start -= 1
        while end < len(raw) and raw[end].isalnum():
            end += 1
        piece = raw[start:end].upper()
        if (
            start < m.start()
            and end - start >= _DISGUISED
            and not any(piece in k for k in known if len(k) >= len(piece))
        ):
            yield start, end, "a word with figures for letters"
    if m := _SHORT_LINES.search("\n" + raw):
        yield m.start(), m.end() - 1, "words scattered over lines"
    for m in _CUT.finditer(raw):
        if raw[max(0, m.start() - 2) : m.start()].isalpha() and m.start() >= 2:
            yield *m.span(), "a word cut apart"


_LONG: Final = 16
"""Runs below so many characters are words."""
_DISGUISED: Final = 5


def _odd_case(word: str) -> bool:
    """Whether a word changes to capitals inside, as `sGFt` does and "Brandt" or "FH" does not."""
    return not (word.islower() or word.isupper() or word[1:].islower() or word[1:] == "" or "-" in word)


_ODD: Final = 3


def _looks_encoded(run: str) -> bool:
    """Whether a run mixes cases, figures and signs as words never do."""
    if (
        (run.isalpha() and run[1:].islower())
        or not _ALPHABET.fullmatch(run)
        or ("-" in run and all(part.isalpha() for part in run.split("-")))
    ):
        return False
    turns = sum(a.islower() and b.isupper() for a, b in pairwise(run))
    digits = sum(c.isdigit() for c in run)
    letters = sum(c.isalpha() for c in run)
    return bool(
        (turns >= 2 and (digits or turns >= 3)) or run.endswith("=") or (letters >= 6 and digits >= 4 and len(run) >= 20) or ("+" in run and "/" in run)
        or (run.isupper() and digits >= 2 and letters >= 10)
    )  # fmt: skip


_ALPHABET: Final = re.compile(r"[A-Za-z0-9+/_=-]+")
