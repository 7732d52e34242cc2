"""How often the live gate is wrong: `python -m evals.gate_simulation`.

Draws thousands of pairs of runs whose truth is known and lets the gate's own guards judge them. A case passes with a chance
drawn from Beta(9, 1), mean 0.9: most cases nearly always pass, some are flaky. Cases are independent but where a scenario
says otherwise. Exit code 1 when a promise does not hold: a false alarm in at most 7 of 100, at least 99 of 100 breaks of a
tenth of 120 cases caught.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from evals import guards, stats
from evals.stats import Floats, Interval
from evals.verdict import STANDARD

GATES: Final = 20_000
CLUSTER: Final = 4
"""Near duplicates in one cluster, where they swing together."""
SIZES: Final = (60, 120, 210)
"""Cases of a run; 210 is about what the stored set holds."""
PROMISED: Final = (60, 120)
"""Sizes for which the rates are promised: with more cases G2 has more chances to be wrong."""
FALSE_ALARM: Final = 0.07
CAUGHT: Final = 0.99


@dataclass(frozen=True, slots=True)
class Scenario:
    """What truly changed between reference and run."""

    name: str
    broken: float = 0.0
    """Share of cases that never pass any more."""
    dead: int = 0
    """Number of cases that never pass any more."""
    fall: float = 0.0
    """By which the chance of every case falls."""
    swing: float = 0.0
    """Standard deviation of the log odds by which the cases of one cluster swing together in one run."""
    scores: int = 1
    """Headline scores; each further one goes half with passing and half its own way."""

    @property
    def changed(self) -> bool:
        """Whether an alarm is right."""
        return bool(self.broken or self.dead or self.fall)


SCENARIOS: Final = (
    Scenario("nothing changed"),
    Scenario("nothing changed, near duplicates swing together", swing=1.0),
    Scenario("nothing changed, four headline scores", scores=4),
    Scenario("10 % of cases break", broken=0.10),
    Scenario("10 % of cases break, four headline scores", broken=0.10, scores=4),
    Scenario("every case falls by 5 points", fall=0.05),
    Scenario("one case breaks", dead=1),
)


@dataclass(frozen=True, slots=True)
class Rate:
    """Share of gates that raised an alarm."""

    scenario: Scenario
    cases: int
    alarm: Interval
    by_mean: float
    """By G1."""
    by_case: float
    """By G2."""

    @property
    def kept(self) -> bool | None:
        """Whether the promise about this scenario holds within the simulation's own error; None where none is made."""
        if self.scenario.swing or self.cases not in PROMISED:
            return None
        if not self.scenario.changed:
            return self.alarm.high <= FALSE_ALARM
        return self.alarm.low >= CAUGHT if self.scenario.broken and self.cases >= 120 else None


def simulate(scenario: Scenario, cases: int, gates: int = GATES, seed: int = 0) -> Rate:
    """The gate's alarms over many drawn pairs of runs."""
    rng = np.random.default_rng([seed, cases, SCENARIOS.index(scenario) if scenario in SCENARIOS else 99])
    before = rng.beta(9, 1, (gates, cases))
    after = np.clip(before - scenario.fall, 0, 1)
    number = scenario.dead or round(scenario.broken * cases)
    after[:, :number] = 0.0  # cases are alike, so which ones break does not matter
    swinging = scenario.swing > 0
    clusters = np.arange(cases) // (CLUSTER if swinging else 1)
    arms = [_swung(p, clusters, scenario.swing, rng) if swinging else p for p in (before, after)]
    reference, now, fresh_reference, fresh_now = (_tried(p, rng) for p in (*arms, before, after))
    p_values = np.stack(
        [
            guards.mean_change(_score(reference, n, rng), _score(now, n, rng), clusters).fell
            for n in range(scenario.scores)
        ]
    )
    # Holm's procedure rejects something exactly when it rejects the least p-value at the level over their number.
    by_mean = p_values.min(axis=0) <= STANDARD.alpha / scenario.scores
    by_case = (guards.suspects(reference, now) & guards.breaks(fresh_reference, fresh_now)).any(axis=1)
    alarm = stats.wilson(int((by_mean | by_case).sum()), gates)
    if alarm is None:
        raise ValueError("A simulation needs at least one gate.")
    return Rate(scenario, cases, alarm, float(by_mean.mean()), float(by_case.mean()))


def _tried(chance: Floats, rng: np.random.Generator) -> Floats:
    return rng.binomial(guards.TRIALS, chance) / guards.TRIALS


def _swung(
    chance: Floats, clusters: np.ndarray[tuple[int, ...], np.dtype[np.int64]], swing: float, rng: np.random.Generator
) -> Floats:
    shift = rng.normal(0, swing, (len(chance), int(clusters.max()) + 1))[:, clusters]
    safe = np.clip(chance, 1e-12, 1 - 1e-12)
    return safe / (safe + (1 - safe) * np.exp(-shift))


def _score(passed: Floats, number: int, rng: np.random.Generator) -> Floats:
    return passed if number == 0 else passed / 2 + rng.beta(8, 2, passed.shape) / 2


def rates(gates: int = GATES, seed: int = 0) -> list[Rate]:
    """All scenarios at all sizes."""
    return [simulate(scenario, cases, gates, seed) for scenario in SCENARIOS for cases in SIZES]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: a table on standard output; 1 when a promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m evals.gate_simulation", description=__doc__)
    parser.add_argument("--gates", type=int, default=GATES, help=f"simulated gates for each row (default: {GATES})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="for programs")
    chosen = parser.parse_args(arguments)
    if chosen.gates < 1:
        parser.error("--gates is at least 1")
    found = rates(chosen.gates, chosen.seed)
    if chosen.json:
        print(json.dumps([_plain(rate) for rate in found], indent=2))
    else:
        print(render(found, chosen.gates))
    return int(any(rate.kept is False for rate in found))


def _plain(rate: Rate) -> dict[str, object]:
    return {
        "scenario": rate.scenario.name, "cases": rate.cases, "alarm": rate.alarm.value, "low": rate.alarm.low,
        "high": rate.alarm.high, "by_mean": rate.by_mean, "by_case": rate.by_case, "kept": rate.kept,
    }  # fmt: skip


def render(found: Sequence[Rate], gates: int) -> str:
    """The rates as a table."""
    lines = [
        f"{gates} gates a row, {guards.TRIALS} trials of each case by each arm, cases pass with chance Beta(9, 1)",
        f"{'what changed':50}{'cases':>6}{'alarm':>9}{'95 % interval':>18}{'G1':>9}{'G2':>9}  promise",
    ]
    for rate in found:
        interval = f"{rate.alarm.low:.1%} to {rate.alarm.high:.1%}"
        word = {None: "-", True: "kept", False: "BROKEN"}[rate.kept]
        lines.append(
            f"{rate.scenario.name:50}{rate.cases:>6}{rate.alarm.value:>9.1%}{interval:>18}{rate.by_mean:>9.1%}"
            f"{rate.by_case:>9.1%}  {word}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
