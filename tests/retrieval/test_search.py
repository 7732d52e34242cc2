from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from retrieval.errors import IndexDamagedError, VectorMismatchError
from retrieval.index import Index
from retrieval.precedent import Query
from retrieval.search import FLOOR
from retrieval.table import Table

DIMENSION = 16
START = datetime(2026, 1, 1, tzinfo=UTC)


def ids(found):
    return [hit.precedent.id for hit in found.hits]


def test_the_most_alike_comes_first_with_its_cosine(shelf, make, near):
    search = make(shelf)
    search.load()
    found = search.search(near(7))
    assert found.hits[0].precedent == shelf.cards["p7"]
    assert found.hits[0].why == "similar"
    assert found.hits[0].score == pytest.approx(float(near(7).vector @ shelf.entry["p7"].vector), abs=1e-3)
    assert [h.score for h in found.hits] == sorted((h.score for h in found.hits), reverse=True)


def test_before_loading_the_answer_says_why_it_is_empty(shelf, make, near):
    found = make(shelf).search(near(7))
    assert found.hits == ()
    assert "no resolved case can be searched yet" in found.note


def test_an_exact_key_comes_before_all_that_is_alike(shelf, make, near, card, unit):
    shelf.add(replace(card, id="keyed"), unit(DIMENSION, seed=99), keys=("FH-104233",))
    search = make(shelf)
    search.load()
    found = search.search(near(7, keys=("FH-104233",)))
    assert ids(found)[:2] == ["keyed", "p7"]
    assert (found.hits[0].why, found.hits[0].score) == ("exact_key", 1.0)


def test_an_exact_key_is_found_although_its_vector_is_still_missing(shelf, make, near, card, unit):
    shelf.add(replace(card, id="keyed"), unit(DIMENSION, seed=99), keys=("FH-104233",))
    del shelf.entry["keyed"]
    shelf.waiting = 1
    search = make(shelf)
    search.load()
    found = search.search(near(7, keys=("FH-104233",)))
    assert ids(found)[0] == "keyed"
    assert "cannot be found yet: 1" in found.note


def test_a_key_of_many_cases_leaves_half_of_the_places_to_what_is_alike(shelf, make, near, card, unit):
    for i in range(20):
        shelf.add(replace(card, id=f"sku{i}"), unit(DIMENSION, seed=500 + i), keys=("TEN-201",))
    search = make(shelf)
    search.load()
    found = search.search(near(7, keys=("TEN-201",), k=5))
    assert [h.why for h in found.hits].count("exact_key") == 3
    assert "p7" in ids(found)
    assert len(ids(found)) == len(set(ids(found))) == 5


def test_a_key_fills_all_places_when_nothing_is_alike(shelf, make, near, card, unit):
    for i in range(20):
        shelf.add(replace(card, id=f"sku{i}", issue_type="rare"), unit(DIMENSION, seed=500 + i), keys=("TEN-201",))
    search = make(shelf)
    search.load()
    found = search.search(near(7, keys=("TEN-201",), issue_types=frozenset({"rare"}), k=5))
    assert len(found.hits) == 5


@pytest.mark.parametrize("limit", [5000, 0], ids=["exact", "index"])
@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        ({"issue_types": frozenset({"late", "billing"})}, lambda c: c.issue_type in {"late", "billing"}),
        ({"languages": frozenset({"de"})}, lambda c: c.language == "de"),
        ({"before": START + timedelta(hours=100)}, lambda c: c.resolved_at < START + timedelta(hours=100)),
        ({"exclude": frozenset({"p8", "unknown"})}, lambda c: c.id != "p8"),
    ],
    ids=["issue type", "language", "before", "exclude"],
)
def test_filters_keep_only_what_passes_on_both_paths(shelf, make, near, limit, fields, passes):
    search = make(shelf, exact_limit=limit)
    search.maintain()
    found = search.search(near(8, **fields, keys=("K",), k=10))
    assert found.hits
    assert all(passes(hit.precedent) for hit in found.hits)


def test_filters_hold_for_exact_keys_too(shelf, make, near, card, unit):
    shelf.add(replace(card, id="late", resolved_at=START + timedelta(days=400)), unit(DIMENSION, seed=99), keys=("K",))
    search = make(shelf)
    search.load()
    assert "late" not in ids(search.search(near(7, keys=("K",), before=START + timedelta(days=399))))


def test_the_index_answers_above_the_limit_with_the_exact_cosines(shelf, make, near, monkeypatch):
    exact, indexed = make(shelf), make(shelf, exact_limit=0)
    exact.load()
    indexed.maintain()
    asked: list[int] = []
    nearest = Index.nearest
    monkeypatch.setattr(Index, "nearest", lambda self, v, k: asked.append(k) or nearest(self, v, k))
    for i in range(20):
        assert indexed.search(near(i, k=10)) == exact.search(near(i, k=10))
    assert len(asked) == 20


def test_an_overfetch_that_filters_leave_short_is_completed_exactly(shelf, make, near):
    only = frozenset({"p1", "p3", "p399"})
    search = make(shelf, exact_limit=0)
    search.maintain()
    found = search.search(near(399, exclude=frozenset(shelf.cards) - only, k=3))
    assert ids(found)[0] == "p399"


def test_the_posterior_reorders_but_the_score_stays_the_cosine(shelf, make, card, empty):
    search = make(empty)
    archive = search._archive
    vector = np.eye(DIMENSION, dtype=np.float32)
    archive.add(replace(card, id="a", issue_type="late"), vector[0] * 0.8 + vector[1] * 0.6)
    archive.add(replace(card, id="b", issue_type="billing"), vector[0] * 0.7 + vector[2] * np.sqrt(0.51, dtype="f4"))
    search.load()
    query = Query(text="", vector=vector[0])
    assert ids(search.search(query)) == ["a", "b"]
    found = search.search(replace(query, posterior={"billing": 0.9, "late": 0.1, "unheard_of": 0.5}))
    assert ids(found) == ["b", "a"]
    assert [h.score for h in found.hits] == pytest.approx([0.7, 0.8], abs=1e-3)


def test_the_posterior_lifts_nothing_over_the_floor(make, card, empty):
    search = make(empty)
    vector = np.eye(DIMENSION, dtype=np.float32)
    low = FLOOR - 0.05
    search._archive.add(card, vector[0] * low + vector[1] * np.sqrt(1 - low**2, dtype="f4"))
    search.load()
    found = search.search(Query(text="", vector=vector[0], posterior={"late": 1.0}))
    assert found.hits == ()
    assert "none of the 1 resolved cases is alike" in found.note


def test_filters_that_nothing_passes_are_named_in_the_note(shelf, make, near):
    search = make(shelf)
    search.load()
    found = search.search(near(7, issue_types=frozenset({"never_seen"})))
    assert found.hits == ()
    assert "none of the 400 resolved cases passes the filters" in found.note


def test_a_precedent_erased_since_the_last_upkeep_is_not_shown(shelf, make, near):
    search = make(shelf)
    search.load()
    query = near(7)
    shelf.remove("p7")
    assert "p7" not in ids(search.search(query))


def test_an_index_that_fails_while_asked_leads_to_a_full_scan_with_a_note(shelf, make, near, monkeypatch):
    search = make(shelf, exact_limit=0)
    assert search.maintain().state == "ready"

    def fail(self, vector, k):
        raise IndexDamagedError("torn")

    monkeypatch.setattr(Index, "nearest", fail)
    found = search.search(near(7))
    assert ids(found)[0] == "p7"
    assert "torn" in found.note
    assert search.health.state == "unavailable"
    monkeypatch.undo()
    assert search.maintain().state == "ready"
    assert search.search(near(7)).note is None


@pytest.mark.parametrize("vector", [np.zeros(3, np.float32), np.full(DIMENSION, np.nan, np.float32)])
def test_a_vector_of_another_encoder_or_with_nan_is_refused(shelf, make, vector):
    search = make(shelf)
    search.load()
    with pytest.raises(VectorMismatchError, match="length 16"):
        search.search(Query(text="", vector=vector))


def test_an_updated_entry_replaces_its_row(shelf, unit):
    table = Table(DIMENSION)
    table.put(shelf.entry.values())
    moved = replace(shelf.entry["p3"], issue_type="other", updated=500)
    table.put([moved])
    assert len(table) == 400
    assert table.mark == 500
    assert table.ids_of(table.matching(Query("", unit(DIMENSION), issue_types=frozenset({"other"})))) == ["p3"]
    assert table.ids_of(table.changed(499)) == ["p3"]
