"""Measures encoder, retrieval and ranking: `python -m retrieval.bench [--size N ...] [--quality]`.

Vectors for the large runs are made of real ones: two sentences of the history mixed, plus noise, so that neighbours
are as crowded as in a real store. The archive of the run is in memory: fetching `k` cards from SQL comes on top.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embed import SentenceEncoder, load_library, packaged_model
from retrieval.precedent import Encoder, Entry, Precedent, Query, Vectors
from retrieval.search import EXACT_LIMIT, LEAST_SHARE, POOL, RERANK, PrecedentSearch
from retrieval.table import best

HISTORY = Path("prompts/sample_store/history")
START = datetime(2024, 1, 1, tzinfo=UTC)
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
SHORTEST = 25
"""Characters of a sentence that is worth a vector of its own."""
BLANK = Precedent("", "", "S3", "en", "email", "", "", "", None, None, timedelta(), START, "resolved", "", None)


@dataclass(frozen=True, slots=True)
class Case:
    """One past escalation as far as a measurement needs it."""

    text: str
    issue_type: str
    language: str


def read_history(folder: Path) -> list[Case]:
    """Opening text, issue type and language of every record in the JSONL files of `folder`."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    records = [json.loads(line) for line in lines if line.strip()]
    return [Case(r["messages"][0]["text"], r["issue_type"], r["lang"]) for r in records]


class Shelf:
    """An archive in memory."""

    def __init__(self, cards: Sequence[Precedent], vectors: Vectors) -> None:
        self._cards = {card.id: card for card in cards}
        self._entries = [
            Entry(c.id, c.issue_type, c.language, c.resolved_at, v, i + 1)
            for i, (c, v) in enumerate(zip(cards, vectors.astype(np.float16), strict=True))
        ]

    def counts(self, fingerprint: str) -> tuple[int, int]:
        """All, none waiting."""
        del fingerprint
        return len(self._entries), 0

    def entries(self, fingerprint: str, after: int, limit: int) -> Sequence[Entry]:
        """`updated` is the position plus one."""
        del fingerprint
        return self._entries[after : after + limit]

    def precedents(self, ids: Sequence[str]) -> Mapping[str, Precedent]:
        """By id."""
        return {i: self._cards[i] for i in ids if i in self._cards}

    def with_keys(self, keys: Sequence[str]) -> Sequence[str]:
        """No case here has keys."""
        del keys
        return []


def load_encoder() -> SentenceEncoder:
    """The packaged encoder with one thread."""
    return SentenceEncoder(threads=1)


def remember(encoder: Encoder, folder: Path) -> PrecedentSearch:
    """The past escalations of `folder` in memory, ready to be searched without an index."""
    past = read_history(folder)
    cards = [
        replace(BLANK, id=f"prc_{i}", issue_type=c.issue_type, language=c.language, summary=c.text[:160])
        for i, c in enumerate(past)
    ]
    shelf = Shelf(cards, encoder.encode([c.text for c in past]))
    search = PrecedentSearch(shelf, encoder.fingerprint, encoder.dimension, Path(tempfile.gettempdir()) / "no-index")
    search.load()
    return search


# --- encoder ------------------------------------------------------------------------------------------------------


def milliseconds(call: Callable[[], object], repeat: int = 25) -> tuple[float, float]:
    """p50 and p95 of `repeat` calls after two warm-up calls."""
    times: list[float] = []
    for i in range(repeat + 2):
        start = time.perf_counter()
        call()
        if i >= 2:
            times.append(1000 * (time.perf_counter() - start))
    return float(np.percentile(times, 50)), float(np.percentile(times, 95))


def bench_encoder(encoder: SentenceEncoder, cases: Sequence[Case]) -> None:
    """One text, and a message with its sentences, ours beside the library's own call; distinct texts, same threads."""
    library: Any = load_library(str(packaged_model()))
    texts = sorted((c.text for c in cases if c.language == "en"), key=len)
    print("\nencoder, one thread                         p50 ms  p95 ms   library p50  p95")
    for name, at in (("short message", 0.1), ("medium message", 0.5), ("long message", 0.9)):
        near = texts[int(at * len(texts)) :][:12]
        split = [[text, *sentences(text)[:5]] for text in near]
        for label, batches in ((f"{name}, alone", [[t] for t in near]), (f"{name} + sentences", split)):
            ours, theirs = iter(batches * 3), iter(batches * 3)
            a = milliseconds(lambda it=ours: encoder.encode(next(it)), 24)
            b = milliseconds(lambda it=theirs: library.encode(next(it), normalize_embeddings=True), 24)
            print(f"{label:42} {a[0]:7.1f} {a[1]:7.1f} {b[0]:12.1f} {b[1]:6.1f}")


def sentences(text: str) -> list[str]:
    """Sentences of `text` that are long enough to mean something alone."""
    return [part.strip() for part in SENTENCE.split(text) if len(part.strip()) >= SHORTEST]


# --- retrieval ----------------------------------------------------------------------------------------------------


def perturbed(base: Vectors, size: int, rng: np.random.Generator) -> tuple[Vectors, NDArray[np.intp]]:
    """`size` unit vectors near real ones, and for each the row of `base` that it leans to most."""
    main = rng.integers(0, len(base), size)
    mixed = base[main] + 0.5 * base[rng.integers(0, len(base), size)]
    noise = rng.standard_normal(mixed.shape, np.float32)
    mixed += 0.5 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True), main


def filters(issue_types: Sequence[str], posterior: Mapping[str, float]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Named filters, from none to one that keeps about one in twenty."""
    some = frozenset(issue_types)
    yield "posterior only", {"posterior": posterior}
    yield "the older 60 %", {"before": START + timedelta(days=438)}
    yield "three issue types", {"issue_types": some}
    yield "language of one in eight", {"languages": frozenset({"de"})}
    yield "both", {"issue_types": some, "languages": frozenset({"de"})}


def bench_retrieval(size: int, base: Vectors, labels: Sequence[str], queries: int, encoder: SentenceEncoder) -> None:
    """p50 and p95 per filter and path, and recall@10 of the over-fetch path against the exact scan."""
    rng = np.random.default_rng(7)
    vectors, main = perturbed(base, size, rng)
    german, days = rng.random(size) < 1 / 8, rng.random(size) * 730
    cards = [
        replace(
            BLANK,
            id=f"prc_{i}",
            issue_type=labels[main[i]],
            language="de" if german[i] else "en",
            resolved_at=START + timedelta(days=float(days[i])),
        )
        for i in range(size)
    ]
    shelf = Shelf(cards, vectors)
    asked, leans = perturbed(base, queries, rng)
    types = sorted(set(labels))
    with tempfile.TemporaryDirectory() as folder:
        search = PrecedentSearch(shelf, encoder.fingerprint, encoder.dimension, Path(folder))
        start = time.perf_counter()
        search.load()
        loaded = time.perf_counter()
        health = search.maintain()
        print(
            f"\n{size} precedents: read in {loaded - start:.1f} s, indexed in {time.perf_counter() - loaded:.1f} s, "
            f"{health.state}, canary {health.recall}"
        )
        print("filter                    p50 ms: planned   p95  recall@10   overfetch   p95  recall@10  full scan")
        for name, _ in filters(types[:3], {}):
            rows: list[tuple[float, ...]] = []
            for vector, lean in zip(asked, leans, strict=True):
                posterior = {t: 0.6 if t == labels[lean] else 0.4 / len(types) for t in types}
                wanted = dict(filters([str(labels[lean]), *types[:2]], posterior))[name]
                rows.append(_by_all_plans(search, Query("", vector, k=10, **wanted)))
            times = np.asarray(rows)
            p = np.percentile(times[:, :3], [50, 95], axis=0)
            recall = times[:, 3:].mean(axis=0)
            print(
                f"{name:32} {p[0, 0]:8.1f} {p[1, 0]:5.1f} {recall[0]:10.4f}"
                f" {p[0, 1]:11.1f} {p[1, 1]:5.1f} {recall[1]:10.4f} {p[0, 2]:10.1f}"
            )
        search.close()
        print(f"largest memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB")


def _by_all_plans(search: PrecedentSearch, query: Query) -> tuple[float, ...]:
    """Milliseconds as planned, by over-fetch whatever the plan, and by full scan; recall@k of the first two."""
    times: list[float] = []
    found: list[set[str]] = []
    for plan in ((EXACT_LIMIT, LEAST_SHARE), (0, 0.0), (1 << 40, 0.0)):
        search._exact_limit, search._least_share = plan  # pyright: ignore[reportPrivateUsage]
        start = time.perf_counter()
        hits = search.search(query).hits
        times.append(1000 * (time.perf_counter() - start))
        found.append({hit.precedent.id for hit in hits})
    recalls = [len(of & found[2]) / len(found[2]) if found[2] else 1.0 for of in found[:2]]
    return *times, *recalls


# --- ranking ------------------------------------------------------------------------------------------------------


def bm25(texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> NDArray[np.float32]:
    """Score of every text (column) for every text as query (row)."""
    words = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
    length = np.asarray([sum(w.values()) for w in words], np.float32)
    vocabulary = {word: i for i, word in enumerate({w for counts in words for w in counts})}
    count = np.zeros((len(texts), len(vocabulary)), np.float32)
    for row, counts in enumerate(words):
        for word, n in counts.items():
            count[row, vocabulary[word]] = n
    df = (count > 0).sum(axis=0)
    idf = np.log(1 + (len(texts) - df + 0.5) / (df + 0.5)).astype(np.float32)
    weight = idf * count * (k1 + 1) / (count + k1 * (1 - b + b * length[:, None] / length.mean()))
    scores: NDArray[np.float32] = (count > 0).astype(np.float32) @ weight.T
    return scores


def bench_quality(vectors: Vectors, cases: Sequence[Case]) -> None:
    """Leave-one-out precision@5 (same issue type) of dense, BM25, their reciprocal-rank fusion, and the rerank."""
    labels = np.asarray([c.issue_type for c in cases])
    types = sorted(set(labels.tolist()))
    dense = vectors @ vectors.T
    lexical = bm25([c.text for c in cases])
    for scores in (dense, lexical):
        np.fill_diagonal(scores, -np.inf)
    one_hot = np.asarray([[label == t for t in types] for label in labels], np.float32)

    def ranks(scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.argsort(np.argsort(-scores, axis=1), axis=1).astype(np.float32)

    fused = {w: w / (60 + ranks(dense)) + 1 / (60 + ranks(lexical)) for w in (1, 2)}
    # A simulated posterior: softmax-weighted vote of the 10 nearest others; the product's classifier is better.
    posterior = np.zeros_like(one_hot)
    for i, row in enumerate(dense):
        near = best(row, 10)
        weight = np.exp((row[near] - row[near].max()) / 0.05)
        posterior[i] = weight @ one_hot[near] / weight.sum()
    methods: dict[str, NDArray[np.float32]] = {
        "dense": dense,
        "BM25": lexical,
        "fusion 1:1": fused[1],
        "fusion 2:1": fused[2],
    }
    for weight in (0.1, 0.2, RERANK, 0.8):
        methods[f"dense + {weight} x posterior"] = pooled(dense, weight * posterior @ one_hot.T)
    print(f"\nprecision@5, leave one out, {len(cases)} texts, {len(types)} issue types")
    for name, scores in methods.items():
        hits = np.asarray([labels[best(row, 5)] == labels[i] for i, row in enumerate(scores)])
        languages = [np.asarray([c.language == lang for c in cases]) for lang in ("en", "de")]
        split = "  ".join(
            f"{lang} {hits[of].mean():.3f}" for lang, of in zip(("en", "de"), languages, strict=True) if of.any()
        )
        print(f"{name:26} {hits.mean():.3f}   first right {hits[:, 0].mean():.3f}   {split}")
    english = np.asarray([c.language == "en" for c in cases])
    print("floor   cases that keep a precedent (English)   same issue type just below it (0.05)")
    nearest = np.argsort(-dense, axis=1)[:, :5]
    cosine, same = np.take_along_axis(dense, nearest, 1), labels[nearest] == labels[:, None]
    for floor in (0.3, 0.35, 0.4, 0.45):
        below = (cosine >= floor - 0.05) & (cosine < floor)
        print(f"{floor:.2f} {(cosine[english, 0] >= floor).mean():20.1%} {same[below].mean():35.1%}")


def pooled(scores: NDArray[np.float32], bonus: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """`scores` + `bonus` within the POOL best of each row, the rest left out."""
    edge = np.sort(scores, axis=1)[:, -min(POOL, scores.shape[1])][:, None]
    return np.where(scores >= edge, scores + bonus, -np.inf).astype(np.float32)


def main() -> None:
    """Prints tables; see the module's first line."""
    parser = argparse.ArgumentParser(prog="python -m retrieval.bench", description="Measure encoder and retrieval.")
    parser.add_argument("--size", type=int, nargs="*", default=[10_000], help="precedents of the retrieval runs")
    parser.add_argument("--queries", type=int, default=200, help="queries of each filter")
    parser.add_argument("--history", type=Path, default=HISTORY, help="folder of JSONL records with real texts")
    parser.add_argument("--quality", action="store_true", help="compare rankings on the history")
    options = parser.parse_args()
    cases = read_history(options.history)
    encoder = SentenceEncoder()
    bench_encoder(encoder, cases)
    if options.quality:
        bench_quality(encoder.encode([c.text for c in cases]), cases)
    if options.size:
        pairs = [(s, c.issue_type) for c in cases for s in sentences(c.text)]
        base = encoder.encode([s for s, _ in pairs])
        for size in options.size:
            bench_retrieval(size, base, [label for _, label in pairs], options.queries, encoder)


if __name__ == "__main__":
    main()
