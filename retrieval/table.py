"""All entries in memory as columns: filters and exact cosines without a database in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import VectorMismatchError
from retrieval.precedent import Entry, Query, Vectors

Rows: TypeAlias = NDArray[np.intp]
"""Row numbers of a table."""

CHUNK = 1024
"""Rows gathered at a time: 1.5 MB of vectors stays in the processor's cache."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Table:
    """The entries of one encoder; costs 4 bytes per dimension and entry (154 MB for 100,000 of 384).

    One thread writes while others read: a reader takes `len(table)` first and sees those rows whole, because rows are
    only appended or written over, and counted last.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.mark = 0
        """The highest `updated` put so far."""
        self._ids: list[str] = []
        self._rows: dict[str, int] = {}
        self._codes: dict[str, int] = {}
        self._size = 0
        self._vectors: Vectors = np.empty((0, dimension), np.float32)
        self._issue_type: NDArray[np.int32] = np.empty(0, np.int32)
        self._language: NDArray[np.int32] = np.empty(0, np.int32)
        self._resolved: NDArray[np.int64] = np.empty(0, np.int64)
        self._updated: NDArray[np.int64] = np.empty(0, np.int64)

    def __len__(self) -> int:
        return self._size

    def put(self, entries: Iterable[Entry]) -> None:
        """Adds entries, or replaces those of the same id.

        Raises:
            VectorMismatchError: a vector has another length or is not finite.

        """
        for entry in entries:
            vector = np.asarray(entry.vector, np.float32)
            check_vectors(vector, self.dimension)
            row = self._rows.get(entry.id, self._size)
            if row == len(self._vectors):
                self._grow()
            self._vectors[row] = vector / max(float(np.linalg.norm(vector)), 1e-9)
            self._issue_type[row] = self._code(entry.issue_type)
            self._language[row] = self._code(entry.language)
            self._resolved[row] = _microseconds(entry.resolved_at)
            self._updated[row] = entry.updated
            if row == self._size:
                self._ids.append(entry.id)
                self._rows[entry.id] = row
                self._size += 1
            self.mark = max(self.mark, entry.updated)

    def matching(self, query: Query) -> Rows:
        """Rows that pass the filters of `query`, in rising order."""
        size = len(self)
        keep = np.ones(size, np.bool_)
        if query.issue_types:
            keep &= np.isin(self._issue_type[:size], self._known(query.issue_types))
        if query.languages:
            keep &= np.isin(self._language[:size], self._known(query.languages))
        if query.before is not None:
            keep &= self._resolved[:size] < _microseconds(query.before)
        keep[[row for i in query.exclude if (row := self._rows.get(i, size)) < size]] = False
        return np.flatnonzero(keep)

    def rows(self, ids: Iterable[str]) -> Rows:
        """Rows of those ids that are here, in the order given."""
        return np.fromiter((self._rows[i] for i in ids if i in self._rows), np.intp)

    def ids_of(self, rows: Rows) -> list[str]:
        """Ids of `rows`, in the order given."""
        return [self._ids[int(r)] for r in rows]

    def changed(self, mark: int) -> Rows:
        """Rows put with `updated` above `mark`."""
        return np.flatnonzero(self._updated[: len(self)] > mark)

    def vectors(self, rows: Rows) -> Vectors:
        """Unit vectors of `rows`."""
        return self._vectors[rows]

    def cosines(self, rows: Rows, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosine of each row with the unit vector `vector`."""
        # einsum, because BLAS wakes threads that cost up to 8 ms when other work has the cores.
        if 2 * len(rows) > len(self):  # reading on in a row is faster than picking most of them
            return np.einsum("ij,j->i", self._vectors[: len(self)], vector)[rows]
        out = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            np.einsum("ij,j->i", self._vectors[rows[part]], vector, out=out[part])
        return out

    def weights(self, rows: Rows, posterior: Mapping[str, float]) -> NDArray[np.float32]:
        """P(issue type of the row) under `posterior`; 0 for a type that it does not name."""
        by_code = np.zeros(len(self._codes) + 1, np.float32)
        for issue_type, probability in posterior.items():
            by_code[self._codes.get(issue_type, -1)] = probability
        by_code[-1] = 0.0
        weights: NDArray[np.float32] = by_code[self._issue_type[rows]]
        return weights

    def sample(self, size: int, mark: int) -> Rows:
        """At most `size` rows with `updated` up to `mark`, spread evenly from the first to the last of them."""
        rows = np.flatnonzero(self._updated[: len(self)] <= mark)
        return rows[np.unique(np.linspace(0, len(rows) - 1, min(size, len(rows))).astype(np.intp))]

    def _code(self, word: str) -> int:
        return self._codes.setdefault(word, len(self._codes))

    def _known(self, words: Iterable[str]) -> Sequence[int]:
        return [self._codes[w] for w in words if w in self._codes]

    def _grow(self) -> None:
        room = max(256, 2 * len(self._vectors))
        self._vectors = _longer(self._vectors, room)
        self._issue_type, self._language = _longer(self._issue_type, room), _longer(self._language, room)
        self._resolved, self._updated = _longer(self._resolved, room), _longer(self._updated, room)


def check_vectors(vectors: NDArray[np.floating[Any]], dimension: int) -> None:
    """Refuses what would poison every later comparison.

    Raises:
        VectorMismatchError: other length than `dimension`, or not finite.

    """
    if vectors.shape[-1:] != (dimension,) or not np.isfinite(vectors).all():
        raise VectorMismatchError(dimension, vectors.shape)


def best(scores: NDArray[np.floating[Any]], k: int) -> Rows:
    """Positions of the `k` highest scores, highest first; equal scores in rising order of position."""
    top = np.sort(np.argpartition(-scores, k - 1)[:k]) if 0 < k < len(scores) else np.arange(len(scores))
    return top[np.argsort(-scores[top], kind="stable")]


def _longer(column: NDArray[Any], room: int) -> NDArray[Any]:
    grown = np.zeros((room, *column.shape[1:]), column.dtype)
    grown[: len(column)] = column
    return grown


def _microseconds(at: datetime) -> int:
    """Microseconds since 1970 in UTC."""
    return (at - EPOCH) // timedelta(microseconds=1)
