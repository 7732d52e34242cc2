"""How fast the embedded classifier learns labels of a store's own: `python -m evals.curve FILE.jsonl --label intent`.

Lines of FILE are labelled texts. For each number of examples a class, the same random examples teach the desk's classifier
(without signals of the pack, which know nothing of foreign labels), TF-IDF with logistic regression, and the nearest
neighbour by the default encoder; all are asked about the same texts, which taught nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent import classifier
from agent.classifier import Lesson, Sense
from evals.errors import DatasetError
from retrieval.precedent import Encoder

PER_CLASS = (5, 20, 100)
_FEWEST_ASKED = 5
"""Texts of a class that teach nothing, at least, in every round."""
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text as the classifier senses it."""

    sense: Sense
    label: str


@dataclass(frozen=True, slots=True)
class Point:
    """Accuracy of each way to learn, by its mean over rounds, for one number of examples."""

    per_class: int
    taught: int
    asked: int
    accuracy: Mapping[str, float]


def read(path: Path, label: str) -> list[tuple[str, str]]:
    """Texts with their labels.

    Raises:
        DatasetError: a line is no labelled text.

    """
    found: list[tuple[str, str]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            found.append((str(row["text"]), str(row[label])))
        except (ValueError, KeyError, TypeError) as e:
            raise DatasetError(
                f"{path}, line {number}: no `text` with a `{label}` ({e!r}); correct that line."
            ) from None
    return found


def sensed(rows: Sequence[tuple[str, str]], english: Encoder, multilingual: Encoder) -> list[Example]:
    """Every text encoded once."""
    found: list[Example] = []
    for at in range(0, len(rows), _AT_ONCE):
        part = rows[at : at + _AT_ONCE]
        texts = [text for text, _ in part]
        for (text, label), a, b in zip(part, english.encode(texts), multilingual.encode(texts), strict=True):
            found.append(Example(Sense(text, classifier.ENGLISH, a[None], b[None], frozenset()), label))
        _progress(len(found), len(rows))
    return found


def curve(
    examples: Sequence[Example], per_class: Sequence[int], rounds: int, most_asked: int, seed: int
) -> list[Point]:
    """One point for each number of examples a class; a class with too few gives what it has."""
    points: list[Point] = []
    for many in per_class:
        right: defaultdict[str, list[float]] = defaultdict(list)
        taught = asked = 0
        for number in range(rounds):
            teach, ask = _split(examples, many, most_asked, np.random.default_rng((seed, number)))
            taught, asked = len(teach), len(ask)
            truth = np.array([x.label for x in ask])
            for name, way in WAYS.items():
                right[name].append(float((way(teach, ask) == truth).mean()))
        points.append(Point(many, taught, asked, {name: float(np.mean(of)) for name, of in right.items()}))
    return points


def _split(
    examples: Sequence[Example], many: int, most_asked: int, random: np.random.Generator
) -> tuple[list[Example], list[Example]]:
    teach: list[Example] = []
    ask: list[Example] = []
    counts: Counter[str] = Counter()
    left = Counter(x.label for x in examples)
    order: list[int] = random.permutation(len(examples)).tolist()
    for at in order:
        x = examples[at]
        spare = left[x.label] > _FEWEST_ASKED
        left[x.label] -= 1
        if counts[x.label] < many and spare:
            counts[x.label] += 1
            teach.append(x)
        else:
            ask.append(x)
    return teach, ask[:most_asked]


def _desk(teach: Sequence[Example], ask: Sequence[Example]) -> Any:
    made = classifier.train([Lesson(x.sense, {"issue_type": x.label}) for x in teach], [])
    answers = [made.predict(x.sense)["issue_type"] for x in ask]
    return np.array([max(p, key=lambda label: p[label]) for p in answers])


def _tfidf(teach: Sequence[Example], ask: Sequence[Example]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    line: Any = Pipeline([("words", words), ("regression", LogisticRegression(C=10, max_iter=500))])
    line.fit([x.sense.text for x in teach], [x.label for x in teach])
    return line.predict([x.sense.text for x in ask])


def _nearest(teach: Sequence[Example], ask: Sequence[Example]) -> Any:
    near = np.stack([x.sense.english[0] for x in ask]) @ np.stack([x.sense.english[0] for x in teach]).T
    return np.array([x.label for x in teach])[near.argmax(axis=1)]


WAYS = {"desk": _desk, "tf-idf + logistic regression": _tfidf, "nearest neighbour": _nearest}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: one line for each number of examples; 2 when the file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m evals.curve", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--label", default="issue_type", help="key of the label (default: issue_type)")
    parser.add_argument("--per-class", type=int, nargs="+", default=PER_CLASS, help="examples a class")
    parser.add_argument("--rounds", type=int, default=3, help="random choices of examples to average over")
    parser.add_argument("--asked", type=int, default=1500, help="texts asked about, at most")
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args(arguments)
    from retrieval.embed import SentenceEncoder
    from retrieval.multilingual import MultilingualEncoder

    try:
        rows = read(chosen.file, chosen.label)
    except (OSError, DatasetError) as error:
        print(error, file=sys.stderr)
        return 2
    examples = sensed(rows, SentenceEncoder(), MultilingualEncoder())
    print(f"{'a class':>8}{'taught':>8}{'asked':>8}" + "".join(f"{name:>30}" for name in WAYS))
    for point in curve(examples, chosen.per_class, chosen.rounds, chosen.asked, chosen.seed):
        figures = "".join(f"{point.accuracy[name]:>30.3f}" for name in WAYS)
        print(f"{point.per_class:>8}{point.taught:>8}{point.asked:>8}{figures}", flush=True)
    return 0


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty() or done == of:
        print(f"\rencoded {done} of {of} texts", end="\n" if done == of else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
