"""What the draft proposes against what settled similar cases."""

from __future__ import annotations

from collections import Counter
from typing import Final

from agent.guard.reading import Findings, Reading

_FEWEST: Final = 2
"""Precedents that must agree before a difference is worth a word."""
_MOST_PART: Final = 2 / 3
"""Share of the comparable precedents that must agree."""


def differs_from_precedent(r: Reading) -> Findings:
    """Another remedy than the one by which most similar cases of this issue type were settled; it only warns."""
    remedies = r.rules.phrases.file.remedy_kinds
    proposed = {a.kind for a in r.draft.proposed_actions if a.kind in remedies}
    alike = [hit.precedent for hit in r.evidence.precedents if hit.precedent.issue_type == r.triage.issue_type]
    settled = [p for p in alike if p.remedy_kind in remedies]
    if not proposed or not settled:
        return
    kind, count = Counter(p.remedy_kind for p in settled).most_common(1)[0]
    if kind in proposed or count < _FEWEST or count < _MOST_PART * len(settled):
        return
    ids = ", ".join(p.id for p in settled if p.remedy_kind == kind)
    named = " and ".join(sorted(proposed)).replace("_", " ")
    yield r.finding(
        "differs_from_precedent",
        f"The draft proposes {named}; {count} of {len(settled)} similar cases were settled by {kind.replace('_', ' ')} ({ids}).",
        hard=False,
    )
