"""Signing in with a one-time link or a password, and out again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.errors import ForbiddenError, SignInError, TooManyError
from api.policy import COOKIE, Anyone, Desk, Reader, same_site
from api.problems import Problem, problem_of
from api.routes.pages.frame import render, signed_in

router = APIRouter(tags=["sessions"])

_Door = Annotated[None, Depends(Anyone("it is the door: link or password prove who it is"))]


@router.get("/signin", include_in_schema=False)
def sign_in(request: Request, desk: Desk, _: _Door, token: str = "", to: str = "/desk") -> Response:
    """Use up a sign-in link and go to the queue; without one, ask for name and password."""
    if not token:
        return _form(request, "", to, None)
    _who, session = desk.doors.sign_in(token)
    return signed_in(desk, session, "/desk")


@router.post("/signin", include_in_schema=False)
def sign_in_with_password(
    request: Request, desk: Desk, _: _Door, name: Annotated[str, Form(max_length=128)] = "",
    password: Annotated[str, Form(max_length=1000)] = "", to: Annotated[str, Form(max_length=500)] = "/desk",
) -> Response:  # fmt: skip
    """Sign in with name and password."""
    if not same_site(request):
        raise ForbiddenError("A page of another site sent this; open the desk's own sign-in page.")
    address = request.client.host if request.client else ""
    try:
        _who, session = desk.doors.sign_in_with_password(name.strip(), password, address)
    except (SignInError, TooManyError) as error:
        return _form(request, name, to, problem_of(error))
    return signed_in(desk, session, to)


@router.post("/signout", include_in_schema=False)
def sign_out(request: Request, desk: Desk, _who: Reader) -> Response:
    """End the session of this browser."""
    desk.doors.sign_out(request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/signin", 303)
    response.delete_cookie(COOKIE)
    return response


@router.get("/v1/session")
def session(who: Reader) -> dict[str, Any]:
    """Who is calling."""
    return {"id": who.id, "name": who.name, "role": who.role}


def _form(request: Request, name: str, to: str, problem: Problem | None) -> Response:
    status = problem.status if problem else 200
    page = render(request, "signin.html", status, title="Sign in", problem=problem, kept={}, name=name, to=to)
    if problem and "Retry-After" in problem.headers:
        page.headers["Retry-After"] = problem.headers["Retry-After"]
    return page
