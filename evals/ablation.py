"""What each part of the embedded judgement is worth: `python -m evals.ablation`.

Every part is taken away in turn, the classifier is taught anew where it learns from that part, and the labelled test
escalations are judged again. A gain is the figure with the part less the figure without it; costs are lower the better.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np

from agent import classifier, learn, triage
from agent.classifier import Classifier, Lesson, Sense
from agent.errors import AgentError
from agent.pack import Pack
from agent.packcheck import COMPUTED
from agent.understand import Reader, Understanding
from evals.errors import EvalsError
from evals.judgement import PROMPTS, SAMPLE, Judged, Labelled, load_dataset, load_reader, measure

BLOCKS: dict[str, Callable[[Sense], Sense]] = {
    "English encoder": lambda s: replace(s, english=np.zeros_like(s.english)),
    "multilingual encoder": lambda s: replace(s, multilingual=np.zeros_like(s.multilingual)),
    "signals of the pack": lambda s: replace(s, signals=frozenset()),
    "n-grams": lambda s: replace(s, text=""),
}
"""Feature block -> a case as the classifier senses it without that block."""
FIGURES = (
    "issue_type",
    "severity",
    "severity_cost",
    "others_called_most_severe",
    "human_lead_recall",
    "human_lead_precision",
)


@dataclass(frozen=True, slots=True)
class Bench:
    """All that is read once: what teaches, and what is asked."""

    pack: Pack
    lessons: Sequence[Lesson]
    asked: Sequence[tuple[Labelled, Understanding]]

    def taught(self, without: Callable[[Sense], Sense] = lambda s: s) -> Classifier:
        """A classifier taught without a part."""
        lessons = [replace(x, sense=without(x.sense)) for x in self.lessons]
        return classifier.train(lessons, [*self.pack.signals, *COMPUTED])

    def figures(self, model: Classifier, pack: Pack, without: Callable[[Sense], Sense] = lambda s: s) -> dict[str, Any]:
        """The figures of the test escalations."""
        judged: list[Judged] = []
        for x, seen in self.asked:
            heads = model.predict(without(seen.sense))
            prior = triage.Prior(heads["issue_type"], heads["severity"], heads["human_lead"].get("yes", 0.0))
            judged.append(Judged(x.case, x.expected, triage.decide(pack, seen, prior)))
        found = measure(judged, pack)
        most = pack.severity_order[0]
        return {
            **{name: found[name] for name in FIGURES},
            "most severe given lower": sum(n for s, n in found["most_severe_given"].items() if s != most),
        }


def parts(bench: Bench) -> Iterator[tuple[str, dict[str, Any]]]:
    """Figures with everything, then without each part."""
    whole = bench.taught()
    yield "everything", bench.figures(whole, bench.pack)
    for name, without in BLOCKS.items():
        yield f"classifier: {name}", bench.figures(bench.taught(without), bench.pack, without)
    with patch.object(classifier, "_MIXED", ()):
        yield "classifier: joint head", bench.figures(bench.taught(), bench.pack)
    with patch.object(triage, "_credible", _always):
        yield "decision: doubt about words", bench.figures(whole, bench.pack)
    yield "rules: human lead", bench.figures(whole, bench.pack.model_copy(update={"human_lead": ()}))
    yield "rules: all severity criteria", bench.figures(whole, bench.pack.model_copy(update={"criteria": ()}))
    for rule in bench.pack.criteria:
        rest = tuple(other for other in bench.pack.criteria if other.id != rule.id)
        yield f"rules: {rule.id}", bench.figures(whole, bench.pack.model_copy(update={"criteria": rest}))


def _always(*_: object) -> bool:
    return True


def load_bench(reader: Reader) -> Bench:
    """Reads what teaches and what is asked."""
    taught = learn.rows(learn.files(PROMPTS, SAMPLE))
    lessons = learn.lessons(taught, reader, _progress)
    asked = [(x, reader.read(x.case, x.case.received_at, teaching=True)) for x in load_dataset()]
    return Bench(reader.pack, lessons, asked)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: one line a part; 2 when a file cannot be used."""
    argparse.ArgumentParser(prog="python -m evals.ablation", description=__doc__).parse_args(arguments)
    try:
        bench = load_bench(load_reader())
    except (AgentError, EvalsError) as error:
        print(error, file=sys.stderr)
        return 2
    whole: dict[str, Any] = {}
    for name, figures in parts(bench):
        if not whole:
            whole = figures
            print(f"{'gain of':34}" + "".join(f"{key.replace('_', ' '):>27}" for key in figures))
            print(f"{name:34}" + "".join(f"{value:>27}" for value in figures.values()), flush=True)
            continue
        gains = "".join(f"{(whole[key] or 0) - (value or 0):>+27.3f}" for key, value in figures.items())
        print(f"{name:34}{gains}", flush=True)
    return 0


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty() or done == of:
        print(f"\rread {done} of {of} texts", end="\n" if done == of else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
