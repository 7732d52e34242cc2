"""The pages for people: queue, case, and a form to paste a case into. They work without JavaScript."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agent import intake
from agent.errors import BadInput
from agent.states import CASE_MOVES
from api import bars, clockview, say, show
from api.policy import Anyone, Desk, Reader, Receiver, Reviewer, Worker
from api.problems import Problem
from api.reading import storable
from api.routes.drafts import wait_for
from api.store import incidents
from api.views import CaseView, Filter, QueueRow
from api.wiring import Runtime

router = APIRouter(include_in_schema=False)

TABS: Final[Mapping[str, tuple[str, Filter]]] = {
    "open": ("All open", Filter(statuses=sorted(CASE_MOVES.keys() - {"resolved", "closed"}))),
    "ready": ("Ready to review", Filter(draft_states=("ready",))),
    "person": ("Needs a person", Filter(draft_states=("needs_human", "blocked"))),
    "approved": ("Approved, not sent", Filter(draft_states=("approved",))),
    "done": ("Resolved", Filter(statuses=("resolved", "closed"))),
}
DONE: Final = {
    "approve": "Approved. Send it in your mail program, then note here that it was sent.",
    "send_back": "Sent back. A new draft is being written.",
    "discard": "Discarded.",
    "redraft": "A new draft is being written.",
    "sent": "Noted as sent.",
    "status": "Status changed.",
    "ack": "Acknowledged.",
    "promise": "Noted.",
}
NEW_WAIT_S: Final = 4.0
"""How long the page of a new case waits for its draft instead of showing that there is none yet."""

LANGUAGES: Final = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "nl": "Dutch",
    "pt": "Portuguese",
}  # fmt: skip
"""Names of languages; one that is not here is shown by its code."""

_FIELDS: Final = ("text", "subject", "name", "email", "order_ref", "lang")


@router.get("/")
def home(_: Annotated[None, Depends(Anyone("it only points to the queue, which asks"))]) -> Response:
    """To the queue."""
    return RedirectResponse("/desk", 303)


@router.get("/desk")
def queue_page(request: Request, desk: Desk, who: Reader, tab: str = "open", after: str | None = None) -> Response:
    """Cases by their next due instant."""
    name, want = TABS.get(tab, TABS["open"])
    page = desk.views.queue(who, want, after=after)
    lines = [
        _line(desk, row, desk.views.draft(who, row.draft_id).proposal if row.draft_id else None) for row in page.rows
    ]
    more = urlencode({"tab": tab, "after": page.cursor}) if page.cursor else ""
    pending = sum(row.draft_state == "pending" for row in page.rows)
    return render(request, "queue.html", title=name, lines=lines, tab=tab, tabs=TABS, more=more, pending=pending)


@router.get("/desk/new")
def new_page(request: Request, desk: Desk, _who: Receiver) -> Response:
    """A form to paste a case into."""
    return render(
        request, "new.html", title="New case", given=dict.fromkeys(_FIELDS, ""), problem="", languages=_languages(desk)
    )


@router.post("/desk/new")
def new_case(
    request: Request, *, desk: Desk, who: Receiver, text: Annotated[str, Form()] = "",
    subject: Annotated[str, Form()] = "", name: Annotated[str, Form()] = "", email: Annotated[str, Form()] = "",
    order_ref: Annotated[str, Form()] = "", lang: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Take a pasted case in."""
    given = {"text": text, "subject": subject, "name": name, "email": email, "order_ref": order_ref, "lang": lang}
    escalation: dict[str, Any] = storable({
        "channel": "desk",
        "messages": [{"text": text.replace("\r\n", "\n"), "subject": subject}],
        "customer": {"name": name, "email": email},
        **({"order_ref": order_ref} if order_ref.strip() else {}),
        **({"lang": lang} if lang else {}),
    })  # fmt: skip
    try:
        intake.parse(escalation, now=desk.clock.now(), case_id="case")
    except BadInput as error:
        said = "Paste the customer's words." if not (text + subject).strip() else str(error)
        return render(request, "new.html", 422, title="New case", given=given, problem=said, languages=_languages(desk))
    ids = desk.desk.receive(who, escalation)
    return RedirectResponse(f"/desk/{ids['case']}?new=1", 303)


@router.get("/desk/{case_id}")
async def case_page(
    request: Request, case_id: str, *, desk: Desk, who: Reader, done: str = "", new: bool = False
) -> Response:
    """One case: thread, draft, triage."""
    case = await asyncio.to_thread(desk.views.case, who, case_id)
    if new and case.draft is not None and case.draft.state == "pending":
        await wait_for(desk, who, case.draft.id, NEW_WAIT_S)
        case = await asyncio.to_thread(desk.views.case, who, case_id)
    return await asyncio.to_thread(_case, request, desk, case, DONE.get(done, ""))


@router.post("/desk/{case_id}/review")
def review(
    case_id: str, *, desk: Desk, who: Reviewer, decision: Annotated[str, Form()], draft_id: Annotated[str, Form()],
    draft_hash: Annotated[str, Form()], case_version: Annotated[int, Form()], hint: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Decide on the draft as it was shown."""
    desk.desk.record_review(
        who, draft_id, decision, draft_hash=draft_hash, case_version=case_version, hint=storable(hint)  # type: ignore[arg-type]
    )  # fmt: skip
    return _back(case_id, decision, new=decision == "send_back")


@router.post("/desk/{case_id}/draft")
def redraft(case_id: str, desk: Desk, who: Worker, hint: Annotated[str, Form()] = "") -> Response:
    """Ask for another draft."""
    desk.desk.request_draft(who, case_id, storable(hint))
    return _back(case_id, "redraft", new=True)


@router.post("/desk/{case_id}/sent")
def sent(
    case_id: str, *, desk: Desk, who: Worker, text: Annotated[str, Form()] = "", draft_id: Annotated[str, Form()] = "",
    status: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Note that a person sent a text."""
    plain = storable(text.replace("\r\n", "\n"))
    desk.desk.record_sent(who, case_id, plain, draft_id=draft_id or None, status=status or None)
    return _back(case_id, "sent")


@router.post("/desk/{case_id}/status")
def status(case_id: str, desk: Desk, who: Worker, status: Annotated[str, Form()]) -> Response:
    """Move the case."""
    desk.desk.set_status(who, case_id, status)
    return _back(case_id, "status")


@router.post("/desk/{case_id}/ack")
def ack(case_id: str, desk: Desk, who: Worker, team: Annotated[str, Form()]) -> Response:
    """A team takes its part."""
    desk.desk.acknowledge(who, case_id, team)
    return _back(case_id, "ack")


@router.post("/desk/{case_id}/promise")
def promise(
    case_id: str, desk: Desk, who: Worker, promise_id: Annotated[str, Form()], outcome: Annotated[str, Form()]
) -> Response:
    """Say what became of a promise."""
    desk.desk.settle_promise(who, promise_id, outcome)  # type: ignore[arg-type] - checked by the verb
    return _back(case_id, "promise")


def error_page(request: Request, problem: Problem) -> Response:
    """A problem, told to a person with a browser."""
    return render(request, "error.html", problem.status, title=problem.title, problem=problem)


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page."""
    desk: Runtime = request.app.state.runtime
    now, zone = desk.clock.now(), desk.texts.pack.store.time_zone
    context |= {
        "store": desk.texts.pack.store.name,
        "broken": desk.texts.problem,
        "failed": desk.parts.problem,
        "local": partial(say.local, zone=zone, now=now),
        "away": partial(say.away, now=now),
        "words": say.words,
        "money": say.money,
        "path": request.url.path,
    }
    context.setdefault("who", getattr(request.state, "who", None))
    return HTMLResponse(_templates().get_template(template).render(context), status)


@cache
def _templates() -> Environment:
    folder = Path(__file__).parent.parent / "templates"
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _languages(desk: Runtime) -> Mapping[str, str]:
    """The store's languages by code."""
    return {code: LANGUAGES.get(code, code) for code in desk.texts.pack.store.languages}


def _back(case_id: str, done: str, *, new: bool = False) -> Response:
    return RedirectResponse(f"/desk/{case_id}?{urlencode({'done': done, **({'new': 1} if new else {})})}", 303)


def _line(desk: Runtime, row: QueueRow, proposal: Mapping[str, Any] | None) -> dict[str, Any]:
    """One row of the queue and why it stands where it does."""
    pack = desk.texts.pack
    kind = pack.issue_types.get(row.issue_type)
    team = pack.teams.get(row.primary_team)
    reason = str((proposal or {}).get("severity_reason") or "")
    return {
        "row": row,
        "kind": kind.title if kind else say.words(row.issue_type),
        "team": team.title if team else say.words(row.primary_team),
        "why": row.needs_human_reason or str((proposal or {}).get("state_reason") or "") or reason,
        "overdue": row.next_due_at is not None and row.next_due_at < desk.clock.now(),
    }


def _case(request: Request, desk: Runtime, case: CaseView, done: str) -> Response:
    now = desk.clock.now()
    proposal = case.draft.proposal if case.draft else None
    customer: Mapping[str, Any] = case.escalation.get("customer") or {}
    order, dispute = show.order_of(case, desk.orders)
    with desk.store.read() as conn:
        rows = clockview.of_case(conn, desk.desk.versions, case.row.id, now)
        incident, twins = incidents.incident_of(conn, case.row.id), incidents.offers(conn, case.row.id)
    return render(
        request, "case.html", title=case.row.title or case.row.id, case=case, row=case.row, draft=case.draft, done=done,
        sheet=show.sheet(proposal, desk.texts.pack, now) if proposal else None, thread=show.thread(case, now),
        bars=bars.bars(rows, now), teams=bars.teams(rows, desk.texts.pack, case.row.primary_team),
        promises=bars.promises(case), incident=incident, twins=twins, order=order, dispute=dispute, customer={name: str(customer.get(name) or "") for name in ("name", "email")},
        moves=sorted(CASE_MOVES[case.row.status] - {"in_review"}),
        overdue=case.row.next_due_at is not None and case.row.next_due_at < now,
    )  # fmt: skip
