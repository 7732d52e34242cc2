from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from api.clock import SystemClock
from api.jobs import EmbedHandler, registry
from api.store.engine import migrate, open_engine
from api.store.precedents import Card, PrecedentArchive
from api.store.unit import Store
from api.worker import Worker
from retrieval.ingest import refresh
from retrieval.precedent import Archive, Precedent, Vectors
from retrieval.table import Table

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CARD = Precedent(
    "prc_0", "late", "S3", "en", "email", "The parcel is late.", "refund", "Refunded.", Decimal("18.40"), "GBP",
    timedelta(hours=30), NOW, "resolved", "kept buying", 4, ("returns",), ("SKU-1",),
)  # fmt: skip


class Letters:
    """An encoder that counts letters."""

    fingerprint = "letters-1"
    dimension = 26

    def encode(self, texts: Sequence[str]) -> Vectors:
        counts = np.array([[t.lower().count(chr(97 + i)) for i in range(26)] for t in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    engine = open_engine(f"sqlite:///{tmp_path / 'desk.db'}")
    migrate(engine)
    return Store(engine, b"k")


@pytest.fixture
def archive(store: Store) -> PrecedentArchive:
    return PrecedentArchive(store)


def cards(number: int) -> list[Card]:
    return [
        Card(
            replace(CARD, id=f"prc_{n}", summary=f"parcel {'x' * (n % 7)}", resolved_at=NOW - timedelta(days=n)),
            (f"ORD-{n // 2}", "SKU-1"),
        )
        for n in range(number)
    ]


def test_a_card_comes_out_as_it_went_in(archive: PrecedentArchive):
    archive.put([Card(CARD)], NOW)
    assert cast("Archive", archive).precedents(["prc_0", "gone"]) == {"prc_0": CARD}
    bare = replace(CARD, id="prc_1", cost=None, currency=None, satisfaction=None, teams=(), products=())
    archive.put([Card(bare)], NOW)
    assert archive.precedents(["prc_1"])["prc_1"] == bare


def test_the_same_card_is_never_stored_twice(archive: PrecedentArchive):
    assert archive.put(cards(5), NOW) == 5
    assert archive.put([*cards(6), *cards(6)], NOW) == 1
    assert archive.counts("letters-1") == (0, 6)


def test_exact_keys_find_the_newest_first(archive: PrecedentArchive):
    archive.put(cards(4), NOW)
    assert archive.with_keys(["ORD-1"]) == ["prc_2", "prc_3"]
    assert archive.with_keys(["SKU-1", "ORD-0"]) == ["prc_0", "prc_1", "prc_2", "prc_3"]
    assert archive.with_keys(["nothing"]) == []


def test_every_change_is_after_the_last_one_and_paging_shows_each_entry_once(archive: PrecedentArchive):
    archive.put(cards(10), NOW)
    archive.set_vectors("letters-1", {f"prc_{n}": np.ones(4, np.float32) for n in range(10)})
    seen, after = [], 0
    while page := archive.entries("letters-1", after, 3):
        seen += [entry.id for entry in page]
        assert [e.updated for e in page] == sorted({e.updated for e in page})
        after = page[-1].updated
    assert sorted(seen) == sorted(f"prc_{n}" for n in range(10))
    archive.set_vectors("letters-1", {"prc_4": np.zeros(4, np.float32)})
    assert [entry.id for entry in archive.entries("letters-1", after, 3)] == ["prc_4"]


def test_vectors_of_another_encoder_are_not_mixed_in(archive: PrecedentArchive):
    archive.put(cards(2), NOW)
    archive.set_vectors("old", {"prc_0": np.ones(4, np.float32), "prc_1": np.ones(4, np.float32)})
    assert (archive.counts("old"), archive.counts("new")) == ((2, 0), (0, 2))
    assert archive.entries("new", 0, 9) == []
    assert len(archive.waiting("new", 9)) == 2


def test_the_background_job_encodes_all_that_waits(archive: PrecedentArchive, store: Store):
    archive.put(cards(10), NOW)
    clock = SystemClock()
    handler = EmbedHandler(archive, Letters(), clock, batch=3)
    asyncio.run(Worker(store, clock, registry(handler)).run_until_idle())
    assert archive.counts("letters-1") == (10, 0)


def test_retrieval_reads_it_and_notices_what_is_removed(archive: PrecedentArchive):
    archive.put(cards(10), NOW)
    archive.set_vectors(
        "letters-1", {id_: Letters().encode([text])[0] for id_, text in archive.waiting("letters-1", 99)}
    )
    table = refresh(archive, "letters-1", Table(26))
    assert len(table) == 10
    assert archive.remove(["prc_3", "gone"]) == 1
    assert len(refresh(archive, "letters-1", table)) == 9
    assert archive.with_keys(["ORD-1"]) == ["prc_2"]
