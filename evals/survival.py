"""How long things take when some have not ended: Kaplan-Meier curves, their quantiles, and bootstrap intervals of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

CELLS: Final = 2000
"""Different times that a bootstrap tells apart; more of them are put together in order, 0.05 % of the cases at a time."""
ROUNDS: Final = 400
"""Samples of a bootstrap."""
_HAIR: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Curve:
    """The share that still goes on after each time at which one ended."""

    times: Floats
    share: Floats
    at_risk: NDArray[np.int64]
    """Cases that were still seen just before."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the bounds within which 95 of 100 such intervals hold the truth; nan where nothing can be said."""

    at: float
    low: float
    high: float


def curve(times: Floats, ended: Flags) -> Curve:
    """The Kaplan-Meier estimate.

    Args:
        times: how long each was seen, any unit.
        ended: whether it ended then; False for what was still going on (censored).

    """
    cells, events, lost = _cells(times, ended, len(times))
    share, at_risk = _share(events[None, :], lost[None, :])
    some = events > 0
    return Curve(cells[some], share[0][some], at_risk[0][some].astype(np.int64))


def quantile(times: Floats, ended: Flags, part: float) -> float:
    """The time by which `part` of all have ended; nan when that lies beyond what was seen."""
    found = curve(times, ended)
    reached = np.flatnonzero(found.share <= 1 - part + _HAIR)
    return float(found.times[reached[0]]) if len(reached) else float("nan")


def quantiles(
    times: Floats, ended: Flags, parts: Sequence[float], rng: np.random.Generator, rounds: int = ROUNDS
) -> list[Interval]:
    """Quantiles with bootstrap intervals (percentiles of resampled estimates); a bound that lies beyond what was seen is inf."""
    if not len(times):
        return [Interval(float("nan"), float("nan"), float("nan")) for _ in parts]
    cells, events, lost = _cells(times, ended, CELLS)
    weights = np.concatenate([events, lost]) / len(times)
    drawn: Any = rng.multinomial(len(times), weights / weights.sum(), size=rounds)
    share, _ = _share(drawn[:, : len(cells)], drawn[:, len(cells) :])
    found: list[Interval] = []
    for part in parts:
        reached = share <= 1 - part + _HAIR
        at = np.where(reached.any(axis=1), cells[reached.argmax(axis=1)], np.inf)
        low, high = np.quantile(at, [0.025, 0.975], method="inverted_cdf")
        found.append(Interval(quantile(times, ended, part), float(low), float(high)))
    return found


def _cells(times: Floats, ended: Flags, most: int) -> tuple[Floats, Floats, Floats]:
    """Different times in order, and how many ended or were lost from sight at each."""
    cells, of = np.unique(times, return_inverse=True)
    if len(cells) > most:
        order = np.argsort(np.argsort(times, kind="stable"), kind="stable")
        of = order * most // len(times)
        cells = np.full(most, -np.inf)
        np.maximum.at(cells, of, times)
    events = np.bincount(of, weights=ended, minlength=len(cells)).astype(np.float64)
    return cells.astype(np.float64), events, np.bincount(of, minlength=len(cells)).astype(np.float64) - events


def _share(events: Any, lost: Any) -> tuple[Floats, Any]:
    """Rows of samples: the share that goes on after each cell, and the number at risk before it."""
    gone = np.cumsum(events + lost, axis=1)
    at_risk = gone[:, -1:] - gone + events + lost
    with np.errstate(invalid="ignore", divide="ignore"):
        stay = np.where(at_risk > 0, 1 - events / at_risk, 1.0)
    return np.cumprod(stay, axis=1).astype(np.float64), at_risk
