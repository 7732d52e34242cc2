"""What a run shows, as plain data ready to print: figures with intervals, slices, confusions, confidence, cost, failures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from evals import stats
from evals.outcome import Run, Trial
from evals.stats import Bin, Interval, Point
from evals.verdict import COUNTED, PASSED, passed, value

_RIGHT: Final = {"issue_type": "issue_type", "severity": "severity_cost", "route": "routing"}
"""The score that is 1 when a decision is right; an expectation may allow several answers."""
_SLICES: Final = ("issue_type", "severity", "language", "split")


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One score over all trials that count."""

    name: str
    kind: str
    scored: int
    unscored: int
    mean: Interval | None


@dataclass(frozen=True, slots=True)
class Slice:
    """The trials of one issue type, severity, language or split."""

    by: str
    name: str
    passed: Interval


@dataclass(frozen=True, slots=True)
class Confusion:
    """Expected against given; an answer that is allowed beside the first one counts as expected."""

    what: str
    labels: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    """A row for each expected label, a column for each given one."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """How far the confidence of one decision can be trusted."""

    what: str
    n: int
    bins: tuple[Bin, ...]
    error: float | None
    """Expected calibration error."""
    curve: tuple[Point, ...]
    answered: Point | None
    """Where the desk itself stands, which hands the rest to a human; its threshold is the least confidence answered."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What the run took, apart from how good it was."""

    usd: float | None
    usd_per_trial: float | None
    p50_ms: float | None
    p95_ms: float | None
    timed: int
    """Trials with a time; in a replay there is none."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One trial that did not pass."""

    case: str
    trial: int
    issue_type: str
    severity: str
    language: str
    split: str
    reasons: tuple[tuple[str, str], ...]
    """Hard scores that did not hold, with why."""
    error: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a run shows."""

    id: str
    tier: str
    engine: str
    dataset: str
    scorers: str
    versions: Mapping[str, str]
    cases: int
    """Cases that count."""
    trials: int
    errors: int
    stale: int
    quarantined: int
    """Cases left out."""
    passed: Interval | None
    holdout: Interval | None
    """Told apart and never part of `passed`."""
    pass_hat: tuple[tuple[int, float], ...]
    """k and the mean chance that k trials of a case all pass, for k up to the trials that every case has."""
    scores: tuple[ScoreLine, ...]
    slices: tuple[Slice, ...]
    confusions: tuple[Confusion, ...]
    confidences: tuple[Confidence, ...]
    costs: Costs
    failures: tuple[Failure, ...]


def report(run: Run, times: Mapping[tuple[str, int], float] | None = None) -> Report:
    """What a run shows.

    Args:
        run: the run.
        times: wall clock of each case and trial in milliseconds, where it is kept beside the run.

    """
    counted = [t for t in run.trials if t.split in COUNTED]
    fit = [t for t in counted if not t.error and not t.stale]
    held = [t for t in run.trials if t.split == "holdout" and not t.error and not t.stale]
    answered = [t for t in fit if t.answer]
    return Report(
        run.id, run.tier, run.engine, run.dataset, run.scorers, run.versions,
        cases=len({t.case for t in counted}), trials=len(counted),
        errors=sum(1 for t in counted if t.error), stale=sum(1 for t in counted if t.stale),
        quarantined=len({t.case for t in run.trials if t.split == "quarantine"}),
        passed=_mean(fit, PASSED), holdout=_mean(held, PASSED), pass_hat=tuple(_pass_hat(fit)),
        scores=tuple(_scores(fit)), slices=tuple(_slices(fit)),
        confusions=tuple(c for what in ("issue_type", "severity") if (c := _confusion(answered, what))),
        confidences=tuple(c for what in _RIGHT if (c := _confidence(answered, what))),
        costs=_costs(run.trials, times or {}), failures=tuple(_failures(counted)),
    )  # fmt: skip


def _mean(trials: Iterable[Trial], name: str) -> Interval | None:
    pairs = [(v, t.cluster) for t in trials if (v := value(t, name)) is not None]
    return interval([v for v, _ in pairs], [c for _, c in pairs])


def interval(values: Sequence[float], clusters: Sequence[str]) -> Interval | None:
    """The mean with its interval: Wilson's for shares of unrelated trials, over whole clusters otherwise."""
    if set(values) <= {0.0, 1.0}:
        groups = len(set(clusters))
        if groups == len(values):
            return stats.wilson(int(sum(values)), groups)
        if len(set(values)) == 1:  # a bootstrap of equal values knows no doubt
            found = stats.wilson(int(values[0]) * groups, groups)
            return found and Interval(found.value, found.low, found.high, len(values))
    return stats.mean_interval(values, clusters)


def _pass_hat(trials: Iterable[Trial]) -> list[tuple[int, float]]:
    counts: dict[str, Counter[bool]] = defaultdict(Counter)
    for t in trials:
        if (held := passed(t)) is not None:
            counts[t.case][held >= 1] += 1
    most = min((c.total() for c in counts.values()), default=0)
    return [
        (k, float(np.mean([stats.pass_hat(c[True], c.total(), k) or 0.0 for c in counts.values()])))
        for k in range(1, most + 1)
    ]


def _scores(trials: Sequence[Trial]) -> list[ScoreLine]:
    kinds = {s.name: s.kind for t in trials for s in t.scores}
    found: list[ScoreLine] = []
    for name, kind in kinds.items():
        scored = sum(1 for t in trials if value(t, name) is not None)
        found.append(ScoreLine(name, kind, scored, len(trials) - scored, _mean(trials, name)))
    return found


def _slices(trials: Sequence[Trial]) -> list[Slice]:
    return [
        Slice(by, name or "-", share)
        for by in _SLICES
        for name in sorted({str(getattr(t, by)) for t in trials})
        if (share := _mean([t for t in trials if getattr(t, by) == name], PASSED))
    ]


def _given(trial: Trial, what: str) -> str:
    return str((trial.answer or {}).get("primary_team" if what == "route" else what) or "-")


def _right(trial: Trial, what: str) -> bool | None:
    """Whether a decision is right; None when nothing says so."""
    score = value(trial, _RIGHT[what])
    if score is not None:
        return score >= 1
    expected = {"issue_type": trial.issue_type, "severity": trial.severity}.get(what)
    return _given(trial, what) == expected if expected else None


def _confusion(trials: Sequence[Trial], what: str) -> Confusion | None:
    pairs: Counter[tuple[str, str]] = Counter()
    for t in trials:
        expected, given = str(getattr(t, what)), _given(t, what)
        if expected:
            pairs[given if _right(t, what) else expected, given] += 1
    labels = sorted({label for pair in pairs for label in pair})
    rows = tuple(tuple(pairs[expected, given] for given in labels) for expected in labels)
    return Confusion(what, tuple(labels), rows) if pairs else None


def _confidence(trials: Sequence[Trial], what: str) -> Confidence | None:
    rows = [
        (sure, right, t)
        for t in trials
        if (sure := _sure(t, what)) is not None and (right := _right(t, what)) is not None
    ]
    if not rows:
        return None
    answers = [(sure, right) for sure, right, _ in rows]
    own = [(sure, right) for sure, right, t in rows if (t.answer or {}).get("state") != "needs_human"]
    wrong = sum(1 for _, right in own if not right)
    stand = Point(len(own) / len(rows), wrong / len(own), min(sure for sure, _ in own)) if own else None
    return Confidence(
        what, len(rows), tuple(stats.reliability(answers)), stats.calibration_error(answers),
        tuple(stats.risk_coverage(answers)), stand,
    )  # fmt: skip


def _sure(trial: Trial, what: str) -> float | None:
    held: Any = (trial.answer or {}).get("confidence")
    found: Any = cast("dict[str, Any]", held).get(what) if isinstance(held, dict) else None
    return min(max(float(found), 0.0), 1.0) if isinstance(found, int | float) else None


def _costs(trials: Sequence[Trial], times: Mapping[tuple[str, int], float]) -> Costs:
    paid = [t.cost_usd for t in trials if t.cost_usd is not None]
    took = [ms for t in trials if (ms := times.get((t.case, t.trial), t.latency_ms)) is not None]
    p50, p95 = (float(q) for q in np.quantile(took, [0.5, 0.95])) if took else (None, None)
    total = sum(paid) if paid else None
    return Costs(total, total / len(paid) if total is not None else None, p50, p95, len(took))


def _failures(trials: Iterable[Trial]) -> list[Failure]:
    found: list[Failure] = []
    for t in sorted(trials, key=lambda t: (t.case, t.trial)):
        reasons = tuple(
            (s.name, s.reason) for s in t.scores if s.kind == "hard" and s.value is not None and s.value < 1
        )
        if (t.error or reasons) and not t.stale:
            found.append(Failure(t.case, t.trial, t.issue_type, t.severity, t.language, t.split, reasons, t.error))
    return found
