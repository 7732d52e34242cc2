"""From the archive to the index: ids by content, all that is new, and a rebuild when the index cannot be trusted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from retrieval.errors import IndexDamagedError
from retrieval.folder import SAMPLE, IndexFolder
from retrieval.precedent import Archive, Precedent
from retrieval.table import Table

PAGE = 2000
"""Entries read from the archive at a time (1.5 MB of vectors)."""


def precedent_id(card: Precedent, keys: Sequence[str] = ()) -> str:
    """`prc_` and 24 hex digits of the content without its id, so that the same card is never stored twice."""
    content = {**asdict(card), "id": "", "keys": sorted(keys)}
    text = json.dumps(content, sort_keys=True, default=str, ensure_ascii=False)
    return "prc_" + hashlib.sha256(text.encode()).hexdigest()[:24]


def refresh(archive: Archive, fingerprint: str, table: Table) -> Table:
    """`table` with all that is new in the archive, or a fresh one when something has been removed there."""
    _read(archive, fingerprint, table)
    if len(table) == archive.counts(fingerprint)[0]:
        return table
    fresh = Table(table.dimension)
    _read(archive, fingerprint, fresh)
    return fresh


def sync(fingerprint: str, table: Table, folder: IndexFolder) -> float:
    """Opens the index if need be, upserts what is new in it, and returns the canary's recall (0 to 1).

    Repeating it changes nothing. `table` must be fresh (see `refresh`).

    Raises:
        IndexDamagedError: the index must be rebuilt with `IndexFolder.renew`, also when precedents have been removed,
            because Chroma keeps deleted vectors on disk.

    """
    if folder.index is None:
        folder.open(fingerprint, table)
    assert folder.index is not None  # noqa: S101 - `open` has just set it
    mark = table.mark
    rows = table.changed(folder.mark)
    folder.index.upsert(table.ids_of(rows), table.vectors(rows))
    if (indexed := folder.index.count()) != len(table):
        raise IndexDamagedError(f"it holds {indexed} vectors, the archive {len(table)}")
    folder.advance(mark)
    return folder.index.check(table.vectors(table.sample(SAMPLE, mark)))


def _read(archive: Archive, fingerprint: str, table: Table) -> None:
    while page := archive.entries(fingerprint, table.mark, PAGE):
        table.put(page)
