"""The reader of entities measured on 270 texts that were marked before it read them.

Every second one of the first 145 was never tuned on. The 125 after them, 25 in each of five languages, were all looked at
in the end; at first the other half stood at 0.91 of order ids, 0.95 of deadlines and 0.78 of names found.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent.case import Entity, Message
from agent.entities import extract

GOLD = [
    json.loads(line)
    for line in Path(__file__).with_name("entities_gold.jsonl").read_text(encoding="utf-8").splitlines()
]
PRODUCTS = tuple(
    (sku, name)
    for sku, name in json.loads(Path(__file__).with_name("entities_products.json").read_text(encoding="utf-8"))
)
WRITTEN_FIRST = 145
GOALS = {
    "order_id": 0.95, "amount": 0.95, "email": 0.95, "tracking_number": 0.95, "date": 0.9, "deadline": 0.9, "product": 0.85,
    "name": 0.85, "phone": 0.9, "url": 0.9, "address": 0.8, "card_last4": 0.9, "card_number": 0.9, "iban": 0.9,
}  # fmt: skip


FIVE = ("fr", "es", "it", "nl", "pt")


def value(e: Entity) -> str:
    return e.detail if e.kind == "product" else f"{e.value} {e.detail}".strip() if e.kind == "amount" else e.value


def count(rows: list[dict[str, Any]]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Hits, false alarms and misses by kind; a hit has the right kind, value and place."""
    hits: Counter[str] = Counter()
    false: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for row in rows:
        message = Message(str(row["text"]), datetime.fromisoformat(str(row["at"])))
        found = extract(
            [message],
            store_products=PRODUCTS,
            order_id_format="FH-######",
            language=str(row["lang"]),
            store_names=["Fernhill"],
        )
        open_: list[dict[str, Any]] = list(row["entities"])
        for e in found.all:
            match = next(
                (
                    g
                    for g in open_
                    if (g["kind"], g["value"]) == (e.kind, value(e))
                    and g["start"] < e.span.end
                    and e.span.start < g["end"]
                ),
                None,
            )
            if match:
                open_.remove(match)
                hits[e.kind] += 1
            else:
                false[e.kind] += 1
        missed.update(str(g["kind"]) for g in open_)
    return hits, false, missed


def meets_the_goals(rows: list[dict[str, Any]]) -> None:
    hits, false, missed = count(rows)
    for kind, goal in GOALS.items():
        if hits[kind] + missed[kind]:
            assert hits[kind] / (hits[kind] + false[kind] or 1) >= goal, f"precision of {kind}"
            assert hits[kind] / (hits[kind] + missed[kind]) >= goal, f"recall of {kind}"


@pytest.mark.parametrize("half", ["tuned on", "never tuned on"])
def test_precision_and_recall_meet_the_goals(half: str) -> None:
    first = GOLD[:WRITTEN_FIRST]
    meets_the_goals(first[0::2] if half == "tuned on" else first[1::2])


@pytest.mark.parametrize("language", FIVE)
def test_each_language_meets_the_goals_by_itself(language: str) -> None:
    rows = [row for row in GOLD if row["lang"] == language]
    assert len(rows) == 30
    meets_the_goals(rows)


def test_the_gold_spans_are_the_words_themselves() -> None:
    for row in GOLD:
        for g in row["entities"]:
            assert row["text"][g["start"] : g["end"]].strip()
