"""What a gate says, and what it counts: verdicts, changes, and which trials they rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from evals import guards
from evals.outcome import Run, Score, Trial

Verdict = Literal["pass", "fail", "improved", "insufficient data", "invalid"]
Confirm: TypeAlias = Callable[[Sequence[str]], tuple[Run, Run]]
"""Given suspected cases, fresh trials of them: by the reference's engine and prompts, and by the run's."""

EXIT: Final[Mapping[Verdict, int]] = {"pass": 0, "improved": 0, "fail": 1, "invalid": 2, "insufficient data": 3}
PASSED: Final = "passed"
"""A score of our own: 1 when every hard score of a trial is 1."""
HEADLINE: Final = (PASSED, "severity_cost", "routing", "completeness")
COUNTED: Final = ("gate", "guard")
"""Splits that decide. `holdout` is only told, or it would soon be fitted to; `quarantine` is left out."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the gate asks for."""

    headline: tuple[str, ...] = HEADLINE
    """Scores whose means are tested; the first one decides whether there are data enough."""
    alpha: float = 0.05
    """Chance of a false alarm of G1, over all headline scores together."""
    power: float = 0.8
    """Chance of seeing the smallest fall that is told."""
    tolerated: float = 0.10
    """A run that could not have seen a fall as large as this is no evidence."""
    most_errors: float = 0.05
    """Share of trials without an answer above which a run says nothing."""
    most_quarantined: float = 0.05
    """Share of cases in quarantine above which a run says nothing."""


STANDARD: Final = Policy()


@dataclass(frozen=True, slots=True)
class Change:
    """One result that differs from the reference."""

    case: str
    trial: int
    score: str
    kind: str
    before: float | None
    now: float | None
    reason: str
    """Of the score now; for a lost case why there is no answer."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the gate says, with all that it rests on."""

    verdict: Verdict
    reason: str
    """One sentence."""
    tier: str
    run: str
    reference: str
    cases: int = 0
    """Cases that were compared."""
    broken: tuple[Change, ...] = ()
    """Hard results that got worse, lost cases, confirmed breaks."""
    mended: tuple[Change, ...] = ()
    soft: tuple[Change, ...] = ()
    """Soft scores that differ, in an exact tier."""
    answers: tuple[str, ...] = ()
    """Cases whose answer differs though no score does, in an exact tier."""
    tests: tuple[guards.MeanTest, ...] = ()
    """G1, a line for each headline score."""
    suspects: tuple[str, ...] = ()
    """Cases that G2 suspects and that no fresh trials confirmed or cleared yet."""
    cleared: tuple[str, ...] = ()
    """Cases that G2 suspected and fresh trials cleared."""
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
    """Cases that were not compared, by reason."""

    @property
    def exit_code(self) -> int:
        """0 pass or improved, 1 fail, 2 invalid, 3 insufficient data."""
        return EXIT[self.verdict]

    @property
    def needs_bless(self) -> bool:
        """Whether something differs that the reference does not hold yet."""
        return bool(self.soft or self.mended or self.answers) and self.verdict in {"pass", "improved"}


def counted(run: Run) -> list[Trial]:
    """Trials that the verdict rests on: of the splits that count, with an answer that is no stale one."""
    return [t for t in run.trials if t.split in COUNTED and not t.stale]


def passed(trial: Trial) -> float | None:
    """1 when every hard score held, 0 when one did not, None when none could be given."""
    hard = [s.value for s in trial.scores if s.kind == "hard" and s.value is not None]
    return None if trial.error or not hard else float(min(hard) >= 1)


def value(trial: Trial, name: str) -> float | None:
    """A score of a trial by its name; None when it has none."""
    if name == PASSED:
        return passed(trial)
    return next((s.value for s in trial.scores if s.name == name), None)


def mean(trials: Iterable[Trial], name: str) -> float | None:
    """The mean of a score over the trials that have it."""
    values = [v for t in trials if (v := value(t, name)) is not None]
    return sum(values) / len(values) if values else None


def score_changes(before: Trial, now: Trial) -> list[Change]:
    """Scores that differ between two trials of a case; judges only advise and are left out."""
    old = {s.name: s for s in before.scores if s.kind != "judge"}
    new = {s.name: s for s in now.scores if s.kind != "judge"}
    found: list[Change] = []
    for name in dict.fromkeys([*old, *new]):
        a, b = old.get(name), new.get(name)
        was, is_ = (a.value if a else None), (b.value if b else None)
        if was != is_:
            kind = (b or a or _NONE).kind
            found.append(Change(now.case, now.trial, name, kind, was, is_, b.reason if b else "it is no longer scored"))
    return found


_NONE: Final = Score(name="", kind="soft", value=None)


def worse(change: Change) -> bool:
    """Whether a hard result is worse than before: it fell, is no longer given, or is new and does not hold."""
    if change.kind != "hard":
        return False
    if change.now is None:
        return change.before is not None
    return change.now < (1.0 if change.before is None else change.before)


def number(count: int, what: str) -> str:
    """`1 case`, `2 cases`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
