from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

import pytest

from api.outgoing import address
from api.outgoing.address import AddressRefusedError, check, judge, resolve
from api.outgoing.message import NotTaken
from api.outgoing.transport import post
from tests.fakes.outside import Names, connects, outside

NUMBERS = """
127.0.0.1 127.1 127.0.1 127.255.255.254 127.000.000.001 0177.0.0.1 0177.1 0177.0.0.01 00000177.0.0.1 017700000001
0x7f.0.0.1 0x7f.1 0x7F000001 0x7f000001 0X7F.0X0.0X0.0X1 2130706433 2130706434 0x7f.0.1 127.0x0.0.1 0177.0x0.0.1
4294967295 0 0.0.0.0 0.0.0.1 0x0 00 10.0.0.1 10.1 0xa.1 012.1 167772161 0x0a000001 172.16.0.1 172.31.255.255 192.168.0.1
192.168.1 3232235521 0xc0a80001 169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 100.64.0.1
100.127.255.254 192.0.0.8 192.0.0.170 192.0.2.1 198.51.100.7 203.0.113.9 198.18.0.1 198.19.255.255 192.88.99.1
168.63.129.16 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 192.31.196.1 192.52.193.1 192.175.48.1
127.0.0.1. 127.1. 2130706433. 0x7f.1. 127..0.1 .127.0.0.1 127.0.0.1.. 127.0.0.256 1.2.3 0x 127.0.0.0x1 256.256.256.256
""".split()

IPV6 = """
::1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 ::0001 :: 0::0 ::127.0.0.1 ::7f00:1 ::ffff:127.0.0.1
::ffff:7f00:1 ::FFFF:7F00:0001 0:0:0:0:0:ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0
::ffff:0:127.0.0.1 ::169.254.169.254 ::8.8.8.8 64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b::169.254.169.254
64:ff9b::0.0.0.0 64:ff9b::224.0.0.1 64:ff9b:1::127.0.0.1 64:ff9b:1::8.8.8.8 64:ff9b:1:7f00:0:1:: 2002:7f00:1::
2002:7f00:1::1 2002:a00:1:: 2002:a9fe:a9fe::1 2002:808:808::1 2001:0:7f00:1:: 2001:0:808:808:0:0:80ff:fffe 2001::1 2001:2::1
2001:10::1 2001:20::1 2001:db8::1 3fff::1 fc00::1 fd00::1 fd00:ec2::254 fe80::1 febf::1 fec0::1 feff::1 ff02::1
ff0e::1 100::1 100:0:0:1::1 4000::1 5f00::1 ::2 200::1 2620:4f:8000::1
""".split()

WRITTEN = """
localhost localhost. LOCALHOST localhost.localdomain ip6-localhost intranet db
①②⑦.⓪.⓪.① １２７.0.0.1 127。0。0。1 ⓵⓶⓻.⓪.⓪.⓵ ⑴⑵⑺.0.0.1 ｌｏｃａｌｈｏｓｔ loc\u00adalhost local\u200bhost lоcalhost.example ⅼocalhost
bücher.example evil。example evil．example evil｡example ß.example ℀.example
%31%32%37.0.0.1 127%2e0%2e0%2e1 127.0.0.1%00 127.0.0.1%2f.example localhost%00.example [127.0.0.1] [8.8.8.8] [::1 ::1] [::1]] [[::1]]
[::1%25lo] [fe80::1%25eth0] [::1%lo] [v1.::1] [] [:] [::::] _.example a_b.example -a.example a-.example a..example
.example example. example.. *.example a.127 a.0x7f a.0 1.2.3.4.5 xn--.example. a,b.example a;b.example
""".split()

WHOLE = [
    "", "https://", "https:", "https:///", "https:///path", "//hooks.example:{port}/", "/path", "hooks.example:{port}", "https:hooks.example",
    "https:/hooks.example:{port}/", "https:\\\\hooks.example:{port}\\", "https://hooks.example\\@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\\@hooks.example/", "https://hooks.example@127.0.0.1:{port}/", "https://127.0.0.1:{port}@hooks.example/",
    "https://user:pass@hooks.example:{port}/", "https://@hooks.example:{port}/", "https://:@hooks.example:{port}/",
    "https://hooks.example:{port}#@127.0.0.1/", "https://hooks.example:{port}/#x", "https://hooks.example#@127.0.0.1:{port}/",
    "https://hooks.example?@127.0.0.1:{port}/", "https://hooks.example:443@127.0.0.1:{port}/", "https://hooks.example&@127.0.0.1:{port}/",
    "https://hooks.example%40127.0.0.1:{port}/", "https://hooks.example:443:{port}/", "https://hooks.example:/", "https://hooks.example:0/",
    "https://hooks.example:-443/", "https://hooks.example:+443/", "https://hooks.example:443a/", "https://hooks.example:99999/",
    "https://hooks.example:65979/", "https://hooks.example:４４３/", "https://hooks.example:22/", "https://hooks.example:80/",
    "https://hooks.example:6379/", "https://hooks.example:8080/", "https://hooks.example:000000443/",
    "http://hooks.example/", "http://hooks.example:443/", "http://hooks.example:{port}/", "http://127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd", "gopher://127.0.0.1:{port}/_x", "dict://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/", "wss://127.0.0.1:{port}/",
    "ldap://127.0.0.1:{port}/", "data:text/plain,x", "javascript:alert(1)", "unix:///var/run/docker.sock", "jar:https://127.0.0.1:{port}!/",
    "https://hoo\u212as.example:{port}/", "https://hook\u017f.example:{port}/", "https+unix://127.0.0.1:{port}/", "hſſps://127.0.0.1:{port}/", "httpſ://127.0.0.1:{port}/", "url:https://127.0.0.1:{port}/",
    " https://hooks.example:{port}/", "https://hooks.example:{port}/ ", "https://hooks.example:{port}/a b", "https://hooks.example :{port}/",
    "https://hooks.example:{port}/\r\nHost: 127.0.0.1", "https://hooks.example:{port}/\n", "\nhttps://hooks.example:{port}/", "https://hooks\t.example:{port}/",
    "https://hooks.example:{port}/\x00", "https://hooks.example\x00.127.0.0.1:{port}/", "https://hooks.example:{port}/ü",
    "https://hooks.example:{port}/<script>", "https://hooks.example:{port}/" + "a" * 2048, "https://" + "a" * 300 + ".example:{port}/",
    "https://" + "a" * 64 + ".example:{port}/",
]  # fmt: skip

FORMS = [
    *[f"https://{host}:{{port}}/hook" for host in NUMBERS],
    *[f"https://[{host}]:{{port}}/hook" for host in IPV6],
    *[f"https://{host}:{{port}}/hook" for host in WRITTEN],
    *WHOLE,
]

RESOLVED = {"https://localhost.localdomain:{port}/hook", "https://hooks.example?@127.0.0.1:{port}/"}
"""Well-formed, so that only what the name resolves to can tell; all others are refused before any look-up."""

LYING = {
    "loopback.example": ["127.0.0.1"], "six.example": ["::1"], "zero.example": ["::"], "home.example": ["192.168.1.20"],
    "metadata.example": ["169.254.169.254"], "mapped.example": ["::ffff:127.0.0.1"], "compatible.example": ["::127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"], "nat64-home.example": ["64:ff9b::10.0.0.5"], "6to4.example": ["2002:7f00:1::1"],
    "teredo.example": ["2001:0:4136:e378:8000:63bf:80ff:fffe"], "site.example": ["fec0::1"], "link.example": ["fe80::1%eth0"],
    "second.example": ["93.184.216.34", "127.0.0.1"], "last.example": ["93.184.216.34", "2606:2800:220:1::1", "10.0.0.1"],
    "sixth.example": ["2606:2800:220:1::1", "::1"], "none.example": [], "garbage.example": ["no address"], "multicast.example": ["224.0.0.251"],
}  # fmt: skip
"""Names whose owner points them into the house."""


def test_there_are_more_forms_than_the_120_that_were_asked_for():
    assert len(set(FORMS)) == len(FORMS)
    assert len(FORMS) + len(LYING) >= 250


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_a_forbidden_url_sends_a_packet(form: str, monkeypatch: pytest.MonkeyPatch):
    names = Names({"hooks.example": [["127.0.0.1"]]})
    asyncio.run(_sends_nothing(form, names, monkeypatch))
    assert names.asked == [] or form in RESOLVED


@pytest.mark.parametrize("host", LYING)
def test_no_name_that_leads_into_the_house_sends_a_packet(host: str, monkeypatch: pytest.MonkeyPatch):
    names = Names({host: [LYING[host]]})
    asyncio.run(_sends_nothing(f"https://{host}:{{port}}/", names, monkeypatch))
    assert set(names.asked) == {host}


async def _sends_nothing(form: str, names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    async with outside() as four, outside("::1") as six:
        for sentinel in (four, six):
            # The listener's port counts as a usual one, so that nothing but the guard keeps a packet from it.
            monkeypatch.setattr(address, "PORTS", {"https": (443, 8443, sentinel.port), "http": (80,)})
            with connects() as tried, pytest.raises(NotTaken) as caught:
                await post(form.replace("{port}", str(sentinel.port)), b"{}", {}, timeout_s=5, lookup=names)
            assert tried == []
            assert not any(part in str(caught.value) for part in ("127", "example", "hook", str(sentinel.port)))
        assert (four.connections, six.connections) == (0, 0)


def test_the_sentinel_would_notice_a_packet():
    async def story() -> None:
        async with outside() as four, outside("::1") as six:
            for sentinel, host in ((four, "127.0.0.1"), (six, "[::1]")):
                place = f"{host}:{sentinel.port}"
                with connects() as tried:
                    answer = await post(f"http://{place}/", b"{}", {}, allow=[place])
                assert (answer.status, tried, sentinel.connections) == (204, [(host.strip("[]"), sentinel.port)], 1)

    asyncio.run(story())


def test_the_resolver_would_read_odd_numbers_as_loopback():
    """Without which the forms above would be harmless."""
    for host in ("127.1", "0177.0.0.1", "0x7f.1", "2130706433", "①②⑦.⓪.⓪.①", "127。0。0。1"):
        found = socket.getaddrinfo(host, 443, flags=socket.AI_NUMERICHOST)
        assert {entry[4][0] for entry in found} == {"127.0.0.1"}


def test_a_name_that_is_public_first_and_loopback_then_is_asked_once_and_connected_to_where_it_was_public():
    names = Names({"rebind.example": [["93.184.216.34"], ["127.0.0.1"]]})

    async def story() -> None:
        with connects(refuse=True) as tried, pytest.raises(NotTaken, match="nobody answers"):
            await post("https://rebind.example/x", b"{}", {}, lookup=names)
        assert names.asked == ["rebind.example"]
        assert tried == [("93.184.216.34", 443)]
        with connects(refuse=True) as tried, pytest.raises(NotTaken, match="private"):
            await post("https://rebind.example/x", b"{}", {}, lookup=names)
        assert tried == []

    asyncio.run(story())


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://hooks.example", "hooks.example", 443, "/", "hooks.example"),
        ("HTTPS://Hooks.Example:443/T/b?c=%20d", "hooks.example", 443, "/T/b?c=%20d", "hooks.example"),
        ("https://hooks.example:8443?x", "hooks.example", 8443, "/?x", "hooks.example:8443"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
        ("https://8.8.8.8/", "8.8.8.8", 443, "/", "8.8.8.8"),
        ("https://[2606:4700:0:0::1111]/", "2606:4700::1111", 443, "/", "[2606:4700::1111]"),
        ("https://3com.example/", "3com.example", 443, "/", "3com.example"),
    ],
)
def test_a_plain_public_url_is_read_as_it_is_written(url: str, host: str, port: int, path: str, authority: str):
    target = check(url)
    assert (target.host, target.port, target.path, target.private) == (host, port, path, False)
    assert target.authority == authority
    assert path == "/" or path not in repr(target)


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "192.167.0.1", "2606:4700::1111", "2a00::1"]
)
def test_public_addresses_pass_unchanged(text: str):
    assert judge(ip_address(text)) == ip_address(text)


def test_an_ipv4_address_in_ipv6_clothes_is_judged_as_what_it_is():
    assert str(judge(ip_address("::ffff:8.8.8.8"))) == "8.8.8.8"
    assert str(judge(ip_address("64:ff9b::8.8.8.8"))) == "64:ff9b::808:808"
    assert str(judge(ip_address("::ffff:10.0.0.1"), private=True)) == "10.0.0.1"


@pytest.mark.parametrize(
    ("url", "listed"),
    [
        ("http://chat.internal/", ["chat.internal"]), ("https://chat.internal/", ["chat.internal"]),
        ("https://chat.internal:8443/", ["chat.internal"]), ("http://chat.internal:9000/", ["chat.internal:9000"]),
        ("https://CHAT.internal:9000/", ["Chat.Internal:9000"]), ("http://chat/", ["chat"]), ("https://10.0.0.5/", ["10.0.0.5"]),
        ("http://[::1]:99/", ["[::1]:99"]), ("https://[::1]/", ["::1"]),
    ],
)  # fmt: skip
def test_a_host_on_the_list_may_be_private_and_http(url: str, listed: list[str]):
    assert check(url, listed).private


@pytest.mark.parametrize(
    ("url", "listed"),
    [
        ("http://chat.internal:9000/", ["chat.internal"]), ("http://chat.internal:9001/", ["chat.internal:9000"]),
        ("http://chat.internal/", ["chat.internal:9000"]), ("http://a.chat.internal/", ["chat.internal"]),
        ("http://chat.internal.evil.example/", ["chat.internal"]), ("http://xchat.internal/", ["chat.internal"]),
        ("http://chat.internal/", ["*.internal", "internal", ".internal", "http://chat.internal/", ""]),
        ("https://10.0.0.5/", ["10.0.0.0/8", "10.0.0.50"]), ("ftp://chat.internal/", ["chat.internal"]),
        ("http://user@chat.internal/", ["chat.internal"]), ("https://169.254.169.254/", ["169.254.169.254"]),
        ("https://[fe80::1]/", ["fe80::1"]), ("https://0.0.0.1/", ["0.0.0.1"]), ("https://[::ffff:169.254.169.254]/", ["::ffff:a9fe:a9fe"]),
    ],
)  # fmt: skip
def test_the_list_means_its_hosts_exactly_and_never_link_local_or_reserved_addresses(url: str, listed: list[str]):
    with pytest.raises(AddressRefusedError):
        check(url, listed)


def test_a_listed_name_may_resolve_to_the_house_but_not_to_the_metadata_of_its_cloud():
    names = Names({"chat.internal": [["10.0.0.5", "fd00::5"], ["10.0.0.5", "169.254.169.254"]]})
    found = asyncio.run(resolve("chat.internal", 443, private=True, lookup=names))
    assert [str(a) for a in found] == ["10.0.0.5", "fd00::5"]
    with pytest.raises(AddressRefusedError, match="link-local"):
        asyncio.run(resolve("chat.internal", 443, private=True, lookup=names))


def test_a_name_that_nobody_knows_is_refused_in_one_sentence():
    async def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(AddressRefusedError, match="not known"):
        asyncio.run(resolve("nobody.example", 443, lookup=unknown))


def test_the_machines_own_resolver_is_asked_for_all_addresses():
    assert "127.0.0.1" in asyncio.run(address.system_lookup("127.0.0.1", 443))
    with pytest.raises(AddressRefusedError, match="private"):
        asyncio.run(resolve("localhost", 443))
