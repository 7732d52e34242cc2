"""The guard: reads a draft by every rule and says whether a person may approve it as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agent.case import Draft, Finding, GuardReport, Triage
from agent.facts import Evidence, PolicyLine
from agent.facts.judge import in_body
from agent.guard.reading import Reading, Rulebook
from agent.guard.rules import BRIEF_RULES, RULES, Rule


def check(
    draft: Draft, triage: Triage, evidence: Evidence, book: Rulebook, rules: Mapping[str, Rule] = RULES
) -> GuardReport:
    """The guard's report on a draft: `blocked` by a hard finding, `warned` by soft ones, else `clear`."""
    brief = draft.kind == "brief"
    reading = Reading(draft, triage, _for_staff(evidence, triage) if brief else evidence, book)
    found: dict[tuple[str, int, int], Finding] = {}
    for name, rule in rules.items():
        if brief and name not in BRIEF_RULES:
            continue
        for f in rule(reading):
            kept = replace(f, hard=False) if brief and name != "nothing_said" else f
            at = (f.rule, f.start, f.end) if f.end else (f.rule + f.message, 0, 0)
            if at not in found or kept.hard:
                found[at] = kept
    findings = tuple(found.values())
    verdict = "blocked" if any(f.hard for f in findings) else "warned" if findings else "clear"
    return GuardReport(verdict, findings, tuple(in_body(f, draft) for f in reading.facts))


def _for_staff(evidence: Evidence, triage: Triage) -> Evidence:
    """What a brief may rest on besides: the severity and its reason."""
    said = PolicyLine(f"{triage.severity}. {triage.severity_reason}")
    return replace(evidence, policy={**evidence.policy, "triage": said})
