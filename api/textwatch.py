"""Looks after the texts as long as the process lives: another active version, or edited files."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from agent.prompts import SHORT
from api.errors import DeskError
from api.prompting import Prompting
from api.texttree import stamp

log = logging.getLogger(__name__)

EVERY_S: Final = 0.5
"""How often is looked, in seconds; edited files must be the same at two looks, so that half a file is not taken."""


async def keep_texts(prompting: Prompting, *, settle: bool) -> None:
    """Follow the active version until cancelled; with `settle` look at edited files too, which one process does."""
    live, done, before = prompting.live, 0, 0
    while True:
        try:
            swapped = await asyncio.to_thread(live.follow)
            if swapped:
                log.info("version %s of the texts is in use", live.tree.hash[:SHORT])
            if settle:
                now = await asyncio.to_thread(stamp, live.prompts, live.store)
                if swapped or (now == before and now != done):
                    await asyncio.to_thread(prompting.settle)
                    done = now
                before = now
        except (DeskError, OSError) as error:
            log.warning("the texts could not be looked at: %s", error)
        await asyncio.sleep(EVERY_S)
