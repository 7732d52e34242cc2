"""What people made of the drafts of each version of a text: approved as they stood, edited, sent back or discarded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from api.store.tables import drafts, events
from api.store.unit import Store

_OUTCOMES: Final[Mapping[str, str]] = {
    "approve": "unchanged", "edit": "edited", "send_back": "sent_back", "discard": "discarded",
}  # fmt: skip
_NEWEST: Final = 20_000
"""Decisions that are looked at, the newest; older ones say little about how the desk writes now."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Decisions on the drafts that one version of a text had a part in."""

    unchanged: int = 0
    edited: int = 0
    sent_back: int = 0
    discarded: int = 0

    @property
    def decided(self) -> int:
        """Drafts that somebody decided on."""
        return self.unchanged + self.edited + self.sent_back + self.discarded

    def share(self, count: int) -> float | None:
        """Share of the decided drafts; None while nobody decided on one."""
        return round(count / self.decided, 4) if self.decided else None

    def as_json(self) -> dict[str, Any]:
        """Counts and shares."""
        counts = {name: getattr(self, name) for name in Rate.__slots__}
        return {"decided": self.decided, **counts, "shares": {name: self.share(n) for name, n in counts.items()}}


def rates(store: Store) -> dict[tuple[str, str], Rate]:
    """Rates by id of a text and the first characters of its version, as drafts keep it. The last decision on a draft
    counts; an approval that was taken back does not.
    """
    c = events.c
    query = (
        select(c.kind, c.data).where(c.kind.in_(("reviewed", "approval_undone"))).order_by(c.seq.desc()).limit(_NEWEST)
    )
    with store.read() as conn:
        last = _last(conn.execute(query).mappings())
        made = _versions(conn.execute(select(drafts.c.id, drafts.c.versions)).mappings(), last)
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for draft, outcome in last.items():
        for key in made.get(draft, {}).items():
            own = counts.setdefault(key, dict.fromkeys(Rate.__slots__, 0))
            own[outcome] += 1
    return {key: Rate(**own) for key, own in counts.items()}


def _last(newest_first: Iterable[Mapping[Any, Any]]) -> dict[str, str]:
    """The outcome of each draft that somebody decided on."""
    found: dict[str, str] = {}
    for row in newest_first:
        draft = str(row["data"].get("draft", ""))
        if draft not in found:
            found[draft] = "" if row["kind"] == "approval_undone" else _OUTCOMES.get(str(row["data"]["decision"]), "")
    return {draft: outcome for draft, outcome in found.items() if outcome}


def _versions(rows: Iterable[Mapping[Any, Any]], wanted: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    return {row["id"]: row["versions"] or {} for row in rows if row["id"] in wanted}
