"""What teams and people do about a case besides answering it, and what became of the notices."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from api import clockview
from api.outbox import Outbox
from api.policy import Admin, Anyone, Desk, Reader, Receiver, Worker
from api.routes.examples import PROBLEMS
from api.routes.pages import render
from api.routes.shapes import (
    PromiseBody,
    ReasonBody,
    SatisfactionBody,
    SeverityBody,
    clock_json,
    instant,
    letter_json,
    promise_json,
)  # fmt: skip
from api.routes.taking import Key

router = APIRouter(tags=["teamwork"])
_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "There is no such thing."}, **PROBLEMS}
_CASE: Final = "/v1/escalations/{case_id}"
MOST: Final = 200


@router.post(_CASE + "/teams/{team}/ack", responses=_MISSING)
def post_ack(case_id: str, team: str, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """A team says that it takes its part."""
    done = desk.desk.acknowledge(who, case_id, team, key=key)
    return {"case_id": done["case"], "team": done["team"]}


@router.post(_CASE + "/satisfaction", responses=_MISSING)
def post_satisfaction(
    case_id: str, body: SatisfactionBody, desk: Desk, who: Receiver, key: Key = None
) -> dict[str, Any]:
    """What the customer thought of it all, from 1 to 5."""
    done = desk.desk.record_satisfaction(who, case_id, body.score, key=key)
    return {"case_id": done["case"], "score": done["score"]}


@router.post(_CASE + "/severity", responses=_MISSING)
def post_severity(case_id: str, body: SeverityBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """Change the severity; the clocks are counted anew from their start."""
    done = desk.desk.set_severity(who, case_id, body.severity, body.reason, key=key)
    return {"case_id": done["case"], "severity": done["severity"]}


@router.post(_CASE + "/policy", responses=_MISSING)
def post_policy(case_id: str, body: ReasonBody, desk: Desk, who: Admin, key: Key = None) -> dict[str, Any]:
    """Put the case under the SLA policies in force now."""
    return {"case_id": desk.desk.adopt_policy(who, case_id, body.reason, key=key)["case"]}


@router.post(_CASE + "/no-reply", responses=_MISSING)
def post_no_reply(case_id: str, body: ReasonBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """The last message needs no answer."""
    return {"case_id": desk.desk.no_reply_needed(who, case_id, body.reason, key=key)["case"]}


@router.post(_CASE + "/deadlines/{deadline}/met", responses=_MISSING)
def post_deadline_met(case_id: str, deadline: str, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """What a date from outside asked for is done."""
    done = desk.desk.meet_deadline(who, case_id, deadline, key=key)
    return {"case_id": done["case"], "deadline": done["deadline"]}


@router.get(_CASE + "/promises", responses=_MISSING)
def get_promises(case_id: str, desk: Desk, who: Reader) -> dict[str, Any]:
    """What was promised on a case, oldest first."""
    return {"items": [promise_json(row) for row in desk.views.promises(who, case_id)]}


@router.post("/v1/promises/{promise_id}", responses=_MISSING)
def post_promise(promise_id: str, body: PromiseBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """Say that a promise was kept, broken or dropped."""
    done = desk.desk.settle_promise(who, promise_id, body.outcome, key=key)
    return {"promise_id": done["promise"], "state": done["state"]}


@router.get("/v1/clocks", responses=PROBLEMS)
def get_clocks(
    desk: Desk, who: Reader, due_before: datetime | None = None, team: str = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> dict[str, Any]:  # fmt: skip
    """The open clocks of all cases, the earliest due first, paused ones last."""
    who.need("read")
    now = desk.clock.now()
    if due_before is not None and due_before.tzinfo is None:
        due_before = due_before.replace(tzinfo=UTC)
    with desk.store.read() as conn:
        found = clockview.rows(conn, desk.desk.versions, now, due_before, limit, team=team)
    return {"now": instant(now), "items": [clock_json(row, now) for row in found]}


# --- notices ----------------------------------------------------------------------------------------------------------


@router.get("/v1/notices", responses=PROBLEMS)
def get_notices(
    desk: Desk, who: Admin, channel: str = "", limit: Annotated[int, Query(ge=1, le=MOST)] = 50
) -> dict[str, Any]:
    """The delivery log, newest first, and the channels that are closed."""
    outbox = Outbox(desk.desk)
    return {"items": [letter_json(row) for row in outbox.log(who, channel, limit)], "closed": outbox.closed(who)}


@router.post("/v1/notices/{letter}/retry", status_code=202, responses=_MISSING)
def post_retry(letter: str, desk: Desk, who: Admin) -> dict[str, Any]:
    """Send a notice again that was given up."""
    Outbox(desk.desk).retry(who, letter)
    return {"id": letter, "state": "waiting"}


@router.post("/v1/channels/{channel}/test", status_code=202, responses=_MISSING)
def post_test(channel: str, desk: Desk, who: Admin) -> dict[str, Any]:
    """Send a test over a channel; how it fared stands in the delivery log."""
    return {"id": Outbox(desk.desk).test(who, channel)}


@router.post("/v1/channels/{channel}/open", responses=_MISSING)
def post_open(channel: str, desk: Desk, who: Admin) -> dict[str, Any]:
    """Use a channel again whose receiver had said that it is gone."""
    Outbox(desk.desk).reopen(who, channel)
    return {"channel": channel}


# --- the link in a notice ---------------------------------------------------------------------------------------------

_Link = Annotated[None, Depends(Anyone("the signed link of a notice lets its team acknowledge, and nothing else"))]


@router.get("/ack/{case_id}/{team}", include_in_schema=False)
def ack_page(case_id: str, team: str, request: Request, desk: Desk, _: _Link, token: str = "") -> Response:
    """Asks for a click, so that a program that looks at links does not acknowledge."""
    found = desk.texts.pack.teams.get(team)
    title = found.title if found else escape(team)
    return render(request, "ack.html", title="Acknowledge", team=title, token=token, case_id=case_id, done=False)


@router.post("/ack/{case_id}/{team}", include_in_schema=False)
def ack_done(
    case_id: str, team: str, request: Request, desk: Desk, _: _Link, token: Annotated[str, Form(max_length=80)] = ""
) -> Response:
    """The team takes its part."""
    desk.desk.acknowledge_by_link(case_id, team, token)
    title = desk.texts.pack.teams[team].title if team in desk.texts.pack.teams else team
    return render(request, "ack.html", title="Acknowledged", team=title, token=token, case_id=case_id, done=True)
