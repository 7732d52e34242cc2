"""Takes mails in, each once: a new case, or a message on a case. One that cannot be read never stops the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection

from agent import intake
from agent.errors import BadInput
from api.auth import Principal
from api.desk import Desk
from api.errors import ConflictError, InvalidError, NotFoundError, StoreBusyError
from api.mailbox.mail import OWN, Mail, MailError, parse
from api.mailbox.threads import Kind, Threads

SOURCE: Final = "email"

Outcome: TypeAlias = Literal["opened", "added", "sent", "known"]
"""A new case, a message on a case, a person's own answer on a case, or nothing because the mail was here before."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A mail as it lies somewhere."""

    name: str
    """Where it lies, as its owner would look for it; never its words."""
    data: bytes
    received: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """A mail that could not be taken in, and why."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A mail that the desk does not act on, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some mails."""

    opened: int
    added: int
    sent: int
    known: int
    skipped: Mapping[str, int]
    """How many were not acted on, by reason."""
    failed: tuple[Failure, ...]


class Taker:
    """Takes mails into one desk in the name of one principal."""

    def __init__(self, desk: Desk, who: Principal, own: Collection[str]) -> None:
        """`own` are the store's addresses, or domains as `@shop.example`: what comes from them is no customer's."""
        self._desk, self._who, self._own = desk, who, tuple(own)
        self._threads = Threads(desk.store)

    def take_all(self, mails: Iterable[Raw], tell: Callable[[int], None] = lambda _: None) -> Taken:
        """Take many; `tell` hears after each how many were looked at.

        Raises:
            StoreError: the database cannot take them; what was counted before is stored.

        """
        said: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        failed: list[Failure] = []
        for number, raw in enumerate(mails, start=1):
            match self.take(raw):
                case Failure() as failure:
                    failed.append(failure)
                case Skipped(reason):
                    reasons[reason] += 1
                case outcome:
                    said[outcome] += 1
            tell(number)
        return Taken(said["opened"], said["added"], said["sent"], said["known"], dict(reasons), tuple(failed))

    def take(self, raw: Raw, *, sent: bool = False) -> Outcome | Skipped | Failure:
        """Take one. `sent` says that it lies where a person's mail program keeps what was really sent.

        Only there is a mail from an own address noted as an answer to the customer: anybody can write an own address
        into the From field of a mail to the inbox, and a sent answer ends clocks.

        Raises:
            StoreError: the database cannot take it.

        """
        try:
            mail = parse(raw.data, received=raw.received, own=self._own)
            take = self._take_sent if sent else self._take
            try:
                return take(mail)
            except StoreBusyError:  # another process took the same mail at the same time: now it is known
                return take(mail)
        except (MailError, BadInput, InvalidError, NotFoundError, ConflictError) as error:
            return Failure(raw.name, str(error))

    def _take(self, mail: Mail) -> Outcome | Skipped:
        if mail.automatic:
            return Skipped(mail.automatic)
        if not (mail.text.strip() or mail.subject):
            raise MailError("It holds neither words nor a file.")
        with self._desk.store.read() as conn:
            if self._threads.known(conn, mail.message_id, "in"):
                return "known"
            case_id = self._threads.find(conn, mail, "in")
        message = _message(mail)
        letter = {"channel": SOURCE, "received_at": mail.at.isoformat(), "messages": [message]}
        intake.parse(letter, now=self._desk.clock.now(), case_id="case")
        key, also = self._threads.key(mail.message_id), self._note(mail, "in")
        if case_id is not None:
            self._desk.record_message(self._who, case_id, message, key=key, also=also)
            return "added"
        customer = {"name": mail.sender.name, "email": mail.sender.address}
        self._desk.receive(self._who, {**letter, "customer": customer}, key=key, source=SOURCE, also=also)
        return "opened"

    def _take_sent(self, mail: Mail) -> Outcome | Skipped:
        if mail.automatic != OWN:
            return Skipped(mail.automatic or "it was not sent from one of the store's own addresses")
        with self._desk.store.read() as conn:
            if self._threads.known(conn, mail.message_id, "sent"):
                return "known"
            case_id = self._threads.find(conn, mail, "sent")
        if case_id is None:
            return Skipped("it answers no case")
        key, also = self._threads.key(mail.message_id), self._note(mail, "sent")
        self._desk.record_sent(self._who, case_id, mail.text, sent_at=mail.at, key=key, also=also)
        return "sent"

    def _note(self, mail: Mail, kind: Kind) -> Callable[[Connection, str, datetime], None]:
        return partial(_noted, self._threads, mail, kind)


def _noted(threads: Threads, mail: Mail, kind: Kind, conn: Connection, case_id: str, _now: datetime) -> None:
    threads.note(conn, case_id, mail, kind)


def _message(mail: Mail) -> dict[str, Any]:
    """The wire form of a mail as a customer's message."""
    return {
        "from": "customer",
        "text": mail.text,
        "at": mail.at.isoformat(),
        "subject": mail.subject,
        "channel": SOURCE,
    }
