"""How escalations are handled, seen from their events: paths between states, teams and people, and where the time goes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from evals.observe import WAITING
from evals.past import PastCase, Step

View: TypeAlias = Literal["states", "teams", "people"]
VIEWS: Final[tuple[View, ...]] = ("states", "teams", "people")
Part: TypeAlias = Literal["waiting", "touch", "hand_over", "in_house", "not_told"]

ANSWERED: Final = "answered"
"""Where no statuses are told: the store spoke last."""
ASKED: Final = "asked_again"
"""Where no statuses are told: the customer wrote again."""
NOBODY: Final = "nobody"
NO_TEAM: Final = "no_team"
_ENDS: Final = frozenset({"resolved", "closed"})


@dataclass(frozen=True, slots=True)
class Stay:
    """Time that one case spent in one place."""

    place: str
    begins: datetime
    ends: datetime

    @property
    def time(self) -> timedelta:
        """How long."""
        return self.ends - self.begins


@dataclass(frozen=True, slots=True)
class Place:
    """A state, team or person, over all cases."""

    name: str
    visits: int
    cases: int
    total: timedelta
    median: timedelta
    """Of one visit."""
    high: timedelta
    """What nine of ten visits do not exceed."""
    share: float
    """Part of the time of all cases that is spent here."""


@dataclass(frozen=True, slots=True)
class Path:
    """A way from one place to the next."""

    begins: str
    ends: str
    times: int
    median: timedelta
    """Of the stay before it."""


@dataclass(frozen=True, slots=True)
class ProcessMap:
    """How the cases went."""

    view: View
    cases: int
    open: int
    """Of these, not resolved yet; they count for as long as they were seen."""
    without_steps: int
    """Of these, without anything between opening and end that tells where they were."""
    places: tuple[Place, ...]
    """The longest total first."""
    paths: tuple[Path, ...]
    """The most frequent first."""
    parts: Mapping[Part, timedelta]
    """Where the time went: with customer or carrier, in hands, between teams, otherwise in the house, and after a reply
    where no status tells who had to act. Hands and hand-over are told by few files; where they are not, they are in the house.
    """
    routes: tuple[tuple[tuple[str, ...], int], ...]
    """The most frequent whole ways."""
    bottlenecks: tuple[str, ...]
    """In words, the largest first."""


@dataclass(slots=True)
class _Sums:
    stays: dict[str, list[timedelta]] = field(default_factory=lambda: defaultdict(list))
    cases: Counter[str] = field(default_factory=Counter[str])
    ways: dict[tuple[str, str], list[timedelta]] = field(default_factory=lambda: defaultdict(list))
    routes: Counter[tuple[str, ...]] = field(default_factory=Counter[tuple[str, ...]])
    parts: dict[Part, float] = field(default_factory=dict[Part, float])


def process(
    cases: Iterable[PastCase], end: datetime, view: View = "states", touches: Mapping[str, float] | None = None
) -> ProcessMap:
    """The map of cases as they stood at `end`.

    Args:
        cases: those to be looked at; filter by issue type or severity before.
        end: open cases are seen until then.
        view: what the places are.
        touches: case -> seconds in which somebody had it in hands.

    """
    sums, number, still, bare = _Sums(), 0, 0, 0
    for case in cases:
        if case.opened >= end:
            continue
        number += 1
        ends = case.resolved if case.resolved is not None and case.resolved <= end else None
        still += ends is None
        stays = stays_of(case, end, view)
        bare += not any(step.kind in {"status", "reply", "message", "team"} for step in case.steps)
        _add(sums, stays, resolved=ends is not None)
        _part(sums, case, end, (touches or {}).get(case.id, 0.0))
    total = sum((time for times in sums.stays.values() for time in times), timedelta(0))
    places = sorted(
        (_place(n, t, sums.cases[n], total) for n, t in sums.stays.items()), key=lambda p: (-p.total, p.name)
    )
    paths = (Path(a, b, len(times), _rank(sorted(times), 50)) for (a, b), times in sums.ways.items())
    ordered = tuple(sorted(paths, key=lambda p: (-p.times, p.begins, p.ends)))
    seconds: dict[Part, timedelta] = {name: timedelta(seconds=round(s)) for name, s in sums.parts.items()}
    return ProcessMap(
        view, number, still, bare, tuple(places), ordered, seconds, tuple(sums.routes.most_common(5)),
        tuple(_bottlenecks(places, ordered, view)),
    )  # fmt: skip


def stays_of(case: PastCase, end: datetime, view: View) -> list[Stay]:
    """Where a case was from its opening to its end, without gaps."""
    until = min(case.resolved or end, end)
    moves = _moves(case, view)
    found: list[Stay] = []
    for n, (at, place) in enumerate(moves):
        after = min(moves[n + 1][0] if n + 1 < len(moves) else until, until)
        if after > at or (n == 0 and len(moves) == 1):
            if found and found[-1].place == place:
                found[-1] = Stay(place, found[-1].begins, after)
            else:
                found.append(Stay(place, at, max(at, after)))
    return found


def _moves(case: PastCase, view: View) -> list[tuple[datetime, str]]:
    if view == "teams":
        changes = [(s.at, s.value) for s in case.steps if s.kind == "team" and s.value]
        first = "" if changes else case.team
        return [(case.opened, first or NO_TEAM), *changes]
    if view == "people":
        told = ((s.at, s.value if s.kind == "person" else s.who) for s in case.steps)
        return [(case.opened, NOBODY), *((at, who) for at, who in told if who)]
    states = [(s.at, s.value) for s in case.steps if s.kind == "status" and s.value not in _ENDS]
    if not states:
        words = {"reply": ANSWERED, "message": ASKED}
        states = [(s.at, words[s.kind]) for s in case.steps if s.kind in words]
        if not states and case.first_reply is not None:
            states = [(case.first_reply, ANSWERED)]
    back = [(s.at, "reopened") for s in case.steps if s.kind == "reopened"]
    pauses = [(s.at, "resolved") for s in case.steps if s.kind == "status" and s.value in _ENDS]
    between = [p for p in pauses if back and p[0] < back[-1][0]]
    return [(case.opened, "new"), *sorted((*between, *back, *states), key=lambda move: move[0])]


def _add(sums: _Sums, stays: Sequence[Stay], *, resolved: bool) -> None:
    for stay in stays:
        sums.stays[stay.place].append(stay.time)
    sums.cases.update({stay.place for stay in stays})
    names = [stay.place for stay in stays] + (["resolved"] if resolved else [])
    for n, name in enumerate(names[1:]):
        sums.ways[names[n], name].append(stays[n].time)
    sums.routes[tuple(names)] += 1


def _part(sums: _Sums, case: PastCase, end: datetime, touch: float) -> None:
    """Where the time of one case went; the parts add up to its whole time."""
    until = min(case.resolved or end, end)
    states = stays_of(case, end, "states")
    away, untold = (
        sum(s.time.total_seconds() for s in states if s.place in places) for places in (WAITING, {ANSWERED})
    )
    own = max(0.0, (until - case.opened).total_seconds() - away - untold)
    over = min(own, sum(_hand_overs(case.steps, until)))
    touch = min(touch, own - over)
    told: dict[Part, float] = {
        "waiting": away, "hand_over": over, "touch": touch, "in_house": own - over - touch, "not_told": untold,
    }  # fmt: skip
    for name, seconds in told.items():
        sums.parts[name] = sums.parts.get(name, 0.0) + seconds


def _hand_overs(steps: Sequence[Step], until: datetime) -> Iterable[float]:
    """Seconds from each change of team until somebody does something next."""
    teams = [n for n, step in enumerate(steps) if step.kind == "team"][1:]
    for n in teams:
        then = next((s.at for s in steps[n + 1 :] if s.kind != "message" and s.at > steps[n].at), until)
        yield max(0.0, (min(then, until) - steps[n].at).total_seconds())


def _place(name: str, times: list[timedelta], cases: int, total: timedelta) -> Place:
    ordered = sorted(times)
    whole = sum(times, timedelta(0))
    part = whole / total if total else 0.0
    return Place(name, len(times), cases, whole, _rank(ordered, 50), _rank(ordered, 90), part)


def _rank(ordered: Sequence[timedelta], percent: int) -> timedelta:
    """The value that so many percent do not exceed (nearest rank)."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _bottlenecks(places: Sequence[Place], paths: Sequence[Path], view: View) -> Iterable[str]:
    """Where most of the time goes, and where cases go back and forth."""
    words = {"states": "in the state", "teams": "with the team", "people": "with"}
    for place in places[:3]:
        if place.share >= 0.15 and len(places) > 1:
            name = place.name.replace("_", " ")
            yield (
                f"{place.share:.0%} of the time goes by {words[view]} “{name}”: half of the {place.visits} stays last longer "
                f"than {span(place.median)}, one in ten longer than {span(place.high)}."
            ).replace("%", " %", 1)
    counts = {(p.begins, p.ends): p.times for p in paths}
    for (a, b), times in counts.items():
        returned = counts.get((b, a), 0)
        if a < b and min(times, returned) >= max(5, 0.1 * sum(counts.values()) / max(1, len(counts))):
            one, other = a.replace("_", " "), b.replace("_", " ")
            yield f"Back and forth: {times} times from “{one}” to “{other}”, {returned} times the other way."


def span(time: timedelta) -> str:
    """A time in words that are short enough for a table, e.g. "3.5 h"."""
    minutes = time.total_seconds() / 60
    if minutes < 100:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 48 * 60 else f"{minutes / 1440:.1f} d"
