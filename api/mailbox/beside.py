"""The reader of the mailbox as it runs beside the worker: begun and ended with it, and never a reason for its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from api.desk import Desk
from api.errors import DeskError
from api.mailbox import imap
from api.mailbox.config import MailboxConfig
from api.store.engine import alone

log = logging.getLogger(__name__)

LOCK: Final = "mailbox.lock"
"""In DESK_HOME: of all its processes one reads the mailbox, and another one when that ends."""


@asynccontextmanager
async def reading(
    desk: Desk, config: MailboxConfig | None, secret: imap.Secret, home: Path, tell: Callable[[str], None]
) -> AsyncGenerator[None]:
    """Reads the mailbox until the block ends, where there is one; the mail in hand is then finished.

    Args:
        desk: where the mails go.
        config: of the mailbox; None for none.
        secret: gives its password or token.
        home: DESK_HOME.
        tell: hears how it stands.

    """
    if config is None:
        yield
        return
    stop = asyncio.Event()
    task = asyncio.create_task(_keep(desk, config, secret, home, stop, tell), name="mailbox")
    try:
        yield
    finally:
        stop.set()
        await task


async def _keep(
    desk: Desk, config: MailboxConfig, secret: imap.Secret, home: Path, stop: asyncio.Event, tell: Callable[[str], None]
) -> None:
    while not stop.is_set():
        with alone(home / LOCK) as mine:
            if mine:
                await _read(desk, config, secret, stop, tell)
                return
        tell("another process of this desk reads it")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), config.poll_s)


async def _read(
    desk: Desk, config: MailboxConfig, secret: imap.Secret, stop: asyncio.Event, tell: Callable[[str], None]
) -> None:
    tell("loading")
    try:
        await imap.run(desk, imap.WHO, config, secret, stop, tell)
    except DeskError as error:
        log.error("the mailbox is not read until the desk is started anew: %s", error)
        tell(f"failed: {error}")
