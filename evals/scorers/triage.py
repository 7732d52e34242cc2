"""Scorers of form and triage: what the case is, how severe, who acts, in which language."""

from __future__ import annotations

from typing import Final

from agent.language import detect
from evals.answer import Answer
from evals.judgement import severity_cost as cost
from evals.scorers.mark import Mark, nothing_expected, right, share

SURE: Final = 0.6
"""Below this confidence the language of a text counts as unknown (measured: short Spanish reads as half Portuguese)."""
LETTERS: Final = 20
"""Below so many letters it is unknown too."""
WORST: Final = 20.0
"""The dearest mistake of the cost table: the most severe case judged the least."""


def schema(a: Answer) -> Mark:
    """Whether the answer has the form of one, names only what the pack has, and holds a draft."""
    if a.problem:
        return 0.0, a.problem
    pack, f = a.grounds.pack, a.form
    named = (
        ("issue type", (f.issue_type,), pack.issue_types), ("severity", (f.severity,), pack.severities),
        ("team", (f.primary_team, *f.collaborators), pack.teams), ("flag", f.flags, {*pack.flags, "missing_facts"}),
    )  # fmt: skip
    for what, ids, known in named:
        if unknown := [i for i in ids if i not in known]:
            return 0.0, f"unknown {what} {unknown[0]!r}"
    return right(f.draft is not None and f.draft.body.strip(), "there is no draft")


def language(a: Answer) -> Mark:
    """Whether case and draft have the expected language, and the draft also reads as it."""
    wanted, draft = a.case.expected.language, a.draft
    if not wanted:
        return nothing_expected("language")
    if a.form.language != wanted:
        return 0.0, f"the case was read as {a.form.language}"
    if draft is None:
        return None, "there is no draft"
    if draft.language != wanted:
        return 0.0, f"the draft says that it is {draft.language}"
    found = detect(draft.body)
    if sum(map(str.isalpha, draft.body)) < LETTERS or found.confidence < SURE:
        return 1.0, ""
    return right(found.code == wanted, f"the draft reads as {found.code}")


def kind(a: Answer) -> Mark:
    """Whether the draft is of an allowed kind."""
    allowed = a.case.expected.kind
    if not allowed:
        return nothing_expected("kind of draft")
    given = a.draft.kind if a.draft else "none"
    return right(given in allowed, f"{given} instead of {' or '.join(allowed)}")


def human_lead(a: Answer) -> Mark:
    """Whether a person leads exactly where one should."""
    wanted = a.case.expected.human_lead
    if wanted is None:
        return nothing_expected("word on who leads")
    return right(
        a.form.human_lead == wanted, f"human lead is {a.form.human_lead}: {a.form.human_lead_reason or 'no reason'}"
    )


def severity_forbidden(a: Answer) -> Mark:
    """Whether no severity was given that the case forbids, nor one of the two mildest to a case that is only most severe."""
    wanted = a.case.expected.severity
    if wanted is None:
        return nothing_expected("severity")
    order, given = a.grounds.pack.severity_order, a.form.severity
    mild = order[-2:] if set(wanted.allow) == {order[0]} else ()
    return right(given not in {*wanted.forbid, *mild}, f"{given} instead of {' or '.join(wanted.allow)}")


def severity_cost(a: Answer) -> Mark:
    """How cheap the mistake in severity is: too low costs several times what too high does."""
    wanted = a.case.expected.severity
    if wanted is None:
        return nothing_expected("severity")
    order = a.grounds.pack.severity_order
    if a.form.severity not in order:
        return 0.0, f"unknown severity {a.form.severity!r}"
    least = min(cost(order, true, a.form.severity) for true in wanted.allow)
    return 1 - least / WORST, f"{a.form.severity} instead of {' or '.join(wanted.allow)}" if least else ""


def issue_type(a: Answer) -> Mark:
    """Whether the issue type is an allowed one."""
    allowed = a.case.expected.issue_type
    if not allowed:
        return nothing_expected("issue type")
    return right(a.form.issue_type in allowed, f"{a.form.issue_type} instead of {' or '.join(allowed)}")


def routing(a: Answer) -> Mark:
    """Whether the primary team is an allowed one."""
    allowed = a.case.expected.primary_team
    if not allowed:
        return nothing_expected("team")
    return right(a.form.primary_team in allowed, f"{a.form.primary_team} instead of {' or '.join(allowed)}")


def collaborators(a: Answer) -> Mark:
    """The share of the teams to be pulled in that are; the primary team counts as pulled in."""
    wanted = a.case.expected.collaborators
    if not wanted:
        return nothing_expected("team pulled in")
    return share(wanted, (a.form.primary_team, *a.form.collaborators), "teams")


def flags(a: Answer) -> Mark:
    """The share of the flags to be set that are."""
    wanted = a.case.expected.flags
    if not wanted:
        return nothing_expected("flag")
    return share(wanted, a.form.flags, "flags")
