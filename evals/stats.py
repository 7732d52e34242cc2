"""Statistics of evals and ratings: intervals, the paired test of two runs, agreement of raters, calibration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Floats: TypeAlias = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]

DRAWS: Final = 2000
"""Resamples of a bootstrap."""
ENOUGH: Final = 100
"""Items rated twice below which an agreement says too little: at 50 its interval spans half of the scale."""
_MOST_UNDEFINED: Final = 0.05
"""Share of resamples without a value above which the interval of the others would mislead."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the range that holds the true one in 95 of 100 repetitions."""

    value: float
    low: float
    high: float
    n: int
    """Cases or trials that it rests on."""


# --- intervals ----------------------------------------------------------------------------------------------------


def wilson(hits: int, of: int, level: float = 0.95) -> Interval | None:
    """The share `hits / of` with Wilson's interval (1927), which holds at 0 and at 1 too; None of nothing."""
    if not of:
        return None
    found: Any = stats.binomtest(hits, of).proportion_ci(level, method="wilson")
    return Interval(hits / of, float(found.low), float(found.high), of)


def mean_interval(values: Sequence[float], clusters: Sequence[str], level: float = 0.95) -> Interval | None:
    """The mean with a percentile bootstrap interval over whole clusters, since near duplicates fail together.

    With fewer than two clusters the range is all of 0 to 1; with fewer than about ten it is too narrow.
    """
    if not values:
        return None
    data = np.asarray(values, dtype=np.float64)
    mean = float(data.mean())
    names, place = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < 2:
        return Interval(mean, 0.0, 1.0, len(data))
    sums, sizes = np.bincount(place, weights=data), np.bincount(place).astype(np.float64)
    found: Any = stats.bootstrap(
        (sums, sizes),
        lambda total, size, axis: total.sum(axis=axis) / size.sum(axis=axis),  # pyright: ignore[reportUnknownLambdaType]
        paired=True, vectorized=True, n_resamples=DRAWS, confidence_level=level, method="percentile",
        rng=np.random.default_rng(0),
    )  # fmt: skip
    low, high = float(found.confidence_interval.low), float(found.confidence_interval.high)
    return Interval(mean, low, high, len(data))


def pass_hat(passed: int, trials: int, k: int) -> float | None:
    """pass^k: chance that k trials drawn from these all passed, without bias; None when there are fewer than k.

    The estimate C(passed, k) / C(trials, k) is that of tau-bench (2024).
    """
    return float(special.comb(passed, k) / special.comb(trials, k)) if 0 < k <= trials else None


# --- two runs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Paired:
    """Mean change over cases, one entry for each pair of runs."""

    mean: Floats
    error: Floats
    """Standard error, by cluster."""
    fell: Floats
    """One-sided p-value of no fall."""
    rose: Floats
    """One-sided p-value of no rise."""
    clusters: int


def paired(differences: Floats, clusters: Sequence[str] | NDArray[Any], least_error: float = 0.0) -> Paired:
    """t-test of per-case differences whose errors may go together within a cluster (sandwich estimate, G - 1 degrees).

    Args:
        differences: now minus reference, shape (pairs of runs, cases).
        clusters: the cluster of each case.
        least_error: the error is taken to be at least this, for few differences that happen to be equal.

    """
    names, place = np.unique(np.asarray(clusters), return_inverse=True)
    cases, groups = differences.shape[1], len(names)
    mean = differences.mean(axis=1)
    if groups < 2:
        unknown, one = np.full(mean.shape, np.inf), np.ones(mean.shape)
        return Paired(mean, unknown, one, one, groups)
    member = np.zeros((cases, groups))
    member[np.arange(cases), place] = 1.0
    sums = (differences - mean[:, None]) @ member
    error = np.maximum(np.sqrt(groups / (groups - 1) * (sums**2).sum(axis=1)) / cases, least_error)
    # Equal differences have no error: any change is then certain, and none is none.
    t = np.divide(mean, error, out=np.where(mean == 0, 0.0, np.copysign(np.inf, mean)), where=error > 0)
    return Paired(mean, error, _t_cdf(t, groups - 1), _t_cdf(-t, groups - 1), groups)


def _t_cdf(t: Floats, degrees: int) -> Floats:
    return np.asarray(special.stdtr(degrees, t), dtype=np.float64)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for having asked several questions (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = highest
    return adjusted


def smallest_fall(error: float, clusters: int, alpha: float, power: float) -> float:
    """The fall that a test with this standard error would see `power` of the time at level `alpha`."""
    if clusters < 2:
        return math.inf
    return float(special.stdtrit(clusters - 1, 1 - alpha) + special.stdtrit(clusters - 1, power)) * error


def t_range(mean: float, error: float, clusters: int, level: float = 0.95) -> tuple[float | None, float | None]:
    """The range of a mean change; None of fewer than two clusters."""
    if clusters < 2:
        return None, None
    reach = float(special.stdtrit(clusters - 1, (1 + level) / 2)) * error
    return mean - reach, mean + reach


def mcnemar(broke: int, mended: int) -> float:
    """Exact two-sided p-value of as many flips down as up (McNemar 1947)."""
    return float(stats.binomtest(broke, broke + mended).pvalue) if broke + mended else 1.0


# --- agreement ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far raters agree beyond chance."""

    value: float | None
    """None when it is undefined, e.g. because only one level was ever given; that is not a zero."""
    low: float | None
    high: float | None
    n: int
    """Items with at least two ratings."""
    raw: float | None
    """Share of the pairs of ratings that are equal."""
    prevalence: Mapping[str, float]
    """Share of each level among the ratings: where one level is nearly all, a low value says little."""

    @property
    def enough(self) -> bool:
        """Whether there are items enough to say anything; otherwise show "too few"."""
        return self.n >= ENOUGH


def kappa(
    first: Sequence[str], second: Sequence[str], levels: Sequence[str], *, quadratic: bool = False, seed: int = 0
) -> Agreement:
    """Cohen's kappa (1960) of two raters of the same items; `quadratic` weighs a fault by its squared distance (1968).

    Args:
        first: the level that the one rater gave to each item.
        second: the same of the other.
        levels: all levels in their order.
        quadratic: for ordered levels.
        seed: of the bootstrap over items.

    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} ratings against {len(second)}: both raters rate every item.")
    if not first:
        return Agreement(None, None, None, 0, None, {})
    at = {level: place for place, level in enumerate(levels)}
    counts = np.zeros((len(levels), len(levels)))
    for a, b in zip(first, second, strict=True):
        counts[at[a], at[b]] += 1
    draws = _multinomial(counts.ravel(), seed).reshape(DRAWS, *counts.shape)
    low, high = _range(kappa_of(draws, quadratic=quadratic))
    raw = float(np.trace(counts) / counts.sum())
    value = _defined(_kappa(first, second, levels, quadratic))
    return Agreement(value, low, high, len(first), raw, _prevalence([*first, *second]))


def _kappa(first: Sequence[str], second: Sequence[str], levels: Sequence[str], quadratic: bool) -> float:
    from sklearn.metrics import cohen_kappa_score  # pyright: ignore[reportUnknownVariableType]

    if len({*first, *second}) < 2:
        return math.nan
    weights = "quadratic" if quadratic else None
    return float(cast("Any", cohen_kappa_score)(first, second, labels=list(levels), weights=weights))


def kappa_of(counts: Floats, *, quadratic: bool = False) -> Floats:
    """Cohen's kappa of tables of counts, shape (..., levels, levels); NaN where it is undefined."""
    steps = np.arange(counts.shape[-1], dtype=np.float64)
    faults = _squares(steps) if quadratic else 1.0 - np.eye(len(steps))
    total = counts.sum(axis=(-2, -1))
    chance = counts.sum(axis=-1)[..., :, None] * counts.sum(axis=-2)[..., None, :] / total[..., None, None]
    return _beyond_chance(counts * faults, chance * faults)


def alpha(
    items: Sequence[Sequence[str | None]], levels: Sequence[str], *, scale: Level = "nominal", seed: int = 0
) -> Agreement:
    """Krippendorff's alpha of any number of raters with gaps, as in "Computing Krippendorff's alpha-reliability" (2011).

    Args:
        items: the ratings of each item, None where a rater gave none; items with fewer than two say nothing.
        levels: all levels in their order; for `interval` they stand one step apart.
        scale: whether levels are names, have an order, or have distances.
        seed: of the bootstrap, which draws whole items (Krippendorff's own draws single disagreements).

    """
    at = {level: place for place, level in enumerate(levels)}
    rated = [[r for r in ratings if r is not None] for ratings in items]
    pairable = [ratings for ratings in rated if len(ratings) > 1]
    if not pairable:
        return Agreement(None, None, None, 0, None, {})
    pairs = np.zeros((len(pairable), len(levels), len(levels)))
    for number, ratings in enumerate(pairable):
        given = np.bincount([at[r] for r in ratings], minlength=len(levels)).astype(np.float64)
        pairs[number] = (np.outer(given, given) - np.diag(given)) / (len(ratings) - 1)
    draws = _multinomial(np.ones(len(pairable)), seed) @ pairs.reshape(len(pairable), -1)
    low, high = _range(_alpha_of(draws.reshape(DRAWS, len(levels), len(levels)), scale))
    whole = pairs.sum(axis=0)
    raw = float(np.trace(whole) / whole.sum())
    value = _defined(float(_alpha_of(whole, scale)))
    return Agreement(value, low, high, len(pairable), raw, _prevalence([r for some in pairable for r in some]))


def _alpha_of(coincidences: Floats, scale: Level) -> Floats:
    """Alpha of coincidence matrices, shape (..., levels, levels)."""
    counts = coincidences.sum(axis=-1)
    total = counts.sum(axis=-1)
    steps = np.arange(counts.shape[-1], dtype=np.float64)
    faults = 1.0 - np.eye(len(steps))
    if scale != "nominal":
        faults = _squares(np.cumsum(counts, axis=-1) - counts / 2 if scale == "ordinal" else steps)
    chance = counts[..., :, None] * counts[..., None, :] / (total[..., None, None] - 1)
    return _beyond_chance(coincidences * faults, chance * faults)


def _squares(places: Floats) -> Floats:
    """Squared distances of all pairs."""
    return (places[..., :, None] - places[..., None, :]) ** 2


def _beyond_chance(seen: Floats, expected: Floats) -> Floats:
    """1 less the disagreement seen as a share of the one that chance brings; NaN where chance brings none."""
    given: Floats = seen.sum(axis=(-2, -1))
    by_chance: Floats = np.asarray(expected.sum(axis=(-2, -1)))
    return 1.0 - np.divide(given, by_chance, out=np.full(by_chance.shape, np.nan), where=by_chance > 0)


def _multinomial(counts: Floats, seed: int) -> Floats:
    """As many items drawn anew as there are, `DRAWS` times: how often each cell was drawn."""
    number = int(counts.sum())
    return np.random.default_rng(seed).multinomial(number, counts / counts.sum(), DRAWS).astype(np.float64)


def _range(drawn: Floats) -> tuple[float | None, float | None]:
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < (1 - _MOST_UNDEFINED) * len(drawn):
        return None, None
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _prevalence(ratings: Sequence[str]) -> dict[str, float]:
    return {level: count / len(ratings) for level, count in Counter(ratings).most_common()}


# --- confidence ---------------------------------------------------------------------------------------------------

BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about the same confidence."""

    confidence: float
    """Their mean."""
    right: Interval
    """Share of them that is right."""


@dataclass(frozen=True, slots=True)
class Point:
    """What happens when the desk answers only where it is surest."""

    coverage: float
    """Share of the cases that it then answers."""
    risk: float
    """Share of those that it gets wrong."""
    threshold: float
    """Least confidence that it then answers with."""


def reliability(answers: Sequence[tuple[float, bool]], bins: int = BINS) -> list[Bin]:
    """Confidence against truth in equal bins of confidence, empty ones left out."""
    found: list[Bin] = []
    for number in range(bins):
        inside = [(p, ok) for p, ok in answers if min(int(p * bins), bins - 1) == number]
        if right := wilson(sum(ok for _, ok in inside), len(inside)):
            found.append(Bin(sum(p for p, _ in inside) / len(inside), right))
    return found


def calibration_error(answers: Sequence[tuple[float, bool]], bins: int = BINS) -> float | None:
    """Expected calibration error: mean gap between confidence and share right over equal bins, weighted by their size.

    Chance alone gives about 0.05 to 0.10 on a hundred texts.
    """
    if not answers:
        return None
    gap = sum(abs(b.confidence - b.right.value) * b.right.n for b in reliability(answers, bins))
    return round(gap / len(answers), 3)


def risk_coverage(answers: Sequence[tuple[float, bool]]) -> list[Point]:
    """The curve from the surest answers to all of them; answers of one confidence come in together."""
    ordered = sorted(answers, key=lambda a: -a[0])
    found: list[Point] = []
    wrong = 0
    for number, (confidence, ok) in enumerate(ordered, start=1):
        wrong += not ok
        if number == len(ordered) or ordered[number][0] != confidence:
            found.append(Point(number / len(ordered), wrong / number, confidence))
    return found
