"""Rehearsal: what a candidate of prompts or pack would change on cases that are known, before it is active.

A case is read once. The candidate reads it anew only when its pack differs or its texts make another language of the
draft, and drafts it anew only when a text differs that the present draft was made with.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import ValidationError

from agent import intake, pipeline
from agent.case import Draft, Escalation, Proposal
from agent.embedded import EmbeddedModel, draft_language
from agent.errors import BadInput
from agent.pipeline import Deps, Read
from agent.prompts import SHORT
from evals.dataset import FILES, CaseFile, case_id
from evals.errors import DatasetError
from evals.textdiff import unified

Progress: TypeAlias = Callable[[int, int], None]

KINDS: Final = (
    "state", "severity", "issue type", "teams", "flags", "human lead", "language", "promises", "actions", "findings",
    "text",
)  # fmt: skip
"""What may change in the answer to a case, the gravest first."""


@dataclass(frozen=True, slots=True)
class Known:
    """A case to rehearse on."""

    name: str
    escalation: Escalation
    now: datetime
    """The instant at which it is answered, the same for both sides."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that the candidate answers otherwise, in words."""

    kind: str
    """One of `KINDS`."""
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A case that the candidate answers otherwise."""

    name: str
    issue_type: str
    language: str
    changes: tuple[Change, ...]
    worse: tuple[str, ...]
    """Why a person should look before this becomes active: the desk would take more upon itself, or be stopped."""
    before: str
    """Subject and text of the present draft; "" when there is none."""
    after: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """What changed."""
        return tuple(change.kind for change in self.changes)

    def diff(self) -> list[str]:
        """Both drafts as lines that begin with `-`, `+` or a space."""
        return unified(self.before, self.after)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a candidate would change."""

    cases: int
    changed: tuple[Changed, ...]

    @property
    def same(self) -> int:
        """Cases that are answered alike."""
        return self.cases - len(self.changed)

    @property
    def counts(self) -> dict[str, int]:
        """Cases by what changed in them; only what did."""
        found = Counter(kind for one in self.changed for kind in one.kinds)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    @property
    def worse(self) -> int:
        """Cases that a person should look at before the candidate becomes active."""
        return sum(bool(one.worse) for one in self.changed)

    @property
    def passed(self) -> bool:
        """Whether no case got worse. Another wording is what a candidate is for, so that alone fails nothing."""
        return self.cases > 0 and not self.worse

    @property
    def summary(self) -> str:
        """One sentence of numbers."""
        counts = ", ".join(f"{kind} {n}" for kind, n in self.counts.items())
        what = (
            f"{len(self.changed)} of {self.cases} cases change ({counts})"
            if counts
            else f"{self.cases} cases, none changes"
        )
        return f"{what}; {self.worse} get worse" if self.worse else what


async def rehearse(
    present: Deps, candidate: Deps, cases: Sequence[Known], progress: Progress = lambda done, of: None
) -> Rehearsal:
    """Answer every case as the desk does now and as it would, with the embedded engine; nothing is stored or sent."""
    present, candidate = _alone(present), _alone(candidate)
    changed: list[Changed] = []
    for number, case in enumerate(cases, 1):
        if (one := await _case(present, candidate, case)) is not None:
            changed.append(one)
        progress(number, len(cases))
    return Rehearsal(len(cases), tuple(changed))


def _alone(deps: Deps) -> Deps:
    """The same desk with no engine but the embedded one."""
    return replace(deps, model=EmbeddedModel(deps.prompts), tracer=None)


async def _case(present: Deps, candidate: Deps, case: Known) -> Changed | None:
    read = await pipeline.understood(case.escalation, present, case.now, {})
    before = await _answer(read, present, case.now)
    alike = isinstance(read, Read) and _reads_alike(read, present, candidate)
    if alike and _drafts_alike(before, present, candidate):
        return None
    if not alike:
        read = await pipeline.understood(case.escalation, candidate, case.now, {})
    after = await _answer(read, candidate, case.now)
    changes = tuple(compare(before, after))
    if not changes:
        return None
    worse = tuple(worsened(before, after, candidate.pack.severity_order))
    triage = before.triage
    return Changed(
        case.name, triage.issue_type, triage.language, changes, worse, text_of(before.draft), text_of(after.draft)
    )


async def _answer(read: Read | Proposal, deps: Deps, now: datetime) -> Proposal:
    return read if isinstance(read, Proposal) else await pipeline.answered(read, deps, now, "", {})


def _reads_alike(read: Read, present: Deps, candidate: Deps) -> bool:
    """Whether the candidate would come to the same reading of a case."""
    triage = read.triage
    language = draft_language(candidate.prompts, triage.language, triage.issue_type)
    return candidate.pack.version == present.pack.version and language == read.language


def _drafts_alike(before: Proposal, present: Deps, candidate: Deps) -> bool:
    """Whether no text and no rule differs that the present draft was made with."""
    texts = {id_: version for id_, version in before.versions.items() if id_ in present.prompts.all}
    same = all(id_ in candidate.prompts.all and candidate.prompts.version(id_)[:SHORT] == v for id_, v in texts.items())
    return bool(texts) and same and candidate.rulebook is present.rulebook


def compare(before: Proposal, after: Proposal) -> Iterable[Change]:
    """What differs between two answers to one case, the gravest first."""
    old, new = _told(before), _told(after)
    return [Change(kind, old[kind], new[kind]) for kind in KINDS if old[kind] != new[kind]]


def worsened(before: Proposal, after: Proposal, severities: Sequence[str]) -> Iterable[str]:
    """Why the second answer is worse than the first, in words."""
    order = {name: number for number, name in enumerate(severities)}
    if after.state == "blocked" and before.state != "blocked":
        yield f"the guard stops the draft: {after.state_reason}"
    if before.draft is not None and after.draft is None:
        yield "no draft can be written"
    old, new = before.triage, after.triage
    if order.get(new.severity, 0) > order.get(old.severity, 0):
        yield f"the severity falls from {old.severity} to {new.severity}"
    if old.human_lead and not new.human_lead:
        yield "no person leads any more"


def text_of(draft: Draft | None) -> str:
    """Subject and text of a draft as one."""
    return f"{draft.subject}\n\n{draft.body}" if draft is not None else ""


def _told(proposal: Proposal) -> Mapping[str, str]:
    triage, draft = proposal.triage, proposal.draft
    promises = (
        [
            f"{p.action}{f' by {p.due:%Y-%m-%d %H:%M}' if p.due else ''}{f' of {p.money}' if p.money else ''}"
            for p in draft.promises
        ]
        if draft
        else []
    )
    actions = [f"{a.kind}{f' of {a.money}' if a.money else ''}" for a in draft.proposed_actions] if draft else []
    findings = sorted({f"{f.rule}{' (hard)' if f.hard else ''}" for f in proposal.guard.findings})
    return {
        "state": proposal.state, "severity": triage.severity, "issue type": triage.issue_type,
        "teams": ", ".join((triage.primary_team, *sorted(triage.collaborators))),
        "flags": ", ".join(sorted(triage.flags)), "human lead": "yes" if triage.human_lead else "no",
        "language": draft.language if draft else "", "promises": "; ".join(promises), "actions": "; ".join(actions),
        "findings": ", ".join(findings), "text": text_of(draft),
    }  # fmt: skip


def stored_cases(folder: Path = FILES, most: int | None = None) -> tuple[Known, ...]:
    """The escalations of the stored eval set, whose expectations do not matter here; at most so many, spread evenly.

    Raises:
        DatasetError: a case file cannot be used.

    """
    paths = sorted(folder.glob("*.json"))
    if most is not None and most < len(paths):
        paths = [paths[at * len(paths) // most] for at in range(most)]
    return tuple(_stored(path) for path in paths)


def _stored(path: Path) -> Known:
    try:
        held = CaseFile.model_validate(json.loads(path.read_text(encoding="utf-8")))
        return Known(path.stem, intake.parse(held.escalation, now=held.now, case_id=case_id(path.stem)), held.now)
    except (ValidationError, ValueError, BadInput) as error:
        raise DatasetError(f"{path}: it is no case file; `desk eval check` says what is wrong.") from error
