"""The stored suite and its good answers, made once for all tests of the evals; no encoder and nothing learned."""

from __future__ import annotations

import asyncio
from datetime import date
from functools import cache
from typing import Any

from agent import pipeline
from agent.output import as_json
from agent.prompts import Prompts, load_prompts
from evals.answer import Answer, Grounds, load_grounds
from evals.dataset import PROMPTS, Dataset, load
from evals.engine import told_deps


@cache
def grounds() -> Grounds:
    return load_grounds()


@cache
def dataset() -> Dataset:
    return load(grounds().pack, date.max)


@cache
def prompts() -> Prompts:
    return load_prompts(PROMPTS)


@cache
def good(name: str) -> Answer:
    """The answer of a desk that judges the case as expected."""
    case = dataset().cases[name]
    deps = told_deps(case, grounds(), prompts())
    answer = as_json(asyncio.run(pipeline.propose(case.escalation, deps, now=case.now)))
    twin = good(case.row.injection.twin).json if case.row.injection else None
    return Answer(case, answer, grounds(), twin)


def some(**wanted: Any) -> str:
    """The name of the first case whose expectations have these values; of a list any will do."""

    def fits(expected: Any) -> bool:
        return all(getattr(expected, k) in (v if isinstance(v, tuple) else (v,)) for k, v in wanted.items())

    return next(name for name, case in dataset().cases.items() if fits(case.expected))
