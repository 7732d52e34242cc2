"""The web application: routes over a runtime, and what runs beside them in the same process."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.errors import PartsError, StoreError
from api.measuring import Measuring
from api.policy import Anyone, Policy, declared
from api.reading import MAX_BODY
from api.routes import audit as audit_routes
from api.routes import (
    casework,
    docs,
    drafts,
    escalations,
    evals,
    health,
    hooks,
    incidents,
    pages,
    prompt_pages,
    prompts,
    proof,
    sessions,
    teamwork,
)
from api.store import audit
from api.textwatch import keep_texts
from api.watch import keep_watch
from api.wiring import Runtime

log = logging.getLogger(__name__)

UPKEEP_S: Final = 60.0
"""How often the index is checked when nothing changes."""
ANCHOR_S: Final = 3600.0
"""Seconds between two notes of the head of the event log."""
LOOK_S: Final = 2.0
"""How often new vectors are looked for."""

STATIC: Final = "static"

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""On every answer. Only the desk's own script files run in a browser, and pages do without them."""


class UndeclaredRouteError(RuntimeError):
    """A route does not say who may call it."""


def create_app(runtime: Runtime, *, first_start: Callable[[Runtime], None] | None = None) -> FastAPI:
    """The application of one desk.

    Args:
        runtime: the desk.
        first_start: run once in a thread after the application is up, e.g. to load the sample store.

    Raises:
        UndeclaredRouteError: a route does not say who may call it.

    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with running(runtime, first_start):
            yield

    app = FastAPI(
        title="Escalation Desk",
        version=health.desk_version(),
        description="An escalation in, triage and a guarded draft out; a person decides.",
        lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None,
    )  # fmt: skip
    app.state.runtime = runtime
    app.state.measuring = Measuring(runtime)
    for module in (
        drafts, escalations, casework, hooks, health, sessions, docs, evals, incidents, pages, prompts, prompt_pages, proof,
        teamwork, audit_routes,
    ):  # fmt: skip
        app.include_router(module.router)
    app.include_router(escalations.log_router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name=STATIC)
    problems.install(app)
    app.add_middleware(Edge)
    for path, policies in declared_policies(app.routes):
        if len(policies) != 1:
            raise UndeclaredRouteError(f"{path} must declare one policy (api/policy.py), not {len(policies)}.")
    return app


def declared_policies(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, list[Policy | Anyone]]]:
    """Path and policies of every route, those of included routers too; only the static files need none."""
    for route in routes:
        included: APIRouter | None = getattr(route, "original_router", None)
        if included is not None:
            yield from declared_policies(included.routes)
        elif isinstance(route, APIRoute):
            yield f"{'/'.join(sorted(route.methods or ()))} {route.path}", declared(route)
        elif not (isinstance(route, Mount) and route.name == STATIC):
            yield str(getattr(route, "path", route)), []


@asynccontextmanager
async def running(runtime: Runtime, first_start: Callable[[Runtime], None] | None = None) -> AsyncGenerator[None]:
    """Loads the parts and works on jobs until the block ends; what was begun then is finished or put back."""
    _anchor(runtime)
    worker = runtime.worker() if runtime.settings.workers else None
    async with AsyncExitStack() as stack:
        tasks = [asyncio.create_task(_keep_up(runtime), name="upkeep")]
        tasks.append(asyncio.create_task(keep_texts(runtime.prompting, settle=True), name="texts"))
        if worker is not None:
            tasks.append(asyncio.create_task(keep_watch(runtime.desk), name="watch"))
        tasks.append(asyncio.create_task(_anchor_hourly(runtime), name="anchor"))
        if first_start is not None:
            tasks.append(asyncio.create_task(asyncio.to_thread(first_start, runtime), name="first start"))
        stack.push_async_callback(_cancel, tasks)
        stack.push_async_callback(runtime.hang_up)
        if worker is not None:
            work = asyncio.create_task(worker.run(), name="worker")
            stack.push_async_callback(_finish, worker.stop, work)
            await stack.enter_async_context(runtime.reading_mail())  # ends first, so that no new work comes in
        try:
            yield
        finally:
            runtime.stopping.set()
            runtime.bell.ring()
            runtime.parts.stop()
    await asyncio.to_thread(_anchor, runtime)
    runtime.close()


async def _keep_up(runtime: Runtime) -> None:
    """Reads new precedents soon after they got their vector, and checks the index now and then."""
    try:
        loaded = await asyncio.to_thread(runtime.parts.all)
    except PartsError:
        return  # logged where it failed; /readyz says so too
    runtime.desk.on_work()
    gc.collect()
    gc.freeze()  # half a million objects that live as long as the process need not be looked at again
    seen, checked = (-1, -1), 0.0
    loop = asyncio.get_running_loop()
    while True:
        try:
            counts = await asyncio.to_thread(runtime.archive.counts, loaded.encoder.fingerprint)
            if counts != seen:
                await asyncio.to_thread(loaded.search.load)
            if (counts != seen and not counts[1]) or loop.time() - checked > UPKEEP_S:
                await asyncio.to_thread(loaded.search.maintain)
                checked = loop.time()
            seen = counts
        except StoreError as error:
            log.warning("the precedents could not be brought up to date: %s", error)
        await asyncio.sleep(LOOK_S)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("%s: %s", type(result).__name__, result)


async def _finish(stop: Callable[[], None], work: asyncio.Task[None]) -> None:
    stop()
    with suppress(asyncio.CancelledError):
        await work


def _anchor(runtime: Runtime) -> None:
    """The head of the event log is written down outside the database, so that a cut-off end is seen."""
    with runtime.store.read() as conn:
        audit.anchor(conn, runtime.settings.home / audit.HEADS, runtime.clock.now())


async def _anchor_hourly(runtime: Runtime) -> None:
    while True:
        await asyncio.sleep(ANCHOR_S)
        try:
            await asyncio.to_thread(_anchor, runtime)
        except (StoreError, OSError) as error:
            log.warning("the head of the event log could not be written down: %s", error)


class Edge:
    """What holds for every request and answer: a limit of size, and headers. Plain ASGI, so that streams flow."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and its answer back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0

        async def received() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY:
                raise HTTPException(413)
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if not scope["path"].startswith(f"/{STATIC}/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > MAX_BODY:
            await problems.problem_of(HTTPException(413)).response()(scope, receive, sent)
            return
        await self._app(scope, received, sent)
