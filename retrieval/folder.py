"""The folder that holds the index: one owner, one generation in use, and a note of how it was left."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import numpy as np

from retrieval.errors import IndexDamagedError, IndexLockedError
from retrieval.index import MAX_BATCH, Index, probe
from retrieval.table import Table

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (done, total)."""

SAMPLE = 50
"""Rows that a canary looks up: 28 % lost vectors are seen with near certainty, at 2 to 7 ms a row."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Which generation is in use, and what must still be true of it."""

    generation: str
    fingerprint: str
    dimension: int
    chroma: str = field(default_factory=lambda: version("chromadb"))
    mark: int = 0
    """The highest `updated` that has been written to the index."""
    files: dict[str, int] | None = None
    """CRC-32 of every file when it was closed in order; None while in use, so also after a crash."""


class IndexFolder:
    """Owns `root` for this process until `close`.

    A generation is a sub-folder with one Chroma store. A rebuild fills a new one and then replaces the manifest, which
    is the only atomic step, so a crash at any point leaves the old generation or none, never a half one.
    """

    def __init__(self, root: Path) -> None:
        """Takes the folder.

        Raises:
            IndexLockedError: another process, or another owner in this one, has it.

        """
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._lock = (root / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            owner = self._lock.read(32).strip()
            self._lock.close()
            raise IndexLockedError(root, owner) from error
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        self.index: Index | None = None
        self._manifest: Manifest | None = None

    @property
    def mark(self) -> int:
        """The highest `updated` in the index; 0 when none is open."""
        return self._manifest.mark if self._manifest else 0

    def open(self, fingerprint: str, table: Table) -> None:
        """Opens the generation in use after it has shown that it still finds rows of `table` that it was given.

        Raises:
            IndexDamagedError: there is none, it is of another encoder or Chroma version, or it fails its checks.

        """
        manifest = self._read()
        if (manifest.fingerprint, manifest.dimension) != (fingerprint, table.dimension):
            raise IndexDamagedError("it holds the vectors of another encoder")
        if manifest.chroma != version("chromadb"):
            raise IndexDamagedError(f"it was written by Chroma {manifest.chroma}")
        folder = self.root / manifest.generation
        if manifest.files is not None and manifest.files != _checksums(folder):
            raise IndexDamagedError("its files have changed since it was closed")
        rows = table.sample(SAMPLE, manifest.mark)
        vectors = table.vectors(rows)
        if manifest.files is None:
            probe(folder, table.ids_of(rows), vectors)
        index = Index(folder, table.dimension)
        try:
            index.check(vectors)
        except IndexDamagedError:
            index.close()
            raise
        self.index = index
        self._write(replace(manifest, files=None))
        self._sweep()

    def advance(self, mark: int) -> None:
        """Records that everything up to `mark` is in the index."""
        if self._manifest and self._manifest.mark != mark:
            self._write(replace(self._manifest, mark=mark))

    def renew(self, fingerprint: str, table: Table, progress: Progress | None = None) -> None:
        """Builds a new generation from `table`, verifies it, and puts it in the place of the old one.

        Raises:
            IndexDamagedError: the new one could not be built; the old one stays.

        """
        generation, size, mark = f"g-{uuid4().hex[:12]}", len(table), table.mark
        try:
            index = Index(self.root / generation, table.dimension, create=True)
            for start in range(0, size, MAX_BATCH):
                rows = np.arange(start, min(start + MAX_BATCH, size))
                index.upsert(table.ids_of(rows), table.vectors(rows))
                if progress:
                    progress(int(rows[-1]) + 1, size)
            index.check(table.vectors(table.sample(2 * SAMPLE, mark)))
        except IndexDamagedError:
            shutil.rmtree(self.root / generation, ignore_errors=True)
            raise
        old, self.index = self.index, index
        self._write(Manifest(generation, fingerprint, table.dimension, mark=mark))
        if old:
            old.close()
        self._sweep()

    def clear(self) -> None:
        """Deletes every generation, so that nothing erased stays on disk; the next owner builds a new one."""
        if self.index:
            self.index.close()
        self.index = self._manifest = None
        self._path.unlink(missing_ok=True)
        self._sweep()

    def close(self) -> None:
        """Closes the index in order and lets go of the folder."""
        try:
            if self.index and self._manifest:
                self.index.close()
                if self._path.exists():
                    self._write(replace(self._manifest, files=_checksums(self.index.folder)))
        finally:
            self.index = None
            self._lock.close()

    @property
    def _path(self) -> Path:
        return self.root / "manifest.json"

    def _read(self) -> Manifest:
        try:
            return Manifest(**json.loads(self._path.read_text()))
        except FileNotFoundError:
            raise IndexDamagedError("there is none yet") from None
        except (OSError, ValueError, TypeError) as error:
            raise IndexDamagedError("its manifest is unreadable") from error

    def _write(self, manifest: Manifest) -> None:
        """Replaces the manifest as a whole, durably."""
        self._manifest = manifest
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(asdict(manifest), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def _sweep(self) -> None:
        """Deletes generations that are not in use: what was erased from the archive must leave the disk too."""
        for folder in self.root.glob("g-*"):
            if self._manifest is None or folder.name != self._manifest.generation:
                shutil.rmtree(folder, ignore_errors=True)


def _checksums(folder: Path) -> dict[str, int]:
    sums: dict[str, int] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        crc = 0
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                crc = zlib.crc32(block, crc)
        sums[str(path.relative_to(folder))] = crc
    return sums
