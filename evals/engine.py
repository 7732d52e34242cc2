"""What fills an eval run: the desk's own steps, with the engine whose answers are measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from agent import guard, pipeline
from agent.classifier import Classifier, Sense
from agent.embedded import EmbeddedModel
from agent.llm import EMBEDDED, build_model
from agent.pack import Pack
from agent.ports import NoOrders
from agent.prompts import Prompts, load_prompts
from evals.answer import Blank, Grounds
from evals.dataset import PROMPTS, SAMPLE, Case
from evals.judgement import CACHE, load_judge
from retrieval.precedent import Found, Query

Tier: TypeAlias = Literal["embedded", "replay", "live"]


@dataclass(frozen=True, slots=True)
class Seat:
    """The desk that answers one trial."""

    deps: pipeline.Deps
    stale: Callable[[], str] = lambda: ""
    """After the answer: why it no longer belongs to its request; "" when it does."""


Seats: TypeAlias = Callable[[Case, int], AbstractContextManager[Seat]]
"""Case and number of the trial -> the desk that answers it, which is used while the context is open."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One thing to measure: the desk, with a chain of engines for each case."""

    name: str
    tier: Tier
    deps: pipeline.Deps
    seat: Seats
    alone: bool = False
    """Whether only one case may run at a time, since the context catches the traffic of the whole process."""
    more: Mapping[str, str] = field(default_factory=dict[str, str])
    """Content hashes of what else makes the answers."""

    def of(self, case: Case, trial: int) -> AbstractContextManager[Seat]:
        """The desk that answers this trial of a case."""
        return self.seat(case, trial)

    @property
    def versions(self) -> dict[str, str]:
        """Content hashes of what makes the answers."""
        prompts = self.deps.prompts
        each = "".join(f"{name}{prompts.version(name)}" for name in sorted(prompts.all))
        return {**self.deps.versions, "prompts": hashlib.sha256(each.encode()).hexdigest()[:16], **self.more}


def load_deps(cache: Path = CACHE) -> pipeline.Deps:
    """The desk without a database: the sample store's pack and history, and no order but those that a case brings.

    Takes some seconds, and about a minute when `cache` holds no classifier for the present texts.
    """
    from retrieval.bench import remember
    from retrieval.embed import SentenceEncoder
    from retrieval.multilingual import MultilingualEncoder

    english, multilingual = SentenceEncoder(threads=1), MultilingualEncoder()
    judge = load_judge(english, multilingual, cache)
    prompts = load_prompts(PROMPTS)
    return pipeline.Deps(
        judge.pack, prompts, judge.reader.signals, judge.reader, judge.classifier, english,
        remember(english, SAMPLE / "history"), NoOrders(), guard.load_rulebook(PROMPTS, judge.pack),
        build_model([EMBEDDED], embedded=EmbeddedModel(prompts)),
    )  # fmt: skip


def embedded(deps: pipeline.Deps) -> Engine:
    """The engine that needs no model."""
    return Engine(EMBEDDED, "embedded", deps, lambda _case, _trial: nullcontext(Seat(deps)))


class Told(Classifier):
    """A classifier that knows what a case expects."""

    version = "told"

    def __init__(self, case: Case, pack: Pack) -> None:
        e = case.expected
        severity = e.severity.allow[0] if e.severity else pack.severity_order[-1]
        lead = 1.0 if e.human_lead else 0.0
        self._said = {
            "issue_type": {name: float(name == (e.issue_type or ("",))[0]) for name in pack.issue_types},
            "severity": {name: float(name == severity) for name in pack.severity_order},
            "human_lead": {"yes": lead, "no": 1 - lead},
        }

    def predict(self, sense: Sense) -> dict[str, dict[str, float]]:
        """What is expected."""
        del sense
        return self._said

    def issue_sentence(self, sense: Sense, issue_type: str) -> int:
        """The whole message."""
        del sense, issue_type
        return 0

    def familiar(self, sense: Sense) -> bool:
        """Every case of the suite is one that the desk should know."""
        del sense
        return True


class _Nothing:
    """No past case."""

    def search(self, query: Query) -> Found:
        """None."""
        del query
        return Found(note="no precedents because none are asked for")


def told_deps(case: Case, grounds: Grounds, prompts: Prompts) -> pipeline.Deps:
    """A desk that judges the case as expected and writes as the embedded engine does: good answers, at once and without encoders."""
    return pipeline.Deps(
        grounds.pack, prompts, grounds.reader.signals, grounds.reader, Told(case, grounds.pack), Blank(), _Nothing(),
        NoOrders(), grounds.rulebook, EmbeddedModel(prompts),
    )  # fmt: skip
