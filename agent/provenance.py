"""Where each part of a rendered text comes from: the file itself, or a value that the customer, the desk or the store gave."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

import jinja2

from agent.template import Items, fenced

Trust: TypeAlias = Literal["literal", "system", "untrusted", "store"]
_FENCE: Final = re.compile(r"(<customer_text>\n)(.*)(\n</customer_text>)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a rendered text that has one origin."""

    text: str
    source: str
    """Dotted name of the value; "" for the words of the file, and for a value made of several."""
    trust: Trust
    """Who wrote it: `literal` is the file."""


class Piece(str):
    """Text of a value that remembers where it comes from."""

    source: str
    trust: Trust
    fence: bool

    def __new__(cls, text: str, source: str, trust: Trust, *, fence: bool = False) -> Piece:
        """`fence` puts it behind a fence when it is printed."""
        made = super().__new__(cls, text)
        made.source, made.trust, made.fence = source, trust, fence
        return made

    def __str__(self) -> Piece:
        """Itself, so that printing keeps its origin."""
        return self


def printed(value: Any) -> Any:
    """What a template prints of a value, as a piece."""
    if isinstance(value, Piece):
        return Piece(fenced(value), value.source, value.trust) if value.fence else value
    if isinstance(value, jinja2.Undefined) or type(value) is str:
        return value
    if type(value) in (int, float):
        return Piece(str(value), "", "system")
    kind = "list" if isinstance(value, Items) else type(value).__name__
    raise TypeError(f"a value of type {kind} cannot be printed")


def tracing(_name: str, plain_filter: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose result remembers what it was made of."""
    at = int(hasattr(plain_filter, "jinja_pass_arg"))  # some filters are handed the environment before the value

    @wraps(plain_filter)
    def traced(*args: Any) -> Any:
        made = plain_filter(*args)
        if isinstance(made, Piece) or not isinstance(made, str):
            return made
        value = args[at]
        known = [part for part in (value if isinstance(value, Items) else (value,)) if isinstance(part, Piece)]
        if not known:
            return made
        worst: Trust = "untrusted" if any(p.trust == "untrusted" for p in known) else known[0].trust
        return Piece(made, known[0].source if len({p.source for p in known}) == 1 else "", worst)

    return traced


def segments(pieces: Sequence[str], text: str, marks: re.Pattern[str] | None = None) -> tuple[Segment, ...]:
    """The origin of each stretch of `text`, which is the joined pieces with other white space and without `marks`.

    Every other character of the text stands in the pieces in the same order, so walking both tells where it comes from.
    """
    origin = list(_origins(pieces))
    raw = "".join(pieces)
    if marks is not None:
        gone = {i for match in marks.finditer(raw) for i in range(*match.span())}
        origin = [o for i, o in enumerate(origin) if i not in gone]
        raw = "".join(c for i, c in enumerate(raw) if i not in gone)
    at, found, last = 0, list[tuple[str, tuple[str, Trust]]](), _LITERAL
    for char in text:
        if not char.isspace():
            while at < len(raw) and raw[at] != char:
                at += 1
            last = origin[at] if at < len(raw) else _LITERAL
            at += 1
        elif at < len(raw) and raw[at].isspace():
            last = origin[at]
        found.append((char, last))
    return tuple(Segment("".join(c for c, _ in run), *key) for key, run in groupby(found, key=lambda pair: pair[1]))


_LITERAL: Final[tuple[str, Trust]] = ("", "literal")


def _origins(pieces: Iterable[str]) -> Iterator[tuple[str, Trust]]:
    """The origin of every character; a fence belongs to the desk, what is in it to the customer."""
    for piece in pieces:
        if not isinstance(piece, Piece):
            yield from (_LITERAL for _ in piece)
            continue
        key = (piece.source, piece.trust)
        fence = _FENCE.fullmatch(piece) if piece.trust == "untrusted" else None
        for part, own in ((fence[1], False), (fence[2], True), (fence[3], False)) if fence else ((str(piece), True),):
            yield from ((key if own else _LITERAL) for _ in part)
