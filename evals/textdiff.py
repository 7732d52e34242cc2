"""Two texts side by side: which lines differ, and which words of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final

_WORDS: Final = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a line."""

    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A line before beside the line now; None where there is none on that side."""

    before: tuple[Piece, ...] | None
    now: tuple[Piece, ...] | None

    @property
    def same(self) -> bool:
        """Whether both sides read alike."""
        return self.before == self.now


def side_by_side(before: str, now: str, context: int | None = None) -> tuple[Row, ...]:
    """All lines of both texts; with `context` only that many equal lines around each difference."""
    a, b = before.splitlines(), now.splitlines()
    rows: list[Row] = []
    for kind, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind == "equal":
            rows += [Row((Piece(line),), (Piece(line),)) for line in a[i:j]]
        else:
            rows += [_row(old, new) for old, new in zip_longest(a[i:j], b[k:m])]
    return tuple(rows if context is None else _near(rows, context))


def _row(old: str | None, new: str | None) -> Row:
    if old is None or new is None:
        return Row(None if old is None else (Piece(old, True),), None if new is None else (Piece(new, True),))
    before, now = _WORDS.findall(old), _WORDS.findall(new)
    left: list[Piece] = []
    right: list[Piece] = []
    for kind, i, j, k, m in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        changed = kind != "equal"
        left += [Piece("".join(before[i:j]), changed)] if j > i else []
        right += [Piece("".join(now[k:m]), changed)] if m > k else []
    return Row(tuple(left), tuple(right))


def _near(rows: Sequence[Row], context: int) -> list[Row]:
    """Differences and their surroundings; `...` stands for what is left out."""
    kept = {
        at
        for place, row in enumerate(rows)
        if not row.same
        for at in range(max(0, place - context), min(len(rows), place + context + 1))
    }
    found: list[Row] = []
    last = -1
    for at in sorted(kept):
        if at > last + 1:
            found.append(_GAP)
        found.append(rows[at])
        last = at
    return found if not kept or last == len(rows) - 1 else [*found, _GAP]


_GAP: Final = Row((Piece("..."),), (Piece("..."),))


def unified(before: str, now: str, context: int = 2) -> list[str]:
    """The same as lines that begin with `-`, `+` or a space, for places without colour."""
    lines: list[str] = []
    for row in side_by_side(before, now, context):
        old, new = ("".join(p.text for p in side) if side else None for side in (row.before, row.now))
        if row.same:
            lines.append(f"  {old or ''}")
            continue
        lines += [f"- {old}"] if old is not None else []
        lines += [f"+ {new}"] if new is not None else []
    return lines
