"""Escalations: hand one in, list and read them, and what people do with a case."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from agent import intake
from agent.wire import WireMessage
from api.policy import Desk, Reader, Receiver, Worker
from api.reading import storable
from api.routes.examples import ESCALATION_BODY, PROBLEMS, TAKEN
from api.routes.shapes import RedraftBody, SentBody, StatusBody, case_json, event_json, instant, page_json
from api.routes.taking import Key, take
from api.store import casework
from api.views import MOST, Filter

router = APIRouter(prefix="/v1/escalations", tags=["escalations"])

Some = Annotated[list[str], Query()]
_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "There is no such escalation."}, **PROBLEMS}
MOST_EVENTS: Final = 2**31 - 1
LOOK_S: Final = 1.0
"""How often the log is looked at for entries of other processes."""


@router.post("", status_code=202, responses=TAKEN, openapi_extra=ESCALATION_BODY)
async def post_escalation(request: Request, desk: Desk, who: Receiver, key: Key = None) -> Response:
    """Hand an escalation in. The answer comes once it is safely stored; the draft follows."""
    ids = await take(request, desk, who, key)
    body = {"case_id": ids["case"], "draft_id": ids["draft"]}
    return JSONResponse(body, 202, {"Location": f"/v1/escalations/{ids['case']}"})


@router.get("", responses=PROBLEMS)
def get_escalations(
    *, desk: Desk, who: Reader, status: Some = [], issue_type: Some = [], severity: Some = [], team: Some = [],  # noqa: B006 - FastAPI copies defaults
    draft_state: Some = [], after: str | None = None, limit: Annotated[int, Query(ge=1, le=MOST)] = 50,  # noqa: B006
) -> dict[str, Any]:  # fmt: skip
    """The queue by next due instant; `next` of one page is `after` of the following one."""
    want = Filter(status, issue_type, severity, team, draft_state)
    return page_json(desk.views.queue(who, want, after=after, limit=limit))


@router.get("/{case_id}", responses=_MISSING)
def get_escalation(case_id: str, desk: Desk, who: Reader) -> dict[str, Any]:
    """One case with messages, current draft and log, whose it is, and until when it rests."""
    case = case_json(desk.views.case(who, case_id))
    with desk.store.read() as conn:
        work = casework.get(conn, case_id)
    rests = instant(work["snoozed_until"]) if work else None
    return {**case, "assignee": work["assignee"] if work else "", "snoozed_until": rests}


@router.post("/{case_id}/messages", status_code=202, responses=_MISSING)
def post_message(case_id: str, body: WireMessage, desk: Desk, who: Receiver, key: Key = None) -> dict[str, Any]:
    """Add a text to a case; one of the customer asks for a new draft."""
    message = storable(body.model_dump(mode="json", exclude_unset=True))
    intake.parse({"messages": [message]}, now=desk.clock.now(), case_id=case_id)
    done = desk.desk.record_message(who, case_id, message, key=key)
    return {"message_id": done["message"], "draft_id": done["draft"]}


@router.post("/{case_id}/draft", status_code=202, responses=_MISSING)
def post_redraft(case_id: str, body: RedraftBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """Ask for another draft, with a hint."""
    return {"draft_id": desk.desk.request_draft(who, case_id, storable(body.hint), key=key)["draft"]}


@router.post("/{case_id}/sent", status_code=201, responses=_MISSING)
def post_sent(case_id: str, body: SentBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """Note that a person sent a text to the customer; the desk itself sends nothing."""
    done = desk.desk.record_sent(
        who, case_id, storable(body.text), draft_id=body.draft_id, sent_at=body.sent_at, status=body.status, key=key
    )
    return {"message_id": done["message"]}


@router.post("/{case_id}/status", responses=_MISSING)
def post_status(case_id: str, body: StatusBody, desk: Desk, who: Worker, key: Key = None) -> dict[str, Any]:
    """Move a case."""
    return {"case_id": desk.desk.set_status(who, case_id, body.status, key=key)["case"], "status": body.status}


def seen_case(case_id: str, desk: Desk, who: Reader) -> str:
    """The id of a case that exists: once a stream has begun, it is too late to say that there is none."""
    desk.views.events(who, case_id, MOST_EVENTS)
    return case_id


@router.get("/{case_id}/events", response_class=EventSourceResponse, responses=_MISSING)
async def get_events(
    case_id: Annotated[str, Depends(seen_case)], request: Request, *, desk: Desk, who: Reader,
    last_event_id: Annotated[int, Header(ge=0, description="Entries up to this one are left out.")] = 0,
    follow: Annotated[bool, Query(description="Go on with what happens from now on.")] = True,
) -> AsyncIterable[ServerSentEvent]:  # fmt: skip
    """The log of a case as server-sent events, from its beginning and then as it grows."""
    seen = last_event_id
    with desk.bell.listen() as ear:
        while not await request.is_disconnected():
            for event in await asyncio.to_thread(desk.views.events, who, case_id, seen):
                seen = event.seq
                yield ServerSentEvent(id=str(event.seq), event=event.kind, data=event_json(event))
            if not follow or desk.stopping.is_set():
                return
            await ear.heard(LOOK_S)


log_router = APIRouter(prefix="/v1/events", tags=["escalations"])


@log_router.get("", response_class=EventSourceResponse, responses=PROBLEMS)
async def get_log(
    request: Request, *, desk: Desk, who: Reader,
    last_event_id: Annotated[int | None, Header(ge=0, description="Entries up to this one are left out.")] = None,
    follow: Annotated[bool, Query(description="Go on with what happens from now on.")] = True,
) -> AsyncIterable[ServerSentEvent]:  # fmt: skip
    """The log of all cases as server-sent events: ids, enums and instants. Without Last-Event-ID it begins with what
    happens from now on.
    """
    with desk.bell.listen() as ear:
        last = await asyncio.to_thread(desk.views.log, who, None)
        seen = last_event_id if last_event_id is not None else max((e.seq for e in last), default=0)
        while not await request.is_disconnected():
            while some := await asyncio.to_thread(desk.views.log, who, seen):
                for event in some:
                    seen = event.seq
                    data = {**event_json(event), "case_id": event.case_id}
                    yield ServerSentEvent(id=str(event.seq), event=event.kind, data=data)
            if not follow or desk.stopping.is_set():
                return
            await ear.heard(LOOK_S)
