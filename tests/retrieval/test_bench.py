from __future__ import annotations

import numpy as np

from retrieval.bench import bm25, perturbed, pooled, sentences


def test_lexical_scores_favour_the_text_with_the_rare_shared_word():
    scores = bm25(["the zip is broken", "the parcel was late", "my zip broke", "the the the"])
    assert scores[0].argmax() == 0
    assert scores[0][2] > scores[0][1]


def test_made_vectors_are_unit_vectors_that_lean_to_their_source(unit):
    base = unit(50, 64)
    vectors, main = perturbed(base, 200, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert ((vectors @ base.T).argmax(axis=1) == main).mean() > 0.9


def test_the_rerank_moves_only_what_is_in_the_pool():
    scores = np.linspace(1, 0, 80, dtype=np.float32)[None]
    reranked = pooled(scores, np.full((1, 80), 0.5))
    assert np.isfinite(reranked).sum() == 50


def test_short_fragments_are_no_sentences():
    assert sentences("Hi there!\nThe sleeve of my jacket is torn. Thanks.") == ["The sleeve of my jacket is torn."]
