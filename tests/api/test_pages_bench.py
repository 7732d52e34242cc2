from __future__ import annotations

import json

import pytest

from api import pages_bench


def test_the_bench_of_the_pages_measures_queue_and_case_and_says_whether_goals_are_kept(
    capsys: pytest.CaptureFixture[str],
):
    pages_bench.main(["--cases", "60", "--runs", "12", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["cases"] == 60
    assert 0 < found["queue_p50_ms"] <= found["queue_p95_ms"]
    assert 0 < found["case_p50_ms"] <= found["case_p95_ms"]
    assert 5_000 < found["largest_bytes"] < pages_bench.MOST_BYTES


def test_a_goal_that_is_missed_is_no_success():
    good = {"queue_p95_ms": 150.0, "case_p95_ms": 100.0, "largest_bytes": 200_000}
    assert pages_bench.kept(good)
    for name, value in good.items():
        assert not pages_bench.kept({**good, name: value + 1})
