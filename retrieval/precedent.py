"""The precedent card, the question that is asked of the index, and the protocols that other floors see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]
"""Unit vectors, shape (n, dimension)."""


class Encoder(Protocol):
    """Turns texts into unit vectors; the same text always gives the same vector."""

    @property
    def fingerprint(self) -> str:
        """Names weights, dimension, length limit and pooling: vectors of two fingerprints are never mixed."""
        ...

    @property
    def dimension(self) -> int:
        """Length of one vector."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of `texts`, shape (len(texts), dimension), in the order given."""
        ...


@dataclass(frozen=True, slots=True)
class Precedent:
    """What the desk may remember of a resolved escalation: no name, address, number or id of a person."""

    id: str
    issue_type: str
    severity: str
    language: str
    channel: str
    summary: str
    """The problem in the customer's words, redacted; at most 600 characters."""
    remedy_kind: str
    remedy: str
    cost: Decimal | None
    currency: str | None
    resolved_in: timedelta
    resolved_at: datetime
    outcome: str
    aftermath: str
    satisfaction: int | None
    teams: tuple[str, ...] = ()
    products: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the index."""

    text: str
    vector: NDArray[np.float32]
    """Unit vector of the issue sentences, shape (dimension,)."""
    keys: tuple[str, ...] = ()
    """Order ids, tracking numbers and SKUs as written in the case, normalised; exact matches come before all others."""
    posterior: Mapping[str, float] = field(default_factory=dict[str, float])
    """P(issue type | case) of the embedded classifier, for the rerank."""
    issue_types: frozenset[str] = frozenset()
    """Keep only these issue types; empty keeps all."""
    languages: frozenset[str] = frozenset()
    before: datetime | None = None
    """Keep only cases resolved before this instant (a backtest may not see the future)."""
    exclude: frozenset[str] = frozenset()
    """Precedent ids that are left out (the case itself)."""
    k: int = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index knows of one precedent: its vector and what a query may filter by."""

    id: str
    issue_type: str
    language: str
    resolved_at: datetime
    vector: NDArray[np.float16]
    """Unit vector of the issue sentences, shape (dimension,)."""
    updated: int
    """Grows with every change of any precedent in the archive, so "all after n" is all that is new.

    No two entries share a value."""


class Archive(Protocol):
    """The store of precedents, which alone is the truth; the index can be rebuilt from it at any time."""

    def counts(self, fingerprint: str) -> tuple[int, int]:
        """How many precedents have a vector of this encoder, and how many still wait for one."""
        ...

    def entries(self, fingerprint: str, after: int, limit: int) -> Sequence[Entry]:
        """At most `limit` entries of this encoder with `updated` above `after`, in rising order of it."""
        ...

    def precedents(self, ids: Sequence[str]) -> Mapping[str, Precedent]:
        """The precedents of these ids; an id that is gone is left out."""
        ...

    def with_keys(self, keys: Sequence[str]) -> Sequence[str]:
        """Ids of the precedents that carry any of these exact keys, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Hit:
    """One precedent with how near it is (cosine, -1 to 1; 1.0 for an exact key) and why it was found."""

    precedent: Precedent
    score: float
    why: Literal["exact_key", "similar"]


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of the index: hits best first, or none with the reason in words."""

    hits: tuple[Hit, ...] = ()
    note: str | None = None
    """Why there is nothing ("no precedents because ..."), or what is limited; never silently empty."""


class Search(Protocol):
    """The one question that the agent may ask of the past."""

    def search(self, query: Query) -> Found:
        """Precedents for `query`; never raises for a damaged, locked or missing index: it says so in `note`."""
        ...
