"""One Chroma collection on disk: vectors in, nearest ids out. The only module that imports chromadb.

Chroma is a cache here. Every vector comes from the archive, ids are the archive's, and nothing is filtered by Chroma,
whose filters cost 3 to 4 ms per 1,000 matching rows.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexDamagedError
from retrieval.precedent import Vectors

COLLECTION = "precedents"
MAX_BATCH = 5461
"""Chroma's own limit (SQLite variables)."""

EF_SEARCH = 400
"""Breadth of the graph search: with Chroma's 100, filters that keep one in eight find .970 of the true ten, with 400
.982, for 2 ms more at 100,000. It is fixed when a collection is opened."""

SAME = 0.999
"""Cosine from which a found vector counts as the one looked for (fp16 rounding costs under 1e-5)."""

LEAST_RECALL = 0.9
"""Share of sampled vectors that must find themselves: intact 0.99 to 1.0, damaged 0.25 to 0.35 as measured."""

SIZE_FACTOR, SIZE_ALLOWANCE = 4, 64 * 2**20
"""Graph files above 4 x vector bytes + 64 MB are the runaway growth that Chroma issue 7510 describes."""

PROBE_SECONDS = 120


class Index:
    """The nearest-neighbour index of one encoder's vectors in one folder."""

    def __init__(self, folder: Path, dimension: int, *, create: bool = False) -> None:
        """Opens the collection in `folder`, or makes an empty one.

        Raises:
            IndexDamagedError: it is missing or does not open.

        """
        self.folder, self.dimension = folder, dimension
        if not create and not (folder / "chroma.sqlite3").is_file():
            raise IndexDamagedError(f"{folder.name} is missing")
        import chromadb
        from chromadb.config import Settings

        with _as_damage():
            self._client: Any = chromadb.PersistentClient(folder, Settings(anonymized_telemetry=False))
        with _as_damage():
            # Without embedding_function=None Chroma attaches a default one that goes online.
            if create:
                self._collection: Any = self._client.create_collection(
                    COLLECTION,
                    embedding_function=None,
                    configuration={"hnsw": {"space": "cosine", "ef_search": EF_SEARCH}},
                )
            else:
                self._collection = self._client.get_collection(COLLECTION, embedding_function=None)

    def upsert(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Adds vectors or replaces those of the same ids.

        Raises:
            IndexDamagedError: Chroma failed, or its files grow without bound.

        """
        for start in range(0, len(ids), MAX_BATCH):
            part = slice(start, start + MAX_BATCH)
            with _as_damage():
                self._collection.upsert(ids=list(ids[part]), embeddings=vectors[part])
            self.check_size()

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """At most `k` ids, nearest first, found approximately.

        Raises:
            IndexDamagedError: Chroma failed.

        """
        with _as_damage():
            found = self._collection.query(query_embeddings=vector[None], n_results=k, include=[])
        ids: list[str] = found["ids"][0]
        return ids

    def count(self) -> int:
        """Rows that Chroma says it has; says nothing about whether their vectors can be found.

        Raises:
            IndexDamagedError: Chroma failed.

        """
        with _as_damage():
            return int(self._collection.count())

    def recall(self, vectors: Vectors) -> float:
        """Share of stored `vectors` that find themselves or an equal; 1.0 for none.

        Raises:
            IndexDamagedError: Chroma failed.

        """
        if not len(vectors):
            return 1.0
        with _as_damage():
            # One at a time: a batch is answered in one transaction that stalls other readers.
            near = [
                self._collection.query(query_embeddings=v[None], n_results=1, include=["distances"])["distances"][0]
                for v in vectors
            ]
        return sum(bool(d) and 1 - d[0] >= SAME for d in near) / len(vectors)

    def check(self, vectors: Vectors) -> float:
        """Canary: recall of the sampled `vectors`, if files and recall are in order.

        Raises:
            IndexDamagedError: they are not.

        """
        if not (self.folder / "chroma.sqlite3").is_file():
            raise IndexDamagedError(f"{self.folder.name} has been removed")
        self.check_size()
        recall = self.recall(vectors)
        if recall < LEAST_RECALL:
            raise IndexDamagedError(f"only {recall:.0%} of sampled vectors find themselves")
        return recall

    def check_size(self) -> None:
        """Stops before a broken graph file fills the disk.

        Raises:
            IndexDamagedError: the graph files are far larger than their vectors.

        """
        size = sum(f.stat().st_size for f in self.folder.glob("*/*.bin"))
        if size > SIZE_FACTOR * 4 * self.dimension * self.count() + SIZE_ALLOWANCE:
            raise IndexDamagedError(f"its graph files have grown to {size >> 20} MB")

    def close(self) -> None:
        """Gives back memory and files; the index is not used afterwards."""
        with _as_damage():
            self._client.close()


def probe(folder: Path, ids: Sequence[str], vectors: Vectors) -> None:
    """Opens, queries and writes the index in a child process, because a torn file makes Chroma end the process.

    Raises:
        IndexDamagedError: the child found misses, failed, died or hung.

    """
    sample = io.BytesIO()
    np.savez(sample, ids=np.asarray(ids, np.str_), vectors=vectors)
    root = str(Path(__file__).resolve().parents[1])
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter, our own module, a folder of ours
            [sys.executable, "-m", "retrieval.index", str(folder)],
            input=sample.getvalue(),
            env={**os.environ, "PYTHONPATH": root},
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise IndexDamagedError(f"a trial opening took over {PROBE_SECONDS} s") from error
    if child.returncode < 0:
        raise IndexDamagedError(f"a trial opening died of signal {-child.returncode}")
    if child.returncode:
        lines = child.stderr.decode(errors="replace").strip().splitlines()
        raise IndexDamagedError(lines[-1] if lines else "a trial opening failed")


@contextmanager
def _as_damage() -> Generator[None]:
    """Turns whatever Chroma raises into IndexDamagedError: damage shows as anything from KeyError to a Rust panic."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise IndexDamagedError(f"{type(error).__name__}: {error}".splitlines()[0]) from error


def _probe_here(folder: Path) -> None:
    sample = np.load(io.BytesIO(sys.stdin.buffer.read()))
    ids, vectors = [str(i) for i in sample["ids"]], sample["vectors"]
    index = Index(folder, vectors.shape[1])
    index.check(vectors)
    index.upsert(ids[:1], vectors[:1])
    index.close()


if __name__ == "__main__":
    try:
        _probe_here(Path(sys.argv[1]))
    except IndexDamagedError as damage:
        sys.exit(damage.reason)
