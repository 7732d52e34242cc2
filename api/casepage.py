"""Everything that the page of one case shows, read together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping

from agent.states import CASE_MOVES
from api import bars, clockview, marks, risk, show, worddiff
from api.auth import Principal
from api.errors import ConflictError
from api.integrations.config import FILES, ZENDESK
from api.mailbox.drafts import of_draft
from api.mailbox.headers import is_address
from api.review import held_until
from api.say import words
from api.store import cases as case_rows
from api.store import casework, decisions, incidents, mail
from api.views import CaseView
from api.wiring import Runtime

_SAID: Final = {
    "case_opened": "Case opened", "message_received": "Message received", "triaged": "Triaged",
    "draft_proposed": "Draft written", "draft_failed": "No draft could be written", "draft_requested": "New draft asked for",
    "reviewed": "Decided", "approval_undone": "Approval undone", "reply_sent": "Reply sent", "status_set": "Moved",
    "reopened": "Reopened", "team_pulled_in": "Team pulled in", "team_acked": "Team acknowledged",
    "promise_made": "Promise made", "promise_kept": "Promise kept", "promise_broken": "Promise broken",
    "promise_dropped": "Promise dropped", "severity_set": "Severity set", "severity_raised": "Severity raised",
    "routing_set": "Team chosen", "policy_set": "SLA policy set", "no_reply_needed": "No reply needed",
    "deadline_set": "Date from outside", "deadline_met": "Date met", "assigned": "Assigned", "unassigned": "Given back",
    "snoozed": "Snoozed", "note_added": "Note added", "taken_over": "Taken over", "finding_answered": "Finding answered",
    "draft_rated": "Draft rated", "satisfaction_given": "Satisfaction",
}  # fmt: skip
_TOLD: Final = (
    "decision", "state", "status", "severity", "team", "deadline", "author", "action", "rule", "reason_code", "score",
)  # fmt: skip
"""What of an event the timeline repeats."""
MOST_EVENTS: Final = 100
"""Entries of the timeline, the newest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline, or a note among staff."""

    at: datetime
    who: str
    what: str
    detail: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Hands:
    """Who has to do with the case now."""

    assignee: str
    mine: bool
    holder: str
    """Who has it open besides the reader; "" for nobody."""
    snoozed_until: datetime | None
    people: tuple[tuple[str, str], ...]
    """Id and name of those who can be given the case."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the reader may do with the draft."""

    openings: tuple[risk.Opening, ...]
    green: bool
    """One key approves it."""
    held_until: datetime | None
    """Until when the approval can be undone; None when it is not held."""
    released: bool
    edit: tuple[worddiff.Change, ...]
    """What a person changed in the draft's words; empty when nothing."""
    edited_by: str
    firsts: tuple[str, ...]
    """Who approved it already, when two have to."""
    misled: frozenset[tuple[str, str]]
    ratings: tuple[RowMapping, ...]
    helpdesk: bool
    """The text can go to the helpdesk as a note."""


def gather(desk: Runtime, who: Principal, case: CaseView, now: datetime) -> dict[str, Any]:
    """The context of the page."""
    pack = desk.texts.pack
    proposal = case.draft.proposal if case.draft else None
    customer: Mapping[str, Any] = case.escalation.get("customer") or {}
    order, dispute = show.order_of(case, desk.orders)
    unseen = [name for name, part in (("order", order), ("dispute", dispute)) if part is None]
    with desk.store.read() as conn:
        rows = clockview.of_case(conn, desk.desk.versions, case.row.id, now)
        names = casework.names(conn)
        context: dict[str, Any] = {
            "incident": incidents.incident_of(conn, case.row.id), "twins": incidents.offers(conn, case.row.id),
            "hands": _hands(conn, who, case.row.id, names, now), "timeline": _timeline(conn, case, names),
            "desk": _choices(conn, desk, case, names, now),
        }  # fmt: skip
    return context | {
        "case": case, "row": case.row, "draft": case.draft,
        "sheet": show.sheet(proposal, pack, now, unseen) if proposal else None, "thread": marks.thread(case, now),
        "bars": bars.bars(rows, now), "teams": bars.teams(rows, pack, case.row.primary_team),
        "promises": bars.promises(case), "order": order, "dispute": dispute,
        "customer": {name: str(customer.get(name) or "") for name in ("name", "email")},
        "moves": sorted(CASE_MOVES[case.row.status] - {"in_review"}), "severities": tuple(pack.severities),
        "all_teams": {name: team.title for name, team in pack.teams.items()},
        "overdue": case.row.next_due_at is not None and case.row.next_due_at < now, "now": now,
        "may": {action: who.may(action) for action in ("review", "work", "rate")},
    }  # fmt: skip


def _hands(conn: Connection, who: Principal, case_id: str, names: Mapping[str, str], now: datetime) -> Hands:
    row, lease = casework.get(conn, case_id), casework.holder(conn, case_id)
    assignee = row["assignee"] if row else ""
    until = row["snoozed_until"] if row else None
    other = lease is not None and lease["until"] > now and lease["who"] != who.id
    return Hands(
        names.get(assignee, ""), assignee == who.id, names.get(lease["who"], "somebody") if lease and other else "",
        until if until and until > now else None, casework.people(conn),
    )  # fmt: skip


def _choices(conn: Connection, desk: Runtime, case: CaseView, names: Mapping[str, str], now: datetime) -> Choices:
    if case.draft is None:
        return Choices((), False, None, False, (), "", (), frozenset(), (), False)
    draft, proposal = case_rows.get_draft(conn, case.draft.id), case.draft.proposal or {}
    facts = {"severity": case.row.severity, "language": case.row.language}
    openings = desk.desk.openings(facts, draft, None, now) if draft["body"] else ()
    changed, approved = decisions.edit(conn, draft["id"]), draft["state"] == "approved"
    until = held_until(draft) if approved and now < held_until(draft) else None
    edit: Sequence[worddiff.Change] = ()
    if changed is not None and draft["body"]:
        before: Mapping[str, Any] = changed["before"]["body"] or {}
        edit = worddiff.changes(str(before.get("body") or ""), str(draft["body"].get("body") or ""))
    return Choices(
        openings, draft["state"] == "ready" and risk.green(desk.texts.pack, case.row.severity, proposal, openings),
        until, approved and until is None, tuple(edit), names.get(changed["who"], "") if changed is not None else "",
        tuple(names.get(d["who"], "") for d in decisions.firsts(conn, draft["id"], draft["hash"])),
        frozenset((f["about"], f["ref"]) for f in casework.feedback_of(conn, case.row.id)),
        tuple(casework.ratings(conn, draft["id"])), helpdesk_of(desk, conn, case) != "",
    )  # fmt: skip


def helpdesk_of(desk: Runtime, conn: Connection, case: CaseView) -> str:
    """The helpdesk whose ticket a case is; "" when it is none's."""
    source = case_rows.get(conn, case.row.id)["source"]
    return source if source in desk.helpdesks and source in {FILES, ZENDESK} and case.row.external_id else ""


def _timeline(conn: Connection, case: CaseView, names: Mapping[str, str]) -> tuple[Entry, ...]:
    notes = [
        Entry(n["at"], names.get(n["who"], "somebody"), "Note", "", n["text"])
        for n in casework.notes(conn, case.row.id)
    ]
    known = {**names, "prn_worker": "the desk", "prn_teamlink": "a team's link"}
    told = [
        Entry(e.at, known.get(e.actor, e.actor), _SAID.get(e.kind, words(e.kind)), _detail(e.data, names))
        for e in case.events[-MOST_EVENTS:] if e.kind != "note_added"
    ]  # fmt: skip
    return tuple(
        sorted([*told, *notes], key=lambda entry: entry.at)[::-1]
    )  # of one instant the last event stands first


def _detail(data: Mapping[str, Any], names: Mapping[str, str]) -> str:
    parts = [words(data[name]) for name in _TOLD if data.get(name) not in (None, "")]
    if data.get("principal"):
        parts.append(names.get(str(data["principal"]), ""))
    return ", ".join(filter(None, parts))


def letter(desk: Runtime, draft_id: str) -> bytes:
    """A draft as an e-mail to the customer, in the thread where there is one.

    Raises:
        ConflictError: the case has no address to write to.

    """
    config = desk.texts.integrations.mailbox
    sender = config.user if config and is_address(config.user) else desk.texts.pack.store.support_email
    with desk.store.read() as conn:
        found = of_draft(conn, draft_id, sender)
    if found is None:
        raise ConflictError("This case has no e-mail address to write to; copy the text instead.")
    return b"X-Unsent: 1\r\n" + found.data


def to_helpdesk(desk: Runtime, who: Principal, case_id: str) -> None:
    """Leave the approved text in the helpdesk as a note that only the staff reads.

    Raises:
        ConflictError: the case is no ticket of a helpdesk, or nothing is approved and released.

    """
    who.need("work")
    case = desk.views.case(who, case_id)
    now = desk.clock.now()
    with desk.store.write("outbox") as conn:
        source = helpdesk_of(desk, conn, case)
        draft = case_rows.get_draft(conn, case.draft.id) if case.draft else None
        if not source or draft is None or draft["state"] != "approved" or now < held_until(draft):
            raise ConflictError("Only an approved and released text of a helpdesk's ticket can go there.")
        known = {
            "issue_type": case.row.issue_type,
            "severity": case.row.severity,
            "primary_team": case.row.primary_team,
        }
        note = {"kind": "note", "case": case_id, "draft": draft["id"], **known}
        mail.post(
            conn, mail.HELPDESK + source, f"note:{draft['id']}:{draft['hash'][:16]}", note, now=now, case_id=case_id
        )
    desk.desk.on_work()
