"""The verbs around prompts and pack: check, preview, compare, activate, roll back. Files on disk are what is edited; the
active version is what the desk uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.errors import BrokenFile
from agent.prompts import SHORT
from api.auth import Principal
from api.errors import BrokenTextsError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from api.livetexts import FILES
from api.promptlook import PromptLook, Report
from api.store.prompts import Entry, Evidence, Move
from api.texttree import Tree, path_named, write_file
from api.trial import Problem
from api.versions import exchanged


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an activation."""

    entry: Entry
    waits_for: tuple[str, ...] = ()
    """Ids for which a second person must confirm `entry.seq` before it counts; empty when it is active."""


class Prompting(PromptLook):
    """Verbs over the texts of one desk."""

    # --- changing ------------------------------------------------------------------------------------------------------

    def save(self, who: Principal, id_: str, text: str) -> None:
        """Write a file of the working copy; the active version stays as it is.

        Raises:
            ForbiddenError: not an admin.
            InvalidError: the id cannot name a file, its folder is missing or a link, or the text is too long.

        """
        who.need("admin")
        try:
            write_file(self.live.prompts, self.live.store, path_named(id_), text)
        except (BrokenFile, UnicodeEncodeError) as broken:
            raise InvalidError(f"Nothing was saved. {broken}") from None

    def note_evidence(self, who: Principal, tree: Tree, kind: str, summary: str, *, passed: bool) -> Evidence:
        """Keep what an eval or a rehearsal said of a tree, so that an activation may rest on it."""
        return self.ledger.note(tree, kind, summary, who.id, self.clock.now(), passed=passed)

    def activate(
        self, who: Principal, ids: Sequence[str] | None = None, *, reason: str, evidence: str = "", override: str = ""
    ) -> Outcome:
        """Make the files on disk the active version: all, or some with the partials that they reach.

        Args:
            who: an admin.
            ids: of prompts and pack files; None for all.
            reason: why, in a sentence.
            evidence: id of what was said of this version; "" takes the newest that passed.
            override: why it may go live without evidence, where the policy asks for some.

        Raises:
            ForbiddenError: not an admin.
            BrokenTextsError: a file is broken.
            InvalidError: there is no reason, or no evidence where the policy asks for it.
            ConflictError: nothing differs, or somebody else was quicker.

        """
        who.need("admin")
        if not reason.strip():
            raise InvalidError("Say in a sentence why this version shall be active.")
        disk, active = self._disk(), self.active()
        target = disk if ids is None else exchanged(active, disk, self.known(ids, disk, active))
        report = self._sound(target)
        if not report.changed:
            raise ConflictError("There is nothing to activate: the files on disk are the active version.")
        policy, proof = self.live.texts.activation, ""
        if policy.policy == "gated":
            proof = self._proof(target, evidence, override)
        if waits_for := policy.needs_two(report.changed):
            move = Move(target, active.hash, who.id, "proposed", report.changed, reason, proof)
            return Outcome(self.ledger.propose(move, self.clock.now()), tuple(waits_for))
        move = Move(target, active.hash, who.id, "activated", report.changed, reason, proof or evidence)
        return Outcome(self._moved(move, disk))

    def confirm(self, who: Principal, seq: int) -> Outcome:
        """A second person lets a proposal become active.

        Raises:
            ForbiddenError: not an admin, or the one who proposed it.
            NotFoundError: no such proposal waits.

        """
        who.need("admin")
        entry = next((one for one in self.ledger.proposals() if one.seq == seq), None)
        if entry is None:
            raise NotFoundError("proposal that waits for a second person:", str(seq))
        if entry.actor == who.id:
            raise ForbiddenError("You proposed this version yourself; another admin must confirm it.")
        evidence = f"{entry.evidence}; proposal {seq} of {entry.actor}".removeprefix("; ")
        tree = self.ledger.tree(entry.to_tree)
        move = Move(tree, entry.from_tree, who.id, "confirmed", entry.changes, entry.reason, evidence)
        return Outcome(self._moved(move, None))

    def rollback(self, who: Principal, ids: Sequence[str] | None = None, *, to: str = "", reason: str) -> Outcome:
        """Go back: everything, or some files with the partials that they reach; needs no evidence and no second person.

        Args:
            who: an admin.
            ids: of prompts and pack files; None for all.
            to: begin of a version of the one file, or of a tree; "" for the one before the last change.
            reason: why, in a sentence.

        Raises:
            ForbiddenError: not an admin.
            NotFoundError: there is no such version.
            ConflictError: it is active already, or there is none before.

        """
        who.need("admin")
        if not reason.strip():
            raise InvalidError("Say in a sentence why you go back.")
        if ids is not None and to and len(ids) != 1:
            raise InvalidError("A version belongs to one file; roll the files back one by one.")
        active = target = self.active()
        if ids is None:
            target = self.ledger.tree(self._earlier(to))
        for id_ in ids or ():
            target = exchanged(target, self.tree(id_, to) if to else self._without(id_), [id_])
        report = self._sound(target)
        if not report.changed:
            raise ConflictError("That version is active already.")
        disk = self.disk_or_none()
        outcome = Outcome(self._moved(Move(target, active.hash, who.id, "rolled_back", report.changed, reason), None))
        if disk is not None:
            self.live.looked(disk)  # what is on disk was taken back, so it must not go live by itself again
        return outcome

    def settle(self) -> None:
        """Look at the files on disk if nobody has: activate them where the policy lets the desk do that, or say what is wrong.

        Raises:
            StoreError: the database failed.

        """
        try:
            disk = self.live.disk()
        except BrokenFile as broken:
            self.live.broken(broken)
            return
        if disk.hash == self.live.tree.hash:
            if self.live.problems or self.live.stale(disk):
                self.live.looked(disk)
            return
        if not self.live.new(disk):
            self.live.recall(disk)
            return
        report = self.check(disk)
        problems = report.problems
        if not problems and self.live.texts.activation.policy == "auto":
            if why := self.replay(disk):
                problems = (Problem("prompts", 0, 0, why, "undo the change, or activate it yourself", "render"),)
            else:
                move = Move(
                    disk,
                    self.live.tree.hash,
                    FILES.id,
                    "activated",
                    report.changed,
                    "files on disk changed",
                    "fixtures",
                )
                self._moved(move, disk)
                return
        self.live.looked(disk, problems)

    # --- steps ---------------------------------------------------------------------------------------------------------

    def _moved(self, move: Move, disk: Tree | None) -> Entry:
        entry = self.ledger.move(move, self.clock.now())
        self.live.follow()
        if disk is not None:
            self.live.looked(disk)
        return entry

    def _sound(self, tree: Tree) -> Report:
        """The report of a tree without problems.

        Raises:
            BrokenTextsError: there are some.

        """
        report = self.check(tree)
        if report.problems:
            more = len(report.problems) - 1
            also = f" ({more} more like this; `desk prompts check` names them)" if more else ""
            raise BrokenTextsError(f"Nothing was activated. {report.problems[0].sentence}{also}", report.problems)
        return report

    def _proof(self, tree: Tree, evidence: str, override: str) -> str:
        known = [one for one in self.ledger.evidence(tree.hash) if one.passed]
        if evidence:
            known = [one for one in known if one.id == evidence]
        if known:
            return known[0].id
        if override.strip():
            return f"override: {override.strip()}"
        missing = (
            f"No evidence {evidence!r} that this version passed is known"
            if evidence
            else "This version is not evaluated"
        )
        raise InvalidError(f"{missing}, and the policy is gated; rehearse it, or give an override that says why not.")

    def _disk(self) -> Tree:
        try:
            return self.live.disk()
        except BrokenFile as b:
            problem = Problem(b.path, b.line, b.column, b.problem, b.fix, "read")
            raise BrokenTextsError(f"Nothing was activated. {problem.sentence}", (problem,)) from None

    def _without(self, id_: str) -> Tree:
        """The tree that was active before the last change of a file."""
        self.known([id_], self.live.tree, self.ledger.tree(self.ledger.active()))
        entries = [e for e in self.history(id_) if e.action != "proposed" and e.from_tree]
        if not entries:
            raise ConflictError(f"There is no version of {id_} before the active one.")
        return self.ledger.tree(entries[0].from_tree)

    def _earlier(self, to: str) -> str:
        entries = [entry for entry in self.ledger.log() if entry.action != "proposed"]
        if to:
            trees = [tree for entry in entries for tree in (entry.to_tree, entry.from_tree) if tree.startswith(to)]
            if len(to) < 6 or not trees:
                raise NotFoundError("version of the texts", to[:SHORT])
            return trees[0]
        if not entries or not entries[0].from_tree:
            raise ConflictError("There is no version before the active one.")
        return entries[0].from_tree
