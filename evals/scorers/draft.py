"""Scorers of the text: what it rests on, what it holds, how it reads."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Final

from agent.facts import Text, fold
from agent.guard.form import missing_content
from agent.phrasebook import Phrases
from evals.answer import Answer
from evals.scorers.mark import Mark, nothing_expected, right, share
from evals.scorers.second_look import sums

EASY: Final = 45.0
"""LIX up to which a text is easy enough for any customer."""
HARD: Final = 75.0
"""LIX from which a text is as hard to read as this scale knows."""
SHARED: Final = 2
"""So many word stems of a policy line in one sentence show that the sentence tells it."""


def facts(a: Answer) -> Mark:
    """Whether all that can be checked has a source: by the ledger, made anew, and for sums of money by a second look besides.

    The ledger knows dates, periods, names and rules of derivation, which no simple look does. The second look, which
    shares no code with it, keeps a blind spot of the ledger from being one of the guard and of the evals at once.
    """
    if a.draft is None:
        return None, "there is no draft"
    # a brief tells many events in one line, so the ledger takes the date of one for that of another
    states = {"unsupported", "contradicted"} if a.letter else {"unsupported"}
    wrong = [f for f in a.report.facts if f.state in states]
    if wrong:
        return 0.0, "; ".join(f"{f.kind} {f.text!r} {f.state}" for f in wrong[:3])
    derived = [f.text for f in a.report.facts if f.state == "derived"]
    strange = [s for s in sums(a) if not any(s in text for text in derived)] if a.letter else []
    return right(not strange, f"no record has {', '.join(strange[:3])}")


def facts_required(a: Answer) -> Mark:
    """Whether the draft names what it must name."""
    wanted = a.case.expected.facts_required
    if not wanted:
        return nothing_expected("fact")
    if a.draft is None:
        return None, "there is no draft"
    text = fold(f"{a.draft.subject}\n{a.draft.body}")
    lacking = [w for w in wanted if fold(w) not in text]
    return right(not lacking, f"not named: {', '.join(lacking)}")


def policy_refs(a: Answer) -> Mark:
    """Whether the draft cites the policy lines that it must cite."""
    wanted = a.case.expected.policy_refs
    if not wanted:
        return nothing_expected("policy line")
    if a.draft is None:
        return None, "there is no draft"
    lacking = sorted(set(wanted) - {c.ref for c in a.draft.citations if c.source == "policy"})
    return right(not lacking, f"not cited: {', '.join(lacking)}")


def citations(a: Answer) -> Mark:
    """Whether each citation is of something that is there, and a sentence of the draft says what the cited line says."""
    draft = a.letter
    if draft is None:
        return None, "there is no text to the customer"
    if not draft.citations:
        return None, "nothing is cited"
    seen, p = a.evidence, a.grounds.rulebook.phrases.languages.get(draft.language)
    there = {"order": seen.order is not None, "dispute": seen.dispute is not None, "precedent": False}
    text = Text(draft.body)
    for c in draft.citations:
        if c.source == "policy":
            line = seen.policy.get(c.ref)
            if line is None or p is None or not _tells(text, line.text, p):
                return 0.0, f"no sentence tells policy line {c.ref!r}" if line else f"there is no policy line {c.ref!r}"
        elif c.source == "clock":
            if c.ref not in seen.clock or seen.clock[c.ref].text not in draft.body:
                return 0.0, f"the text does not name the time of {c.ref!r}"
        elif not there.get(c.source, True):
            return 0.0, f"it may not rest on {c.source} {c.ref!r}"
    return 1.0, ""


def _tells(text: Text, line: str, p: Phrases) -> bool:
    stems = _stems(fold(line), p)
    return any(len(stems & _stems(text.folded[s:e], p)) >= SHARED for s, e in text.sentences())


def _stems(folded: str, p: Phrases) -> set[str]:
    return {w[:5] for w in re.findall(r"[^\W\d_]{4,}|\d+", folded) if w not in p.stopwords}


def completeness(a: Answer) -> Mark:
    """The share of the content items wanted that the draft has, told by the words and facts of the pack."""
    wanted = a.case.expected.must_cover
    if not wanted:
        return nothing_expected("content item")
    r = a.reading
    if r is None or r.draft.kind == "brief":
        return None, "there is no text to the customer"
    words = a.grounds.rulebook.phrases
    p = words.languages.get(r.draft.language)
    rules = {item: rule for item in wanted if (rule := words.file.required.get(item))}
    told = [item for item, rule in rules.items() if rule.fact or (p and item in p.required)]
    if not told:
        return None, f"the pack has no words for these items in {r.draft.language}"
    only = replace(r.rules, required={r.triage.issue_type: tuple(told)})
    missed = [f.message for f in missing_content(replace(r, rules=only))]
    had = [item for item in told if not any(m.endswith(f": {item.replace('_', ' ')}.") for m in missed)]
    return share(told, had, "content")


def reading_ease(a: Answer) -> Mark:
    """How easy the text is: LIX, words a sentence plus the percentage of words of seven letters and more."""
    if a.letter is None:
        return None, "there is no text to the customer"
    value = lix(a.letter.body)
    if value is None:
        return None, "the text is too short"
    return min(1.0, max(0.0, 1 - (value - EASY) / (HARD - EASY))), f"LIX {value:.0f}" if value > EASY else ""


def lix(text: str) -> float | None:
    """Bjornsson's readability index, the same for all languages with blanks between words; None below ten words."""
    words = re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text)
    stops = len([s for s in re.split(r"[.!?:]+(?=\s|$)|\n{2,}", text) if re.search(r"\w", s)])
    if len(words) < 10:
        return None
    return len(words) / max(1, stops) + 100 * sum(len(w) > 6 for w in words) / len(words)


def closeness(a: Answer) -> Mark:
    """How much of the reply that a person approved the draft has, word by word in order."""
    reference = a.case.row.reference
    if not reference:
        return None, "the case has no approved reply"
    if a.letter is None:
        return None, "there is no text to the customer"
    ratio = SequenceMatcher(None, fold(reference).split(), fold(a.letter.body).split(), autojunk=False).ratio()
    return ratio, "" if ratio == 1 else f"{1 - ratio:.0%} of the words differ from the approved reply"
