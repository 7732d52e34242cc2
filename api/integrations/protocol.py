"""What the desk asks of any helpdesk, and what it gets: tickets in, private notes out, and no way to a customer."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NewType, Protocol, TypeAlias

from api.errors import InvalidError

NoteId = NewType("NoteId", str)
"""A note's own id in its helpdesk."""

Author: TypeAlias = Literal["customer", "staff", "system"]
FieldValue: TypeAlias = str | int | bool

_WORD: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_MARK: Final = re.compile(r"(?:\s|<[^<>]*>|\\)*(\[desk:[^\s\[\]]+\])")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a helpdesk can take from the desk; what it cannot take, an adapter leaves out of a note."""

    private_note: bool = True
    """A note that only staff can read."""
    true_draft: bool = False
    """A reply that waits in the helpdesk's own composer; without it the reply stands in the note."""
    tags: bool = False
    group: bool = False
    """The ticket can be handed to a team."""
    priority: bool = False
    fields: bool = False
    """Fields that the store has defined itself."""
    webhooks: bool = False
    """It calls the desk when a ticket changes."""


@dataclass(frozen=True, slots=True)
class Message:
    """One text on a ticket."""

    id: str
    author: Author
    at: datetime
    """When it was written, aware, in UTC."""
    text: str
    public: bool
    """The customer can read it. A private one was never said to the customer: it is a note among staff, or a letter
    from a stranger to the ticket, which a helpdesk holds back."""
    author_id: str = ""
    """The author's id in the helpdesk; "" where it has none."""
    own: bool = False
    """The desk wrote it."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket in the same form for every helpdesk."""

    id: str
    subject: str
    messages: tuple[Message, ...]
    """Oldest first."""
    requester_name: str = ""
    requester_email: str = ""
    order_ref: str = ""
    """The order as the helpdesk has it in a field of its own; "" where none is configured or filled in."""
    tags: tuple[str, ...] = ()
    url: str = ""
    """Where a person opens it."""
    status: str = ""
    """The helpdesk's own word."""
    priority: str = ""
    """The helpdesk's own word."""
    channel: str = ""
    """How the customer came, in the desk's word; "" where it is not known."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the desk leaves on a ticket for its staff.

    Raises:
        InvalidError: case or key cannot stand in a mark, or there is no text.

    """

    case_id: str
    key: str
    """Tells this note from every other of the case: the same key is posted once, however often it is tried."""
    text: str
    """Plain text; no part of it is read as markup."""
    tags: tuple[str, ...] = ()
    """The desk's words to add as tags; the adapter puts the desk's prefix before each."""
    untag: tuple[str, ...] = ()
    """The desk's words to take away again; a tag without the prefix is never touched."""
    group: str = ""
    """The team, in the pack's word; "" leaves the ticket where it is."""
    priority: str = ""
    """The severity, in the pack's word; "" leaves the priority as it is."""
    fields: Mapping[str, FieldValue] = field(default_factory=dict[str, FieldValue])
    """Values by the desk's own names of fields; a name that the store has not mapped is left out."""

    def __post_init__(self) -> None:
        for name, word in (("case", self.case_id), ("key", self.key)):
            if not _WORD.fullmatch(word):
                raise InvalidError(
                    f"The {name} of a note is {word[:40]!r}; use 1 to 128 letters, digits and any of _ . : -"
                )
        if not self.text.strip():
            raise InvalidError("A note needs a text.")

    @property
    def mark(self) -> str:
        """Its first line, by which the desk knows the note again."""
        return f"[desk:{self.case_id}:{self.key}]"


class Helpdesk(Protocol):
    """A store's helpdesk. It can be read and be given private notes; sending, public replies and closing do not exist."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can take."""
        ...

    async def fetch(self, ticket_id: str) -> Ticket:
        """The ticket as it stands now, with all its messages.

        Raises:
            NotFoundError: there is no such ticket.
            HelpdeskError: it cannot be read.

        """
        ...

    async def post_note(self, ticket_id: str, note: Note) -> NoteId:
        """Leave a note on the ticket, exactly once for each case and key; a second call gives the id of the first.

        Raises:
            NotFoundError: there is no such ticket.
            HelpdeskError: it was not taken, or the desk could not learn whether it was.

        """
        ...

    async def aclose(self) -> None:
        """Give connections back."""
        ...


def mark_of(text: str) -> str:
    """The desk's mark where a text begins with one, else ""."""
    found = _MARK.match(text)
    return found[1] if found else ""


def is_echo(what: Ticket | Message, own_user_id: str, known: Container[str] = ()) -> bool:
    """Whether nothing here is news to the desk: its own message, or one whose id it knows.

    A ticket is an echo when all its messages are. That the newest one is the desk's own says too little: a customer
    may have written just before the note. A mark counts in private messages of staff only: who copies it into a letter
    is heard all the same.
    """
    if isinstance(what, Ticket):
        return all(is_echo(message, own_user_id, known) for message in what.messages)
    if what.own or what.id in known or (own_user_id and what.author_id == own_user_id):
        return True
    return not what.public and what.author == "staff" and bool(mark_of(what.text))
