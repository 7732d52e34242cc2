"""The sample store's open cases come in as if they were written lately."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.sample import OPEN_CASES, as_of

ROWS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "prompts" / "sample_store" / OPEN_CASES).read_text("utf-8").splitlines()
]


def instants(rows: list[dict[str, Any]]) -> list[datetime]:
    parts = [part for row in rows for part in (row, *row.get("messages", ()))]
    return [datetime.fromisoformat(part[k]) for part in parts for k in ("received_at", "at") if part.get(k)]


@pytest.mark.parametrize("now", [datetime(2026, 3, 1, 7, tzinfo=UTC), datetime(2029, 6, 30, 18, 5, tzinfo=UTC)])
def test_open_cases_are_moved_to_the_day_before_now_and_keep_their_gaps(now: datetime):
    before, after = instants(ROWS), instants(as_of(ROWS, now))
    assert timedelta(0) <= now - max(after) < timedelta(days=1)
    assert len({b - a for a, b in zip(before, after, strict=True)}) == 1


def test_open_cases_are_the_same_at_the_same_instant_and_else_as_in_the_file():
    now = datetime(2027, 1, 5, 9, tzinfo=UTC)
    assert as_of(ROWS, now) == as_of(ROWS, now)
    newest = max(instants(ROWS))
    assert [row["text"] for row in as_of(ROWS, newest) if "text" in row] == [r["text"] for r in ROWS if "text" in r]
    assert instants(as_of(ROWS, newest)) == instants(ROWS)
