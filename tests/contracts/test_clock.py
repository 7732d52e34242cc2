from __future__ import annotations

from datetime import UTC

from api.clock import SystemClock


def test_the_system_clock_is_aware_in_utc_and_does_not_stand_still():
    clock = SystemClock()
    first = clock.now()
    assert first.tzinfo is UTC
    assert clock.now() >= first
