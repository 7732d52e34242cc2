"""One HTTP request to an address outside: no redirect, no proxy, no second try, no wait beyond its time."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache

import httpx

from api.outgoing.address import IP, AddressRefusedError, Lookup, Target, check, resolve
from api.outgoing.message import NotTaken

TIMEOUT_S = 15.0
"""Longest time for a whole call, from the look-up of the name to the end of the answer, in seconds."""
CONNECT_S = 5.0
"""Longest time for the connection to one of a host's addresses, in seconds; then the next one has its turn."""
MOST_ANSWER = 64 * 1024
"""Bytes of an answer that are read."""
MOST_RETRY_AFTER = timedelta(hours=24)

_KEPT = ("content-type", "retry-after")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said."""

    status: int
    headers: Mapping[str, str]
    """Content-Type and Retry-After, by lower-case name, where it sent them."""
    body: bytes
    """The first 64 KB."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one receiver listens.

    Raises:
        AddressRefusedError: nothing may be sent there (see `check`).

    """

    url: str = field(repr=False)
    """A secret: whoever knows it can write to the receiver."""
    allow: Collection[str] = ()
    """The admin's exceptions, as `check` takes them."""
    timeout_s: float = TIMEOUT_S
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """Which certificates are trusted; None for those of the public authorities."""
    lookup: Lookup | None = field(default=None, repr=False)
    """Resolver of names; None for the machine's own."""

    def __post_init__(self) -> None:
        check(self.url, self.allow)

    async def deliver(self, body: bytes, headers: Mapping[str, str], now: datetime) -> None:
        """Post the body, and be content with nothing but a 2xx.

        Raises:
            NotTaken: any other answer, or none.

        """
        answer = await post(
            self.url, body, headers,
            allow=self.allow, timeout_s=self.timeout_s, tls=self.tls, lookup=self.lookup,
        )  # fmt: skip
        if refusal := refusal_of(answer, now):
            raise refusal


async def post(
    url: str, body: bytes, headers: Mapping[str, str], *, allow: Collection[str] = (), timeout_s: float = TIMEOUT_S,
    tls: ssl.SSLContext | None = None, lookup: Lookup | None = None,
) -> Answer:  # fmt: skip
    """The answer to one POST, whatever its status.

    Raises:
        NotTaken: nothing may be sent there, nobody is there, or no whole answer came in `timeout_s` seconds.

    """
    try:
        async with asyncio.timeout(timeout_s):
            target = check(url, allow)
            addresses = await resolve(target.host, target.port, private=target.private, lookup=lookup)
            return await _first_connected(target, addresses, body, headers, tls or _public_authorities())
    except TimeoutError:
        raise NotTaken(f"no answer within {timeout_s:g} s") from None
    except AddressRefusedError as error:
        sentence = str(error).rstrip(".")
        raise NotTaken(sentence[:1].lower() + sentence[1:]) from None


async def _first_connected(
    target: Target, addresses: Sequence[IP], body: bytes, headers: Mapping[str, str], tls: ssl.SSLContext
) -> Answer:
    """The answer from the first address that lets itself be connected to; only there is the request sent."""
    reason = ""
    for address in addresses:
        try:
            return await _ask(target, address, body, headers, tls)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            reason = _why_unconnected(error)
        except httpx.TransportError:
            reason = "the connection broke off before a whole answer came"
            break
    raise NotTaken(reason)


async def _ask(target: Target, address: IP, body: bytes, headers: Mapping[str, str], tls: ssl.SSLContext) -> Answer:
    # The transport alone, without httpx.Client: a client logs every URL, and knows redirects, proxies and cookies.
    request = httpx.Request(
        "POST",
        httpx.URL(scheme=target.scheme, host=str(address), port=target.port, raw_path=target.path.encode("ascii")),
        headers={"User-Agent": "escalation-desk", "Accept-Encoding": "identity", "Connection": "close"}
        | {"Host": target.authority}
        | dict(headers),
        content=body,
        extensions={"sni_hostname": target.host, "timeout": {"connect": CONNECT_S}},
    )
    async with httpx.AsyncHTTPTransport(verify=tls, trust_env=False, retries=0) as transport:
        response = await transport.handle_async_request(request)
        read = bytearray()
        async for part in response.aiter_raw():
            read += part
            if len(read) >= MOST_ANSWER:
                break
        await response.aclose()
    kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
    return Answer(response.status_code, kept, bytes(read[:MOST_ANSWER]))


@cache
def _public_authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _why_unconnected(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its TLS certificate is not valid"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS"
        cause = cause.__cause__ or cause.__context__  # the pool of connections cuts the first of these
    return "nobody answers at its address"


def refusal_of(answer: Answer, now: datetime) -> NotTaken | None:
    """Why an answer means that the message was not taken; None when it was."""
    status = answer.status
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return NotTaken(f"it answered with a redirect ({status}), and none is followed")
    asked = answer.headers.get("retry-after", "") if status in {429, 503} else ""
    return NotTaken(f"it answered with status {status}", retry_after=wait_asked(asked, now), gone=status == 410)


def wait_asked(text: str, now: datetime) -> timedelta | None:
    """How long a Retry-After of seconds or of a date means, at most 24 h; None when it means nothing."""
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text, re.ASCII):
        return min(timedelta(seconds=int(text)), MOST_RETRY_AFTER) if len(text) < 10 else MOST_RETRY_AFTER
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(wait, MOST_RETRY_AFTER) if wait > timedelta(0) else None
