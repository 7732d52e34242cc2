"""Everything checkable in a text: ids, amounts, dates, periods, shares, counts, links, addresses, bare numbers.

Nothing with a figure in it goes unseen: what no reader takes becomes a `number` or a `code`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Final

from agent.facts import days, ids, measures
from agent.facts.reader import Found, Reader
from agent.facts.text import Text


def scan(text: Text, today: date, language: str = "en") -> list[Found]:
    """What is checkable in `text`, in reading order; days are read as seen from `today`."""
    reader = Reader(text, today, language)
    ids.mail_and_web(reader)
    for m in _DIGIT.finditer(text.raw):
        digit = m.start()
        if not reader.taken[digit]:
            start = _start_of_id(text.raw, digit)
            any(read(reader, start, digit) for read in _READERS)
    measures.in_words(reader)
    days.in_words(reader)
    return sorted(reader.found, key=lambda f: f.start)


_DIGIT: Final = re.compile(r"\d")


def _start_of_id(raw: str, digit: int) -> int:
    """Where the id begins to which a figure may belong: `FH-104233`, `AB-12-CD`, `#104233`; else the figure itself."""
    start = digit
    while start and (raw[start - 1].isalnum() or raw[start - 1] in "#_"):
        start -= 1
    while start >= 2 and raw[start - 1] in "-–/" and raw[start - 2].isalnum():
        left = start - 1
        while left and raw[left - 1].isalnum():
            left -= 1
        piece = raw[left : start - 1]
        if not piece.isupper() or len(piece) > _PREFIX:
            break
        start = left
    return start


_PREFIX: Final = 6


def _numbers(r: Reader, start: int, digit: int) -> bool:
    """Any number that nothing else took."""
    raw = r.text.raw
    if raw.startswith("24/7", digit):
        return r.add("idiom", "24/7", digit, digit + 4)
    m = measures.NUMBER.match(raw, digit)
    if m is None:
        return r.add("number", raw[digit], digit, digit + 1)
    ordinal = ids.ORDINAL.match(raw, digit)
    return r.add("number", measures.plain(m[0]), min(start, digit), ordinal.end() if ordinal else m.end())


_READERS: Final[tuple[Callable[[Reader, int, int], bool], ...]] = (
    ids.ibans, days.dates, measures.amounts, measures.measures, days.times, ids.phones, ids.codes, _numbers,
)  # fmt: skip
"""Each takes the text, the start of the possible id and the first figure; the first that takes them wins."""
