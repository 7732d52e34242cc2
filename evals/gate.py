"""Whether a run may replace the reference run: exactly where nothing is drawn, by two guards where a model answers.

Without a model (`embedded`, `replay`) every difference is real: one hard result that got worse, or one lost case, fails.
With one (`live`) answers vary. G1 tests the mean of each headline score over all cases; G2 looks for single cases that
always passed and now hardly do, and confirms them with fresh trials of both arms. `python -m evals.gate_simulation`
measures how often the two are wrong.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from evals.errors import EvalsError
from evals.gate_live import live
from evals.outcome import Run
from evals.runs import by_key, comparable
from evals.verdict import (
    COUNTED,
    STANDARD,
    Change,
    Confirm,
    Policy,
    Result,
    counted,
    number,
    passed,
    score_changes,
    value,
    worse,
)


def judge(reference: Run, run: Run, policy: Policy = STANDARD, confirm: Confirm | None = None) -> Result:
    """The gate's verdict on a run."""
    left_out = _left_out(reference, run)
    if problem := _unusable(reference, run, policy):
        return Result("invalid", problem, run.tier, run.id, reference.id, left_out=left_out)
    blank = Result("pass", "", run.tier, run.id, reference.id, left_out=left_out)
    return live(blank, reference, run, policy, confirm) if run.tier == "live" else exact(blank, reference, run)


def _unusable(reference: Run, run: Run, policy: Policy) -> str:
    """Why nothing can be said; empty when something can."""
    if reference.tier != run.tier:
        return f"The reference is of the {reference.tier} tier and the run of the {run.tier} tier; compare runs of one tier."
    try:
        comparable(reference, run)
    except EvalsError as error:
        return str(error)
    if not {t.case for t in counted(reference)} & {t.case for t in run.trials if t.split in COUNTED}:
        return f"The run and the reference have no case in common of the splits that count ({', '.join(COUNTED)})."
    lead = policy.headline[0]
    if run.tier == "live" and not any(value(t, lead) is not None for t in counted(run)):
        return f"No trial of the run has the score {lead!r}, on which the headline rests; name one that it has."
    return _failed("reference", reference, policy) or _failed("run", run, policy) or _away(run, policy)


def _failed(name: str, run: Run, policy: Policy) -> str:
    trials = [t for t in run.trials if t.split in COUNTED]
    errors = sum(1 for t in trials if t.error)
    if errors <= policy.most_errors * len(trials):
        return ""
    return (
        f"{errors} of {len(trials)} trials of the {name} have no answer because the machinery failed, more than "
        f"{policy.most_errors:.0%}; mend that and run anew."
    )


def _away(run: Run, policy: Policy) -> str:
    cases = {t.case: t.split for t in run.trials if t.split != "holdout"}
    away = sum(1 for split in cases.values() if split == "quarantine")
    if away <= max(1, policy.most_quarantined * len(cases)):
        return ""
    return f"{away} of {len(cases)} cases are in quarantine, more than {policy.most_quarantined:.0%}; mend some of them first."


def _left_out(reference: Run, run: Run) -> dict[str, int]:
    """Cases that are not compared, by reason."""
    why: dict[str, set[str]] = defaultdict(set)
    for t in run.trials:
        if t.split not in COUNTED:
            why[t.split].add(t.case)
        elif t.stale:
            why["stale"].add(t.case)
    known = {t.case for t in reference.trials}
    why["not in the reference"] = {t.case for t in run.trials if t.split in COUNTED} - known
    return {name: len(cases) for name, cases in sorted(why.items()) if cases}


def exact(blank: Result, reference: Run, run: Run) -> Result:
    """Every difference counts: nothing is drawn."""
    before = {(t.case, t.trial): t for t in counted(reference) if not t.error}
    everything = by_key(run)
    away = {key for key, t in everything.items() if t.split not in COUNTED}  # put into quarantine since
    stale = {key for key, t in everything.items() if t.stale} - away
    compared = sorted(before.keys() - stale - away)
    broken: list[Change] = []
    mended: list[Change] = []
    soft: list[Change] = []
    answers: list[str] = []
    for key in compared:
        was, now = before[key], everything.get(key)
        if now is None or now.error:
            why = now.error if now else "the run does not hold it"
            broken.append(Change(was.case, was.trial, "answer", "lost", 1.0, None, why))
            continue
        changes = score_changes(was, now)
        for change in changes:
            (broken if worse(change) else mended if change.kind == "hard" else soft).append(change)
        if not changes and was.answer != now.answer:
            answers.append(was.case)
    found = replace(
        blank, cases=len({case for case, _ in compared}), broken=tuple(broken), mended=tuple(mended),
        soft=tuple(soft), answers=tuple(dict.fromkeys(answers)),
    )  # fmt: skip
    return _exact_verdict(found, len(stale & before.keys()))


def _exact_verdict(found: Result, stale: int) -> Result:
    if found.broken:
        cases = len({c.case for c in found.broken})
        return replace(found, verdict="fail", reason=f"{number(cases, 'case')} got worse than in the reference.")
    if stale:
        return replace(
            found, verdict="insufficient data",
            reason=f"{number(stale, 'stored answer')} became stale, as what is asked changed; record them anew.",
        )  # fmt: skip
    if found.mended:
        cases = len({c.case for c in found.mended})
        return replace(found, verdict="improved", reason=f"{number(cases, 'case')} got better and none got worse.")
    same = "no answer changed" if not (found.soft or found.answers) else "no hard result changed"
    return replace(found, verdict="pass", reason=f"{number(found.cases, 'case')} compared, {same}.")


FLAKY: Final = 0.75
"""Share of its trials that a case must pass to be worth judging by."""


@dataclass(frozen=True, slots=True)
class Flaky:
    """A case that passes now and then."""

    case: str
    passed: int
    trials: int


def flaky(history: Sequence[Run], below: float = FLAKY) -> list[Flaky]:
    """Cases that passed less than this share of their trials in past runs, and more than none, worst first.

    They are measured and not declared; one that never passes is no flaky case but a broken one. Put them into quarantine
    with an owner and a date.

    Raises:
        IncomparableError: the runs answered other cases, or were scored by other scorers.

    """
    counts: dict[str, Counter[bool]] = defaultdict(Counter)
    for run in history:
        comparable(history[0], run)
        for t in run.trials:
            if not t.stale and (held := passed(t)) is not None:
                counts[t.case][held >= 1] += 1
    rows = [Flaky(case, c[True], c.total()) for case, c in counts.items()]
    return sorted((f for f in rows if 0 < f.passed < below * f.trials), key=lambda f: (f.passed / f.trials, f.case))
