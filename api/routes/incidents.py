"""Incidents: what several customers report, with its cases, and twins of one customer that a person may merge."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response

from api import incidentview
from api.policy import Desk, Reader, Worker
from api.routes.examples import PROBLEMS
from api.routes.pages import render
from api.routes.shapes import MergeBody, OfferBody, instant
from api.routes.taking import Key
from api.store import incidents
from api.wiring import Runtime

router = APIRouter(tags=["incidents"])
_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "There is no such thing."}, **PROBLEMS}


@router.get("/v1/incidents", responses=PROBLEMS)
def get_incidents(
    desk: Desk, _who: Reader, state: Literal["open", "closed", "merged"] = "open",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:  # fmt: skip
    """Incidents, the newest first."""
    return {"items": [incidentview.as_json(found, instant) for found in _several(desk, state, limit)]}


@router.get("/v1/incidents/{incident}", responses=_MISSING)
def get_incident(incident: str, desk: Desk, _who: Reader) -> dict[str, Any]:
    """One incident with its cases, why each belongs there, and one message draft for all."""
    return incidentview.as_json(_one(desk, incident), instant)


@router.post("/v1/incidents/{incident}/merge", responses=_MISSING)
def post_merge(incident: str, body: MergeBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """Another incident is the same as this one."""
    return {"incident_id": desk.desk.merge_incidents(who, incident, body.other, key=key)["incident"]}


@router.post("/v1/incidents/{incident}/close", responses=_MISSING)
def post_close(incident: str, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """It is over."""
    return {"incident_id": desk.desk.close_incident(who, incident, key=key)["incident"]}


@router.post("/v1/incidents/{incident}/cases/{case_id}", responses=_MISSING)
def post_join(incident: str, case_id: str, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """A case belongs to it."""
    done = desk.desk.join_incident(who, case_id, incident, key=key)
    return {"case_id": done["case"], "incident_id": done["incident"]}


@router.post("/v1/escalations/{case_id}/split", responses=_MISSING)
def post_split(case_id: str, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """A case does not belong to its incident."""
    return {"case_id": desk.desk.split_off(who, case_id, key=key)["case"]}


@router.get("/v1/escalations/{case_id}/twins", responses=_MISSING)
def get_twins(case_id: str, desk: Desk, _who: Reader) -> dict[str, Any]:
    """Cases of the same customer that may be the same matter."""
    with desk.store.read() as conn:
        rows = incidents.offers(conn, case_id)
    return {
        "items": [{"case_id": row["case_id"], "other_id": row["other_id"], "reason": row["reason"]} for row in rows]
    }


@router.post("/v1/escalations/{case_id}/twins/{other}", responses=_MISSING)
def post_twin(case_id: str, other: str, body: OfferBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """Say whether the case is the same matter as the other one; merged, its texts go there."""
    done = desk.desk.settle_offer(who, case_id, other, merge=body.merge, key=key)
    return {"case_id": done["case"], "other_id": done["other"], "merged": done["merged"]}


@router.get("/desk/incidents/{incident}", include_in_schema=False)
def incident_page(incident: str, request: Request, desk: Desk, _who: Reader) -> Response:
    """One incident for people."""
    found = _one(desk, incident)
    return render(request, "incident.html", title=found.subject, incident=found)


def _one(desk: Runtime, incident: str) -> incidentview.Incident:
    with desk.store.read() as conn:
        return incidentview.one(conn, incident, desk.texts.pack, desk.texts.prompts, desk.clock.now())


def _several(desk: Runtime, state: str, limit: int) -> tuple[incidentview.Incident, ...]:
    with desk.store.read() as conn:
        return incidentview.several(conn, state, desk.texts.pack, desk.texts.prompts, desk.clock.now(), limit)
