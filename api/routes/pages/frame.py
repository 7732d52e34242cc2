"""The frame of every page: templates, what they all know, and how a problem is told to a person."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api import say
from api.auth import SESSION, Principal
from api.errors import StoreError
from api.policy import COOKIE
from api.problems import Problem
from api.store import casework
from api.wiring import Runtime

DONE: Final = {
    "approve": "Approved.",
    "edit": "Approved with your words.",
    "second": "Noted. A second person has to approve this too, because of the money in it.",
    "undo": "The approval is undone.",
    "send_back": "Sent back. A new draft is being written.",
    "discard": "Discarded.",
    "redraft": "A new draft is being written.",
    "sent": "Noted as sent.",
    "status": "Status changed.",
    "ack": "Acknowledged.",
    "promise": "Noted.",
    "answer": "Noted. The finding does not block any more.",
    "take_over": "The case is yours. Write the answer, send it, then note it here.",
    "assign": "Assigned.",
    "snooze": "It rests until then. Its clocks run on.",
    "wake": "It is back in the queue.",
    "note": "Note added. Only staff can read it.",
    "severity": "Severity changed. The clocks are counted anew from their start.",
    "routing": "Another team leads now.",
    "no_reply": "Noted: no reply is needed.",
    "rate": "Thank you. Your rating is kept with the draft.",
    "misled": "Noted. Thank you.",
    "helpdesk": "A note with this text is on its way to the helpdesk.",
    "saved": "Saved.",
    "person": "Added.",
    "revoked": "Revoked. It does not work any more.",
    "retry": "It is sent again.",
    "offered": "People can rate its outputs now.",
    "rated": "Your rating is kept.",
    "settled": "Settled.",
}
"""What a page says after something was done."""

CODES: Final = {
    "facts": "a fact was wrong", "tone": "the tone", "promise": "a promise", "missing": "something was missing",
    "shorter": "too long", "language": "the language", "not_needed": "not needed", "elsewhere": "answered elsewhere",
    "wrong_case": "it misses the matter", "other": "something else",
}  # fmt: skip
"""Reasons that a person may give, by their codes."""


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
    context.setdefault("shortcuts", _shortcuts(desk, context["who"]))
    return HTMLResponse(_templates().get_template(template).render(context), status)


def error_page(request: Request, problem: Problem, kept: Mapping[str, str] | None = None) -> Response:
    """A problem, told to a person with a browser; `kept` is what they had typed."""
    if problem.status == 401:
        return render(
            request, "signin.html", 401, title="Sign in", problem=problem, kept=kept or {}, name="", to=_to(request)
        )
    return render(request, "error.html", problem.status, title=problem.title, problem=problem, kept=kept or {})


def back(case_id: str, done: str, *, new: bool = False) -> Response:
    """To the case, which says what was done."""
    return RedirectResponse(f"/desk/{case_id}?{urlencode({'done': done, **({'new': 1} if new else {})})}", 303)


def signed_in(desk: Runtime, session: str, to: str) -> Response:
    """On to a page of this desk, with a new session: one from before the sign-in is never taken on."""
    inside = to.startswith("/") and not to.startswith(("//", "/\\")) and "\\" not in to and to.isprintable()
    response = RedirectResponse(to if inside else "/desk", 303)
    response.set_cookie(
        COOKIE, session, max_age=int(SESSION.total_seconds()), httponly=True, samesite="lax",
        secure=desk.settings.behind_proxy,
    )  # fmt: skip
    return response


def _to(request: Request) -> str:
    """Where a person wanted to go: a page of the desk, never another site."""
    return request.url.path if request.method == "GET" else "/desk"


def _shortcuts(desk: Runtime, who: Principal | None) -> bool:
    if who is None:
        return False
    try:
        with desk.store.read() as conn:
            return casework.shortcuts(conn, who.id)
    except StoreError:
        return True


@cache
def _templates() -> Environment:
    folder = Path(__file__).parents[2] / "templates"
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
