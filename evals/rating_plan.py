"""Who rates what: which outputs of a run are rated, by how many, what a person is given next, and what counts as gold."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from evals.answer import Answer, Grounds
from evals.dataset import Case, Dataset
from evals.errors import RatingError
from evals.mutators_form import MUTATORS
from evals.outcome import Run, Trial
from evals.ratings import (
    DOUBLE,
    GAP,
    LEVELS,
    REPEATED,
    SEEDED,
    Adjudication,
    Item,
    Opinion,
    Planned,
    Rating,
    Said,
    Shown,
)

UNFAIR: Final = frozenset(
    {"reworded", "hard to read", "hidden character", "unlike precedents", "nobody pulled in", "no citation"}
)
"""Mutators whose change a person cannot see or need not mind."""


# --- which outputs ------------------------------------------------------------------------------------------------------


def plan(run: Run, dataset: Dataset, grounds: Grounds) -> list[Planned]:
    """The outputs of a run that are rated: one with a letter of each case, and spoiled ones among them, in a drawn order.

    The same run gives the same plan.

    Raises:
        RatingError: the run answered other cases than the suite now holds, or wrote no letter.

    """
    if run.dataset != dataset.hash:
        raise RatingError(
            f"Run {run.id} answered other cases than the suite holds now; make a new run with `desk eval run`."
        )
    first: dict[str, Trial] = {}
    for t in sorted(run.trials, key=lambda t: (t.case, t.trial)):
        if t.split != "quarantine" and not t.error and not t.stale and t.case in dataset.cases and _body(t.answer):
            first.setdefault(t.case, t)
    if not first:
        raise RatingError(f"Run {run.id} holds no letter to a customer, so there is nothing to rate.")
    drawn = sorted(first.values(), key=lambda t: _draw(run.id, t.case))
    doubles, repeats = math.ceil(DOUBLE * len(drawn)), math.ceil(REPEATED * len(drawn))
    found = [
        Planned(
            run.id, t.case, t.trial, shown(dataset.cases[t.case], t.answer or {}), double=place < doubles,
            repeat=place >= len(drawn) - repeats,
        )
        for place, t in enumerate(drawn)
    ]  # fmt: skip
    found += _seeded(run, [t for t in drawn if _flawless(t)], dataset, grounds, math.ceil(SEEDED * len(drawn)))
    return sorted(found, key=lambda p: _draw(run.id, "order", p.case, p.mutant))


def _draw(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _draft(answer: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found: Any = (answer or {}).get("draft")
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _body(answer: Mapping[str, Any] | None) -> str:
    draft = _draft(answer)
    return "" if draft.get("kind") == "brief" else str(draft.get("body") or "")


def _flawless(trial: Trial) -> bool:
    return all(s.value is None or s.value >= 1 for s in trial.scores if s.kind == "hard")


def shown(case: Case, answer: Mapping[str, Any]) -> Shown:
    """What a rater sees of an answer; nothing that says who or what wrote it."""
    draft = _draft(answer)
    return Shown(
        messages=tuple(Said(author=m.author, text=m.text) for m in case.escalation.messages),
        kind=str(draft.get("kind") or ""), subject=str(draft.get("subject") or ""), body=str(draft.get("body") or ""),
        issue_type=str(answer.get("issue_type") or ""), severity=str(answer.get("severity") or ""),
        primary_team=str(answer.get("primary_team") or ""), collaborators=tuple(answer.get("collaborators") or ()),
        language=str(draft.get("language") or answer.get("language") or ""),
    )  # fmt: skip


def _seeded(run: Run, good: Sequence[Trial], dataset: Dataset, grounds: Grounds, most: int) -> list[Planned]:
    """Spoiled copies of flawless outputs, each spoiled in another way, of another case, and rated by two."""
    found: list[Planned] = []
    used: set[str] = set()
    for t in good:
        if len(found) == most:
            break
        case = dataset.cases[t.case]
        for what, answer in _spoiled(Answer(case, t.answer or {}, grounds), used):
            plain, bad = shown(case, t.answer or {}), shown(case, answer)
            if bad.body.strip() and bad.hash != plain.hash:
                used.add(what)
                found.append(Planned(run.id, t.case, t.trial, bad, double=True, mutant=what))
                break
    return found


def _spoiled(base: Answer, used: set[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if base.problem or base.letter is None:
        return
    for by in sorted(MUTATORS, key=lambda m: _draw(base.case.name, m.name)):
        if by.name not in used and by.name not in UNFAIR:
            for change in by.make(base):
                yield by.name, change.answer


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
        return Task(min(fresh, key=lambda i: _draw(rater, i.id)), repeat=False)
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
