"""Character n-grams of words and pairs of words, by which the classifier knows spelling, names and set phrases."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_MIN_GRAM, _MAX_GRAM = 3, 5
_VOCABULARY = 30_000
_MIN_COUNT = 3
_WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]", re.UNICODE)


def ngrams(text: str) -> Iterable[str]:
    """Character n-grams of each word with its edges, digits masked, and pairs of words."""
    words = ["0" if w[0].isdigit() else w for w in _WORD.findall(text.lower())]
    for word in words:
        edged = f" {word} "
        size = len(edged)
        for n in range(_MIN_GRAM, min(_MAX_GRAM, size) + 1):
            for i in range(size - n + 1):
                yield edged[i : i + n]
    for a, b in pairwise(words):
        yield f"{a}\t{b}"


def vocabulary(texts: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The n-grams of at least three texts, commonest first, at most 30,000, with the inverse document frequency of each."""
    seen: Counter[str] = Counter()
    for text in texts:
        seen.update(set(ngrams(text)))
    common = sorted((g for g, n in seen.items() if n >= _MIN_COUNT), key=lambda g: (-seen[g], g))[:_VOCABULARY]
    idf = np.log((1 + len(texts)) / (1 + np.array([seen[g] for g in common], dtype=np.float64))) + 1
    return tuple(common), idf
