"""What fills an eval run: the desk's own steps, with the engine whose answers are measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic_ai.models import Model

from agent import guard, pipeline
from agent.embedded import EmbeddedModel
from agent.llm import EMBEDDED, build_model
from agent.ports import NoOrders
from agent.prompts import load_prompts
from evals.dataset import PROMPTS, SAMPLE, Case
from evals.judgement import CACHE, load_judge

Tier: TypeAlias = Literal["embedded", "replay", "live"]
Models: TypeAlias = Callable[[Case, int], AbstractContextManager[Model]]
"""Case and number of the trial -> the chain of engines, which is used while the context is open."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One thing to measure: the desk, with a chain of engines for each case."""

    name: str
    tier: Tier
    deps: pipeline.Deps
    model: Models
    alone: bool = False
    """Whether only one case may run at a time, since the context catches the traffic of the whole process."""

    def of(self, case: Case, trial: int) -> AbstractContextManager[Model]:
        """The chain that answers this trial of a case."""
        return self.model(case, trial)

    @property
    def versions(self) -> dict[str, str]:
        """Content hashes of what makes the answers."""
        prompts = self.deps.prompts
        each = "".join(f"{name}{prompts.version(name)}" for name in sorted(prompts.all))
        return {**self.deps.versions, "prompts": hashlib.sha256(each.encode()).hexdigest()[:16]}


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
    return Engine(EMBEDDED, "embedded", deps, lambda _case, _trial: nullcontext(deps.model))


def with_model(deps: pipeline.Deps, model: Model) -> pipeline.Deps:
    """The same desk with another chain of engines."""
    return deps if model is deps.model else replace(deps, model=model)
