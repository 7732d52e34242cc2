"""Finds small talk at the edges of a message: what a writer says before coming to the matter and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.classifier import Taught
from retrieval.precedent import Vectors

SUFFIX = ".txt"
_NEARER = 0.1
"""By how much a sentence must be nearer to small talk than to any escalation; of sentences about the matter 3 in 100 are."""
_TALK, _MATTER = 2, 3
"""Nearest sentences and escalations whose mean similarity counts."""


def files(prompts: Path) -> list[Path]:
    """What tells small talk: one file a language, one sentence a line."""
    return sorted((prompts / "small_talk").glob(f"*{SUFFIX}"))


@dataclass(frozen=True, slots=True)
class SmallTalk:
    """Tells small talk from the matter by the company that a sentence keeps."""

    talk: Vectors
    """Unit vectors of small talk, shape (n, d)."""
    matter: Vectors
    """Unit vectors of past escalations, by the same encoder, shape (m, d)."""

    @classmethod
    def of(cls, taught: Taught) -> SmallTalk:
        """What the classifier was taught with."""
        return cls(taught.talk, taught.multilingual)

    def kept(self, sentences: Vectors) -> range:
        """Positions of the sentences, shape (k, d), that are left without small talk at either end; all when none would be."""
        if not len(self.talk) or len(self.matter) < _MATTER:
            return range(len(sentences))
        idle = (_nearest(sentences, self.talk, _TALK) - _nearest(sentences, self.matter, _MATTER) > _NEARER).tolist()
        first, last = _run(idle), _run(idle[::-1])
        return range(first, len(idle) - last) if first < len(idle) else range(len(idle))


def _nearest(these: Vectors, those: Vectors, count: int) -> NDArray[np.float32]:
    """Mean similarity to the nearest few."""
    near = these @ those.T
    return np.partition(near, -count, axis=1)[:, -count:].mean(axis=1)


def _run(idle: Sequence[bool]) -> int:
    return sum(1 for _ in takewhile(bool, idle))
