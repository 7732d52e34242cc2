"""Which case a mail belongs to: by the mails that it names, else the case in its address, else subject and sender.

A mail that a sender may name without having seen it opens no door: a name alone joins a case only when its bearer was
taken in, sent or drafted here, or when the same sender named it before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection, and_, insert, or_, select, update

from api.mailbox.mail import Mail
from api.store.tables import cases, mail_ids
from api.store.unit import Store

Kind: TypeAlias = Literal["in", "sent", "draft", "named"]

_BECOMES: Final[Mapping[str, frozenset[str]]] = {
    "in": frozenset({"named"}), "sent": frozenset({"named", "draft"}), "draft": frozenset({"named"}),
    "named": frozenset(),
}  # fmt: skip
"""What the mail of such a row may have been before."""
WITHIN: Final = timedelta(days=14)
"""Two mails of one sender with the same subject belong together when they were written within this time."""
_TOKEN: Final = re.compile(r"\+(case_[0-9a-z]{26})@")
_REPLY: Final = re.compile(
    r"\s*(?:(?:re|aw|antw?|sv|vs|r|ref|rif|res|odp|fwd?|wg|tr|rv|enc|i|doorst)\s*(?:\[\d{1,3}\]|\(\d{1,3}\)|\d{0,2})\s*[:\uff1a]|"
    r"\[(?:ext|extern|external|extern mail|spam)\]:?)\s*",
    re.IGNORECASE,
)


def bare(subject: str) -> str:
    """A subject without `Re:`, `AW:`, `Fwd:` and their like before it."""
    text = subject
    while m := _REPLY.match(text):
        text = text[m.end() :]
    return " ".join(text.split())


class Threads:
    """The Message-IDs that the desk knows, each by its keyed hash."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def known(self, conn: Connection, message_id: str, kind: Kind) -> bool:
        """Whether this very mail is here already; one that was only named, or a draft that a person then sent, is not."""
        found = conn.execute(select(mail_ids.c.kind).where(mail_ids.c.hash == self.key(message_id))).scalar()
        return found is not None and found not in _BECOMES[kind]

    def find(self, conn: Connection, mail: Mail, kind: Kind) -> str | None:
        """The case that a mail belongs to; None when it is a new one.

        The store writes to many customers under one subject, so a mail that it sent is found by what it answers alone.
        """
        found = self._by_name(conn, mail) or _by_address(conn, mail.to)
        return found or (self._by_subject(conn, mail) if kind == "in" else None)

    def note(self, conn: Connection, case_id: str, mail: Mail, kind: Kind) -> None:
        """Remember a mail as one of a case, and with a customer's also the mails that it names."""
        row = {"case_id": case_id, "kind": kind, "at": mail.at}
        if kind != "in":
            self._put(conn, mail.message_id, row)
            return
        sender = self._sender(mail)
        self._put(conn, mail.message_id, {**row, "sender_hash": sender, "thread_hash": self._thread(mail)})
        for name in _names(mail):
            if conn.execute(select(mail_ids.c.kind).where(mail_ids.c.hash == self.key(name))).first() is None:
                self._put(conn, name, {**row, "kind": "named", "sender_hash": sender})

    def note_draft(self, conn: Connection, case_id: str, draft_id: str, message_id: str, at: datetime) -> None:
        """Remember that a draft stands in the Drafts folder."""
        self._put(conn, message_id, {"case_id": case_id, "kind": "draft", "draft_id": draft_id, "at": at})

    def key(self, message_id: str) -> str:
        """What is stored of a Message-ID where its words do not matter; also the key of its delivery."""
        return self._store.keyed("mail", message_id)

    def _by_name(self, conn: Connection, mail: Mail) -> str | None:
        names = {self.key(name): rank for rank, name in enumerate([mail.message_id, *_names(mail)])}
        sender = self._sender(mail)
        own_word = and_(mail_ids.c.sender_hash == sender, mail_ids.c.sender_hash != "")
        query = select(mail_ids.c.hash, mail_ids.c.case_id).where(mail_ids.c.hash.in_(names))
        rows = conn.execute(query.where(or_(mail_ids.c.kind != "named", own_word))).all()
        return min(rows, key=lambda row: names[row.hash]).case_id if rows else None

    def _by_subject(self, conn: Connection, mail: Mail) -> str | None:
        if not (thread := self._thread(mail)):
            return None
        query = select(mail_ids.c.case_id).where(
            mail_ids.c.thread_hash == thread, mail_ids.c.at >= mail.at - WITHIN, mail_ids.c.at <= mail.at + WITHIN
        )
        return conn.execute(query.order_by(mail_ids.c.at.desc()).limit(1)).scalar()

    def _sender(self, mail: Mail) -> str:
        return self._store.keyed("sender", mail.sender.address.casefold()) if mail.sender.address else ""

    def _thread(self, mail: Mail) -> str:
        subject = bare(mail.subject).casefold()
        known = subject and mail.sender.address
        return self._store.keyed("thread", mail.sender.address.casefold(), subject) if known else ""

    def _put(self, conn: Connection, message_id: str, row: dict[str, Any]) -> None:
        """One row for a mail, in the place of what was known of it; the database refuses one that is here already."""
        key = self.key(message_id)
        values = {**row, "message_id": message_id}
        earlier = (mail_ids.c.hash == key, mail_ids.c.kind.in_(_BECOMES[row["kind"]]))
        if conn.execute(update(mail_ids).where(*earlier).values(values)).rowcount == 0:
            conn.execute(insert(mail_ids).values(hash=key, **values))


def _names(mail: Mail) -> Sequence[str]:
    """The mails that a mail names, nearest first."""
    return tuple(dict.fromkeys([*mail.in_reply_to, *reversed(mail.references)]))


def _by_address(conn: Connection, to: Sequence[str]) -> str | None:
    """The case whose id stands in an address such as `help+case_...@shop.example`; ids cannot be guessed."""
    tokens = [m[1] for address in to if (m := _TOKEN.search(address))]
    if not tokens:
        return None
    return conn.execute(select(cases.c.id).where(cases.c.id.in_(tokens)).limit(1)).scalar()
