"""Cases, their messages and their drafts: rows, and the one way to add an event to a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from agent.states import OPEN_DRAFT, CaseState, move_draft, step
from api.errors import NotFoundError
from api.ids import new_id
from api.store import audit
from api.store.columns import NEVER
from api.store.tables import cases, drafts, messages


def add(conn: Connection, now: datetime, **columns: Any) -> str:
    """A new case without messages; its first event is still to be recorded."""
    case_id = new_id("case", now)
    conn.execute(
        insert(cases).values(id=case_id, version=0, status="new", updated_at=now, next_due_at=NEVER, **columns)
    )
    return case_id


def get(conn: Connection, case_id: str, *, lock: bool = False) -> RowMapping:
    """One case.

    Raises:
        NotFoundError: there is no such case.

    """
    query = select(cases).where(cases.c.id == case_id)
    row = conn.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise NotFoundError("escalation", case_id)
    return row


def record(conn: Connection, case_id: str, kind: str, *, actor: str, now: datetime, **data: Any) -> CaseState:
    """Add one event to a case and fold it into its row."""
    return record_all(conn, case_id, [(kind, data)], actor=actor, now=now)


def record_all(
    conn: Connection, case_id: str, entries: Sequence[tuple[str, Mapping[str, Any]]], *, actor: str, now: datetime
) -> CaseState:
    """Add several events (kind, data) to a case and fold them into its row."""
    row = get(conn, case_id, lock=True)
    old = new = CaseState(row["status"], row["version"], row["reopened"], row["human_replies"])
    for kind, data in entries:
        new = step(new, kind, data)
    if new is old:
        return old
    audit.extend(conn, entries, actor=actor, at=now, case_id=case_id, case_seq=old.version + 1)
    columns: dict[str, Any] = {
        "status": new.status, "version": new.version, "reopened": new.reopened, "human_replies": new.human_replies,
        "updated_at": now,
    }  # fmt: skip
    if new.status != old.status and new.status == "resolved":
        columns["resolved_at"] = now
    conn.execute(update(cases).where(cases.c.id == case_id).values(columns))
    return new


def change(conn: Connection, case_id: str, **columns: Any) -> None:
    """Set columns that no event decides."""
    conn.execute(update(cases).where(cases.c.id == case_id).values(columns))


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
    """One text on a case, in its wire form."""
    message_id = new_id("msg", now)
    count = select(func.count()).where(messages.c.case_id == case_id)
    conn.execute(
        insert(messages).values(
            id=message_id,
            case_id=case_id,
            position=conn.execute(count).scalar_one(),
            at=at,
            received_at=now,
            author=body["author"],
            direction="outbound" if outbound else "inbound",
            channel=str(body.get("channel", ""))[:64],
            text_hash=text_hash,
            body=dict(body),
        )
    )
    return message_id


def messages_of(conn: Connection, case_id: str) -> Sequence[RowMapping]:
    """The texts of a case by the time they were written, whatever the order they came in."""
    query = select(messages).where(messages.c.case_id == case_id)
    return conn.execute(query.order_by(messages.c.at, messages.c.position)).mappings().all()


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


def add_draft(conn: Connection, case_id: str, hint: str, now: datetime) -> str:
    """A pending draft, now the current one of its case."""
    draft_id = new_id("drf", now)
    conn.execute(
        insert(drafts).values(id=draft_id, case_id=case_id, state="pending", hint=hint, created_at=now, updated_at=now)
    )
    change(conn, case_id, draft_id=draft_id, draft_state="pending")
    return draft_id


def get_draft(conn: Connection, draft_id: str, *, lock: bool = False) -> RowMapping:
    """One draft.

    Raises:
        NotFoundError: there is no such draft.

    """
    query = select(drafts).where(drafts.c.id == draft_id)
    row = conn.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise NotFoundError("draft", draft_id)
    return row


def set_draft(conn: Connection, draft: RowMapping, state: str, now: datetime, **columns: Any) -> None:
    """Move a draft to another state and set what it now holds.

    Raises:
        IllegalMoveError: no draft goes that way.

    """
    columns |= {"state": move_draft(draft["state"], state), "updated_at": now}
    conn.execute(update(drafts).where(drafts.c.id == draft["id"]).values(columns))
    conn.execute(
        update(cases).where(cases.c.id == draft["case_id"], cases.c.draft_id == draft["id"]).values(draft_state=state)
    )


def open_drafts(conn: Connection, case_id: str) -> Sequence[RowMapping]:
    """Drafts of a case that may still be decided on."""
    query = select(drafts).where(drafts.c.case_id == case_id, drafts.c.state.in_(OPEN_DRAFT))
    return conn.execute(query.order_by(drafts.c.id)).mappings().all()


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
