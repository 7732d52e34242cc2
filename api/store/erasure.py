"""Taking people out of the rows: what is personal is emptied, what only served to find them is deleted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Connection, String, Table, delete, func, select, update

from agent.entities import order_key
from api.store import desktables, tables
from api.store.columns import metadata
from api.store.unit import Store, canonical

_BATCH: Final = 500
"""Values in one `IN (...)`: databases limit the number of parameters."""
_TELLING: Final = re.compile(r"@|\d{3}|\S\s+\S")
"""What a word has that tells one person from others: an address, a number, or more than a first name."""
_GONE: Final = (tables.traces, desktables.leases)
"""Rows that are of no use without their text."""
_REASONS: Final = ((tables.incident_cases, "reason"), (tables.merge_offers, "reason"))
"""Words about a case that may repeat its own."""
_FOREIGN: Final = (
    (tables.cases, "external_id"), (tables.inbox, "delivery_id"), (tables.deliveries, "delivery_id"),
    (tables.tickets, "external_id"),
)  # fmt: skip
"""Ids that others gave: they stay, so that a repeat is known, unless they hold words of the person."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What leads to people: their cases, and the words by which they are known there."""

    cases: tuple[str, ...]
    words: frozenset[str]
    """Names, addresses, phone numbers and order ids, in lower case."""
    orders: frozenset[str]
    """Order ids as precedents are found by them."""
    tickets: tuple[tuple[str, str], ...] = ()
    """Source and id of their tickets at helpdesks."""

    def told_in(self, text: str) -> bool:
        """Whether a text names one of the people, or a case of theirs."""
        return self.named_in(text) or _any_of(frozenset(self.cases)).search(text) is not None

    def named_in(self, text: str) -> bool:
        """Whether a text names one of the people."""
        return _any_of(self.words).search(text.casefold()) is not None


@cache
def _any_of(words: frozenset[str]) -> re.Pattern[str]:
    """Finds each word where it stands by itself; nothing when there are none."""
    inner = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{inner})(?!\w)" if inner else r"(?!)")


def find(conn: Connection, keys: Collection[str], contacts: Collection[str] = ()) -> Traces:
    """Everything that leads to the customers of these keys; `contacts` are further words of theirs."""
    ids: list[str] = []
    words, orders = {c.casefold() for c in contacts}, set[str]()
    for some in _parts(sorted(keys)):
        query = select(tables.cases.c.id, tables.cases.c.payload).where(tables.cases.c.customer_key.in_(some))
        for id_, payload in conn.execute(query):
            ids.append(id_)
            given = cast("Mapping[str, Any]", payload or {})
            customer = cast("Mapping[str, Any]", given.get("customer") or {})
            words |= {str(customer.get(name) or "").strip().casefold() for name in ("name", "email", "phone")}
            order = str(given.get("order_ref") or "").strip()
            words.add(order.casefold())
            orders.add(order_key(order))
    t = tables.tickets.c
    found = [tuple(row) for some in _parts(ids) for row in conn.execute(
        select(t.source, t.external_id).where(t.case_id.in_(some))
    )]  # fmt: skip
    telling = frozenset(word for word in words if _TELLING.search(word))
    return Traces(tuple(ids), telling, frozenset(orders - {""}), tuple((str(a), str(b)) for a, b in found))


def counts(conn: Connection, traces: Traces) -> dict[str, int]:
    """Rows of each table that hold something of these cases; tables without any are left out."""
    found = dict[str, int]()
    for table, column in _of_cases():
        if not _personal(table) and table not in _GONE:
            continue
        query = select(func.count()).select_from(table)
        found[table.name] = sum(
            conn.execute(query.where(table.c[column].in_(some))).scalar_one() for some in _parts(traces.cases)
        )
    found["precedents"] = len(_precedents(conn, traces))
    found["loose_deliveries"] = len(_loose(conn, traces))
    return {name: number for name, number in sorted(found.items()) if number}


def empty(conn: Connection, store: Store, traces: Traces) -> None:
    """Take the people out of every row; rows, ids, instants and keyed hashes stay."""
    _forget_precedents(conn, _precedents(conn, traces))
    d = tables.deliveries
    for id_ in _loose(conn, traces):
        conn.execute(update(d).where(d.c.id == id_).values(body=None, error="", headers={}, state="dead"))
        _rename_where(conn, store, traces, d, "delivery_id", d.c.id == id_)
    _rename(conn, store, traces)
    for some in _parts(traces.cases):
        for table in _GONE:
            conn.execute(delete(table).where(table.c.case_id.in_(some)))
        for table, name in _REASONS:
            conn.execute(update(table).where(table.c.case_id.in_(some)).values({name: ""}))
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.case_id.in_(some)).values(headers={}))
        for table, column in _of_cases():
            if values := _personal(table):
                conn.execute(update(table).where(table.c[column].in_(some)).values(values))
        conn.execute(update(tables.cases).where(tables.cases.c.id.in_(some)).values(customer_key=""))


def _of_cases() -> Iterator[tuple[Table, str]]:
    """Tables whose rows belong to a case, and the column that says to which."""
    yield tables.cases, "id"
    for table in metadata.tables.values():
        if "case_id" in table.c and table is not tables.events:
            yield table, "case_id"


def _personal(table: Table) -> dict[str, Any]:
    """The columns of a table that hold personal text, each with what stands there when it is empty."""
    return {
        c.name: None if c.nullable else "" if isinstance(c.type, String) else {}
        for c in table.c
        if c.info.get("personal")
    }


def _rename(conn: Connection, store: Store, traces: Traces) -> None:
    """Put a keyed hash in the place of ids that hold words of the person."""
    for table, name in _FOREIGN:
        key = "id" if table is tables.cases else "case_id"
        for some in _parts(traces.cases):
            _rename_where(conn, store, traces, table, name, table.c[key].in_(some))
    t = tables.ticket_messages.c
    for source, ticket in traces.tickets:
        mine = (t.source == source, t.external_id == ticket)
        renamed = f"erased:{store.keyed('erased', ticket)}" if traces.named_in(ticket) else ""
        for old in conn.execute(select(t.message_id).where(*mine)).scalars().all():
            values = {"external_id": renamed} if renamed else {}
            if traces.named_in(old):
                values["message_id"] = f"erased:{store.keyed('erased', old)}"
            if values:
                conn.execute(update(tables.ticket_messages).where(*mine, t.message_id == old).values(values))


def _rename_where(
    conn: Connection, store: Store, traces: Traces, table: Table, name: str, where: ColumnElement[bool]
) -> None:  # fmt: skip
    for old in conn.execute(select(table.c[name]).where(where)).scalars().all():
        if traces.named_in(old):
            new = f"erased:{store.keyed('erased', old)}"
            conn.execute(update(table).where(where, table.c[name] == old).values({name: new}))


def _loose(conn: Connection, traces: Traces) -> list[str]:
    """Deliveries that never became a case and name one of the people."""
    t = tables.deliveries.c
    query = select(t.id, t.body).where(t.case_id.is_(None), t.body.is_not(None))
    found: list[str] = []
    for id_, body in conn.execute(query):
        if traces.told_in(body.decode("utf-8", "replace")):
            found.append(id_)
    return found


def _precedents(conn: Connection, traces: Traces) -> list[str]:
    """Precedents made of these cases, found by their orders, or naming one of the people."""
    p, k = tables.precedents.c, tables.precedent_keys.c
    found = set[str]()
    for some in _parts(traces.cases):
        found |= set(conn.execute(select(p.id).where(p.case_id.in_(some))).scalars())
    for some in _parts(sorted(traces.orders)):
        found |= set(conn.execute(select(k.precedent_id).where(k.key.in_(some))).scalars())
    if traces.words:
        for id_, summary, remedy, aftermath in conn.execute(select(p.id, p.summary, p.remedy, p.aftermath)):
            if id_ not in found and traces.named_in(f"{summary}\n{remedy}\n{aftermath}"):
                found.add(id_)
    return sorted(found)


def _forget_precedents(conn: Connection, ids: Sequence[str]) -> None:
    """Delete precedents, and what proposals of other cases show of them."""
    if not ids:
        return
    for some in _parts(ids):
        conn.execute(delete(tables.precedent_keys).where(tables.precedent_keys.c.precedent_id.in_(some)))
        conn.execute(delete(tables.precedents).where(tables.precedents.c.id.in_(some)))
    gone, d = set(ids), tables.drafts.c
    for id_, proposal in conn.execute(select(d.id, d.proposal).where(d.proposal.is_not(None))).all():
        shown = cast("list[Mapping[str, Any]]", proposal.get("precedents") or [])
        kept = [hit for hit in shown if not gone & set(canonical(hit).split('"'))]
        if len(kept) != len(shown):
            conn.execute(update(tables.drafts).where(d.id == id_).values(proposal={**proposal, "precedents": kept}))


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))
