"""Measures as people read them: figures in words, and intervals drawn to scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from api.measuring import Told
from evals.measures import Claim, Figure, change_words
from evals.observe import BY_ID, MEASURES, Measure
from evals.process import span
from evals.survival import Interval

WIDTH: Final = 320
HEIGHT: Final = 34
_MARGIN: Final = 8
_MARKS: Final = {"better": "✓", "worse": "✕", "cannot tell": "–"}


@dataclass(frozen=True, slots=True)
class Plot:
    """An interval on a scale that has "no change" in its middle; positions in units of the drawing."""

    low: float
    at: float
    high: float
    middle: float
    cut_low: bool
    """The interval goes on beyond the scale."""
    cut_high: bool
    says: str


@dataclass(frozen=True, slots=True)
class Row:
    """A measure on the page."""

    measure: Measure
    before: str
    now: str
    cases: str
    claim: Claim | None
    change: str
    plot: Plot | None
    mark: str


def rows_of(told: Told) -> list[Row]:
    """Every measure that either side tells, in the order of the list."""
    claims = {c.measure: c for c in told.claims if not c.issue_type}
    before, now = ({f.measure: f for f in some if not f.by} for some in (told.before, told.figures))
    found: list[Row] = []
    for m in MEASURES:
        if m.id not in before and m.id not in now:
            continue
        claim = claims.get(m.id)
        counts = f"{before[m.id].cases if m.id in before else 0} / {now[m.id].cases if m.id in now else 0}"
        found.append(Row(m, _middle(before.get(m.id)), _middle(now.get(m.id)), counts, claim, *_change(m, claim)))
    return found


def parts_of(told: Told) -> list[tuple[str, Row]]:
    """Issue types of which something is claimed."""
    found = [c for c in told.claims if c.issue_type and c.verdict != "cannot tell"]
    return [
        (c.issue_type, Row(BY_ID[c.measure], "", "", f"{c.before} / {c.now}", c, *_change(BY_ID[c.measure], c)))
        for c in found
    ]


def groups_of(told: Told, measure: str, by: str) -> list[tuple[str, str, str, int]]:
    """A measure by the groups of a label: group, before, now, cases now."""
    before, now = (
        {f.group: f for f in some if f.by == by and f.measure == measure} for some in (told.before, told.figures)
    )
    names = [name for name in sorted(before.keys() | now.keys()) if name in now]
    return [(name, _middle(before.get(name)), _middle(now[name]), now[name].cases) for name in names]


def _change(measure: Measure, claim: Claim | None) -> tuple[str, Plot | None, str]:
    if claim is None:
        return "", None, ""
    told = claim.difference.change
    if math.isnan(told.at):
        return "", None, _MARKS[claim.verdict]
    return change_words(measure, told.at), plot(measure, told), _MARKS[claim.verdict]


def plot(measure: Measure, told: Interval) -> Plot:
    """Where an interval is drawn: ratios on a logarithmic scale of a half to the double, differences to half of what can be."""
    reach = {"time": math.log(2), "share": 0.25, "score": max(1.0, abs(told.at) * 2)}[measure.kind]
    ratio = measure.kind == "time"
    values = [(math.log(v) if v > 0 else -math.inf) if ratio else v for v in (told.low, told.at, told.high)]
    spots = [max(-1.0, min(1.0, v / reach)) for v in values]
    half = WIDTH / 2
    low, at, high = (round(half + spot * (half - _MARGIN), 1) for spot in spots)
    says = f"{change_words(measure, told.at)}; between {change_words(measure, told.low)} and {change_words(measure, told.high)}"
    return Plot(low, at, high, half, values[0] < -reach, values[2] > reach, says)


# --- figures -----------------------------------------------------------------------------------------------------------


def _middle(figure: Figure | None) -> str:
    return figure_words(figure)[0] if figure else "–"


def figure_words(figure: Figure) -> tuple[str, str, str]:
    """Median or mean, its interval, and what nine of ten do not exceed, in words."""
    kind = BY_ID[figure.measure].kind
    told = figure.middle
    return (
        _value(kind, told.at), f"{_value(kind, told.low)} to {_value(kind, told.high)}",
        _value(kind, figure.high.at) if figure.high else "-",
    )  # fmt: skip


def _value(kind: str, value: float) -> str:
    if not math.isfinite(value):
        return "not seen yet"
    if kind == "time":
        return span(timedelta(seconds=value))
    return f"{value:.1%}".replace("%", " %") if kind == "share" else f"{value:.2f}"


def labels(names: Sequence[str]) -> list[tuple[str, str]]:
    """Ids of labels with their words."""
    words = {"issue_type": "issue type", "prompts": "version of the prompts"}
    return [(name, words.get(name, name)) for name in names]
