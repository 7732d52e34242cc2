"""A person's own account: password, single keys, and their API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.auth import Principal
from api.errors import InvalidError
from api.passwords import SHORTEST
from api.policy import Desk, Reader
from api.routes.pages.frame import DONE, render, signed_in
from api.wiring import Runtime

router = APIRouter(prefix="/account", include_in_schema=False)


@router.get("")
def account_page(request: Request, desk: Desk, who: Reader, done: str = "") -> Response:
    """Who is signed in, and how they like it."""
    return _page(request, desk, who, done=DONE.get(done, ""))


@router.post("/password")
def password(
    request: Request, desk: Desk, who: Reader, password: Annotated[str, Form(max_length=1000)] = "",
    again: Annotated[str, Form(max_length=1000)] = "",
) -> Response:  # fmt: skip
    """Another password; every other browser of this person is signed out."""
    try:
        if password != again:
            raise InvalidError("The two passwords differ; type the same one twice.")
        desk.doors.set_password(who, password)
    except InvalidError as error:
        return _page(request, desk, who, problem=str(error), status=422)
    _who, session = desk.doors.sign_in_with_password(who.name, password, "")
    return signed_in(desk, session, "/account?done=saved")


@router.post("/shortcuts")
def shortcuts(desk: Desk, who: Reader, shortcuts: Annotated[str, Form()] = "") -> Response:
    """Single keys on or off."""
    desk.doors.set_shortcuts(who, on=shortcuts == "on")
    return RedirectResponse("/account?done=saved", 303)


def _page(
    request: Request, desk: Runtime, who: Principal, *, done: str = "", problem: str = "", status: int = 200
) -> Response:
    keys = [key for key in desk.doors.keys(who) if key["principal_id"] == who.id]
    return render(
        request, "account.html", status, title="Account", done=done, problem=problem, keys=keys, shortest=SHORTEST,
        now=desk.clock.now(),
    )  # fmt: skip
