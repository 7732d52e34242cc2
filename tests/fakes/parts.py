"""Parts that are there at once, for tests that need no encoder and no classifier."""

from __future__ import annotations

from typing import Any

from api.parts import Loaded, Parts
from retrieval.search import Health


class NoSearch:
    """A search that remembers nothing."""

    health = Health("ready", "", 0, 0, None)

    def load(self) -> None: ...

    def maintain(self) -> None: ...

    def rebuild(self) -> None: ...

    def close(self) -> None: ...


class NoEncoder:
    """An encoder that is never asked."""

    fingerprint, dimension = "none", 3


def quick_parts(encoder: Any = NoEncoder) -> Parts:
    """Parts whose encoder is what `encoder` returns, or whose loading fails with what it raises."""
    search: Any = NoSearch()
    return Parts(encoder, lambda found, _: Loaded(found, search, None))
