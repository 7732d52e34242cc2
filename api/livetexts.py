"""The texts in use: those of the active version in the database, whatever lies on disk; swapped while the desk runs."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from agent.errors import BrokenFile
from agent.prompts import load_prompts
from api.auth import Principal
from api.clock import Clock
from api.errors import ConflictError
from api.settings import ROOT, Settings
from api.store.prompts import Ledger, Move
from api.texts import SAMPLE, Texts, load_texts
from api.texttree import STORE, Tree, read_tree, write_tree
from api.trial import Problem, problem_of
from api.versions import changes, versions

log = logging.getLogger(__name__)

FILES: Final = Principal("prn_files", "the files on disk", "admin")
"""Who activates what the desk activates by itself."""
_KEPT: Final = 5
"""Laid-out trees that are kept to start from; any of them can be laid out again."""


class LiveTexts:
    """Whoever needs a text asks `texts` each time; it is one object that is swapped as a whole."""

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock) -> None:
        """Opens the active version; at a first start the files on disk become it.

        Raises:
            BrokenFile: there is no active version yet, or none that this desk can read, and the files on disk are broken.

        """
        self.ledger, self._clock = ledger, clock
        self.prompts, self.store = settings.prompts.absolute(), (settings.store or SAMPLE).absolute()
        self._home = settings.home / "texts"
        self.problems: tuple[Problem, ...] = ()
        """What is wrong with the files on disk."""
        self.note = ""
        """What of the active version is not in use yet, and what brings it into use; "" for nothing."""
        self.listeners: list[Callable[[Texts], None]] = []
        """Called after a swap, in the thread that made it."""
        self._turn = threading.RLock()
        self._now: tuple[Tree, Texts] | None = None
        self._now = self._opened()
        seen = self._seen()
        if seen and seen["tree"] != self.tree.hash:
            self._tell([Problem(**one) for one in seen["problems"]])
        elif not seen:
            try:
                self.looked(self.disk())
            except BrokenFile as broken:
                self.broken(broken)

    @property
    def tree(self) -> Tree:
        """The files of the active version."""
        return self._held()[0]

    @property
    def texts(self) -> Texts:
        """What was loaded from them."""
        return self._held()[1]

    def use(self, texts: Texts) -> None:
        """Go on with these in place of what was loaded."""
        self._now = self.tree, texts

    def _held(self) -> tuple[Tree, Texts]:
        assert self._now is not None  # noqa: S101 - set when the object is made
        return self._now

    @property
    def fixtures(self) -> Path:
        """Where the values are that prompts are tried with; those that ship with the desk, unless the folder has its own."""
        own = self.prompts / "fixtures"
        return own if own.is_dir() else ROOT / "prompts" / "fixtures"

    def disk(self) -> Tree:
        """The files on disk now.

        Raises:
            BrokenFile: one of them is a link, has a name that no file may have, is too large or is not UTF-8.

        """
        return read_tree(self.prompts, self.store)

    def follow(self) -> bool:
        """Take the active version into use if another one is; whether that was so.

        Raises:
            StoreError: the database cannot be read.

        """
        if (hash_ := self.ledger.active()) == self.tree.hash:
            return False
        with self._turn:
            tree = self.ledger.tree(hash_)
            try:
                texts = self.load(tree)
            except BrokenFile as broken:  # made by a desk of another version
                self.note = f"this desk cannot read the active version, so the one before stays: {broken}"
                log.error("the active texts cannot be read: %s", broken)
                return False
            self._now = tree, replace(texts, problem=self.texts.problem)
            self.note = ""
            for tell in self.listeners:
                tell(self.texts)
        return True

    def load(self, tree: Tree) -> Texts:
        """The texts of a tree; what it shares with those in use is not read anew.

        Raises:
            BrokenFile: one of its files is broken; it is named as it lies on disk.

        """
        folder = self.lay_out(tree)
        mark = folder / "checked"
        known = mark.read_text().split() if mark.exists() else []
        checked = (known[0], known[1]) if len(known) == 2 else ("", "")
        try:
            if self._now is not None and tree.part(pack=True) == self.tree.part(pack=True):
                prompts = load_prompts(folder / "prompts", checked=checked[1])
                texts = replace(self.texts, prompts=prompts, problem="", tree=tree.hash)
            else:
                found = load_texts(folder / "prompts", folder / STORE, checked=checked)
                texts = replace(found, tree=tree.hash)
        except BrokenFile as broken:
            one = problem_of(broken, folder)
            raise BrokenFile(self.path_of(one.file), one.line, one.problem, one.fix, one.column) from None
        mark.write_text(" ".join(texts.marks))
        return texts

    def lay_out(self, tree: Tree) -> Path:
        """The folder in which the files of a tree lie as they are kept."""
        folder = self._home / tree.hash[:16]
        write_tree(tree, folder)
        return folder

    def mark(self, tree: Tree, marks: tuple[str, str]) -> None:
        """Note that a tree was found in order, so that it is not checked again when it is loaded."""
        (self.lay_out(tree) / "checked").write_text(" ".join(marks))

    def path_of(self, file: str) -> Path:
        """Where a file of a tree lies on disk."""
        return self.store / file.removeprefix(f"{STORE}/") if file.startswith(f"{STORE}/") else self.prompts / file

    def looked(self, tree: Tree, problems: tuple[Problem, ...] = ()) -> None:
        """Note that these files on disk were looked at, and what is wrong with them; they are not looked at again."""
        self._tell(list(problems))
        self._home.mkdir(parents=True, exist_ok=True)
        draft = self._home / "seen.new"
        draft.write_text(json.dumps({"tree": tree.hash, "problems": [asdict(one) for one in problems]}))
        draft.replace(self._home / "seen")

    def new(self, tree: Tree) -> bool:
        """Whether nobody looked at these files yet."""
        return tree.hash not in {self.tree.hash, self._seen().get("tree", tree.hash)}

    def stale(self, tree: Tree) -> bool:
        """Whether other files than these were the last that were looked at."""
        return self._seen().get("tree") != tree.hash

    def broken(self, broken: BrokenFile) -> None:
        """Note that the files on disk cannot even be read."""
        self._tell([Problem(broken.path, broken.line, broken.column, broken.problem, broken.fix, "read")])

    def recall(self, tree: Tree) -> None:
        """Take over what another process found wrong with these files."""
        seen = self._seen()
        if seen.get("tree") == tree.hash:
            self._tell([Problem(**one) for one in seen["problems"]])

    def _tell(self, problems: list[Problem]) -> None:
        said = replace(problems[0], file=str(self.path_of(problems[0].file))).sentence if problems else ""
        self.problems = tuple(problems)
        if self.texts.problem != said:
            self.use(replace(self.texts, problem=said))
            if said:
                log.error("the files on disk are not in use: %s", said)

    def _seen(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            return json.loads((self._home / "seen").read_text())
        return {}

    def _opened(self) -> tuple[Tree, Texts]:
        if hash_ := self.ledger.active():
            tree = self.ledger.tree(hash_)
            try:
                return tree, self.load(tree)
            except BrokenFile as broken:
                log.error("the active texts do not fit this version of the desk: %s", broken)
                return self._take_disk(tree, "activated", "the version before does not fit this version of the desk")
        try:
            return self._take_disk(Tree({}), "first_start", "first start")
        except ConflictError:  # another process was faster
            tree = self.ledger.tree(self.ledger.active())
            return tree, self.load(tree)

    def _take_disk(self, before: Tree, action: Any, reason: str) -> tuple[Tree, Texts]:
        try:
            tree = self.disk()
        except BrokenFile as broken:
            path = self.path_of(broken.path)
            raise BrokenFile(path, broken.line, broken.problem, broken.fix, broken.column) from None
        texts = self.load(tree)
        changed = changes(versions(before), versions(tree))
        held = before.hash if before.files else ""
        self.ledger.move(Move(tree, held, FILES.id, action, changed, reason), self._clock.now())
        return tree, texts

    def tidy(self) -> None:
        """Remove laid-out trees that were not used for long."""
        folders = [path for path in self._home.iterdir() if path.is_dir() and path.name != self.tree.hash[:16]]
        for path in sorted(folders, key=lambda p: p.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(path, ignore_errors=True)
