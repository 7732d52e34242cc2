"""The queue: saved views of the open cases with their counts, and a search."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from api import queueview
from api.policy import Anyone, Desk, Reader
from api.reading import storable
from api.routes.pages.frame import render

router = APIRouter(include_in_schema=False)


@router.get("/")
def home(_: Annotated[None, Depends(Anyone("it only points to the queue, which asks"))]) -> Response:
    """To the queue."""
    return RedirectResponse("/desk", 303)


@router.get("/desk")
def queue_page(
    request: Request, desk: Desk, who: Reader, view: str = "open", page: Annotated[int, Query(ge=1, le=1000)] = 1,
    q: Annotated[str, Query(max_length=200)] = "",
) -> Response:  # fmt: skip
    """Cases by what is due next, then severity, then failed checks."""
    shown = queueview.read(desk, who, view, page, storable(q).strip())
    more = urlencode({"view": shown.view, "q": q, "page": page + 1}) if shown.more else ""
    title = queueview.VIEWS[shown.view].title
    return render(request, "queue.html", title=title, shown=shown, views=queueview.VIEWS, more=more, q=q, page=page)
