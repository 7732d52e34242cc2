"""Cases, their messages and their drafts: rows, and the one way to add an event to a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select, update

from agent.states import OPEN_DRAFT, CaseState, move_draft, step
from api.errors import NotFoundError
from api.ids import new_id
from api.store import audit
from api.store.tables import cases, drafts, messages


def add(conn: Connection, case_id: str, now: datetime, **columns: Any) -> None:
    """A new case as its first events have it; they, its messages and its draft are still to be stored."""
    conn.execute(_ADD, {"id": case_id, "updated_at": now, **columns})


def get(conn: Connection, case_id: str, *, lock: bool = False) -> RowMapping:
    """One case.

    Raises:
        NotFoundError: there is no such case.

    """
    row = conn.execute(_GET_LOCKED if lock else _GET, {"of": case_id}).mappings().first()
    if row is None:
        raise NotFoundError("escalation", case_id)
    return row


def record(conn: Connection, case_id: str, kind: str, *, actor: str, now: datetime, **data: Any) -> CaseState:
    """Add one event to a case and fold it into its row."""
    return record_all(conn, case_id, [(kind, data)], actor=actor, now=now)


def record_all(
    conn: Connection, case_id: str, entries: Sequence[tuple[str, Mapping[str, Any]]], *, actor: str, now: datetime,
    row: Mapping[Any, Any] | None = None, columns: Mapping[str, Any] | None = None,
) -> CaseState:  # fmt: skip
    """Add several events (kind, data) to a case and fold them into its row.

    Args:
        conn: the transaction.
        case_id: of the case.
        entries: kind and data of each event.
        actor: id of the principal who acts.
        now: the instant.
        row: the case as this transaction read and locked it, if it did.
        columns: set in the same statement, beside what the events decide.

    """
    row = get(conn, case_id, lock=True) if row is None else row
    old = new = CaseState(row["status"], row["version"], row["reopened"], row["human_replies"])
    for kind, data in entries:
        new = step(new, kind, data)
    told = dict(columns or {})
    if new is not old:
        audit.extend(conn, entries, actor=actor, at=now, case_id=case_id, case_seq=old.version + 1)
        told |= {
            "status": new.status, "version": new.version, "reopened": new.reopened,
            "human_replies": new.human_replies, "updated_at": now,
        }  # fmt: skip
        if new.status != old.status and new.status == "resolved":
            told["resolved_at"] = now
    if told:
        change(conn, case_id, **told)
    return new


def change(conn: Connection, case_id: str, **columns: Any) -> None:
    """Set columns that no event decides."""
    conn.execute(_CHANGE, {"of": case_id, **columns})


def message_row(
    case_id: str, body: Mapping[str, Any], *, position: int, at: datetime, now: datetime, text_hash: str, outbound: bool
) -> dict[str, Any]:
    """One text on a case, in its wire form, as `add_messages` takes it."""
    return {
        "id": new_id("msg", now), "case_id": case_id, "position": position, "at": at, "received_at": now,
        "author": body["author"], "direction": "outbound" if outbound else "inbound",
        "channel": str(body.get("channel", ""))[:64], "text_hash": text_hash, "body": dict(body),
    }  # fmt: skip


def add_messages(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Texts on cases."""
    conn.execute(_ADD_MESSAGE, rows)


def count_messages(conn: Connection, case_id: str) -> int:
    """Number of texts on a case, which is the position of the next one."""
    return conn.execute(_COUNT_MESSAGES, {"of": case_id}).scalar_one()


def add_message(
    conn: Connection,
    case_id: str,
    body: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    text_hash: str,
    outbound: bool,
) -> str:
    """One more text on a case; returns its id."""
    position = count_messages(conn, case_id)
    row = message_row(case_id, body, position=position, at=at, now=now, text_hash=text_hash, outbound=outbound)
    add_messages(conn, [row])
    return row["id"]


def messages_of(conn: Connection, case_id: str) -> Sequence[RowMapping]:
    """The texts of a case by the time they were written, whatever the order they came in."""
    return conn.execute(_MESSAGES, {"of": case_id}).mappings().all()


def earlier_of_customer(conn: Connection, case: RowMapping, since: datetime) -> int:
    """Other cases that the same customer opened from `since` until this one."""
    if not case["customer_key"]:
        return 0
    query = select(func.count()).where(
        cases.c.customer_key == case["customer_key"],
        cases.c.opened_at >= since,
        cases.c.opened_at < case["opened_at"],
        cases.c.id != case["id"],
    )
    return conn.execute(query).scalar_one()


def add_draft(conn: Connection, case_id: str, draft_id: str, hint: str, now: datetime) -> None:
    """A pending draft; the row of the case still has to name it as the current one."""
    row = {"id": draft_id, "case_id": case_id, "state": "pending", "hint": hint, "created_at": now, "updated_at": now}
    conn.execute(_ADD_DRAFT, row)


def get_draft(conn: Connection, draft_id: str, *, lock: bool = False) -> RowMapping:
    """One draft.

    Raises:
        NotFoundError: there is no such draft.

    """
    row = conn.execute(_GET_DRAFT_LOCKED if lock else _GET_DRAFT, {"of": draft_id}).mappings().first()
    if row is None:
        raise NotFoundError("draft", draft_id)
    return row


def set_draft(conn: Connection, draft: RowMapping, state: str, now: datetime, **columns: Any) -> None:
    """Move a draft to another state and set what it now holds.

    Raises:
        IllegalMoveError: no draft goes that way.

    """
    fill_draft(conn, draft, state, now, **columns)
    conn.execute(_CURRENT, {"of": draft["case_id"], "its": draft["id"], "draft_state": state})


def fill_draft(conn: Connection, draft: RowMapping, state: str, now: datetime, **columns: Any) -> None:
    """The same, but the row of the case is not touched: the caller sets its `draft_state`.

    Raises:
        IllegalMoveError: no draft goes that way.

    """
    columns |= {"state": move_draft(draft["state"], state), "updated_at": now}
    conn.execute(_CHANGE_DRAFT, {"of": draft["id"], **columns})


def open_drafts(conn: Connection, case_id: str) -> Sequence[RowMapping]:
    """Drafts of a case that may still be decided on."""
    return conn.execute(_OPEN_DRAFTS, {"of": case_id}).mappings().all()


def set_hint(conn: Connection, draft_id: str, hint: str) -> None:
    """Tell a pending draft what a person wants otherwise."""
    conn.execute(update(drafts).where(drafts.c.id == draft_id).values(hint=hint))


def set_proposal(conn: Connection, draft_id: str, proposal: Mapping[str, Any]) -> None:
    """Change what is shown around a draft; its text and hash stay."""
    conn.execute(update(drafts).where(drafts.c.id == draft_id).values(proposal=dict(proposal)))


def set_words(
    conn: Connection, draft_id: str, body: Mapping[str, Any], proposal: Mapping[str, Any], digest: str
) -> None:
    """Put a person's words in the place of a draft's; its state stays."""
    values = {"body": dict(body), "proposal": dict(proposal), "hash": digest}
    conn.execute(update(drafts).where(drafts.c.id == draft_id).values(values))


# Built once: building a statement costs more than running it. A dictionary of columns beside `of` says what is set.
_ADD, _ADD_MESSAGE, _ADD_DRAFT = insert(cases), insert(messages), insert(drafts)
_GET = select(cases).where(cases.c.id == bindparam("of"))
_GET_LOCKED = _GET.with_for_update()
_CHANGE = update(cases).where(cases.c.id == bindparam("of"))
_CURRENT = _CHANGE.where(cases.c.draft_id == bindparam("its"))
_COUNT_MESSAGES = select(func.count()).where(messages.c.case_id == bindparam("of"))
_MESSAGES = select(messages).where(messages.c.case_id == bindparam("of")).order_by(messages.c.at, messages.c.position)
_GET_DRAFT = select(drafts).where(drafts.c.id == bindparam("of"))
_GET_DRAFT_LOCKED = _GET_DRAFT.with_for_update()
_CHANGE_DRAFT = update(drafts).where(drafts.c.id == bindparam("of"))
_OPEN_DRAFTS = (
    select(drafts).where(drafts.c.case_id == bindparam("of"), drafts.c.state.in_(OPEN_DRAFT)).order_by(drafts.c.id)
)
