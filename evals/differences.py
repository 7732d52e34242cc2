"""What differs between two groups of cases, like compared with like: within strata, and then over all of them.

Sources: Gehan (1965) for the rank test of censored times, van Elteren (1960) for the weights of its strata, Hodges and
Lehmann (1963) for the shift at which the test sees no difference, Mantel and Haenszel (1959) for shares, Newcombe (1998)
for the interval of their difference, Holm (1979) for several claims at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evals.survival import Flags, Floats, Interval

Z95: Final = 1.959963984540054
REACH: Final = 6.0
"""Largest log ratio that is looked for: a factor of 400."""
FINE: Final = 5e-4
"""Steps of the log ratio: a twentieth of a percent."""
NAN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class Sample:
    """One group of cases."""

    values: Floats
    strata: NDArray[np.int64]
    ended: Flags
    """False where a time was cut off (censored); all True for other values."""

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Difference:
    """What one group has otherwise than the other."""

    change: Interval
    """Times: a ratio, 0.8 for a fifth shorter. Shares and scores: a difference, now minus before."""
    effect: float
    """Cliff's delta among pairs whose order is known: P(now larger) minus P(now smaller), from -1 to 1."""
    p: float
    """Two-sided; nan when there is nothing to test."""


def matched(before: Sample, now: Sample) -> tuple[Sample, Sample, float]:
    """The cases of strata that both groups have, and which part of the cases of now that is."""
    both = np.intersect1d(before.strata, now.strata)
    kept = [
        Sample(s.values[mask], s.strata[mask], s.ended[mask])
        for s in (before, now)
        for mask in [np.isin(s.strata, both)]
    ]
    return kept[0], kept[1], len(kept[1]) / max(1, len(now))


# --- times -------------------------------------------------------------------------------------------------------------


def times(before: Sample, now: Sample, *, interval: bool = True) -> Difference:
    """Difference of times: the ratio at which the stratified Gehan test sees none, and the ratios that it cannot reject."""
    logs = [np.log(np.maximum(s.values, 1.0)) for s in (before, now)]
    values, ended = np.concatenate(logs), np.concatenate([before.ended, now.ended])
    strata = np.concatenate([before.strata, now.strata])
    group = np.repeat([0.0, 1.0], [len(before), len(now)])

    def z(shift: float) -> float:
        return gehan(values + shift * group, ended, strata, group)

    first = z(0.0)
    change = Interval(NAN, NAN, NAN)
    if interval and not math.isnan(first):
        # a larger shift makes the times of now longer, so that z falls; the shift that levels them out is minus the change
        low, middle, high = (_where(z, level) for level in (-Z95, 0.0, Z95))
        change = Interval(math.exp(-middle), math.exp(-low), math.exp(-high))
    return Difference(change, cliff(before, now) if interval else NAN, two_sided(first))


def gehan(values: Floats, ended: Flags, strata: NDArray[np.int64], group: Floats) -> float:
    """Gehan's test over strata as a z score; above 0 when group 1 ends earlier, nan when nothing can be compared."""
    if not len(values):
        return NAN
    order = np.lexsort((values, strata))
    t, s, d, g = values[order], strata[order], ended[order].astype(np.float64), group[order]
    last = np.searchsorted(s, s, side="right")
    start = np.flatnonzero(np.r_[True, (np.diff(t) != 0) | (np.diff(s) != 0)])
    before = np.r_[0.0, np.cumsum(g)]
    deaths, first = np.add.reduceat(d, start), np.add.reduceat(d * g, start)
    risk = (last[start] - start).astype(np.float64)
    risk_1 = before[last[start]] - before[start]
    size = last - np.searchsorted(s, s, side="left")
    weight = 1.0 / (size[start] + 1.0)
    score = float(np.sum(weight * (risk * first - deaths * risk_1)))
    spread = deaths * risk_1 * (risk - risk_1) * (risk - deaths) / np.maximum(risk - 1, 1)
    variance = float(np.sum(weight**2 * spread))
    return score / math.sqrt(variance) if variance > 0 else NAN


def _where(z: Callable[[float], float], level: float) -> float:
    """The shift at which a falling score passes `level`."""
    low, high = -REACH, REACH
    if not z(low) > level:
        return -math.inf
    if not z(high) < level:
        return math.inf
    while high - low > FINE:
        middle = (low + high) / 2
        low, high = (middle, high) if z(middle) > level else (low, middle)
    return (low + high) / 2


def cliff(before: Sample, now: Sample) -> float:
    """Cliff's delta within strata, each weighing as many cases as it has now; pairs that a cut-off hides are left out."""
    total, weight = 0.0, 0
    for stratum in np.unique(now.strata):
        a, b = before.strata == stratum, now.strata == stratum
        larger = _sure(before.values[a], before.ended[a], now.values[b], now.ended[b])
        smaller = _sure(now.values[b], now.ended[b], before.values[a], before.ended[a])
        same = _same(before, a, now, b)
        if (pairs := larger + smaller + same) > 0:
            total += (larger - smaller) / pairs * int(b.sum())
            weight += int(b.sum())
    return total / weight if weight else NAN


def _sure(short: Floats, short_ended: Flags, long: Floats, long_ended: Flags) -> float:
    """Pairs in which the first surely ended before the second."""
    ends = np.sort(short[short_ended])
    less = np.searchsorted(ends, long, side="left").sum()
    open_ = long[~long_ended]  # one cut off at the very time of an end went on after it
    return float(less + (np.searchsorted(ends, open_, side="right") - np.searchsorted(ends, open_, side="left")).sum())


def _same(before: Sample, a: Flags, now: Sample, b: Flags) -> float:
    ends, others = np.sort(before.values[a & before.ended]), now.values[b & now.ended]
    return float((np.searchsorted(ends, others, side="right") - np.searchsorted(ends, others, side="left")).sum())


# --- shares and scores -------------------------------------------------------------------------------------------------


def shares(before: Sample, now: Sample) -> Difference:
    """Difference of shares (values 0 or 1), as the mix of now would have had them; Mantel-Haenszel test."""
    counts = [_counts(s, np.unique(now.strata)) for s in (before, now)]
    (n0, k0), (n1, k1) = counts
    n, k = n0 + n1, k0 + k1
    score = float(np.sum(k1 - k * n1 / n))
    variance = float(np.sum(np.where(n > 1, n0 * n1 * k * (n - k) / (n**2 * np.maximum(n - 1, 1)), 0.0)))
    p = two_sided(score / math.sqrt(variance)) if variance > 0 else NAN
    weights = n1 / n1.sum()
    (p0, l0, u0), (p1, l1, u1) = (_mixed(weights, nn, kk) for nn, kk in counts)
    gap = p1 - p0
    change = Interval(gap, gap - math.hypot(p1 - l1, u0 - p0), gap + math.hypot(u1 - p1, p0 - l0))
    return Difference(change, gap, p)  # of two values, Cliff's delta is the difference of the shares


def _counts(sample: Sample, strata: NDArray[np.int64]) -> tuple[Floats, Floats]:
    where = np.searchsorted(strata, sample.strata)
    n = np.bincount(where, minlength=len(strata)).astype(np.float64)
    return n, np.bincount(where, weights=sample.values, minlength=len(strata)).astype(np.float64)


def _mixed(weights: Floats, n: Floats, k: Floats) -> tuple[float, float, float]:
    """A share by the mix of `weights`, with a Wilson interval for as many cases as its variance is worth."""
    rates = k / n
    p = float(np.sum(weights * rates))
    spread = float(np.sum(weights**2 * rates * (1 - rates) / n))
    worth = p * (1 - p) / spread if spread > 0 else 1 / float(np.sum(weights**2 / n))
    low, high = wilson(p, worth)
    return p, low, high


def wilson(p: float, n: float) -> tuple[float, float]:
    """Wilson's interval of a share of `n` cases, 95 %."""
    if n <= 0:
        return NAN, NAN
    z2 = Z95**2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def scores(before: Sample, now: Sample) -> Difference:
    """Difference of mean scores, as the mix of now would have had them; van Elteren's rank test."""
    strata = np.unique(now.strata)
    weights, gap, spread = 0.0, 0.0, 0.0
    for stratum in strata:
        a, b = before.values[before.strata == stratum], now.values[now.strata == stratum]
        if len(a) < 2 or len(b) < 2:
            continue
        weights += len(b)
        gap += len(b) * float(b.mean() - a.mean())
        spread += len(b) ** 2 * float(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    if not weights:
        return Difference(Interval(NAN, NAN, NAN), NAN, NAN)
    at, half = gap / weights, Z95 * math.sqrt(spread) / weights
    values, kept = np.concatenate([before.values, now.values]), np.concatenate([before.strata, now.strata])
    group = np.repeat([0.0, 1.0], [len(before), len(now)])
    z = gehan(values, np.ones(len(values), np.bool_), kept, group)
    return Difference(Interval(at, at - half, at + half), cliff(before, now), two_sided(z))


# --- several claims ----------------------------------------------------------------------------------------------------


def two_sided(z: float) -> float:
    """The chance of a score at least as far from 0, were there no difference."""
    return NAN if math.isnan(z) else math.erfc(abs(z) / math.sqrt(2))


def holm(p: Sequence[float]) -> list[float]:
    """The p-values as they count when all are claimed together; nan stays nan and counts for none."""
    real = sorted((value, n) for n, value in enumerate(p) if not math.isnan(value))
    found, most = [NAN] * len(p), 0.0
    for rank, (value, n) in enumerate(real):
        most = max(most, min(1.0, value * (len(real) - rank)))
        found[n] = most
    return found
