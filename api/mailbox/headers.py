"""Header fields of a mail as a reader would see them, however broken; nothing here raises on what a stranger wrote."""

from __future__ import annotations

import base64
import binascii
import codecs
import quopri
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Final

MOST_ID: Final = 900
"""Characters of a Message-ID that count; a line of a mail holds at most 998."""
MOST_IDS: Final = 50
"""Mails that one mail may name as its ancestors; the newest count."""
MOST_ADDRESS: Final = 320
MOST_NAME: Final = 200
MOST_SUBJECT: Final = 500
_FIRST_YEAR: Final = 1990

_WORD: Final = re.compile(r"=\?([^?*\s]{1,40})(?:\*[^?\s]{0,20})?\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_GAP: Final = re.compile(r"(?<=\?=)\s+(?==\?)")
_ID: Final = re.compile(rf"<\s*([\x21-\x3b\x3d\x3f-\x7e]{{1,{MOST_ID}}})\s*>")
_BARE_ID: Final = re.compile(rf"[\x21-\x3b\x3d\x3f-\x7e]{{1,{MOST_ID}}}")
_ADDRESS: Final = re.compile(r"[^\s<>()\[\],;:\"\\@\x00-\x1f]{1,64}@[^\s<>()\[\],;:\"\\@\x00-\x1f]{1,255}")
_ANGLE: Final = re.compile(rf"<\s*(?:mailto:)?({_ADDRESS.pattern})\s*>")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_WIDER: Final = {
    "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949", "shift_jis": "cp932",
}  # fmt: skip
"""What mail programs really write when they name these."""
_NO_CHARSET: Final = frozenset({"ascii", "punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"})
"""ASCII is what many claim who write more; the others are codecs of Python only, two of which take quadratic time."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who stands in an address field."""

    name: str = ""
    address: str = ""


def field(mail: Message, name: str) -> str:
    """The first field of that name on one line, as it was sent; "" when there is none."""
    return next(iter(fields(mail, name)), "")


def fields(mail: Message, name: str) -> list[str]:
    """All fields of that name, each on one line, as they were sent."""
    wanted = name.lower()
    return [" ".join(_eight_bit(str(v)).split()) for n, v in mail.raw_items() if n.lower() == wanted]


def words(value: str) -> str:
    """A field with its encoded words (RFC 2047) decoded; what cannot be decoded is replaced."""
    value = _GAP.sub("", value)
    said: list[str] = []
    held, charset, end = b"", "", 0
    for m in _WORD.finditer(value):
        if m.start() > end or m[1].lower() != charset:
            said += [decoded(held, charset), value[end : m.start()]]
            held = b""
        charset = m[1].lower()
        held += _word_bytes(m[2].lower(), m[3])  # a letter may be split over two words
        end = m.end()
    text = "".join([*said, decoded(held, charset), value[end:]])
    return " ".join(_CONTROL.sub(" ", text).split())


def person(value: str) -> Person:
    """The first person of an address field; a display name is a source of nothing but a name."""
    first = value[:2000]
    angles = list(_ANGLE.finditer(first))
    found = angles[-1] if angles and "," not in _unquoted(first) else _ANGLE.search(first) or _ADDRESS.search(first)
    if found is None:
        return Person(words(first)[:MOST_NAME])
    address = found[1] if found.re is _ANGLE else found[0]
    rest = first[: found.start()] if found.re is _ANGLE else first[found.end() :].strip(" ()")
    name = words(rest.strip().strip('"').replace('\\"', '"'))
    return Person(name[:MOST_NAME], address if len(address) <= MOST_ADDRESS else "")


def addresses(values: Iterable[str]) -> tuple[str, ...]:
    """Every address in these fields, in lower case, each once."""
    return tuple(dict.fromkeys(a.lower() for value in values for a in _ADDRESS.findall(value[:20_000])))


def is_address(text: str) -> bool:
    """Whether a text is one address that every mail server takes, and nothing beside it."""
    return text.isascii() and len(text) <= MOST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def written(text: str, name: str = "") -> str:
    """Any text as the value of the field `name`, in printable ASCII on lines of their due length.

    Written by hand because the library's own fields decode an encoded word in what they are given, line breaks and all.
    """
    clean = " ".join(_CONTROL.sub(" ", text).split())
    charset = "us-ascii" if clean.isascii() and "=?" not in clean else "utf-8"
    return Header(clean, charset, header_name=name).encode(linesep="\r\n")


def written_person(who: Person, name: str = "") -> str:
    """A person as the value of an address field; the address is one by `is_address`."""
    clean = " ".join(_CONTROL.sub(" ", who.name).split())
    if not clean:
        return who.address
    if clean.isascii() and "=?" not in clean:
        escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{who.address}>'
    return f"{written(clean, name)}\r\n <{who.address}>"


def ids(value: str) -> tuple[str, ...]:
    """Message-IDs in a field without their angle brackets, oldest first; those that no mail may bear are left out."""
    found = _ID.findall(value) or ([value] if _BARE_ID.fullmatch(value) else [])
    return tuple(dict.fromkeys(found))[-MOST_IDS:]


def instant(value: str) -> datetime | None:
    """A date of a mail in UTC; None when it cannot be right."""
    try:
        at = parsedate_to_datetime(value[:200])
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.year >= _FIRST_YEAR else None


def decoded(data: bytes, charset: str) -> str:
    """Text of bytes in the charset that they claim, else UTF-8, else Windows-1252; broken places are replaced."""
    claimed = _codec(charset)
    for name in (claimed, "utf-8"):
        try:
            return data.decode(name or "utf-8")
        except UnicodeError:
            continue
    return data.decode(claimed or "cp1252", "replace")


def _codec(charset: str) -> str:
    """Python's name of a charset; "" when it says nothing."""
    try:
        name = codecs.lookup(charset.strip().strip("\"'")).name
        "".encode(name)  # refuses what turns bytes into bytes, such as zlib
    except (LookupError, ValueError, TypeError):
        return ""
    return "" if name in _NO_CHARSET else _WIDER.get(name, name)


def _eight_bit(value: str) -> str:
    """The parser keeps bytes beyond ASCII as surrogates."""
    if value.isascii():
        return value
    data = value.encode("ascii", "surrogateescape") if _only_escaped(value) else value.encode("utf-8", "replace")
    return decoded(data, "")


def _only_escaped(value: str) -> bool:
    return all(ord(c) < 128 or 0xDC80 <= ord(c) <= 0xDCFF for c in value)


def _unquoted(value: str) -> str:
    return re.sub(r'"[^"]*"', "", value)


def _word_bytes(how: str, text: str) -> bytes:
    data = text.encode("ascii", "replace")
    if how == "q":
        return quopri.decodestring(data, header=True)
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return data
