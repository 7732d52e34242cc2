"""The one table from errors to HTTP, and how a problem is told: RFC 9457 to programs, a page to browsers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from agent.errors import AgentError, BadInput, BrokenFile
from agent.states import IllegalMoveError
from api import errors
from api.reading import MAX_BODY
from evals.errors import BaselineError, EvalsError, IncomparableError
from retrieval.errors import RetrievalError

log = logging.getLogger(__name__)

KEPT: Final = ("text", "subject", "hint", "evidence", "note")
"""Fields of forms whose words a page gives back when it refuses them."""

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2

STATUS: Final[Mapping[type[Exception], int]] = {
    BadInput: 422,
    IllegalMoveError: 409,
    BrokenFile: 503,
    AgentError: 500,
    RetrievalError: 503,
    BaselineError: 409,
    IncomparableError: 409,
    EvalsError: 422,
    errors.SettingsError: 503,
    errors.SignInError: 401,
    errors.SignatureError: 401,
    errors.ForbiddenError: 403,
    errors.NotFoundError: 404,
    errors.InvalidError: 422,
    errors.DraftChangedError: 412,
    errors.ConflictError: 409,
    errors.TooManyError: 429,
    errors.StoreBusyError: 503,
    errors.StoreFullError: 507,
    errors.DeskError: 500,
}
"""An error has the status of its nearest class here."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong with one request, in words for its caller."""

    status: int
    detail: str
    errors: Sequence[Mapping[str, str]] = ()
    """What is wrong with which field, each with `field` and `detail`."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase

    def as_json(self) -> dict[str, Any]:
        """RFC 9457."""
        body = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        return {**body, "errors": list(self.errors)}

    def response(self) -> JSONResponse:
        """The answer to a program."""
        return JSONResponse(self.as_json(), self.status, dict(self.headers), MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """What a caller is told of an error; nothing of one that is not in the table."""
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return _http(error)
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    if status == 500:
        log.error("a request failed: %s", type(error).__name__, exc_info=error)
        return Problem(500, "The desk failed on this request; it has been logged.")
    if isinstance(error, BadInput):
        status = 400 if error.field == "body" else 413 if error.fix.startswith("send at most") else 422
        return Problem(status, str(error), [{"field": error.field, "detail": str(error)}])
    if isinstance(error, errors.BrokenTextsError):
        return Problem(status, str(error), error.as_fields())
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if getattr(error, "retryable", False):
        headers["Retry-After"] = str(getattr(error, "wait_s", RETRY_AFTER_S))
    return Problem(status, str(error), _details(error), headers)


def _details(error: Exception) -> list[dict[str, str]]:
    """What has to be done before a decision is taken."""
    if isinstance(error, errors.UnreadError):
        return [{"field": "opened", "detail": name} for name in error.missing]
    if isinstance(error, errors.BlockedError):
        return [{"field": "text", "detail": finding} for finding in error.findings]
    return []


def install(app: FastAPI) -> None:
    """Every error of `app` becomes a problem."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if wants_page(request):
            from api.routes.pages import error_page

            return error_page(request, problem, await _typed(request))
        return problem.response()

    for kind in (Exception, HTTPException, RequestValidationError, *STATUS):
        app.add_exception_handler(kind, answer)


async def _typed(request: Request) -> Mapping[str, str]:
    """What a person had typed into the form that was refused, so that it is not lost; passwords are left out."""
    if request.method != "POST" or "form" not in request.headers.get("content-type", ""):
        return {}
    try:
        form = await request.form()
    except (HTTPException, RuntimeError, ClientDisconnect):  # too large, or read already
        return {}
    fields = {name: str(value) for name, value in form.items() if name in KEPT}
    return {name: value for name, value in fields.items() if value.strip()}


def wants_page(request: Request) -> bool:
    """Whether a person with a browser waits for the answer."""
    return not request.url.path.startswith("/v1/") and "text/html" in request.headers.get("accept", "")


def _http(error: HTTPException) -> Problem:
    said = {
        404: "There is no such page or route; /openapi.json lists all.",
        405: "This route does not take this method; /openapi.json lists all.",
        413: f"The request is larger than {MAX_BODY // 1000} KB; send the messages without attachments.",
    }
    detail = said.get(error.status_code) or str(error.detail)
    return Problem(error.status_code, detail, headers=dict(error.headers or {}))


def _invalid(error: RequestValidationError) -> Problem:
    found: list[dict[str, str]] = []
    for one in cast("Sequence[Mapping[str, Any]]", error.errors()):
        path = [str(part) for part in one["loc"]]
        place, name = path[0], ".".join(path[1:])
        text = str(one["msg"]).removeprefix("Value error, ")
        if one["type"] == "json_invalid":
            name, text = "body", "It is not valid JSON; send one JSON object."
        elif one["type"] in {"model_attributes_type", "dict_type"} and not name:
            name, text = "body", "It is not a JSON object; send one."
        found.append({"in": place, "field": name or place, "detail": text})
    first = found[0]
    status = 400 if first["field"] == "body" else 422
    return Problem(status, f"{first['field']}: {first['detail'].rstrip('.')}.", found)
