"""Which addresses the desk may send to: the guard against a URL that leads into the house's own network.

A name is judged by every address that it resolves to, and the connection then goes to one of these and nowhere else.
The networks are those of the special-purpose registries of IANA (RFC 6890 and its successors), as of 2026-11;
`ipaddress.is_global` is not asked: it calls NAT64, 6to4, IPv4-compatible and multicast addresses global.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from api.errors import DeskError

IP: TypeAlias = IPv4Address | IPv6Address

Lookup: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host name, as text; an `OSError` when there are none."""

PORTS = {"https": (443, 8443), "http": (80,)}
"""Ports that need no entry of their own, by scheme; the first is the scheme's own."""

MOST_URL = 2048
"""Longest URL, in characters."""

_URL = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>\[[0-9a-f.]*:[0-9a-f:.]*\]|[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[a-z0-9/_.~!$&'()*+,;=:@%-]*)?(?P<query>\?[a-z0-9/?_.~!$&'()*+,;=:@%-]*)?",
    re.IGNORECASE | re.ASCII,
)
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")

_PRIVATE = tuple(
    map(ip_network, "10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7".split())
)
"""The house's own networks: only hosts on the admin's list may be there."""

_NEVER = tuple(
    map(
        ip_network,
        (
            # IPv4: this host, link-local (cloud metadata), protocol assignments, documentation, AS112, AMT, 6to4 relays,
            # a cloud's platform address that looks public, benchmarks, multicast, reserved
            "0.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 "
            "192.175.48.0/24 168.63.129.16/32 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 "
            # IPv6 inside the global unicast range: protocol assignments (Teredo, ORCHID, benchmarks), documentation,
            # 6to4, AS112
            "2001::/23 2001:db8::/32 3fff::/20 2002::/16 2620:4f:8000::/48"
        ).split(),
    )
)
"""No receiver is there, whoever says so."""

_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressRefusedError(DeskError):
    """The desk does not send to this address; the message never quotes it, for a webhook's URL is a secret."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be sent to, in the only reading that is used from here on."""

    scheme: str
    host: str
    """Lower-case name, or an IP address without brackets."""
    port: int
    path: str = field(repr=False)
    """Path and query as they were written: the secret part."""
    private: bool
    """Whether the admin's list lets it be in the house's own network."""

    @property
    def authority(self) -> str:
        """Value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme][0] else f"{host}:{self.port}"


def check(url: str, allow_hosts: Collection[str] = ()) -> Target:
    """The parts of a URL that may be sent to, as far as that can be told without a look-up.

    `allow_hosts` are the admin's exceptions, `host` (on the usual ports) or `host:port`: they may be in a private
    network and may be http. Nobody may be link-local, multicast or reserved.

    Raises:
        AddressRefusedError: it is not https on port 443 or 8443, has a login or an unusual spelling, or its address is
            not public; one sentence without the URL.

    """
    found = _URL.fullmatch(url) if len(url) <= MOST_URL else None
    if found is None:
        raise AddressRefusedError(
            "The URL is not plain: write https://host/path in ASCII, without login, fragment, spaces or backslashes."
        )
    scheme, host = found["scheme"].lower(), found["host"].lower().strip("[]")
    if scheme not in PORTS:
        raise AddressRefusedError("The URL does not begin with https://.")
    port = int(found["port"]) if found["port"] else PORTS[scheme][0]
    address = _literal(host)
    shown = host = host if address is None else str(address)
    if ":" in host:
        shown = f"[{host}]"
    listed = {entry.lower() for entry in allow_hosts}
    private = f"{shown}:{port}" in listed or (port in PORTS[scheme] and bool({shown, host} & listed))
    if not private:
        if scheme != "https" or port not in PORTS["https"]:
            raise AddressRefusedError("Only https on port 443 or 8443 is used, unless the host is on the list.")
        if address is None and "." not in host:
            raise AddressRefusedError("The host has no domain; only hosts on the list may have a bare name.")
    if address is not None:
        judge(address, private=private)
    return Target(scheme, host, port, (found["path"] or "/") + (found["query"] or ""), private)


async def resolve(host: str, port: int, *, private: bool = False, lookup: Lookup | None = None) -> tuple[IP, ...]:
    """Every address of a host, each one judged; the connection goes to one of them and asks no resolver again.

    Raises:
        AddressRefusedError: one of them, however many others are public, is not to be sent to; or there is none.

    """
    try:
        found = await (lookup or system_lookup)(host, port)
        addresses = tuple(dict.fromkeys(judge(ip_address(text), private=private) for text in found))
    except (OSError, ValueError):
        addresses = ()
    if not addresses:
        raise AddressRefusedError("The host name is not known; check its spelling and the name server.")
    return addresses


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """What the machine's own resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def judge(address: IP, *, private: bool = False) -> IP:
    """The address to connect to: the same one, or the IPv4 address that it stands for.

    Raises:
        AddressRefusedError: it is not public, and not merely `private` where that is allowed.

    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return judge(address.ipv4_mapped, private=private)
    if address in _NAT64:  # what DNS64 makes of a host that has IPv4 only: it is where its IPv4 address is
        judge(IPv4Address(int(address) & 0xFFFFFFFF), private=private)
        return address
    at_home = any(address in network for network in _PRIVATE)
    unicast = address.version == 4 or address in _UNICAST or at_home
    if not unicast or any(address in network for network in _NEVER):
        raise AddressRefusedError("The host's address is link-local, multicast or reserved; nothing is sent there.")
    if at_home and not private:
        raise AddressRefusedError("The host's address is private; an admin has to put the host on the list.")
    return address


def _literal(host: str) -> IP | None:
    """The address that the host is written as; None when it is a name.

    Raises:
        AddressRefusedError: it is neither, or a number that resolvers read as an address in their own ways.

    """
    try:
        return ip_address(host)
    except ValueError:
        if _NAME.fullmatch(host) is None or _NUMBER.fullmatch(host.rpartition(".")[2]):
            raise AddressRefusedError("The host is neither a plain name nor a plain IP address.") from None
        return None
