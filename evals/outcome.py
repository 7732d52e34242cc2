"""What an eval run leaves behind: every trial of every case with its answer and its scores."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

VERSION = 1
"""Schema of stored runs; another one is refused."""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Score(_Stored):
    """What one scorer says about one answer."""

    name: str
    """The scorer."""
    kind: Literal["hard", "soft", "judge"]
    """`hard` tolerates nothing, `soft` is compared statistically, `judge` only advises."""
    value: Annotated[float, Field(ge=0, le=1)] | None
    """0 is worst, 1 is best; None when the scorer could not or need not score, which is never a zero."""
    reason: str = ""
    """Why it is not 1, or why there is none."""


class Trial(_Stored):
    """One answer to one case."""

    case: str
    trial: int = Field(default=0, ge=0)
    issue_type: str
    """Expected, by which reports are cut, as are language, severity, split and cluster."""
    language: str
    severity: str
    split: Literal["gate", "guard", "holdout", "quarantine"]
    cluster: str
    answer: dict[str, Any] | None
    """The proposal as `agent.output` gives it, without timing; None when there is none."""
    scores: tuple[Score, ...] = ()
    error: str = ""
    """Why there is no answer: the machinery failed, which counts apart from a bad answer."""
    stale: str = ""
    """Why the stored model answer no longer belongs to its request; then the scores are no measure of quality."""
    cost_usd: float | None = None
    latency_ms: float | None = None
    """Wall clock of the answer; None in a replay, where it means nothing."""


class Run(_Stored):
    """All trials of one run, with the hashes of what made them."""

    v: Literal[1] = 1
    id: str
    tier: Literal["embedded", "replay", "live"]
    """`embedded`: the engine without a model; `replay`: stored model answers; `live`: real ones."""
    engine: str
    dataset: str
    """Content hash of cases and expectations."""
    scorers: str
    """Content hash of the scorers; runs with different ones do not compare."""
    versions: dict[str, str] = {}
    """Hashes of pack, prompts, classifier, encoder."""
    trials: tuple[Trial, ...]
