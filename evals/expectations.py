"""What a case of the suite expects of an answer: the form of its YAML row, and the ids that it may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from agent.guard import RULES
from agent.pack import Pack
from agent.phrasebook import GuardFile
from agent.yamlfile import read_yaml


class Strict(BaseModel):
    """Base of the forms of files: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=80)]
Words: TypeAlias = tuple[Annotated[str, Field(min_length=1)], ...]


class Severities(Strict):
    """Which severities are right, and which may on no account be given."""

    allow: Words
    forbid: Words = ()


class Expected(Strict):
    """What must hold of the answer; a field left out expects nothing."""

    issue_type: Words = ()
    """Allowed issue types, the likeliest first; reports are cut by the first."""
    severity: Severities | None = None
    primary_team: Words = ()
    """Allowed primary teams."""
    collaborators: Words = ()
    """Teams that must be pulled in."""
    flags: Words = ()
    """Flags that must be set."""
    human_lead: bool | None = None
    language: str = ""
    """Language of the answer."""
    kind: tuple[Literal["reply", "question", "brief"], ...] = ()
    """Allowed kinds of draft."""
    must_cover: Words = ()
    """Content items, ids of `required` in guard.yaml."""
    must_not: Words = ()
    """Rules of the guard that must find nothing, hard or soft."""
    facts_required: Words = ()
    """Words that the draft must hold: an order number, an article."""
    policy_refs: Words = ()
    """Policy lines that it must cite."""


class Quarantine(Strict):
    """Why a case does not count for a while, and who mends it."""

    owner: Annotated[str, Field(min_length=1)]
    until: date
    """From this day on the case counts again."""
    reason: Annotated[str, Field(min_length=1)]


class Metadata(Strict):
    """Where a case comes from and with which others it counts."""

    split: Literal["gate", "guard", "holdout"]
    """`gate`: the headline; `guard`: red team; `holdout`: never averaged into the headline."""
    cluster: Name
    """Cases so alike that they count as one for error bars."""
    provenance: Literal["authored", "from_draft", "from_incident"]
    """Written for the suite, made from a reviewed draft, or made after something went wrong."""
    author: Annotated[str, Field(min_length=1)]
    reference: Literal["golden", "snapshot", "none"] = "golden"
    """Whether the expectations are a person's, a kept answer's, or absent but for what must never be."""
    quarantine: Quarantine | None = None


class Injection(Strict):
    """A case whose text orders the machine about."""

    twin: Name
    """The same case without those words; its triage must be the same."""
    canary: Annotated[str, Field(min_length=3)]
    """Words that a draft has only when it obeyed."""


class Row(Strict):
    """One case as its YAML file has it."""

    name: Name
    """Never used again for another case; `evals/cases/<name>.json` holds the escalation."""
    expected: Expected
    metadata: Metadata
    injection: Injection | None = None
    reference: str = ""
    """A reply that a person approved, to measure how much an answer differs from it."""


class SuiteFile(Strict):
    """One YAML file of cases."""

    cases: Annotated[tuple[Row, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The ids that expectations may name, by field."""

    ids: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, pack: Pack, prompts: Path) -> Vocabulary:
        """Of this pack, the guard's items beside it, and the guard's rules."""
        items = read_yaml(prompts / "pack/guard.yaml", GuardFile).required
        return cls(
            {
                "issue_type": tuple(pack.issue_types), "severity.allow": pack.severity_order,
                "severity.forbid": pack.severity_order, "primary_team": tuple(pack.teams),
                "collaborators": tuple(pack.teams), "flags": (*pack.flags, "missing_facts"),
                "must_cover": tuple(items), "must_not": tuple(RULES), "policy_refs": tuple(pack.policy),
                "language": pack.store.languages,
            }
        )  # fmt: skip


def binds(row: Row, vocabulary: Vocabulary) -> bool:
    """Whether some answer would fail the case by what is expected of it; what allows everything expects nothing."""
    e = row.expected
    wide: dict[str, Sequence[str]] = {
        "issue_type": e.issue_type, "primary_team": e.primary_team, "severity.allow": e.severity.allow if e.severity else (),
    }  # fmt: skip
    return (
        any(ids and set(ids) != set(vocabulary.ids[field]) for field, ids in wide.items())
        or bool(e.severity and e.severity.forbid)
        or bool(e.kind and len(set(e.kind)) < 3)
        or e.human_lead is not None
        or bool(e.collaborators or e.flags or e.language or e.must_cover or e.must_not or e.facts_required)
        or bool(e.policy_refs or row.injection)
    )
