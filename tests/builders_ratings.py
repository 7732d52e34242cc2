"""Outputs to be rated, and what people say of them, made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from evals.ratings import Item, Planned, Rating, Said, Shown

START = datetime(2026, 11, 24, 9, tzinfo=UTC)
BEST = {"facts_ok": "pass", "safe_to_send": "pass", "complete": "2", "tone": "2", "routing_ok": "pass"}
BAD = BEST | {"facts_ok": "fail", "safe_to_send": "no"}


def shown(number: int = 0) -> Shown:
    return Shown(
        messages=(Said(author="customer", text=f"My cup {number} arrived broken."),),
        kind="reply",
        subject=f"Your cup {number}",
        body=f"Dear Ada,\n\nwe are sorry about cup {number}.\n\nKind regards",
        issue_type="damaged_or_defective",
        severity="S3",
        primary_team="fulfilment",
        language="en",
    )


def planned(number: int = 0, **given: Any) -> Planned:
    return Planned("run_a", f"dmg-{number:03}", 0, shown(number), **given)


def item(number: int = 0, **given: Any) -> Item:
    return Item(f"itm_{number:03}", planned(number, **given))


def rating(one: Item, rater: str, minute: int = 0, **given: Any) -> Rating:
    """A rating that finds nothing wrong, but for what is given."""
    dims = BEST | given.pop("dims", {})
    fault = "" if dims == BEST else "wrong_fact"
    fields: dict[str, Any] = {
        "id": f"rtg_{one.id}_{rater}_{minute}", "item": one.id, "run": "run_a", "case": one.plan.case, "trial": 0,
        "output_hash": one.plan.shown.hash, "rater": rater, "role": "reviewer", "dims": dims, "first_fault": fault,
        "rubric_hash": "r" * 64, "at": START + timedelta(minutes=minute),
    } | given  # fmt: skip
    return Rating(**fields)
