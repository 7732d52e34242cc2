"""Asks the past: precedents for a case, by what it names and by what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np

from agent.entities import order_key
from agent.understand import Understanding
from retrieval.precedent import Found, Query, Search

SHOWN = 5
"""Precedents that a person sees and an engine gets."""
_WHOLE = 0.5
"""Weight of the whole message beside its issue sentence in the query."""


def run(
    search: Search, seen: Understanding, posterior: Mapping[str, float], row: int, *, case_id: str, before: datetime
) -> Found:
    """The best few precedents of one case; never raises for an index that is down.

    Args:
        search: where to look.
        seen: the case.
        posterior: probability by issue type.
        row: which sentence of `seen.sense` the case is about, 0 for the whole message.
        case_id: of the case, which is no precedent of itself.
        before: only what was resolved by then is a precedent.

    """
    vector = seen.sense.english[0] * _WHOLE + seen.sense.english[row] * (1 - _WHOLE)
    vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    found = seen.entities
    keys = (
        *(order_key(v) for v in found.values("order_id")),
        *found.values("tracking_number"),
        *dict.fromkeys(e.detail for e in found.of("product") if e.detail),
    )
    return search.search(
        Query(
            text=seen.sense.text,
            vector=vector,
            keys=keys,
            posterior=posterior,
            before=before,
            exclude=frozenset({case_id}),
            k=SHOWN,
        )
    )
