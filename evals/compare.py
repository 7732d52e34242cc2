"""Two runs case by case: what flipped first, with scores, answers and prompts side by side."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from evals import stats
from evals.outcome import Run, Trial
from evals.runs import comparable
from evals.stats import Interval
from evals.textdiff import Row, side_by_side
from evals.verdict import PASSED, Change, mean, passed, score_changes

Flip = Literal["broke", "lost", "mended", "weaker", "stronger", ""]
TextOf: TypeAlias = Callable[[str, str], str | None]
"""The text of a prompt by its name and hash, None when nobody kept it."""

_ORDER: Final[Mapping[Flip, int]] = {"broke": 0, "lost": 1, "mended": 2, "weaker": 3, "stronger": 4, "": 5}
_FIELDS: Final = ("state", "issue_type", "severity", "primary_team", "collaborators", "flags", "human_lead", "language")
"""Decisions of an answer that are shown one by one; texts are shown as texts."""


@dataclass(frozen=True, slots=True)
class Field:
    """One decision that differs."""

    name: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class PromptChange:
    """One prompt, or another file that answers depend on, that differs."""

    name: str
    before: str
    now: str
    """Hashes, empty where a run does not name it."""
    rows: tuple[Row, ...] = ()
    """The text side by side; empty when it was not kept."""


@dataclass(frozen=True, slots=True)
class CaseDiff:
    """What differs in one case."""

    case: str
    flip: Flip
    issue_type: str
    severity: str
    language: str
    split: str
    before: tuple[int, int]
    """Trials that passed, and trials."""
    now: tuple[int, int]
    scores: tuple[Change, ...]
    fields: tuple[Field, ...]
    draft: tuple[Row, ...]
    """Subject and body side by side; empty when they are equal."""
    prompts: tuple[PromptChange, ...]
    error: str = ""
    """Why the run has no answer."""


@dataclass(frozen=True, slots=True)
class MeanChange:
    """One score over all cases that have it in both runs."""

    score: str
    kind: str
    cases: int
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    id: str
    tier: str
    engine: str
    passed: Interval | None
    """Share of the trials that passed, of the splits that count and of holdout."""
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs case by case."""

    before: Side
    now: Side
    versions: tuple[PromptChange, ...]
    means: tuple[MeanChange, ...]
    diffs: tuple[CaseDiff, ...]
    """Cases that differ, flips first."""
    same: int
    """Cases in which nothing differs."""
    broke: int
    mended: int
    chance: float
    """Exact p-value that as many flipped one way as the other (McNemar)."""
    only_before: tuple[str, ...]
    only_now: tuple[str, ...]


def compare(before: Run, now: Run, text_of: TextOf = lambda name, hash_: None) -> Comparison:
    """The two runs case by case; cases in quarantine are left out.

    Raises:
        IncomparableError: they answered other cases, or were scored by other scorers.

    """
    comparable(before, now)
    old, new = _by_case(before), _by_case(now)
    shared = sorted(old.keys() & new.keys())
    every = [_case(case, old[case], new[case], text_of) for case in shared]
    diffs = [d for d in every if d is not None]
    broke = sum(1 for d in diffs if d.flip in {"broke", "lost"})
    mended = sum(1 for d in diffs if d.flip == "mended")
    return Comparison(
        _side(before), _side(now), prompts_changed(before.versions, now.versions, text_of), _means(shared, old, new),
        tuple(sorted(diffs, key=_rank)), len(shared) - len(diffs), broke, mended, stats.mcnemar(broke, mended),
        tuple(sorted(old.keys() - new.keys())), tuple(sorted(new.keys() - old.keys())),
    )  # fmt: skip


def _by_case(run: Run) -> dict[str, list[Trial]]:
    found: dict[str, list[Trial]] = defaultdict(list)
    for t in sorted(run.trials, key=lambda t: t.trial):
        if t.split != "quarantine":
            found[t.case].append(t)
    return found


def _rank(diff: CaseDiff) -> tuple[int, float, str]:
    fall = sum((c.now or 0) - (c.before or 0) for c in diff.scores)
    return _ORDER[diff.flip], fall, diff.case


def _side(run: Run) -> Side:
    held = [p for t in run.trials if t.split != "quarantine" and (p := passed(t)) is not None]
    costs = [t.cost_usd for t in run.trials if t.cost_usd is not None]
    share = stats.wilson(sum(p >= 1 for p in held), len(held))
    return Side(run.id, run.tier, run.engine, share, sum(costs) if costs else None)


def _case(case: str, old: Sequence[Trial], new: Sequence[Trial], text_of: TextOf) -> CaseDiff | None:
    """What differs in a case, shown by one trial of each run that is typical of it; None when nothing does."""
    was, is_ = _typical(old), _typical(new)
    before, now = _tally(old), _tally(new)
    scores = tuple(score_changes(was, is_))
    flip = _flip(before, now, lost=not was.error and bool(is_.error))
    a, b = was.answer or {}, is_.answer or {}
    fields = tuple(
        Field(name, x, y) for name in ("kind", *_FIELDS) if (x := _said(a, name)) != (y := _said(b, name))
    )  # fmt: skip
    texts = _letter(a), _letter(b)
    draft = side_by_side(*texts) if texts[0] != texts[1] else ()
    if not (flip or scores or fields or draft or a != b):
        return None
    prompts = prompts_changed(_versions(a), _versions(b), text_of)
    return CaseDiff(
        case, flip, is_.issue_type, is_.severity, is_.language, is_.split, before, now, scores, fields, draft, prompts,
        is_.error,
    )  # fmt: skip


def _tally(trials: Iterable[Trial]) -> tuple[int, int]:
    held = [p for t in trials if (p := passed(t)) is not None]
    return sum(p >= 1 for p in held), len(held)


def _flip(before: tuple[int, int], now: tuple[int, int], lost: bool) -> Flip:
    if not now[1] or not before[1]:
        return "lost" if lost else ""
    was, is_ = before[0] / before[1], now[0] / now[1]
    if was >= 0.5 > is_:
        return "broke"
    if is_ >= 0.5 > was:
        return "mended"
    return "weaker" if is_ < was else "stronger" if is_ > was else ""


def _typical(trials: Sequence[Trial]) -> Trial:
    """The first trial that went as most of them did."""
    passes, of = _tally(trials)
    usual = float(of > 0 and passes / of >= 0.5)
    return next((t for t in trials if passed(t) == usual), trials[0])


def _said(answer: Mapping[str, Any], name: str) -> str:
    draft = answer.get("draft")
    if name == "kind":
        return str(cast("dict[str, Any]", draft).get("kind", "")) if isinstance(draft, dict) else ""
    value = answer.get(name)
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[Any]", value)))
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _letter(answer: Mapping[str, Any]) -> str:
    draft = answer.get("draft")
    if not isinstance(draft, dict):
        return ""
    parts = cast("dict[str, Any]", draft)
    return f"{parts.get('subject') or ''}\n\n{parts.get('body') or ''}".strip()


def _versions(answer: Mapping[str, Any]) -> dict[str, str]:
    held = answer.get("versions")
    if not isinstance(held, dict):
        return {}
    return {str(name): str(hash_) for name, hash_ in cast("dict[str, Any]", held).items()}


def prompts_changed(before: Mapping[str, str], now: Mapping[str, str], text_of: TextOf) -> tuple[PromptChange, ...]:
    """Files whose hashes differ, with their text side by side where it was kept."""
    found: list[PromptChange] = []
    for name in sorted(before.keys() | now.keys()):
        a, b = before.get(name, ""), now.get(name, "")
        if a != b:
            old, new = text_of(name, a), text_of(name, b)
            rows = side_by_side(old, new, context=2) if old is not None and new is not None else ()
            found.append(PromptChange(name, a, b, rows))
    return tuple(found)


def _means(
    cases: Sequence[str], old: Mapping[str, list[Trial]], new: Mapping[str, list[Trial]]
) -> tuple[MeanChange, ...]:
    kinds = {s.name: s.kind for side in (old, new) for trials in side.values() for t in trials for s in t.scores}
    found: list[MeanChange] = []
    for name, kind in {PASSED: "hard", **kinds}.items():
        pairs = [
            (a, b) for c in cases if (a := mean(old[c], name)) is not None and (b := mean(new[c], name)) is not None
        ]
        if pairs:
            size = len(pairs)
            found.append(MeanChange(name, kind, size, sum(a for a, _ in pairs) / size, sum(b for _, b in pairs) / size))
    return tuple(found)
