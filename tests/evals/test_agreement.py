from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from evals import stats
from evals.stats import Level, alpha, kappa, kappa_of

THREE = ["a", "b", "c"]


def spread(table: Sequence[Sequence[int]]) -> tuple[list[str], list[str]]:
    """Two raters whose counts are this table."""
    cells = [(THREE[i], THREE[j]) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    return [a for a, _ in cells], [b for _, b in cells]


# --- kappa --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        # J. Cohen, "A coefficient of agreement for nominal scales" (1960), diagnoses of 100 patients: kappa 0.49
        ([[44, 7, 9], [5, 20, 5], [1, 3, 6]], 0.492),
        # 50 grant proposals read by two readers, 20 accepted and 15 rejected by both, 5 and 10 split: kappa 0.40
        ([[20, 5, 0], [10, 15, 0], [0, 0, 0]], 0.40),
    ],
)
def test_kappa_is_that_of_published_examples(table: list[list[int]], expected: float):
    assert kappa(*spread(table), THREE).value == pytest.approx(expected, abs=5e-4)


def test_weighted_faults_are_counted_as_cohen_did():
    """J. Cohen, "Weighted kappa" (1968): of the same 100 patients with weights 0 1 3 / 1 0 6 / 3 6 0 the value is 0.348.

    His weights are no squares, so the formula is checked with them, and the squares against a sum by hand.
    """
    table = np.array([[44, 7, 9], [5, 20, 5], [1, 3, 6]])
    weights = np.array([[0, 1, 3], [1, 0, 6], [3, 6, 0]])
    chance = np.outer(table.sum(1), table.sum(0)) / 100
    assert 1 - (weights * table).sum() / (weights * chance).sum() == pytest.approx(0.348, abs=5e-4)
    squares = np.array([[0, 1, 4], [1, 0, 1], [4, 1, 0]])
    by_hand = 1 - (squares * table).sum() / (squares * chance).sum()
    assert kappa(*spread(table.tolist()), THREE, quadratic=True).value == pytest.approx(by_hand)
    assert float(kappa_of(table.astype(float), quadratic=True)) == pytest.approx(by_hand)


@pytest.mark.parametrize("quadratic", [False, True])
def test_the_kappa_of_resamples_is_the_librarys_on_random_tables(quadratic: bool):
    rng = np.random.default_rng(11)
    for _ in range(30):
        first, second = rng.integers(0, 4, (2, int(rng.integers(5, 80))))
        counts = np.zeros((4, 4))
        np.add.at(counts, (first, second), 1)
        library = cohen_kappa_score(first, second, labels=[0, 1, 2, 3], weights="quadratic" if quadratic else None)
        assert float(kappa_of(counts, quadratic=quadratic)) == pytest.approx(library)


def test_kappa_without_two_levels_is_undefined_and_not_zero():
    same = kappa(["a"] * 30, ["a"] * 30, THREE)
    assert (same.value, same.low, same.high) == (None, None, None)
    assert (same.raw, same.prevalence, same.n) == (1.0, {"a": 1.0}, 30)
    assert kappa([], [], THREE).value is None


def test_kappa_refuses_raters_of_different_items():
    with pytest.raises(ValueError, match="both raters rate every item"):
        kappa(["a"], ["a", "b"], THREE)


# --- alpha --------------------------------------------------------------------------------------------------------

FOUR_OBSERVERS = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
"""K. Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), part C: four observers, twelve units, gaps."""
FIVE = list("12345")


def units(observers: Sequence[str]) -> list[list[str | None]]:
    return [[None if r == "." else r for r in unit] for unit in zip(*observers, strict=True)]


@pytest.mark.parametrize(("scale", "expected"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_krippendorffs_own_example(scale: Level, expected: float):
    found = alpha(units(FOUR_OBSERVERS), FIVE, scale=scale)
    assert found.value == pytest.approx(expected, abs=5e-4)
    assert found.n == 11, "one unit has a single rating"


def test_alpha_of_two_observers_is_that_of_krippendorffs_first_example():
    """The same paper, part A: ten units, two observers, two levels: 0.095."""
    assert alpha(units(["0100000010", "1110010000"]), ["0", "1"]).value == pytest.approx(0.095, abs=5e-4)


def brute(items: Sequence[Sequence[str | None]], levels: Sequence[str], scale: Level) -> float:
    """Alpha from its definition, pair of ratings by pair of ratings."""
    rated = [kept for unit in items if len(kept := [levels.index(r) for r in unit if r is not None]) > 1]
    given = Counter(r for unit in rated for r in unit)

    def fault(a: int, b: int) -> float:
        if scale == "nominal":
            return float(a != b)
        if scale == "interval":
            return float((a - b) ** 2)
        low, high = min(a, b), max(a, b)
        return (sum(given[g] for g in range(low, high + 1)) - (given[low] + given[high]) / 2) ** 2

    n = sum(given.values())
    seen = sum(sum(fault(a, b) for a, b in itertools.permutations(u, 2)) / (len(u) - 1) for u in rated) / n
    everything = [r for unit in rated for r in unit]
    by_chance = sum(fault(a, b) for a, b in itertools.permutations(everything, 2)) / (n * (n - 1))
    return 1 - seen / by_chance if by_chance else math.nan


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
def test_alpha_agrees_with_a_library_and_with_its_definition_on_random_ratings(scale: Level):
    rng = np.random.default_rng(12)
    for _ in range(20):
        raters, count = int(rng.integers(2, 5)), int(rng.integers(4, 25))
        matrix: Any = rng.integers(0, 4, (count, raters)).astype(float)
        matrix[rng.random(matrix.shape) < 0.2] = np.nan
        items = [[None if math.isnan(r) else str(int(r)) for r in row] for row in matrix]
        ours = alpha(items, list("0123"), scale=scale).value
        library = krippendorff.alpha(
            reliability_data=matrix.T, value_domain=[0.0, 1.0, 2.0, 3.0], level_of_measurement=scale
        )
        assert ours == pytest.approx(library)
        assert ours == pytest.approx(brute(items, list("0123"), scale))


def test_alpha_of_nothing_rated_twice_is_undefined():
    assert alpha([["a", None], [None, "b"]], THREE) == stats.Agreement(None, None, None, 0, None, {})
    assert alpha([["a", "a"]] * 9, THREE).value is None


# --- how sure -----------------------------------------------------------------------------------------------------


def noisy(n: int, seed: int) -> tuple[list[str], list[str]]:
    """Two raters who agree on about 85 of 100 items."""
    rng = np.random.default_rng(seed)
    first = [THREE[i] for i in rng.integers(0, 3, n)]
    return first, [THREE[int(rng.integers(0, 3))] if rng.random() < 0.225 else a for a in first]


def test_fewer_than_a_hundred_items_are_too_few_to_say():
    assert not kappa(*noisy(99, 1), THREE).enough
    assert kappa(*noisy(100, 1), THREE).enough
    assert not alpha([["a", "b"]] * 99, THREE).enough


def test_intervals_of_agreement_hold_the_true_value_about_as_often_as_they_say():
    """The true kappa of these raters is 0.775."""
    found = [kappa(*noisy(150, seed), THREE) for seed in range(120)]
    held = sum(a.low <= 0.775 <= a.high for a in found if a.low is not None and a.high is not None)
    assert 0.88 <= held / 120 <= 1
    both = alpha([list(pair) for pair in zip(*noisy(150, 1), strict=True)], THREE)
    assert both.value == pytest.approx(found[1].value, abs=0.01)
    assert both.low == pytest.approx(found[1].low, abs=0.03)


def test_the_same_ratings_give_the_same_interval():
    assert kappa(*noisy(60, 2), THREE) == kappa(*noisy(60, 2), THREE)


# --- confidence ---------------------------------------------------------------------------------------------------


def test_calibration_is_measured_by_bins_of_confidence():
    answers = [(0.95, True)] * 9 + [(0.95, False)] + [(0.55, True), (0.55, False)]
    low, high = stats.reliability(answers)
    assert (low.confidence, low.right.value, low.right.n) == (0.55, 0.5, 2)
    assert (high.confidence, high.right.value, high.right.n) == (pytest.approx(0.95), 0.9, 10)
    assert stats.calibration_error(answers) == pytest.approx(0.05)
    assert stats.calibration_error([]) is None


def test_risk_against_coverage_goes_from_the_surest_to_all():
    curve = stats.risk_coverage([(0.5, False), (0.9, True), (0.9, False), (1.0, True)])
    assert [(p.coverage, round(p.risk, 3), p.threshold) for p in curve] == [
        (0.25, 0, 1.0), (0.75, 0.333, 0.9), (1.0, 0.5, 0.5),
    ]  # fmt: skip
