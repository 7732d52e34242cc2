"""Which version each file of a tree has, and how two trees differ, even when a file in them is broken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import BrokenFile
from agent.prompts import version_of
from agent.yamlfile import parse_yaml
from api.texttree import Tree, id_of

ACTIVATION = "pack/activation.yaml"
"""Path of the file that says how edited files become active."""
_HEAD = re.compile(r"---\n(.*?\n)---\n", re.DOTALL)


class Activation(BaseModel):
    """How edited files become active (`pack/activation.yaml`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    policy: Literal["auto", "gated"] = "auto"
    """auto: the desk activates what it finds in order by itself; gated: a person does, on evidence."""
    second_person: tuple[str, ...] = Field(default=())
    """Ids, with `*` for any part, whose change a second person confirms when the policy is gated."""

    def needs_two(self, ids: Iterable[str]) -> list[str]:
        """Those of the ids whose change a second person must confirm."""
        if self.policy == "auto":
            return []
        wanted = (*self.second_person, id_of(ACTIVATION))
        return [id_ for id_ in ids if any(fnmatchcase(id_, pattern) for pattern in wanted)]


@dataclass(frozen=True, slots=True)
class Said:
    """What the front matter of a file says, as far as it can be read."""

    kind: str
    title: str
    use: tuple[str, ...]


@lru_cache(maxsize=4096)
def said(path: str, text: str) -> Said:
    """The head of a file; of the pack's files only the kind is known."""
    if path.endswith(".yaml"):
        return Said("pack", path, ())
    match = _HEAD.match(text.replace("\r\n", "\n"))
    try:
        data: Any = parse_yaml(match[1], path) if match else None
    except BrokenFile:
        data = None
    if not isinstance(data, dict):
        return Said("", path, ())
    head = cast("dict[str, Any]", data)
    use: Any = head.get("use")
    names = cast("list[Any]", use) if isinstance(use, list) else []
    return Said(str(head.get("kind", "")), str(head.get("title", path)), tuple(str(name) for name in names))


def reach(tree: Tree, id_: str) -> set[str]:
    """The ids of a file and of every partial of this tree that it reaches."""
    found, ahead = {id_}, [id_]
    while ahead:
        path = tree.paths.get(ahead.pop())
        if path is not None:
            new = {name for name in said(path, tree.files[path]).use if name in tree.paths} - found
            found |= new
            ahead += new
    return found


def versions(tree: Tree) -> dict[str, str]:
    """Id -> version: for a prompt over the file, its partials and the engine, for a file of the pack over its text."""
    found: dict[str, str] = {}
    for id_, path in tree.paths.items():
        sha = tree.manifest[path]
        if path.endswith(".md"):
            partials = reach(tree, id_) - {id_}
            sha = version_of(sha, {name: tree.manifest[tree.paths[name]] for name in partials})
        found[id_] = sha
    return found


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Id -> version before and after, of all that differ; "" for a file that is not there."""
    ids = sorted({*before, *after})
    pairs = {id_: (before.get(id_, ""), after.get(id_, "")) for id_ in ids}
    return {id_: pair for id_, pair in pairs.items() if pair[0] != pair[1]}


def exchanged(tree: Tree, other: Tree, ids: Iterable[str]) -> Tree:
    """A tree with some files, and the partials that they reach, taken from another one; absent there means gone here."""
    files = dict(tree.files)
    for id_ in {name for wanted in ids for name in reach(other, wanted)}:
        if (own := tree.paths.get(id_)) is not None:
            files.pop(own)
        if (path := other.paths.get(id_)) is not None:
            files[path] = other.files[path]
    return Tree(files)
