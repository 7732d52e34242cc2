"""The event log for admins, page by page with its hashes, and the erasure of customers."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from api import erasure
from api.errors import TamperedError
from api.policy import Admin, Desk
from api.routes.examples import PROBLEMS
from api.routes.shapes import instant
from api.store import audit
from api.store.tables import events

router = APIRouter(prefix="/v1", tags=["audit"])
MOST: Final = 500


class ErasureBody(BaseModel):
    """Whom to erase."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    customers: Annotated[list[Annotated[str, Field(max_length=320)]], Field(min_length=1, max_length=erasure.MOST)]
    """E-mail addresses, phone numbers or customer keys."""
    dry_run: bool = False
    """Only count what would be erased."""


@router.get("/audit", responses=PROBLEMS)
def get_audit(
    desk: Desk, _who: Admin, after: Annotated[int, Query(ge=0)] = 0, case: Annotated[str, Query(max_length=40)] = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> dict[str, Any]:  # fmt: skip
    """Events with their hashes, oldest first; `next` is the `after` of the next page, or null."""
    query = select(events).where(events.c.seq > after).order_by(events.c.seq).limit(limit + 1)
    if case:
        query = query.where(events.c.case_id == case)
    with desk.store.read() as conn:
        rows = conn.execute(query).mappings().all()
    shown = rows[:limit]
    return {
        "items": [{**row, "at": instant(row["at"])} for row in shown],
        "next": shown[-1]["seq"] if len(rows) > limit else None,
    }


@router.get("/audit/verify", responses=PROBLEMS)
def get_audit_verify(desk: Desk, _who: Admin) -> dict[str, Any]:
    """Whether the whole log fits its chain and the heads noted outside; `first_broken` names the first event that does not."""
    heads = audit.anchors(desk.settings.home / audit.HEADS)
    try:
        with desk.store.read() as conn:
            head = audit.verify(conn, heads)
    except TamperedError as error:
        return {"ok": False, "events": None, "heads": len(heads), "first_broken": error.seq}
    return {"ok": True, "events": head.seq, "heads": len(heads), "first_broken": None}


@router.post("/erasures", responses=PROBLEMS)
def post_erasure(body: ErasureBody, desk: Desk, who: Admin) -> dict[str, Any]:
    """Erase customers from everything that the desk keeps; the answer is the signed report, which names nobody."""
    report = erasure.erase(desk, who, body.customers, dry_run=body.dry_run)
    return {
        "id": report.id, "at": report.at, "people": list(report.people), "cases": report.cases,
        "tables": dict(report.tables), "files": report.files, "signature": report.signature,
    }  # fmt: skip
