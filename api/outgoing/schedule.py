"""When a message that was not taken is tried again, and when it is given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

TRIES = tuple(timedelta(seconds=seconds) for seconds in (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400))
"""When each try is made, counted from the first one (Standard Webhooks 1.0.0); waits asked for and jitter add to it."""

_WAITS = tuple(after - before for before, after in pairwise(TRIES))

JITTER = 0.1
"""By how much of itself a wait is lengthened at most, so that what failed together does not come back together."""


def next_try(failed: int, now: datetime, rng: Random, *, retry_after: timedelta | None = None) -> datetime | None:
    """When to try again after the `failed`-th try (1 or more) failed at `now`; None when it is given up.

    The waits are those between the `TRIES`, so that a desk that was switched off goes on where it stopped; a receiver
    that asks for a longer one gets it.
    """
    if failed > len(_WAITS):
        return None
    wait = max(_WAITS[max(failed, 1) - 1], retry_after or timedelta(0))
    return now + wait * (1 + JITTER * rng.random())
