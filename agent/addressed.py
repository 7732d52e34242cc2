"""Stretches of a text that speak to a machine instead of the store's people: orders to whatever reads or answers it.

They are no part of what the customer reports, so nothing is judged by them; people see them as they stand.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from agent.sentences import sentences

_BRACKETS: Final = re.compile(
    r"<!--.*?-->|\{\{[^{}]{0,40}\}\}.*?\{\{/[^{}]{0,40}\}\}|\[\[.*?\]\]|<(\w{2,30})[^<>]{0,80}>.*?</\1>"
    r"|\[[^\[\]]{8,1200}\]|\([^()]{8,1200}\)|\{[^{}]{8,1200}\}",
    re.DOTALL,
)
"""What stands between brackets or tags of its own."""
_BLANK_LINE: Final = re.compile(r"\n[ \t]*\n")
_BASE64: Final = re.compile(r"(?<![\w+/=])[A-Za-z0-9+/]{24,}={0,2}(?![\w+/=])")
_LEET: Final = str.maketrans("013457", "oieast")
_MIXED: Final = re.compile(r"\b(?=\w*\d)(?=\w*[^\W\d_])\w{2,}\b")
_BACKWARDS: Final = tuple(
    stem[::-1] for stem in "instruc istru instru regl rules regel prompt system sistem assist asist ignor".split()
)
"""Endings by which orders written backwards are noticed before they are read."""
_LEAST_MIXED: Final = 4
"""Words of letters and digits in one paragraph from which it is read with the digits as letters."""


Shown: TypeAlias = Callable[[str], Iterator[tuple[int, int]]]
"""Spans of the words of a text that show it."""


def addressed(text: str, shown: Shown) -> tuple[tuple[int, int], ...]:
    """Spans [start, end) of what speaks to a machine, in order and apart from each other.

    Where such words stand between brackets the span is the bracket; where they open a paragraph it is the paragraph;
    otherwise it is the sentence.
    """
    found: list[tuple[int, int]] = []
    for start, end in sorted({*shown(text), *_encoded(text, shown)}):
        whole = _around(text, start, end)
        if found and whole[0] <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], whole[1]))
        else:
            found.append(whole)
    return tuple(found)


def blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with these spans as blanks, so that every other character keeps its place."""
    for start, end in spans:
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text


def _encoded(text: str, shown: Shown) -> Iterator[tuple[int, int]]:
    """Orders in base64, backwards, or with digits for letters."""
    for match in _BASE64.finditer(text):
        if _decoded(match[0]):
            yield match.span()
    for start, end in _paragraphs(text):
        part = text[start:end]
        others = [part.translate(_LEET)] if len(_MIXED.findall(part)) >= _LEAST_MIXED else []
        others += [part[::-1]] if any(stem in part.lower() for stem in _BACKWARDS) else []
        if any(True for other in others for _ in shown(other)):
            yield start, end


def _decoded(token: str) -> str:
    """The words behind base64; "" when there are none."""
    try:
        said = base64.b64decode(token + "=" * (-len(token) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return said if said.isprintable() and " " in said.strip() else ""


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for gap in _BLANK_LINE.finditer(text):
        yield start, gap.start()
        start = gap.end()
    yield start, len(text)


def _around(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch that the words from `start` to `end` belong to."""
    held = [b.span() for b in _BRACKETS.finditer(text) if b.start() <= start and end <= b.end()]
    if held:
        return min(held, key=lambda span: span[1] - span[0])
    first, last = next(((s, e) for s, e in _paragraphs(text) if s <= start <= e), (0, len(text)))
    parts = sentences(text, first, last) or [(first, last)]
    if parts[0][0] <= start < parts[0][1] and first > 0:
        return first, max(last, end)
    opens = max((s for s, _ in parts if s <= start), default=start)
    closes = min((e for _, e in parts if e >= end), default=end)
    return min(opens, start), max(closes, end)
