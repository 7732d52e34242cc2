"""Who rates what: what a person is given next, which ratings stand, and what counts as gold."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evals.ratings import GAP, LEVELS, Adjudication, Item, Opinion, Rating


def draw(*parts: str) -> str:
    """A number drawn by the words given: the same for the same words, in no order that shows."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


# --- who rates what next ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Task:
    """What a person is given to rate."""

    item: Item
    repeat: bool
    """The planned second look; the person is not told."""


def standing(ratings: Iterable[Rating]) -> list[Rating]:
    """The ratings that nothing superseded, oldest first."""
    every = sorted(ratings, key=lambda r: (r.at, r.id))
    old = {r.supersedes for r in every}
    return [r for r in every if r.id not in old]


def in_force(settled: Iterable[Adjudication]) -> list[Adjudication]:
    """What was settled and not settled anew since."""
    every = list(settled)
    old = {a.supersedes for a in every}
    return [a for a in every if a.id not in old]


def next_task(items: Sequence[Item], ratings: Iterable[Rating], rater: str) -> Task | None:
    """What somebody rates next: what came up for a second look first, then something new to them; None when all is done."""
    held = standing(ratings)
    mine = [r for r in held if r.rater == rater]
    by_item = _first_looks(held)
    fresh = [i for i in items if rater not in by_item[i.id] and len(by_item[i.id]) < i.plan.needed]
    again = [i for i in items if repeat_due(i, mine, by_item[i.id], rater, nothing_else=not fresh)]
    if again:
        return Task(again[0], repeat=True)
    if fresh:
        return Task(min(fresh, key=lambda i: draw(rater, i.id)), repeat=False)
    return None


def repeat_due(
    item: Item, mine: Sequence[Rating], looks: Mapping[str, Rating], rater: str, *, nothing_else: bool
) -> bool:
    """Whether the planned second look of an item is up for the person who rated it first.

    Args:
        item: the item.
        mine: the person's standing ratings, oldest first.
        looks: the first look of everybody at the item.
        rater: the person.
        nothing_else: nothing new is left for the person, so that it need not wait longer.

    """
    own = looks.get(rater)
    if own is None or not item.plan.repeat or own is not min(looks.values(), key=lambda r: (r.at, r.id)):
        return False
    if any(r.repeat and r.item == item.id for r in mine):
        return False
    since = len({r.item for r in mine if (r.at, r.id) > (own.at, own.id)})
    return since >= GAP or nothing_else


def _first_looks(held: Iterable[Rating]) -> dict[str, dict[str, Rating]]:
    """Each item's first look by rater."""
    found: dict[str, dict[str, Rating]] = defaultdict(dict)
    for r in held:
        if not r.repeat:
            found[r.item][r.rater] = r
    return found


# --- what holds ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rated:
    """An item with all that people said of it."""

    item: Item
    looks: tuple[Rating, ...]
    """First looks, one for each rater, oldest first."""
    again: tuple[Rating, ...] = ()
    """Planned second looks."""
    settled: Adjudication | None = None

    @property
    def complete(self) -> bool:
        """Whether as many people rated it as shall."""
        return len(self.looks) >= self.item.plan.needed

    @property
    def differ(self) -> tuple[str, ...]:
        """Dimensions in which the raters are of several minds."""
        return tuple(name for name in LEVELS if len({r.dims[name] for r in self.looks}) > 1)

    @property
    def gold(self) -> Opinion | None:
        """What holds: what was settled, else what two raters agree on; None for one rater or an open disagreement."""
        if self.settled is not None:
            return self.settled
        return self.looks[0] if len(self.looks) > 1 and not self.differ else None


def rated(items: Iterable[Item], ratings: Iterable[Rating], settled: Iterable[Adjudication] = ()) -> list[Rated]:
    """Every item with its standing ratings and what was settled last."""
    held = standing(ratings)
    looks = _first_looks(held)
    last = {a.item: a for a in in_force(settled)}
    again: dict[str, list[Rating]] = defaultdict(list)
    for r in held:
        if r.repeat:
            again[r.item].append(r)
    return [Rated(i, tuple(looks[i.id].values()), tuple(again[i.id]), last.get(i.id)) for i in items]
