"""A helpdesk made of files, to try the desk without one: tickets are read from a folder, notes are written beside them.

    tickets/T-9.json                      one ticket, written by you; the desk never changes it
    notes/T-9/case_81-4f1c2a9be0d3.json   one note of the desk

A ticket has the form of the generic adapter, of which only the messages are needed:

    {"customer": {"email": "ada@example.com", "name": "Ada Quist"}, "order_ref": "#1042", "subject": "Where is it?",
     "tags": ["vip"], "messages": [{"id": "1", "author": "customer", "at": "2026-11-24T09:00:00Z", "text": "..."}]}

What the desk adds to a ticket (tags, priority) is read from the notes, as a helpdesk would show it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agent.errors import BrokenFile
from api.clock import Clock
from api.errors import NotFoundError
from api.integrations.protocol import Capabilities, FieldValue, Message, Note, NoteId, Ticket

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OWN: Final = "desk"

M = TypeVar("M", bound=BaseModel)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class FileMessage(_File):
    """One text on a ticket."""

    id: str
    author: Literal["customer", "staff", "system"] = "customer"
    at: AwareDatetime
    text: str
    public: bool = True
    """False for a note among staff."""


class FileCustomer(_File):
    """Who asked."""

    email: str = ""
    name: str = ""


class FileTicket(_File):
    """A ticket as a person writes it; the name of the file is its id."""

    source: str = ""
    """Of the generic form; not used."""
    external_id: str = ""
    """Of the generic form; not used."""
    url: str = ""
    customer: FileCustomer = FileCustomer()
    order_ref: str = ""
    subject: str = ""
    tags: tuple[str, ...] = ()
    status: str = "open"
    priority: str = ""
    messages: Annotated[tuple[FileMessage, ...], Field(min_length=1)]


class FileNote(_File):
    """A note as the desk writes it."""

    id: str
    case_id: str
    key: str
    at: AwareDatetime
    text: str
    """The mark, an empty line and the text."""
    tags: tuple[str, ...] = ()
    untag: tuple[str, ...] = ()
    group: str = ""
    priority: str = ""
    fields: dict[str, FieldValue] = Field(default_factory=dict)


class FileHelpdesk:
    """Tickets and notes in a folder; fulfils `Helpdesk`."""

    capabilities = Capabilities(tags=True, group=True, priority=True, fields=True)

    def __init__(self, folder: Path, clock: Clock, *, tag_prefix: str = "desk-") -> None:
        self._tickets, self._notes = folder / "tickets", folder / "notes"
        self._clock, self._prefix = clock, tag_prefix

    async def fetch(self, ticket_id: str) -> Ticket:
        """The ticket with the desk's notes as private messages.

        Raises:
            NotFoundError: there is no such ticket.
            BrokenFile: a file cannot be read.

        """
        return await asyncio.to_thread(self._fetch, ticket_id)

    async def post_note(self, ticket_id: str, note: Note) -> NoteId:
        """Write the note; the same case and key give the same file.

        Raises:
            NotFoundError: there is no such ticket.

        """
        return await asyncio.to_thread(self._post, ticket_id, note)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _fetch(self, ticket_id: str) -> Ticket:
        raw = _read(self._path(ticket_id), FileTicket)
        notes = [_read(path, FileNote) for path in (self._notes / ticket_id).glob("*.json")]
        notes.sort(key=lambda note: note.at)
        said = [Message(m.id, m.author, m.at.astimezone(UTC), m.text, m.public) for m in raw.messages]
        own = [Message(n.id, "staff", n.at.astimezone(UTC), n.text, False, _OWN, True) for n in notes]
        tags = dict.fromkeys(raw.tags)
        for note in notes:
            tags = {tag: None for tag in tags if tag not in note.untag} | dict.fromkeys(note.tags)
        priorities = [raw.priority, *(note.priority for note in notes if note.priority)]
        return Ticket(
            ticket_id,
            raw.subject,
            tuple(sorted([*said, *own], key=lambda message: message.at)),
            raw.customer.name,
            raw.customer.email,
            raw.order_ref,
            tuple(tags),
            raw.url,
            raw.status,
            priorities[-1],
        )

    def _post(self, ticket_id: str, note: Note) -> NoteId:
        self._path(ticket_id)
        name = f"{re.sub(r'[^A-Za-z0-9_-]', '_', note.case_id)}-{hashlib.sha256(note.mark.encode()).hexdigest()[:12]}"
        path = self._notes / ticket_id / f"{name}.json"
        if not path.exists():
            content = {
                "id": name, "case_id": note.case_id, "key": note.key, "at": self._clock.now().isoformat(),
                "text": f"{note.mark}\n\n{note.text}", "tags": [self._prefix + word for word in note.tags],
                "untag": [self._prefix + word for word in note.untag], "group": note.group,
                "priority": note.priority, "fields": dict(note.fields),
            }  # fmt: skip
            _write(path, content)
        return NoteId(name)

    def _path(self, ticket_id: str) -> Path:
        path = self._tickets / f"{ticket_id}.json"
        if not _ID.fullmatch(ticket_id) or not path.is_file():
            raise NotFoundError("ticket", ticket_id[:40])
        return path


def _write(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all, so that a process that dies half-way leaves no half note."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{secrets.token_hex(4)}.part")
    half.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    half.replace(path)


def _read(path: Path, model: type[M]) -> M:
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        raise BrokenFile(path, 0, problem, "correct it, as the example in api/integrations/files.py shows") from None
