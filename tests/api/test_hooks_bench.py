from __future__ import annotations

from pathlib import Path

import pytest

from api import hooks_bench


@pytest.mark.slow
def test_a_small_burst_is_durable_and_nothing_of_it_is_refused(tmp_path: Path):
    figures = hooks_bench.run(tmp_path, 500, 50)
    assert (figures["refused"], figures["durable"]) == (0, 500)
    assert figures["durable_s"] < 20
    assert figures["ack_p99_ms"] < 2000, "a goal of 500 ms on a machine that does nothing else"
