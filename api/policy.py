"""Who may call a route. Each route declares exactly one policy; one that declares none does not start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.auth import Action, Principal
from api.errors import ForbiddenError, SignInError
from api.wiring import Runtime

COOKIE: Final = "desk_session"
_SAFE: Final = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True)
class Policy:
    """A dependency that lets in whoever may do `action`, by API key or by the session of a browser."""

    action: Action

    def __call__(self, request: Request) -> Principal:
        """Who calls.

        Raises:
            SignInError: nobody who is known.
            ForbiddenError: somebody who may not, or a page of another site that uses the browser's session.

        """
        who = _caller(request)
        request.state.who = who
        who.need(self.action)
        return who


@dataclass(frozen=True, slots=True)
class Anyone:
    """A dependency that lets everybody in, for the stated reason."""

    why: str

    async def __call__(self) -> None:
        """Nobody is asked who they are."""


Reader: TypeAlias = Annotated[Principal, Depends(Policy("read"))]
Receiver: TypeAlias = Annotated[Principal, Depends(Policy("receive"))]
Worker: TypeAlias = Annotated[Principal, Depends(Policy("work"))]
Reviewer: TypeAlias = Annotated[Principal, Depends(Policy("review"))]
Rater: TypeAlias = Annotated[Principal, Depends(Policy("rate"))]
Admin: TypeAlias = Annotated[Principal, Depends(Policy("admin"))]


def declared(route: APIRoute) -> list[Policy | Anyone]:
    """The different policies of a route, through all its dependencies."""
    return list(dict.fromkeys(_policies(route.dependant)))


def runtime(request: Request) -> Runtime:
    """The parts of this desk."""
    found: Runtime = request.app.state.runtime
    return found


Desk: TypeAlias = Annotated[Runtime, Depends(runtime)]


def same_site(request: Request) -> bool:
    """Whether the request comes from a page of this desk; browsers say so and pages cannot lie about it."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


def _caller(request: Request) -> Principal:
    doors = runtime(request).doors
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer" or not key.strip():
            raise SignInError("The Authorization header is not `Bearer <API key>`; send it that way.")
        return doors.by_key(key.strip())
    token = request.cookies.get(COOKIE)
    if not token:
        raise SignInError(
            "Nobody is signed in; send `Authorization: Bearer <API key>` (`desk key`), "
            "or open a sign-in link (`desk signin`)."
        )
    if request.method not in _SAFE and not same_site(request):
        raise ForbiddenError("A page of another site sent this; use the desk's own pages, or an API key.")
    return doors.by_session(token)


def _policies(dependant: Dependant) -> list[Policy | Anyone]:
    own = [dependant.call] if isinstance(dependant.call, (Policy, Anyone)) else []
    return own + [policy for part in dependant.dependencies for policy in _policies(part)]
