"""Eval runs made by hand, and drawn ones of which the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evals.outcome import Run, Score, Trial

ANSWER: dict[str, Any] = {
    "engine": "embedded", "state": "ready", "issue_type": "damaged_or_defective", "severity": "S3",
    "primary_team": "fulfilment", "collaborators": ["carrier_claims"], "flags": [], "human_lead": False, "language": "en",
    "confidence": {"issue_type": 0.9, "severity": 0.8, "route": 0.9},
    "draft": {"kind": "reply", "subject": "Your order", "body": "Dear Ada,\n\nwe are sorry about the cup.\n\nKeep the box."},
    "guard": {"verdict": "pass", "findings": [], "facts": []},
    "versions": {"prompt": "aaaa"},
}  # fmt: skip


def hard(value: float | None = 1.0, name: str = "facts", reason: str = "") -> Score:
    return Score(name=name, kind="hard", value=value, reason=reason or ("" if value == 1 else f"{name} does not hold"))


def soft(value: float | None = 0.8, name: str = "completeness", reason: str = "") -> Score:
    return Score(name=name, kind="soft", value=value, reason=reason)


def trial(case: str = "dmg-1", number: int = 0, *scores: Score, **given: Any) -> Trial:
    """A trial that holds, but for what is given; `answer` is laid over a good one."""
    answer = given.pop("answer", {})
    fields: dict[str, Any] = {
        "issue_type": "damaged_or_defective", "language": "en", "severity": "S3", "split": "gate", "cluster": case,
        "scores": scores or (hard(), soft()),
    } | given  # fmt: skip
    whole = None if answer is None else {**ANSWER, **answer}
    return Trial(case=case, trial=number, answer=whole, **fields)


def run(*trials: Trial, id: str = "run_b", **given: Any) -> Run:  # noqa: A002 - the field's own name
    fields: dict[str, Any] = {
        "tier": "embedded",
        "engine": "embedded",
        "dataset": "d" * 64,
        "scorers": "s" * 64,
    } | given
    return Run(id=id, trials=trials, **fields)


def drawn(
    chances: Sequence[float], seed: int, *, id: str = "run_b", trials: int = 4, cluster: int = 1, **given: Any  # noqa: A002
) -> Run:  # fmt: skip
    """A live run whose cases pass with these chances."""
    rng = np.random.default_rng(seed)
    held = rng.random((len(chances), trials)) < np.asarray(chances)[:, None]
    rows = [
        trial(f"case-{c:03}", t, hard(float(held[c, t])), cluster=f"cluster-{c // cluster}")
        for c in range(len(chances))
        for t in range(trials)
    ]
    return run(*rows, id=id, tier="live", engine="a model", **given)
