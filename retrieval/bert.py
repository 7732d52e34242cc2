"""A BERT network as plain arithmetic: the numbers of the library, without importing it and without its detours.

Weights are laid out once as the processor multiplies them best, the three projections of attention are one product, and
texts share a pass as one row of tokens, kept apart by the attention mask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import numpy as np
import safetensors.torch
import torch
from torch.nn import functional

Weights: TypeAlias = Mapping[str, torch.Tensor]
Step: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
LayOut: TypeAlias = Callable[[torch.Tensor, torch.Tensor, str], Step]
"""Weight, bias and what follows (`none` or `gelu`) to the step that they are."""

_MOST_INT8: Final = 127
_ROWS: Final = 64
"""Rows that the layout of a weight is chosen for; it serves any number of them."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A folder that sentence-transformers wrote, with a model that `PackedBert` can compute."""

    weights: Weights
    heads: int
    epsilon: float
    limit: int
    """Most tokens of a text."""
    tokenizer: Path


def read_folder(folder: Path) -> Saved | None:
    """What is saved there; None when it is no BERT with mean pooling, which only the library can load.

    Only there are absolute positions and a block mask known to keep packed texts apart.
    """
    try:
        modules = [m["type"].rpartition(".")[2] for m in _json(folder / "modules.json")]
        bert, own, pooling = (_json(folder / name) for name in _SETTINGS)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    files = weights, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
    plain = modules in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]) and all(
        bert.get(name) == value for name, value in _PLAIN.items()
    )
    pooled = [name for name, on in pooling.items() if name.startswith("pooling_mode") and on]
    if (
        not plain
        or pooled not in (["pooling_mode_mean_tokens"], ["pooling_mode"])
        or not all(f.is_file() for f in files)
    ):
        return None
    loaded: Weights = cast(Any, safetensors.torch).load_file(weights)
    held = {n: t.float() for n, t in loaded.items() if t.is_floating_point()}
    return Saved(
        held, int(bert["num_attention_heads"]), float(bert["layer_norm_eps"]),
        int(own.get("max_seq_length") or bert["max_position_embeddings"]), tokenizer,
    )  # fmt: skip


_SETTINGS: Final = ("config.json", "sentence_bert_config.json", "1_Pooling/config.json")
_PLAIN: Final = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


class PackedBert:
    """Mean vectors of texts that share one forward pass."""

    def __init__(self, saved: Saved, *, int8: bool = False) -> None:
        """Lays the weights out; those of `saved` are not needed afterwards, but for the words.

        With `int8` the products are done in whole numbers: half the time, at a cosine of .99 to the exact vectors.
        """
        held = saved.weights
        self._words = held["embeddings.word_embeddings.weight"]
        # every token is of the first type, so that row is part of its position
        first = held["embeddings.token_type_embeddings.weight"][0]
        self._places = held["embeddings.position_embeddings.weight"] + first
        self._norm = _norm(held, "embeddings.LayerNorm", saved.epsilon)
        count = 1 + max(int(name.split(".")[2]) for name in held if name.startswith("encoder.layer."))
        lay_out = _quantised if int8 else _linear
        self._layers = [_Layer(saved, f"encoder.layer.{n}", lay_out) for n in range(count)]

    @property
    def width(self) -> int:
        """Length of one vector."""
        return self._words.shape[1]

    @torch.inference_mode()
    def __call__(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Means over the tokens of each text, shape (len(texts), width); a text is its token ids."""
        lengths = [len(t) for t in texts]
        ids = torch.tensor(list(chain.from_iterable(texts)))
        places = torch.from_numpy(np.concatenate([np.arange(n) for n in lengths]))
        rows = self._norm(self._words[ids] + self._places[places])
        mask = None
        if len(texts) > 1:
            owner = torch.from_numpy(np.repeat(np.arange(len(texts)), lengths))
            apart = owner[:, None] != owner[None, :]
            mask = torch.zeros(apart.shape).masked_fill_(apart, -torch.inf)
        for layer in self._layers:
            rows = layer(rows, mask)
        parts: Sequence[torch.Tensor] = torch.split(rows, lengths)
        return torch.stack([part.mean(0) for part in parts])


class _Layer:
    """Attention and the two products behind it."""

    def __init__(self, saved: Saved, name: str, lay_out: LayOut) -> None:
        held, self._heads = saved.weights, saved.heads

        def dense(part: str, after: str = "none") -> Step:
            return lay_out(held[f"{name}.{part}.dense.weight"], held[f"{name}.{part}.dense.bias"], after)

        three = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        weight, bias = (torch.cat([held[f"{part}.{end}"] for part in three]) for end in ("weight", "bias"))
        self._three = lay_out(weight, bias, "none")
        self._out = dense("attention.output")
        self._norm = _norm(held, f"{name}.attention.output.LayerNorm", saved.epsilon)
        self._wide = dense("intermediate", "gelu")
        self._narrow = dense("output")
        self._last = _norm(held, f"{name}.output.LayerNorm", saved.epsilon)

    def __call__(self, rows: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        count, width = rows.shape
        q, k, v = self._three(rows).view(count, 3, self._heads, width // self._heads).permute(1, 2, 0, 3)[:, None]
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        rows = self._norm(self._out(seen[0].transpose(0, 1).reshape(count, width)) + rows)
        return self._last(self._narrow(self._wide(rows)) + rows)


def _linear(weight: torch.Tensor, bias: torch.Tensor, after: str) -> Step:
    """Maps x to after(x @ weight.T + bias), with the weight laid out beforehand where this build of torch can."""
    ops: Any = torch.ops.mkldnn
    try:
        packed, product = ops._reorder_linear_weight(weight, _ROWS), ops._linear_pointwise
        product(torch.zeros(2, weight.shape[1]), packed, bias, after, [], "none")
    except (AttributeError, RuntimeError):
        then: Step = functional.gelu if after == "gelu" else lambda x: x
        return lambda x: then(functional.linear(x, weight, bias))
    return lambda x: product(x, packed, bias, after, [], "none")


def _quantised(weight: torch.Tensor, bias: torch.Tensor, after: str) -> Step:
    """The same with weights of eight bits, one scale a row, and a scale of the values that each call finds."""
    ops: Any = torch.ops.quantized
    scale = weight.abs().amax(1) / _MOST_INT8
    zero = torch.zeros(len(scale), dtype=torch.long)
    packed = ops.linear_prepack(torch.quantize_per_channel(weight, scale, zero, 0, torch.qint8), bias)
    then: Step = functional.gelu if after == "gelu" else lambda x: x
    return lambda x: then(ops.linear_dynamic(x, packed))


def _norm(held: Weights, name: str, epsilon: float) -> Step:
    weight, bias = held[f"{name}.weight"], held[f"{name}.bias"]
    return lambda x: functional.layer_norm(x, weight.shape, weight, bias, epsilon)
