"""The states of a case and of a draft: which moves are legal, and how a case's status follows from its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final, Literal, TypeAlias, cast

from agent.errors import AgentError

CaseStatus: TypeAlias = Literal[
    "new", "triaged", "in_review", "waiting_customer", "waiting_carrier", "waiting_team", "in_progress",
    "resolved", "closed",
]  # fmt: skip
DraftState: TypeAlias = Literal[
    "pending", "ready", "blocked", "needs_human", "approved", "released", "sent", "sent_back", "discarded", "stale",
]  # fmt: skip

_WORK: Final[frozenset[CaseStatus]] = frozenset({"waiting_customer", "waiting_carrier", "waiting_team", "in_progress"})
_ANY: Final[frozenset[CaseStatus]] = _WORK | frozenset[CaseStatus]({"in_review", "resolved"})

CASE_MOVES: Final[Mapping[CaseStatus, frozenset[CaseStatus]]] = {
    "new": _ANY | frozenset[CaseStatus]({"triaged"}),
    "triaged": _ANY,
    "in_review": _ANY - {"in_review"},
    "waiting_customer": _ANY - {"waiting_customer"},
    "waiting_carrier": _ANY - {"waiting_carrier"},
    "waiting_team": _ANY - {"waiting_team"},
    "in_progress": _ANY - {"in_progress"},
    "resolved": frozenset({"closed"}),
    "closed": frozenset(),
}
"""Where a person may move a case; a resolved or closed one comes back only by being reopened."""

DRAFT_MOVES: Final[Mapping[DraftState, frozenset[DraftState]]] = {
    "pending": frozenset({"ready", "blocked", "needs_human", "stale"}),
    "ready": frozenset({"approved", "sent_back", "discarded", "stale"}),
    "blocked": frozenset({"ready", "sent_back", "discarded", "stale"}),
    "needs_human": frozenset({"approved", "sent_back", "discarded", "stale"}),
    "approved": frozenset({"ready", "blocked", "needs_human", "released", "sent", "sent_back", "discarded", "stale"}),
    "released": frozenset({"sent"}),
    "sent": frozenset(),
    "sent_back": frozenset(),
    "discarded": frozenset(),
    "stale": frozenset(),
}
"""A draft with hard findings is never approved as it stands: once they are edited away or resolved it is ready. An approval
can be undone while it is held; what left the desk never comes back."""

OPEN_DRAFT: Final = frozenset[DraftState]({"pending", "ready", "blocked", "needs_human", "approved"})
"""Drafts that a new message makes stale (a pending one is drafted anew instead)."""


class IllegalMoveError(AgentError):
    """The case or draft cannot go from where it is to where it was asked to go."""

    def __init__(self, what: str, old: str, new: str, allowed: Iterable[str]) -> None:
        ways = ", ".join(sorted(allowed)) or "nothing"
        super().__init__(f"A {what} that is {old!r} cannot become {new!r}; from here it can become: {ways}.")
        self.what, self.old, self.new = what, old, new


def move_case(old: str, new: str) -> CaseStatus:
    """`new` as a status.

    Raises:
        IllegalMoveError: a person may not move a case from `old` to `new`.

    """
    allowed = CASE_MOVES[cast("CaseStatus", old)]
    if new not in allowed:
        raise IllegalMoveError("case", old, new, allowed)
    return new


def move_draft(old: str, new: str) -> DraftState:
    """`new` as a draft state.

    Raises:
        IllegalMoveError: no draft goes from `old` to `new`.

    """
    allowed = DRAFT_MOVES[cast("DraftState", old)]
    if new not in allowed:
        raise IllegalMoveError("draft", old, new, allowed)
    return new


@dataclass(frozen=True, slots=True)
class CaseState:
    """What the events of one case add up to."""

    status: CaseStatus = "new"
    version: int = 0
    """Number of events so far; whatever was decided at an older version was decided on an older case."""
    reopened: int = 0
    human_replies: int = 0


def step(state: CaseState, kind: str, data: Mapping[str, object]) -> CaseState:
    """The state after one more event; moves are checked before they are written, so that history is not judged here."""
    status = state.status
    match kind:
        case "triaged" if status == "new":
            status = "triaged"
        case "draft_proposed" | "draft_failed" if status in {"new", "triaged"}:
            status = "in_review"
        case "message_received" if status == "waiting_customer" and data["author"] == "customer":
            status = "in_progress"
        case "reply_sent" if status in {"new", "triaged", "in_review"}:
            status = "in_progress"
        case "status_set":
            status = cast("CaseStatus", data["status"])
        case "reopened":
            status = "triaged"
        case _:
            pass
    return replace(
        state,
        status=status,
        version=state.version + 1,
        reopened=state.reopened + (kind == "reopened"),
        human_replies=state.human_replies + (kind == "reply_sent"),
    )


def fold(events: Iterable[tuple[str, Mapping[str, object]]]) -> CaseState:
    """The state of a case from all its events (kind, data) in order."""
    return reduce(lambda state, event: step(state, *event), events, CaseState())
