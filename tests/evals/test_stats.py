from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest

from evals import stats

# --- intervals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_those_of_newcombe(hits: int, of: int, low: float, high: float):
    """R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table I."""
    found = stats.wilson(hits, of)
    assert found
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
    assert (found.value, found.n) == (hits / of, of)


def test_a_share_of_nothing_has_no_interval():
    assert stats.wilson(0, 0) is None
    assert stats.mean_interval([], []) is None


def test_the_interval_of_a_mean_holds_it_about_as_often_as_it_says():
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(200):
        values = rng.beta(9, 1, 60)
        found = stats.mean_interval(list(values), [str(i) for i in range(60)])
        assert found
        held += found.low <= 0.9 <= found.high
    assert 0.89 <= held / 200 <= 0.99


def test_cases_of_one_cluster_count_as_little_more_than_one():
    alone = stats.mean_interval([0.0, 1.0] * 20, [str(i) for i in range(40)])
    together = stats.mean_interval([0.0] * 20 + [1.0] * 20, [str(i // 4) for i in range(40)])
    assert alone
    assert together
    assert alone.high - alone.low < 0.7 * (together.high - together.low)
    assert stats.mean_interval([0.4, 0.6], ["a", "a"]) == stats.Interval(0.5, 0.0, 1.0, 2)


def test_all_k_of_k_is_counted_without_bias():
    """By brute force: the share of the subsets of size k that hold passes only."""
    for trials, passed, k in itertools.product(range(1, 7), range(7), range(1, 7)):
        if passed > trials:
            continue
        results = [True] * passed + [False] * (trials - passed)
        subsets = list(itertools.combinations(results, k))
        expected = sum(all(s) for s in subsets) / len(subsets) if subsets else None
        assert stats.pass_hat(passed, trials, k) == (expected if expected is None else pytest.approx(expected))


# --- two runs -----------------------------------------------------------------------------------------------------


def test_the_paired_test_without_clusters_is_the_textbooks():
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(3)
    differences = rng.normal(-0.02, 0.1, (5, 40))
    found = stats.paired(differences, [str(i) for i in range(40)])
    for row, p in zip(differences, found.fell, strict=True):
        assert p == pytest.approx(ttest_1samp(row, 0, alternative="less").pvalue)
    assert found.fell + found.rose == pytest.approx(np.ones(5))


def test_the_paired_test_of_clusters_is_that_of_their_means_when_they_are_of_one_size():
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(4)
    differences = rng.normal(-0.02, 0.1, (1, 40)) + np.repeat(rng.normal(0, 0.1, 10), 4)
    found = stats.paired(differences, [str(i // 4) for i in range(40)])
    means = differences[0].reshape(10, 4).mean(axis=1)
    assert found.fell[0] == pytest.approx(ttest_1samp(means, 0, alternative="less").pvalue)
    assert found.clusters == 10


def test_no_change_at_all_is_no_fall_and_one_fall_everywhere_is_certain():
    names = [str(i) for i in range(20)]
    assert stats.paired(np.zeros((1, 20)), names).fell[0] == 0.5
    assert stats.paired(np.full((1, 20), -0.25), names).fell[0] == pytest.approx(0, abs=1e-9)
    assert stats.paired(np.full((1, 20), -0.25), ["one"] * 20).fell[0] == 1


def test_holm_adjusts_as_worked_through_by_hand():
    """Four tests at 0.01, 0.04, 0.03 and 0.005: times 4, 3, 2, 1 in their order, never falling."""
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.6, 0.7]) == [1.0, 1.0]
    assert stats.holm([]) == []


def test_holm_agrees_with_trying_every_level():
    """By brute force: step down at each level; the adjusted value is the least level that rejects."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        p_values = list(rng.uniform(0, 0.3, 4))
        levels = np.linspace(0, 1, 2001)
        for at, adjusted in enumerate(stats.holm(p_values)):
            least = next(level for level in levels if at in _rejected(p_values, level))
            assert adjusted == pytest.approx(least, abs=6e-4)


def _rejected(p_values: Sequence[float], level: float) -> set[int]:
    found: set[int] = set()
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[at] > level / (len(p_values) - rank):
            break
        found.add(at)
    return found


def test_the_smallest_fall_is_seen_as_often_as_promised():
    rng = np.random.default_rng(6)
    names, error = [str(i) for i in range(60)], 0.2 / math.sqrt(60)
    fall = stats.smallest_fall(error, 60, 0.05, 0.8)
    seen = stats.paired(rng.normal(-fall, 0.2, (4000, 60)), names).fell < 0.05
    assert seen.mean() == pytest.approx(0.8, abs=0.03)
    assert stats.smallest_fall(0.1, 1, 0.05, 0.8) == math.inf


def test_mcnemar_is_the_exact_binomial_one():
    assert stats.mcnemar(0, 0) == 1
    assert stats.mcnemar(6, 0) == pytest.approx(2 / 64)
    assert stats.mcnemar(1, 9) == stats.mcnemar(9, 1) == pytest.approx(22 / 1024)
