"""Figures as words, and texts of strangers made safe to print."""

from __future__ import annotations

from typing import Final

from evals.stats import Interval

_TURNING: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Marks that turn the direction of text: a report would read other than it is."""
_NO_TEXT: Final = (
    *(n for n in range(32) if chr(n) not in "\t\n"),
    *range(127, 160),
    *range(0xD800, 0xE000),
    0xFFFE,
    0xFFFF,
)
_CONTROLS: Final = dict.fromkeys((*_NO_TEXT, *_TURNING), "\ufffd")


def clean(text: str) -> str:
    """Text without control characters, which could steer a terminal, break XML or turn the reading direction."""
    return text.translate(_CONTROLS)


def line(text: str, most: int = 300) -> str:
    """Text as one line of bounded length."""
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def percent(value: float | None, digits: int = 1) -> str:
    """A share; `-` when there is none."""
    return "-" if value is None else f"{value:.{digits}%}"


def span(found: Interval | None) -> str:
    """A share with its interval."""
    return "-" if found is None else f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


def points(change: float | None) -> str:
    """A change of a share in points."""
    return "-" if change is None else f"{100 * change:+.1f}"


def figure(value: float | None) -> str:
    """The value of a score; `-` when it was not scored."""
    return "-" if value is None else f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))
