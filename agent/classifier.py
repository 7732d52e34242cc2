"""The embedded judgement: calibrated heads over embeddings, character n-grams and signals of the pack.

One kernel ridge regression a head (issue type, severity, both jointly, human lead): Gaussian similarity of the encoders'
vectors to those of the texts that taught, and linear terms for signals and n-grams. A retrain takes seconds, and the
held-out score of every text comes in closed form. Those scores set the temperature of each language. What is severe differs by issue type, so issue type and severity are each the
geometric mean of their own head and of the joint head's marginal. Weights are plain arrays, kept under the content hash of
what taught them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError
from agent.grams import ngrams, vocabulary
from retrieval.precedent import Vectors

Floats = NDArray[np.float64]
Terms = NDArray[np.float32]

ENGLISH = "en"
VERSION = 8
"""Raised when features or heads change their meaning; part of the content hash."""
_FEWEST = 10
_RIDGE = 2.0
"""Regularisation of every head; 0.5 to 4 give the same accuracy."""
_NARROW = 1.5
"""Gamma of the Gaussian similarity exp(-gamma |x - y|^2) of unit vectors; 1 to 2 give the same accuracy."""
_WEIGHT = {"english": 4.0, "multilingual": 6.0, "signals": 0.3, "grams": 2.0}
"""Weight of each part in the kernel, chosen by held-out accuracy on starter and history; see `docs/judgement.md`."""
_COMPANY = 3
"""Nearest texts whose mean similarity says how familiar a message is."""
_FAMILIAR = 0.3
"""Least such similarity: all test escalations in the seven languages have it; advertisements and other people's mail do not."""
JOINT = "joint"
_BETWEEN = "|"
_MIXED = ("issue_type", "severity")
"""Heads that the joint head takes part in; its labels are `issue type|severity`."""
_OWN_TEMPERATURE = 150
"""Texts of a language from which it gets a temperature of its own."""
_FAIR_SAMPLE = 60
"""Calibration texts of a language from which it gets an exponent of its own."""


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
    teaches: bool = True
    """False: it only sets how sure the classifier may sound."""


@dataclass(frozen=True, slots=True)
class Head:
    """A decision: scores = nearness @ pull + terms @ weights + bias, times the scale of the language."""

    labels: tuple[str, ...]
    pull: Terms
    """What each text that taught speaks for, shape (texts, labels)."""
    weights: Terms
    """Of signals, then n-grams, shape (terms, labels)."""
    bias: Floats
    scale: Mapping[str, float]
    """Inverse temperature by language; "" for all others."""

    def probabilities(self, scores: Floats, language: str) -> dict[str, float]:
        """Calibrated probabilities by label."""
        z = scores * self.scale.get(language, self.scale[""])
        z = np.exp(z - z.max())
        return dict(zip(self.labels, (z / z.sum()).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Taught:
    """Vectors of the texts that taught, one row each; English ones are zero for other languages."""

    english: Terms
    multilingual: Terms
    talk: Terms = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """Of small talk, by the multilingual encoder."""

    def nearness(self, english: Terms, multilingual: Terms) -> Terms:
        """Kernel of unit vectors, shape (n, 384) and (n, 512), to every text that taught; shape (n, texts).

        The English encoder is silent for other languages, on either side: there its vectors only add noise.
        """
        spoken = np.outer(english.any(axis=1), self.english.any(axis=1))
        near = _WEIGHT["english"] * _gaussian(english, self.english) * spoken
        return (near + _WEIGHT["multilingual"] * _gaussian(multilingual, self.multilingual)).astype(np.float32)


def _gaussian(these: Terms, those: Terms) -> Terms:
    return np.exp(2 * _NARROW * (these @ those.T - 1.0)).astype(np.float32)


class UntrainedError(AgentError):
    """There is too little to learn from."""


class Classifier:
    """All heads over one feature space."""

    def __init__(
        self, heads: Mapping[str, Head], sharpness: Mapping[str, Mapping[str, float]], taught: Taught,
        signals: Sequence[str], grams: Sequence[str], idf: Floats,
    ) -> None:  # fmt: skip
        self.heads = dict(heads)
        self.taught = taught
        self.sharpness = {name: dict(by_language) for name, by_language in sharpness.items()}
        """Exponent that makes a mixed head honest, by language; "" for all others."""
        self._signals = {name: i for i, name in enumerate(signals)}
        self._grams = {gram: i for i, gram in enumerate(grams)}
        self._idf = idf
        self.version = self._content_hash()

    def predict(self, sense: Sense) -> dict[str, dict[str, float]]:
        """Probability by label, for every head but the joint one."""
        english, multilingual = vectors([sense])
        near = self.taught.nearness(english, multilingual)[0]
        at, values = terms(sense, self._signals, self._grams, self._idf)
        answer: dict[str, dict[str, float]] = {}
        for name, head in self.heads.items():
            scores = near @ head.pull + values @ head.weights[at] + head.bias
            answer[name] = head.probabilities(np.asarray(scores, dtype=np.float64), sense.language)
        joint = answer.pop(JOINT, {})
        for place, name in enumerate(_MIXED if joint else ()):
            own = self.heads[name]
            shared = _marginal(np.array(list(joint.values()))[None], self.heads[JOINT].labels, own.labels, place)
            mixed = _mixed(np.array([answer[name][label] for label in own.labels])[None], shared)
            sharp = self.sharpness[name].get(sense.language, self.sharpness[name][""])
            answer[name] = dict(zip(own.labels, _sharpened(mixed, sharp)[0].tolist(), strict=True))
        return answer

    def calibrated(self, lessons: Sequence[Lesson]) -> Classifier:
        """The same judgement with its sureness set on texts that taught nothing and are a fair sample of what arrives.

        Texts that teach are hard on purpose, so what they say of sureness is too modest.
        """
        sharpness = {name: dict(by_language) for name, by_language in self.sharpness.items()}
        languages = [lesson.sense.language for lesson in lessons]
        for name in self.sharpness if lessons else ():
            labels = self.heads[name].labels
            said = [self.predict(lesson.sense)[name] for lesson in lessons]
            logs = _log(np.array([[p[label] for label in labels] for p in said]))
            now = np.array([sharpness[name].get(x, sharpness[name][""]) for x in languages])
            truth = _places([lesson.labels[name] for lesson in lessons], labels)
            sharpness[name] = _by_language(logs / now[:, None], truth, languages, _FAIR_SAMPLE)
        return Classifier(self.heads, sharpness, self.taught, list(self._signals), list(self._grams), self._idf)

    def familiar(self, sense: Sense) -> bool:
        """Whether the message is like any that taught; what is not lies outside of what can be judged."""
        near = self.taught.multilingual @ sense.multilingual[0]
        return len(near) < _COMPANY or float(np.partition(near, -_COMPANY)[-_COMPANY:].mean()) >= _FAMILIAR

    def issue_sentence(self, sense: Sense, issue_type: str) -> int:
        """Which sentence speaks most for `issue_type`: 1-based row of `sense.english`, 0 for the whole message."""
        if len(sense.multilingual) < 3:
            return 0
        head = self.heads["issue_type"]
        scores = _gaussian(sense.multilingual[1:], self.taught.multilingual) @ head.pull
        return 1 + int(np.argmax(scores[:, head.labels.index(issue_type)] - scores.mean(axis=1)))

    # --- files ---------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes weights as npz; plain arrays and JSON, never code."""
        arrays: dict[str, Any] = {
            "idf": self._idf,
            "english": self.taught.english.astype(np.float16),
            "multilingual": self.taught.multilingual.astype(np.float16),
            "talk": self.taught.talk.astype(np.float16),
        }
        heads: dict[str, Any] = {}
        for name, head in self.heads.items():
            heads[name] = {"labels": head.labels, "scale": dict(head.scale)}
            arrays[f"{name}.pull"], arrays[f"{name}.weights"] = head.pull, head.weights.astype(np.float16)
            arrays[f"{name}.bias"] = head.bias
        meta = {
            "version": VERSION,
            "signals": list(self._signals),
            "grams": list(self._grams),
            "heads": heads,
            "sharpness": self.sharpness,
        }
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
                    tuple(head["labels"]),
                    file[f"{name}.pull"],
                    file[f"{name}.weights"].astype(np.float32),
                    file[f"{name}.bias"],
                    head["scale"],
                )
                for name, head in meta["heads"].items()
            }
            taught = Taught(*(file[name].astype(np.float32) for name in ("english", "multilingual", "talk")))
            return cls(heads, meta["sharpness"], taught, meta["signals"], meta["grams"], file["idf"])

    def _content_hash(self) -> str:
        digest = hashlib.sha256(str(VERSION).encode())
        for name in sorted(self.heads):
            digest.update(self.heads[name].weights.astype(np.float16).tobytes())
            digest.update(self.heads[name].pull.tobytes())
        return digest.hexdigest()[:16]


def vectors(senses: Sequence[Sense]) -> tuple[Terms, Terms]:
    """Of each whole message, English and multilingual; the English one is zero for other languages."""
    english = [s.english[0] * np.float32(s.language == ENGLISH) for s in senses]
    return np.stack(english).astype(np.float32), np.stack([s.multilingual[0] for s in senses]).astype(np.float32)


def terms(
    sense: Sense, signals: Mapping[str, int], grams: Mapping[str, int], idf: Floats
) -> tuple[NDArray[np.int64], Terms]:
    """Positions and values of the signals and, behind them, the n-grams that occur."""
    shown = [signals[name] for name in sorted(sense.signals) if name in signals]
    counts = Counter(at for gram in ngrams(sense.text) if (at := grams.get(gram)) is not None)
    at = np.fromiter(counts.keys(), dtype=np.int64, count=len(counts))
    values = (1.0 + np.log(np.fromiter(counts.values(), dtype=np.float64, count=len(counts)))) * idf[at]
    values *= _WEIGHT["grams"] ** 0.5 / (np.linalg.norm(values) or 1.0)
    flags = np.full(len(shown), _WEIGHT["signals"] ** 0.5)
    places = np.concatenate([np.array(shown, dtype=np.int64), len(signals) + at])
    return places, np.concatenate([flags, values]).astype(np.float32)


def train(lessons: Sequence[Lesson], signals: Sequence[str], talk: Vectors | None = None) -> Classifier:
    """Fits every head that the lessons teach; `talk` are vectors of small talk by the multilingual encoder.

    Raises:
        UntrainedError: fewer than ten texts, or a head with fewer than two labels.

    """
    fair, lessons = [x for x in lessons if not x.teaches], [x for x in lessons if x.teaches]
    if len(lessons) < _FEWEST:
        raise UntrainedError(f"{len(lessons)} labelled texts are too few to learn from; add starter texts.")
    grams, idf = vocabulary([lesson.sense.text for lesson in lessons])
    places = {name: i for i, name in enumerate(signals)}
    known = {gram: i for i, gram in enumerate(grams)}
    english, multilingual = vectors([lesson.sense for lesson in lessons])
    taught = Taught(english, multilingual, multilingual[:0] if talk is None else talk)
    rows = [terms(lesson.sense, places, known, idf) for lesson in lessons]
    linear = _csr(rows, len(signals) + len(grams))
    near = taught.nearness(taught.english, taught.multilingual)
    kernel = near.astype(np.float64) + (linear @ linear.T).toarray() + 1.0
    answers = {name: [lesson.labels[name] for lesson in lessons] for name in lessons[0].labels}
    mixed = _MIXED if all(name in answers for name in _MIXED) else ()
    if mixed:
        answers[JOINT] = [_BETWEEN.join(lesson.labels[name] for name in _MIXED) for lesson in lessons]
    languages = [lesson.sense.language for lesson in lessons]
    heads: dict[str, Head] = {}
    held_out: dict[str, Floats] = {}
    for name, given in answers.items():
        heads[name], held_out[name] = _fit(name, given, lessons, kernel, linear)
    sharpness = {
        name: _by_language(_log(_mixed(held_out[name], shared)), _places(answers[name], heads[name].labels), languages)
        for place, name in enumerate(mixed)
        for shared in [_marginal(held_out[JOINT], heads[JOINT].labels, heads[name].labels, place)]
    }
    return Classifier(heads, sharpness, taught, signals, grams, idf).calibrated(fair)


def _places(answers: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    return np.array([labels.index(a) for a in answers])


def _marginal(joint: Floats, labels: Sequence[str], wanted: Sequence[str], place: int) -> Floats:
    """Probability of each wanted label, summed over the joint labels that hold it; shape (n, wanted)."""
    parts = [label.split(_BETWEEN)[place] for label in labels]
    return joint @ np.array([[float(part == label) for label in wanted] for part in parts])


def _log(probabilities: Floats) -> Floats:
    return np.log(np.maximum(probabilities, 1e-9))


def _mixed(own: Floats, shared: Floats) -> Floats:
    """Geometric mean of two distributions, row by row."""
    return _sharpened(np.exp((_log(own) + _log(shared)) / 2), 1.0)


def _sharpened(probabilities: Floats, exponent: float) -> Floats:
    return _softmax(_log(probabilities) * exponent)


def _softmax(scores: Floats) -> Floats:
    z = np.exp(scores - scores.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def _fit(
    name: str, answers: Sequence[str], lessons: Sequence[Lesson], kernel: Floats, linear: Any
) -> tuple[Head, Floats]:
    """Kernel ridge regression of one against the rest, with the probabilities of every text held out of its own training.

    The constant in the kernel is the bias. A held-out score is `y - alpha / diag(inverse)` (Rifkin and Lippert, 2007).
    """
    counts = Counter(answers)
    labels = tuple(sorted(counts))
    if len(labels) < 2:
        raise UntrainedError(f"every lesson gives the same {name}; add texts with another one.")
    balance = np.array([len(answers) / (len(labels) * counts[a]) for a in answers]) ** 0.5
    root = np.sqrt(balance * np.array([lesson.weight for lesson in lessons]))
    truth = _places(answers, labels)
    target = np.where(np.arange(len(labels)) == truth[:, None], 1.0, -1.0)
    inverse = np.linalg.inv(root[:, None] * kernel * root + _RIDGE * np.eye(len(answers)))
    alpha = inverse @ (root[:, None] * target)
    held_out = target - alpha / (np.diag(inverse) * root)[:, None]
    pull = root[:, None] * alpha
    weights = (linear.T @ pull).astype(np.float32)
    languages = [lesson.sense.language for lesson in lessons]
    scales = _by_language(held_out, truth, languages)
    each = np.array([scales.get(language, scales[""]) for language in languages])
    head = Head(labels, pull.astype(np.float32), weights, pull.sum(axis=0), scales)
    return head, _softmax(held_out * each[:, None])


def _by_language(
    scores: Floats, truth: NDArray[np.int64], languages: Sequence[str], enough: int = _OWN_TEMPERATURE
) -> dict[str, float]:
    scales = {"": _scale(scores, truth)}
    for language, count in Counter(languages).items():
        if count >= enough:
            own = np.array([x == language for x in languages])
            scales[language] = _scale(scores[own], truth[own])
    return scales


def _scale(scores: Floats, truth: NDArray[np.int64]) -> float:
    """The factor that makes held-out probabilities most honest (least negative log-likelihood)."""
    best, least = 1.0, np.inf
    candidates: list[float] = np.geomspace(0.3, 20.0, 60).tolist()
    for candidate in candidates:
        z = scores * candidate
        z = z - z.max(axis=1, keepdims=True)
        picked: Floats = z[np.arange(len(truth)), truth]
        loss: float = (np.log(np.exp(z).sum(axis=1)) - picked).mean().item()
        if loss < least:
            best, least = candidate, loss
    return best


def _csr(rows: Sequence[tuple[NDArray[np.int64], Terms]], width: int) -> Any:
    from scipy.sparse import csr_matrix  # only training needs it

    indptr = np.cumsum([0, *(at.size for at, _ in rows)])
    values = np.concatenate([values for _, values in rows]).astype(np.float64)
    return csr_matrix((values, np.concatenate([at for at, _ in rows]), indptr), shape=(len(rows), width))
