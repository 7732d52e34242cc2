"""The maps of the sources as they stand on disk now: a corrected one counts at once, a broken one not at all."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.errors import BrokenFile
from agent.hookmap import RESERVED, SOURCE, Hook, load_hook

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    stamp: tuple[int, int]
    hook: Hook | None


class Maps:
    """Hooks by the name of their source."""

    def __init__(self, folder: Path, known: Mapping[str, Hook]) -> None:
        """`known` are the good ones that were read at the start."""
        self._folder = folder
        self._kept = {source: _Kept((0, 0), hook) for source, hook in known.items()}

    def get(self, source: str) -> Hook | None:
        """The hook of a source; the last good one while its file is broken, None when there is no such source."""
        if not SOURCE.fullmatch(source) or source in RESERVED:
            return None
        try:
            found = (self._folder / f"{source}.yaml").stat()
        except OSError:
            return None
        stamp, kept = (found.st_mtime_ns, found.st_size), self._kept.get(source)
        if kept is None or kept.stamp != stamp:
            try:
                kept = _Kept(stamp, self.read(source))
            except BrokenFile as broken:
                log.error("the last good map is in use: %s", broken)
                kept = _Kept(stamp, kept.hook if kept else None)
            self._kept[source] = kept
        return kept.hook

    def read(self, source: str) -> Hook:
        """The hook of a source as its file says.

        Raises:
            BrokenFile: the file is missing or broken.

        """
        return load_hook(self._folder / f"{source}.yaml")
