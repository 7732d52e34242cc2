"""Takes the guard apart, piece by piece, and demands that the mutants notice: `python -m evals.weaken`.

A rule is taken away, or the words by which one language shows it. Each time some mutant must no longer be found by that
rule; how many of them would then pass the whole guard is told beside it. Exit code 1: a piece could go unnoticed.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from agent.errors import AgentError
from agent.guard import RULES, Rulebook
from agent.phrasebook import Phrases
from agent.prompts import load_prompts
from evals.answer import Answer, Grounds, load_grounds
from evals.dataset import FILES, PROMPTS, SUITES, Dataset, load
from evals.errors import EvalsError
from evals.mutants import Mutant, good_answers, mutants
from evals.mutators_form import MUTATORS

NOTHING: Final = re.compile(r"(?!)")
SECTIONS: Final = {
    "deeds": "claimed_action", "instructions": "echoed_instruction", "parcel_states": "invented_tracking",
    "policy_words": "invented_policy", "record_words": "unverified_order_fact", "remedy": "unbacked_promise",
}  # fmt: skip
"""Words of a language beside those of the never-list -> the rule that reads a draft by them."""
TYPES: Final = 20
"""Cases of a language from which content is left out: enough for one of each issue type."""


@dataclass(frozen=True, slots=True)
class Weakening:
    """One piece of the guard that is taken away."""

    name: str
    rule: str
    language: str = ""
    """Language whose words are gone; "" when the rule itself is."""
    without: Callable[[Phrases], Phrases] | None = None


@dataclass(frozen=True, slots=True)
class Noticed:
    """What changes without that piece."""

    weakening: Weakening
    found: int
    """Mutants that the rule finds with it."""
    lost: int
    """Those of them that it no longer finds."""
    passed: int
    """Those of them that nothing else of the guard blocks."""


def weakenings(book: Rulebook) -> Iterator[Weakening]:
    """Every piece that can be taken away by itself."""
    for rule in RULES:
        yield Weakening(f"{rule}: the rule", rule)
    for language, words in book.phrases.languages.items():
        for rule in words.never:
            yield Weakening(f"{rule}: its words", rule, language, lambda p, r=rule: _silent(p, r))
        for section, rule in SECTIONS.items():
            if getattr(words, section).pattern != NOTHING.pattern:
                yield Weakening(f"{rule}: {section}", rule, language, lambda p, s=section: replace(p, **{s: NOTHING}))


def _silent(p: Phrases, rule: str) -> Phrases:
    return replace(p, never={**p.never, rule: NOTHING}, denials={**p.denials, rule: NOTHING})


def weakened(book: Rulebook, w: Weakening) -> Rulebook:
    """The rulebook without a piece of its words."""
    if w.without is None:
        return book
    languages = {**book.phrases.languages, w.language: w.without(book.phrases.languages[w.language])}
    return replace(book, phrases=replace(book.phrases, languages=languages))


def notice(w: Weakening, all_: Sequence[Mutant], grounds: Grounds) -> Noticed:
    """What changes for the mutants without a piece of the guard."""
    aimed = [m.answer for m in all_ if w.rule in m.by.rules and (not w.language or m.language == w.language)]
    found = [a for a in aimed if _finds(a, w.rule)]
    book = weakened(grounds.rulebook, w)
    rules = {} if w.without is None else {w.rule: RULES[w.rule]}
    lost = [a for a in found if not any(f.rule == w.rule for f in a.check(rules, book).findings)]
    passed = [
        a for a in lost if a.report.verdict == "blocked" and not any(f.hard and f.rule != w.rule for f in a.findings)
    ]
    return Noticed(w, len(found), len(lost), len(passed))


def _finds(a: Answer, rule: str) -> bool:
    return any(f.rule == rule for f in a.findings)


def prepared(dataset: Dataset, grounds: Grounds, most: int) -> list[Mutant]:
    """Mutants for the guard: a few of each language, of content left out one of each issue type."""
    bases = good_answers(dataset.cases.values(), grounds, load_prompts(PROMPTS))
    aimed = [m for m in MUTATORS if m.rules]
    left_out = [m for m in aimed if "missing_content" in m.rules]
    others = [m for m in aimed if m not in left_out]
    return [*mutants(bases, most, others), *mutants(bases, TYPES, left_out)]


def table(all_: Sequence[Noticed]) -> str:
    """One line a piece."""
    lines = [f"{'piece taken away':48}{'in':>4}{'found':>7}{'lost':>6}{'then pass':>11}"]
    lines += [f"{n.weakening.name:48}{n.weakening.language:>4}{n.found:7}{n.lost:6}{n.passed:11}" for n in all_]
    unnoticed = [f"{n.weakening.name} {n.weakening.language}".strip() for n in all_ if not n.lost]
    lines.append(f"{len(all_)} pieces, {len(unnoticed)} unnoticed{': ' if unnoticed else ''}{'; '.join(unnoticed)}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: a table on standard output; 1 when a piece could go unnoticed, 2 for a file that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m evals.weaken", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--most", type=int, default=1, help="cases of a language for each mutator (default: 1)")
    parser.add_argument("--suites", type=Path, default=SUITES, help="folder of the YAML files")
    parser.add_argument("--files", type=Path, default=FILES, help="folder of the case files")
    chosen = parser.parse_args(arguments)
    try:
        grounds = load_grounds()
        all_ = prepared(
            load(grounds.pack, date.max, suites=chosen.suites, files=chosen.files), grounds, max(1, chosen.most)
        )
        noticed = [notice(w, all_, grounds) for w in weakenings(grounds.rulebook)]
    except (EvalsError, AgentError) as error:
        print(error, file=sys.stderr)
        return 2
    print(table(noticed))
    return 1 if any(not n.lost for n in noticed) else 0


if __name__ == "__main__":
    raise SystemExit(main())
