from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.errors import IndexDamagedError, IndexLockedError
from retrieval.folder import IndexFolder
from retrieval.index import Index, probe
from retrieval.ingest import precedent_id, refresh
from retrieval.search import PrecedentSearch
from retrieval.table import Table

DIMENSION = 16
ROWS = 1400  # over 1,000, so that Chroma has written its graph files


@pytest.fixture
def full(shelf, unit, card):
    """An archive of ROWS precedents."""
    for i, vector in enumerate(unit(ROWS - 400, DIMENSION, seed=5)):
        shelf.add(replace(card, id=f"q{i}"), vector)
    return shelf


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folders with a good index, by what they hold, to be copied."""
    return {"root": tmp_path_factory.mktemp("built") / "index"}


@pytest.fixture
def closed(full, built, tmp_path) -> Path:
    """A copy of an index that was closed in order, with all of `full` in it."""
    if not built["root"].exists():
        search = PrecedentSearch(full, "encoder-1", DIMENSION, built["root"])
        assert search.maintain().state == "ready"
        search.close()
    return Path(shutil.copytree(built["root"], tmp_path / "index"))


def manifest(root: Path) -> dict:
    return json.loads((root / "manifest.json").read_text())


def generation(root: Path) -> Path:
    return root / manifest(root)["generation"]


def as_after_a_crash(root: Path) -> None:
    (root / "manifest.json").write_text(json.dumps({**manifest(root), "files": None}))


def truncate(name: str):
    def damage(root: Path) -> None:
        (file,) = generation(root).rglob(name)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    return damage


def remove(name: str):
    def damage(root: Path) -> None:
        (path,) = generation(root).rglob(name)
        shutil.rmtree(path.parent) if name == "length.bin" else path.unlink()

    return damage


def flip_a_bit(root: Path) -> None:
    (file,) = generation(root).rglob("data_level0.bin")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


DAMAGE = {
    "vectors cut off": truncate("data_level0.bin"),
    "header torn": truncate("header.bin"),
    "header removed": remove("header.bin"),
    "graph folder removed": remove("length.bin"),
    "id table removed": remove("index_metadata.pickle"),
    "database torn": truncate("chroma.sqlite3"),
    "database removed": remove("chroma.sqlite3"),
    "one bit flipped": flip_a_bit,
    "generation removed": lambda root: shutil.rmtree(generation(root)),
    "manifest torn": lambda root: (root / "manifest.json").write_text('{"generation": "g-'),
    "manifest of other shape": lambda root: (root / "manifest.json").write_text("[1]"),
    "everything removed": shutil.rmtree,
    "other Chroma": lambda root: (root / "manifest.json").write_text(json.dumps({**manifest(root), "chroma": "0.1"})),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_index_is_rebuilt_before_it_answers(full, make, near, closed, damage):
    old = generation(closed).name
    damage(closed)
    search = make(full, exact_limit=0)
    seen = []
    health = search.maintain(lambda done, total: seen.append(search.search(near(7))))
    assert (health.state, health.recall) == ("ready", 1.0)
    assert generation(closed).name != old
    assert not (closed / old).exists()
    # While it was rebuilt, a full scan answered and said so.
    assert seen[0].hits[0].precedent.id == "p7"
    assert "is being rebuilt" in seen[0].note
    assert search.search(near(7)).note is None


def test_an_index_that_was_closed_in_order_is_opened_as_it_is(full, make, closed, monkeypatch):
    monkeypatch.setattr("retrieval.folder.probe", lambda *_: pytest.fail("no trial is needed"))
    old = generation(closed)
    assert make(full).maintain().state == "ready"
    assert generation(closed) == old


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate("header.bin"), "signal|header|Error|recall|find themselves"),
        (truncate("data_level0.bin"), "Error|find themselves|signal"),
        (remove("index_metadata.pickle"), "Error|find themselves|signal"),
    ],
    ids=["header torn", "vectors cut off", "id table removed"],
)
def test_after_a_crash_a_child_process_finds_the_damage(full, closed, damage, reason):
    as_after_a_crash(closed)
    damage(closed)
    table = refresh(full, "encoder-1", Table(DIMENSION))
    rows = table.sample(50, table.mark)
    with pytest.raises(IndexDamagedError, match=reason):
        probe(generation(closed), table.ids_of(rows), table.vectors(rows))


def test_what_a_killed_rebuild_left_behind_is_swept_away(full, make, closed):
    (closed / "g-halfway").mkdir()
    (closed / "g-halfway" / "chroma.sqlite3").write_bytes(b"half")
    make(full).maintain()
    assert [f.name for f in closed.glob("g-*")] == [manifest(closed)["generation"]]


def test_after_a_crash_a_sound_index_is_kept(full, make, closed):
    as_after_a_crash(closed)
    old = generation(closed)
    assert make(full).maintain().state == "ready"
    assert generation(closed) == old


def test_the_vectors_of_another_encoder_are_never_mixed(full, closed):
    folder = IndexFolder(closed)
    try:
        with pytest.raises(IndexDamagedError, match="another encoder"):
            folder.open("encoder-2", refresh(full, "encoder-2", Table(DIMENSION)))
    finally:
        folder.close()


def test_a_second_owner_is_told_who_has_it_and_still_answers(full, make, near, closed):
    code = (
        "import sys, time; from pathlib import Path; from retrieval.folder import IndexFolder;"
        "f = IndexFolder(Path(sys.argv[1])); print('own', flush=True); sys.stdin.read()"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(closed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    ) as owner:
        assert owner.stdout.readline() == b"own\n"
        with pytest.raises(IndexLockedError, match=f"in use by process {owner.pid}"):
            IndexFolder(closed)
        search = make(full, exact_limit=0)
        assert search.maintain().state == "locked"
        found = search.search(near(7))
        assert found.hits[0].precedent.id == "p7"
        assert f"process {owner.pid}" in found.note
        owner.stdin.close()
        owner.wait(timeout=20)
    assert search.maintain().state == "ready"
    assert search.search(near(7)).note is None


def test_a_folder_that_cannot_be_written_is_named_and_search_goes_on(full, near, tmp_path):
    (tmp_path / "file").write_text("")
    search = PrecedentSearch(full, "encoder-1", DIMENSION, tmp_path / "file" / "index", exact_limit=0)
    health = search.maintain()
    assert health.state == "unavailable"
    assert "Not a directory" in search.search(near(7)).note
    assert search.search(near(7)).hits


def test_new_precedents_are_added_without_a_rebuild(full, make, closed, card, unit):
    search = make(full, exact_limit=0)
    search.maintain()
    old = generation(closed)
    vector = unit(DIMENSION, seed=77)
    full.add(replace(card, id="new"), vector)
    assert search.maintain().precedents == ROWS + 1
    assert generation(closed) == old
    assert search._folder.index.nearest(vector, 1) == ["new"]


def test_new_precedents_that_came_while_closed_do_not_count_as_damage(full, make, closed, card, unit):
    for i, vector in enumerate(unit(600, DIMENSION, seed=78)):
        full.add(replace(card, id=f"new{i}"), vector)
    old = generation(closed)
    search = make(full)
    assert search.maintain().state == "ready"
    assert generation(closed) == old
    assert search._folder.index.count() == ROWS + 600


def test_a_changed_vector_replaces_the_old_one(full, make, closed, unit):
    search = make(full)
    search.maintain()
    vector = unit(DIMENSION, seed=79)
    full.add(full.cards["p3"], vector)
    search.maintain()
    assert search._folder.index.nearest(vector, 1) == ["p3"]
    assert search._folder.index.count() == ROWS


def test_keeping_up_twice_changes_nothing(full, make, closed, monkeypatch):
    search = make(full)
    first = search.maintain()
    monkeypatch.setattr(Index, "upsert", lambda self, ids, vectors: len(ids) and pytest.fail("written again"))
    assert search.maintain() == first


def test_an_erased_precedent_leaves_the_disk(full, make, closed):
    search = make(full)
    search.maintain()
    erased = search._table.vectors(search._table.rows(["p7"])).tobytes()[:40]

    def on_disk() -> bool:
        return any(erased in f.read_bytes() for f in closed.rglob("*") if f.is_file())

    assert on_disk()
    full.remove("p7")
    assert search.maintain().precedents == ROWS - 1
    assert not on_disk()
    assert len(list(closed.glob("g-*"))) == 1


def test_a_removal_and_an_addition_at_once_are_both_seen(full, make, near, closed):
    search = make(full)
    search.maintain()
    query = near(7)
    full.remove("p7")
    full.add(replace(full.cards["p8"], id="new"), full.entry["p9"].vector)
    search.maintain()
    assert search._folder.index.count() == ROWS
    assert "p7" not in [h.precedent.id for h in search.search(query).hits]


def test_a_rebuild_that_fails_leaves_the_reason_and_no_debris(full, make, near, closed, monkeypatch):
    search = make(full, exact_limit=0)
    search.maintain()

    def fail(self, ids, vectors):
        raise IndexDamagedError("disk full")

    monkeypatch.setattr(Index, "upsert", fail)
    assert search.rebuild().state == "unavailable"
    assert len(list(closed.glob("g-*"))) == 1
    found = search.search(near(7))
    assert found.hits
    assert "disk full" in found.note


def test_graph_files_that_grow_without_bound_are_stopped(full, make, closed):
    search = make(full)
    search.maintain()
    links = next(generation(closed).rglob("link_lists.bin"))
    with links.open("r+b") as file:
        file.truncate(200 * 2**20)  # sparse
    with pytest.raises(IndexDamagedError, match="grown to 200 MB"):
        search._folder.index.check_size()


def test_lost_vectors_are_seen_by_the_canary_although_the_count_is_right(full, make, closed, unit):
    search = make(full)
    search.maintain()
    index = search._folder.index
    lost = [f"p{i}" for i in range(400)]
    index.upsert(lost, unit(400, DIMENSION, seed=81))
    assert index.count() == ROWS
    old = generation(closed)
    assert search.maintain().state == "ready"
    assert generation(closed) != old


def test_an_empty_archive_has_an_empty_index(empty, make):
    health = make(empty).maintain()
    assert (health.state, health.precedents) == ("ready", 0)


def test_the_id_of_a_precedent_is_its_content(card):
    assert precedent_id(card) == precedent_id(replace(card, id="other"))
    assert precedent_id(card, ("B", "A")) == precedent_id(card, ("A", "B"))
    assert precedent_id(card) != precedent_id(replace(card, remedy="Something else."))
    assert precedent_id(card) != precedent_id(card, ("A",))
    assert precedent_id(card).startswith("prc_")
    assert len(precedent_id(card)) == 28


def test_importing_the_index_does_not_import_chroma():
    code = (
        "import sys, retrieval.search, retrieval.embed; print([m for m in sys.modules if m in ('chromadb', 'torch')])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
