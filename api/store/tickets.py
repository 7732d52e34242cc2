"""Tickets as rows: which case is which ticket of a helpdesk, and what is known of it there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from api.store.tables import events, ticket_messages, tickets


def locked(conn: Connection, source: str, external_id: str) -> RowMapping:
    """The row of a ticket, made if there is none, and held until the transaction ends."""
    query = select(tickets).where(tickets.c.source == source, tickets.c.external_id == external_id).with_for_update()
    row = conn.execute(query).mappings().first()
    if row is None:
        conn.execute(insert(tickets).values(source=source, external_id=external_id, facts={}))
        row = conn.execute(query).mappings().one()
    return row


def change(conn: Connection, ticket: RowMapping, **columns: Any) -> None:
    """Set what is known of a ticket."""
    mine = (tickets.c.source == ticket["source"], tickets.c.external_id == ticket["external_id"])
    conn.execute(update(tickets).where(*mine).values(columns))


def known(conn: Connection, source: str, external_id: str) -> tuple[dict[str, Any], set[str]]:
    """The facts of a ticket and the ids of its texts; both empty when there is none."""
    mine = (tickets.c.source == source, tickets.c.external_id == external_id)
    facts = conn.execute(select(tickets.c.facts).where(*mine)).scalar()
    its = (ticket_messages.c.source == source, ticket_messages.c.external_id == external_id)
    return facts or {}, set(conn.execute(select(ticket_messages.c.message_id).where(*its)).scalars())


def known_messages(conn: Connection, ticket: RowMapping, ids: Collection[str]) -> set[str]:
    """Those of `ids` that came before."""
    query = select(ticket_messages.c.message_id).where(
        ticket_messages.c.source == ticket["source"],
        ticket_messages.c.external_id == ticket["external_id"],
        ticket_messages.c.message_id.in_(ids),
    )
    return set(conn.execute(query).scalars())


def add_messages(conn: Connection, ticket: RowMapping, ids: Collection[str]) -> None:
    """These came."""
    own = {"source": ticket["source"], "external_id": ticket["external_id"]}
    conn.execute(insert(ticket_messages), [{**own, "message_id": id_} for id_ in ids])


def last_move_of_others(conn: Connection, case_id: str, actor: str) -> datetime | None:
    """When anybody but `actor` last moved the case, or said something on it that may move it."""
    query = select(func.max(events.c.at)).where(
        events.c.case_id == case_id,
        events.c.actor != actor,
        events.c.kind.in_(("status_set", "reopened", "reply_sent", "message_received")),
    )
    return conn.execute(query).scalar()
