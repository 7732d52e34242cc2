"""Tells whoever waits in this process that something changed, so that nobody has to poll quickly."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress


class Bell:
    """Rung from any thread, heard by coroutines. A change made by another process is not heard: wait with a timeout."""

    def __init__(self) -> None:
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event, str]] = set()

    def ring(self, about: str = "") -> None:
        """Something changed: the thing with the id `about`, or one that nobody waits for by its id."""
        for loop, event, awaited in tuple(self._listeners):
            if awaited in {"", about}:
                with suppress(RuntimeError):  # the listener's loop has just closed
                    loop.call_soon_threadsafe(event.set)

    @contextmanager
    def listen(self, to: str = "") -> Generator[Ear]:
        """Hear every ring from now on, or those about the id `to`; begin before looking, so that no change falls in between."""
        event = asyncio.Event()
        listener = (asyncio.get_running_loop(), event, to)
        self._listeners.add(listener)
        try:
            yield Ear(event)
        finally:
            self._listeners.discard(listener)


class Ear:
    """One listener."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    async def heard(self, timeout_s: float) -> None:
        """Until the next ring since the last call, or `timeout_s` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), timeout_s)
        self._event.clear()
