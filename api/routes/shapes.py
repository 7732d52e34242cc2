"""Read models as the JSON of `/v1`, and the bodies that its routes take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.wire import MAX_TEXT_BYTES
from api.clockview import ClockRow
from api.review import HOLD
from api.views import CaseView, DraftView, EventView, Page, PromiseView, QueueRow

Texts = Annotated[str, Field(max_length=MAX_TEXT_BYTES)]


class Body(BaseModel):
    """Base of the request bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class RedraftBody(Body):
    """A wish for another draft."""

    hint: Annotated[str, Field(max_length=2000)] = ""
    """What the new draft should do otherwise."""


class SentBody(Body):
    """A person sent this text to the customer."""

    text: Texts
    """The words that the customer got."""
    draft_id: str | None = None
    """The approved draft that it was, if any."""
    sent_at: datetime | None = None
    """When, RFC 3339; missing means now."""
    status: str | None = None
    """Where the case goes next, e.g. `waiting_customer`."""


class StatusBody(Body):
    """Where a person moves the case."""

    status: str


class ReasonBody(Body):
    """Why something is done."""

    reason: Annotated[str, Field(max_length=48)]
    """A short code, e.g. `customer_called`."""


class SeverityBody(ReasonBody):
    """Another severity."""

    severity: str


class SatisfactionBody(Body):
    """What the customer thought."""

    score: int
    """From 1 (bad) to 5 (good)."""


class PromiseBody(Body):
    """What became of a promise."""

    outcome: Literal["kept", "broken", "dropped"]


class MergeBody(Body):
    """Two incidents are one."""

    other: str
    """The incident whose cases come over."""


class OfferBody(Body):
    """Whether two cases are one."""

    merge: bool


Code = Annotated[str, Field(max_length=48)]


class ReviewBody(Body):
    """A person's decision on a draft as it was read."""

    decision: Literal["approve", "send_back", "discard"]
    hint: Annotated[str, Field(max_length=2000)] = ""
    """With `send_back`: what the new draft should do otherwise."""
    reason: Code = ""
    """Why, as a short code, e.g. `tone`."""
    text: Texts | None = None
    """With `approve`: other words than the draft's. They go through the checks; the draft's own are kept beside them."""
    subject: Annotated[str, Field(max_length=1000)] | None = None
    """With `approve`: another subject."""
    opened: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=500)] = []
    """Ids of what was opened, e.g. `fact-3` or `action-1`; the 409 names what is missing."""


class AnswerBody(Body):
    """Evidence against a finding that blocks."""

    evidence: Annotated[str, Field(max_length=2000)]
    """What shows that the draft is right: a record, a person who was asked, a policy."""


class RatingBody(Body):
    """What a draft is worth."""

    thumb: Literal["up", "down"]
    dims: dict[str, str] = {}
    """Of `facts_ok` (pass, fail), `safe_to_send` (pass, edit, no), `complete` (0-2), `tone` (0-2), `routing_ok` (pass, fail)."""
    first_fault: Code = ""
    """The first thing that is wrong, e.g. `wrong_fact`."""
    note: Annotated[str, Field(max_length=2000)] = ""
    seconds: Annotated[int, Field(ge=0, le=86400)] = 0
    """Time that it took to rate it."""


class AssignBody(Body):
    """Whose case it is."""

    to: Annotated[str, Field(max_length=128)]
    """A person's id or name; "" for nobody's."""


class SnoozeBody(Body):
    """Until when a case rests."""

    until: datetime
    """RFC 3339; one that has passed ends the rest."""


class NoteBody(Body):
    """A note among staff."""

    text: Annotated[str, Field(max_length=10_000)]


class RoutingBody(ReasonBody):
    """Another team in the lead."""

    team: Annotated[str, Field(max_length=64)]


class MisledBody(Body):
    """Something that misled whoever read the draft."""

    about: Literal["precedent", "fact"]
    ref: Annotated[str, Field(max_length=80)]


class TouchBody(Body):
    """What somebody did with an open case; an empty one only says that it is still open."""

    kind: Literal["opened", "focused", "edited"] | None = None
    target: Annotated[str, Field(max_length=40, pattern=r"^[a-z]*(-\d+)?$")] = ""
    """`fact-3`, `action-1`, `thread`; "" for the whole."""
    draft_id: Annotated[str, Field(max_length=40)] = ""


def instant(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second, e.g. `2026-11-24T09:30:00Z`."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def row_json(row: QueueRow) -> dict[str, Any]:
    """One line of the queue."""
    return {name: instant(value) if isinstance(value, datetime) else value for name, value in asdict(row).items()}


def page_json(page: Page) -> dict[str, Any]:
    """One page of the queue; `next` is the cursor of the following one."""
    return {"items": [row_json(row) for row in page.rows], "next": page.cursor}


def draft_json(draft: DraftView) -> dict[str, Any]:
    """A draft with the whole proposal around it; only what is known while it is pending."""
    proposal: Mapping[str, Any] = draft.proposal or {}
    return {
        **proposal,
        "draft_id": draft.id, "case_id": draft.case_id, "state": draft.state, "state_reason": draft.state_reason,
        "hint": draft.hint, "created_at": instant(draft.created_at), "updated_at": instant(draft.updated_at),
        "release_at": instant(draft.updated_at + HOLD) if draft.state == "approved" else None,
    }  # fmt: skip


def event_json(event: EventView) -> dict[str, Any]:
    """One entry of a case's log."""
    return {"seq": event.seq, "at": instant(event.at), "kind": event.kind, "actor": event.actor, "data": event.data}


def case_json(case: CaseView) -> dict[str, Any]:
    """One case with everything on it."""
    return {
        **row_json(case.row),
        "version": case.version,
        "reopened": case.reopened,
        "escalation": case.escalation,
        "messages": [{**asdict(m), "at": instant(m.at)} for m in case.messages],
        "draft": draft_json(case.draft) if case.draft else None,
        "drafts": [{"id": id_, "state": state} for id_, state in case.drafts],
        "events": [event_json(event) for event in case.events],
        "promises": [promise_json(promise) for promise in case.promises],
    }


def promise_json(row: PromiseView) -> dict[str, Any]:
    """One promise."""
    money = {"amount": row.amount, "currency": row.currency} if row.amount else None
    return {
        "id": row.id, "action": row.action, "text": row.text, "money": money, "due_at": instant(row.due_at),
        "state": row.state, "made_at": instant(row.made_at), "settled_at": instant(row.settled_at),
    }  # fmt: skip


def letter_json(row: Mapping[Any, Any]) -> dict[str, Any]:
    """One notice as it fares; what it says is composed when it leaves."""
    payload: Mapping[str, Any] = row["payload"] or {}
    return {
        "id": row["id"], "channel": row["channel"], "case_id": row["case_id"], "kind": payload.get("type") or payload.get("kind"),
        "to": payload.get("to", ""), "state": row["state"], "attempts": row["attempts"], "error": row["error"],
        "created_at": instant(row["created_at"]), "next_try_at": instant(row["next_try_at"]),
        "delivered_at": instant(row["delivered_at"]),
    }  # fmt: skip


def dead_json(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A webhook that could not be worked in, without its text."""
    names = ("id", "source", "delivery_id", "error")
    return {**{name: row[name] for name in names}, "received_at": instant(row["received_at"])}


def clock_json(row: ClockRow, now: datetime) -> dict[str, Any]:
    """A clock; `due_in_s` is negative when it is late, and null while nobody knows when it is due."""
    return {
        "case_id": row.case_id, "severity": row.severity, "team": row.team, "clock": row.clock, "metric": row.metric,
        "state": row.state, "started_at": instant(row.started_at), "due_at": instant(row.due_at),
        "due_in_s": round((row.due_at - now).total_seconds()) if row.due_at else None, "overdue": row.overdue,
        "ended_at": instant(row.ended_at), "late_by_s": round(row.late_by.total_seconds()),
        "retargeted": row.retargeted, "target": row.target, "calendar": row.calendar,
    }  # fmt: skip


def etag(draft: DraftView, case_version: int) -> str:
    """Changes with every word of the draft and every event of its case."""
    return f'"{draft.hash}.{case_version}"'


def read_etag(tag: str) -> tuple[str, int] | None:
    """Draft hash and case version of an ETag; None when it is not one of ours."""
    digest, _, version = tag.strip().removeprefix("W/").strip('"').rpartition(".")
    return (digest, int(version)) if version.isascii() and version.isdigit() and len(version) < 10 else None
