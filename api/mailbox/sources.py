"""Where mails lie in files: a single mail, an mbox, a Maildir, a folder of these, or standard input."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from api.errors import UsageError
from api.mailbox.mail import MOST_BYTES, MOST_HEADERS, MailError, date_of
from api.mailbox.take import Raw

_SEPARATOR: Final = re.compile(
    rb"^From [^\r\n]{0,500}?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? [^\r\n]{0,100}\d\d:\d\d[^\r\n]{0,100}\r?\n", re.MULTILINE
)
"""The line before each mail of an mbox: `From`, a sender, and a date as C writes it. Words of a mail do not look like that."""
_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_FOLDED: Final = ("*.eml", "*.mbox")
_MAILDIR: Final = ("cur", "new")


@dataclass(frozen=True, slots=True)
class Source:
    """One mail, read when it is its turn."""

    name: str
    read: Callable[[int], bytes]
    """The first so many bytes of it."""


def find(path: Path) -> list[Source]:
    """All mails at `path`.

    Raises:
        UsageError: there is nothing there, or no mail in it.

    """
    if path.is_dir():
        files = _files(path)
        if not files:
            raise UsageError(f"{path} holds neither a Maildir nor files named *.eml or *.mbox; name the file itself.")
        return [source for file in files for source in _in_file(file)]
    if not path.is_file():
        raise UsageError(f"There is no file or folder {path}; check the path.")
    if path.stat().st_size == 0:
        raise UsageError(f"{path} is empty; name a file that holds mail.")
    return list(_in_file(path))


def of_bytes(data: bytes, name: str) -> list[Source]:
    """All mails in bytes that were read already."""
    if not data.strip():
        raise UsageError(f"{name} is empty; give it a mail or an mbox.")
    return [
        Source(label, partial(_of_slice, data, start, end, unquote=many))
        for label, start, end, many in _split(data, name)
    ]


def by_date(sources: Sequence[Source], now: datetime, tell: Callable[[int], None]) -> list[Source]:
    """The mails, oldest first, so that an answer finds the case of what it answers; `tell` hears how many are dated."""
    dated: list[tuple[datetime, int]] = []
    for number, source in enumerate(sources):
        try:
            at = date_of(source.read(MOST_HEADERS + 4), now)
        except MailError:
            at = now  # what is wrong is told when it is its turn
        dated.append((at, number))
        tell(number + 1)
    return [sources[number] for _, number in sorted(dated)]


def raws(sources: Sequence[Source], now: datetime) -> Iterator[Raw]:
    """The mails themselves, one in memory at a time."""
    return (Raw(source.name, source.read(MOST_BYTES), now) for source in sources)


def _files(folder: Path) -> list[Path]:
    found = {path for pattern in _FOLDED for path in folder.rglob(pattern)}
    for name in _MAILDIR:
        found |= {path for inside in [folder, *folder.rglob(name)] if inside.name == name for path in inside.iterdir()}
    return sorted(path for path in found if path.is_file() and path.stat().st_size)


def _in_file(path: Path) -> Iterator[Source]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for label, start, end, many in _split(data, str(path)):
            yield Source(label, partial(_of_file, path, start, end, unquote=many))


def _split(data: bytes | mmap.mmap, name: str) -> Iterator[tuple[str, int, int, bool]]:
    """Name, first byte and end of each mail, and whether it is one of an mbox."""
    if data[:5] != b"From ":
        yield name, 0, len(data), False
        return
    first = data.find(b"\n") + 1 or len(data)
    heads = [(0, first), *((m.start(), m.end()) for m in _SEPARATOR.finditer(data, first))]
    for number, (_, start) in enumerate(heads, start=1):
        end = heads[number][0] if number < len(heads) else len(data)
        yield f"{name} mail {number}", start, end, True


def _of_file(path: Path, start: int, end: int, most: int, *, unquote: bool) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return _mail(file.read(min(end - start, most)), unquote=unquote)


def _of_slice(data: bytes, start: int, end: int, most: int, *, unquote: bool) -> bytes:
    return _mail(data[start : min(end, start + most)], unquote=unquote)


def _mail(data: bytes, *, unquote: bool) -> bytes:
    """A mail without the blank line that ends it in an mbox, and without the marks before its lines with `From`."""
    if not unquote:
        return data
    ended = data[:-1] if data.endswith(b"\n\n") else data[:-2] if data.endswith(b"\n\r\n") else data
    return _QUOTED.sub(rb"\1", ended)
