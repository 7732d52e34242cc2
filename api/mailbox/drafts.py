"""Drafts of e-mail cases as mails for the Drafts folder: what a person may read, edit and send from their own program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from api.mailbox.headers import MOST_SUBJECT, ids
from api.mailbox.threads import bare
from api.store.tables import cases, drafts, mail_ids, messages
from api.wire import Json

STATES: Final = ("ready", "approved")
"""Only what passed the guard, or a person approved, may stand where it can be sent; never what is blocked or needs a human."""
KINDS: Final = ("reply", "question")
"""A brief is for the person alone, so it is never put under a customer's address."""
MOST_REFERENCES: Final = 20
MOST_DRAFTS: Final = 50
"""Drafts that are put into the folder at one look."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A draft as a mail."""

    draft_id: str
    case_id: str
    message_id: str
    """The same for one draft each time, so that it is put into the folder once."""
    at: datetime
    data: bytes


def waiting(conn: Connection, sender: str) -> list[Letter]:
    """Drafts of e-mail cases that are not in the Drafts folder yet, oldest first, written as from `sender`."""
    from_mail = select(mail_ids.c.case_id).where(mail_ids.c.kind == "in")
    there = select(mail_ids.c.draft_id).where(mail_ids.c.draft_id != "")
    query = (
        select(drafts.c.id, drafts.c.case_id, drafts.c.body, drafts.c.updated_at, cases.c.payload)
        .join(cases, cases.c.id == drafts.c.case_id)
        .where(drafts.c.state.in_(STATES), drafts.c.kind.in_(KINDS), drafts.c.body.is_not(None))
        .where(drafts.c.case_id.in_(from_mail), drafts.c.id.not_in(there))
        .order_by(drafts.c.id)
    )
    letters = (_letter(conn, row, sender) for row in conn.execute(query).mappings().all())
    return [letter for letter in letters if letter is not None][:MOST_DRAFTS]


def _letter(conn: Connection, row: Any, sender: str) -> Letter | None:
    """A draft as an answer to the newest mail of its case; None when nobody can be answered."""
    payload: Json = row["payload"] or {}
    customer: Json = payload.get("customer") or {}
    to = _address(str(customer.get("name") or ""), str(customer.get("email") or ""))
    text = str(row["body"].get("body") or "")
    if to is None or not text.strip():
        return None
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = to
    subject = _subject(conn, row["case_id"])
    own = " ".join(str(row["body"].get("subject") or "").split())
    mail["Subject"] = f"Re: {subject}" if subject else own[:MOST_SUBJECT]
    mail["Date"] = format_datetime(row["updated_at"])
    message_id = f"{row['id']}.desk@{sender.rpartition('@')[2]}"
    mail["Message-ID"] = f"<{message_id}>"
    mail["X-Desk-Case"] = row["case_id"]
    mail.set_content(text)
    data = _ancestors(conn, row["case_id"]) + mail.as_bytes()
    return Letter(row["id"], row["case_id"], message_id, row["updated_at"], data)


def _address(name: str, address: str) -> Address | None:
    try:
        return Address(" ".join(name.split()), addr_spec=address) if "@" in address and address.isascii() else None
    except (MessageError, ValueError, IndexError):
        return None


def _subject(conn: Connection, case_id: str) -> str:
    """What the customer's newest mail with a subject was about, on one line."""
    query = select(messages.c.body).where(messages.c.case_id == case_id, messages.c.direction == "inbound")
    bodies = conn.execute(query.order_by(messages.c.at.desc(), messages.c.position.desc())).scalars()
    subjects = (bare(str(body.get("subject") or "")) for body in bodies if body)
    return next((subject[:MOST_SUBJECT] for subject in subjects if subject), "")


def _ancestors(conn: Connection, case_id: str) -> bytes:
    """The fields that put the draft under its thread. They are written by hand: the library breaks ids longer than a line."""
    query = select(mail_ids.c.message_id, mail_ids.c.kind).where(
        mail_ids.c.case_id == case_id, mail_ids.c.kind.in_(("in", "sent"))
    )
    rows = conn.execute(query.order_by(mail_ids.c.at, mail_ids.c.hash)).all()
    thread = [row for row in rows if ids(f"<{row.message_id}>") and not row.message_id.startswith("sha256:")]
    newest = next((row.message_id for row in reversed(thread) if row.kind == "in"), None)
    if newest is None:
        return b""
    names: Sequence[str] = [row.message_id for row in thread if row.message_id != newest]
    names = [*names[:1], *names[1:][-(MOST_REFERENCES - 2) :], newest]
    lines = [f"In-Reply-To: <{newest}>", "References: " + "\r\n ".join(f"<{name}>" for name in names)]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
