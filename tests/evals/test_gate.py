from __future__ import annotations

import pytest

from evals import gate
from evals.errors import IncomparableError
from evals.gate import judge
from evals.outcome import Run, Score, Trial
from evals.verdict import Policy
from tests.builders_runs import drawn, hard, run, soft, trial

REFERENCE = run(trial("dmg-1"), trial("dmg-2"), trial("dmg-3"), id="run_a")


# --- no model: exact ----------------------------------------------------------------------------------------------


def test_a_run_that_is_the_reference_passes():
    result = judge(REFERENCE, run(*REFERENCE.trials))
    assert (result.verdict, result.exit_code, result.cases) == ("pass", 0, 3)
    assert result.reason == "3 cases compared, no answer changed."
    assert not result.needs_bless


def test_one_hard_result_that_got_worse_fails_and_is_named():
    worse = trial("dmg-2", 0, hard(0.0, reason="order FH-9 is in no source"), soft())
    result = judge(REFERENCE, run(trial("dmg-1"), worse, trial("dmg-3")))
    assert (result.verdict, result.exit_code) == ("fail", 1)
    [change] = result.broken
    assert (change.case, change.score, change.before, change.now) == ("dmg-2", "facts", 1, 0)
    assert change.reason == "order FH-9 is in no source"


@pytest.mark.parametrize(
    "lost",
    [
        [],
        [trial("dmg-2", 0, error="the encoder could not be loaded", answer=None, scores=())],
        [trial("dmg-2", 0, hard(None), soft())],
        [trial("dmg-2", 0, soft())],
        [trial("dmg-2", 0, hard(), hard(0.0, "injection"), soft())],
    ],
    ids=["missing", "failed", "unscored", "no longer scored", "a new hard score that does not hold"],
)
def test_a_case_that_is_lost_fails(lost: list[Trial]):
    result = judge(REFERENCE, run(trial("dmg-1"), *lost, trial("dmg-3")), Policy(most_errors=0.5))
    assert (result.verdict, {c.case for c in result.broken}) == ("fail", {"dmg-2"})


def test_a_hard_result_that_got_better_improves_and_wants_to_be_blessed():
    before = run(trial("dmg-1", 0, hard(0.0), soft()), trial("dmg-2"), id="run_a")
    result = judge(before, run(trial("dmg-1"), trial("dmg-2")))
    assert (result.verdict, result.exit_code, result.needs_bless) == ("improved", 0, True)
    assert [c.case for c in result.mended] == ["dmg-1"]


def test_better_here_does_not_pay_for_worse_there():
    before = run(trial("dmg-1", 0, hard(0.0), soft()), trial("dmg-2"), id="run_a")
    result = judge(before, run(trial("dmg-1"), trial("dmg-2", 0, hard(0.0), soft())))
    assert result.verdict == "fail"


def test_soft_changes_are_told_and_want_to_be_blessed():
    result = judge(REFERENCE, run(trial("dmg-1", 0, hard(), soft(0.5)), trial("dmg-2"), trial("dmg-3")))
    assert (result.verdict, result.needs_bless) == ("pass", True)
    assert [(c.case, c.before, c.now) for c in result.soft] == [("dmg-1", 0.8, 0.5)]


def test_an_answer_that_changed_under_the_same_scores_is_told():
    result = judge(REFERENCE, run(trial("dmg-1", answer={"severity": "S2"}), trial("dmg-2"), trial("dmg-3")))
    assert (result.verdict, result.answers, result.needs_bless) == ("pass", ("dmg-1",), True)


def test_a_judge_only_advises():
    scored = [trial("dmg-1", 0, hard(), Score(name="tone", kind="judge", value=v)) for v in (1.0, 0.0)]
    result = judge(run(scored[0], id="run_a"), run(scored[1]))
    assert (result.verdict, result.broken, result.soft) == ("pass", (), ())


@pytest.mark.parametrize("split", ["holdout", "quarantine"])
def test_cases_that_do_not_count_neither_fail_nor_help(split: str):
    fifteen = [trial(f"dmg-{n}") for n in range(15)]
    before = run(*fifteen, trial("x", split=split), id="run_a")
    result = judge(before, run(*fifteen, trial("x", 0, hard(0.0), split=split)))
    assert (result.verdict, result.cases, result.left_out) == ("pass", 15, {split: 1})


def test_stale_answers_of_the_reference_or_of_a_live_run_are_no_evidence():
    old = run(trial("a"), trial("b", 0, hard(0.0), soft(), stale="tone changed"), id="run_a")
    assert judge(old, run(trial("a"), trial("b"))).mended == ()
    live = drawn([1.0] * 120, 2)
    stale = [t.model_copy(update={"stale": "tone changed"}) for t in live.trials[:4]]
    result = judge(drawn([1.0] * 120, 1, id="run_a"), live.model_copy(update={"trials": (*stale, *live.trials[4:])}))
    assert (result.cases, result.left_out) == (119, {"stale": 1})


def test_a_case_that_went_into_quarantine_since_the_reference_is_left_out():
    fifteen = [trial(f"dmg-{n}") for n in range(15)]
    before = run(*fifteen, trial("x"), id="run_a")
    result = judge(before, run(*fifteen, trial("x", 0, hard(0.0), split="quarantine")))
    assert (result.verdict, result.cases, result.left_out) == ("pass", 15, {"quarantine": 1})
    live = [one.model_copy(update={"tier": "live"}) for one in (before, run(*fifteen, trial("x", split="quarantine")))]
    assert judge(*live).left_out == {"quarantine": 1}


def test_stale_answers_are_no_evidence():
    stale = trial("dmg-2", 0, hard(0.0), soft(), stale="prompt part tone/warm changed")
    result = judge(REFERENCE, run(trial("dmg-1"), stale, trial("dmg-3")))
    assert (result.verdict, result.exit_code, result.left_out) == ("insufficient data", 3, {"stale": 1})
    assert "record them anew" in result.reason
    worse = judge(REFERENCE, run(trial("dmg-1"), stale, trial("dmg-3", 0, hard(0.0))))
    assert worse.verdict == "fail"


# --- nothing can be said ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"dataset": "e" * 64}, "their datasets differ"),
        ({"scorers": "e" * 64}, "their scorers differ"),
        ({"tier": "replay"}, "of the embedded tier and the run of the replay tier"),
    ],
)
def test_runs_that_do_not_compare_are_invalid(given: dict[str, str], says: str):
    result = judge(REFERENCE, run(*REFERENCE.trials, **given))
    assert (result.verdict, result.exit_code) == ("invalid", 2)
    assert says in result.reason


def test_runs_without_a_common_case_are_invalid():
    assert judge(REFERENCE, run(trial("other"))).verdict == "invalid"
    assert judge(REFERENCE, run(trial("dmg-1", split="holdout"))).verdict == "invalid"


def test_too_many_errors_make_a_run_invalid_and_not_bad():
    rows = [trial(f"dmg-{n}") for n in range(20)]
    broken = [trial(f"dmg-{n}", error="timeout", answer=None, scores=()) for n in range(2)]
    result = judge(run(*rows, id="run_a"), run(*broken, *rows[2:]))
    assert (result.verdict, "2 of 20 trials" in result.reason) == ("invalid", True)


def test_a_large_quarantine_makes_a_run_invalid():
    rows = [trial(f"dmg-{n}", split="quarantine" if n < 3 else "gate") for n in range(20)]
    result = judge(run(*rows, id="run_a"), run(*rows))
    assert (result.verdict, "3 of 20 cases are in quarantine" in result.reason) == ("invalid", True)


# --- a model: two guards ------------------------------------------------------------------------------------------

STEADY = [0.97] * 120
ONLY_PASSED = Policy(headline=("passed",))


def test_a_run_like_the_reference_passes_and_says_what_it_could_have_seen():
    result = judge(drawn(STEADY, 1, id="run_a"), drawn(STEADY, 2))
    assert (result.verdict, result.cases) == ("pass", 120)
    [lead] = [t for t in result.tests if t.score == "passed"]
    assert lead.smallest is not None
    assert 0.01 < lead.smallest < 0.05
    assert f"{lead.smallest:.1%} would have shown" in result.reason


def test_scores_that_no_run_has_are_not_tested():
    result = judge(drawn(STEADY, 1, id="run_a"), drawn(STEADY, 2))
    assert [(t.score, t.cases) for t in result.tests if t.cases == 0] == [
        ("severity_cost", 0), ("routing", 0), ("completeness", 0),
    ]  # fmt: skip


def test_a_broad_fall_is_caught_by_its_mean():
    result = judge(drawn([0.95] * 120, 1, id="run_a"), drawn([0.85] * 120, 2))
    assert (result.verdict, result.exit_code, result.broken) == ("fail", 1, ())
    assert result.reason.startswith("passed fell from 9")


def test_a_broad_rise_is_an_improvement():
    result = judge(drawn([0.80] * 120, 1, id="run_a"), drawn([0.95] * 120, 2))
    assert (result.verdict, result.exit_code) == ("improved", 0)


def test_a_soft_score_that_falls_fails_by_its_own_line():
    before = [trial(f"c{n}", t, hard(), soft(0.9 - n % 3 / 100)) for n in range(40) for t in range(4)]
    after = [trial(f"c{n}", t, hard(), soft(0.8 - n % 5 / 100)) for n in range(40) for t in range(4)]
    result = judge(run(*before, id="run_a", tier="live"), run(*after, tier="live"))
    assert (result.verdict, result.reason.startswith("completeness fell")) == ("fail", True)


def test_more_headline_scores_make_the_smallest_fall_larger():
    rows = [
        [trial(f"c{n}", t, hard(float(n * t % 7 > 0)), soft(n * t % 5 / 5)) for n in range(60) for t in range(4)]
        for _ in "ab"
    ]
    arms = run(*rows[0], id="run_a", tier="live"), run(*rows[1], tier="live")
    one, two = (judge(*arms, Policy(headline=names)).tests[0] for names in (("passed",), ("passed", "completeness")))
    assert one.smallest is not None
    assert two.smallest is not None
    assert one.smallest < two.smallest


DEAD = [1.0] * 119 + [0.0]


def test_a_single_case_that_died_waits_for_fresh_trials():
    result = judge(drawn([1.0] * 120, 1, id="run_a"), drawn(DEAD, 2), ONLY_PASSED)
    assert (result.verdict, result.exit_code, result.suspects) == ("insufficient data", 3, ("case-119",))
    assert "run 4 fresh trials of both arms" in result.reason


def test_fresh_trials_confirm_a_break():
    asked: list[str] = []

    def fresh(cases: object) -> tuple[Run, Run]:
        asked.extend(cases)  # type: ignore[arg-type]
        return drawn([1.0] * 120, 3, id="fresh_a"), drawn(DEAD, 4, id="fresh_b")

    result = judge(drawn([1.0] * 120, 1, id="run_a"), drawn(DEAD, 2), ONLY_PASSED, fresh)
    assert (result.verdict, asked, [c.case for c in result.broken]) == ("fail", ["case-119"], ["case-119"])
    assert result.reason == "1 case broke that always passed."
    assert result.broken[0].reason == "facts does not hold"


@pytest.mark.parametrize(
    ("before", "now"), [(1.0, 1.0), (0.0, 0.0)], ids=["it passes again", "the reference fails too"]
)
def test_fresh_trials_clear_what_was_chance(before: float, now: float):
    fresh = drawn([1.0] * 119 + [before], 3, id="fresh_a"), drawn([1.0] * 119 + [now], 4, id="fresh_b")
    result = judge(drawn([1.0] * 120, 1, id="run_a"), drawn(DEAD, 2), ONLY_PASSED, lambda _: fresh)
    assert (result.verdict, result.cleared, result.suspects) == ("pass", ("case-119",), ())


def test_fresh_trials_that_miss_the_suspect_leave_it_open():
    fresh = drawn([1.0] * 3, 3, id="fresh_a"), drawn([1.0] * 3, 4, id="fresh_b")
    result = judge(drawn([1.0] * 120, 1, id="run_a"), drawn(DEAD, 2), ONLY_PASSED, lambda _: fresh)
    assert (result.verdict, result.suspects) == ("insufficient data", ("case-119",))


def test_trials_that_are_not_fresh_or_not_of_the_same_cases_confirm_nothing():
    before, after = drawn([1.0] * 120, 1, id="run_a"), drawn(DEAD, 2)
    again = judge(before, after, ONLY_PASSED, lambda _: (before, after))
    assert (again.verdict, again.exit_code, "confirms nothing" in again.reason) == ("invalid", 2, True)
    others = before.model_copy(update={"id": "x", "dataset": "e" * 64})
    assert judge(before, after, ONLY_PASSED, lambda _: (others, others)).verdict == "invalid"


def test_few_cases_are_too_few_and_the_gate_says_what_they_could_show():
    result = judge(drawn([0.9] * 8, 1, id="run_a"), drawn([0.9] * 8, 5))
    assert (result.verdict, result.exit_code) == ("insufficient data", 3)
    assert "8 cases in 8 clusters would have shown only a fall of" in result.reason
    assert "10% is asked for" in result.reason


def test_few_clusters_are_too_few_however_many_cases_they_hold():
    one = judge(drawn([0.9] * 60, 1, id="run_a", cluster=60), drawn([0.9] * 60, 2, cluster=60))
    assert one.verdict == "insufficient data"
    assert "60 cases in 1 cluster would have shown nothing" in one.reason


def test_two_or_three_cases_that_change_alike_by_chance_are_no_fall():
    before, after = drawn([1.0] * 3, 1, id="run_a"), drawn([1.0] * 3, 2)
    once = [t.model_copy(update={"scores": (hard(0.0),)}) if t.trial == 0 else t for t in after.trials]
    result = judge(before, after.model_copy(update={"trials": tuple(once)}))
    assert result.verdict == "insufficient data"


def test_single_trials_are_too_few_to_see_a_case_break():
    result = judge(drawn([1.0] * 120, 1, id="run_a", trials=1), drawn([1.0] * 120, 2, trials=1))
    assert (result.verdict, "--repeat 4" in result.reason) == ("insufficient data", True)


def test_a_live_run_may_hold_only_the_cases_that_a_change_touches():
    result = judge(drawn(STEADY, 1, id="run_a"), drawn(STEADY[:60], 2))
    assert (result.cases, result.left_out) == (60, {"not run": 60})
    assert result.verdict == "pass"


def test_an_error_is_not_a_zero():
    before, after = drawn([1.0] * 120, 1, id="run_a"), drawn([1.0] * 120, 2)
    failed = [t.model_copy(update={"error": "timeout", "answer": None, "scores": ()}) for t in after.trials[:4]]
    result = judge(before, after.model_copy(update={"trials": (*failed, *after.trials[4:])}))
    assert (result.verdict, result.cases, result.left_out) == ("pass", 119, {"without an answer": 1})


# --- history ------------------------------------------------------------------------------------------------------


def test_flakiness_is_measured_over_past_runs():
    past = [drawn([1.0, 0.5, 0.0, 0.9], seed) for seed in range(12)]
    [found] = gate.flaky(past)
    assert (found.case, found.trials) == ("case-001", 48)
    assert 0.3 < found.passed / found.trials < 0.7


def test_flakiness_is_measured_over_runs_of_the_same_cases_only():
    with pytest.raises(IncomparableError):
        gate.flaky([drawn([0.5], 1), drawn([0.5], 2, dataset="other")])
    assert gate.flaky([]) == []
