"""Prompts and pack as people and programs are shown them: how far each file came, its versions, and what became of their drafts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import select

from agent.pack import Pack
from agent.prompts import SHORT
from api.errors import NotFoundError
from api.livetexts import FILES
from api.promptlook import DISK, PromptLook, Row
from api.promptrates import Rate, rates
from api.store.prompts import Entry
from api.store.tables import principals
from api.texttree import Tree, digest
from api.versions import reach
from api.wiring import Runtime

STATES: Final = {
    "edited": "Edited, broken", "linted": "Edited, cannot be rendered", "rendered": "Edited, in order",
    "evaluated": "Edited, evaluated", "waiting": "Waits for a second person", "active": "Active",
}  # fmt: skip
"""How far a file came, in words for people."""
KINDS: Final = {
    "draft": "Instructions for a model", "reply": "Replies", "brief": "Briefs and notices for people", "partial": "Partials",
    "pack": "Policy of the store", "triage": "Triage", "judge": "Judges",
}  # fmt: skip
MOST_ID: Final = 300
_NONE: Final = Rate()


@dataclass(frozen=True, slots=True)
class Line:
    """One file in the list."""

    row: Row
    rate: Rate
    """Of its active version."""

    @property
    def state(self) -> str:
        """In words."""
        return STATES[self.row.state]


@dataclass(frozen=True, slots=True)
class Version:
    """One version that a file had."""

    entry: Entry
    """The newest entry of the log that made it active."""
    version: str
    rate: Rate
    active: bool


@dataclass(frozen=True, slots=True)
class File:
    """One file with everything about it."""

    id: str
    path: str
    row: Row
    text: str
    """On disk; "" when it was removed."""
    tag: str
    """Changes with the text."""
    versions: tuple[Version, ...]
    """Newest first."""
    uses: tuple[str, ...]
    """Partials that it reaches."""
    used_by: tuple[str, ...]
    """Files that reach it: what a change of it changes too."""
    fixtures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """One cell of the matrix of issue types and languages."""

    language: str
    id: str
    """Of the file that covers it."""
    covered: bool
    shared: bool
    """Whether the text falls back to another language."""


def lines(desk: Runtime) -> list[Line]:
    """Every file."""
    found = rates(desk.store)
    return [Line(row, found.get((row.id, row.active[:SHORT]), _NONE)) for row in desk.prompting.state()]


def file(desk: Runtime, id_: str) -> File:
    """One file.

    Raises:
        NotFoundError: neither the files on disk nor the active version have it.

    """
    look = desk.prompting
    known(look, id_)
    text, disk = look.text(id_), look.tree(id_, DISK)
    path = disk.paths.get(id_) or look.active().paths[id_]
    row = next(row for row in look.state() if row.id == id_)
    prompt = path.endswith(".md")
    uses = sorted(reach(disk, id_) - {id_}) if prompt else []
    return File(
        id_, path, row, text, digest(text), versions_of(desk, id_, row.active), tuple(uses), users(disk, id_),
        tuple(one.name for one in look.fixtures(id_)) if prompt else (),
    )  # fmt: skip


def known(look: PromptLook, id_: str) -> None:
    """Look whether there is such a file.

    Raises:
        NotFoundError: there is none.

    """
    if len(id_) > MOST_ID:
        raise NotFoundError("prompt or pack file", f"{id_[:40]}...")
    look.tree(id_, DISK)


def users(tree: Tree, id_: str) -> tuple[str, ...]:
    """Ids of the files that reach a partial."""
    return tuple(sorted(other for other in tree.paths if other != id_ and id_ in reach(tree, other)))


def versions_of(desk: Runtime, id_: str, active: str) -> tuple[Version, ...]:
    """The versions that a file had, the newest first, each once."""
    found, seen = list[Version](), rates(desk.store)
    for entry in desk.prompting.history(id_):
        version = entry.changes[id_][1]
        if entry.action != "proposed" and version and version not in {one.version for one in found}:
            found.append(Version(entry, version, seen.get((id_, version[:SHORT]), _NONE), version == active))
    return tuple(found)


def actors(desk: Runtime) -> Mapping[str, str]:
    """Who is meant by the ids in the log."""
    with desk.store.read() as conn:
        found = {row.id: str(row.name) for row in conn.execute(select(principals.c.id, principals.c.name))}
    return {**found, FILES.id: FILES.name}


def matrix(desk: Runtime) -> Mapping[str, Sequence[Gap]]:
    """For each issue type the file that covers it in each language of the store; English stands in where one is missing."""
    pack: Pack = desk.texts.pack
    ids = desk.texts.prompts.all
    return {
        name: [_gap(name, kind.human_lead, language, ids) for language in pack.store.languages]
        for name, kind in pack.issue_types.items()
    }


def _gap(issue_type: str, led: bool, language: str, ids: Mapping[str, Any]) -> Gap:
    name = f"brief/{language}" if led else f"reply/{language}/{issue_type}"
    other = "brief/en" if led else f"reply/en/{issue_type}"
    return Gap(language, name if name in ids else other, name in ids, name not in ids and other in ids)


def row_json(line: Line) -> dict[str, Any]:
    """A file of the list for programs."""
    problem = asdict(line.row.problem) if line.row.problem else None
    return {**asdict(line.row), "problem": problem, "rate": line.rate.as_json()}


def file_json(one: File) -> dict[str, Any]:
    """A file for programs."""
    versions = [
        {"version": v.version, "active": v.active, "rate": v.rate.as_json(), **entry_json(v.entry)}
        for v in one.versions
    ]
    return {
        "id": one.id, "path": one.path, "kind": one.row.kind, "title": one.row.title, "state": one.row.state,
        "active": one.row.active, "disk": one.row.disk, "text": one.text, "uses": list(one.uses),
        "used_by": list(one.used_by), "fixtures": list(one.fixtures),
        "problem": asdict(one.row.problem) if one.row.problem else None, "versions": versions,
    }  # fmt: skip


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry of the log for programs."""
    return {
        "number": entry.seq, "at": entry.at.isoformat(), "actor": entry.actor, "action": entry.action,
        "from_tree": entry.from_tree, "to_tree": entry.to_tree, "reason": entry.reason, "evidence": entry.evidence,
        "files": sorted(entry.changes),
    }  # fmt: skip
