"""Tests the safety net itself: bad answers, derived by rule from good ones, that guard and scorers must see.

`python -m evals.mutants` prints the share seen by each rule of the guard and each scorer. The good answers are those of
a desk that judges every case as expected and writes as the embedded engine does. Exit code 1: one that is hard missed some.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeAlias

from agent import pipeline
from agent.errors import AgentError
from agent.guard import RULES
from agent.output import as_json
from agent.prompts import Prompts, load_prompts
from evals.answer import Answer, Grounds, load_grounds
from evals.dataset import FILES, PROMPTS, SUITES, Case, Dataset, load
from evals.engine import told_deps
from evals.errors import EvalsError
from evals.mutators import Mutator
from evals.mutators_form import MUTATORS
from evals.outcome import Score
from evals.scorers import SCORERS, scores

Json: TypeAlias = dict[str, Any]
SOFT_RULES: Final = frozenset({"differs_from_precedent", "missing_content"})
"""Rules that mostly warn, so that none of their misses lets a draft pass."""
MOST: Final = 3
"""Cases of a language that one mutator is tried on."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bad answer with the good one that it was made of."""

    by: Mutator
    what: str
    base: Answer
    answer: Answer
    before: Mapping[str, Score]
    """Scores of the good answer."""

    @property
    def language(self) -> str:
        """Language of the draft that it was made of."""
        return self.base.draft.language if self.base.draft else ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a mutant."""

    mutant: Mutant
    rules: frozenset[str]
    """Rules of the guard that found something that they do not find in the good answer."""
    blocked: bool
    scorers: frozenset[str]
    """Scorers that gave less than for the good answer."""

    @property
    def missed(self) -> tuple[str, ...]:
        """Rules and scorers that should have seen it and did not."""
        by = self.mutant.by
        return (
            *(r for r in by.rules if r not in self.rules),
            *(f"scorer {s}" for s in by.scorers if s not in self.scorers),
        )


# --- good answers ----------------------------------------------------------------------------------------------------


def good_answers(cases: Iterable[Case], grounds: Grounds, prompts: Prompts) -> list[Answer]:
    """Answers to the cases that nothing hard is held against, by a desk that is told what is expected."""
    made = asyncio.run(_told(list(cases), grounds, prompts))
    found: list[Answer] = []
    for case, answer in made.values():
        twin = made.get(case.row.injection.twin) if case.row.injection else None
        a = Answer(case, answer, grounds, twin[1] if twin else None)
        if a.letter is not None and not any(f.hard for f in a.findings):
            found.append(a)
    return found


async def _told(cases: Sequence[Case], grounds: Grounds, prompts: Prompts) -> dict[str, tuple[Case, Json]]:
    return {
        case.name: (
            case,
            as_json(await pipeline.propose(case.escalation, told_deps(case, grounds, prompts), now=case.now)),
        )
        for case in cases
    }


# --- bad ones --------------------------------------------------------------------------------------------------------


def mutants(bases: Sequence[Answer], most: int = MOST, by: Iterable[Mutator] = MUTATORS) -> Iterator[Mutant]:
    """Every mutator on at most `most` answers of each language, of as many issue types as can be."""
    for mutator in by:
        tried: Counter[str] = Counter()
        met: set[tuple[str, str]] = set()
        for again in (False, True):
            for base in bases:
                language = base.draft.language if base.draft else ""
                kind = (language, base.form.issue_type)
                if tried[language] >= most or (kind in met) != again:
                    continue
                made = [_mutant(mutator, base, c.what, c.answer, c.case) for c in mutator.make(base)]
                changes = [m for m in made if all(_can_fall(m.before[name]) for name in mutator.scorers)]
                if changes:
                    tried[language] += 1
                    met.add(kind)
                    yield from changes


def _mutant(by: Mutator, base: Answer, what: str, answer: Json, case: Case | None) -> Mutant:
    good = replace(base, case=case or base.case)
    return Mutant(by, what, good, replace(good, json=answer), by_name(good))


def _can_fall(score: Score) -> bool:
    """Whether an answer is good enough in the eyes of a scorer for a bad one to be worse; a soft scorer needs no 1."""
    return score.value is None or (score.value == 1 if score.kind == "hard" else score.value > 0)


def look(mutant: Mutant) -> Seen:
    """What guard and scorers see of a mutant."""
    after = by_name(mutant.answer)
    fell = {n for n, s in after.items() if s.value is not None and s.value < _or_one(mutant.before[n].value)}
    if mutant.answer.problem:
        return Seen(mutant, frozenset(), blocked=False, scorers=frozenset(fell))
    known = {(f.rule, f.message) for f in mutant.base.findings}
    new = [f for f in mutant.answer.findings if (f.rule, f.message) not in known]
    return Seen(mutant, frozenset(f.rule for f in new), any(f.hard for f in new), frozenset(fell))


def _or_one(value: float | None) -> float:
    return 1.0 if value is None else value


def by_name(a: Answer) -> dict[str, Score]:
    """The scores of an answer by scorer."""
    return {s.name: s for s in scores(a.case, a.json, a.grounds, a.twin)}


# --- figures ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """How many of the mutants aimed at it one rule or scorer saw."""

    name: str
    hard: bool
    aimed: int
    seen: int

    @property
    def score(self) -> float | None:
        """Share seen; None when none was aimed at it."""
        return self.seen / self.aimed if self.aimed else None


def rows(all_: Sequence[Seen]) -> tuple[list[Row], list[Row]]:
    """Mutation score of each rule of the guard and of each scorer."""
    aimed: dict[str, list[bool]] = defaultdict(list)
    for seen in all_:
        for rule in seen.mutant.by.rules:
            aimed[rule].append(rule in seen.rules)
        for scorer in seen.mutant.by.scorers:
            aimed[f"scorer {scorer}"].append(scorer in seen.scorers)
    rules = [Row(name, name not in SOFT_RULES, len(aimed[name]), sum(aimed[name])) for name in RULES]
    scored = [(s, aimed[f"scorer {s.name}"]) for s in SCORERS]
    return rules, [Row(s.name, s.kind == "hard", len(hits), sum(hits)) for s, hits in scored]


def table(all_: Sequence[Seen]) -> str:
    """The mutation scores as text, and the survivors."""
    rules, scored = rows(all_)
    languages = Counter(s.mutant.language for s in all_)
    lines = [f"{len(all_)} mutants: " + ", ".join(f"{code} {n}" for code, n in sorted(languages.items()))]
    for title, some in (("rule of the guard", rules), ("scorer", scored)):
        lines += ["", f"{title:28}{'':6}{'mutants':>9}{'seen':>7}{'share':>8}"]
        for row in some:
            share = "-" if row.score is None else f"{row.score:.0%}"
            lines.append(f"{row.name:28}{'hard' if row.hard else 'soft':6}{row.aimed:9}{row.seen:7}{share:>8}")
    missed = [s for s in all_ if s.missed]
    lines += ["", f"{len(missed)} mutants were missed by something that was to see them"]
    lines += [
        f"  {s.mutant.base.case.name}: {s.mutant.by.name} ({s.mutant.what}): {', '.join(s.missed)}" for s in missed
    ]
    return "\n".join(lines)


def holes(all_: Sequence[Seen]) -> list[str]:
    """Hard rules and scorers that missed a mutant, or that none was aimed at."""
    rules, scored = rows(all_)
    return [r.name for r in (*rules, *scored) if (r.hard and r.seen < r.aimed) or r.aimed == 0]


def measure(
    dataset: Dataset, grounds: Grounds, most: int, progress: Callable[[int], None] = lambda n: None
) -> list[Seen]:
    """What is seen of every mutant of the dataset's good answers."""
    found: list[Seen] = []
    for mutant in mutants(good_answers(dataset.cases.values(), grounds, load_prompts(PROMPTS)), most):
        found.append(look(mutant))
        progress(len(found))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: the table on standard output; 1 when something hard missed a mutant, 2 for a file that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m evals.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--most", type=int, default=MOST, help=f"cases of a language for each mutator (default: {MOST})"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--suites", type=Path, default=SUITES, help="folder of the YAML files")
    parser.add_argument("--files", type=Path, default=FILES, help="folder of the case files")
    chosen = parser.parse_args(arguments)
    try:
        grounds = load_grounds()
        found = measure(
            load(grounds.pack, date.max, suites=chosen.suites, files=chosen.files), grounds, max(1, chosen.most)
        )
    except (EvalsError, AgentError) as error:
        print(error, file=sys.stderr)
        return 2
    if chosen.json:
        rules, scored = rows(found)
        figures = {row.name: {"hard": row.hard, "mutants": row.aimed, "seen": row.seen} for row in rules}
        figures |= {f"scorer {row.name}": {"hard": row.hard, "mutants": row.aimed, "seen": row.seen} for row in scored}
        print(json.dumps(figures, indent=2))
    else:
        print(table(found))
    return 1 if holes(found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
