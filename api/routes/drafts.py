"""Drafts: one escalation in and its draft out, a draft as it stands, and a person's decision on it."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from api.auth import Principal
from api.policy import Desk, Rater, Reader, Receiver, Reviewer
from api.reading import storable
from api.routes.examples import DRAFTED, ESCALATION_BODY, PROBLEMS
from api.routes.shapes import AnswerBody, RatingBody, ReviewBody, draft_json, etag, read_etag
from api.routes.taking import Key, take
from api.views import DraftView
from api.wiring import Runtime

router = APIRouter(prefix="/v1/drafts", tags=["drafts"])

WAIT_S: Final = 10.0
MOST_WAIT_S: Final = 60.0
LOOK_S: Final = 1.0
"""How often a draft that another process may write is looked at."""

_DECIDED: Final[dict[int | str, dict[str, Any]]] = {
    409: {"description": "It cannot be decided that way, e.g. it has hard findings or something was not opened."},
    412: {"description": "Draft or case changed after they were read."},
    428: {"description": "If-Match is missing."},
    **PROBLEMS,
}
IfMatch = Annotated[str, Header(description="The ETag of the draft as it was read.")]
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])")


@router.post("", responses=DRAFTED, openapi_extra=ESCALATION_BODY)
async def post_draft(
    request: Request, desk: Desk, who: Receiver, key: Key = None,
    prefer: Annotated[str, Header(description="`wait=N`: seconds to wait, 10 by default, 60 at most.")] = "",
) -> Response:  # fmt: skip
    """Triage and draft of one escalation. 202 when it takes longer than the caller waits: read it at `Location`."""
    ids = await take(request, desk, who, key)
    asked = _WAIT.search(prefer.lower())
    wait_s = min(float(asked[1]), MOST_WAIT_S) if asked else WAIT_S
    headers = {"Location": f"/v1/drafts/{ids['draft']}"}
    if asked:
        headers["Preference-Applied"] = f"wait={wait_s:.0f}"
    draft = await wait_for(desk, who, ids["draft"], wait_s)
    if draft.state == "pending":
        return JSONResponse(draft_json(draft), 202, {**headers, "Retry-After": "1"})
    return JSONResponse(draft_json(draft), 200, headers)


@router.get("/{draft_id}", responses={404: {"description": "There is no such draft."}, **PROBLEMS})
def get_draft(draft_id: str, desk: Desk, who: Reader, if_none_match: Annotated[str, Header()] = "") -> Response:
    """A draft with its whole proposal; its ETag is what a review binds to."""
    draft = desk.views.draft(who, draft_id)
    tag = etag(draft, desk.views.case(who, draft.case_id).version)
    if tag in if_none_match:
        return Response(status_code=304, headers={"ETag": tag})
    return JSONResponse(draft_json(draft), headers={"ETag": tag})


@router.post("/{draft_id}/review", responses=_DECIDED)
def post_review(
    draft_id: str, body: ReviewBody, *, desk: Desk, who: Reviewer, key: Key = None,
    if_match: IfMatch = "",
) -> dict[str, Any]:  # fmt: skip
    """Approve, send back or discard a draft exactly as it was read. With `text` the changed words are approved.

    `needs_second` says that another person has to approve it too.
    """
    digest, version = _read(if_match)
    done = desk.desk.record_review(
        who, draft_id, body.decision, draft_hash=digest, case_version=version, hint=storable(body.hint),
        reason=body.reason, text=storable(body.text), subject=storable(body.subject), opened=body.opened, key=key,
    )  # fmt: skip
    return {"draft_id": done["draft"], "needs_second": done["second"]}


@router.post("/{draft_id}/undo", responses={409: {"description": "It was released."}, **PROBLEMS})
def post_undo(draft_id: str, desk: Desk, who: Reviewer, key: Key = None) -> dict[str, Any]:
    """Take an approval back within ten seconds."""
    return {"draft_id": desk.desk.undo_approval(who, draft_id, key=key)["draft"]}


@router.post("/{draft_id}/findings/{number}", responses=_DECIDED)
def post_answer(
    draft_id: str, number: int, body: AnswerBody, *, desk: Desk, who: Reviewer, key: Key = None, if_match: IfMatch = ""
) -> dict[str, Any]:
    """Answer a finding that blocks, counted from 1, with evidence."""
    digest, version = _read(if_match)
    done = desk.desk.resolve_finding(
        who, draft_id, number, storable(body.evidence), draft_hash=digest, case_version=version, key=key
    )
    return {"draft_id": done["draft"], "state": done["state"]}


@router.post("/{draft_id}/rating", status_code=201, responses=PROBLEMS)
def post_rating(draft_id: str, body: RatingBody, desk: Desk, who: Rater, key: Key = None) -> dict[str, Any]:
    """Say what a draft is worth."""
    done = desk.desk.rate(
        who, draft_id, body.thumb, dims=body.dims, first_fault=body.first_fault, note=storable(body.note),
        seconds=body.seconds, key=key,
    )  # fmt: skip
    return {"rating_id": done["rating"]}


def _read(if_match: str) -> tuple[str, int]:
    """Draft hash and case version that a decision binds to."""
    if (read := read_etag(if_match)) is None:
        raise HTTPException(428, "A decision binds to what was read; send the draft's ETag as If-Match.")
    return read


async def wait_for(desk: Runtime, who: Principal, draft_id: str, wait_s: float) -> DraftView:
    """The draft once it is not pending any more, or as it stands after `wait_s` seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    with desk.bell.listen(draft_id) as ear:
        while True:
            draft = await asyncio.to_thread(desk.views.draft, who, draft_id)
            left = until - loop.time()
            if draft.state != "pending" or left <= 0:
                return draft
            await ear.heard(min(LOOK_S, left))
