"""Measures what a proposal of the embedded engine costs beside one bare encoding: `python -m evals.bench`.

The yardstick is one call of the same English encoder, with one thread, on the whole message. Each text is new to the
process: it is encoded bare once, then proposed once. Wall time is what a person waits; processor time is what is left
of it on a machine that others use too, so ratios are given in both.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from agent import guard, learn, pipeline, understand
from agent.case import Escalation, Message, Proposal
from agent.embedded import EmbeddedModel
from agent.llm import EMBEDDED, build_model
from agent.ports import NoOrders
from agent.prompts import load_prompts
from evals.judgement import PROMPTS, SAMPLE, load_judge
from retrieval.bench import remember
from retrieval.embed import SentenceEncoder
from retrieval.multilingual import MultilingualEncoder
from retrieval.precedent import Encoder, Vectors

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
LENGTHS = (12, 40, 120, 200)
"""Words; a text is measured with the length that it is nearest to."""
WARM_UP = 40
"""Further texts that are drafted before any is measured, so that templates are compiled as in a desk that has run a while."""
ENCODERS = ("encode english", "encode multilingual")
STEPS = (
    "language", "strip", "entities", "signals", *ENCODERS, "classify", "retrieve", "prompt", "engine", "guard", "rest",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Times:
    """One text: milliseconds of the bare encoding and of its proposal, by wall and by processor, and the split."""

    bare: tuple[float, float]
    proposal: tuple[float, float]
    steps: Mapping[str, float]
    """Wall milliseconds by step; together they are the proposal."""

    @property
    def outside(self) -> float:
        """Share of the proposal that is spent outside both encoders."""
        return 1 - sum(self.steps[name] for name in ENCODERS) / self.proposal[0]


@dataclass(slots=True)
class Split:
    """Adds up wall milliseconds by step while a proposal runs."""

    ms: dict[str, float] = field(default_factory=lambda: defaultdict[str, float](float))

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, whose time counts under `name`."""

        def timed(*args: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*args, **named)
            finally:
                self.ms[name] += 1000 * (time.perf_counter() - start)

        return timed

    @contextmanager
    def over(self, *places: tuple[Any, str, str]) -> Generator[None]:
        """Times (owner, attribute, step) while the context is open."""
        with ExitStack() as stack:
            for owner, attribute, name in places:
                call = getattr(owner, attribute)
                setattr(owner, attribute, self.timed(name, call))
                stack.callback(setattr, owner, attribute, call)
            yield


class Watched:
    """An encoder whose time counts."""

    def __init__(self, encoder: Encoder, split: Split, name: str) -> None:
        self.fingerprint, self.dimension = encoder.fingerprint, encoder.dimension
        self._encode = split.timed(name, encoder.encode)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """As the encoder does."""
        return self._encode(texts)


def texts_by_length(texts: Iterable[str], most: int) -> dict[int, list[str]]:
    """Distinct texts under the length that they are nearest to, at most `most` of each, the nearest ones."""
    found: dict[int, list[str]] = {length: [] for length in LENGTHS}
    for text in dict.fromkeys(texts):
        found[min(LENGTHS, key=lambda n: abs(np.log(n / max(1, len(text.split())))))].append(text)
    return {n: sorted(some, key=lambda t: abs(len(t.split()) - n))[:most] for n, some in found.items()}


def load(english: Encoder, multilingual: Encoder) -> pipeline.Deps:
    """The embedded engine with the sample store's pack and history, as it serves; no order book."""
    judge = load_judge(english, multilingual)
    prompts = load_prompts(PROMPTS)
    return pipeline.Deps(
        judge.pack, prompts, judge.reader.signals, judge.reader, judge.classifier, english,
        remember(english, SAMPLE / "history"), NoOrders(), guard.load_rulebook(PROMPTS, judge.pack),
        build_model([EMBEDDED], embedded=EmbeddedModel(prompts)),
    )  # fmt: skip


class Bench:
    """Times proposals one after the other."""

    def __init__(self, deps: pipeline.Deps, english: Encoder, multilingual: Encoder) -> None:
        self._split, self._english = Split(), english
        watched = [Watched(e, self._split, n) for e, n in zip((english, multilingual), ENCODERS, strict=True)]
        reader = understand.Reader(deps.pack, deps.signals, watched[0], watched[1], deps.reader.small_talk)
        self._deps = replace(deps, reader=reader, encoder=watched[0])
        self._places = (
            (understand, "detect", "language"), (understand, "segments", "strip"), (understand, "sentences", "strip"),
            (understand.find, "extract", "entities"), (deps.signals, "find", "signals"),
            (deps.classifier, "predict", "classify"), (pipeline.retrieve, "run", "retrieve"),
        )  # fmt: skip

    def run(self, texts: Sequence[str]) -> list[Times]:
        """Each text once, after a garbage collection as the serving process does it."""
        gc.collect()
        gc.freeze()
        return asyncio.run(self._all(texts))

    async def _all(self, texts: Sequence[str]) -> list[Times]:
        with self._split.over(*self._places):
            return [await self._one(text) for text in texts]

    async def _one(self, text: str) -> Times:
        case = Escalation(id="case_bench", messages=(Message(text, NOW),), received_at=NOW)
        start = _clock()
        self._english.encode([text])
        bare = _since(start)
        self._split.ms.clear()
        start = _clock()
        proposal = await pipeline.propose(case, self._deps, now=NOW)
        took = _since(start)
        return Times(bare, took, self._steps(proposal, took[0]))

    def _steps(self, proposal: Proposal, total: float) -> dict[str, float]:
        known = {**self._split.ms, **{name: proposal.timing_ms[name] for name in ("prompt", "engine", "guard")}}
        return {name: known.get(name, 0.0) for name in STEPS} | {"rest": total - sum(known.values())}


def _clock() -> tuple[float, float]:
    """Wall and processor time in milliseconds; the latter of all threads."""
    return 1000 * time.perf_counter(), 1000 * time.process_time()


def _since(start: tuple[float, float]) -> tuple[float, float]:
    wall, processor = _clock()
    return wall - start[0], processor - start[1]


# --- figures --------------------------------------------------------------------------------------------------------


def figures(times: Sequence[Times]) -> dict[str, Any]:
    """Percentiles, ratios of medians, and the mean split of one length."""
    bare, took = np.array([t.bare for t in times]), np.array([t.proposal for t in times])
    ratio = np.median(took, axis=0) / np.median(bare, axis=0)
    return {
        "texts": len(times),
        "bare_ms": _percentiles(bare[:, 0]),
        "propose_ms": _percentiles(took[:, 0]),
        "ratio": round(float(ratio[0]), 2),
        "ratio_processor": round(float(ratio[1]), 2),
        "outside_encoders": round(float(np.median([t.outside for t in times])), 3),
        "split_ms": {name: round(float(np.median([t.steps[name] for t in times])), 2) for name in STEPS},
    }


def _percentiles(values: Any) -> tuple[float, float]:
    p50, p95 = np.percentile(values, [50, 95])
    return round(float(p50), 1), round(float(p95), 1)


def render(measured: Mapping[int, Mapping[str, Any]]) -> str:
    """A table of the lengths and one of the split."""
    lines = ["words  texts   bare p50   p95   propose p50    p95   ratio wall  processor   outside encoders"]
    lines += [
        f"{n:5} {m['texts']:6} {m['bare_ms'][0]:10} {m['bare_ms'][1]:5} {m['propose_ms'][0]:13} {m['propose_ms'][1]:6}"
        f" {m['ratio']:12} {m['ratio_processor']:10} {m['outside_encoders']:17.1%}"
        for n, m in measured.items()
    ]
    lines += ["", "median ms".ljust(22) + "".join(f"{n:>8}" for n in measured)]
    lines += [f"{name:22}" + "".join(f"{m['split_ms'][name]:8.2f}" for m in measured.values()) for name in STEPS]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: tables on standard output, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m evals.bench", description=__doc__)
    parser.add_argument("--texts", type=int, default=40, help="texts of each length (default: 40)")
    parser.add_argument("--int8", action="store_true", help="with the English encoder in whole numbers")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    chosen = parser.parse_args(arguments)
    english, multilingual = SentenceEncoder(threads=1, int8=chosen.int8), MultilingualEncoder()
    threadpool_limits(1, "blas")  # as the serving process does
    print("loading; the first time the classifier is trained", file=sys.stderr)
    bench = Bench(load(english, multilingual), english, multilingual)
    groups = texts_by_length((row["text"] for row in learn.rows(learn.files(PROMPTS, SAMPLE))), chosen.texts + WARM_UP)
    bench.run([text for texts in groups.values() for text in texts[chosen.texts :]][:: len(LENGTHS)])
    measured = {n: figures(bench.run(texts[: chosen.texts])) for n, texts in groups.items() if texts}
    print(json.dumps(measured, indent=2) if chosen.json else render(measured))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
