"""Versions of the texts in the store: content by its hash, which tree is active, and the log of how it came to be.

Nothing here is ever changed but the one pointer; the log only grows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Column, Connection, Integer, RowMapping, String, Table, Text, insert, select, update

from api.errors import ConflictError, NotFoundError
from api.ids import new_id
from api.store.columns import at_column, flag_column, id_column, json_column, metadata, number_column, word_column
from api.store.unit import Store
from api.texttree import Tree

Action: TypeAlias = Literal["first_start", "activated", "proposed", "confirmed", "rolled_back"]
Changes: TypeAlias = Mapping[str, tuple[str, str]]
"""Id -> version before and after; "" where the file was not, or is not any more."""

_TEXTS: Final = "texts"
_MOST_NAMES: Final = 500


def _hash_column(name: str, *, primary: bool = False, default: str | None = None) -> Column[str]:
    return Column(name, String(64), primary_key=primary, nullable=False, server_default=default)


files = Table("prompt_files", metadata, _hash_column("hash", primary=True), Column("text", Text, nullable=False))
"""Every text that ever was in a tree."""
trees = Table("prompt_trees", metadata, _hash_column("hash", primary=True), json_column("manifest"))
"""Path -> hash of the file."""
log = Table(
    "prompt_log", metadata, Column("seq", Integer, primary_key=True, autoincrement=True), at_column("at"),
    word_column("actor", None), word_column("action", None), _hash_column("from_tree", default=""),
    _hash_column("to_tree"), json_column("changes"), Column("reason", String(500), nullable=False, server_default=""),
    Column("evidence", String(500), nullable=False, server_default=""),
)  # fmt: skip
"""Append-only: who changed what, when, why, and on what evidence."""
active = Table(
    "prompt_active", metadata, Column("name", String(64), primary_key=True), _hash_column("tree"), number_column("seq")
)
"""One row: the tree that every process uses, and its entry of the log."""
evidence = Table(
    "prompt_evidence", metadata, id_column(), Column("tree", String(64), nullable=False, index=True), word_column("kind", None),
    flag_column("passed"), Column("summary", String(500), nullable=False, server_default=""), word_column("actor", None),
    at_column("at"),
)  # fmt: skip
"""What evals and rehearsals said of a tree."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log."""

    seq: int
    at: datetime
    actor: str
    """Id of the principal."""
    action: Action
    from_tree: str
    to_tree: str
    changes: Changes
    reason: str
    evidence: str
    """Ids of the evidence, or what was overridden."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one eval or rehearsal said of a tree."""

    id: str
    tree: str
    kind: str
    """`fixtures`, `replay`, `rehearsal` or `eval`."""
    passed: bool
    summary: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """A change of the pointer that somebody wants."""

    tree: Tree
    before: str
    """The tree that must be active now; "" when none may be."""
    actor: str
    action: Action
    changes: Changes
    reason: str
    evidence: str = ""


class Ledger:
    """The versions of the texts; every method is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def active(self) -> str:
        """Hash of the active tree; "" before the first start."""
        with self._store.read() as conn:
            return _active(conn)[0]

    def tree(self, hash_: str) -> Tree:
        """A tree that was kept.

        Raises:
            NotFoundError: there is none with this hash.

        """
        with self._store.read() as conn:
            return _tree(conn, hash_)

    def move(self, move: Move, now: datetime) -> Entry:
        """Make a tree the active one; when it is already, its entry of the log is given back.

        Raises:
            ConflictError: another tree than `before` is active, because somebody was quicker.

        """
        with self._store.write("activate_texts") as conn:
            held, seq = _active(conn, lock=True)
            if held == move.tree.hash:
                return _entry(conn, seq)
            if held != move.before:
                raise ConflictError("Somebody else activated a version meanwhile; look at it, then activate again.")
            entry = _append(conn, move, now)
            if held:
                conn.execute(update(active).where(active.c.name == _TEXTS).values(tree=entry.to_tree, seq=entry.seq))
            else:
                conn.execute(insert(active).values(name=_TEXTS, tree=entry.to_tree, seq=entry.seq))
        return entry

    def propose(self, move: Move, now: datetime) -> Entry:
        """Note that a tree waits for a second person; the same proposal twice is one."""
        with self._store.write("propose_texts") as conn:
            for entry in _entries(conn):
                if entry.seq > _active(conn)[1] and (entry.to_tree, entry.actor) == (move.tree.hash, move.actor):
                    return entry
            return _append(conn, move, now)

    def proposals(self) -> tuple[Entry, ...]:
        """What waits for a second person: proposed since the last change of the pointer."""
        with self._store.read() as conn:
            since = _active(conn)[1]
            return tuple(e for e in _entries(conn) if e.seq > since and e.action == "proposed")

    def log(self) -> tuple[Entry, ...]:
        """The whole log, newest first."""
        with self._store.read() as conn:
            return tuple(reversed(_entries(conn)))

    def note(self, tree: Tree, kind: str, summary: str, actor: str, now: datetime, *, passed: bool) -> Evidence:
        """Keep what an eval or a rehearsal said of a tree, and the tree with it."""
        found = Evidence(new_id("evd", now), tree.hash, kind, passed, summary[:500], actor, now)
        with self._store.write("note_evidence") as conn:
            _keep(conn, tree)
            row = {name: getattr(found, name) for name in Evidence.__slots__}
            conn.execute(insert(evidence).values(**row))
        return found

    def evidence(self, tree: str) -> tuple[Evidence, ...]:
        """What was said of a tree, newest first."""
        with self._store.read() as conn:
            rows = conn.execute(select(evidence).where(evidence.c.tree == tree).order_by(evidence.c.id.desc()))
            return tuple(Evidence(**row) for row in rows.mappings())


def _active(conn: Connection, *, lock: bool = False) -> tuple[str, int]:
    query = select(active.c.tree, active.c.seq).where(active.c.name == _TEXTS)
    row = conn.execute(query.with_for_update() if lock else query).first()
    return (row.tree, row.seq) if row else ("", 0)


def _tree(conn: Connection, hash_: str) -> Tree:
    manifest: Mapping[str, str] | None = conn.execute(select(trees.c.manifest).where(trees.c.hash == hash_)).scalar()
    if manifest is None:
        raise NotFoundError("version of the texts", hash_[:16])
    texts = _texts(conn, list(manifest.values()))
    return Tree({path: texts[sha] for path, sha in manifest.items()})


def _texts(conn: Connection, hashes: Sequence[str]) -> dict[str, str]:
    """The kept texts among these hashes."""
    found: dict[str, str] = {}
    for start in range(0, len(hashes), _MOST_NAMES):
        rows = conn.execute(select(files).where(files.c.hash.in_(hashes[start : start + _MOST_NAMES])))
        found |= {row.hash: row.text for row in rows}
    return found


def _keep(conn: Connection, tree: Tree) -> None:
    known = _texts(conn, list(tree.manifest.values()))
    new = {sha: tree.files[path] for path, sha in tree.manifest.items() if sha not in known}
    if new:
        conn.execute(insert(files), [{"hash": sha, "text": text} for sha, text in new.items()])
    if conn.execute(select(trees.c.hash).where(trees.c.hash == tree.hash)).first() is None:
        conn.execute(insert(trees).values(hash=tree.hash, manifest=tree.manifest))


def _append(conn: Connection, move: Move, now: datetime) -> Entry:
    _keep(conn, move.tree)
    row = {
        "at": now, "actor": move.actor, "action": move.action, "from_tree": move.before, "to_tree": move.tree.hash,
        "changes": {id_: list(pair) for id_, pair in move.changes.items()}, "reason": move.reason[:500],
        "evidence": move.evidence[:500],
    }  # fmt: skip
    made = conn.execute(insert(log).values(**row)).inserted_primary_key
    assert made is not None  # noqa: S101 - every insert of one row has a key
    return _entry(conn, int(made[0]))


def _entry(conn: Connection, seq: int) -> Entry:
    return _read(conn.execute(select(log).where(log.c.seq == seq)).mappings().one())


def _entries(conn: Connection) -> list[Entry]:
    return [_read(row) for row in conn.execute(select(log).order_by(log.c.seq)).mappings()]


def _read(row: RowMapping) -> Entry:
    changes = {id_: (old, new) for id_, (old, new) in row["changes"].items()}
    values: dict[str, Any] = {**row, "changes": changes}
    return Entry(**values)
