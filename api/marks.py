"""Texts with their marks, as the pages print them: the thread with its entities, a draft with its facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from agent import intake
from agent.case import Message
from agent.errors import BadInput
from agent.strip import segments
from api.risk import rows as _rows
from api.views import CaseView

Json: TypeAlias = Mapping[str, Any]
Mark: TypeAlias = tuple[int, int, str, str, int]
"""Start, end, kind, note, number."""

_ENTITY: Final = {
    "order_ids": "order", "amounts": "amount", "dates": "date", "deadlines": "deadline", "tracking_numbers": "tracking",
    "products": "product", "emails": "e-mail", "phones": "phone", "urls": "link", "names": "name", "ibans": "IBAN",
    "addresses": "address", "lots": "lot",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; with a `kind` it is marked, and `note` says why."""

    text: str
    kind: str = ""
    note: str = ""
    number: int = 0
    """Of the footnote, 0 for none."""
    target: str = ""
    """Id of the place on the page that shows where it comes from."""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a message; `folded` when it is not the writer's own: quoted, a signature, a footer."""

    folded: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Thread:
    """One message of the thread with its entities marked."""

    author: str
    at: datetime
    channel: str
    subject: str
    parts: tuple[Part, ...]


def thread(case: CaseView, now: datetime) -> tuple[Thread, ...]:
    """The messages as the agent read them; what its spans do not fit any more is left unmarked."""
    bodies = [
        {"author": m.author, "text": m.text, "subject": m.subject, "channel": m.channel[:40], "at": m.at.isoformat()}
        for m in case.messages
    ]
    try:
        read: Sequence[Message] = intake.parse({"messages": bodies}, now=now, case_id=case.row.id).messages
    except BadInput:  # erased, or written by a person after the limits were reached
        read = [
            Message(m.text, m.at, "staff" if m.author == "staff" else "customer", m.channel, m.subject)
            for m in case.messages
        ]
    proposal: Json = (case.draft.proposal if case.draft else None) or {}
    marks = list(_entity_marks(proposal.get("entities") or {}, [m.text for m in read]))
    return tuple(
        Thread(
            m.author,
            m.at,
            m.channel,
            m.subject,
            tuple(_parts(m.text, [(a, b, k, note, n) for at, a, b, k, note, n in marks if at == i])),
        )
        for i, m in enumerate(read)
    )


_FOLDED: Final = {"quote": "quoted text", "signature": "signature", "footer": "footer", "forwarded_header": "forwarded"}


def _parts(text: str, marks: Sequence[Mark]) -> Iterator[Part]:
    """A message cut where the writer's own words end or begin; a mark stays in the stretch that holds all of it."""
    cuts: list[tuple[str, int, int]] = []
    for segment in segments(text):
        label = _FOLDED.get(segment.kind, "")
        if cuts and cuts[-1][0] == label:
            cuts[-1] = (label, cuts[-1][1], segment.end)
        else:
            cuts.append((label, segment.start, segment.end))
    whole = all(label or not text[start:end].strip() for label, start, end in cuts)
    for label, start, end in cuts:
        inside = [(a - start, b - start, k, note, n) for a, b, k, note, n in marks if start <= a and b <= end]
        if text[start:end].strip():
            yield Part("" if whole else label, tuple(pieces(text[start:end], inside)))


def pieces(text: str, marks: Iterable[Mark]) -> Iterator[Piece]:
    """`text` cut at its marks (start, end, kind, note, number); of two that overlap the first counts."""
    at = 0
    for start, end, kind, note, number in sorted(marks):
        if start < at or end > len(text):
            continue
        if start > at:
            yield Piece(text[at:start])
        yield Piece(text[start:end], kind, note, number)
        at = end
    if at < len(text):
        yield Piece(text[at:])


def _entity_marks(entities: Json, texts: Sequence[str]) -> Iterator[tuple[int, int, int, str, str, int]]:
    """Message number and mark of every entity that still stands where it was read."""
    for group, kind in _ENTITY.items():
        for one in _rows(entities, group):
            span: Json = one.get("span") or {}
            number, start, end = (int(span.get(name, 0)) for name in ("message", "start", "end"))
            if end > start and number < len(texts) and texts[number][start:end] == one.get("text"):
                yield number, start, end, "entity", f"{kind} {one.get('detail') or ''}".strip(), 0
