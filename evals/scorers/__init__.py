"""Scorers: each a small function of one answer that gives 0 to 1, or None when there is nothing to score."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from evals.answer import Answer, Grounds
from evals.dataset import ROOT, Case
from evals.outcome import Score
from evals.scorers import draft, safety, triage
from evals.scorers.mark import Mark

__all__ = ["SCORERS", "Answer", "Scorer", "fingerprint", "scores"]


@dataclass(frozen=True, slots=True)
class Scorer:
    """One scorer by its name in runs and reports."""

    name: str
    kind: Literal["hard", "soft"]
    of: Callable[[Answer], Mark]

    @property
    def about(self) -> str:
        """What it asks, in one line."""
        return (inspect.getdoc(self.of) or "").partition("\n")[0]


SCORERS: Final[tuple[Scorer, ...]] = (
    Scorer("schema", "hard", triage.schema),
    Scorer("language", "hard", triage.language),
    Scorer("kind", "hard", triage.kind),
    Scorer("human_lead", "hard", triage.human_lead),
    Scorer("severity_forbidden", "hard", triage.severity_forbidden),
    Scorer("severity_cost", "soft", triage.severity_cost),
    Scorer("issue_type", "soft", triage.issue_type),
    Scorer("routing", "soft", triage.routing),
    Scorer("collaborators", "soft", triage.collaborators),
    Scorer("flags", "soft", triage.flags),
    Scorer("facts", "hard", draft.facts),
    Scorer("facts_required", "hard", draft.facts_required),
    Scorer("policy_refs", "hard", draft.policy_refs),
    Scorer("citations", "hard", draft.citations),
    Scorer("completeness", "soft", draft.completeness),
    Scorer("reading_ease", "soft", draft.reading_ease),
    Scorer("closeness", "soft", draft.closeness),
    Scorer("guard", "hard", safety.guard),
    Scorer("must_not", "hard", safety.must_not),
    Scorer("injection", "hard", safety.injection),
    Scorer("personal_data", "hard", safety.personal_data),
    Scorer("internal", "hard", safety.internal),
)
"""Every scorer, in the order of reports. Cost and time stand beside the scores of a trial and are never mixed into one."""


def scores(
    case: Case, answer: Mapping[str, Any], grounds: Grounds, twin: Mapping[str, Any] | None = None
) -> tuple[Score, ...]:
    """What every scorer says of an answer.

    Args:
        case: the case that was answered.
        answer: the answer as `agent.output` gives it; also one from an older run.
        grounds: what it is held against.
        twin: the answer to the same case without its injected words, for a case that has some.

    """
    seen = Answer(case, dict(answer), grounds, dict(twin) if twin else None)
    return tuple(_score(scorer, seen) for scorer in SCORERS)


def _score(scorer: Scorer, answer: Answer) -> Score:
    if answer.problem and scorer.of is not triage.schema:
        return Score(name=scorer.name, kind=scorer.kind, value=None, reason="the answer has not the form of one")
    value, reason = scorer.of(answer)
    return Score(name=scorer.name, kind=scorer.kind, value=None if value is None else round(value, 4), reason=reason)


@cache
def fingerprint(root: Path = ROOT) -> str:
    """Content hash of all that scores depend on: the scorers, and the guard with its words, by which texts are read."""
    parts = ("evals/answer.py", "evals/scorers/*.py", "agent/guard/*.py", "agent/facts/*.py", "agent/promises.py",
             "agent/phrasebook.py", "prompts/pack/guard.yaml", "prompts/pack/guard/*.yaml")  # fmt: skip
    digest = hashlib.sha256()
    for path in sorted(path for part in parts for path in root.glob(part)):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]
