"""The question to the past: exact keys first, then what is alike, never silently empty."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from retrieval import ingest
from retrieval.errors import IndexDamagedError, IndexLockedError
from retrieval.folder import IndexFolder, Progress
from retrieval.precedent import Archive, Found, Hit, Precedent, Query
from retrieval.table import Rows, Table, best, check_vectors

EXACT_LIMIT = 10_000
"""Up to this many candidates are compared one by one (about 1 ms), which is exact and faster than the index."""

LEAST_SHARE = 0.25
"""Filters that keep less than this share are compared one by one too: 8 ms at 100,000, where the index loses recall
in the deep ranks that such filters reach."""

POOL = 50
"""Nearest candidates that the posterior may reorder."""

OVERFETCH = 200
"""Neighbours asked of the index before filters: POOL / LEAST_SHARE, so that the pool is usually filled."""

RERANK = 0.4
"""Weight of P(issue type) beside the cosine. Precision@5 on the sample store's history .30 to .53 (out-of-fold
posterior), on two public sets .78 to .94 and .66 to .84; `python -m retrieval.bench --quality` measures it anew."""

FLOOR = 0.35
"""Least cosine of a similar precedent: 97 % of the sample store's English cases keep one, leave one out; below it the
issue type is right hardly more often than by chance."""

MOST_WITH_KEY = 200
"""Precedents of one key that are looked at; a SKU may have thousands."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the memory of past cases stands."""

    state: Literal["ready", "rebuilding", "locked", "unavailable"]
    reason: str
    """Why it is not ready, "" when it is."""
    precedents: int
    """Precedents that can be found."""
    waiting: int
    """Precedents in the archive that still wait for their vector."""
    recall: float | None
    """Share of sampled vectors that the index finds again; None when it could not be asked."""


class PrecedentSearch:
    """`Search` over an archive, with an index that it opens, checks, feeds and rebuilds.

    `load` makes it answer, exactly, from memory. `maintain` brings in the index and is then called every minute and
    after each change of the archive; it may take minutes for a rebuild, during which `search` scans all vectors.
    """

    def __init__(
        self,
        archive: Archive,
        fingerprint: str,
        dimension: int,
        root: Path,
        *,
        exact_limit: int = EXACT_LIMIT,
        least_share: float = LEAST_SHARE,
    ) -> None:
        """`fingerprint` and `dimension` are the encoder's; `root` is the index folder, made when missing."""
        self._archive, self._fingerprint, self._root = archive, fingerprint, root
        self._exact_limit, self._least_share = exact_limit, least_share
        self._table = Table(dimension)
        self._folder: IndexFolder | None = None
        self._health = Health("unavailable", "", 0, 0, None)
        self._upkeep = threading.Lock()

    # --- upkeep -------------------------------------------------------------------------------------------------

    @property
    def health(self) -> Health:
        """As of the last `load`, `maintain` or failed search; costs nothing."""
        return self._health

    def load(self) -> None:
        """Reads what is new in the archive, so that `search` can answer without the index."""
        with self._upkeep:
            self._load()

    def maintain(self, progress: Progress | None = None) -> Health:
        """Reads what is new, feeds it to the index, checks the index and rebuilds it when it must."""
        with self._upkeep:
            self._load()
            return self._index(progress, rebuild=False)

    def rebuild(self, progress: Progress | None = None) -> Health:
        """Reads the whole archive anew and builds a new index from it; what was erased is gone from disk after it."""
        with self._upkeep:
            self._table = Table(self._table.dimension)
            self._load()
            return self._index(progress, rebuild=True)

    def close(self) -> None:
        """Leaves the index in order and free for another process; `search` goes on from memory."""
        with self._upkeep:
            folder, self._folder = self._folder, None
            self._health = Health("unavailable", "", len(self._table), self._health.waiting, None)
            if folder:
                # Failing here costs only a trial opening next time.
                with suppress(IndexDamagedError, OSError):
                    folder.close()

    def _load(self) -> None:
        self._table = ingest.refresh(self._archive, self._fingerprint, self._table)
        waiting = self._archive.counts(self._fingerprint)[1]
        health = self._health
        self._health = Health(health.state, health.reason, len(self._table), waiting, health.recall)

    def _index(self, progress: Progress | None, *, rebuild: bool) -> Health:
        table = self._table
        try:
            self._folder = folder = self._folder or IndexFolder(self._root)
            try:
                if rebuild:
                    raise IndexDamagedError("as asked")
                recall = ingest.sync(self._fingerprint, table, folder)
            except IndexDamagedError as damage:
                self._set("rebuilding", f"the precedent index is being rebuilt ({damage.reason})")
                folder.renew(self._fingerprint, table, progress)
                recall = ingest.sync(self._fingerprint, table, folder)
        except IndexLockedError as locked:
            return self._set("locked", str(locked))
        except (IndexDamagedError, OSError) as error:
            return self._set("unavailable", str(error))
        return self._set("ready", "", recall)

    def _set(
        self,
        state: Literal["ready", "rebuilding", "locked", "unavailable"],
        reason: str,
        recall: float | None = None,
    ) -> Health:
        self._health = Health(state, reason, len(self._table), self._health.waiting, recall)
        return self._health

    # --- the question -------------------------------------------------------------------------------------------

    def search(self, query: Query) -> Found:
        """Precedents for `query`, exact keys first.

        A damaged, locked or missing index never raises: every vector is compared instead and `note` says so.

        Raises:
            VectorMismatchError: the query's vector is not one of this encoder.

        """
        table = self._table
        check_vectors(query.vector, table.dimension)
        by_key = self._by_key(table, query)
        candidates = table.matching(query)
        known = {precedent.id for precedent in by_key}
        ranked = [
            (row_id, cosine)
            for row_id, cosine in self._ranked(table, query, candidates)
            if cosine >= FLOOR and row_id not in known
        ]
        # A SKU can match more cases than fit: half of the places stay for what is alike, when there is any.
        share = max((query.k + 1) // 2, query.k - len(ranked))
        hits = [Hit(precedent, 1.0, "exact_key") for precedent in by_key[:share][: query.k]]
        chosen = dict(ranked[: query.k - len(hits)])
        found = self._archive.precedents(list(chosen))
        hits += [Hit(found[i], cosine, "similar") for i, cosine in chosen.items() if i in found]
        return Found(tuple(hits), self._note(table, candidates, empty=not hits))

    def _by_key(self, table: Table, query: Query) -> list[Precedent]:
        """Precedents that carry one of the keys and pass the filters: most alike first, else newest first."""
        if not query.keys:
            return []
        ids = self._archive.with_keys(query.keys)[:MOST_WITH_KEY]
        cards = self._archive.precedents(ids)
        rows = table.rows(ids)
        alike = dict(zip(table.ids_of(rows), table.cosines(rows, query.vector), strict=True))
        passing = [cards[i] for i in ids if i in cards and _passes(cards[i], query)]
        return sorted(passing, key=lambda card: -float(alike.get(card.id, -1.0)))

    def _ranked(self, table: Table, query: Query, candidates: Rows) -> list[tuple[str, float]]:
        """Ids and cosines of the nearest candidates, in the order of cosine + RERANK x P(issue type)."""
        few = len(candidates) <= self._exact_limit or len(candidates) < self._least_share * len(table)
        rows = candidates if few else self._near(table, query, candidates)
        cosines = table.cosines(rows, query.vector)
        pool = best(cosines, max(POOL, query.k))
        rows, cosines = rows[pool], cosines[pool]
        order = best(cosines + np.float32(RERANK) * table.weights(rows, query.posterior), len(rows))
        return [(i, float(cosine)) for i, cosine in zip(table.ids_of(rows[order]), cosines[order], strict=True)]

    def _near(self, table: Table, query: Query, candidates: Rows) -> Rows:
        """Candidates near the query: the index's neighbours if they suffice, else all candidates."""
        folder = self._folder
        index = folder.index if folder and self._health.state == "ready" else None
        if index is None:
            return candidates
        keep = np.zeros(len(table), np.bool_)
        keep[candidates] = True
        try:
            rows = table.rows(index.nearest(query.vector, OVERFETCH))
        except IndexDamagedError as damage:
            self._set("unavailable", str(damage))
            return candidates
        rows = rows[rows < len(keep)]
        rows = rows[keep[rows]]
        return rows if len(rows) >= min(max(POOL, query.k), len(candidates)) else candidates

    def _note(self, table: Table, candidates: Rows, *, empty: bool) -> str | None:
        health = self._health
        notes: list[str] = []
        if empty:
            notes.append(f"No precedents because {self._why_none(table, candidates)}.")
        if health.waiting:
            notes.append(f"Resolved cases that wait for their vector and cannot be found yet: {health.waiting}.")
        if health.reason:
            notes.append(f"All {len(candidates)} candidates were compared one by one: {health.reason}.")
        return " ".join(notes) or None

    def _why_none(self, table: Table, candidates: Rows) -> str:
        if not len(table):
            return "no resolved case can be searched yet"
        if not len(candidates):
            return f"none of the {len(table)} resolved cases passes the filters"
        return f"none of the {len(candidates)} resolved cases is alike (cosine of at least {FLOOR})"


def _passes(card: Precedent, query: Query) -> bool:
    return (
        (not query.issue_types or card.issue_type in query.issue_types)
        and (not query.languages or card.language in query.languages)
        and (query.before is None or card.resolved_at < query.before)
        and card.id not in query.exclude
    )
