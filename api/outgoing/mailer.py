"""Sends e-mail to the staff, and to nobody else: no address of a customer can be a recipient."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Literal

from api.errors import InvalidError
from api.outgoing.message import Message, NotTaken
from api.outgoing.plain import clean, line

log = logging.getLogger(__name__)

TIMEOUT_S = 30.0
"""Longest time for a whole conversation with the mail server, in seconds."""
MOST_SUBJECT, MOST_TEXT = 200, 20_000
"""Characters of a subject and of a body."""

# Nothing that a mail server could read as a second address or as a route: no quotes, comments, `%`, `!` or IP domains.
_ADDRESS = re.compile(r"(?P<local>[a-z0-9][a-z0-9._+'-]{0,62})@(?P<domain>(?:[a-z0-9-]+\.)+[a-z0-9-]+)", re.IGNORECASE)


class RecipientRefusedError(InvalidError):
    """An e-mail was to go to somebody who is not of the staff; the message quotes no address."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """The SMTP server that takes the desk's mail.

    Raises:
        InvalidError: it would be spoken to in plain although it is not on this machine, or the login is not ASCII.

    """

    host: str
    port: int = 587
    security: Literal["starttls", "tls", "plain"] = "starttls"
    """`tls` from the first byte (port 465), `starttls`, or `plain` on a loopback address."""
    username: str = ""
    """Empty for a server that asks for none."""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """Which certificates are trusted; None for those of this machine."""

    def __post_init__(self) -> None:
        if self.security == "plain" and not _is_loopback(self.host):
            raise InvalidError("A mail server elsewhere is spoken to by starttls or tls; plain is for this machine.")
        if not (self.username + self.password).isascii():
            raise InvalidError("The login of the mail server has characters that SMTP cannot carry; use ASCII only.")


@dataclass(frozen=True, slots=True)
class MailSender:
    """E-mail to some of the staff; a mail program tells repeats by their Message-ID.

    Raises:
        RecipientRefusedError: there is no recipient, or one is not a plain address in a staff domain.
        InvalidError: the sender's address is not a plain one.

    """

    server: MailServer
    sender: str
    """The From address."""
    recipients: tuple[str, ...] = field(repr=False)
    staff_domains: Collection[str]
    """The domains behind the `@`, each meant exactly: a domain does not stand for those below it."""
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        if _ADDRESS.fullmatch(self.sender) is None:
            raise InvalidError("The address that the desk's e-mail comes from is not a plain one: write name@domain.")
        for address in self.recipients:
            check_recipient(address, self.staff_domains)
        if not self.recipients:
            raise RecipientRefusedError("The e-mail has no recipient; name one of the staff.")

    async def send(self, message: Message) -> None:
        """Hand the e-mail to the server; taken means that the server took it for at least one recipient.

        Raises:
            NotTaken: see `Sender`.

        """
        talk = _Talk(self.server, self.timeout_s)
        try:
            async with asyncio.timeout(self.timeout_s):
                mail = compose(message, self.sender, self.recipients)
                refused = await asyncio.to_thread(talk.send, mail, self.sender, self.recipients)
        except TimeoutError:
            raise NotTaken(f"the mail server was not done within {self.timeout_s:g} s") from None
        except ssl.SSLCertVerificationError:
            raise NotTaken("the mail server's TLS certificate is not valid") from None
        except (OSError, UnicodeError, smtplib.SMTPException) as error:
            raise NotTaken(_why(error)) from None
        finally:
            talk.hang_up()
        if refused:
            log.warning("the mail server refused %d of %d recipients of an e-mail", refused, len(self.recipients))


def check_recipient(address: str, staff_domains: Collection[str]) -> None:
    """Nothing when an e-mail may go to this address.

    Raises:
        RecipientRefusedError: it is not a plain address, or its domain is not one of the staff's.

    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise RecipientRefusedError("A recipient's address is not a plain one: write name@domain.")
    if found["domain"].lower() not in {domain.lower() for domain in staff_domains}:
        raise RecipientRefusedError("A recipient's domain is not one of the staff's; e-mail goes to the staff only.")


def compose(message: Message, sender: str, recipients: Collection[str]) -> EmailMessage:
    """The e-mail; the same in every repeat."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = line(message.subject, MOST_SUBJECT)
    mail["Date"] = format_datetime(message.at.astimezone(UTC))
    digest = hashlib.sha256(message.key.encode()).hexdigest()[:40]
    mail["Message-ID"] = f"<desk.{digest}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    text = clean(message.text)[:MOST_TEXT].rstrip()
    mail.set_content("\n\n".join(filter(None, (text, clean(message.link)))) + "\n", cte="quoted-printable")
    return mail


class _Talk:
    """One conversation with a mail server, held in a thread; it can be broken off from outside."""

    def __init__(self, server: MailServer, timeout_s: float) -> None:
        self._server, self._timeout_s = server, timeout_s
        self._over = threading.Event()
        self._line: socket.socket | None = None

    def send(self, mail: EmailMessage, sender: str, recipients: Sequence[str]) -> int:
        """How many recipients the server refused; an error when it refused all."""
        server, tls = self._server, self._server.tls or ssl.create_default_context()
        with socket.create_connection((server.host, server.port), self._timeout_s) as line_:
            self._line = line_.dup()  # outlives the wrapping in TLS, so that `hang_up` has something to cut
            if self._over.is_set():
                self.hang_up()
                raise TimeoutError
            ready = tls.wrap_socket(line_, server_hostname=server.host) if server.security == "tls" else line_
            smtp = _Smtp(ready, server, sender.rpartition("@")[2])
            try:
                if server.security == "starttls":
                    smtp.starttls(context=tls)  # raises when the server has none: no mail in plain instead
                if server.username:
                    smtp.login(server.username, server.password)
                refused = smtp.sendmail(sender, recipients, mail.as_bytes())  # send_message would mangle "From "
                with suppress(smtplib.SMTPException):
                    smtp.putcmd("quit")  # the mail is taken, whatever the server says to this
                return len(refused)
            finally:
                smtp.close()

    def hang_up(self) -> None:
        """Cut the line, so that the thread ends whatever the server does."""
        self._over.set()
        if (cut := self._line) is not None:
            with suppress(OSError):
                cut.shutdown(socket.SHUT_RDWR)
            cut.close()


class _Smtp(smtplib.SMTP):
    """SMTP over a connection that is there already."""

    def __init__(self, ready: socket.socket, server: MailServer, domain: str) -> None:
        self._ready = ready
        super().__init__(server.host, server.port, local_hostname=domain)

    def connect(self, host: str = "", port: int = 0, source_address: object = None) -> tuple[int, bytes]:
        self.sock, self.file = self._ready, None
        return self.getreply()


def _why(error: OSError | UnicodeError | smtplib.SMTPException) -> str:
    match error:  # never the server's own words: they may quote addresses
        case smtplib.SMTPAuthenticationError():
            return f"the mail server did not accept the login ({error.smtp_code})"
        case smtplib.SMTPNotSupportedError():
            return "the mail server offers no STARTTLS, or no login"
        case smtplib.SMTPRecipientsRefused():
            codes = sorted({code for code, _ in error.recipients.values()})
            return f"the mail server refused every recipient ({', '.join(map(str, codes))})"
        case smtplib.SMTPResponseException():
            return f"the mail server answered with {error.smtp_code}"
        case smtplib.SMTPException():
            return "the conversation with the mail server broke off"
        case _:
            return "the mail server cannot be reached"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
