"""Reads a mailbox over IMAP and puts drafts into its Drafts folder. Nothing else in the mailbox is ever changed."""

from __future__ import annotations

import asyncio
import imaplib
import logging
import re
import ssl
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, cast

from imap_tools import AND, BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError, MailboxFolderSelectError, MailboxLoginError

from api.auth import Principal
from api.desk import Desk
from api.errors import DeskError
from api.mailbox.config import MailboxConfig
from api.mailbox.drafts import waiting
from api.mailbox.headers import instant
from api.mailbox.mail import MOST_BYTES
from api.mailbox.places import Place, Places
from api.mailbox.take import Failure, Raw, Skipped, Taker
from api.mailbox.threads import Threads

log = logging.getLogger(__name__)

Secret = Callable[[str], str]
"""The value of a secret by its name; asked anew at every sign-in, because a token does not last."""

WHO: Final = Principal("prn_mailbox", "mailbox", "agent", frozenset({"receive", "work"}))
"""Who acts when a mail does."""
READY: Final = "ready"
TIMEOUT_S: Final = 30.0
"""Longest wait for one answer of the server, in seconds."""
BACKOFF_S: Final = 2.0
BACKOFF_MOST_S: Final = 600.0
FLAGS: Final = ("\\Draft", "\\Seen")
_INTERNAL: Final = re.compile(rb'INTERNALDATE "([^"]{1,40})"')


class MailboxError(DeskError):
    """The mailbox cannot be read just now."""

    retryable = True


class RefusedError(MailboxError):
    """The server refuses user and secret. Before the first sign-in that is a mistake to be mended, later it may pass."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look at the mailbox brought."""

    opened: int = 0
    added: int = 0
    sent: int = 0
    known: int = 0
    skipped: int = 0
    failed: int = 0
    drafts: int = 0
    """Drafts that were put into the folder."""


async def run(
    desk: Desk, who: Principal, config: MailboxConfig, secret: Secret, stop: asyncio.Event,
    tell: Callable[[str], None] = lambda state: None,
) -> None:  # fmt: skip
    """Read the mailbox until `stop`, whatever happens to the server meanwhile.

    Args:
        desk: where the mails go.
        who: in whose name; may `receive`, and `work` where a `sent_folder` is configured.
        config: of the mailbox.
        secret: gives the password or token.
        stop: ends it after the mail in hand.
        tell: hears after each look how it went: `READY`, or what is wrong.

    Raises:
        RefusedError: the server refuses the very first sign-in.
        DeskError: the desk refuses, e.g. because `who` may not do this.

    """
    poller = Poller(desk, who, config, secret, stop.is_set)
    fails = 0
    try:
        while not stop.is_set():
            try:
                _say(await asyncio.to_thread(poller.look))
                tell(READY)
                fails, pause = 0, config.poll_s
            except DeskError as error:
                if not error.retryable:
                    raise
                log.warning("mailbox: %s", error)
                tell(str(error))
                fails, pause = fails + 1, backoff(fails)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
    finally:
        stop.set()
        await asyncio.to_thread(poller.close)


def backoff(fails: int) -> float:
    """Seconds to wait after a failure that `fails` others came before: 2, 4, 8 ... at most 600."""
    return min(BACKOFF_S * 2 ** min(fails, 20), BACKOFF_MOST_S)


class Poller:
    """One mailbox. It keeps its line open between two looks, and opens a new one after a failure."""

    def __init__(
        self, desk: Desk, who: Principal, config: MailboxConfig, secret: Secret,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """`stopped` is asked after every mail."""
        self._desk, self._config, self._secret, self._stopped = desk, config, secret, stopped
        self._taker, self._threads = Taker(desk, who, config.own), Threads(desk.store)
        self._places = Places(desk.store, config)
        self._mailbox: BaseMailBox | None = None
        self._was_in = False
        self._told_no_folder = False

    def look(self) -> Looked:
        """Take in what is new, then put the drafts into their folder that are ready.

        Raises:
            MailboxError: the server is away, refuses, or has no such folder.
            StoreError: the database cannot take it; the mail in hand is read again at the next look.

        """
        said: Counter[str] = Counter()
        with self._line() as mailbox:
            self._read(mailbox, self._config.folder, said)
            if self._config.sent_folder:
                self._read(mailbox, self._config.sent_folder, said, sent=True)
            said["drafts"] = self._put_drafts(mailbox)
        return Looked(**said)

    def close(self) -> None:
        """Sign out."""
        mailbox, self._mailbox = self._mailbox, None
        if mailbox is not None:
            with suppress(ImapToolsError, imaplib.IMAP4.error, OSError):
                mailbox.logout()

    # --- the line -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _line(self) -> Generator[BaseMailBox]:
        """The signed-in mailbox; what goes wrong with it is told in one sentence, and the line is given up."""
        try:
            if self._mailbox is None:
                self._mailbox = self._sign_in()
            yield self._mailbox
        except DeskError:
            raise
        except MailboxFolderSelectError:
            self.close()
            raise MailboxError(f"{self._name()} has no such folder; check `folder` and `sent_folder`.") from None
        except (ImapToolsError, imaplib.IMAP4.error, OSError) as error:
            self.close()
            raise MailboxError(f"{self._name()} cannot be read: {_reason(error)}") from None

    def _sign_in(self) -> BaseMailBox:
        user, secret = self._config.user, self._secret(self._config.secret)
        mailbox = _open(self._config)
        try:
            if self._config.auth == "xoauth2":
                mailbox.xoauth2(user, secret, initial_folder=None)
            elif all(" " <= c <= "~" for c in user + secret):
                mailbox.login(user, secret, initial_folder=None)
            else:
                mailbox.login_utf8(user, secret, initial_folder=None)
        except imaplib.IMAP4.abort:
            raise
        except (MailboxLoginError, imaplib.IMAP4.error):  # its text may repeat what was sent, so it is not shown
            mailbox.client.shutdown()
            why = f"{self._name()} refuses the sign-in; check `user`, `auth` and the secret {self._config.secret}."
            raise RefusedError(why, retryable=self._was_in) from None
        self._was_in = True
        return mailbox

    def _name(self) -> str:
        return f"The mailbox {self._config.user} at {self._config.host}:{self._config.port}"

    # --- mail in ------------------------------------------------------------------------------------------------------

    def _read(self, mailbox: BaseMailBox, folder: str, said: Counter[str], *, sent: bool = False) -> None:
        mailbox.folder.set(folder, readonly=True)  # nothing is marked as read, whatever is asked for
        place = self._place(mailbox, folder)
        uids = sorted(int(uid) for uid in mailbox.uids(f"UID {place.uid + 1}:*", charset=None))
        for uid in uids:
            if uid <= place.uid:  # a server names its last mail even when there is no newer one
                continue
            if self._stopped():
                return
            if (raw := self._fetch(mailbox, folder, uid)) is not None:
                match self._taker.take(raw, sent=sent):
                    case Failure(name, problem):
                        said["failed"] += 1
                        log.warning("mailbox: %s was passed over: %s", name, problem)
                    case Skipped():
                        said["skipped"] += 1
                    case outcome:
                        said[outcome] += 1
            self._places.keep(folder, replace(place, uid=uid))

    def _place(self, mailbox: BaseMailBox, folder: str) -> Place:
        """Where to go on in the selected folder: behind the last mail, or at the first one of the days to be read."""
        validity, place = _number(mailbox, "UIDVALIDITY"), self._places.of(folder)
        if place is not None and place.validity == validity:
            return place
        first_day = (self._desk.clock.now() - timedelta(days=self._config.since_days)).date()
        since = first_day if place is None else place.since
        uids = [int(uid) for uid in mailbox.uids(AND(date_gte=since), charset=None)]
        before = min(uids) if uids else max(_number(mailbox, "UIDNEXT"), 1)
        place = Place(validity, before - 1, since)
        self._places.keep(folder, place)
        return place

    def _fetch(self, mailbox: BaseMailBox, folder: str, uid: int) -> Raw | None:
        """One mail, of a huge one the beginning; None when it was deleted meanwhile."""
        asked = f"(INTERNALDATE BODY.PEEK[]<0.{MOST_BYTES}>)"
        status, answer = mailbox.client.uid("FETCH", str(uid), asked)
        if status != "OK":
            raise imaplib.IMAP4.error(f"FETCH was answered with {status}")
        literals = [cast("tuple[bytes, bytes]", part) for part in answer if isinstance(part, tuple)]
        head, data = next((part for part in literals if b"BODY[]" in part[0]), (b"", b""))
        if not head:
            return None
        rest = b" ".join(part for part in answer if isinstance(part, bytes))
        stamp = _INTERNAL.search(head) or _INTERNAL.search(rest)
        received = instant(stamp[1].decode("ascii", "replace")) if stamp else None
        return Raw(f"{folder} UID {uid}", data, received or self._desk.clock.now())

    # --- drafts out ---------------------------------------------------------------------------------------------------

    def _put_drafts(self, mailbox: BaseMailBox) -> int:
        """Append the drafts that wait; returns how many were."""
        with self._desk.store.read() as conn:
            letters = waiting(conn, self._config.sender)
        if not letters or (folder := self._drafts_folder(mailbox)) is None:
            return 0
        mailbox.folder.set(folder, readonly=True)
        put = 0
        for letter in letters:
            if self._stopped():
                break
            # the process may have died between the append and its note
            if not mailbox.uids(f'HEADER Message-ID "<{letter.message_id}>"', charset=None):
                mailbox.append(letter.data, folder, dt=letter.at, flag_set=FLAGS)
                put += 1
            with self._desk.store.write("mailbox_draft") as conn:
                self._threads.note_draft(conn, letter.case_id, letter.draft_id, letter.message_id, letter.at)
        return put

    def _drafts_folder(self, mailbox: BaseMailBox) -> str | None:
        """The folder that the server marks as the one for drafts (RFC 6154)."""
        marked = [f.name for f in mailbox.folder.list() if "\\drafts" in {flag.lower() for flag in f.flags}]
        if not marked and not self._told_no_folder:
            self._told_no_folder = True
            log.warning("mailbox: %s marks no folder as \\Drafts, so drafts stay in the desk.", self._name())
        return marked[0] if marked else None


def _open(config: MailboxConfig) -> BaseMailBox:
    if config.tls == "none":
        return MailBoxUnencrypted(config.host, config.port, timeout=TIMEOUT_S)
    context = ssl.create_default_context()  # the library's own default trusts every certificate
    kind = MailBox if config.tls == "always" else MailBoxStartTls
    return kind(config.host, config.port, timeout=TIMEOUT_S, ssl_context=context)


def _number(mailbox: BaseMailBox, name: str) -> int:
    """A number that the server told when the folder was selected; 0 when it did not."""
    _, values = cast("tuple[str, list[bytes | None]]", mailbox.client.response(name))
    value = values[-1] if values else None
    return int(value) if value and value.isdigit() else 0


_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (ssl.SSLCertVerificationError, "its certificate is not one that this machine trusts."),
    (ssl.SSLError, "the line cannot be encrypted as `tls` says."),
    (TimeoutError, f"it did not answer within {TIMEOUT_S:.0f} s."),
    (ConnectionRefusedError, "nothing answers there; check `host` and `port`."),
    (imaplib.IMAP4.abort, "the line broke."),
    (OSError, "the network failed, or there is no such host."),
)


def _reason(error: Exception) -> str:
    return next((text for kind, text in _REASONS if isinstance(error, kind)), "the server did not do what was asked.")


def _say(looked: Looked) -> None:
    if looked != Looked(skipped=looked.skipped, known=looked.known):
        log.info(
            "mailbox: %d new cases, %d messages, %d answers sent, %d unreadable; %d drafts put into the folder",
            looked.opened, looked.added, looked.sent, looked.failed, looked.drafts,
        )  # fmt: skip
