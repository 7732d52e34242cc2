"""Pages of the admin: people and API keys, delivery log, audit log, health."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.auth import ACTIONS, Principal
from api.errors import ConflictError, InvalidError, NotFoundError
from api.outbox import Outbox
from api.policy import Admin, Desk, Reader
from api.routes.health import health
from api.routes.pages.frame import DONE, render
from api.routes.shapes import letter_json
from api.store import casework
from api.wiring import Runtime

router = APIRouter(prefix="/admin", include_in_schema=False)

ROLES = ("agent", "reviewer", "admin")
PAGE = 100
"""Entries of one page of a log."""


@router.get("/people")
def people_page(request: Request, desk: Desk, who: Admin, done: str = "") -> Response:
    """Who may come in, and with which keys."""
    return _people(request, desk, who, done=DONE.get(done, ""))


@router.post("/people")
def add_person(
    request: Request, desk: Desk, who: Admin, name: Annotated[str, Form(max_length=128)] = "",
    role: Annotated[str, Form()] = "agent",
) -> Response:  # fmt: skip
    """Let a new person or program in; the page shows their sign-in link this once."""
    try:
        if role not in ROLES:
            raise InvalidError(f"Choose one of the roles {', '.join(ROLES)}.")
        person = desk.doors.add_principal(who, name, role)  # type: ignore[arg-type]
    except (InvalidError, ConflictError) as error:
        return _people(request, desk, who, problem=str(error), status=422, typed={"name": name, "role": role})
    return _people(request, desk, who, done=DONE["person"], link=_link(request, desk, person.id), linked=person.name)


@router.post("/people/{principal_id}/link")
def make_link(request: Request, principal_id: str, desk: Desk, who: Admin) -> Response:
    """A new sign-in link for somebody."""
    names = {row["id"]: row["name"] for row in desk.doors.people(who)}
    if principal_id not in names:
        raise NotFoundError("person", principal_id)
    return _people(request, desk, who, link=_link(request, desk, principal_id), linked=names[principal_id])


@router.post("/people/{principal_id}/active")
def set_active(
    request: Request, principal_id: str, desk: Desk, who: Admin, active: Annotated[str, Form()] = ""
) -> Response:
    """Let somebody in, or shut them out at once."""
    try:
        desk.doors.set_active(who, principal_id, active=active == "yes")
    except ConflictError as error:
        return _people(request, desk, who, problem=str(error), status=409)
    return RedirectResponse("/admin/people?done=saved", 303)


@router.post("/keys")
def make_key(
    request: Request, desk: Desk, who: Admin, principal_id: Annotated[str, Form(max_length=40)] = "",
    scopes: Annotated[list[str], Form()] = [], days: Annotated[int, Form(ge=0, le=3650)] = 0,  # noqa: B006
) -> Response:  # fmt: skip
    """A new API key; the page shows it this once."""
    try:
        allowed: Any = scopes or None
        lasts = timedelta(days=days) if days else None
        _id, key = desk.doors.make_key(who, principal_id, scopes=allowed, lasts=lasts)
    except (InvalidError, NotFoundError) as error:
        return _people(request, desk, who, problem=str(error), status=422)
    return _people(request, desk, who, key=key)


@router.post("/keys/{key_id}/revoke")
def revoke_key(key_id: str, desk: Desk, who: Admin) -> Response:
    """End a key at once."""
    desk.doors.revoke_key(who, key_id)
    return RedirectResponse("/admin/people?done=revoked", 303)


@router.get("/deliveries")
def deliveries_page(request: Request, desk: Desk, who: Admin, channel: str = "", done: str = "") -> Response:
    """What left the desk, and what could not."""
    outbox = Outbox(desk.desk)
    rows = [{**letter_json(row), "created": row["created_at"]} for row in outbox.log(who, channel, PAGE)]
    return render(
        request, "deliveries.html", title="Delivery log", rows=rows, closed=outbox.closed(who), channel=channel,
        channels=tuple(desk.texts.pack.directory.channels), done=DONE.get(done, ""),
    )  # fmt: skip


@router.post("/deliveries/{letter}/retry")
def retry(letter: str, desk: Desk, who: Admin) -> Response:
    """Send again what was given up."""
    Outbox(desk.desk).retry(who, letter)
    return RedirectResponse("/admin/deliveries?done=retry", 303)


@router.get("/log")
def log_page(request: Request, desk: Desk, who: Admin, before: Annotated[int | None, Query(ge=1)] = None) -> Response:
    """Every event of the desk, the newest first."""
    last = max((e.seq for e in desk.views.log(who, None)), default=0)
    end = min(before - 1, last) if before else last
    rows = desk.views.log(who, max(0, end - PAGE), min(PAGE, end))[::-1] if end else ()
    with desk.store.read() as conn:
        names = {**casework.names(conn), "prn_worker": "the desk"}
    older = rows[-1].seq if rows and rows[-1].seq > 1 else None
    return render(request, "log.html", title="Audit log", rows=rows, names=names, older=older, last=last)


@router.get("/health")
def health_page(request: Request, desk: Desk, _who: Reader) -> Response:
    """How each part of the desk stands."""
    return render(request, "health.html", title="Health", health=health(desk))


def _link(request: Request, desk: Runtime, principal_id: str) -> str:
    base = desk.settings.public_url if desk.settings.url else str(request.base_url).rstrip("/")
    return f"{base}/signin?token={desk.doors.make_link(principal_id)}"


def _people(
    request: Request, desk: Runtime, who: Principal, *, done: str = "", problem: str = "", link: str = "",
    linked: str = "", key: str = "", status: int = 200, typed: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    return render(
        request, "people.html", status, title="People and keys", done=done, problem=problem, people=desk.doors.people(who),
        keys=desk.doors.keys(who), roles=ROLES, scopes=sorted(ACTIONS - {"apply"}), link=link, linked=linked, key=key,
        typed=typed or {"name": "", "role": "agent"}, me=who.id, now=desk.clock.now(),
    )  # fmt: skip
