"""The live tier of the gate: G1 on the means of headline scores, G2 on single cases, and what too few data are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from evals import guards
from evals.errors import IncomparableError
from evals.outcome import Run, Trial
from evals.runs import comparable
from evals.verdict import PASSED, Change, Confirm, Policy, Result, counted, mean, number, passed


def live(blank: Result, reference: Run, run: Run, policy: Policy, confirm: Confirm | None) -> Result:
    """Answers vary: the two guards tell a fall from chance."""
    old, new = _by_case(reference), _by_case(run)
    shared = sorted(old.keys() & new.keys())
    tests = guards.tests([_pair(name, shared, old, new) for name in policy.headline], policy.alpha, policy.power)
    shares = {case: (_share(old[case]), _share(new[case])) for case in shared}
    tried = [c for c in shared if min(_tried(old[c]), _tried(new[c])) >= guards.TRIALS]
    suspected = [c for c in tried if _suspect(shares[c])]
    fresh = confirm(suspected) if confirm and suspected else None
    if fresh and (problem := _not_fresh(reference, run, fresh)):
        return replace(blank, verdict="invalid", reason=problem)
    broken, open_, cleared = _confirmed(suspected, shares, fresh)
    failed = {t.case for t in counted(run)} & old.keys() - new.keys()
    left_out = {
        **blank.left_out,
        "without an answer": len(failed),
        "not run": len(old.keys() - {t.case for t in run.trials}),
    }
    found = replace(
        blank, cases=len(shared), tests=tuple(tests), broken=tuple(broken), suspects=tuple(open_),
        cleared=tuple(cleared), left_out={name: count for name, count in left_out.items() if count},
    )  # fmt: skip
    return _live_verdict(found, policy, len(shared) - len(tried))


def _not_fresh(reference: Run, run: Run, fresh: tuple[Run, Run]) -> str:
    """Why trials do not confirm anything; empty when they can."""
    for arm, again in ((reference, fresh[0]), (run, fresh[1])):
        if again.id in {reference.id, run.id}:
            return f"Run {again.id} is one of those compared and confirms nothing; make fresh trials of both arms."
        try:
            comparable(arm, again)
        except IncomparableError as error:
            return str(error)
    return ""


def _by_case(run: Run) -> dict[str, list[Trial]]:
    found: dict[str, list[Trial]] = defaultdict(list)
    for t in counted(run):
        if not t.error:
            found[t.case].append(t)
    return found


def _share(trials: Sequence[Trial]) -> float | None:
    return mean(trials, PASSED)


def _tried(trials: Sequence[Trial]) -> int:
    return sum(1 for t in trials if passed(t) is not None)


def _pair(
    name: str, cases: Sequence[str], old: Mapping[str, list[Trial]], new: Mapping[str, list[Trial]]
) -> tuple[str, list[float], list[float], list[str]]:
    rows = [(mean(old[c], name), mean(new[c], name), new[c][0].cluster) for c in cases]
    both = [(a, b, cluster) for a, b, cluster in rows if a is not None and b is not None]
    return name, [a for a, _, _ in both], [b for _, b, _ in both], [cluster for _, _, cluster in both]


def _suspect(shares: tuple[float | None, float | None]) -> bool:
    before, now = shares
    return before is not None and now is not None and bool(guards.suspects(np.asarray(before), np.asarray(now)))


def _confirmed(
    suspected: Sequence[str], shares: Mapping[str, tuple[float | None, float | None]], fresh: tuple[Run, Run] | None
) -> tuple[list[Change], list[str], list[str]]:
    """Suspects that are breaks, that still wait for fresh trials, and that were cleared by them."""
    if fresh is None:
        return [], list(suspected), []
    old, new = _by_case(fresh[0]), _by_case(fresh[1])
    broken: list[Change] = []
    waiting: list[str] = []
    cleared: list[str] = []
    for case in suspected:
        if min(_tried(old[case]), _tried(new[case])) < guards.TRIALS:
            waiting.append(case)
            continue
        before, now = _share(old[case]) or 0.0, _share(new[case]) or 0.0
        if guards.breaks(np.asarray(before), np.asarray(now)):
            first = next(t for t in new[case] if not passed(t))
            why = "; ".join(s.reason or s.name for s in first.scores if s.kind == "hard" and s.value == 0)
            broken.append(Change(case, first.trial, PASSED, "hard", shares[case][0], shares[case][1], why))
        else:
            cleared.append(case)
    return broken, waiting, cleared


def _live_verdict(found: Result, policy: Policy, thin: int) -> Result:
    fell = [t for t in found.tests if t.fell <= policy.alpha]
    if fell or found.broken:
        told = [f"{t.score} fell from {t.before:.1%} to {t.now:.1%} (p = {t.fell:.3f})" for t in fell]
        told += [f"{number(len(found.broken), 'case')} broke that always passed"] if found.broken else []
        return replace(found, verdict="fail", reason=f"{' and '.join(told)}.")
    if why := _too_little(found, policy, thin):
        return replace(found, verdict="insufficient data", reason=why)
    if rose := [t for t in found.tests if t.rose <= policy.alpha]:
        told = [f"{t.score} rose from {t.before:.1%} to {t.now:.1%} (p = {t.rose:.3f})" for t in rose]
        return replace(found, verdict="improved", reason=f"{' and '.join(told)}, nothing fell.")
    lead = found.tests[0]
    return replace(
        found, verdict="pass",
        reason=f"No fall is seen in {number(found.cases, 'case')}, where one of {lead.smallest or 0:.1%} would have shown.",
    )  # fmt: skip


def _too_little(found: Result, policy: Policy, thin: int) -> str:
    lead = found.tests[0]
    if lead.smallest is None or lead.smallest > policy.tolerated:
        seen = "nothing" if lead.smallest is None else f"only a fall of {min(lead.smallest, 1):.0%} or more"
        return (
            f"{number(lead.cases, 'case')} in {number(lead.clusters, 'cluster')} would have shown {seen} of {lead.score}, and "
            f"{policy.tolerated:.0%} is asked for; run more cases or more trials."
        )
    if thin > policy.most_errors * found.cases:
        return (
            f"In {number(thin, 'case')} of {found.cases} one of the runs has fewer than {guards.TRIALS} trials, so that a single "
            f"broken case would not show; run with --repeat {guards.TRIALS}."
        )
    if found.suspects:
        return (
            f"{number(len(found.suspects), 'case')} went from always passing to hardly ever; run {guards.TRIALS} fresh trials of "
            f"both arms to tell a break from chance: {', '.join(found.suspects)}."
        )
    return ""
