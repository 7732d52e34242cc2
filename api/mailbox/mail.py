"""One mail out of its bytes (RFC 5322, MIME): who wrote what and when, and whether a program wrote it. Pure, and bounded."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from email.policy import Compat32
from typing import Final, Literal, TypeAlias, cast

from agent.repair import html_to_text
from api.errors import DeskError
from api.mailbox.headers import (
    MOST_SUBJECT,
    Person,
    addresses,
    decoded,
    field,
    fields,
    ids,
    instant,
    person,
    words,
)
from api.reading import storable

MOST_BYTES: Final = 10_000_000
"""Bytes of a mail that are read; what follows is the rest of an attachment."""
MOST_TEXT: Final = 16 * 1024
"""UTF-8 bytes of text that are kept: the newest words stand at the top, and several mails must fit in one case."""
MOST_HTML: Final = 256 * 1024
"""Characters of HTML that are turned into text."""
MOST_FIELD: Final = 8 * 1024
"""Characters of one header field."""
MOST_CONTENT_FIELD: Final = 1024
"""Characters of a field that describes a MIME part; reading its parameters takes quadratic time."""
MOST_FIELDS: Final = 10_000
"""Header fields of a mail and all of its parts."""
MOST_HEADERS: Final = 256 * 1024
"""Bytes of the header."""
MOST_PARTS: Final = 500
"""Lines that may begin a MIME part."""
MOST_ATTACHMENTS: Final = 20
SMALL_PICTURE: Final = 30_000
"""Characters of an encoded picture inside HTML below which it is taken for decoration, such as a logo."""
CUT: Final = "\n[...]"

OWN: Final = "it comes from one of the store's own addresses"

_NAMES: Final = ("from", "to", "subject", "date", "message-id", "received")
"""One of these stands in every mail."""
_SEEN: Final = ("image/", "video/")
"""Types that show the goods: the pack's signals notice such words as `image attached`."""
_BULK: Final = frozenset({"bulk", "junk", "list"})

_Kind: TypeAlias = Literal["plain", "html"]


class MailError(DeskError):
    """Bytes that cannot be read as a mail: why."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a mail: what it is called and what it claims to be; it is never opened."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it concerns the desk."""

    message_id: str
    """Without angle brackets; `sha256:` and a hash of the mail when it bears none."""
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    """Ancestors, oldest first."""
    sender: Person
    """Who is to be answered: the From field, or Reply-To of a form that writes from an own address."""
    to: tuple[str, ...]
    """Addresses that it was sent or delivered to, in lower case."""
    subject: str
    at: datetime
    """When it was written."""
    text: str
    """Plain text, or HTML where there is no other, as `agent.intake` takes both; attachments are named in its first lines."""
    attachments: tuple[Attachment, ...]
    automatic: str
    """Why nobody waits for an answer to it; "" when somebody does."""


class _Bounded(Compat32):
    """The parser's policy: each field as it was sent, cut. The newer policies parse fields in ways that hostile ones crash."""

    left: Iterator[int] = iter(())
    """One for each field that may still come."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        if next(self.left, None) is None:
            raise MailError(f"It has more than {MOST_FIELDS} header fields.")
        return name[:100], value[: MOST_CONTENT_FIELD if name[:8].lower() == "content-" else MOST_FIELD]


def parse(raw: bytes, *, received: datetime, own: Collection[str] = ()) -> Mail:
    """The mail in `raw`.

    Args:
        raw: the mail as it was delivered; beyond `MOST_BYTES` it is not read.
        received: when it reached the store; counts as its date when its own is missing, broken or later.
        own: addresses of the store (`help@shop.example`), or whole domains of it (`@shop.example`).

    Raises:
        MailError: it is no mail, or one made to break its reader.

    """
    try:
        return _parse(raw, received, own)
    except RecursionError:
        raise MailError("It is nested too deeply to be read.") from None
    except (MessageError, ValueError, LookupError, TypeError, AttributeError):
        # all of these come out of Python's own parser for bytes that are broken on purpose
        raise MailError("It is too broken to be read as a mail.") from None


def _parse(raw: bytes, received: datetime, own: Collection[str]) -> Mail:
    mail = _message(raw[:MOST_BYTES])
    text, attachments = _content(mail)
    sender, ours = _sender(mail, own)
    to = addresses(v for name in ("to", "cc", "delivered-to", "x-original-to") for v in fields(mail, name))
    return Mail(
        message_id=next(iter(ids(field(mail, "message-id"))), "") or f"sha256:{hashlib.sha256(raw).hexdigest()}",
        in_reply_to=ids(field(mail, "in-reply-to")),
        references=ids(field(mail, "references")),
        sender=sender,
        to=to,
        subject=storable(words(field(mail, "subject"))[:MOST_SUBJECT]),
        at=written_at(mail, received),
        text=storable(text),
        attachments=attachments,
        automatic=OWN if ours else _automatic(mail, own),
    )


def written_at(mail: Message, received: datetime) -> datetime:
    """When a mail was written: its own date, else that of the server that took it in, never after `received`."""
    stamps = [field(mail, "date"), *(v.rpartition(";")[2] for v in fields(mail, "received")[:3])]
    known = (at for stamp in stamps if stamp and (at := instant(stamp)) is not None)
    return next((at for at in known if at <= received), received)


def date_of(raw: bytes, received: datetime) -> datetime:
    """`written_at` of a mail of which only the header is read.

    Raises:
        MailError: it is no mail.

    """
    end = re.search(rb"\r?\n\r?\n", raw[:MOST_HEADERS])
    return written_at(_message(raw[: end.start() if end else MOST_HEADERS]), received)


def is_own(address: str, own: Collection[str]) -> bool:
    """Whether an address, with or without a `+tag`, is one of the store's."""
    local, _, domain = address.lower().rpartition("@")
    return bool({f"{local}@{domain}", f"{local.partition('+')[0]}@{domain}", f"@{domain}"} & {o.lower() for o in own})


def _message(raw: bytes) -> Message:
    """The parsed mail.

    Raises:
        MailError: it is no mail, or too large where nothing large belongs.

    """
    head = re.search(rb"\r?\n\r?\n", raw)
    if (head.start() if head else len(raw)) > MOST_HEADERS:
        raise MailError(f"Its header has more than {MOST_HEADERS // 1024} KB.")
    for number, start in enumerate(re.finditer(rb"^--", raw, re.MULTILINE)):
        if number == MOST_PARTS:
            raw = raw[: start.start()]
            break
    policy = _Bounded(left=iter(range(MOST_FIELDS)))  # pyright: ignore[reportCallIssue] - a policy takes its attributes
    mail = message_from_bytes(raw, policy=policy)
    if not any(field(mail, name) for name in _NAMES):
        raise MailError("It has none of the fields that every mail has, such as From or Date.")
    return mail


# --- who wrote it -----------------------------------------------------------------------------------------------------


def _sender(mail: Message, own: Collection[str]) -> tuple[Person, bool]:
    """Whom to answer, and whether that is the store itself."""
    sender = person(field(mail, "from") or field(mail, "sender"))
    if not is_own(sender.address, own):
        return sender, False
    customer = person(field(mail, "reply-to"))
    if not customer.address or is_own(customer.address, own):
        return sender, True
    return customer, False  # a contact form writes in the store's name


def _automatic(mail: Message, own: Collection[str]) -> str:
    """Which mark of a program a mail bears; "" when none."""
    first = field(mail, "auto-submitted").lower().partition(";")[0].split()
    if first and first[0] != "no":
        return "a program sent it (Auto-Submitted)"
    if not _own_list(mail, own):
        if fields(mail, "list-id"):
            return "a mailing list sent it (List-Id)"
        if field(mail, "precedence").lower() in _BULK:
            return "it is bulk mail (Precedence)"
    if field(mail, "x-auto-response-suppress").lower() not in {"", "none"}:
        return "it asks for no answer (X-Auto-Response-Suppress)"
    if any(path.replace(" ", "") in {"<>", ""} for path in fields(mail, "return-path")):
        return "it is a notice of a mail server (empty Return-Path)"
    return ""


def _own_list(mail: Message, own: Collection[str]) -> bool:
    """Whether the list is the store's own address: a shared inbox such as a group of Google marks all mail like a list."""
    named = field(mail, "list-id").lower()
    return any("@" in o[1:] and f"<{o.lower().replace('@', '.')}>" in named for o in own)


# --- what it says -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    kind: _Kind
    text: str


def _content(mail: Message) -> tuple[str, tuple[Attachment, ...]]:
    """The words of a mail and what hangs on it; both bounded."""
    attachments: list[Attachment] = []
    found = _texts(mail, attachments, inside_html=False)
    kept = tuple(attachments[:MOST_ATTACHMENTS])
    named = [f"[{a.type.partition('/')[0] if a.type.startswith(_SEEN) else 'file'} attached: {a.name}]" for a in kept]
    if all(part.kind == "plain" for part in found):
        return "\n".join([*named, _cut("\n\n".join(part.text for part in found))]).strip("\n"), kept
    whole = "\n".join(part.text if part.kind == "html" else f"<div>{_as_html(part.text)}</div>" for part in found)
    return "\n".join([*(f"<p>{html.escape(n)}</p>" for n in named), f"<div>{_slim(whole)}</div>"]), kept


def _texts(part: Message, attachments: list[Attachment], *, inside_html: bool) -> list[_Text]:
    """The texts of a part in the order in which a reader sees them; what is no text goes to `attachments`."""
    kind = part.get_content_type()
    if part.is_multipart() and kind != "message/rfc822":
        inside = [
            _texts(child, attachments, inside_html=inside_html or kind == "multipart/related")
            for child in cast("Sequence[Message]", part.get_payload())
        ]
        if kind == "multipart/alternative":
            told = [texts for texts in inside if any(t.text.strip() for t in texts)]
            return next((t for t in told if all(x.kind == "plain" for x in t)), told[0] if told else [])
        return [text for texts in inside for text in texts if text.text.strip()]
    name = part.get_filename() or ""
    shown = part.get_content_disposition() != "attachment" and not name
    if shown and (kind in {"text/plain", "text/html"} or kind.startswith("multipart/")):  # one without its boundaries
        return [_Text("html" if kind == "text/html" else "plain", _payload(part))]
    small = inside_html and kind.startswith("image/") and len(str(part.get_payload())) < SMALL_PICTURE
    other_form = shown and kind.startswith("text/")
    if not (small or other_form or kind.endswith("-signature")) and len(attachments) < MOST_ATTACHMENTS:
        attachments.append(Attachment(_file_name(name), kind[:100]))
    return []


def _payload(part: Message) -> str:
    data = part.get_payload(decode=True)
    charset = part.get_content_charset("") or ""
    text = decoded(data[: 4 * MOST_HTML], str(charset)) if isinstance(data, bytes) else ""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _file_name(name: str) -> str:
    clean = re.sub(r"[\[\]<>/\\\s]+", " ", words(str(name))).strip()
    return storable(clean[-80:]) or "without a name"


def _cut(text: str) -> str:
    data = text.encode("utf-8", "replace")
    return text if len(data) <= MOST_TEXT else data[:MOST_TEXT].decode("utf-8", "ignore") + CUT


def _slim(whole: str) -> str:
    """HTML as it is when it is short, else its words alone; what it hid stays hidden, so that the desk still notices."""
    if len(whole.encode("utf-8", "replace")) <= MOST_TEXT:
        return whole
    shown, hidden = html_to_text(whole[:MOST_HTML])
    return _cut(_as_html(shown)) + (f"<div hidden>{html.escape(hidden[:1000])}</div>" if hidden else "")


def _as_html(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br>\n")
