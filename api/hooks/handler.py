"""The job of a webhook, and what can be done about one that could not be worked in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import RowMapping

from agent import hookevent
from agent.errors import AgentError, BadInput, BrokenFile
from agent.hookevent import Event
from agent.hookmap import TICKET, Hook
from api import reading
from api.auth import Principal
from api.desk import Desk
from api.errors import ConflictError, InvalidError, NotFoundError
from api.hooks.maps import Maps
from api.hooks.ticket import settle
from api.store import audit, deliveries, queue
from api.store.deliveries import KIND
from api.store.queue import Job

_REFUSED: Final = (AgentError, InvalidError, ConflictError, NotFoundError)
"""What the desk says to an event that it cannot take; anything else is a fault of the desk's own and is tried again."""
MOST: Final = 200
"""Dead deliveries of one list."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as its adapter hands it over."""

    generic: Mapping[str, Any]
    """`external_id, at, url, subject, tags, customer {name, email, phone, tier}, order_ref, channel, status,
    messages [{id, author, at, text}]`, as JSON; what is not known is left out. `at` is when it last changed, `status`
    one of `agent.hookmap.EventStatus`, `author` one of customer, staff, bank, system.
    """
    author_is_us: bool = False
    """Whether what happened last was our own doing."""


class Fetcher(Protocol):
    """Reads tickets of one helpdesk, for webhooks that only say that something happened."""

    async def fetch(self, external_id: str) -> Ticket | None:
        """The ticket as it is now; None when there is none. What it raises is tried again later.

        Raises:
            BrokenFile: the ticket can never be read as it is; the webhook is laid aside.

        """
        ...


Fetchers: TypeAlias = Mapping[str, Fetcher]
"""By the name that stands as `adapter` in the file of a source."""


@dataclass(frozen=True, slots=True)
class HookWork:
    """One delivery, parsed."""

    delivery: str
    source: str
    received_at: datetime
    event: Event | None = None
    adapter: str = ""
    """Who fetches the ticket; "" when the event says all."""
    ticket: str = ""
    problem: str = ""
    """Why it cannot be worked in; "" when it can."""


@dataclass(frozen=True, slots=True)
class HookHandler:
    """Works deliveries in."""

    desk: Desk
    maps: Maps
    fetchers: Fetchers
    kind: str = KIND
    max_attempts: int = 10

    def load(self, job: Job) -> HookWork | None:
        """The delivery, read as the map says now; None when it is done."""
        with self.desk.store.read() as conn:
            row = deliveries.get(conn, job.data["delivery"])
        if row["state"] != "queued":
            return None
        given = (row["id"], row["source"], row["received_at"])
        hook = self.maps.get(row["source"])
        if hook is None:
            return HookWork(*given, problem=f"The source {row['source']} has no map any more; add it, then replay it.")
        try:
            return _read(hook, HookWork(*given), row["body"])
        except BadInput as error:
            return HookWork(*given, problem=str(error))

    async def process(self, work: HookWork) -> tuple[Event | None, str]:
        """The event and why it cannot be worked in; fetches the ticket where the event is only a hint."""
        if work.problem or not work.adapter:
            return work.event, work.problem
        fetcher = self.fetchers.get(work.adapter)
        if fetcher is None:
            return None, f"The adapter {work.adapter} is not set up; set it up, then replay it."
        try:
            ticket = await fetcher.fetch(work.ticket)
        except BrokenFile as broken:
            return None, str(broken)
        if ticket is None or ticket.author_is_us:
            return None, ""
        try:
            return hookevent.read_event(TICKET, ticket.generic, work.received_at), ""
        except BadInput as error:
            return None, str(error)

    def apply(self, job: Job, work: HookWork, result: tuple[Event | None, str]) -> None:
        """Work it in, or lay it aside as dead; either way the job is finished in the same transaction."""
        event, problem = result
        store = self.desk.store
        with store.write("apply_delivery") as conn:
            case_id = None
            if event is not None and not problem:
                try:
                    with conn.begin_nested():
                        # a ticket is the same one, whichever webhook told of it
                        of = work.adapter or work.source
                        case_id = settle(conn, self.desk, of, event, work.received_at)
                except _REFUSED as error:
                    problem = str(error)
            now = self.desk.clock.now()
            if problem:
                queue.bury(conn, job, "the webhook cannot be worked in", now)
                deliveries.dead(conn, work.delivery, problem)
            else:
                queue.finish(conn, job, now)
                deliveries.done(conn, work.delivery, case_id)
        self.desk.on_work()

    def give_up(self, job: Job, error: str) -> None:
        """Lay it aside as dead."""
        with self.desk.store.write("apply_delivery") as conn:
            queue.bury(conn, job, error, self.desk.clock.now())
            problem = f"It failed {job.attempts} times ({error}); replay it when the cause is gone."
            deliveries.dead(conn, job.data["delivery"], problem)


def _read(hook: Hook, work: HookWork, body: bytes) -> HookWork:
    payload = reading.json_object(reading.text_of(body))
    given = (work.delivery, work.source, work.received_at)
    if hook.map is not None:
        return HookWork(*given, event=hookevent.read_event(hook.map, payload, work.received_at))
    return HookWork(*given, adapter=hook.adapter, ticket=hookevent.ticket_id(hook, payload))


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Deliveries that could not be worked in."""

    desk: Desk
    maps: Maps

    def all(self, who: Principal) -> Sequence[RowMapping]:
        """The oldest `MOST`, without their texts."""
        who.need("admin")
        with self.desk.store.read() as conn:
            return deliveries.all_dead(conn, MOST)

    def one(self, who: Principal, delivery: str) -> RowMapping:
        """One of them with its text, so that its map can be corrected.

        Raises:
            NotFoundError: there is no such delivery, or it is not dead.

        """
        who.need("admin")
        with self.desk.store.read() as conn:
            row = deliveries.get(conn, delivery)
        if row["state"] != "dead":
            raise NotFoundError("dead delivery", delivery)
        return row

    def replay(self, who: Principal, delivery: str) -> None:
        """Work on it once more, with the map as it is now.

        Raises:
            NotFoundError: there is no such delivery.
            ConflictError: it is not dead.
            BrokenFile: the map is still broken.

        """
        who.need("admin")
        with self.desk.store.write("replay_delivery") as conn:
            row = deliveries.get(conn, delivery, lock=True)
            if row["state"] != "dead":
                raise ConflictError(f"Delivery {delivery} is {row['state']}; only a dead one can be replayed.")
            self.maps.read(row["source"])
            now = self.desk.clock.now()
            deliveries.again(conn, row, now)
            audit.append(conn, "delivery_replayed", actor=who.id, at=now, data={"job": row["job_id"]})
        self.desk.on_work()
