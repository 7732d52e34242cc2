"""Whether the desk is up, whether it is ready, and what it counts."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from api.errors import StoreError
from api.parts import READY
from api.policy import Anyone, Desk, Reader
from api.store import queue
from api.watch import LATE, lateness
from api.wiring import Runtime

router = APIRouter(tags=["health"])


def desk_version() -> str:
    """The version of this desk."""
    try:
        return version("escalation-desk")
    except PackageNotFoundError:
        return "0 (not installed)"


@router.get("/healthz")
def healthz(_: Annotated[None, Depends(Anyone("a supervisor has no key"))]) -> dict[str, str]:
    """The process answers."""
    return {"status": "ok", "version": desk_version()}


@router.get("/readyz")
def readyz(desk: Desk, _: Annotated[None, Depends(Anyone("a load balancer has no key"))]) -> Response:
    """200 when drafts can be written, else 503; either way how each part stands, the mailbox too where there is one."""
    body = health(desk)
    return JSONResponse(body, 200 if body["ready"] else 503)


def health(desk: Runtime) -> dict[str, Any]:
    """How each part stands: `ready` as a whole, `parts`, and `precedents` in numbers."""
    parts = {"store": _store(desk), **desk.parts.state, **desk.beside}
    loaded = desk.parts.loaded
    parts["clocks"] = _clocks(desk) if parts["store"] == READY else "unknown"
    ready = loaded is not None and parts["store"] == READY and parts["clocks"] == READY
    counts: dict[str, int] = {}
    if loaded is not None:
        found = loaded.search.health
        parts["precedents"] = READY if found.state == READY else f"{found.state}: {found.reason}".rstrip(": ")
        counts = {"searchable": found.precedents, "waiting": found.waiting}
    if desk.texts.problem:
        parts["texts"] = f"the last good version is in use: {desk.texts.problem}"
    return {"ready": ready, "parts": parts, "precedents": counts}


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(desk: Desk, _who: Reader) -> str:
    """Counts in the text format of Prometheus."""
    with desk.store.read() as conn:
        jobs = queue.counts(conn)
    lines = ["# HELP desk_jobs Jobs by state.", "# TYPE desk_jobs gauge"]
    lines += [f'desk_jobs{{state="{state}"}} {number}' for state, number in sorted(jobs.items())]
    loaded = desk.parts.loaded
    if loaded is not None:
        health = loaded.search.health
        lines += [
            "# HELP desk_precedents Past cases by whether they can be found.",
            "# TYPE desk_precedents gauge",
            f'desk_precedents{{state="searchable"}} {health.precedents}',
            f'desk_precedents{{state="waiting"}} {health.waiting}',
        ]
    return "\n".join(lines) + "\n"


def _clocks(desk: Runtime) -> str:
    late = lateness(desk.store, desk.clock)
    return READY if late <= LATE else f"late: a threshold has waited for {late.total_seconds():.0f} s to be handled"


def _store(desk: Runtime) -> str:
    try:
        with desk.store.read() as conn:
            queue.counts(conn)
    except StoreError as error:
        return f"failed: {error}"
    return READY
