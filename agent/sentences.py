"""Sentences of a text, as spans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_LONG: Final = 300
"""Characters after which a run without an end is cut."""

_ABBREVIATIONS: Final = frozenset(
    "mr mrs ms dr prof st no nr num approx etc vs e.g i.e inc ltd co jr sr dept tel ca bzw z.b d.h u.a usw inkl zzgl ggf evtl "
    "str hr fr hrn art abs bestellnr best mme mlle m av bd p.ex sra sig dott dhr mevr bijv nl jan feb mar apr jun jul aug sep "
    "sept oct okt nov dec dez janv févr juil déc ene dic gen mag giu lug ott set out".split()
)
_STOP: Final = re.compile(
    r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[!?]+(?=[A-ZÄÖÜ])|\n\s*\n|\n(?=\s*(?:[-*•–·]|\d{1,2}[.)])\s)|\n|[。！？]"
)
_BULLET: Final = re.compile(r"\s*(?:[-*•–·]|\d{1,2}[.)])?\s*$")
_LAST_WORD: Final = re.compile(r"([^\s(\"']+)\.$")
_CUT: Final = re.compile(r"[;:,–—-]\s|\s")


def sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Spans of the sentences of `text[start:end]` in order, without the white space around them.

    A line break ends a sentence where the line is short or the next begins anew, so that bullet lists and chat lines
    without full stops come apart; a run longer than about 300 characters is cut at a comma or a space.
    """
    stop = len(text) if end is None else end
    return [cut for piece in _pieces(text, start, stop) for cut in _cut(text, *piece)]


def _pieces(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    begin = start
    for m in _STOP.finditer(text, start, stop):
        if not _ends(text, begin, m, stop):
            continue
        if piece := _trim(text, begin, m.end()):
            yield piece
        begin = m.end()
    if piece := _trim(text, begin, stop):
        yield piece


def _ends(text: str, begin: int, m: re.Match[str], stop: int) -> bool:
    """Whether a mark truly ends a sentence."""
    after = text[m.end() : min(m.end() + 2, stop)].lstrip()
    if m[0] == "\n":
        # a wrapped mail line runs on: it is long and the next begins in lower case
        following = text[m.end() : m.end() + 1]
        return not (following.islower() and m.start() - text.rfind("\n", begin, m.start()) > 45)
    if m[0] == ".":
        if after.islower() or (after.isdigit() and text[m.start() - 1].isdigit()):
            return False
        word = _LAST_WORD.search(text, max(begin, m.start() - 16), m.end())
        if word:
            w = word[1].lower()
            # "Dr.", "J.", "12." are no ends
            return not (w in _ABBREVIATIONS or (len(w) == 1 and w.isalpha()) or (w.isdigit() and len(w) <= 2))
    return True


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end and not _BULLET.fullmatch(text, start, end) else None


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Pieces of at most about 300 characters, cut at the last comma, else space, before that length."""
    while end - start > _LONG:
        at = max((m.end() for m in _CUT.finditer(text, start + _LONG // 2, start + _LONG)), default=start + _LONG)
        if piece := _trim(text, start, at):
            yield piece
        start = at
    if piece := _trim(text, start, end):
        yield piece
