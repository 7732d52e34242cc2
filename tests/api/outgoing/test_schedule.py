from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.outgoing.schedule import JITTER, TRIES, next_try
from tests.fakes.outside import NOW


class Never(Random):
    """No jitter."""

    def random(self) -> float:
        return 0.0


def tries(rng: Random, waits: list[timedelta | None] | None = None) -> list[datetime]:
    made = [NOW]
    while (at := next_try(len(made), made[-1], rng, retry_after=(waits or []).pop(0) if waits else None)) is not None:
        made.append(at)
    return made


def test_a_message_is_tried_ten_times_in_a_day_and_then_given_up():
    offsets = [at - NOW for at in tries(Never())]
    h = 3600
    assert offsets == [timedelta(seconds=s) for s in (0, 5, 300, 1800, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h, 24 * h)]


@given(st.integers())
def test_jitter_only_lengthens_a_wait_and_by_a_tenth_at_most(seed: int):
    made = tries(Random(seed))
    assert len(made) == len(TRIES)
    for (planned, planned_next), (real, real_next) in zip(pairwise(TRIES), pairwise(made), strict=True):
        wait = planned_next - planned
        assert wait <= real_next - real <= wait * (1 + JITTER)


def test_what_failed_together_does_not_come_back_together():
    rng = Random(7)
    assert len({next_try(3, NOW, rng, retry_after=timedelta(minutes=30)) for _ in range(100)}) > 90


def test_the_same_seed_gives_the_same_times():
    assert tries(Random(3)) == tries(Random(3))


@pytest.mark.parametrize("asked", [timedelta(0), timedelta(seconds=4), timedelta(hours=-1)])
def test_a_receiver_cannot_shorten_a_wait(asked: timedelta):
    assert next_try(1, NOW, Never(), retry_after=asked) == NOW + timedelta(seconds=5)


@given(st.integers(1, 9), st.integers(0, 86_400), st.integers())
def test_no_try_comes_before_the_time_that_was_asked_for(failed: int, seconds: int, seed: int):
    at = next_try(failed, NOW, Random(seed), retry_after=timedelta(seconds=seconds))
    assert at is not None
    assert at >= NOW + timedelta(seconds=seconds)


def test_a_receiver_that_always_asks_for_more_is_given_up_after_as_many_tries():
    made = tries(Never(), [timedelta(hours=24)] * 20)
    assert len(made) == 10
    assert made[-1] == NOW + timedelta(days=9)


@pytest.mark.parametrize("failed", [10, 11, 1000])
def test_the_tenth_failure_is_the_last(failed: int):
    assert next_try(failed, NOW, Random(1), retry_after=timedelta(seconds=1)) is None
