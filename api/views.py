"""What is shown of the store: one frozen read model per page or answer, each read in one transaction."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, or_, select

from agent.states import CaseStatus, DraftState
from api.auth import Principal
from api.errors import InvalidError
from api.store import cases as case_rows
from api.store.columns import NEVER
from api.store.tables import cases, drafts, events, promises
from api.store.unit import Store

MOST = 200
"""Rows of one page."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One case as the queue shows it."""

    id: str
    external_id: str
    title: str
    status: CaseStatus
    issue_type: str
    severity: str
    primary_team: str
    language: str
    human_lead: bool
    needs_human: bool
    needs_human_reason: str
    draft_id: str | None
    draft_state: DraftState | None
    opened_at: datetime
    updated_at: datetime
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows and where the next ones begin."""

    rows: tuple[QueueRow, ...]
    cursor: str | None
    """Pass it as `after` for the next page; None on the last."""


@dataclass(frozen=True, slots=True)
class MessageView:
    """One text of a case; it is empty when it was erased."""

    id: str
    at: datetime
    author: str
    direction: str
    channel: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class EventView:
    """One entry of a case's log."""

    seq: int
    at: datetime
    kind: str
    actor: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LogView(EventView):
    """One entry of the whole desk's log; `seq` counts over all cases."""

    case_id: str


@dataclass(frozen=True, slots=True)
class DraftView:
    """One draft with the proposal that it belongs to."""

    id: str
    case_id: str
    state: DraftState
    state_reason: str
    kind: str
    hash: str
    """Pass it back with a review, together with the case's version."""
    engine: str
    degraded: bool
    hint: str
    body: Mapping[str, Any] | None
    proposal: Mapping[str, Any] | None
    """The whole answer as DESIGN lists it: triage, entities, precedents, guard, clocks..."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PromiseView:
    """What a sent text committed the store to; the text is empty when it was erased."""

    id: str
    action: str
    text: str
    amount: str | None
    currency: str | None
    due_at: datetime | None
    state: str
    made_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case with everything on it."""

    row: QueueRow
    version: int
    reopened: int
    escalation: Mapping[str, Any]
    """What was handed in besides the messages: customer, order_ref, context."""
    messages: tuple[MessageView, ...]
    draft: DraftView | None
    """The current draft."""
    drafts: tuple[tuple[str, DraftState], ...]
    """All drafts, id and state, oldest first."""
    events: tuple[EventView, ...]
    promises: tuple[PromiseView, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases to list; an empty set keeps all."""

    statuses: Collection[str] = ()
    issue_types: Collection[str] = ()
    severities: Collection[str] = ()
    teams: Collection[str] = ()
    draft_states: Collection[str] = ()


class Views:
    """Reads for people and programs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def queue(self, who: Principal, want: Filter = Filter(), *, after: str | None = None, limit: int = 50) -> Page:
        """Cases by their next due instant, those without one last.

        Raises:
            InvalidError: `after` is no cursor of this list.

        """
        who.need("read")
        limit = max(1, min(limit, MOST))
        c = cases.c
        query = select(cases).order_by(c.next_due_at, c.id).limit(limit + 1)
        for column, values in (
            (c.status, want.statuses), (c.issue_type, want.issue_types), (c.severity, want.severities),
            (c.primary_team, want.teams), (c.draft_state, want.draft_states),
        ):  # fmt: skip
            if values:
                query = query.where(column.in_(values))
        if after:
            at, last = _open(after)
            query = query.where(or_(c.next_due_at > at, and_(c.next_due_at == at, c.id > last)))
        with self._store.read() as conn:
            found = conn.execute(query).mappings().all()
        more = len(found) > limit
        shown = found[:limit]
        return Page(tuple(_queue_row(row) for row in shown), _cursor(shown[-1]) if more else None)

    def case(self, who: Principal, case_id: str) -> CaseView:
        """One case.

        Raises:
            NotFoundError: there is no such case.

        """
        who.need("read")
        with self._store.read() as conn:
            row = case_rows.get(conn, case_id)
            states = select(drafts.c.id, drafts.c.state).where(drafts.c.case_id == case_id).order_by(drafts.c.id)
            return CaseView(
                row=_queue_row(row), version=row["version"], reopened=row["reopened"], escalation=row["payload"] or {},
                messages=tuple(_message(m) for m in case_rows.messages_of(conn, case_id)),
                draft=_draft(case_rows.get_draft(conn, row["draft_id"])) if row["draft_id"] else None,
                drafts=tuple((draft.id, draft.state) for draft in conn.execute(states)),
                events=_events(conn, case_id), promises=_promises(conn, case_id),
            )  # fmt: skip

    def draft(self, who: Principal, draft_id: str) -> DraftView:
        """One draft.

        Raises:
            NotFoundError: there is no such draft.

        """
        who.need("read")
        with self._store.read() as conn:
            return _draft(case_rows.get_draft(conn, draft_id))

    def promises(self, who: Principal, case_id: str) -> tuple[PromiseView, ...]:
        """What was promised on a case, the oldest first."""
        who.need("read")
        with self._store.read() as conn:
            return _promises(conn, case_id)

    def events(self, who: Principal, case_id: str, after: int = 0) -> tuple[EventView, ...]:
        """The log of a case from after its `after`-th entry.

        Raises:
            NotFoundError: there is no such case.

        """
        who.need("read")
        with self._store.read() as conn:
            case_rows.get(conn, case_id)
            return _events(conn, case_id, after)

    def log(self, who: Principal, after: int | None, limit: int = MOST) -> tuple[LogView, ...]:
        """The desk's log from after its `after`-th entry, at most `limit` entries; None for its last entry alone."""
        who.need("read")
        query = select(events)
        if after is None:
            query = query.order_by(events.c.seq.desc()).limit(1)
        else:
            query = query.where(events.c.seq > after).order_by(events.c.seq).limit(limit)
        with self._store.read() as conn:
            rows = conn.execute(query).mappings().all()
        return tuple(LogView(r["seq"], r["at"], r["kind"], r["actor"], r["data"], r["case_id"]) for r in rows)


def _events(conn: Connection, case_id: str, after: int = 0) -> tuple[EventView, ...]:
    query = select(events).where(events.c.case_id == case_id, events.c.case_seq > after).order_by(events.c.case_seq)
    rows = conn.execute(query).mappings()
    return tuple(EventView(r["case_seq"], r["at"], r["kind"], r["actor"], r["data"]) for r in rows)


def _promises(conn: Connection, case_id: str) -> tuple[PromiseView, ...]:
    query = select(promises).where(promises.c.case_id == case_id).order_by(promises.c.id)
    return tuple(
        PromiseView(
            row["id"], row["action"], row["text"], row["amount"], row["currency"], row["due_at"], row["state"],
            row["made_at"], row["settled_at"],
        )
        for row in conn.execute(query).mappings()
    )  # fmt: skip


def _queue_row(row: RowMapping) -> QueueRow:
    due: datetime = row["next_due_at"]
    return QueueRow(
        id=row["id"], external_id=row["external_id"], title=row["title"], status=row["status"],
        issue_type=row["issue_type"], severity=row["severity"], primary_team=row["primary_team"],
        language=row["language"], human_lead=row["human_lead"], needs_human=row["needs_human"],
        needs_human_reason=row["needs_human_reason"], draft_id=row["draft_id"], draft_state=row["draft_state"] or None,
        opened_at=row["opened_at"], updated_at=row["updated_at"], next_due_at=None if due == NEVER else due,
    )  # fmt: skip


def _message(row: RowMapping) -> MessageView:
    body: Mapping[str, Any] = row["body"] or {}
    return MessageView(
        row["id"], row["at"], row["author"], row["direction"], row["channel"],
        str(body.get("subject") or ""), str(body.get("text") or ""),
    )  # fmt: skip


def _draft(row: RowMapping) -> DraftView:
    return DraftView(
        id=row["id"], case_id=row["case_id"], state=row["state"], state_reason=row["state_reason"], kind=row["kind"],
        hash=row["hash"], engine=row["engine"], degraded=row["degraded"], hint=row["hint"], body=row["body"],
        proposal=row["proposal"], created_at=row["created_at"], updated_at=row["updated_at"],
    )  # fmt: skip


def _cursor(row: RowMapping) -> str:
    return base64.urlsafe_b64encode(f"{row['next_due_at'].isoformat()} {row['id']}".encode()).decode().rstrip("=")


def _open(cursor: str) -> tuple[datetime, str]:
    try:
        at, _, last = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(" ")
        instant = datetime.fromisoformat(at)
    except (ValueError, binascii.Error):
        instant, last = None, ""
    if instant is None or instant.tzinfo is None or not last:
        raise InvalidError("This page cursor is not one of the queue; start again without it.")
    return instant, last
