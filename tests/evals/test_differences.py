from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evals import differences
from evals.differences import Sample, cliff, gehan, holm, matched, scores, shares, times
from evals.survival import curve, quantile, quantiles


def sample(values, strata=None, ended=None) -> Sample:
    values = np.asarray(values, float)
    strata = np.zeros(len(values), np.int64) if strata is None else np.asarray(strata, np.int64)
    return Sample(values, strata, np.ones(len(values), bool) if ended is None else np.asarray(ended, bool))


def drawn(rng, n, factor=1.0, cut=None) -> Sample:
    """Log-normal times in four strata of very different length, cut off at `cut` where they go on."""
    strata = rng.integers(0, 4, n)
    values = np.exp(rng.normal(9 + 0.8 * strata, 1.0)) * factor
    ended = np.ones(n, bool) if cut is None else values <= (edge := rng.uniform(0.3, 1, n) * cut)
    return Sample(values if cut is None else np.minimum(values, edge), strata, ended)


# --- against a second library -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_of_cut_off_times_is_that_of_a_second_library(seed: int):
    rng = np.random.default_rng(seed)
    values, cut = np.round(rng.exponential(10, 200), 1), rng.exponential(15, 200).round(1)
    seen, ended = np.minimum(values, cut), values <= cut
    theirs = stats.ecdf(stats.CensoredData(uncensored=seen[ended], right=seen[~ended])).sf
    ours = curve(seen, ended)
    assert np.allclose(ours.share, theirs.evaluate(ours.times))
    assert quantile(seen, ended, 0.5) == theirs.quantiles[theirs.probabilities <= 0.5 + 1e-12][0]


def test_without_cut_off_times_the_test_is_the_rank_sum_test_of_a_second_library():
    rng = np.random.default_rng(3)
    a, b = rng.normal(9, 1, 150), rng.normal(9.2, 1, 130)
    theirs = stats.mannwhitneyu(b, a, method="asymptotic", use_continuity=False).pvalue
    assert times(sample(np.exp(a)), sample(np.exp(b)), interval=False).p == pytest.approx(theirs, rel=0.05)
    effect = 2 * stats.mannwhitneyu(b, a).statistic / (len(a) * len(b)) - 1
    assert cliff(sample(a), sample(b)) == pytest.approx(effect)


def test_the_shift_of_uncut_times_is_the_median_of_all_pairwise_ratios():
    rng = np.random.default_rng(4)
    a, b = np.exp(rng.normal(9, 1, 120)), np.exp(rng.normal(8.7, 1, 140))
    pairs = np.exp(np.median(np.log(b)[:, None] - np.log(a)[None, :]))
    assert times(sample(a), sample(b)).change.at == pytest.approx(pairs, rel=1e-3)


def test_the_test_of_shares_is_that_of_a_two_by_two_table():
    a, b = sample([1] * 30 + [0] * 70), sample([1] * 45 + [0] * 55)
    theirs = stats.chi2_contingency([[30, 70], [45, 55]], correction=False).statistic * 199 / 200
    assert shares(a, b).p == pytest.approx(stats.chi2(1).sf(theirs))
    assert shares(a, b).change.at == pytest.approx(0.15)


# --- known answers ------------------------------------------------------------------------------------------------------


def test_a_case_that_goes_on_is_neither_dropped_nor_taken_as_ended():
    """Half of the long ones are still open: the mean of the ended ones would call it short."""
    rng = np.random.default_rng(0)
    values = np.exp(rng.normal(3, 1, 4000))
    cut = rng.uniform(0, 60, 4000)
    seen, ended = np.minimum(values, cut), values <= cut
    truth = math.exp(3)
    assert quantile(seen, ended, 0.5) == pytest.approx(truth, rel=0.06)
    assert np.median(seen[ended]) < 0.75 * truth
    assert quantile(seen, np.ones(4000, bool), 0.5) < 0.75 * truth


def test_a_median_beyond_what_was_seen_is_not_told():
    assert math.isnan(quantile(np.array([1.0, 2, 3, 3, 3]), np.array([1, 0, 0, 0, 0], bool), 0.5))
    (found,) = quantiles(np.full(5, 3.0), np.zeros(5, bool), [0.5], np.random.default_rng(0))
    assert math.isnan(found.at)
    assert found.high == math.inf


def test_a_shift_of_the_mix_alone_is_no_difference():
    rng = np.random.default_rng(1)
    before = drawn(rng, 800)
    now = drawn(rng, 3000)
    keep = rng.uniform(size=3000) < np.where(now.strata == 3, 0.9, 0.15)  # many more of the long kind
    now = Sample(now.values[keep], now.strata[keep], now.ended[keep])
    assert np.median(now.values) > 1.4 * np.median(before.values)
    found = times(before, now)
    assert found.p > 0.05
    assert found.change.low < 1 < found.change.high


def test_only_strata_that_both_have_are_compared_and_their_part_is_told():
    a, b, part = matched(sample([1, 2, 3], [0, 0, 1]), sample([1, 2, 3, 4], [0, 1, 2, 2]))
    assert (len(a), len(b), part) == (3, 2, 0.5)


def test_several_claims_together_need_more_than_each_alone():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, math.nan]) == [0.5, pytest.approx(math.nan, nan_ok=True)]


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 5.0]])
def test_nothing_to_compare_is_said_and_no_error(values: list[float]):
    found = times(sample(values), sample(values))
    assert math.isnan(found.p)
    assert math.isnan(times(sample([1.0, 2], ended=[0, 0]), sample([1.0, 3], ended=[0, 0])).p)


# --- simulated truth ----------------------------------------------------------------------------------------------------


RUNS = [
    pytest.param(200, 0.915, 0.985, id="few"),
    pytest.param(1000, 0.93, 0.97, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
]
"""Runs, and the shares of intervals between which chance leaves those that hold the truth in 95 of 100."""


@pytest.mark.parametrize(("runs", "least", "most"), RUNS)
def test_intervals_hold_the_truth_as_often_as_they_say(runs: int, least: float, most: float):
    """A ratio of 0.8 with some times cut off, five points more of a share, half a point more of a score."""
    rng = np.random.default_rng(7)
    hit = np.zeros(3)
    for _ in range(runs):
        ratio = times(drawn(rng, 200, cut=4e5), drawn(rng, 200, 0.8, cut=4e5)).change
        k = [(rng.uniform(size=300) < p) * 1.0 for p in (0.1, 0.15)]
        share = shares(sample(k[0], np.arange(300) % 3), sample(k[1], np.arange(300) % 3)).change
        marks = [rng.integers(1, 6, 150) + 0.5 * n for n in (0, 1)]
        score = scores(sample(marks[0]), sample(marks[1])).change
        hit += [found.low <= truth <= found.high for found, truth in ((ratio, 0.8), (share, 0.05), (score, 0.5))]
    assert (hit / runs >= least).all(), hit / runs
    assert (hit / runs <= most).all(), hit / runs


@pytest.mark.parametrize(("runs", "least", "most"), RUNS)
def test_intervals_of_medians_hold_the_truth_as_often_as_they_say(runs: int, least: float, most: float):
    rng = np.random.default_rng(8)
    hit = 0
    for _ in range(runs):
        values, cut = np.exp(rng.normal(3, 1, 150)), rng.uniform(5, 100, 150)
        (found,) = quantiles(np.minimum(values, cut), values <= cut, [0.5], rng)
        hit += found.low <= math.exp(3) <= found.high
    assert least <= hit / runs <= most, hit / runs


def test_what_is_cut_off_in_one_group_only_makes_no_difference():
    """Now is followed for a short time, before for a long one: no false alarm comes of it."""
    rng = np.random.default_rng(9)
    false = sum(
        times(drawn(rng, 200), drawn(rng, 200, cut=6e4), interval=False).p < 0.05 for _ in range(1000)
    )  # fmt: skip
    assert stats.binomtest(false, 1000, 0.05, alternative="greater").pvalue > 0.01
    assert stats.binomtest(false, 1000, 0.05, alternative="less").pvalue > 0.01


def test_scores_that_are_one_better_are_found_and_equal_ones_are_not():
    rng = np.random.default_rng(10)
    a, b = rng.integers(1, 5, 200).astype(float), rng.integers(1, 5, 200).astype(float)
    assert scores(sample(a), sample(b)).p > 0.05
    up = scores(sample(a), sample(b + 1))
    assert up.p < 0.001
    assert up.change.low < 1 < up.change.high
    assert up.effect > 0.3
    assert math.isnan(gehan(a, np.zeros(200, bool), np.zeros(200, np.int64), np.zeros(200)))
    assert differences.wilson(0.0, 50) == pytest.approx((0.0, 0.0713), abs=1e-3)
