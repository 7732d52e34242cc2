"""The event log: append-only, chained by hash, free of personal text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from api.errors import PersonalTextError, TamperedError
from api.store.tables import events, meta
from api.store.unit import canonical

_ID = re.compile(r"[a-z]{2,9}_[0-9a-z_]{1,40}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")
_HASH = re.compile(r"[0-9a-f]{64}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")
_ENGINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,127}")

FIELDS: Final[Mapping[str, re.Pattern[str] | type[bool] | type[int]]] = {
    "action": _WORD, "author": _WORD, "channel": _WORD, "deadline": _WORD, "decision": _WORD, "issue_type": _WORD,
    "kind": _WORD, "old_status": _WORD, "primary_team": _WORD, "reason_code": _WORD, "role": _WORD, "rule": _WORD,
    "severity": _WORD, "source": _WORD, "state": _WORD, "status": _WORD, "team": _WORD, "tier": _WORD,
    "draft": _ID, "import": _ID, "job": _ID, "key": _ID, "message": _ID, "note": _ID, "principal": _ID,
    "case": _ID, "incident": _ID, "promise": _ID, "policy": _HASH,
    "customer_hash": _HASH, "delivery_hash": _HASH, "draft_hash": _HASH, "text_hash": _HASH,
    "due_at": _INSTANT, "opened_at": _INSTANT, "sent_at": _INSTANT, "written_at": _INSTANT,
    "engine": _ENGINE,
    "degraded": bool, "human_lead": bool, "needs_human": bool,
    "attempts": int, "rows": int, "score": int,
}  # fmt: skip
"""All that an event may say, and what each of it looks like; a field that is not here cannot be written."""

_START = "0" * 64
_HEAD = "event_head"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: number of events and the hash that stands for all of them."""

    seq: int = 0
    hash: str = _START


def append(
    conn: Connection,
    kind: str,
    *,
    actor: str,
    at: datetime,
    data: Mapping[str, Any],
    case_id: str = "",
    case_seq: int = 0,
) -> Head:
    """Add one event.

    Raises:
        PersonalTextError: `data` holds something that an event must not hold.

    """
    if not case_id:
        case_seq = head(conn).seq + 1
    return extend(conn, [(kind, data)], actor=actor, at=at, case_id=case_id, case_seq=case_seq)


def extend(
    conn: Connection, entries: Sequence[tuple[str, Mapping[str, Any]]], *, actor: str, at: datetime, case_id: str,
    case_seq: int,
) -> Head:  # fmt: skip
    """Add several events (kind, data) at once; `case_seq` is the number of the first within its case.

    Raises:
        PersonalTextError: one holds something that an event must not hold.

    """
    for _, data in entries:
        for name, value in data.items():
            _check(name, value)
    old = new = head(conn, lock=True)
    rows: list[dict[str, Any]] = []
    for number, (kind, data) in enumerate(entries):
        row = {
            "seq": new.seq + 1, "case_id": case_id, "case_seq": case_seq + number, "at": at, "kind": kind, "actor": actor,
        }  # fmt: skip
        new = Head(new.seq + 1, _link(new.hash, row, data))
        rows.append({**row, "data": dict(data), "hash": new.hash})
    conn.execute(insert(events), rows)
    if old.seq:
        conn.execute(update(meta).where(meta.c.key == _HEAD).values(value=f"{new.seq}:{new.hash}"))
    else:
        conn.execute(insert(meta).values(key=_HEAD, value=f"{new.seq}:{new.hash}"))
    return new


def head(conn: Connection, *, lock: bool = False) -> Head:
    """Where the chain ends."""
    query = select(meta.c.value).where(meta.c.key == _HEAD)
    value: str | None = conn.execute(query.with_for_update() if lock else query).scalar()
    if value is None:
        return Head()
    seq, _, digest = value.partition(":")
    return Head(int(seq), digest)


def is_word(value: str) -> bool:
    """Whether an event may hold `value` as a word."""
    return _WORD.fullmatch(value) is not None


def of_case(conn: Connection, case_id: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Kind and data of a case's events in order, as `agent.states.fold` takes them."""
    query = select(events.c.kind, events.c.data).where(events.c.case_id == case_id).order_by(events.c.case_seq)
    yield from ((row.kind, row.data) for row in conn.execute(query))


def verify(conn: Connection, anchors: Iterable[Head] = ()) -> Head:
    """Read the whole chain and return its head; `anchors` are heads that were written down outside the database.

    Raises:
        TamperedError: an event was changed, removed, added or swapped, or the end was cut off.

    """
    outside = {anchor.seq: anchor.hash for anchor in anchors}
    seq, digest = 0, _START
    for row in conn.execution_options(yield_per=1000).execute(select(events).order_by(events.c.seq)).mappings():
        seq += 1
        if row["seq"] != seq:
            raise TamperedError(seq, "it is missing.")
        digest = _link(digest, {str(k): v for k, v in row.items()}, row["data"])
        if row["hash"] != digest or outside.pop(seq, digest) != digest:
            raise TamperedError(seq, "its hash does not fit.")
    if outside:
        raise TamperedError(max(outside), "it was there when its hash was written down, and is gone.")
    if head(conn) != Head(seq, digest):
        raise TamperedError(seq, "the log ends elsewhere than its recorded head.")
    return Head(seq, digest)


def anchor(conn: Connection, path: Path, at: datetime) -> Head:
    """Write the head down outside the database, a line per call: a chain alone cannot see that its end was cut off."""
    now = head(conn)
    with path.open("a") as file:
        file.write(f"{now.seq} {now.hash} {at.isoformat()}\n")
    return now


def anchors(path: Path) -> list[Head]:
    """The heads written down so far."""
    if not path.exists():
        return []
    lines = (line.split() for line in path.read_text().splitlines())
    return [Head(int(parts[0]), parts[1]) for parts in lines if len(parts) == 3 and parts[0] != "0"]


def _link(previous: str, row: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    fields = [row["seq"], row["case_id"], row["case_seq"], row["at"].isoformat(), row["kind"], row["actor"], data]
    return hashlib.sha256((previous + canonical(fields)).encode()).hexdigest()


def _check(name: str, value: Any) -> None:
    shape = FIELDS.get(name)
    if isinstance(shape, re.Pattern):
        fits = isinstance(value, str) and shape.fullmatch(value) is not None
    else:
        fits = shape is not None and type(value) is shape
    if not fits:
        raise PersonalTextError(
            f"An event cannot hold {name!r} as given: only ids, enums, instants, numbers and keyed hashes belong there."
        )
