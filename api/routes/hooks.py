"""Webhooks: taken in from any helpdesk, and what became of those that could not be worked in."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from api.policy import Admin, Anyone, Desk, runtime
from api.routes.examples import PROBLEMS, problem
from api.routes.shapes import dead_json

router = APIRouter(prefix="/v1/hooks", tags=["hooks"])

_TAKEN: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "description": "Safely stored; a delivery that came before has the same answer.",
        "content": {"application/json": {"example": {"delivery_id": "hook_00000000000000000000000000"}}},
    },
    401: problem("It is not signed by its sender, or was signed more than five minutes ago."),
    404: problem("There is no such source."),
    413: problem("Larger than 1 MB."),
    503: problem("A secret of the source is missing, or the store is busy; send it again later."),
}
_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "There is no such delivery."}, **PROBLEMS}


@router.post("/{source}", status_code=202, responses=_TAKEN)
async def post_hook(
    source: str, request: Request, _: Annotated[None, Depends(Anyone("signed by the sender"))]
) -> JSONResponse:
    """Take a webhook in, as its source is described in the pack. The answer comes once it is safely stored."""
    inlet = runtime(request).inlet
    arrival = inlet.admit(source, request.headers, await request.body())
    return JSONResponse({"delivery_id": await inlet.take(arrival)}, 202)


@router.get("/dead", responses=PROBLEMS)
def get_dead(desk: Desk, who: Admin) -> dict[str, Any]:
    """Webhooks that could not be worked in, oldest first, each with the reason."""
    return {"items": [dead_json(row) for row in desk.dead_letters.all(who)]}


@router.get("/dead/{delivery}", responses=_MISSING)
def get_one_dead(delivery: str, desk: Desk, who: Admin) -> dict[str, Any]:
    """One of them with its body, to correct the map by."""
    row = desk.dead_letters.one(who, delivery)
    return {**dead_json(row), "headers": row["headers"], "body": (row["body"] or b"").decode(errors="replace")}


@router.post("/dead/{delivery}/replay", status_code=202, responses=_MISSING)
def post_replay(delivery: str, desk: Desk, who: Admin) -> dict[str, Any]:
    """Work on it once more, with the map as it is now."""
    desk.dead_letters.replay(who, delivery)
    return {"id": delivery, "state": "queued"}
