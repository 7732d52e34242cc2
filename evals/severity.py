"""What the mistakes of a run in severity cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.dataset import Dataset
from evals.judgement import severity_cost
from evals.outcome import Run
from evals.stats import kappa

COUNTED = ("gate", "guard")


@dataclass(frozen=True, slots=True)
class SeverityCost:
    """Costs by the table in which too low is several times dearer than too high."""

    n: int
    mean: float
    """Mean cost of the severities given; 20 is the dearest mistake."""
    constant: float
    """Mean cost of the one severity that, always given, costs least."""
    kappa: float | None
    """Agreement beyond chance, weighed by the square of the distance."""

    @property
    def share(self) -> float | None:
        """Cost as a share of that of the constant; None when the constant costs nothing."""
        return self.mean / self.constant if self.constant else None


def cost_of(run: Run, dataset: Dataset, order: Sequence[str]) -> SeverityCost | None:
    """The cost of a run's severities; None when no case of it expects one."""
    pairs: list[tuple[tuple[str, ...], str]] = []
    for trial in run.trials:
        case = dataset.cases.get(trial.case)
        if trial.answer and trial.split in COUNTED and case and case.expected.severity:
            pairs.append((case.expected.severity.allow, str(trial.answer["severity"])))
    pairs = [(allowed, given) for allowed, given in pairs if given in order]
    if not pairs:
        return None
    mean = sum(_least(order, allowed, given) for allowed, given in pairs) / len(pairs)
    constant = min(sum(_least(order, allowed, one) for allowed, _ in pairs) / len(pairs) for one in order)
    true = [given if given in allowed else allowed[0] for allowed, given in pairs]
    agreed = kappa(true, [given for _, given in pairs], levels=list(order), quadratic=True)
    return SeverityCost(len(pairs), round(mean, 4), round(constant, 4), getattr(agreed, "value", None))


def _least(order: Sequence[str], allowed: Sequence[str], given: str) -> float:
    return min(severity_cost(order, true, given) for true in allowed)
