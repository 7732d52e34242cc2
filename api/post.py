"""The post office: which sender a channel has, and how a delivery job sends its letters over it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TypeAlias

from sqlalchemy import RowMapping

from agent.directory import Channel
from api.auth import WORKER
from api.clock import Clock
from api.desk import Desk
from api.errors import DeskError, NotFoundError, SettingsError
from api.faultpoint import faultpoint
from api.integrations.errors import HelpdeskAuthError, HelpdeskError, HelpdeskUnavailableError, TicketChangedError
from api.integrations.protocol import Helpdesk
from api.notices import Notices
from api.outgoing.mailer import MailSender, MailServer
from api.outgoing.message import Message, NotTaken, Sender
from api.outgoing.schedule import next_try
from api.outgoing.slack import SlackSender
from api.outgoing.transport import Endpoint
from api.outgoing.webhook import WebhookSender
from api.store.mail import DELIVER, HELPDESK, digests
from api.store.queue import Job
from api.sweep import Refused


@dataclass(frozen=True, slots=True)
class Mailing:
    """How the desk writes to its own staff."""

    server: MailServer
    sender: str


@dataclass(frozen=True, slots=True)
class Ways:
    """What senders need beside the pack."""

    folder: Path
    """Where channels of kind `file` write."""
    secret: Callable[[str], str]
    """The value of a secret by its name.

    Raises:
        SettingsError: it is not set.

    """
    mailing: Callable[[], Mailing]
    """The mail server.

    Raises:
        SettingsError: there is none.

    """
    allow_hosts: tuple[str, ...] = ()
    """Hosts that notices may go to although they are not public."""


@dataclass(frozen=True, slots=True)
class FileSender:
    """Writes each message as a line of a file; for trying the desk, and for programs that read along."""

    path: Path

    async def send(self, message: Message) -> None:
        """Append the line.

        Raises:
            NotTaken: the file cannot be written.

        """
        row = {
            "key": message.key, "kind": message.kind, "at": message.at.isoformat(), "subject": message.subject,
            "text": message.text, "link": message.link,
        }  # fmt: skip
        try:
            await asyncio.to_thread(self._append, json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as error:
            raise NotTaken(f"the file cannot be written ({error.strerror})") from None

    def _append(self, line: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)


def sender_of(name: str, channel: Channel, domains: Sequence[str], ways: Ways, clock: Clock) -> Sender:
    """The sender of a channel.

    Raises:
        DeskError: a secret or the mail server is missing, or an address may not be written to.

    """
    match channel.kind:
        case "file":
            return FileSender(ways.folder / f"{name}.jsonl")
        case "slack":
            return SlackSender(Endpoint(ways.secret(channel.secret), ways.allow_hosts), clock)
        case "webhook":
            keys = tuple(ways.secret(key) for key in channel.sign_with)
            return WebhookSender(Endpoint(ways.secret(channel.secret), ways.allow_hosts), clock, keys)
        case "email":
            mailing = ways.mailing()
            return MailSender(mailing.server, mailing.sender, channel.to, domains)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Letters were not taken."""

    reason: str
    retry_after: timedelta | None = None
    gone: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class PostOffice:
    """Composes letters and hands them over."""

    notices: Notices
    ways: Ways
    clock: Clock
    helpdesks: Mapping[str, Helpdesk] = field(default_factory=dict[str, Helpdesk])
    """By the source of their cases."""

    async def send(self, key: str, letters: Sequence[RowMapping]) -> None:
        """Hand over one message for these letters of one channel.

        Raises:
            NotTaken: the receiver did not take it.
            DeskError: it could not even be tried.

        """
        name = letters[0]["channel"]
        if name.startswith(HELPDESK):
            await self._leave_notes(name.removeprefix(HELPDESK), letters)
            return
        directory = self.notices.directory
        if name not in directory.channels:
            raise NotTaken("the pack has no such channel any more")
        sender = sender_of(name, directory.channels[name], directory.staff_domains, self.ways, self.clock)
        await sender.send(await asyncio.to_thread(self.notices.message, letters, key))

    async def _leave_notes(self, source: str, letters: Sequence[RowMapping]) -> None:
        if (helpdesk := self.helpdesks.get(source)) is None:
            raise NotTaken(f"the desk is not joined to {source} any more")
        for letter in letters:
            note = await asyncio.to_thread(self.notices.note, letter)
            if note is None:
                continue
            try:
                await helpdesk.post_note(*note)
            except HelpdeskUnavailableError as error:
                wait = None if error.retry_after is None else timedelta(seconds=error.retry_after)
                raise NotTaken(str(error), retry_after=wait) from None
            except (TicketChangedError, HelpdeskAuthError) as error:
                raise NotTaken(str(error)) from None
            except (HelpdeskError, NotFoundError) as error:
                raise NotTaken(str(error), final=True) from None


Send: TypeAlias = Callable[[str, Sequence[RowMapping]], Awaitable[None]]
"""Hands letters of one channel over under a key."""


Parcel: TypeAlias = tuple[str, Sequence[RowMapping]]
"""Letters that leave as one message, and the key under which they do."""


@dataclass(frozen=True, slots=True)
class DeliverHandler:
    """Sends the letters that were posted together, or in a storm all that wait for their channel as one message."""

    desk: Desk
    send: Send
    clock: Clock
    random: Random = field(default_factory=Random)
    kind: str = DELIVER
    max_attempts: int = 10

    def load(self, job: Job) -> Sequence[Parcel] | None:
        """What to send; None when another job took it."""
        letters = self.desk.take_letters(job)
        storms = digests(job, letters)
        parcels = [(row["id"], [row]) for row in letters if row["channel"] not in storms]
        for channel in sorted(storms):
            key = job.id if len(storms) == 1 else f"{job.id}.{channel}"
            parcels.append((key, [row for row in letters if row["channel"] == channel]))
        return parcels or None

    async def process(self, work: Sequence[Parcel]) -> Sequence[Refusal | None]:
        """Send them: at least once, because the process may die before it is noted. A slow channel holds up no other."""
        by_channel: dict[str, list[int]] = {}
        for number, (_, letters) in enumerate(work):
            by_channel.setdefault(letters[0]["channel"], []).append(number)
        results: dict[int, Refusal | None] = {}

        async def over(numbers: Sequence[int]) -> None:
            for number in numbers:
                results[number] = await self._sent(work[number])

        await asyncio.gather(*(over(numbers) for numbers in by_channel.values()))
        return [results[number] for number in range(len(work))]

    async def _sent(self, parcel: Parcel) -> Refusal | None:
        faultpoint("deliver.before_send")
        try:
            await self.send(*parcel)
        except NotTaken as refused:
            return Refusal(refused.reason, refused.retry_after, refused.gone, refused.final)
        except SettingsError as error:
            return Refusal(f"{error.variable} is not usable")  # never its value
        except DeskError as error:
            return Refusal(str(error))
        faultpoint("deliver.after_send")
        return None

    def apply(self, job: Job, work: Sequence[Parcel], result: Sequence[Refusal | None]) -> None:
        """Note how it went."""
        pairs = list(zip(work, result, strict=True))
        sent = [row for (_, letters), refusal in pairs if refusal is None for row in letters]
        refused = [self._refused(letters, refusal) for (_, letters), refusal in pairs if refusal is not None]
        if refused:
            self.desk.letters_settled(WORKER, job, sent, refused)
        else:
            self.desk.letters_sent(WORKER, job, sent)

    def _refused(self, letters: Sequence[RowMapping], refusal: Refusal) -> Refused:
        failed = max(row["attempts"] for row in letters) + 1
        again = next_try(failed, self.clock.now(), self.random, retry_after=refusal.retry_after)
        return Refused(letters, refusal.reason, None if refusal.final else again, refusal.gone)

    def give_up(self, job: Job, error: str) -> None:
        """They stay in the outbox, undelivered, to be looked at."""
        refused = [Refused(rows, f"sending failed ({error})", None) for _, rows in self.load(job) or ()]
        if refused:
            self.desk.letters_settled(WORKER, job, [], refused)
        else:
            self.desk.bury(WORKER, job, error)
