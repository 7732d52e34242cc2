"""What an event does to its case. Whatever the order in which events come, and however often, the case ends the same.

Each fact, the status too, is kept with the instant from which it holds at the sender, and the newest counts; messages
are told apart by the sender's ids. So the end depends on the set of events alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping

from agent import intake
from agent.hookevent import Event, EventMessage
from api import wire
from api.auth import Principal
from api.desk import Desk
from api.store import cases, tickets
from api.store.unit import canonical

HOOKS: Final = Principal("prn_hooks", "webhooks", "agent", frozenset({"receive", "work"}))
"""Who acts when a webhook does."""
NOTE: Final = "[desk:"
"""Stands in the first line of our own notes in a helpdesk; what they set off there must not come back as news."""
AHEAD: Final = timedelta(days=1)
"""An instant further ahead than that is a broken clock's: the event counts from when it came in."""

_ASSUMED: Final = datetime(1, 1, 1, tzinfo=UTC)
"""From when on that holds which is only assumed: whatever is given is newer."""
_ENDED: Final = frozenset({"resolved", "closed"})
_BY_CUSTOMER: Final = frozenset({"customer", "bank"})
_REOPENED: Final = "reopened"
_AFRESH: Final = frozenset({"triaged", "in_review"})
"""How a reopened case stands until somebody moves it."""


def settle(conn: Connection, desk: Desk, source: str, event: Event, received_at: datetime) -> str | None:
    """Work an event in; the id of its case, None when there is none yet or the event is an echo of our own.

    `conn` is the transaction of the caller. Raises what the verbs of the desk raise, and `BadInput`.
    """
    event = _sane(event, received_at)
    messages = [message for message in event.messages if NOTE not in message.text.lstrip().partition("\n")[0]]
    ticket = tickets.locked(conn, source, event.external_id)
    if event.messages and not messages:
        return ticket["case_id"]
    status = {"status": event.status} if event.status else {}
    facts = newest(newest(ticket["facts"], _ASSUMED, event.assumed), event.at, {**event.facts, **status})
    wrote = [message.at for message in messages if message.author in _BY_CUSTOMER]
    last: datetime | None = ticket["customer_at"]
    customer_at = max([*wrote, last] if last else wrote, default=None)
    moved = ticket["moved"] or event.status not in {None, "open"}
    inside = Desk(desk.store.inside(conn), desk.clock, desk.rules)
    case_id = _told(conn, inside, ticket, facts, event, _new(conn, inside, ticket, messages))
    tickets.change(conn, ticket, facts=facts, customer_at=customer_at, moved=moved, case_id=case_id)
    if case_id is not None and "status" in facts:
        _follow(conn, inside, case_id, source, event, _status(facts), customer_at, moved=moved)
    return case_id


def newest(facts: Mapping[str, Any], at: datetime, given: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with those of one event: of two values for a name the one that holds from a later instant counts, of
    two from the same instant the greater one, so that order plays no part.
    """
    merged = dict(facts)
    for name, value in given.items():
        old = merged.get(name)
        if old is None or (at, canonical(value)) > (datetime.fromisoformat(old[0]), canonical(old[1])):
            merged[name] = [at.isoformat(), value]
    return merged


def wanted(status: str, since: datetime, customer_at: datetime | None, *, moved: bool) -> str | None:
    """Where a case belongs whose helpdesk says `status` since then; None when the desk's own status stands."""
    if customer_at is not None and customer_at > since:
        if status in _ENDED:
            return _REOPENED
        if status == "waiting_customer":
            return "in_progress"
    if status == "open":
        return "in_progress" if moved else None
    return status


def _sane(event: Event, received_at: datetime) -> Event:
    def sane(at: datetime) -> datetime:
        return at if at <= received_at + AHEAD else received_at

    messages = tuple(replace(message, at=sane(message.at)) for message in event.messages)
    return replace(event, at=sane(event.at), messages=messages)


def _status(facts: Mapping[str, Any]) -> tuple[str, datetime]:
    since, status = facts["status"]
    return status, datetime.fromisoformat(since)


# --- what is told -------------------------------------------------------------------------------------------------


def _new(conn: Connection, desk: Desk, ticket: RowMapping, messages: Sequence[EventMessage]) -> list[EventMessage]:
    """Those that did not come before, oldest first; they count as come from now on."""
    by_id = {_id(desk, message): message for message in messages}
    known = tickets.known_messages(conn, ticket, by_id)
    new = {id_: message for id_, message in by_id.items() if id_ not in known}
    if new:
        tickets.add_messages(conn, ticket, new)
    return sorted(new.values(), key=lambda message: message.at)


def _id(desk: Desk, message: EventMessage) -> str:
    if 0 < len(message.id) <= 200:
        return message.id
    parts = (message.id,) if message.id else (message.author, message.at.isoformat(), message.text)
    return f"hash:{desk.store.keyed('ticket message', *parts)}"


def _told(
    conn: Connection, desk: Desk, ticket: RowMapping, facts: Mapping[str, Any], event: Event,
    messages: Sequence[EventMessage],
) -> str | None:  # fmt: skip
    """Put messages and facts on the case, which the first message opens."""
    case_id: str | None = ticket["case_id"]
    subject = str(facts["subject"][1])[:1000] if "subject" in facts else ""
    texts = [{"from": m.author, "at": m.at.isoformat(), "text": m.text} for m in messages]
    if texts and subject and (case_id is None or event.type == "created"):
        texts[0]["subject"] = subject
    known = {"id": ticket["external_id"], **_known(facts)}
    if case_id is None:
        if not texts:
            return None
        escalation = {**known, "messages": texts, "received_at": event.at.isoformat()}
        intake.parse(escalation, now=desk.clock.now(), case_id="case")
        return desk.receive(
            HOOKS, escalation, key=f"ticket:{ticket['external_id']}", source=ticket["source"], sent=True
        )["case"]
    for text in texts:
        intake.parse({"messages": [text]}, now=desk.clock.now(), case_id=case_id)
        desk.record_message(HOOKS, case_id, text, sent=True)
    case = cases.get(conn, case_id, lock=True)
    opened: datetime = min(case["opened_at"], event.at) if event.messages else case["opened_at"]
    payload: dict[str, Any] = {**(case["payload"] or {}), **known}
    contact = wire.contact(payload)
    cases.change(
        conn, case_id, payload=payload, opened_at=opened, channel=str(payload.get("channel", ""))[:64],
        customer_key=desk.store.keyed("customer", contact) if contact else "", title=subject[:120] or case["title"],
    )  # fmt: skip
    return case_id


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that an escalation has, in its wire form."""
    customer = {name[9:]: value for name, (_, value) in facts.items() if name.startswith("customer.")}
    plain = {name: facts[name][1] for name in ("order_ref", "channel") if name in facts}
    return {**plain, **({"customer": customer} if customer else {})}


# --- how it stands ------------------------------------------------------------------------------------------------


def _follow(
    conn: Connection, desk: Desk, case_id: str, source: str, event: Event, status: tuple[str, datetime],
    customer_at: datetime | None, *, moved: bool,
) -> None:  # fmt: skip
    """Bring the case to where its helpdesk says it belongs, unless somebody moved it here since."""
    word, since = status
    others = tickets.last_move_of_others(conn, case_id, HOOKS.id)
    overruled = others is not None and others > since
    if event.status and (overruled or (event.status, event.at) != status):
        now = desk.clock.now()
        cases.record(
            conn, case_id, "status_noted", actor=HOOKS.id, now=now, status=event.status, source=source,
            written_at=event.at.isoformat(),
        )  # fmt: skip
    want = None if overruled else wanted(word, since, customer_at, moved=moved)
    if want is not None:
        _bring(conn, desk, case_id, want, since)


def _bring(conn: Connection, desk: Desk, case_id: str, want: str, since: datetime) -> None:
    """Move the case by moves that a person may make, so that its log reads as if somebody had made them."""
    status = cases.get(conn, case_id, lock=True)["status"]
    if status == want or (want == _REOPENED and status in _AFRESH):
        return
    if status in _ENDED and want != "closed":
        _reopen(conn, desk, case_id)
    elif status not in _ENDED and want in {"closed", _REOPENED}:
        _end(conn, desk, case_id, "resolved", since)
        if want == _REOPENED:
            _reopen(conn, desk, case_id)
    if want in _ENDED:
        _end(conn, desk, case_id, want, since)
    elif want != _REOPENED:
        desk.set_status(HOOKS, case_id, want)


def _reopen(conn: Connection, desk: Desk, case_id: str) -> None:
    cases.record(conn, case_id, "reopened", actor=HOOKS.id, now=desk.clock.now())


def _end(conn: Connection, desk: Desk, case_id: str, status: str, since: datetime) -> None:
    desk.set_status(HOOKS, case_id, status)
    if status == "resolved":  # at the sender's time: what the customer wrote after it reopens the case
        cases.change(conn, case_id, resolved_at=min(since, desk.clock.now()))
