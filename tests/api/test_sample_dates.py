"""The sample store's open cases come in as if they were written lately, and all that they tell with them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.sample import OPEN_CASES, as_of
from api.sampledates import moved_order, moved_text

FOLDER = Path(__file__).parents[2] / "prompts" / "sample_store"


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines() if line.strip()]


ROWS = read(OPEN_CASES)
ORDERS = {row["id"]: row for row in read("orders.jsonl")}


def instants(row: dict[str, Any]) -> list[datetime]:
    parts = (row, *row.get("messages", ()))
    return [datetime.fromisoformat(part[k]) for part in parts for k in ("received_at", "at") if part.get(k)]


@pytest.mark.parametrize("now", [datetime(2026, 3, 1, 7, tzinfo=UTC), datetime(2029, 6, 30, 18, 5, tzinfo=UTC)])
def test_the_newest_message_of_each_open_case_is_of_the_day_before_now_and_a_case_keeps_its_gaps(now: datetime):
    for before, after in zip(ROWS, as_of(ROWS, now, ORDERS), strict=True):
        moved = instants(after)
        assert timedelta(0) <= now - max(moved) < timedelta(days=1)
        assert len({b - a for a, b in zip(instants(before), moved, strict=True)}) == 1


def test_open_cases_are_the_same_at_the_same_instant_and_unmoved_on_their_own_day():
    now = datetime(2027, 1, 5, 9, tzinfo=UTC)
    assert as_of(ROWS, now, ORDERS) == as_of(ROWS, now, ORDERS)
    for row in ROWS:
        (same,) = as_of([row], max(instants(row)), ORDERS)
        assert (same.get("text"), same.get("context")) == (row.get("text"), None)
        assert instants(same) == instants(row)


def test_the_bank_s_date_in_text_and_dispute_and_the_order_move_with_the_case():
    now = datetime(2027, 1, 5, 9, tzinfo=UTC)
    case = next(row for row in as_of(ROWS, now, ORDERS) if row["id"] == "OPEN-002")
    assert "until 18 January 2027 23:59 UTC" in case["text"]
    assert "away until the 15th" in case["text"]
    assert case["context"]["dispute"]["evidence_due_by"] == "2027-01-18T23:59:00Z"
    was = next(row for row in ROWS if row["id"] == "OPEN-002")
    gap = datetime.fromisoformat(was["received_at"]) - datetime.fromisoformat(ORDERS["FH-278930"]["placed_at"])
    assert datetime.fromisoformat(case["received_at"]) - datetime.fromisoformat(case["context"]["order"]["placed_at"]) == gap  # fmt: skip
    assert case["context"]["order"]["total"] == ORDERS["FH-278930"]["total"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("until 03 December 2026.", "until 09 December 2026."), ("on the 9th of November", "on the 15th of November"),
        ("on 30 October we", "on 5 November we"), ("Thursday, November 19, 2026", "Wednesday, November 25, 2026"),
        ("am 14.11. um 20:06", "am 20.11. um 20:06"), ("bis 4. Dezember 2026", "bis 10. Dezember 2026"), ("seit 28.12.2026", "seit 3.1.2027"),
        ("by friday", "by thursday"), ("am Sonntag", "am Samstag"), ("Sonntagabend", "Samstagabend"), ("the 17th", "the 23rd"), ("2026-11-20", "2026-11-26"),
        ("for the 2nd time", "for the 2nd time"), ("a Black Friday deal", "a Black Friday deal"), ("FH-278930, 251,85 € at 20:06", "FH-278930, 251,85 € at 20:06"),
        ("31.31. and 99.99.", "31.31. and 99.99."), ("version 1.2.3", "version 1.2.3"),
    ],
)  # fmt: skip
def test_written_days_move_and_nothing_else_does(before: str, after: str):
    assert moved_text(before, date(2026, 11, 22), 6) == after


def test_every_day_of_an_order_moves_and_no_figure_does():
    order = moved_order(ORDERS["FH-271590"], timedelta(days=40))
    assert order["placed_at"] == "2026-11-05T11:05:19Z"
    assert order["dispute"]["evidence_due_by"] == "2026-12-08T23:59:00Z"
    assert order["fulfilments"][0]["tracking"] == ORDERS["FH-271590"]["fulfilments"][0]["tracking"]
    assert order["items"] == ORDERS["FH-271590"]["items"]
