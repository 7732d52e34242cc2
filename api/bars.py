"""Clocks, teams and promises of a case as its page shows them: what is owed, how much of the time is used, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agent.pack import Pack
from api.clockview import ClockRow
from api.say import words
from api.views import CaseView

_SHOWN: Final = ("running", "paused", "breached", "met", "met_late")


@dataclass(frozen=True, slots=True)
class Bar:
    """One clock."""

    name: str
    state: str
    at: datetime | None
    """When it is due, or was ended; None while it is paused."""
    ended: bool
    overdue: bool
    used: int
    """Percent of the way from start to due instant, 0 to 100."""
    note: str
    """Target, and what is special about it."""


@dataclass(frozen=True, slots=True)
class TeamLine:
    """One team that was pulled in."""

    id: str
    title: str
    state: str
    """acknowledged, waiting or overdue."""
    at: datetime | None
    """When it acknowledged, else by when it should."""
    lead: bool


@dataclass(frozen=True, slots=True)
class PromiseLine:
    """What was promised in a text that was sent."""

    id: str
    text: str
    state: str
    at: datetime | None


def bars(rows: Sequence[ClockRow], now: datetime) -> tuple[Bar, ...]:
    """The clocks owed to the outside, open ones first; what is told of a promise stands with the promise."""
    owed = [row for row in rows if row.metric not in {"team_ack", "promise"} and row.state in _SHOWN]
    return tuple(_bar(row, now) for row in owed if not _doubled(row, rows))


def _doubled(row: ClockRow, rows: Sequence[ClockRow]) -> bool:
    """The reply to the opening message is the first reply; it is shown once."""
    return row.metric == "next_reply" and any(
        r.metric == "first_reply" and (r.started_at, r.due_at) == (row.started_at, row.due_at) for r in rows
    )


def _bar(row: ClockRow, now: datetime) -> Bar:
    ended = row.ended_at is not None
    span = (row.due_at - row.started_at).total_seconds() if row.due_at else 0.0
    passed = ((row.ended_at or now) - row.started_at).total_seconds()
    used = 100 if row.state in {"breached", "met_late"} else round(100 * passed / span) if span > 0 else 0
    name = words(row.metric) + (f": {words(row.key)}" if row.metric == "external" or row.key == "total" else "")
    notes = [f"target {row.target}" if row.target else "", "target was changed" if row.retargeted else ""]
    return Bar(
        name, words(row.state), row.ended_at or row.due_at, ended, row.overdue, max(0, min(used, 100)),
        ", ".join(note for note in notes if note),
    )  # fmt: skip


def teams(rows: Sequence[ClockRow], pack: Pack, lead: str) -> tuple[TeamLine, ...]:
    """The teams pulled in, the one in the lead first."""
    found = [row for row in rows if row.metric == "team_ack"]
    lines = [
        TeamLine(
            row.key, pack.teams[row.key].title if row.key in pack.teams else words(row.key),
            "acknowledged" if row.ended_at else "overdue" if row.overdue else "waiting", row.ended_at or row.due_at,
            row.key == lead,
        )
        for row in found
    ]  # fmt: skip
    return tuple(sorted(lines, key=lambda line: (not line.lead, line.title)))


def promises(case: CaseView) -> tuple[PromiseLine, ...]:
    """What was promised, open ones first."""
    lines = [PromiseLine(p.id, p.text or words(p.action), p.state, p.due_at) for p in case.promises]
    return tuple(sorted(lines, key=lambda line: line.state != "open"))
