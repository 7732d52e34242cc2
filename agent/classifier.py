"""The embedded judgement: calibrated linear heads over embeddings, character n-grams and signals of the pack.

One logistic regression a head (issue type, severity, human lead, flags). All heads share one feature space, reduced to the
span of the training texts before fitting, so that a retrain takes seconds. Probabilities are tempered out of fold.
Weights are plain arrays, kept under the content hash of what taught them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError
from retrieval.precedent import Vectors

Floats = NDArray[np.float64]

ENGLISH = "en"
_VERSION = 3
"""Raised when features or heads change their meaning; part of the content hash."""
_MIN_GRAM, _MAX_GRAM = 3, 5
_VOCABULARY = 30_000
_MIN_COUNT = 3
_FOLDS = 5
_C = 5.0
"""Inverse regularisation; 5 to 10 stays calm under 10 % wrong labels."""
_BLOCK = {"english": 2.0, "english_max": 1.0, "multilingual": 2.0, "multilingual_max": 1.0, "signals": 0.5, "grams": 1.0}
"""Weight of each feature block, chosen by cross-validation on starter and history."""
_WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Sense:
    """What the classifier sees of one case."""

    text: str
    """The customer's own words."""
    language: str
    english: Vectors
    """Message first, then its sentences, shape (1 + n, 384)."""
    multilingual: Vectors
    """The same texts, shape (1 + n, 512)."""
    signals: frozenset[str]
    """Signals of the pack and computed conditions."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One labelled text; `labels` holds a value for each head that it teaches."""

    sense: Sense
    labels: Mapping[str, str]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Head:
    """A linear decision: scores = features @ weights + bias, divided by the temperature."""

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: Floats
    temperature: float

    def probabilities(self, scores: Floats) -> dict[str, float]:
        """Calibrated probabilities by label."""
        z = scores / self.temperature
        z = np.exp(z - z.max())
        return dict(zip(self.labels, (z / z.sum()).tolist(), strict=True))


class UntrainedError(AgentError):
    """There is too little to learn from."""


class Classifier:
    """All heads over one feature space."""

    def __init__(self, heads: Mapping[str, Head], signals: Sequence[str], grams: Sequence[str], idf: Floats) -> None:
        self.heads = dict(heads)
        self._signals = {name: i for i, name in enumerate(signals)}
        self._grams = {gram: i for i, gram in enumerate(grams)}
        self._idf = idf
        self.version = self._content_hash()

    def predict(self, sense: Sense) -> dict[str, dict[str, float]]:
        """Probability by label, for every head."""
        dense, at, values = self._features(sense)
        answer: dict[str, dict[str, float]] = {}
        for name, head in self.heads.items():
            scores = dense @ head.weights[: dense.size] + head.bias
            if at.size:
                scores = scores + values @ head.weights[dense.size + at]
            answer[name] = head.probabilities(np.asarray(scores, dtype=np.float64))
        return answer

    def issue_sentence(self, sense: Sense, issue_type: str) -> int:
        """Which sentence speaks most for `issue_type`: 1-based row of `sense.english`, 0 for the whole message."""
        if len(sense.multilingual) < 3:
            return 0
        head = self.heads["issue_type"]
        start = sense.english.shape[1] * 2
        block = head.weights[start : start + sense.multilingual.shape[1]]
        scores = sense.multilingual[1:] @ block
        return 1 + int(np.argmax(scores[:, head.labels.index(issue_type)] - scores.mean(axis=1)))

    def _features(self, sense: Sense) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
        return features(sense, self._signals, self._grams, self._idf)

    # --- files ---------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes weights as npz; plain arrays and JSON, never code."""
        arrays: dict[str, Any] = {"idf": self._idf}
        meta = {"version": _VERSION, "signals": list(self._signals), "grams": list(self._grams), "heads": {}}
        for name, head in self.heads.items():
            meta["heads"][name] = {"labels": head.labels, "temperature": head.temperature}
            arrays[f"{name}.weights"], arrays[f"{name}.bias"] = head.weights.astype(np.float16), head.bias
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **arrays)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Reads what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            meta = json.loads(file["meta"].tobytes())
            heads = {
                name: Head(
                    tuple(head["labels"]), file[f"{name}.weights"].astype(np.float32), file[f"{name}.bias"], head["temperature"]
                )
                for name, head in meta["heads"].items()
            }
            return cls(heads, meta["signals"], meta["grams"], file["idf"])

    def _content_hash(self) -> str:
        digest = hashlib.sha256(str(_VERSION).encode())
        for name in sorted(self.heads):
            digest.update(self.heads[name].weights.astype(np.float16).tobytes())
        return digest.hexdigest()[:16]


def features(
    sense: Sense, signals: Mapping[str, int], grams: Mapping[str, int], idf: Floats
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Dense features, then positions and values of the n-grams that occur.

    The English encoder is silent for other languages: there its vectors only add noise.
    """
    english = _BLOCK["english"] if sense.language == ENGLISH else 0.0
    flags = np.zeros(len(signals), dtype=np.float32)
    for name in sense.signals:
        if name in signals:
            flags[signals[name]] = _BLOCK["signals"]
    dense = np.concatenate([
        english * sense.english[0],
        (english and _BLOCK["english_max"]) * sense.english[1:].max(axis=0, initial=-1.0),
        _BLOCK["multilingual"] * sense.multilingual[0],
        _BLOCK["multilingual_max"] * sense.multilingual[1:].max(axis=0, initial=-1.0),
        flags,
    ]).astype(np.float32)  # fmt: skip
    counts = Counter(at for gram in ngrams(sense.text) if (at := grams.get(gram)) is not None)
    if not counts:
        return dense, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    at = np.fromiter(counts.keys(), dtype=np.int64, count=len(counts))
    values = (1.0 + np.log(np.fromiter(counts.values(), dtype=np.float64, count=len(counts)))) * idf[at]
    return dense, at, (_BLOCK["grams"] * values / np.linalg.norm(values)).astype(np.float32)


def ngrams(text: str) -> Iterable[str]:
    """Character n-grams of each word with its edges, digits masked, and pairs of words."""
    words = ["0" if w[0].isdigit() else w for w in _WORD.findall(text.lower())]
    for word in words:
        edged = f" {word} "
        size = len(edged)
        for n in range(_MIN_GRAM, min(_MAX_GRAM, size) + 1):
            for i in range(size - n + 1):
                yield edged[i : i + n]
    for a, b in zip(words, words[1:], strict=False):
        yield f"{a}\t{b}"


def train(lessons: Sequence[Lesson], signals: Sequence[str]) -> Classifier:
    """Fits every head that the lessons teach.

    Raises:
        UntrainedError: fewer than two labels of a head, or fewer texts than folds.
    """
    if len(lessons) < 2 * _FOLDS:
        raise UntrainedError(f"{len(lessons)} labelled texts are too few to learn from; add starter texts.")
    grams, idf = _vocabulary(lessons)
    places = {name: i for i, name in enumerate(signals)}
    vocabulary = {gram: i for i, gram in enumerate(grams)}
    rows = [features(lesson.sense, places, vocabulary, idf) for lesson in lessons]
    dense = np.stack([row[0] for row in rows]).astype(np.float64)
    sparse = _csr(rows, len(grams))
    gram = dense @ dense.T + np.asarray((sparse @ sparse.T).todense())
    values, vectors = np.linalg.eigh(gram)
    keep = values > values[-1] * 1e-7
    scale = np.sqrt(values[keep])
    span = vectors[:, keep] * scale
    back = vectors[:, keep] / scale
    heads = {
        name: _fit(name, lessons, span, back, dense, sparse)
        for name in dict.fromkeys(label for lesson in lessons for label in lesson.labels)
    }
    return Classifier(heads, signals, grams, idf)


def _fit(name: str, lessons: Sequence[Lesson], span: Floats, back: Floats, dense: Floats, sparse: Any) -> Head:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - only training needs it
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    taught = np.array([i for i, lesson in enumerate(lessons) if name in lesson.labels])
    answers = np.array([lessons[i].labels[name] for i in taught])
    weights = np.array([lessons[i].weight for i in taught])
    if len(set(answers)) < 2:
        raise UntrainedError(f"every lesson gives the same {name}; add texts with another one.")

    def model() -> Any:
        return LogisticRegression(C=_C, class_weight="balanced", max_iter=400, tol=1e-3)

    fitted = model().fit(span[taught], answers, sample_weight=weights)
    labels = tuple(str(c) for c in fitted.classes_)
    held_out = np.zeros((len(taught), len(labels)))
    folds = min(_FOLDS, min(Counter(answers.tolist()).values()))
    if folds >= 2:
        split = StratifiedKFold(folds, shuffle=True, random_state=7)
        for learn, probe in split.split(span[taught], answers):
            fold = model().fit(span[taught[learn]], answers[learn], sample_weight=weights[learn])
            held_out[probe] = _scores(fold, span[taught[probe]])
        temperature = _temperature(held_out, np.array([labels.index(a) for a in answers]))
    else:
        temperature = 1.0
    coefficients = fitted.coef_ if len(labels) > 2 else np.vstack([-fitted.coef_ / 2, fitted.coef_ / 2])
    bias = fitted.intercept_ if len(labels) > 2 else np.array([-fitted.intercept_[0] / 2, fitted.intercept_[0] / 2])
    mixed = back @ coefficients.T
    full = np.vstack([dense.T @ mixed, np.asarray(sparse.T @ mixed)])
    return Head(labels, full.astype(np.float32), np.asarray(bias, dtype=np.float64), temperature)


def _scores(model: Any, rows: Floats) -> Floats:
    raw = model.decision_function(rows)
    return raw if raw.ndim == 2 else np.stack([-raw / 2, raw / 2], axis=1)


def _temperature(scores: Floats, truth: NDArray[np.int64]) -> float:
    """The temperature that makes held-out probabilities most honest (least negative log-likelihood)."""
    best, least = 1.0, np.inf
    for candidate in np.geomspace(0.2, 5.0, 60):
        z = scores / candidate
        z = z - z.max(axis=1, keepdims=True)
        loss = float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(truth)), truth]))
        if loss < least:
            best, least = float(candidate), loss
    return best


def _vocabulary(lessons: Sequence[Lesson]) -> tuple[tuple[str, ...], Floats]:
    seen: Counter[str] = Counter()
    for lesson in lessons:
        seen.update(set(ngrams(lesson.sense.text)))
    common = sorted((g for g, n in seen.items() if n >= _MIN_COUNT), key=lambda g: (-seen[g], g))[:_VOCABULARY]
    idf = np.log((1 + len(lessons)) / (1 + np.array([seen[g] for g in common], dtype=np.float64))) + 1
    return tuple(common), idf


def _csr(rows: Sequence[tuple[Any, NDArray[np.int64], NDArray[np.float32]]], width: int) -> Any:
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - only training needs it

    indptr = np.cumsum([0, *(row[1].size for row in rows)])
    return csr_matrix(
        (np.concatenate([row[2] for row in rows]).astype(np.float64), np.concatenate([row[1] for row in rows]), indptr),
        shape=(len(rows), width),
    )
