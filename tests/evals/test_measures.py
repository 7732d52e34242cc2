from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from scipy import stats

from evals import measures
from evals.baseline import exclusion, freeze, thaw
from evals.errors import BaselineError, QueryError
from evals.measures import figures, judge, worth
from evals.observe import BY_ID, LABELS, MEASURES, Own, Table, cut, kept_by, table
from evals.past import PastCase, Step
from evals.use import use
from tests.fakes.desk import pack

T0 = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
TYPES = np.array(["not_received_or_late", "billing_dispute", "chargeback", "damaged_or_defective"])
NOTHING = Own()
WEIGHT = np.array([0.4, 0.3, 0.1, 0.2])


def drawn(
    rng: np.random.Generator, n: int, *, time: float = 1.0, reopened: float = 0.08, only: str = "", days: float = 30,
    mix: np.ndarray = WEIGHT,
) -> Table:  # fmt: skip
    """A store: times and shares that hang on type and severity, open cases cut off at the end of the window."""
    kind, severity = rng.choice(4, n, p=mix), rng.integers(2, 5, n)
    opened = rng.uniform(0, days * 86400, n)
    seen = days * 86400 - opened
    cycle = np.exp(rng.normal(10.2 + 0.3 * kind + 0.4 * severity, 1.0)) * time
    first = np.exp(rng.normal(8 + 0.5 * severity, 1.2))
    hit = (TYPES[kind] == only) if only else np.zeros(n, bool)
    values = {m.id: np.full(n, np.nan) for m in MEASURES}
    values["cycle_time"], values["first_reply"] = np.minimum(cycle, seen), np.minimum(first, seen)
    values["reopened"] = (rng.uniform(size=n) < np.where(hit, reopened, 0.08)) * 1.0
    values["first_reply_kept"] = (rng.uniform(size=n) < 0.97 - 0.05 * severity) * 1.0
    values["resolution_kept"] = (rng.uniform(size=n) < 0.85 - 0.05 * kind) * 1.0
    values["faulted"] = (rng.uniform(size=n) < 0.06) * 1.0
    values["satisfaction"] = np.where(rng.uniform(size=n) < 0.4, rng.integers(1, 6, n), np.nan)
    ended = {m.id: np.ones(n, bool) for m in MEASURES if m.kind == "time"}
    ended["cycle_time"], ended["first_reply"] = cycle <= seen, first <= seen
    labels = dict.fromkeys(LABELS, ("",) * n)
    labels |= {"issue_type": tuple(TYPES[kind]), "severity": tuple(f"S{s}" for s in severity)}
    return Table(tuple(map(str, range(n))), opened, labels, values, ended)


def verdicts(before: Table, now: Table) -> set[tuple[str, str, str]]:
    claims = judge(before, now, full=False)
    return {(c.measure, c.issue_type, c.verdict) for c in claims if c.verdict != "cannot tell"}


# --- simulated truth ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stores", [250, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_where_nothing_has_changed_hardly_any_store_gets_a_verdict(stores: int):
    """The window before is longer, and the mix shifts: neither is a change."""
    rng = np.random.default_rng(stores)
    shifted = np.array([0.2, 0.3, 0.2, 0.3])
    false = sum(bool(verdicts(drawn(rng, 600, days=90), drawn(rng, 400, mix=shifted))) for _ in range(stores))
    if stores >= 1000:
        assert stats.binomtest(false, stores).proportion_ci(0.95, "exact").high <= 0.065
    assert stats.binomtest(false, stores, 0.05, alternative="greater").pvalue > 0.01


def test_times_that_fell_by_a_fifth_are_found_and_nothing_else_is_claimed():
    rng = np.random.default_rng(1)
    found = [verdicts(drawn(rng, 900, days=90), drawn(rng, 700, time=0.8)) for _ in range(40)]
    assert sum(("cycle_time", "", "better") in some for some in found) >= 32
    others = sum(any(name != "cycle_time" for name, _, _ in some) for some in found)
    assert stats.binomtest(others, 40, 0.05, alternative="greater").pvalue > 0.01
    assert not any(v == "worse" and name == "cycle_time" for some in found for name, _, v in some)


def test_more_rework_in_one_issue_type_is_found_there():
    rng = np.random.default_rng(2)
    kind = "not_received_or_late"
    found = [verdicts(drawn(rng, 9000, days=90), drawn(rng, 6000, reopened=0.13, only=kind)) for _ in range(10)]
    assert sum(("reopened", kind, "worse") in some for some in found) >= 8


# --- verdicts -----------------------------------------------------------------------------------------------------------


def test_a_verdict_says_how_large_the_change_may_be():
    rng = np.random.default_rng(3)
    claims = {(c.measure, c.issue_type): c for c in judge(drawn(rng, 1500, days=90), drawn(rng, 1200, time=0.7))}
    time = claims["cycle_time", ""]
    assert time.verdict == "better"
    assert time.difference.change.low < 0.7 < time.difference.change.high
    assert time.difference.effect < -0.1
    assert "% shorter" in time.why
    assert worth(list(claims.values())) == ""
    same = claims["satisfaction", ""]
    assert (same.verdict, claims["cost", ""].why) == ("cannot tell", "The baseline does not tell it.")
    assert "it may be no change at all" in same.why


@pytest.mark.parametrize(("time", "said"), [(1.0, "Nothing shows"), (1.6, "has grown")])
def test_a_store_whose_time_does_not_fall_is_told_to_question_the_value(time: float, said: str):
    rng = np.random.default_rng(4)
    told = worth(judge(drawn(rng, 900, days=90), drawn(rng, 700, time=time), full=False))
    assert said in told
    assert "Question its value" in told


def test_too_few_cases_and_another_mix_are_named_as_the_reason():
    rng = np.random.default_rng(5)
    few = judge(drawn(rng, 400), drawn(rng, 20))
    assert {c.why[:13] for c in few if c.measure == "cycle_time" and not c.issue_type} == {"Too few cases"}
    other = judge(drawn(rng, 400, mix=np.array([1.0, 0, 0, 0])), drawn(rng, 400, mix=np.array([0.1, 0.9, 0, 0])))
    assert next(c for c in other if c.measure == "cycle_time").why.startswith("Only ")
    assert all(c.verdict == "cannot tell" for c in (*few, *other) if c.measure == "cycle_time" and not c.issue_type)


def test_changes_in_words():
    words = measures.change_words
    assert [words(BY_ID["cycle_time"], v) for v in (0.8, 1.25, 1.001)] == ["20 % shorter", "25 % longer", "no change"]
    assert words(BY_ID["reopened"], 0.05) == "5.0 points more"
    assert words(BY_ID["satisfaction"], -0.25) == "0.25 less"


def test_no_measure_counts_use_drafts_or_time_that_somebody_assumes():
    said = " ".join(f"{m.title} {m.says}".lower() for m in MEASURES)
    assert not [word for word in ("adoption", "generated", "saved", "logins", "active users") if word in said]


def test_groups_with_too_few_cases_show_no_figures():
    rng = np.random.default_rng(6)
    store = drawn(rng, 300, mix=np.array([0.5, 0.495, 0.005, 0.0]))
    found = figures(store, ("issue_type", "severity"))
    groups = {f.group for f in found if f.measure == "cycle_time"}
    assert {"", "S2", "S3", "S4", "billing_dispute", "not_received_or_late"} <= groups
    assert "damaged_or_defective" not in groups
    for f in found:
        assert f.middle.low <= f.middle.at <= f.middle.high or math.isnan(f.middle.at)


# --- what a case tells ----------------------------------------------------------------------------------------------------


def case(**more) -> PastCase:
    given = {"id": "a", "opened": T0, "issue_type": "billing_dispute", "severity": "S3", "team": "returns"}
    return PastCase(**{**given, **more})


def one(past: PastCase, end: datetime, own: Own = NOTHING) -> dict[str, float]:
    cases = table([(past, own)], end)
    return {name: float(column[0]) for name, column in cases.values.items() if not np.isnan(column[0])}


def test_an_open_case_counts_for_as_long_as_it_was_seen():
    cases = table([(case(), Own())], T0 + timedelta(hours=5))
    assert cases.values["cycle_time"][0] == 5 * 3600
    assert not cases.ended["cycle_time"][0]
    assert not cases.ended["first_reply"][0]


def test_what_came_after_the_end_does_not_count():
    late = T0 + timedelta(days=9)
    past = case(
        first_reply=T0 + timedelta(days=2), resolved=late, reopened=(T0 + timedelta(days=8),), reopens=1,
        steps=(Step(T0 + timedelta(days=1), "status", "waiting_customer"), Step(T0 + timedelta(days=8), "reopened")),
    )  # fmt: skip
    seen = cut(past, T0 + timedelta(days=1, hours=1))
    assert (seen.resolved, seen.first_reply, seen.reopened, len(seen.steps)) == (None, None, (), 1)
    assert len(table([(past, Own())], T0)) == 0


def test_rework_is_counted_only_where_it_was_looked_for_long_enough():
    done = T0 + timedelta(days=1)
    back = case(resolved=done, reopens=0)
    assert "reopened" not in one(back, done + timedelta(days=6))
    assert one(back, done + timedelta(days=7))["reopened"] == 0.0
    steps = (Step(T0 + timedelta(hours=1), "status", "resolved"), Step(T0 + timedelta(hours=9), "reopened"))
    soon = case(resolved=done, reopens=1, reopened=(steps[1].at,), steps=steps)
    assert one(soon, done + timedelta(days=8))["reopened"] == 1.0
    assert "reopened" not in one(case(resolved=done), done + timedelta(days=9)), "a file that does not tell it"


def test_commitments_are_judged_by_the_same_clocks_as_those_of_the_desk():
    sla = pack().sla
    fast = case(severity="S1", first_reply=T0 + timedelta(minutes=10), resolved=T0 + timedelta(hours=2))
    slow = case(severity="S1", first_reply=T0 + timedelta(minutes=50), resolved=T0 + timedelta(hours=9))
    end = T0 + timedelta(days=30)
    assert kept_by(fast, sla, end) == {"first_reply": True, "resolution": True}
    assert kept_by(slow, sla, end) == {"first_reply": False, "resolution": False}
    assert kept_by(case(severity="S1"), sla, end) == {"first_reply": False, "resolution": False}
    assert kept_by(case(severity=""), sla, end) == {}


def test_waiting_for_the_customer_is_told_apart_and_costs_in_other_currencies_do_not_count():
    steps = (
        Step(T0 + timedelta(hours=1), "status", "waiting_customer"),
        Step(T0 + timedelta(hours=4), "status", "in_progress"),
    )
    seen = one(
        case(resolved=T0 + timedelta(hours=5), steps=steps, satisfaction=4, complaint=True), T0 + timedelta(days=1)
    )
    assert (seen["waiting"], seen["satisfaction"], seen["faulted"]) == (3 * 3600, 4, 1)
    costs = [(case(cost=Decimal(9), currency=c), Own()) for c in ("GBP", "EUR", "GBP")]
    assert table(costs, T0 + timedelta(days=1)).values["cost"].tolist() == [
        9.0,
        pytest.approx(np.nan, nan_ok=True),
        9.0,
    ]


# --- the baseline ---------------------------------------------------------------------------------------------------------


def history(n: int = 60) -> list[PastCase]:
    return [
        case(id=f"c{k}", opened=T0 + timedelta(hours=12 * k), first_reply=T0 + timedelta(hours=12 * k + 1),
             resolved=T0 + timedelta(hours=12 * k + 9 + k), team="returns" if k % 3 else "fulfilment", reopens=k % 7 == 0)
        for k in range(n)
    ]  # fmt: skip


def test_a_baseline_comes_back_as_it_was_frozen_and_says_when_it_is_not():
    frozen, content = freeze(1, history(), T0, T0 + timedelta(days=40), (), pack().sla)
    again = thaw(content, frozen.hash)
    assert again.hash == frozen.hash
    assert again.table.ids == frozen.table.ids
    for m in MEASURES:
        assert np.allclose(again.table.values[m.id], frozen.table.values[m.id], equal_nan=True), m.id
    assert all((again.table.ended[k] == frozen.table.ended[k]).all() for k in frozen.table.ended)
    with pytest.raises(BaselineError, match="not what was frozen"):
        thaw(content, "0" * 64)
    with pytest.raises(BaselineError, match="not what was frozen"):
        thaw(b"broken", frozen.hash)
    assert freeze(1, reversed(history()), T0, T0 + timedelta(days=40), (), pack().sla)[0].hash == frozen.hash


def test_exclusions_are_counted_and_need_a_reason():
    out = exclusion("warehouse fire: team=fulfilment and opened<2026-01-15")
    frozen, _ = freeze(1, history(), T0, T0 + timedelta(days=40), (out,), pack().sla)
    assert frozen.excluded == {out.text: 7}
    assert len(frozen.table) == 53
    for wrong, said in (("team=returns", "no reason"), ("fire: team~returns", "no condition"), ("fire: opened=2026-01-01", "cannot"),
                        ("fire: opened>soon", "no day"), ("fire: name=Ada", "cannot")):  # fmt: skip
        with pytest.raises(QueryError, match=said):
            exclusion(wrong)


def test_too_few_cases_make_no_baseline():
    with pytest.raises(BaselineError, match="Only 20 past cases"):
        freeze(1, history(20), T0, T0 + timedelta(days=40), (), pack().sla)


# --- when a verdict is due ------------------------------------------------------------------------------------------------


def days(*offsets: int) -> set[date]:
    return {T0.date() + timedelta(days=n) for n in offsets}


def test_before_day_thirty_there_is_no_verdict_and_then_one_each_quarter():
    every = days(*range(400))
    seen = use(every, every, T0 + timedelta(days=11))
    assert (seen.day, seen.look, seen.says) == (12, None, "Day 12 of 30.")
    start = datetime(2026, 1, 5, tzinfo=UTC)
    first = use(every, every, start + timedelta(days=30)).look
    assert (first.number, first.begins, first.ends) == (1, start, start + timedelta(days=30))
    assert use(every, every, start + timedelta(days=120)).look == first
    second = use(every, every, start + timedelta(days=121)).look
    assert (second.number, second.begins, second.ends) == (2, first.ends, first.ends + timedelta(days=91))


def test_leaving_the_desk_aside_for_three_days_with_cases_begins_anew():
    worked = days(*range(10), *range(13, 20))
    assert use(worked, days(*range(20)), T0 + timedelta(days=19)).day == 7
    assert use(worked, days(*range(10)), T0 + timedelta(days=19)).day == 20, "quiet days are no gap"
    assert use(days(0), days(*range(10)), T0 + timedelta(days=9)).since is None
    assert use(set(), days(1), T0).says == "The desk is not in use yet."
