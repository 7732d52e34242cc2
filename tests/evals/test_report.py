from __future__ import annotations

import pytest

from evals.outcome import Score
from evals.report import interval, report
from tests.builders_runs import drawn, hard, run, soft, trial


def test_only_what_counts_is_counted_and_the_rest_told_apart():
    found = report(
        run(
            trial("a"),
            trial("b", 0, hard(0.0), soft(), split="guard"),
            trial("h", 0, hard(0.0), split="holdout"),
            trial("q", 0, hard(0.0), split="quarantine"),
            trial("e", error="timeout", answer=None, scores=()),
            trial("s", 0, hard(0.0), stale="tone changed"),
        )
    )
    assert (found.cases, found.trials, found.errors, found.stale, found.quarantined) == (4, 4, 1, 1, 1)
    assert found.passed
    assert (found.passed.value, found.passed.n) == (0.5, 2)
    assert found.holdout
    assert (found.holdout.value, found.holdout.n) == (0.0, 1)
    assert [(f.case, f.error, f.reasons) for f in found.failures] == [
        ("b", "", (("facts", "facts does not hold"),)),
        ("e", "timeout", ()),
    ]


def test_unscored_is_no_zero():
    [facts, wholly] = report(run(trial("a", 0, hard(), soft(None)), trial("b", 0, hard(), soft(0.5)))).scores
    assert (facts.scored, facts.unscored) == (2, 0)
    assert (wholly.scored, wholly.unscored) == (1, 1)
    assert wholly.mean
    assert wholly.mean.value == 0.5


def test_all_of_k_is_told_for_as_many_trials_as_every_case_has():
    found = report(drawn([1.0, 0.5], 3, trials=3))
    assert [k for k, _ in found.pass_hat] == [1, 2, 3]
    shares = [share for _, share in found.pass_hat]
    assert shares == sorted(shares, reverse=True)
    assert found.passed
    assert shares[0] == pytest.approx(found.passed.value)


def test_an_interval_knows_doubt_even_when_all_pass_and_near_duplicates_add_little():
    alone = interval([1.0] * 40, [str(n) for n in range(40)])
    together = interval([1.0] * 40, [str(n // 10) for n in range(40)])
    assert alone
    assert together
    assert alone.low > 0.9
    assert together.low < 0.6
    assert interval([], []) is None


def test_slices_cut_by_issue_type_severity_language_and_split():
    found = report(run(trial("a", language="de", severity="S1"), trial("b", 0, hard(0.0))))
    assert {(s.by, s.name): s.passed.value for s in found.slices} == {
        ("issue_type", "damaged_or_defective"): 0.5,
        ("severity", "S1"): 1,
        ("severity", "S3"): 0,
        ("language", "de"): 1,
        ("language", "en"): 0,
        ("split", "gate"): 0.5,
    }


def test_confusions_count_what_is_allowed_as_expected():
    def right(value: float) -> Score:
        return Score(name="issue_type", kind="soft", value=value)

    found = report(
        run(
            trial("a"),
            trial("b", 0, hard(), right(1), answer={"issue_type": "product_safety"}),
            trial("c", 0, hard(), right(0), answer={"issue_type": "billing_dispute"}),
        )
    )
    types = found.confusions[0]
    assert types.labels == ("billing_dispute", "damaged_or_defective", "product_safety")
    assert types.rows == ((0, 0, 0), (1, 1, 0), (0, 0, 1))


def test_confidence_is_held_against_what_is_right_and_where_the_desk_hands_over():
    found = report(
        run(
            trial("a", answer={"confidence": {"severity": 0.95}}),
            trial("b", answer={"confidence": {"severity": 0.35}, "severity": "S1", "state": "needs_human"}),
            trial("c", answer={"confidence": {"severity": 0.85}, "severity": "S2"}),
            trial("d", answer={"confidence": {"severity": "high"}}),
        )
    )
    [severity] = [c for c in found.confidences if c.what == "severity"]
    assert (severity.n, len(severity.bins)) == (3, 3)
    assert severity.error == pytest.approx((0.05 + 0.35 + 0.85) / 3, abs=1e-3)
    assert severity.answered
    assert (severity.answered.coverage, severity.answered.risk, severity.answered.threshold) == (2 / 3, 0.5, 0.85)


def test_cost_and_time_stand_apart_and_missing_ones_are_no_zeros():
    found = report(run(trial("a", cost_usd=0.02), trial("b", latency_ms=100.0), trial("c")), {("c", 0): 300.0})
    assert (found.costs.usd, found.costs.usd_per_trial, found.costs.p50_ms, found.costs.timed) == (0.02, 0.02, 200.0, 2)
    assert report(run(trial("a"))).costs.usd is None


def test_a_run_of_which_nothing_can_be_read_is_still_told():
    found = report(run(trial("a", error="timeout", answer=None, scores=())))
    assert (found.passed, found.scores, found.confusions, found.confidences, found.errors) == (None, (), (), (), 1)
