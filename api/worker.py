"""The worker: takes jobs, does them without holding the database, and survives being killed at any instant."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from api.clock import Clock
from api.errors import LeaseLostError, StaleWorkError, StoreError
from api.faultpoint import faultpoint
from api.jobs import Handler, Handlers
from api.store import queue
from api.store.queue import Job
from api.store.unit import Store

log = logging.getLogger(__name__)

POLL_S = 0.5
"""How long an idle worker waits before it looks again, in seconds; `wake` makes it look at once."""

MOST_AT_ONCE = 16
"""Jobs that are claimed in one transaction at most."""

BACKOFF = timedelta(seconds=2)
BACKOFF_MOST = timedelta(minutes=10)


def backoff(attempts: int) -> timedelta:
    """How long a job rests after its `attempts`-th crash: 2 s, 4 s, 8 s ... at most 10 min."""
    return min(BACKOFF * 2 ** min(attempts - 1, 20), BACKOFF_MOST)


class Worker:
    """Does up to `concurrency` jobs at a time until it is stopped."""

    def __init__(
        self, store: Store, clock: Clock, handlers: Handlers, *, concurrency: int = 2,
        lease: timedelta = timedelta(seconds=60), drain_s: float = 20.0, poll_s: float = POLL_S,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        """`ready` says whether what the jobs need is there; until then none is taken."""
        self._store, self._clock, self._handlers = store, clock, handlers
        self._concurrency, self._lease, self._drain_s, self._poll_s = concurrency, lease, drain_s, poll_s
        self._ready = ready
        self.name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self.beat_at = clock.now()
        """When it last looked for work: a worker that hangs stops looking."""
        self._stopping = False
        self._bell = asyncio.Event()
        self._sure = False
        """Somebody said that there is work, so that no look comes before the claim."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """There is something to do; may be called from any thread."""
        self._sure = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._bell.set)

    def stop(self) -> None:
        """Take no new job; `run` returns when the running ones are done or the drain time is over."""
        self._stopping = True
        self.wake()

    async def run(self) -> None:
        """Work until `stop`."""
        self._loop = asyncio.get_running_loop()
        while not self._stopping:
            self._bell.clear()
            self.beat_at = self._clock.now()
            want = min(self._concurrency - len(self._running), MOST_AT_ONCE)
            jobs = await self._next(want) if want else []
            for job in jobs:
                self._start(job)
            if len(jobs) < max(want, 1):  # all hands are full, or nothing else is due
                await self._rest()
        await self._drain()

    async def run_until_idle(self) -> None:
        """Work until no job is due; for batches and tests."""
        self._loop = asyncio.get_running_loop()
        while (jobs := await self._next(self._concurrency - len(self._running))) or self._running:
            for job in jobs:
                self._start(job)
            if not jobs or len(self._running) >= self._concurrency:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT stop this worker; call it from inside the running loop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._do(job), name=job.id)
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._bell.set()

    async def _next(self, most: int) -> list[Job]:
        sure, self._sure = self._sure, False

        def claim() -> list[Job]:
            now = self._clock.now()
            if not sure:  # a look costs no disk write, a claim does
                with self._store.read() as conn:
                    if not queue.due(conn, self._handlers, now):
                        return []
            with self._store.write("claim") as conn:
                return queue.claim_some(conn, self._handlers, self.name, now, self._lease, most)

        if not self._ready():
            return []
        try:
            return await asyncio.to_thread(claim)
        except StoreError as error:
            log.warning("no job could be claimed: %s", error)
            return []

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), self._poll_s)

    async def _do(self, job: Job) -> None:
        handler = self._handlers[job.kind]
        try:
            if job.attempts > handler.max_attempts:  # it took the whole process down each time
                await asyncio.to_thread(handler.give_up, job, "the process died each time")
            else:
                await self._attempt(handler, job)
        except LeaseLostError:
            log.warning("%s was given to another worker", job.id)
        except StaleWorkError:
            await self._back(job, timedelta(0), "", counts=False)
        except asyncio.CancelledError:
            await asyncio.shield(self._back(job, timedelta(0), "", counts=False))
            raise
        except Exception as error:  # noqa: BLE001 - a job's crash is retried, never the worker's end
            await self._crashed(handler, job, error)

    async def _attempt(self, handler: Handler[Any, Any], job: Job) -> None:
        work = await asyncio.to_thread(handler.load, job)
        faultpoint("job.loaded")
        if work is None:
            await asyncio.to_thread(self._in_store, "finish", queue.finish, job, self._clock.now())
            return
        async with asyncio.TaskGroup() as group:
            heart = group.create_task(self._keep(job))
            result = await handler.process(work)
            heart.cancel()
        faultpoint("job.processed")
        await asyncio.to_thread(handler.apply, job, work, result)

    async def _keep(self, job: Job) -> None:
        """Extends the lease while the job runs; when it was lost, the work is broken off."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            until = self._clock.now() + self._lease
            try:
                await asyncio.to_thread(self._in_store, "extend", queue.extend, job, until)
            except StoreError as error:  # busy or full: the lease outlasts two missed beats
                log.warning("the lease of %s could not be extended: %s", job.id, error)

    async def _crashed(self, handler: Handler[Any, Any], job: Job, error: Exception) -> None:
        cause = _first(error)
        if isinstance(cause, LeaseLostError):
            log.warning("%s was given to another worker", job.id)
            return
        name = type(cause).__name__  # never its text: that may quote a customer
        log.error("%s (%s) crashed at attempt %d: %s", job.id, job.kind, job.attempts, name)
        try:
            if job.attempts >= handler.max_attempts:
                await asyncio.to_thread(handler.give_up, job, name)
            else:
                await self._back(job, backoff(job.attempts), name, counts=True)
        except (LeaseLostError, StoreError) as second:  # the lease runs out, then it is tried again
            log.warning("%s could not be put back: %s", job.id, second)

    async def _back(self, job: Job, wait: timedelta, error: str, *, counts: bool) -> None:
        run_at = self._clock.now() + wait
        put = self._in_store
        with suppress(LeaseLostError):
            await asyncio.to_thread(put, "requeue", queue.back, job, run_at, error=error, counts=counts)

    def _in_store(self, verb: str, change: Callable[..., None], *args: Any, **named: Any) -> None:
        with self._store.write(verb) as conn:
            change(conn, *args, **named)

    async def _drain(self) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=self._drain_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _first(error: BaseException) -> BaseException:
    """The first real error inside a group of them."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return _first(group.exceptions[0])
    return error
