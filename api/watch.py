"""The watch: sweeps the clocks as long as the process lives, and knows when it is late."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from api.auth import WORKER
from api.clock import Clock
from api.desk import Desk
from api.errors import StoreError
from api.store import clocks
from api.store.unit import Store
from api.sweep import BATCH

log = logging.getLogger(__name__)

EVERY_S: Final = 0.5
"""How often the clocks are looked at, in seconds."""
LATE: Final = timedelta(seconds=10)
"""A threshold that was not handled for so long makes the health red."""
JUMP: Final = timedelta(seconds=30)
"""The wall clock may differ by so much from the time that passed before it is called a jump."""


async def keep_watch(desk: Desk, stopping: Callable[[], bool] = lambda: False) -> None:
    """Sweep until cancelled, or until `stopping` says so; a failing store is tried again."""
    jumps = Jumps(desk.clock.now(), time.monotonic())
    while not stopping():
        jumps.look(desk.clock.now(), time.monotonic())
        try:
            handled = BATCH
            while handled >= BATCH:
                handled = await asyncio.to_thread(desk.sweep, WORKER)
        except StoreError as error:
            log.warning("the clocks could not be swept: %s", error)
        await asyncio.sleep(EVERY_S)


class Jumps:
    """Notices when the wall clock was set: what falls due by it is handled all the same, each once."""

    def __init__(self, wall: datetime, passed: float) -> None:
        self._wall, self._passed = wall, passed

    def look(self, wall: datetime, passed: float) -> timedelta:
        """By how much the wall clock jumped since the last look; logged when it did."""
        off = (wall - self._wall) - timedelta(seconds=passed - self._passed)
        self._wall, self._passed = wall, passed
        if abs(off) <= JUMP:
            return timedelta(0)
        log.warning(
            "the machine's clock jumped by %.0f s; due instants are handled by the new time", off.total_seconds()
        )
        return off


def lateness(store: Store, clock: Clock) -> timedelta:
    """For how long the most overdue threshold has waited to be handled; zero when none does."""
    with store.read() as conn:
        first = clocks.oldest_due(conn)
    return max(clock.now() - first, timedelta(0)) if first else timedelta(0)
