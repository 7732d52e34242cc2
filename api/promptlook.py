"""Looking at prompts and pack: what is wrong, what differs from the active version, and what a prompt renders to."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from agent.errors import BrokenFile
from agent.prompts import SHORT
from api.clock import Clock
from api.errors import NotFoundError
from api.fixtures import Fixture, read_fixtures
from api.livetexts import LiveTexts
from api.store.prompts import Entry, Ledger
from api.texttree import Tree
from api.trial import Problem, Tried, try_texts
from api.versions import changes, said, versions

State: TypeAlias = Literal["edited", "linted", "rendered", "evaluated", "waiting", "active"]
"""How far a file on disk came: edited (it is broken), linted, rendered on all fixtures, evaluated, waiting for a second
person, active.
"""
ACTIVE, DISK = "active", "disk"
_REPORTS: Final = 8


@dataclass(frozen=True, slots=True)
class Report:
    """What a check of a tree found."""

    tree: str
    problems: tuple[Problem, ...]
    rendered: int
    """Texts that were rendered with fixtures."""
    changed: Mapping[str, tuple[str, str]]
    """Id -> version before and after, of what differs from the active version."""


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt or pack file."""

    id: str
    kind: str
    """`pack`, or the kind of the prompt."""
    title: str
    state: State
    active: str
    """Its active version; "" when it is new."""
    disk: str
    """Its version on disk; "" when it was removed."""
    problem: Problem | None = None


class PromptLook:
    """What everybody may look at."""

    def __init__(self, live: LiveTexts, ledger: Ledger, clock: Clock) -> None:
        self.live, self.ledger, self.clock = live, ledger, clock
        self.replay: Callable[[Tree], str] = lambda tree: ""
        """Run before the desk activates by itself: why a tree must not go live, "" when it may."""
        self._reports: dict[tuple[str, str, bool], Report] = {}

    # --- looking -------------------------------------------------------------------------------------------------------

    def check(self, tree: Tree | None = None, *, everything: bool = False) -> Report:
        """Lint a tree, and render what differs from the active version on all fixtures; without one, the files on disk.

        Args:
            tree: of texts.
            everything: render what is active already too.

        """
        try:
            tree = tree or self.live.disk()
        except BrokenFile as b:
            return Report("", (Problem(b.path, b.line, b.column, b.problem, b.fix, "read"),), 0, {})
        active = self.live.tree
        key = (tree.hash, active.hash, everything)
        if key not in self._reports:
            changed = changes(versions(active), versions(tree))
            ids = None if everything else [id_ for id_, (_, new) in changed.items() if new]
            pack = self.live.texts.marks[0] if tree.part(pack=True) == active.part(pack=True) else ""
            tried = try_texts(self.live.lay_out(tree), self.live.fixtures, ids=ids, checked=(pack, ""))
            if not tried.problems:
                self.live.mark(tree, tried.marks)
            self._reports[key] = Report(tree.hash, tried.problems, tried.rendered, changed)
            for old in list(self._reports)[:-_REPORTS]:
                del self._reports[old]
        return self._reports[key]

    def state(self) -> list[Row]:
        """Every prompt and pack file with how far its version on disk came."""
        report, active = self.check(), self.live.tree
        try:
            disk = self.live.disk()
        except BrokenFile:
            disk = active
        problems = {p.file.rpartition(".")[0] or p.file: p for p in reversed(report.problems)}
        proof = any(one.passed and one.kind != "fixtures" for one in self.ledger.evidence(disk.hash))
        waits = {id_ for entry in self.ledger.proposals() if entry.to_tree == disk.hash for id_ in entry.changes}
        old, new = versions(active), versions(disk)
        rows: list[Row] = []
        for id_ in sorted({*old, *new, *problems}):
            tree = disk if id_ in new else active
            what = said(tree.paths[id_], tree.files[tree.paths[id_]]) if id_ in tree.paths else said("x.md", "")
            problem = problems.get(id_)
            same = old.get(id_) == new.get(id_) and problem is None
            state: State = "active" if same else _state(problem, proof, id_ in waits)
            rows.append(Row(id_, what.kind, what.title, state, old.get(id_, ""), new.get(id_, ""), problem))
        return rows

    def fixtures(self, id_: str = "") -> list[Fixture]:
        """The values that prompts are tried with; those of one prompt when its id is given."""
        return [one for one in read_fixtures(self.live.fixtures) if not id_ or one.fits(id_)]

    def preview(
        self, id_: str, values: Mapping[str, Any] | str = "", *, of: str = DISK, text: str | None = None
    ) -> Tried:
        """A prompt's text with the origin of each part.

        Args:
            id_: of the prompt.
            values: plain data, or the name of a fixture; "" takes the first that fits.
            of: `disk`, `active`, or a version of its history.
            text: a text of the file that is not even on disk, e.g. from an editor.

        Raises:
            NotFoundError: there is no such prompt, fixture or version.

        """
        tree = self.tree(id_, of)
        if text is not None:
            self.known([id_], tree)
            tree = Tree({**tree.files, tree.paths[id_]: text})
        if id_ not in tree.paths or not tree.paths[id_].endswith(".md"):
            raise NotFoundError("prompt", id_)
        if isinstance(values, str):
            values = self._fixture(id_, values).values
        same = tree.part(pack=True) == self.live.tree.part(pack=True)
        checked = (self.live.texts.marks[0] if same else "", "")
        return try_texts(self.live.lay_out(tree), self.live.fixtures, checked=checked, preview=(id_, values))

    def text(self, id_: str, of: str = DISK) -> str:
        """The text of a file; "" when it is not there.

        Raises:
            NotFoundError: there is no such version.

        """
        tree = self.tree(id_, of)
        return tree.files[tree.paths[id_]] if id_ in tree.paths else ""

    def diff(self, id_: str, a: str = ACTIVE, b: str = DISK) -> str:
        """How two versions of a file differ, as a unified diff; "" when they are the same."""
        old, new = self.text(id_, a).splitlines(), self.text(id_, b).splitlines()
        return "\n".join(difflib.unified_diff(old, new, f"{id_} ({a})", f"{id_} ({b})", lineterm=""))

    def history(self, id_: str = "") -> list[Entry]:
        """The log, newest first; of one file when its id is given."""
        return [entry for entry in self.ledger.log() if not id_ or id_ in entry.changes]

    # --- steps ---------------------------------------------------------------------------------------------------------

    def active(self) -> Tree:
        """The active version, which another process may have changed just now."""
        self.live.follow()
        return self.live.tree

    def known(self, ids: Sequence[str], *trees: Tree) -> Sequence[str]:
        """The ids, each of which one of the trees has.

        Raises:
            NotFoundError: none has it; the message names the nearest.

        """
        for id_ in ids:
            if not any(id_ in tree.paths for tree in trees):
                near = difflib.get_close_matches(id_, {i for tree in trees for i in tree.paths}, 1)
                raise NotFoundError("prompt or pack file", f"{id_} (did you mean {near[0]}?)" if near else id_)
        return ids

    def _fixture(self, id_: str, name: str) -> Fixture:
        fitting = self.fixtures(id_)
        found = [one for one in fitting if name in {"", one.name}]
        if not found:
            known = ", ".join(one.name for one in fitting) or "none"
            raise NotFoundError("fixture for this prompt", f"{name} (known: {known})")
        return found[0]

    def tree(self, id_: str, of: str) -> Tree:
        """The tree in which a file has a version: `active`, `disk`, or the begin of one of its history."""
        if of in {ACTIVE, DISK}:
            tree, other = self.active(), self.disk_or_none()
            self.known([id_], tree, *([other] if other else []))
            return tree if of == ACTIVE or other is None else other
        for entry in self.history(id_):
            for version, tree in zip(entry.changes[id_], (entry.from_tree, entry.to_tree), strict=True):
                if version.startswith(of) and len(of) >= 6 and tree:
                    return self.ledger.tree(tree)
        raise NotFoundError(f"version of {id_}", of[:SHORT])

    def disk_or_none(self) -> Tree | None:
        """The files on disk; None when they cannot be read."""
        try:
            return self.live.disk()
        except BrokenFile:
            return None


def _state(problem: Problem | None, proof: bool, waits: bool) -> State:
    if problem is not None:
        return "linted" if problem.stage == "render" else "edited"
    return "waiting" if waits else "evaluated" if proof else "rendered"
