"""The two guards of the live tier as arithmetic on arrays, the same for one gate and for thousands of simulated ones.

Counts of passes have the shape (gates, cases); each case was tried `trials` times by either arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evals import stats
from evals.stats import Floats, Paired

Flags: TypeAlias = NDArray[np.bool_]

TRIALS: Final = 4
"""Trials of a case by each arm, and again to confirm."""
DEAD: Final = 0.25
"""A case that passes at most this share of its trials hardly passes."""
ALIVE: Final = 0.75
"""The reference must pass at least this share of the fresh trials for a break to be the run's own."""


@dataclass(frozen=True, slots=True)
class MeanTest:
    """G1 for one headline score."""

    score: str
    cases: int
    """Cases in which both runs have it."""
    clusters: int
    before: float | None
    now: float | None
    low: float | None
    """Of the change now minus before, 95 % of the time; None of fewer than two clusters, as is `high`."""
    high: float | None
    fell: float
    """p-value of no fall, adjusted for the number of headline scores, as is `rose`."""
    rose: float
    smallest: float | None
    """The smallest fall that these cases and trials could have shown, `power` of the time."""


def suspects(reference: Floats, now: Floats) -> Flags:
    """G2: cases of which the reference passed every trial and the run hardly any, given shares of passes."""
    return (reference >= 1.0) & (now <= DEAD)


def breaks(fresh_reference: Floats, fresh_now: Floats) -> Flags:
    """G2 once more on fresh trials of both arms: whether a suspect is a break and not chance."""
    return (fresh_reference >= ALIVE) & (fresh_now <= DEAD)


def mean_change(reference: Floats, now: Floats, clusters: Sequence[str] | NDArray[Any]) -> Paired:
    """G1 for one score, unadjusted, given per-case means.

    Two or three cases may change alike by chance, so the noise is taken to be at least that of one case changing wholly.
    """
    return stats.paired(now - reference, clusters, least_error=1 / reference.shape[1])


def tests(
    pairs: Sequence[tuple[str, Sequence[float], Sequence[float], Sequence[str]]], alpha: float, power: float
) -> list[MeanTest]:
    """G1 for all headline scores of one gate.

    Args:
        pairs: for each score its name, the per-case means of the reference and of the run, and the clusters.
        alpha: level over all of them together.
        power: with which the smallest fall is told.

    """
    changes = [
        mean_change(np.asarray([before]), np.asarray([now]), clusters) if before else None
        for _, before, now, clusters in pairs
    ]
    fell = iter(stats.holm([float(c.fell[0]) for c in changes if c]))
    rose = iter(stats.holm([float(c.rose[0]) for c in changes if c]))
    level = alpha / max(1, sum(1 for c in changes if c))
    found: list[MeanTest] = []
    for (name, before, now, _), change in zip(pairs, changes, strict=True):
        if change is None:
            found.append(MeanTest(name, 0, 0, None, None, None, None, 1.0, 1.0, None))
            continue
        mean, error = float(change.mean[0]), float(change.error[0])
        low, high = stats.t_range(mean, error, change.clusters)
        smallest = stats.smallest_fall(error, change.clusters, level, power) if change.clusters > 1 else None
        means = float(np.mean(before)), float(np.mean(now))
        found.append(MeanTest(name, len(before), change.clusters, *means, low, high, next(fell), next(rose), smallest))
    return found
