"""What people do with cases in their hands: whose they are, until when they rest, notes, the team in the lead."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

from fastapi import APIRouter

from api.policy import Desk, Reader, Worker
from api.reading import storable
from api.routes.examples import PROBLEMS
from api.routes.shapes import (
    AssignBody,
    MisledBody,
    NoteBody,
    RoutingBody,
    SnoozeBody,
    TouchBody,
    instant,
)
from api.routes.taking import Key
from api.store import casework
from api.store.decisions import TouchKind

router = APIRouter(prefix="/v1/escalations/{case_id}", tags=["casework"])
_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "There is no such thing."}, **PROBLEMS}


@router.post("/assign", responses=_MISSING)
def post_assign(case_id: str, body: AssignBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """Give a case to a person, or to nobody."""
    done = desk.desk.assign(who, case_id, body.to, key=key)
    return {"case_id": done["case"], "assignee": done["assignee"]}


@router.post("/take-over", responses=_MISSING)
def post_take_over(case_id: str, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """The caller writes the answer; drafts so far are put aside."""
    return {"case_id": desk.desk.take_over(who, case_id, key=key)["case"]}


@router.post("/snooze", responses=_MISSING)
def post_snooze(case_id: str, body: SnoozeBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """Leave a case out of the queue until an instant; clocks run on."""
    until = body.until if body.until.tzinfo else body.until.replace(tzinfo=UTC)
    done = desk.desk.snooze(who, case_id, until.astimezone(UTC), key=key)
    return {"case_id": done["case"], "until": instant(until)}


@router.post("/notes", status_code=201, responses=_MISSING)
def post_note(case_id: str, body: NoteBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """Leave a note that only the staff reads."""
    return {"note_id": desk.desk.add_note(who, case_id, storable(body.text), key=key)["note"]}


@router.get("/notes", responses=_MISSING)
def get_notes(case_id: str, desk: Desk, who: Reader) -> dict[str, Any]:
    """The notes on a case, oldest first."""
    desk.views.events(who, case_id, 0)
    with desk.store.read() as conn:
        rows = casework.notes(conn, case_id)
    return {"items": [{"id": r["id"], "by": r["who"], "at": instant(r["at"]), "text": r["text"]} for r in rows]}


@router.post("/routing", responses=_MISSING)
def post_routing(case_id: str, body: RoutingBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """Another team leads; no later triage changes it."""
    done = desk.desk.set_routing(who, case_id, body.team, body.reason, key=key)
    return {"case_id": done["case"], "team": done["team"]}


@router.post("/misled", responses=_MISSING)
def post_misled(case_id: str, body: MisledBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """A precedent or a fact misled."""
    return {"case_id": desk.desk.misled(who, case_id, body.about, storable(body.ref), key=key)["case"]}


@router.post("/look", responses=_MISSING)
def post_look(case_id: str, body: TouchBody, desk: Desk, who: Worker) -> dict[str, Any]:
    """The caller has the case open; who holds it, and its version."""
    kinds: list[tuple[TouchKind, str]] = [(body.kind, body.target)] if body.kind else []
    holder = desk.desk.look(who, case_id, kinds, body.draft_id)
    with desk.store.read() as conn:
        name = casework.names(conn).get(holder, "")
    case = desk.views.case(who, case_id)
    return {"case_id": case_id, "holder": holder, "name": name, "mine": holder == who.id, "version": case.version}


@router.delete("/look", status_code=204, responses=_MISSING)
def delete_look(case_id: str, desk: Desk, who: Worker) -> None:
    """The caller closed the case."""
    desk.desk.leave(who, case_id)
