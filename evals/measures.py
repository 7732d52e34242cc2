"""What the measures say: figures with their intervals, and verdicts against the baseline that may be wrong one time in twenty.

Never among them: how much the desk is used, how many drafts it wrote, and time that somebody assumes was saved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import numpy as np

from evals import differences
from evals.differences import Difference, Sample, holm, matched, wilson
from evals.observe import MEASURES, Measure, Table, strata
from evals.survival import Flags, Interval, quantiles

Verdict: TypeAlias = Literal["better", "worse", "cannot tell"]

ALPHA: Final = 0.04
"""The chance that any verdict is wrong when nothing has changed; a little under the one in twenty that is promised, since
the tests are exact for many cases only."""
WHOLE: Final = 0.8 * ALPHA
"""Of that, for the claims on all cases together (Holm over the measures)."""
PARTS: Final = 0.2 * ALPHA
"""Of that, for the claims on single issue types (Holm over measures and issue types)."""
FEWEST: Final = 30
"""Cases on either side below which nothing is claimed."""
COVER: Final = 0.5
"""Part of the cases of now that must have their like in the baseline."""
SHOWN: Final = 5
"""Cases of a group below which its figures are not shown."""
SEED: Final = 20261128
"""Of the bootstrap, so that the same cases give the same figures."""
NAN: Final = float("nan")
_NOTHING: Final = Difference(Interval(NAN, NAN, NAN), NAN, NAN)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of one group of cases."""

    measure: str
    by: str
    """`issue_type`, `severity`, `team`, `engine`, `prompts`; "" for all cases."""
    group: str
    cases: int
    """Cases that tell it."""
    open: int
    """Of these, times that were cut off."""
    middle: Interval
    """Median in seconds, share, or mean."""
    high: Interval | None = None
    """Of times: what nine of ten do not exceed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of one measure against the baseline."""

    measure: str
    issue_type: str
    """"" for all cases."""
    before: int
    now: int
    """Cases that tell it and have their like on the other side."""
    covered: float
    """Part of the cases of now that have."""
    difference: Difference
    p: float
    """As it counts among all claims of its family; nan when there is none."""
    verdict: Verdict
    why: str


# --- figures -----------------------------------------------------------------------------------------------------------


def figures(cases: Table, by: Sequence[str]) -> list[Figure]:
    """Every measure of all cases, and of the groups of each label that have enough of them."""
    rng = np.random.default_rng(SEED)
    everything = np.ones(len(cases), np.bool_)
    found = [f for m in MEASURES if (f := _figure(m, cases, "", "", everything, rng)) is not None]
    for label in by:
        column = cases.column(label)
        for group in (str(word) for word in np.unique(column) if word):
            mask = column == group
            some = (_figure(m, cases, label, group, mask, rng) for m in MEASURES)
            found += [f for f in some if f is not None and f.cases >= SHOWN]
    return found


def _figure(
    measure: Measure, cases: Table, by: str, group: str, where: Flags, rng: np.random.Generator
) -> Figure | None:
    sample = cases.sample(measure.id, np.zeros(len(cases), np.int64), where)
    n = len(sample)
    if not n:
        return None
    if measure.kind == "time":
        middle, high = quantiles(sample.values, sample.ended, [0.5, 0.9], rng)
        return Figure(measure.id, by, group, n, int((~sample.ended).sum()), middle, high)
    mean = float(sample.values.mean())
    if measure.kind == "share":
        return Figure(measure.id, by, group, n, 0, Interval(mean, *wilson(mean, n)))
    drawn = rng.choice(sample.values, size=(200, min(n, 5000))).mean(axis=1) - mean
    low, high = np.quantile(drawn, [0.025, 0.975]) * math.sqrt(min(n, 5000) / n)
    return Figure(measure.id, by, group, n, 0, Interval(mean, mean + float(low), mean + float(high)))


# --- verdicts ----------------------------------------------------------------------------------------------------------


def judge(before: Table, now: Table, *, full: bool = True) -> list[Claim]:
    """The claims on all cases, then those on issue types that have enough cases.

    Args:
        before: the baseline.
        now: cases of the desk, as they stood when the verdict was due.
        full: work out the intervals of claims that come to nothing too.

    """
    code_before, code_now = strata(before, now)
    claims: list[_Tested] = []
    for measure in (m for m in MEASURES if m.claimed):
        pair = before.sample(measure.id, code_before), now.sample(measure.id, code_now)
        claims.append(_claim(measure, "", *pair))
    parts: list[_Tested] = []
    types = np.unique(now.column("issue_type"))
    for issue_type in (str(word) for word in types if word):
        masks = before.column("issue_type") == issue_type, now.column("issue_type") == issue_type
        for measure in (m for m in MEASURES if m.claimed):
            pair = before.sample(measure.id, code_before, masks[0]), now.sample(measure.id, code_now, masks[1])
            claim = _claim(measure, issue_type, *pair)
            parts += [claim] if not claim.why else []
    return [*_settled(claims, WHOLE, full), *_settled(parts, PARTS, full)]


_Pair: TypeAlias = tuple[Sample, Sample]


@dataclass(frozen=True, slots=True)
class _Tested(Claim):
    """A claim before it is settled, with its cases."""

    pair: _Pair | None = None


def _claim(measure: Measure, issue_type: str, before: Sample, now: Sample) -> _Tested:
    like_before, like_now, covered = matched(before, now)
    n0, n1 = len(like_before), len(like_now)
    why = ""
    if not len(before):
        why = "The baseline does not tell it."
    elif not len(now):
        why = "Nothing tells it yet."
    elif min(n0, n1) < FEWEST:
        why = f"Too few cases that can be compared: {n0} before, {n1} now; {FEWEST} of each are needed."
    elif covered < COVER:
        why = f"Only {covered:.0%} of the cases have their like in the baseline: another mix, nothing to compare with."
    found = _NOTHING if why else _compare(measure, like_before, like_now, interval=False)
    if not why and math.isnan(found.p):
        why = "All cases are alike in it, before and now." if measure.kind != "time" else "None of it has ended yet."
    return _Tested(measure.id, issue_type, n0, n1, covered, found, NAN, "cannot tell", why, (like_before, like_now))


def _compare(measure: Measure, before: Sample, now: Sample, *, interval: bool) -> Difference:
    if measure.kind == "time":
        return differences.times(before, now, interval=interval)
    return (differences.shares if measure.kind == "share" else differences.scores)(before, now)


def _settled(claims: Sequence[_Tested], alpha: float, full: bool) -> list[Claim]:
    """The claims with their verdicts, all of them wrong together at most `alpha` of the time."""
    known = {m.id: m for m in MEASURES}
    found: list[Claim] = []
    for claim, p in zip(claims, holm([NAN if c.why else c.difference.p for c in claims]), strict=True):
        measure, told = known[claim.measure], claim.difference
        if not claim.why and claim.pair and (full or p <= alpha):
            told = _compare(measure, *claim.pair, interval=True)
        plain = Claim(
            claim.measure, claim.issue_type, claim.before, claim.now, claim.covered, told, p, "cannot tell", claim.why
        )
        found.append(plain if claim.why else _verdict(measure, plain, alpha, len(claims)))
    return found


def _verdict(measure: Measure, claim: Claim, alpha: float, together: int) -> Claim:
    change = claim.difference.change
    none = 1.0 if measure.kind == "time" else 0.0
    span = f"Between {change_words(measure, change.low)} and {change_words(measure, change.high)}"
    if math.isnan(change.at):
        return replace(claim, why="No change can be made out.")
    if change.low <= none <= change.high:
        return replace(claim, why=f"{span}: it may be no change at all.")
    if claim.p > alpha:
        return replace(claim, why=f"{span}, but among {together} claims at once that may be chance.")
    fell = change.high < none
    verdict: Verdict = "better" if fell == (measure.better == "lower") else "worse"
    return replace(claim, verdict=verdict, why=f"{span}; chance alone would hardly do that.")


def change_words(measure: Measure, value: float) -> str:
    """A change in words, e.g. "20 % shorter" or "5.0 points more"."""
    if math.isnan(value):
        return "unknown"
    if measure.kind == "time":
        if math.isinf(value):
            return "far longer"
        size = abs(value - 1)
        return "no change" if size < 0.005 else f"{size:.0%} {'longer' if value > 1 else 'shorter'}".replace("%", " %")
    size, unit = (abs(value) * 100, " points") if measure.kind == "share" else (abs(value), "")
    if size < (0.05 if unit else 0.005):
        return "no change"
    return (
        f"{size:.1f}{unit} {'more' if value > 0 else 'less'}"
        if unit
        else f"{size:.2f} {'more' if value > 0 else 'less'}"
    )


def worth(claims: Sequence[Claim]) -> str:
    """What a store should ask itself when time per case does not fall; "" when it does."""
    time = next((c for c in claims if c.measure == "cycle_time" and not c.issue_type), None)
    if time is None or time.verdict == "better":
        return ""
    said = "Time per case has grown" if time.verdict == "worse" else "Nothing shows that time per case has fallen"
    return f"{said} since the desk is in use. Question its value: look at what it costs you, and at what else it gives you."
