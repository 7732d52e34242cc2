"""What people decided on drafts, what they answered of the guard's findings, and when they touched a case."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, RowMapping, insert, select, update

from api.ids import new_id
from api.store.desktables import decisions, resolutions, touches
from api.store.tables import events

TouchKind: TypeAlias = Literal["opened", "focused", "edited", "decided"]

QUIET = frozenset(
    {"assigned", "unassigned", "snoozed", "note_added", "team_acked", "draft_rated", "satisfaction_given"}
)
"""Events that change nothing of what an approval rests on."""


def add(conn: Connection, now: datetime, **columns: Any) -> str:
    """One decision."""
    decision_id = new_id("dec", now)
    conn.execute(insert(decisions).values(id=decision_id, at=now, **columns))
    return decision_id


def of_draft(conn: Connection, draft_id: str) -> Sequence[RowMapping]:
    """The decisions on a draft, oldest first, those that were undone too."""
    query = select(decisions).where(decisions.c.draft_id == draft_id).order_by(decisions.c.at, decisions.c.id)
    return conn.execute(query).mappings().all()


def approval(conn: Connection, draft_id: str) -> RowMapping | None:
    """The approval of a draft that stands; None when there is none."""
    found = [d for d in of_draft(conn, draft_id) if d["decision"] in {"approve", "edit"} and d["undone_at"] is None]
    return found[-1] if found else None


def edit(conn: Connection, draft_id: str) -> RowMapping | None:
    """The decision that put a person's words in the place of a draft's; None when they are the draft's own."""
    found = [d for d in of_draft(conn, draft_id) if d["undone_at"] is None and "body" in (d["before"] or {})]
    return found[-1] if found else None


def firsts(conn: Connection, draft_id: str, draft_hash: str) -> list[RowMapping]:
    """First approvals of exactly these words that stand."""
    return [
        d
        for d in of_draft(conn, draft_id)
        if d["decision"] == "first" and d["draft_hash"] == draft_hash and d["undone_at"] is None
    ]


def undo(conn: Connection, draft_id: str, now: datetime) -> None:
    """No approval of a draft stands any more, a first one neither."""
    conn.execute(
        update(decisions).where(decisions.c.draft_id == draft_id, decisions.c.undone_at.is_(None)).values(undone_at=now)
    )


def resolve(conn: Connection, now: datetime, **columns: Any) -> None:
    """A finding is answered with evidence."""
    conn.execute(insert(resolutions).values(id=new_id("res", now), at=now, **columns))


def resolved(conn: Connection, draft_id: str) -> Sequence[RowMapping]:
    """The findings of a draft that were answered, oldest first."""
    query = select(resolutions).where(resolutions.c.draft_id == draft_id).order_by(resolutions.c.id)
    return conn.execute(query).mappings().all()


def touch(
    conn: Connection,
    now: datetime,
    case_id: str,
    who: str,
    kinds: Collection[tuple[TouchKind, str]],
    draft_id: str = "",
) -> None:
    """Somebody did something at an instant; each kind comes with what it was done to, "" for the whole."""
    new: list[Mapping[str, Any]] = [
        {"id": new_id("tch", now), "case_id": case_id, "draft_id": draft_id, "who": who, "kind": kind, "target": target[:40],
         "at": now}
        for kind, target in kinds
    ]  # fmt: skip
    if new:
        conn.execute(insert(touches), new)


def touches_of(conn: Connection, case_id: str) -> Sequence[RowMapping]:
    """Who touched a case when, oldest first."""
    return conn.execute(select(touches).where(touches.c.case_id == case_id).order_by(touches.c.id)).mappings().all()


def moved_on(conn: Connection, case_id: str, version: int) -> bool:
    """Whether anything happened to a case after `version` that an approval rests on."""
    query = select(events.c.seq).where(
        events.c.case_id == case_id, events.c.case_seq > version, events.c.kind.not_in(QUIET)
    )
    return conn.execute(query.limit(1)).first() is not None
