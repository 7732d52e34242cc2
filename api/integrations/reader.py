"""Tickets of a helpdesk as the webhooks' handler wants them: what the customer can read, in the desk's own words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from agent import hookevent
from agent.hookmap import TICKET
from api.clock import Clock
from api.errors import NotFoundError
from api.hooks import handler
from api.integrations.protocol import Helpdesk, Ticket, is_echo
from api.store import tickets
from api.store.unit import Store

STATUSES: Final[Mapping[str, str]] = {
    "new": "open", "open": "open", "pending": "waiting_customer", "hold": "waiting_team", "solved": "resolved",
    "closed": "closed",
}  # fmt: skip
"""The desk's word for a helpdesk's status; one that is not here says nothing."""
_OF_THE_DESK: Final = frozenset({"tags"})
"""What changes when the desk itself leaves a note; it is no news."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the desk has of a ticket."""

    messages: Set[str]
    """Ids of the texts that were taken in."""
    facts: Mapping[str, Any]
    """What is known of it, by the names of an event's facts, and its `status`."""


Know: TypeAlias = Callable[[str], Known]
"""What the desk has of the ticket with an id."""


@dataclass(frozen=True, slots=True)
class TicketReader:
    """Reads tickets of one helpdesk; fulfils `api.hooks.handler.Fetcher`."""

    helpdesk: Helpdesk
    know: Know
    clock: Clock

    async def fetch(self, external_id: str) -> handler.Ticket | None:
        """The ticket as it is now; None when there is none, or nothing in it that a customer could read.

        It holds from the instant at which the reading began: events of one ticket may be read in any order, and the
        last one to begin has seen all that the others saw.

        Raises:
            HelpdeskError: it cannot be read.

        """
        at = self.clock.now()
        try:
            ticket = await self.helpdesk.fetch(external_id)
        except NotFoundError:
            return None
        generic = as_generic(ticket, at)
        if not generic["messages"]:
            return None
        known = await asyncio.to_thread(self.know, external_id)
        return handler.Ticket(generic, author_is_us=_is_old(ticket, generic, known, at))


def knowledge(store: Store, source: str) -> Know:
    """What the database has of the tickets of a source."""

    def know(external_id: str) -> Known:
        with store.read() as conn:
            facts, messages = tickets.known(conn, source, external_id)
        return Known(messages, {name: value for name, (_, value) in facts.items()})

    return know


def as_generic(ticket: Ticket, at: datetime) -> dict[str, Any]:
    """A ticket as JSON in the form of `api.hooks.handler.Ticket`. Private comments are left out: they were never said
    to the customer, and the desk's own notes are among them.
    """
    messages = [
        {"id": m.id, "author": m.author, "at": m.at.isoformat(), "text": m.text}
        for m in ticket.messages
        if m.public and not m.own and m.text.strip()
    ]
    customer = {"name": ticket.requester_name, "email": ticket.requester_email}
    given: dict[str, Any] = {
        "external_id": ticket.id, "at": at.isoformat(), "url": ticket.url, "subject": ticket.subject,
        "tags": list(ticket.tags), "customer": {name: value for name, value in customer.items() if value},
        "order_ref": ticket.order_ref, "channel": ticket.channel, "status": STATUSES.get(ticket.status, ""),
    }  # fmt: skip
    return {**{name: value for name, value in given.items() if value}, "messages": messages}


def _is_old(ticket: Ticket, generic: Mapping[str, Any], known: Known, at: datetime) -> bool:
    """Whether a ticket tells nothing new, as after the desk's own note."""
    event = hookevent.read_event(TICKET, generic, at)
    if event is None or not is_echo(ticket, "", known.messages | _unsaid(ticket)):
        return False
    told = {**event.facts, **({"status": event.status} if event.status else {})}
    return all(known.facts.get(name) == value for name, value in told.items() if name not in _OF_THE_DESK)


def _unsaid(ticket: Ticket) -> set[str]:
    """What never becomes a text of a case."""
    return {message.id for message in ticket.messages if not message.public or not message.text.strip()}
