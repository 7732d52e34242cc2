"""Signing in with a one-time link, and out again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from api.auth import SESSION
from api.policy import COOKIE, Anyone, Desk, Reader

router = APIRouter(tags=["sessions"])


@router.get("/signin", include_in_schema=False)
def sign_in(
    request: Request,
    desk: Desk,
    _: Annotated[None, Depends(Anyone("the link itself proves who it is"))],
    token: str = "",
) -> Response:
    """Use up a sign-in link and go to the queue."""
    _who, session = desk.doors.sign_in(token)
    response = RedirectResponse("/desk", 303)
    response.set_cookie(
        COOKIE, session, max_age=int(SESSION.total_seconds()), httponly=True, samesite="lax",
        secure=desk.settings.behind_proxy,
    )  # fmt: skip
    return response


@router.post("/signout", include_in_schema=False)
def sign_out(request: Request, desk: Desk, _who: Reader) -> Response:
    """End the session of this browser."""
    desk.doors.sign_out(request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/desk", 303)
    response.delete_cookie(COOKIE)
    return response


@router.get("/v1/session")
def session(who: Reader) -> dict[str, Any]:
    """Who is calling."""
    return {"id": who.id, "name": who.name, "role": who.role}
