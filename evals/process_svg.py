"""The process map as one picture: places in a row as wide as their share of the time, paths as arcs as thick as they are frequent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from evals.process import Path, Place, ProcessMap, span

MOST_PLACES: Final = 12
MOST_PATHS: Final = 30
WIDTH: Final = 1100
ROW: Final = 250
"""Height at which the places stand."""
HEIGHT: Final = 480
_BOX: Final = 44
_GAP: Final = 18
_END: Final = "resolved"


def draw(seen: ProcessMap, title: str) -> str:
    """The map as SVG, in the colour of the text around it. Paths onward run above, paths back below."""
    shown = _in_order(seen)
    if not shown:
        return _frame(title, f'<text x="20" y="{ROW}" fill="currentColor">There is no case to show.</text>')
    where, boxes = _boxes(shown, seen)
    arcs = [_arc(p, where, seen) for p in seen.paths[:MOST_PATHS] if p.begins in where and p.ends in where]
    left = len(seen.places) - sum(name != _END for name in shown)
    note = (
        f'<text x="20" y="{HEIGHT - 14}" font-size="13" fill="currentColor">{left} more places are in the table.</text>'
    )
    return _frame(title, "".join(arcs) + "".join(boxes) + (note if left > 0 else ""))


def _in_order(seen: ProcessMap) -> list[str]:
    """The places of most time, from those where cases begin to those where they end; the resolution stands last."""
    names = [place.name for place in seen.places[:MOST_PLACES]]
    firsts: dict[str, list[int]] = {name: [] for name in names}
    for route, times in seen.routes:
        for n, name in enumerate(dict.fromkeys(route)):
            if name in firsts:
                firsts[name] += [n] * min(times, 1000)
    mean = {name: sum(ns) / len(ns) if ns else float(len(names)) for name, ns in firsts.items()}
    ends = [_END] if any(path.ends == _END for path in seen.paths) else []
    return sorted((n for n in names if n != _END), key=lambda n: (mean[n], names.index(n))) + ends


def _boxes(names: Sequence[str], seen: ProcessMap) -> tuple[dict[str, float], list[str]]:
    places = {place.name: place for place in seen.places}
    room = WIDTH - 40 - _GAP * (len(names) - 1)
    least = min(74.0, room / len(names))
    spare = max(0.0, room - least * len(names))
    whole = sum(places[n].share for n in names if n in places) or 1.0
    where: dict[str, float] = {}
    found: list[str] = []
    x = 20.0
    for name in names:
        place = places.get(name)
        width = least + spare * ((place.share if place and name != _END else 0.0) / whole)
        where[name] = x + width / 2
        found.append(_box(name, place if name != _END else None, x, width))
        x += width + _GAP
    return where, found


def _box(name: str, place: Place | None, x: float, width: float) -> str:
    word = name.replace("_", " ")
    fits = max(4, int(width / 7.2))
    short = word if len(word) <= fits else word[: fits - 1] + "…"
    said = f"{place.share:.0%} · {span(place.median)}".replace("%", " %") if place else ""
    told = (
        f"{word}: {place.visits} stays of {place.cases} cases, {place.share:.0%} of the time, half longer than {span(place.median)}"
        if place
        else word
    )
    middle = x + width / 2
    return (
        f'<g><title>{escape(told)}</title><rect x="{x:.1f}" y="{ROW}" width="{width:.1f}" height="{_BOX}" rx="6" '
        f'fill="currentColor" fill-opacity="0.09" stroke="currentColor" stroke-opacity="0.5"/>'
        f'<text x="{middle:.1f}" y="{ROW + 18}" text-anchor="middle" font-size="12" font-weight="600" fill="currentColor">{escape(short)}</text>'
        f'<text x="{middle:.1f}" y="{ROW + 34}" text-anchor="middle" font-size="11" fill="currentColor">{escape(said[:fits])}</text></g>'
    )


def _arc(path: Path, where: Mapping[str, float], seen: ProcessMap) -> str:
    a, b = where[path.begins], where[path.ends]
    onward = b >= a
    edge = ROW if onward else ROW + _BOX
    lift = min(190.0, 30 + abs(b - a) * 0.32) * (-1 if onward else 1)
    most = max(p.times for p in seen.paths)
    thick = 1 + 9 * path.times / most
    words = f"{path.begins} to {path.ends}: {path.times} times, half after more than {span(path.median)}".replace(
        "_", " "
    )
    label = ""
    if path.times >= 0.08 * most:
        label = (
            f'<text x="{(a + b) / 2:.1f}" y="{edge + lift * 0.76 + (-6 if onward else 14):.1f}" text-anchor="middle" '
            f'font-size="11" fill="currentColor">{path.times}</text>'
        )
    return (
        f"<g><title>{escape(words)}</title>"
        f'<path d="M{a:.1f} {edge} C{a:.1f} {edge + lift:.1f} {b:.1f} {edge + lift:.1f} {b:.1f} {edge}" fill="none" '
        f'stroke="currentColor" stroke-opacity="0.45" stroke-width="{thick:.1f}"/>{label}</g>'
    )


def _frame(title: str, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label={quoteattr(title)} '
        f'font-family="system-ui, sans-serif" color="#3a4a5a"><title>{escape(title)}</title>{inside}</svg>\n'
    )
