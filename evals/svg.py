"""Small plots as SVG: no script, no resource from elsewhere, each with a title that says in words what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

from evals.report import Confidence
from evals.stats import Interval, Point

_W: Final = 320
_H: Final = 240
_PAD: Final = 52


def _x(share: float) -> float:
    return round(_PAD + share * (_W - _PAD - 12), 1)


def _y(share: float) -> float:
    return round(_H - _PAD - share * (_H - _PAD - 12), 1)


def _frame(title: str, across: str, up: str, inner: Sequence[Markup], ceiling: float = 1.0) -> Markup:
    """Axes from 0 to 1, upwards to `ceiling`, with their names and a title."""
    ticks = [
        Markup('<line class="grid" x1="{0}" y1="{1}" x2="{2}" y2="{1}"/>').format(_x(0), _y(t), _x(1))
        for t in (0, 0.5, 1)
    ]
    ticks += [
        Markup('<text class="tick" x="{}" y="{}" text-anchor="end">{:.0%}</text>').format(
            _x(0) - 5, _y(t) + 4, t * ceiling
        )
        for t in (0, 0.5, 1)
    ]
    ticks += [
        Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{:.0%}</text>').format(_x(t), _y(0) + 15, t)
        for t in (0, 0.5, 1)
    ]
    names = Markup(
        '<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>'
        '<text class="axis" x="12" y="{}" text-anchor="middle" transform="rotate(-90 12 {})">{}</text>'
    ).format(_x(0.5), _H - 6, across, _y(0.5), _y(0.5), up)
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img"><title>{}</title>{}{}{}</svg>').format(
        _W, _H, title, Markup("").join(ticks), names, Markup("").join(inner)
    )


def reliability(found: Confidence) -> Markup:
    """Confidence against the share that is right; on the diagonal confidence means what it says."""
    inner = [Markup('<line class="ideal" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(_x(0), _y(0), _x(1), _y(1))]
    for b in found.bins:
        x = _x(b.confidence)
        inner.append(
            Markup('<line class="bar" x1="{0}" y1="{1}" x2="{0}" y2="{2}"/>').format(
                x, _y(b.right.low), _y(b.right.high)
            )
        )
        words = f"confidence {b.confidence:.0%}: {b.right.value:.0%} of {b.right.n} right"
        inner.append(
            Markup('<circle class="dot" cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(
                x, _y(b.right.value), round(3 + 5 * b.right.n / found.n, 1), words
            )
        )
    said = "; ".join(f"{b.confidence:.0%} sure, {b.right.value:.0%} right ({b.right.n})" for b in found.bins)
    return _frame(f"Reliability of {found.what}: {said}", "confidence", "right", inner)


def coverage(found: Confidence) -> Markup:
    """Share answered against share wrong among those, from the surest answers on, and where the desk stands."""
    highest = max((p.risk for p in found.curve), default=0.0)
    ceiling = max(0.1, -(-highest * 10 // 1) / 10)
    inner = [_polyline(found.curve, ceiling)]
    said = f"all answered: {found.curve[-1].risk:.0%} wrong" if found.curve else "nothing answered"
    if found.answered:
        p = found.answered
        said += f"; the desk answers {p.coverage:.0%} by itself, {p.risk:.0%} of them wrong"
        inner.append(Markup('<circle class="dot" cx="{}" cy="{}" r="5"/>').format(_x(p.coverage), _y(p.risk / ceiling)))
    return _frame(f"Risk and coverage of {found.what}: {said}", "answered", "wrong", inner, ceiling)


def _polyline(curve: Sequence[Point], ceiling: float) -> Markup:
    steps = " ".join(f"{_x(p.coverage)},{_y(p.risk / ceiling)}" for p in curve)
    return Markup('<polyline class="curve" points="{}"/>').format(steps)


def bar(found: Interval) -> Markup:
    """A share as a bar with its interval as a line over it."""
    width = 120
    low, high, value = (round(width * max(0.0, min(1.0, v)), 1) for v in (found.low, found.high, found.value))
    return Markup(
        '<svg class="share" viewBox="0 0 {0} 12" role="img"><title>{1}</title><rect class="track" width="{0}" height="12"/>'
        '<rect class="fill" width="{2}" height="12"/><line class="bar" x1="{3}" y1="6" x2="{4}" y2="6"/></svg>'
    ).format(width, escape(f"{found.value:.0%}, between {found.low:.0%} and {found.high:.0%}"), value, low, high)
