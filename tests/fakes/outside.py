"""The world outside, on loopback: an endpoint that behaves as it is told, and a record of every connection tried."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from typing import Any
from unittest import mock

import pytest

from api.outgoing.message import Message

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class Stopped:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


def message(**changes: Any) -> Message:
    """News of one draft."""
    given = {
        "key": "draft_1:desk", "kind": "draft.ready", "subject": "Draft ready", "text": "Case c_81, order #1042.",
        "link": "https://desk.example/cases/c_81", "data": {"case": "c_81"}, "at": NOW,
    }  # fmt: skip
    return Message(**(given | changes))


@dataclass
class Request:
    """One request as it came in."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Outside:
    """A server on loopback; `answer` says in bytes what it answers, piece by piece with `pause` seconds between."""

    port: int = 0
    connections: int = 0
    requests: list[Request] = field(default_factory=list)
    answer: Sequence[bytes] = (b"HTTP/1.1 204 No Content\r\n\r\n",)
    pause: float = 0.0
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    def says(self, status: str, *lines: str, body: bytes = b"") -> None:
        """Answer with a whole response."""
        head = "\r\n".join([f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""])
        self.answer = (head.encode() + body,)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (h.partition(":") for h in head[1:] if h)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append(Request(head[0], headers, body))
            for piece in self.answer:
                writer.write(piece)
                await writer.drain()
                if self.pause:
                    await asyncio.sleep(self.pause)
                if reader.at_eof():  # the client has closed
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()


@asynccontextmanager
async def outside(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Outside]:
    """A server on a free port of `host`; on leaving, every connection has to be closed by then or is cut."""
    one = Outside()
    server = await asyncio.start_server(one.serve, host, 0, ssl=tls)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        for writer in list(one.open):
            writer.transport.abort()
        await server.wait_closed()


@contextmanager
def connects(*, refuse: bool = False) -> Iterator[list[tuple[str, int]]]:
    """Every address that the event loop connects to, in order; with `refuse` none of them answers."""
    tried: list[tuple[str, int]] = []
    real = BaseSelectorEventLoop.sock_connect

    async def noted(self: Any, sock: Any, address: tuple[Any, ...]) -> None:
        tried.append((address[0], address[1]))
        if refuse:
            raise ConnectionRefusedError("nobody there")
        await real(self, sock, address)

    with mock.patch.object(BaseSelectorEventLoop, "sock_connect", noted):
        yield tried


class Names:
    """A resolver with a table of its own; each look-up of a name takes the next of its answers, the last one stays.

    What is not in the table is read as the machine's resolver reads numbers, without asking a name server.
    """

    def __init__(self, table: Mapping[str, Sequence[Sequence[str]]] | None = None) -> None:
        self.table = {name: list(answers) for name, answers in (table or {}).items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        import socket

        self.asked.append(host)
        if (answers := self.table.get(host)) is not None:
            return answers.pop(0) if len(answers) > 1 else answers[0]
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [str(entry[4][0]) for entry in found]


def certificate(folder: Path, name: str) -> Path:
    """A certificate (cert.pem) for `DNS:host` or `IP:address` and its key (key.pem), signed by itself."""
    if which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test".split()
    names = ["-addext", f"subjectAltName={name}", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command, *names], cwd=folder, check=True, capture_output=True)
    return folder
