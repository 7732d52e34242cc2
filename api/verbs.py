"""What all verbs share: one transaction each, done once per delivery, with clocks set and people told in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Connection, select

from agent.case import Escalation, GuardReport
from agent.directory import EventName, Recipient
from agent.outbreak import OutbreakRules
from agent.pack import Pack
from agent.ports import NoOrders, OrderBook
from agent.promises import Commitment
from agent.standing import Event, Standing, standing
from api.auth import Principal
from api.clock import Clock
from api.errors import ConflictError
from api.ids import new_id
from api.store import cases, clocks, mail, queue
from api.store.clocks import Times
from api.store.mail import Delivery, Letter
from api.store.tables import events
from api.store.unit import Store, canonical

Change: TypeAlias = Callable[[Connection, datetime], tuple[str, dict[str, Any]]]
"""What a verb does in its transaction: it returns the case's id and the answer, ids only."""
Also: TypeAlias = Callable[[Connection, str, datetime], None] | None
"""What a caller writes in the same transaction, given the case's id and the instant."""
Entry: TypeAlias = tuple[str, Mapping[str, Any]]
"""Kind and data of an event."""


def _none(_text: str, _language: str, _now: datetime) -> Sequence[Commitment]:
    return ()


class Recheck(Protocol):
    """The guard over a draft as a person changed it."""

    def __call__(
        self, case: Escalation, proposal: Mapping[str, Any], body: Mapping[str, Any], *, now: datetime, answered: bool,
    ) -> GuardReport:  # fmt: skip
        """See `agent.recheck.Recheck.run`."""
        ...


def _unread(case: Escalation, proposal: Mapping[str, Any], body: Mapping[str, Any], **_: Any) -> GuardReport:
    raise ConflictError("This desk cannot check changed words; send the draft back with a hint instead.")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the verbs need of the store's texts."""

    pack: Pack
    commitments: Callable[[str, str, datetime], Sequence[Commitment]] = _none
    """What a text in a language promises, read at an instant."""
    outbreak: OutbreakRules | None = None
    """When cases are taken for one outbreak; None for never."""
    helpdesks: Set[str] = frozenset()
    """Sources of cases that are tickets of a helpdesk, which takes notes."""
    orders: OrderBook = field(default_factory=NoOrders)
    """Where the money at stake in a case is looked up."""
    recheck: Recheck = _unread
    """Reads words that a person changed as the guard does."""
    rubric: Callable[[], str] = lambda: ""
    """Hash of the rubric by which people rate."""


class Verbs:
    """The ground of every verb over one store."""

    def __init__(self, store: Store, clock: Clock, rules: Rules) -> None:
        self.store, self.clock, self.rules = store, clock, rules
        self.versions = clocks.Versions(rules.pack.sla)
        self.on_work: Callable[[], None] = lambda: None
        """Called after a verb that leaves work behind, so that a worker in this process need not poll."""

    def adopt(self, rules: Rules) -> None:
        """Go on with another version of the texts; verbs that run already may still end with the one before."""
        self.versions, self.rules = clocks.Versions(rules.pack.sla), rules

    def once(
        self, verb: str, who: Principal, key: str | None, request: Any, change: Change, *, source: str = "",
        also: Also = None, clocked: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Do `change`, and what the caller `also` writes, in one transaction, or give the answer that this delivery got before.

        `clocked` says that `change` sets the clocks of the case itself.

        Raises:
            IdempotencyConflictError: the key came before with another request.

        """
        delivery = Delivery(source or who.id, key, verb, self.store.keyed("body", canonical(request))) if key else None
        with self.store.write(verb) as conn:
            if delivery is not None and (before := mail.answered(conn, delivery)) is not None:
                return dict(before)
            now = self.clock.now()
            case_id, answer = change(conn, now)
            if also is not None:
                also(conn, case_id, now)
            if not clocked or also is not None:
                self.reclock(conn, case_id, now)
            if delivery is not None:
                mail.answer(conn, delivery, answer, case_id=case_id, now=now)
        self.on_work()
        return answer

    def reclock(self, conn: Connection, case_id: str, now: datetime, log: Sequence[Event] | None = None) -> Standing:
        """Work out the clocks of a case after its log grew, and when the sweep has to look at it."""
        if log is None:
            log = clocks.log_of(conn, [case_id])[case_id]
        seen = standing(log, self.versions.book(conn), now)
        clocks.set_times(conn, [self.times(conn, case_id, seen)])
        return seen

    def times(self, conn: Connection, case_id: str, seen: Standing) -> Times:
        """When a case that stands so is due next, and when the sweep has to look at it."""
        fired = clocks.told(conn, [case_id])[case_id]
        return Times(case_id, seen.next_due, clocks.ahead(seen, fired))

    def set_by_person(self, conn: Connection, case_id: str, kind: str = "severity_set") -> bool:
        """Whether a person decided the severity, or with `routing_set` the team, so that no later triage changes it."""
        query = select(events.c.seq).where(events.c.case_id == case_id, events.c.kind == kind)
        return conn.execute(query.limit(1)).first() is not None

    def record(self, conn: Connection, case_id: str, who: Principal, now: datetime, *entries: Entry) -> None:
        """Add events to a case."""
        cases.record_all(conn, case_id, entries, actor=who.id, now=now)

    def tell(
        self, conn: Connection, to: Recipient, key: str, payload: Mapping[str, Any], now: datetime, *, case_id: str,
        urgent: bool = False,
    ) -> None:  # fmt: skip
        """A letter to a team or one of its members, if it has a channel and is not told already.

        `urgent` ones go over the second channel when the first does not take them.
        """
        for letter in self.letter_to(to, key, payload, urgent=urgent):
            mail.post(conn, letter.channel, letter.key, letter.payload, now=now, case_id=case_id)

    def letter_to(self, to: Recipient, key: str, payload: Mapping[str, Any], *, urgent: bool = False) -> list[Letter]:
        """The letter to a team or one of its members; none when it has no channel."""
        channel = self.rules.pack.directory.channel_of(to)
        if not channel:
            return []
        second = self.rules.pack.directory.channel_of(to, second=True) if urgent else ""
        body = {**payload, "to": to.id, **({"second": second} if second and second != channel else {})}
        return [Letter(channel, f"{key}:{channel}", body)]

    def tell_programs(
        self, conn: Connection, event: EventName, case_id: str, now: datetime, key: str = "", *,
        not_before: datetime | None = None, **data: Any,
    ) -> None:  # fmt: skip
        """Tell every program that listens to an event of a case; `key` tells several of one kind apart."""
        letters = self.letters_to_programs(event, case_id, now, key, not_before=not_before, **data)
        queue.put_rows(conn, mail.post_all(conn, letters, now=now, case_id=case_id))

    def letters_to_programs(
        self, event: EventName, case_id: str, now: datetime, key: str = "", *,
        not_before: datetime | None = None, **data: Any,
    ) -> list[Letter]:  # fmt: skip
        """What `tell_programs` posts."""
        payload = {"kind": "event", "type": event, "case": case_id, "at": now.isoformat(), **data}
        channels = self.rules.pack.directory.listeners(event)
        return [Letter(channel, f"{event}:{case_id}:{key}:{channel}", payload, not_before) for channel in channels]

    def request_draft_in(self, conn: Connection, case_id: str, hint: str, now: datetime) -> str:
        """The pending draft of a case, made if there is none. A case has at most one: if its job is running, that run
        finds the case changed and starts over, so nothing is drafted twice.
        """
        for draft in cases.open_drafts(conn, case_id):
            if draft["state"] == "pending":
                if hint:
                    cases.set_hint(conn, draft["id"], hint)
                return draft["id"]
        draft_id = new_id("drf", now)
        self.put_draft(conn, case_id, draft_id, hint, now)
        cases.change(conn, case_id, draft_id=draft_id, draft_state="pending")
        return draft_id

    def put_draft(self, conn: Connection, case_id: str, draft_id: str, hint: str, now: datetime) -> None:
        """A pending draft and its job; the row of the case still has to name it as the current one."""
        cases.add_draft(conn, case_id, draft_id, hint, now)
        queue.put(conn, "draft", {"draft": draft_id}, now=now, case_id=case_id)
