"""Drafts of e-mail cases as mails for the Drafts folder: what a person may read, edit and send from their own program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from api.mailbox.headers import MOST_NAME, MOST_SUBJECT, Person, ids, is_address, written, written_person
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
    letters = (letter_of(conn, row, sender) for row in conn.execute(query).mappings().all())
    return [letter for letter in letters if letter is not None][:MOST_DRAFTS]


def of_draft(conn: Connection, draft_id: str, sender: str) -> Letter | None:
    """One draft as a mail, whatever its state; None when nobody can be answered."""
    query = select(drafts.c.id, drafts.c.case_id, drafts.c.body, drafts.c.updated_at, cases.c.payload)
    query = query.join(cases, cases.c.id == drafts.c.case_id).where(drafts.c.id == draft_id, drafts.c.body.is_not(None))
    row = conn.execute(query).mappings().first()
    return None if row is None else letter_of(conn, row, sender)


def letter_of(conn: Connection, row: Any, sender: str) -> Letter | None:
    """A draft as an answer to the newest mail of its case; None when nobody can be answered."""
    payload: Json = row["payload"] or {}
    customer: Json = payload.get("customer") or {}
    to = Person(str(customer.get("name") or "")[:MOST_NAME], str(customer.get("email") or ""))
    text = str(row["body"].get("body") or "")
    if not is_address(to.address) or not text.strip():
        return None
    subject = _subject(conn, row["case_id"])
    subject = f"Re: {subject}" if subject else str(row["body"].get("subject") or "")[:MOST_SUBJECT]
    message_id = f"{row['id']}.desk@{sender.rpartition('@')[2]}"
    fields = [
        f"From: {sender}", f"To: {written_person(to, 'To')}", f"Subject: {written(subject, 'Subject')}",
        f"Date: {format_datetime(row['updated_at'])}", f"Message-ID: <{message_id}>", *_ancestors(conn, row["case_id"]),
        f"X-Desk-Case: {row['case_id']}",
    ]  # fmt: skip
    body = EmailMessage(policy=SMTP)
    body.set_content(text)
    head = "".join(f"{field}\r\n" for field in fields).encode("ascii")
    return Letter(row["id"], row["case_id"], message_id, row["updated_at"], head + body.as_bytes())


def _subject(conn: Connection, case_id: str) -> str:
    """What the customer's newest mail with a subject was about, on one line."""
    query = select(messages.c.body).where(messages.c.case_id == case_id, messages.c.direction == "inbound")
    bodies = conn.execute(query.order_by(messages.c.at.desc(), messages.c.position.desc())).scalars()
    subjects = (bare(str(body.get("subject") or "")) for body in bodies if body)
    return next((subject[:MOST_SUBJECT] for subject in subjects if subject), "")


def _ancestors(conn: Connection, case_id: str) -> list[str]:
    """The fields that put the draft under its thread."""
    query = select(mail_ids.c.message_id, mail_ids.c.kind).where(
        mail_ids.c.case_id == case_id, mail_ids.c.kind.in_(("in", "sent"))
    )
    rows = conn.execute(query.order_by(mail_ids.c.at, mail_ids.c.hash)).all()
    thread = [
        row for row in rows if ids(f"<{row.message_id}>") == (row.message_id,) and row.message_id[:7] != "sha256:"
    ]
    newest = next((row.message_id for row in reversed(thread) if row.kind == "in"), None)
    if newest is None:
        return []
    names: Sequence[str] = [row.message_id for row in thread if row.message_id != newest]
    names = [*names[:1], *names[1:][-(MOST_REFERENCES - 2) :], newest]
    return [f"In-Reply-To: <{newest}>", "References: " + "\r\n ".join(f"<{name}>" for name in names)]
