"""Incidents as they are shown: what they have in common, their cases with reasons, and one message draft for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from agent import clock, wording
from agent.pack import Pack
from agent.prompts import Prompts
from api.outbreaks import shared
from api.store import incidents
from api.store.tables import cases

_WRITTEN: Final = frozenset({"de", "en", "es", "fr", "it", "nl", "pt"})
"""Languages of `notice/incident`."""


@dataclass(frozen=True, slots=True)
class IncidentCase:
    """One case of an incident."""

    id: str
    title: str
    status: str
    severity: str
    reason: str
    """Why it belongs there."""
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class Incident:
    """Several customers report one thing."""

    id: str
    state: str
    opened_at: datetime
    cases: tuple[IncidentCase, ...]
    customers: int
    """Different customers, as far as they can be told apart."""
    shared: dict[str, list[str]]
    """Articles, lots and pages that at least half of the cases have in common."""
    severity: str
    language: str
    """Of the message draft: that of most of the cases."""
    subject: str
    """Of the message draft."""
    body: str


def one(conn: Connection, incident: str, pack: Pack, prompts: Prompts, now: datetime) -> Incident:
    """One incident.

    Raises:
        NotFoundError: there is none.

    """
    return _incident(conn, incidents.get(conn, incident), pack, prompts, now)


def several(
    conn: Connection, state: str, pack: Pack, prompts: Prompts, now: datetime, limit: int = 50
) -> tuple[Incident, ...]:
    """Incidents in a state, the newest first."""
    return tuple(_incident(conn, row, pack, prompts, now) for row in incidents.all_of(conn, state, limit))


def _incident(conn: Connection, row: RowMapping, pack: Pack, prompts: Prompts, now: datetime) -> Incident:
    links = incidents.cases_of(conn, row["id"])
    ids = [link["case_id"] for link in links]
    known = {r["id"]: r for r in conn.execute(select(cases).where(cases.c.id.in_(ids))).mappings()}
    traces = incidents.traces_of(conn, ids)
    same = shared(traces)
    severity = ""
    for case in known.values():
        severity = pack.more_severe(severity, case["severity"])
    names = {p.sku.upper(): p.name for p in pack.products}
    language = _language(known.values())
    head, _, body = prompts.render("notice/incident", {
        "store": pack.store.name, "items": [names.get(sku, sku) for sku in same["skus"]], "lots": same["lots"],
        "pages": same["pages"], "safety": any(t.issue_type == "product_safety" for t in traces),
        "language": language, "next_update": _next_update(pack, severity, language, now),
    }).partition("\n")  # fmt: skip
    shown = (
        IncidentCase(
            link["case_id"], known[link["case_id"]]["title"], known[link["case_id"]]["status"],
            known[link["case_id"]]["severity"], link["reason"], link["linked_at"],
        )
        for link in links
    )  # fmt: skip
    return Incident(
        row["id"], row["state"], row["opened_at"], tuple(shown), len({t.customer or t.case_id for t in traces}), same,
        severity, language, head.removeprefix("Subject:").strip(), body.strip(),
    )  # fmt: skip


def _language(found: Iterable[RowMapping]) -> str:
    """The language of most cases of those in which the message is written; English when there is none."""
    counts = Counter(case["language"] for case in found if case["language"] in _WRITTEN)
    return min(counts, key=lambda code: (-counts[code], code), default="en")


def _next_update(pack: Pack, severity: str, language: str, now: datetime) -> str:
    target = pack.sla.policy({"severity": severity}).targets.get("next_update")
    if target is None:
        return ""
    at = clock.due(target, pack.sla.calendars[target.calendar], now)
    return wording.instant(at, language, pack.store.time_zone)


def as_json(incident: Incident, instant: Any) -> dict[str, Any]:
    """For programs; `instant` writes an instant."""
    return {
        "id": incident.id, "state": incident.state, "opened_at": instant(incident.opened_at),
        "severity": incident.severity, "customers": incident.customers, "shared": incident.shared,
        "cases": [
            {
                "case_id": c.id, "title": c.title, "status": c.status, "severity": c.severity, "reason": c.reason,
                "linked_at": instant(c.linked_at),
            }
            for c in incident.cases
        ],
        "message": {"language": incident.language, "subject": incident.subject, "body": incident.body},
    }  # fmt: skip
