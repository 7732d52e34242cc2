"""Incidents in the store: what each case left for matching, which cases belong together, and which may be one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, RowMapping, bindparam, delete, insert, or_, select, update

from agent.outbreak import Trace
from agent.outbreak.trace import Vector
from api.errors import NotFoundError
from api.ids import new_id
from api.store.tables import incident_cases, incidents, merge_offers, traces

MOST = 300
"""Traces that a new case is compared with, the newest ones."""
_SETS = ("skus", "lots", "orders", "pages", "errors", "harms", "codes", "faults")


def put(conn: Connection, trace: Trace, digest: str) -> None:
    """Keep what a case left, in place of what it left before."""
    row = {"at": trace.at, "digest": digest, **_row(trace)}
    apart = conn.execute(_APART, {"of": trace.case_id}).scalar()
    if apart is None:
        conn.execute(_ADD, {"case_id": trace.case_id, **row})
    elif not apart:
        conn.execute(_CHANGE, {"of": trace.case_id, **row})


def recent(conn: Connection, since: datetime, known: Mapping[tuple[str, str], Trace]) -> dict[tuple[str, str], Trace]:
    """The traces since an instant by case and digest, those that a person set apart left out; `known` ones are not read anew."""
    c = traces.c
    heads = select(c.case_id, c.digest).where(c.at >= since, c.alone.is_(False)).order_by(c.at.desc()).limit(MOST)
    keys = [(row.case_id, row.digest) for row in conn.execute(heads)]
    new = [case_id for case_id, digest in keys if (case_id, digest) not in known]
    rows = conn.execute(select(traces).where(c.case_id.in_(new))).mappings() if new else ()
    read = {(row["case_id"], row["digest"]): _trace(row) for row in rows}
    return {key: known[key] if key in known else read[key] for key in keys if key in known or key in read}


def links(conn: Connection, case_ids: Collection[str]) -> dict[str, str]:
    """Case -> open incident."""
    return {row.case_id: row.incident_id for row in conn.execute(_LINKS, {"these": list(case_ids)})}


def found(conn: Connection, now: datetime) -> str:
    """A new incident."""
    incident = new_id("inc", now)
    conn.execute(insert(incidents).values(id=incident, state="open", opened_at=now))
    return incident


def link(conn: Connection, incident: str, case_id: str, reason: str, actor: str, now: datetime) -> None:
    """A case belongs to an incident, and to no other."""
    conn.execute(delete(incident_cases).where(incident_cases.c.case_id == case_id))
    conn.execute(
        insert(incident_cases).values(
            case_id=case_id, incident_id=incident, reason=reason[:300], actor=actor, linked_at=now
        )
    )


def unlink(conn: Connection, case_id: str) -> None:
    """A person says that a case belongs to no incident."""
    conn.execute(delete(incident_cases).where(incident_cases.c.case_id == case_id))
    conn.execute(update(traces).where(traces.c.case_id == case_id).values(alone=True))


def move(conn: Connection, other: str, into: str) -> None:
    """The cases of one incident belong to another."""
    conn.execute(update(incident_cases).where(incident_cases.c.incident_id == other).values(incident_id=into))
    conn.execute(update(incidents).where(incidents.c.id == other).values(state="merged"))


def close(conn: Connection, incident: str) -> None:
    """An incident is over; its cases do not found another."""
    members = select(incident_cases.c.case_id).where(incident_cases.c.incident_id == incident)
    conn.execute(update(traces).where(traces.c.case_id.in_(members)).values(alone=True))
    conn.execute(update(incidents).where(incidents.c.id == incident).values(state="closed"))


def get(conn: Connection, incident: str) -> RowMapping:
    """One incident.

    Raises:
        NotFoundError: there is none.

    """
    row = conn.execute(select(incidents).where(incidents.c.id == incident)).mappings().first()
    if row is None:
        raise NotFoundError("incident", incident)
    return row


def all_of(conn: Connection, state: str, limit: int) -> Sequence[RowMapping]:
    """Incidents in a state, the newest first."""
    query = select(incidents).where(incidents.c.state == state).order_by(incidents.c.id.desc()).limit(limit)
    return conn.execute(query).mappings().all()


def cases_of(conn: Connection, incident: str) -> Sequence[RowMapping]:
    """The links of an incident, the oldest first."""
    query = select(incident_cases).where(incident_cases.c.incident_id == incident)
    return conn.execute(query.order_by(incident_cases.c.linked_at, incident_cases.c.case_id)).mappings().all()


def traces_of(conn: Connection, case_ids: Collection[str]) -> list[Trace]:
    """What cases left."""
    return [_trace(row) for row in conn.execute(select(traces).where(traces.c.case_id.in_(list(case_ids)))).mappings()]


def incident_of(conn: Connection, case_id: str) -> RowMapping | None:
    """The link of a case to its incident, whatever its state."""
    return conn.execute(select(incident_cases).where(incident_cases.c.case_id == case_id)).mappings().first()


def offer(conn: Connection, case_id: str, other: str, reason: str, now: datetime) -> None:
    """Two cases of one customer may be one; offered once."""
    pair = (merge_offers.c.case_id == case_id) & (merge_offers.c.other_id == other)
    back = (merge_offers.c.case_id == other) & (merge_offers.c.other_id == case_id)
    if conn.execute(select(merge_offers.c.state).where(or_(pair, back))).first() is None:
        values = {"case_id": case_id, "other_id": other, "reason": reason[:300], "state": "open", "offered_at": now}
        conn.execute(insert(merge_offers).values(**values))


def offers(conn: Connection, case_id: str) -> Sequence[RowMapping]:
    """Open offers that name a case."""
    either = or_(merge_offers.c.case_id == case_id, merge_offers.c.other_id == case_id)
    return conn.execute(select(merge_offers).where(either, merge_offers.c.state == "open")).mappings().all()


def answer(conn: Connection, case_id: str, other: str, state: str) -> bool:
    """Settle an open offer; false when there is none."""
    mine = (merge_offers.c.case_id == case_id) & (merge_offers.c.other_id == other)
    back = (merge_offers.c.case_id == other) & (merge_offers.c.other_id == case_id)
    settled = update(merge_offers).where(or_(mine, back), merge_offers.c.state == "open").values(state=state)
    return conn.execute(settled).rowcount > 0


def _row(trace: Trace) -> dict[str, Any]:
    sets = {name: sorted(getattr(trace, name)) for name in _SETS}
    return {
        "customer": trace.customer, "data": {**sets, "issue_type": trace.issue_type, "lane": trace.lane,
                 "asks": trace.asks, "settled": trace.settled},
        "vector": trace.vector.astype(np.float16).tobytes(), "english": trace.english.astype(np.float16).tobytes(),
    }  # fmt: skip


def _trace(row: RowMapping) -> Trace:
    data: Mapping[str, Any] = row["data"]
    return Trace(
        case_id=row["case_id"], at=row["at"], customer=row["customer"], issue_type=data["issue_type"],
        lane=data["lane"], asks=data["asks"], settled=data.get("settled", False),
        codes=frozenset(data.get("codes", ())), faults=frozenset(data.get("faults", ())), skus=frozenset(data["skus"]), lots=frozenset(data["lots"]),
        orders=frozenset(data["orders"]), pages=frozenset(data["pages"]), errors=frozenset(data["errors"]),
        harms=frozenset(data["harms"]), vector=_vector(row["vector"]), english=_vector(row["english"]),
    )  # fmt: skip


def _vector(kept: bytes) -> Vector:
    return np.frombuffer(kept, np.float16).astype(np.float32)


# Built once: building a statement costs more than running it.
_ADD = insert(traces)
_APART = select(traces.c.alone).where(traces.c.case_id == bindparam("of"))
_CHANGE = update(traces).where(traces.c.case_id == bindparam("of"))
_LINKS = (
    select(incident_cases.c.case_id, incident_cases.c.incident_id)
    .join(incidents, incidents.c.id == incident_cases.c.incident_id)
    .where(incident_cases.c.case_id.in_(bindparam("these", expanding=True)), incidents.c.state == "open")
)
