"""The page of one case, and what a person does there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response

from agent.states import IllegalMoveError
from api import casepage
from api.auth import Principal
from api.errors import ConflictError, ForbiddenError, InvalidError, StoreError
from api.policy import Desk, Rater, Reader, Reviewer, Worker
from api.reading import storable
from api.routes.drafts import wait_for
from api.routes.pages.frame import CODES, DONE, back, render
from api.wiring import Runtime
from evals.ratings import FAULTS, LEVELS

router = APIRouter(prefix="/desk/{case_id}", include_in_schema=False)

NEW_WAIT_S: Final = 4.0
"""How long the page of a new case waits for its draft instead of showing that there is none yet."""
_REFUSED: Final = (ConflictError, InvalidError, ForbiddenError, IllegalMoveError)
"""Refusals that are told on the page itself, with what was typed still there."""
_STATUS: Final = {InvalidError: 422, ForbiddenError: 403}

_NOTHING: Final = dict.fromkeys(
    ("decision", "text", "subject", "hint", "reason", "opened", "evidence", "finding", "sent", "note", "severity",
     "severity_reason", "team", "team_reason"), "",
)  # fmt: skip
"""What may have been typed into the page's forms."""

Text = Annotated[str, Form(max_length=70_000)]
Short = Annotated[str, Form(max_length=2000)]


@router.get("")
async def case_page(
    request: Request, case_id: str, *, desk: Desk, who: Reader, done: str = "", new: bool = False
) -> Response:
    """One case: thread, draft, what it rests on."""
    case = await asyncio.to_thread(desk.views.case, who, case_id)
    if new and case.draft is not None and case.draft.state == "pending":
        await wait_for(desk, who, case.draft.id, NEW_WAIT_S)
    return await asyncio.to_thread(_show, request, desk, who, case_id, DONE.get(done, ""))


def _show(
    request: Request, desk: Runtime, who: Principal, case_id: str, done: str = "", problem: str = "",
    typed: Mapping[str, Any] = {}, status: int = 200,
) -> Response:  # fmt: skip
    case = desk.views.case(who, case_id)
    if not problem and who.may("work"):
        with suppress(StoreError):  # a desk that cannot write can still be read
            desk.desk.look(who, case_id, [("opened", "")], case.draft.id if case.draft else "")
    context = casepage.gather(desk, who, case, desk.clock.now())
    return render(
        request, "case.html", status, title=case.row.title or case.row.id, done=done, problem=problem,
        typed={**_NOTHING, **typed},
        codes=CODES, faults=FAULTS, levels=LEVELS, **context,
    )  # fmt: skip


def _try(
    request: Request, desk: Runtime, who: Principal, case_id: str, do: Callable[[], str], **typed: Any
) -> Response:
    """Do it and say so; a refusal is told on the page, where what was typed still stands."""
    try:
        done = do()
    except _REFUSED as error:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 409)
        return _show(request, desk, who, case_id, problem=str(error), typed=typed, status=status)
    return back(case_id, done, new=done in {"send_back", "redraft"})


@router.post("/review")
def review(
    request: Request, case_id: str, *, desk: Desk, who: Reviewer, decision: Annotated[str, Form()],
    draft_id: Annotated[str, Form()], draft_hash: Annotated[str, Form()] = "", case_version: Annotated[int, Form()],
    hint: Short = "", reason: Short = "", subject: Annotated[str, Form(max_length=1000)] = "", text: Text = "",
    opened: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies defaults
) -> Response:  # fmt: skip
    """Decide on the draft as it was shown; `edit` approves the words in `text` instead."""
    edit = decision == "edit"

    def do() -> str:
        done = desk.desk.record_review(
            who, draft_id, "approve" if edit else decision, draft_hash=draft_hash, case_version=case_version,  # type: ignore[arg-type]
            hint=storable(hint), reason=reason, text=storable(text) if edit else None,
            subject=storable(subject) if edit else None, opened=opened,
        )  # fmt: skip
        return "second" if done["second"] else decision

    typed = {"decision": decision, "text": text, "subject": subject, "hint": hint, "reason": reason, "opened": opened}
    return _try(request, desk, who, case_id, do, **typed)


@router.post("/undo")
def undo(request: Request, case_id: str, desk: Desk, who: Reviewer, draft_id: Annotated[str, Form()]) -> Response:
    """Take an approval back."""

    def do() -> str:
        desk.desk.undo_approval(who, draft_id)
        return "undo"

    return _try(request, desk, who, case_id, do)


@router.post("/answer")
def answer(
    request: Request, case_id: str, *, desk: Desk, who: Reviewer, draft_id: Annotated[str, Form()],
    draft_hash: Annotated[str, Form()], case_version: Annotated[int, Form()], finding: Annotated[int, Form()],
    evidence: Short = "",
) -> Response:  # fmt: skip
    """Answer a finding with evidence."""

    def do() -> str:
        read = {"draft_hash": draft_hash, "case_version": case_version}
        desk.desk.resolve_finding(who, draft_id, finding, storable(evidence), **read)  # type: ignore[arg-type]
        return "answer"

    return _try(request, desk, who, case_id, do, evidence=evidence, finding=finding)


@router.post("/draft")
def redraft(case_id: str, desk: Desk, who: Worker, hint: Short = "") -> Response:
    """Ask for another draft."""
    desk.desk.request_draft(who, case_id, storable(hint))
    return back(case_id, "redraft", new=True)


@router.post("/take-over")
def take_over(request: Request, case_id: str, desk: Desk, who: Worker) -> Response:
    """The reader writes the answer."""

    def do() -> str:
        desk.desk.take_over(who, case_id)
        return "take_over"

    return _try(request, desk, who, case_id, do)


@router.post("/sent")
def sent(
    request: Request, case_id: str, *, desk: Desk, who: Worker, text: Text = "", draft_id: Annotated[str, Form()] = "",
    status: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Note that a person sent a text."""
    plain = storable(text.replace("\r\n", "\n"))

    def do() -> str:
        desk.desk.record_sent(who, case_id, plain, draft_id=draft_id or None, status=status or None)
        return "sent"

    return _try(request, desk, who, case_id, do, sent=text)


@router.post("/status")
def status(request: Request, case_id: str, desk: Desk, who: Worker, status: Annotated[str, Form()]) -> Response:
    """Move the case."""

    def do() -> str:
        desk.desk.set_status(who, case_id, status)
        return "status"

    return _try(request, desk, who, case_id, do)


@router.post("/ack")
def ack(case_id: str, desk: Desk, who: Worker, team: Annotated[str, Form()]) -> Response:
    """A team takes its part."""
    desk.desk.acknowledge(who, case_id, team)
    return back(case_id, "ack")


@router.post("/promise")
def promise(
    case_id: str, desk: Desk, who: Worker, promise_id: Annotated[str, Form()], outcome: Annotated[str, Form()]
) -> Response:
    """Say what became of a promise."""
    desk.desk.settle_promise(who, promise_id, outcome)  # type: ignore[arg-type] - checked by the verb
    return back(case_id, "promise")


@router.post("/assign")
def assign(case_id: str, desk: Desk, who: Worker, to: Annotated[str, Form()] = "") -> Response:
    """Give the case to somebody."""
    desk.desk.assign(who, case_id, to)
    return back(case_id, "assign")


@router.post("/snooze")
def snooze(
    request: Request, case_id: str, desk: Desk, who: Worker, until: Annotated[str, Form(max_length=40)] = "",
    at: Annotated[str, Form(max_length=40)] = "",
) -> Response:  # fmt: skip
    """Let the case rest for a while, or until a time of the store's zone; neither ends it."""
    given = at or until

    def do() -> str:
        now = desk.clock.now()
        desk.desk.snooze(who, case_id, _instant(given, now, desk.texts.pack.store.time_zone) if given else now)
        return "snooze" if given else "wake"

    return _try(request, desk, who, case_id, do)


def _instant(given: str, now: datetime, zone: str) -> datetime:
    hours = {"4h": 4, "1d": 24, "3d": 72, "7d": 168}.get(given)
    if hours is not None:
        return now + timedelta(hours=hours)
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise InvalidError("Choose a day and a time, like 2026-11-30T09:00.") from None
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


@router.post("/note")
def note(
    request: Request, case_id: str, desk: Desk, who: Worker, text: Annotated[str, Form(max_length=20_000)] = ""
) -> Response:
    """Leave a note for the staff."""

    def do() -> str:
        desk.desk.add_note(who, case_id, storable(text.replace("\r\n", "\n")))
        return "note"

    return _try(request, desk, who, case_id, do, note=text)


@router.post("/severity")
def severity(
    request: Request, case_id: str, desk: Desk, who: Worker, severity: Annotated[str, Form()], reason: Short = ""
) -> Response:
    """Another severity."""

    def do() -> str:
        desk.desk.set_severity(who, case_id, severity, reason)
        return "severity"

    return _try(request, desk, who, case_id, do, severity=severity, severity_reason=reason)


@router.post("/routing")
def routing(
    request: Request, case_id: str, desk: Desk, who: Worker, team: Annotated[str, Form()], reason: Short = ""
) -> Response:
    """Another team leads."""

    def do() -> str:
        desk.desk.set_routing(who, case_id, team, reason)
        return "routing"

    return _try(request, desk, who, case_id, do, team=team, team_reason=reason)


@router.post("/no-reply")
def no_reply(request: Request, case_id: str, desk: Desk, who: Worker, reason: Short = "") -> Response:
    """The last message needs no answer."""

    def do() -> str:
        desk.desk.no_reply_needed(who, case_id, reason)
        return "no_reply"

    return _try(request, desk, who, case_id, do)


@router.post("/rating")
async def rating(request: Request, case_id: str, desk: Desk, who: Rater) -> Response:
    """What the draft is worth."""
    form = {name: str(value)[:2000] for name, value in (await request.form()).items()}
    dims = {name: form[name] for name in LEVELS if form.get(name)}
    seconds = form.get("seconds", "0")

    def do() -> str:
        thumb: Any = form.get("thumb", "")
        desk.desk.rate(
            who, form.get("draft_id", ""), thumb, dims=dims, first_fault=form.get("first_fault", ""),
            note=storable(form.get("note", "")), seconds=int(seconds) if seconds.isdecimal() and len(seconds) < 6 else 0,
        )  # fmt: skip
        return "rate"

    return await asyncio.to_thread(_try, request, desk, who, case_id, do)


@router.post("/misled")
def misled(
    case_id: str, desk: Desk, who: Worker, about: Annotated[Literal["precedent", "fact"], Form()],
    ref: Annotated[str, Form(max_length=80)],
) -> Response:  # fmt: skip
    """A precedent or a fact misled."""
    desk.desk.misled(who, case_id, about, storable(ref))
    return back(case_id, "misled")


@router.get("/draft.eml")
def eml(case_id: str, desk: Desk, who: Worker) -> Response:
    """The approved text as an e-mail that a mail program opens as a draft."""
    case = desk.views.case(who, case_id)
    if case.draft is None or case.draft.state not in {"approved", "sent"}:
        raise ConflictError("Only an approved text can be downloaded; approve it first.")
    letter = casepage.letter(desk, case.draft.id)
    headers = {"Content-Disposition": f'attachment; filename="{case_id}.eml"'}
    return Response(letter, media_type="message/rfc822", headers=headers)


@router.post("/helpdesk")
def to_helpdesk(request: Request, case_id: str, desk: Desk, who: Worker) -> Response:
    """Leave the approved text in the helpdesk as a note that only the staff reads."""

    def do() -> str:
        casepage.to_helpdesk(desk, who, case_id)
        return "helpdesk"

    return _try(request, desk, who, case_id, do)
