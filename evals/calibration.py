"""How far ratings can be trusted: agreement between people, each one's catch rate of spoiled outputs, and steadiness.

Natural and spoiled outputs are told apart: spoiled ones are easier to see, so they are no part of any agreement. No judge
is built, so there is none to calibrate.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from evals import stats
from evals.rating_plan import Rated
from evals.ratings import LEVELS, ORDERED, Rating
from evals.stats import Agreement, Interval


@dataclass(frozen=True, slots=True)
class Line:
    """How far people agree in one dimension, on outputs as they were."""

    name: str
    alpha: Agreement
    """Krippendorff's, over all raters; quadratic distances for ordered levels."""
    kappa: Agreement | None
    """Cohen's, quadratic for ordered levels; None unless the same two people rated all that was rated twice."""
    pairs: Mapping[tuple[str, str], int]
    """How often two raters gave these two levels, the worse one first."""


@dataclass(frozen=True, slots=True)
class Reviewer:
    """One person's ratings."""

    rater: str
    rated: int
    """Outputs, each counted once."""
    caught: Interval | None
    """Share of the spoiled outputs in which the person named a fault."""
    steady: Interval | None
    """Share of the second looks that gave the same levels in all dimensions."""
    seconds: float | None
    """Half of the ratings took less; None when no time is known."""
    early: Interval | None
    """Share of outputs called safe to send in the first half of the person's ratings; with `late` it shows drift."""
    late: Interval | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the ratings so far are worth."""

    items: int
    mutants: int
    rated: int
    """Items that as many people rated as shall."""
    double: int
    """Natural items with at least two raters."""
    open: int
    """Disagreements that nobody settled yet."""
    settled: int
    gold: int
    lines: tuple[Line, ...]
    reviewers: tuple[Reviewer, ...]

    @property
    def enough(self) -> bool:
        """Whether enough was rated twice to say anything; otherwise show "too few"."""
        return self.double >= stats.ENOUGH


def calibrate(found: Sequence[Rated]) -> Calibration:
    """The figures over all items."""
    natural = [r for r in found if not r.item.plan.mutant]
    twice = [r for r in natural if len(r.looks) > 1]
    raters = sorted({look.rater for r in found for look in r.looks})
    return Calibration(
        len(natural), len(found) - len(natural), sum(r.complete for r in found), len(twice),
        sum(r.complete and bool(r.differ) and r.settled is None for r in found),
        sum(r.settled is not None for r in found), sum(r.gold is not None for r in natural),
        tuple(_line(name, twice) for name in LEVELS), tuple(_reviewer(rater, found) for rater in raters),
    )  # fmt: skip


def _line(name: str, twice: Sequence[Rated]) -> Line:
    levels, ordered = LEVELS[name], name in ORDERED
    given = [[look.dims[name] for look in r.looks] for r in twice]
    alpha = stats.alpha(given, levels, scale="interval" if ordered else "nominal")
    people = sorted({look.rater for r in twice for look in r.looks})
    kappa = None
    if len(people) == 2:
        by_rater = [{look.rater: look.dims[name] for look in r.looks} for r in twice]
        first, second = ([one[person] for one in by_rater] for person in people)
        kappa = stats.kappa(first, second, levels, quadratic=ordered)
    pairs = Counter(
        (a, b) if levels.index(a) <= levels.index(b) else (b, a) for some in given for a, b in combinations(some, 2)
    )
    return Line(name, alpha, kappa, dict(sorted(pairs.items(), key=lambda p: [levels.index(x) for x in p[0]])))


def _reviewer(rater: str, found: Sequence[Rated]) -> Reviewer:
    mine = sorted(
        ((r, look) for r in found for look in r.looks if look.rater == rater), key=lambda p: (p[1].at, p[1].id)
    )
    bad = [look for r, look in mine if r.item.plan.mutant]
    own = {r.item.id: look for r, look in mine}
    again = [
        (own[r.item.id], second) for r in found for second in r.again if second.rater == rater and r.item.id in own
    ]
    natural = [look for r, look in mine if not r.item.plan.mutant]
    times = [look.seconds for _, look in mine if look.seconds]
    half = len(natural) // 2
    return Reviewer(
        rater, len(mine), stats.wilson(sum(bool(look.first_fault) for look in bad), len(bad)),
        stats.wilson(sum(a.dims == b.dims for a, b in again), len(again)),
        statistics.median(times) if times else None, _safe(natural[:half]), _safe(natural[half:]),
    )  # fmt: skip


def _safe(looks: Sequence[Rating]) -> Interval | None:
    return stats.wilson(sum(look.dims["safe_to_send"] == "pass" for look in looks), len(looks))
