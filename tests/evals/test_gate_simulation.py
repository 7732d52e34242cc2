from __future__ import annotations

import json

import numpy as np
import pytest

from evals import gate_simulation, guards
from evals.gate import judge
from evals.gate_simulation import SCENARIOS, Scenario, render, simulate
from evals.verdict import Policy
from tests.builders_runs import drawn

GATES = 2500
BY_NAME = {s.name: s for s in SCENARIOS}


@pytest.mark.parametrize("cases", [60, 120])
def test_a_gate_seldom_calls_no_change_a_fall(cases: int):
    rate = simulate(BY_NAME["nothing changed"], cases, GATES)
    assert 0.03 < rate.alarm.value < 0.08, "7 of 100 at most, and the simulation's own error"
    assert rate.by_case < 0.03


def test_a_tenth_of_broken_cases_is_nearly_always_caught():
    rate = simulate(BY_NAME["10 % of cases break"], 120, 1000)
    assert rate.alarm.value >= 0.99
    assert rate.kept


def test_a_broad_fall_is_caught_more_often_with_more_cases():
    few, many = (simulate(BY_NAME["every case falls by 5 points"], n, GATES).alarm.value for n in (60, 120))
    assert 0.45 < few < 0.65 < many < 0.9


def test_swinging_clusters_raise_no_more_alarms_by_the_mean_but_would_if_cases_were_counted_singly():
    swinging = BY_NAME["nothing changed, near duplicates swing together"]
    assert simulate(swinging, 120, GATES).by_mean < 0.065
    rng = np.random.default_rng(1)
    clusters = np.arange(120) // 4
    chance = rng.beta(9, 1, (GATES, 120))
    arms = [
        rng.binomial(4, gate_simulation._swung(chance, clusters, swinging.swing, rng)) / 4  # pyright: ignore[reportPrivateUsage]
        for _ in range(2)
    ]
    singly = guards.mean_change(arms[0], arms[1], np.arange(120)).fell
    assert (singly <= 0.05).mean() > 0.07


def test_the_simulated_gate_is_the_gate():
    """The same passes give the same alarm whether counted in arrays or read from runs."""
    rng = np.random.default_rng(2)
    alarms = 0
    for seed in range(12):
        chances = rng.beta(9, 1, 60)
        later = np.where(np.arange(60) < 3 * (seed % 3), 0.0, chances)
        arms = drawn(list(chances), seed, id="run_a"), drawn(list(later), seed + 100)
        fresh = drawn(list(chances), seed + 200, id="fresh_a"), drawn(list(later), seed + 300, id="fresh_b")
        counts = [
            np.asarray([[t.scores[0].value for t in r.trials]]).reshape(1, 60, 4).mean(axis=2) for r in (*arms, *fresh)
        ]
        by_mean = guards.mean_change(counts[0], counts[1], np.arange(60)).fell[0] <= 0.05
        by_case = (guards.suspects(counts[0], counts[1]) & guards.breaks(counts[2], counts[3])).any()
        result = judge(*arms, Policy(headline=("passed",)), lambda _, fresh=fresh: fresh)
        assert (result.verdict == "fail") == bool(by_mean or by_case)
        alarms += result.verdict == "fail"
    assert 4 <= alarms < 12


def test_the_same_seed_gives_the_same_rates_and_another_seed_others():
    one = simulate(SCENARIOS[0], 60, 500)
    assert one == simulate(SCENARIOS[0], 60, 500)
    assert (
        one.alarm != simulate(SCENARIOS[0], 60, 500, seed=1).alarm
        or one.by_mean != simulate(SCENARIOS[0], 60, 500, seed=1).by_mean
    )


def test_a_promise_that_does_not_hold_ends_the_command_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(gate_simulation, "SIZES", (120,))
    monkeypatch.setattr(gate_simulation, "SCENARIOS", (Scenario("a fortieth breaks", broken=0.025),))
    assert gate_simulation.main(["--gates", "300", "--json"]) == 1
    [row] = json.loads(capsys.readouterr().out)
    assert row["kept"] is False
    assert row["low"] < row["alarm"] < row["high"] < 0.99


def test_the_table_says_what_was_promised_and_what_came_out():
    table = render([simulate(BY_NAME["nothing changed"], 60, 300), simulate(BY_NAME["one case breaks"], 60, 300)], 300)
    assert "300 gates a row, 4 trials" in table
    assert len(table.splitlines()) == 4
    assert table.splitlines()[3].endswith("-")
