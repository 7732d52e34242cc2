from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.precedent import Entry, Precedent, Query
from retrieval.search import PrecedentSearch

DIMENSION = 16
START = datetime(2026, 1, 1, tzinfo=UTC)
TYPES = ("late", "damaged", "billing", "wrong_size")


def unit(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal(shape, np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


class Shelf:
    """An `Archive` in memory."""

    def __init__(self) -> None:
        self.cards: dict[str, Precedent] = {}
        self.entry: dict[str, Entry] = {}
        self.keys: dict[str, tuple[str, ...]] = {}
        self.updated = 0
        self.waiting = 0
        self.reads = 0

    def add(self, card: Precedent, vector: NDArray[np.float32], keys: tuple[str, ...] = ()) -> None:
        self.updated += 1
        self.cards[card.id], self.keys[card.id] = card, keys
        self.entry[card.id] = Entry(
            card.id, card.issue_type, card.language, card.resolved_at, vector.astype(np.float16), self.updated
        )

    def remove(self, card_id: str) -> None:
        del self.cards[card_id], self.entry[card_id], self.keys[card_id]

    def counts(self, fingerprint: str) -> tuple[int, int]:
        return len(self.entry), self.waiting

    def entries(self, fingerprint: str, after: int, limit: int) -> Sequence[Entry]:
        self.reads += 1
        rows = sorted((e for e in self.entry.values() if e.updated > after), key=lambda e: e.updated)
        return rows[:limit]

    def precedents(self, ids: Sequence[str]) -> Mapping[str, Precedent]:
        return {i: self.cards[i] for i in ids if i in self.cards}

    def with_keys(self, keys: Sequence[str]) -> Sequence[str]:
        found = [c for i, c in self.cards.items() if set(self.keys[i]) & set(keys)]
        return [c.id for c in sorted(found, key=lambda c: c.resolved_at, reverse=True)]


CARD = Precedent(
    id="p0",
    issue_type="late",
    severity="S3",
    language="en",
    channel="email",
    summary="The parcel has not come.",
    remedy_kind="refund",
    remedy="Refunded in full.",
    cost=Decimal("18.40"),
    currency="GBP",
    resolved_in=timedelta(hours=30),
    resolved_at=START,
    outcome="resolved",
    aftermath="kept buying",
    satisfaction=4,
)


def numbered(i: int) -> Precedent:
    return replace(
        CARD,
        id=f"p{i}",
        issue_type=TYPES[i % 4],
        language="de" if i % 5 == 0 else "en",
        resolved_at=START + timedelta(hours=i),
    )


@pytest.fixture
def shelf() -> Shelf:
    """400 precedents with vectors that have nothing in common."""
    shelf = Shelf()
    for i, vector in enumerate(unit(400, DIMENSION)):
        shelf.add(numbered(i), vector)
    return shelf


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., PrecedentSearch]:
    """A search over an archive with its index under `tmp_path`, closed at the end."""

    def make(archive: Shelf, **options: int) -> PrecedentSearch:
        search = PrecedentSearch(archive, "encoder-1", DIMENSION, tmp_path / "index", **options)
        request.addfinalizer(search.close)
        return search

    return make


@pytest.fixture
def near(shelf: Shelf) -> Callable[..., Query]:
    """A query that is precedent `i` in other words: nearly its vector."""

    def near(i: int, **fields: object) -> Query:
        vector = shelf.entry[f"p{i}"].vector.astype(np.float32) + 0.05 * unit(DIMENSION, seed=i + 1)
        return Query(text="", vector=vector / np.linalg.norm(vector), **fields)  # type: ignore[arg-type]

    return near


@pytest.fixture
def empty() -> Shelf:
    """An archive that holds nothing."""
    return Shelf()


@pytest.fixture
def card() -> Precedent:
    """Any precedent."""
    return CARD


@pytest.fixture(name="unit")
def _unit() -> Callable[..., NDArray[np.float32]]:
    """Makes random unit vectors of the given shape and `seed`."""
    return unit
