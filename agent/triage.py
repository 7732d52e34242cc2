"""Decides issue type, severity and routing: rules of the pack first, the classifier second.

A rule sets a floor that no engine may go below. Between floor and the most severe level the classifier decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.case import Criterion, Guess, Triage
from agent.pack import Condition, CriterionRule, Pack
from agent.understand import Understanding

_DOUBT = 0.2
"""A rule of words needs this probability of the classifier for its severity or worse, twice that for the most severe:
the same words are said in irony and of what might have happened."""
_UNSURE = 0.35
"""Below this probability of the issue type a person decides."""
_WORST = 0.45
"""Least probability of the most severe level for a case of which no criterion of that level holds."""
_FOREIGN = 0.35
"""Most that a judgement of a language without texts of its own may claim: about the share of them that is right."""
_LEAD = 0.15
"""Probability of human lead, or of an issue type that a person leads, from which a person leads: a miss is dearer."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What the embedded classifier says before rules."""

    issue_type: Mapping[str, float]
    severity: Mapping[str, float]
    human_lead: float
    familiar: bool = True
    """Whether the text is like any that taught."""

    def best_type(self, precedence: Iterable[str]) -> Guess:
        """The likeliest issue type; of those that fit equally well to a hundredth, the first by precedence."""
        value = max(precedence, key=lambda k: round(self.issue_type.get(k, 0.0), 2))
        return Guess(value, self.issue_type.get(value, 0.0))


def holds(rule: Condition, seen: Understanding, issue_type: str) -> str | None:
    """The words or figure that show that `rule` holds, "" when it holds without any, None when it does not hold."""
    if any(name in seen.conditions for name in rule.none):
        return None
    return next(_shown(rule, seen, issue_type), None)


def _shown(rule: Condition, seen: Understanding, issue_type: str) -> Iterator[str]:
    """What shows each part of the rule that holds, "" for a part that holds without words."""
    words = {name: signal.quote for name, signal in seen.signals.items()}
    if rule.all and all(name in seen.conditions for name in rule.all):
        yield words.get(rule.all[0], "")
    yield from (words.get(name, "") for name in rule.any if name in seen.conditions)
    if issue_type in rule.types:
        yield ""
    if rule.deadline_within_h is not None and seen.deadline_h is not None and seen.deadline_h <= rule.deadline_within_h:
        yield f"{seen.deadline_h:.0f} hours left"
    if rule.contacts_at_least is not None and seen.contacts >= rule.contacts_at_least:
        yield f"contact {seen.contacts}"
    if rule.value_over and "high_value" in seen.conditions and seen.value is not None:
        # Only a value that the text names: the reason reaches the engine, the total of an order must not.
        named = seen.value in seen.entities.amounts()
        yield f"{seen.value.amount} {seen.value.currency}".strip() if named else ""


def criteria(pack: Pack, seen: Understanding, issue_type: str, severity: Mapping[str, float]) -> tuple[Criterion, ...]:
    """Rows of the severity table that hold, most severe first."""
    found: list[Criterion] = []
    for rule in pack.criteria:
        quote = holds(rule, seen, issue_type)
        if quote is not None and _credible(pack, rule, severity):
            found.append(Criterion(rule.id, rule.severity, rule.reason, quote))
    return tuple(sorted(found, key=lambda c: pack.severity_order.index(c.severity)))


def _credible(pack: Pack, rule: CriterionRule, severity: Mapping[str, float]) -> bool:
    """A rule of words needs a trace of agreement; a rule of dates, counts, amounts or sure words does not."""
    if rule.sure or not (rule.any or rule.all):
        return True
    worse = pack.severity_order[: pack.severity_order.index(rule.severity) + 1]
    needed = 2 * _DOUBT if len(worse) == 1 else _DOUBT
    return sum(severity.get(s, 0.0) for s in worse) >= needed


def decide(pack: Pack, seen: Understanding, prior: Prior) -> Triage:
    """The whole triage of a case by the embedded engine."""
    guess = prior.best_type(pack.issue_types)
    strange = not prior.familiar and seen.language.supported and len(seen.own) == 1  # a thread is about something
    if seen.silent or strange:
        unclear = list(pack.issue_types)[-1]
        guess = Guess(unclear, prior.issue_type.get(unclear, 0.0))
    held = criteria(pack, seen, guess.value, prior.severity)
    floors = {rule.id for rule in pack.criteria if rule.floor}
    floor = next((c.severity for c in held if c.id in floors), "")
    learned = max(pack.severity_order, key=lambda level: prior.severity.get(level, 0.0))
    if strange:
        learned = pack.severity_order[-1]
    worst, next_worst, *_ = pack.severity_order
    if learned == worst and prior.severity[worst] < _WORST and all(c.severity != worst for c in held):
        learned = next_worst
    severity = pack.more_severe(learned, floor)
    lead, lead_reason = human_lead(pack, seen, guess.value, prior)
    flagged = flags(pack, seen, guess.value)
    kind = pack.issue_types[guess.value]
    team_sure = sum(p for t, p in prior.issue_type.items() if pack.issue_types[t].primary_team == kind.primary_team)
    unsure = guess.confidence < _UNSURE
    as_severe = pack.severity_order[: pack.severity_order.index(severity) + 1]
    meant = (severity,) if severity == learned else as_severe
    severity_sure = sum(prior.severity.get(s, 0.0) for s in meant)
    most = 1.0 if seen.language.supported and not strange else _FOREIGN
    return Triage(
        issue_type=guess.value,
        severity=severity,
        severity_reason=reason(severity, held, seen, learned),
        severity_floor=floor,
        criteria=held,
        primary_team=kind.primary_team,
        collaborators=collaborators(pack, seen, guess.value, flagged),
        route_reason=f"{kind.title}: {kind.about}",
        flags=flagged,
        human_lead=lead,
        human_lead_reason=lead_reason,
        language=seen.language.code,
        confidence={
            "issue_type": round(min(most, guess.confidence), 3),
            "severity": round(min(most, max(severity_sure, 0.5 if floor == severity else 0.0)), 3),
            "route": round(min(most, team_sure), 3),
        },
        needs_human=unsure or strange or not seen.language.supported,
        needs_human_reason=(
            "it reads like no escalation that the desk has learned from"
            if strange
            else f"the language `{seen.language.code}` is not supported"
            if not seen.language.supported
            else f"the issue type is uncertain ({guess.confidence:.0%} {kind.title.lower()})"
            if unsure
            else ""
        ),
    )


def reason(severity: str, held: Sequence[Criterion], seen: Understanding, learned: str) -> str:
    """Why this severity, in one sentence with the words that show it."""
    named = [c for c in held if c.severity == severity]
    if named:
        return "; ".join(f"{c.reason} ({c.quote})" if c.quote else c.reason for c in named[:3])
    shown = [seen.signals[n].quote for n in ("no_loss", "question", "workaround") if n in seen.signals]
    if shown and severity in {learned}:
        return f"no criterion of a higher severity holds; reads like past {severity} cases (“{shown[0][:80]}”)"
    return f"no named criterion holds; reads like past {severity} cases"


def flags(pack: Pack, seen: Understanding, issue_type: str) -> tuple[str, ...]:
    """Flags of the pack whose conditions hold."""
    return tuple(name for name, rule in pack.flags.items() if holds(rule, seen, issue_type) is not None)


def human_lead(pack: Pack, seen: Understanding, issue_type: str, prior: Prior) -> tuple[bool, str]:
    """Whether a person leads, with the reason."""
    for rule in pack.human_lead:
        typed = not rule.types or issue_type in rule.types
        shown = not rule.any or any(name in seen.conditions for name in rule.any)
        if typed and shown:
            return True, rule.reason
    led = sum(p for name, p in prior.issue_type.items() if pack.issue_types[name].human_lead)
    if max(prior.human_lead, led) >= _LEAD:
        return True, "it reads like past cases that a person led"
    return False, ""


def collaborators(pack: Pack, seen: Understanding, issue_type: str, flagged: Sequence[str]) -> tuple[str, ...]:
    """Teams pulled in beside the primary one."""
    kind = pack.issue_types[issue_type]
    teams = [*kind.collaborators]
    teams += [t for t, when in kind.collaborators_when.items() if any(c in seen.conditions for c in when)]
    teams += [pack.flag_teams[f] for f in flagged if f in pack.flag_teams]
    return tuple(t for t in dict.fromkeys(teams) if t != kind.primary_team)


def tone(pack: Pack, seen: Understanding, issue_type: str) -> str:
    """The customer's tone, `plain` when nothing stands out."""
    return next((name for name, rule in pack.tone.items() if holds(rule, seen, issue_type) is not None), "plain")
