"""Who works on which case, what the queue needs of it besides its row, notes among staff, ratings and feedback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, or_, select, update

from api.ids import new_id
from api.store.desktables import case_notes, case_work, draft_ratings, feedback, leases, preferences
from api.store.tables import principals


def put(conn: Connection, case_id: str, **columns: Any) -> None:
    """Set what the queue needs of a case."""
    if conn.execute(update(case_work).where(case_work.c.case_id == case_id).values(columns)).rowcount == 0:
        conn.execute(insert(case_work).values(case_id=case_id, **columns))


def get(conn: Connection, case_id: str) -> RowMapping | None:
    """What the queue needs of a case; None when nothing was set yet."""
    return conn.execute(select(case_work).where(case_work.c.case_id == case_id)).mappings().first()


def assignee(conn: Connection, case_id: str) -> str:
    """Whose case it is; "" when nobody's."""
    return conn.execute(select(case_work.c.assignee).where(case_work.c.case_id == case_id)).scalar() or ""


def names(conn: Connection) -> dict[str, str]:
    """Everybody's name by id."""
    return {row.id: row.name for row in conn.execute(select(principals.c.id, principals.c.name))}


# --- leases -----------------------------------------------------------------------------------------------------------


def hold(conn: Connection, case_id: str, who: str, until: datetime, now: datetime) -> RowMapping:
    """Take a case that nobody else holds, or hold it longer; returns who holds it now."""
    free = or_(leases.c.who == who, leases.c.until <= now)
    taken = conn.execute(update(leases).where(leases.c.case_id == case_id, free).values(who=who, until=until)).rowcount
    if taken == 0 and holder(conn, case_id) is None:
        conn.execute(insert(leases).values(case_id=case_id, who=who, until=until))
    found = holder(conn, case_id)
    assert found is not None  # noqa: S101 - it was there, or was just put there
    return found


def holder(conn: Connection, case_id: str) -> RowMapping | None:
    """The lease on a case, whether or not it has ended; None when there never was one."""
    return conn.execute(select(leases).where(leases.c.case_id == case_id)).mappings().first()


def let_go(conn: Connection, case_id: str, who: str) -> None:
    """Give a case back, if this is who holds it."""
    conn.execute(delete(leases).where(leases.c.case_id == case_id, leases.c.who == who))


# --- notes, ratings, feedback -----------------------------------------------------------------------------------------


def add_note(conn: Connection, case_id: str, who: str, text: str, now: datetime) -> str:
    """A note among staff."""
    note_id = new_id("note", now)
    conn.execute(insert(case_notes).values(id=note_id, case_id=case_id, who=who, at=now, text=text))
    return note_id


def notes(conn: Connection, case_id: str) -> Sequence[RowMapping]:
    """The notes on a case, oldest first."""
    return (
        conn.execute(select(case_notes).where(case_notes.c.case_id == case_id).order_by(case_notes.c.id))
        .mappings()
        .all()
    )


def add_rating(conn: Connection, now: datetime, **columns: Any) -> str:
    """What somebody thought of a draft; an earlier rating of theirs is superseded, not changed."""
    before = next((r["id"] for r in ratings(conn, columns["draft_id"]) if r["rater"] == columns["rater"]), None)
    rating_id = new_id("rtg", now)
    conn.execute(insert(draft_ratings).values(id=rating_id, at=now, supersedes=before, **columns))
    return rating_id


def ratings(conn: Connection, draft_id: str) -> Sequence[RowMapping]:
    """The ratings of a draft that stand, oldest first."""
    query = select(draft_ratings).where(draft_ratings.c.draft_id == draft_id).order_by(draft_ratings.c.id)
    found = conn.execute(query).mappings().all()
    old = {row["supersedes"] for row in found}
    return [row for row in found if row["id"] not in old]


def add_feedback(conn: Connection, now: datetime, **columns: Any) -> None:
    """Something misled somebody."""
    conn.execute(insert(feedback).values(id=new_id("fbk", now), at=now, **columns))


def feedback_of(conn: Connection, case_id: str) -> Sequence[RowMapping]:
    """What misled people on a case."""
    return conn.execute(select(feedback).where(feedback.c.case_id == case_id)).mappings().all()


# --- preferences ------------------------------------------------------------------------------------------------------


def shortcuts(conn: Connection, principal_id: str) -> bool:
    """Whether a person works with single keys."""
    found = conn.execute(select(preferences.c.shortcuts).where(preferences.c.principal_id == principal_id)).scalar()
    return True if found is None else bool(found)


def set_preferences(conn: Connection, principal_id: str, values: Mapping[str, Any]) -> None:
    """How a person likes the pages."""
    mine = preferences.c.principal_id == principal_id
    if conn.execute(update(preferences).where(mine).values(dict(values))).rowcount == 0:
        conn.execute(insert(preferences).values(principal_id=principal_id, **values))


def people(conn: Connection) -> tuple[tuple[str, str], ...]:
    """Id and name of everybody who can be given a case."""
    query = select(principals.c.id, principals.c.name).where(principals.c.active, principals.c.role != "worker")
    return tuple((row.id, row.name) for row in conn.execute(query.order_by(principals.c.name)))
