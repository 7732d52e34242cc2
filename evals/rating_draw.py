"""Which outputs of a run people rate: a letter of each case, and spoiled ones among them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from evals.answer import Answer, Grounds
from evals.dataset import Case, Dataset
from evals.errors import RatingError
from evals.mutators_form import MUTATORS
from evals.outcome import Run, Trial
from evals.rating_plan import draw
from evals.ratings import DOUBLE, REPEATED, SEEDED, Planned, Said, Shown

UNFAIR: Final = frozenset(
    {"reworded", "hard to read", "hidden character", "unlike precedents", "nobody pulled in", "no citation"}
)
"""Mutators whose change a person cannot see or need not mind."""


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
    drawn = sorted(first.values(), key=lambda t: draw(run.id, t.case))
    doubles, repeats = math.ceil(DOUBLE * len(drawn)), math.ceil(REPEATED * len(drawn))
    found = [
        Planned(
            run.id, t.case, t.trial, shown(dataset.cases[t.case], t.answer or {}), double=place < doubles,
            repeat=place >= len(drawn) - repeats,
        )
        for place, t in enumerate(drawn)
    ]  # fmt: skip
    found += _seeded(run, [t for t in drawn if _flawless(t)], dataset, grounds, math.ceil(SEEDED * len(drawn)))
    return sorted(found, key=lambda p: draw(run.id, "order", p.case, p.mutant))


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
    for by in sorted(MUTATORS, key=lambda m: draw(base.case.name, m.name)):
        if by.name not in used and by.name not in UNFAIR:
            for change in by.make(base):
                yield by.name, change.answer
