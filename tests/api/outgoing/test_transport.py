from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.clock import Clock
from api.outgoing import transport
from api.outgoing.address import AddressRefusedError
from api.outgoing.message import NotTaken, Sender
from api.outgoing.slack import SlackSender
from api.outgoing.transport import MOST_ANSWER, Endpoint, post, wait_asked
from api.outgoing.webhook import WebhookSender
from tests.fakes.outside import NOW, Names, Outside, Stopped, connects, message, outside
from tests.fakes.outside import certificate as made_certificate

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
PATH = "/services/T0/B0/secret-of-the-url"
Make = Callable[[Endpoint, Clock], Sender]
SENDERS: list[Make] = [SlackSender, lambda endpoint, clock: WebhookSender(endpoint, clock, (SECRET,))]
senders = pytest.mark.parametrize("make", SENDERS, ids=["slack", "webhook"])


def endpoint(one: Outside, timeout_s: float = 5.0, host: str = "127.0.0.1") -> Endpoint:
    return Endpoint(f"http://{host}:{one.port}{PATH}", allow=[f"{host}:{one.port}"], timeout_s=timeout_s)


async def refused(make: Make, one: Outside, timeout_s: float = 5.0) -> NotTaken:
    with pytest.raises(NotTaken) as caught:
        await make(endpoint(one, timeout_s), Stopped()).send(message())
    said = str(caught.value)
    assert said.endswith(".")
    assert not any(part in said for part in ("http", "127", "secret", "services", str(one.port)))
    return caught.value


@senders
@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content"])
def test_a_message_is_taken_when_the_answer_says_so(make: Make, status: str):
    async def story() -> None:
        async with outside() as one:
            one.says(status)
            await make(endpoint(one), Stopped()).send(message())
            await make(endpoint(one), Stopped()).send(message())
        assert len(one.requests) == one.connections == 2
        first, second = one.requests
        assert first == second  # a repeat is told by what it says
        assert first.line == f"POST {PATH} HTTP/1.1"
        assert first.headers["host"] == f"127.0.0.1:{one.port}"
        assert "cookie" not in first.headers

    asyncio.run(story())


@senders
@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 418, 500, 502, 504, 599])
def test_any_other_status_is_a_message_not_taken_after_one_request(make: Make, status: int):
    async def story() -> None:
        async with outside() as one:
            one.says(f"{status} No", "Retry-After: 60", body=b"<html>http://127.0.0.1/secret</html>")
            error = await refused(make, one)
        assert (error.reason, error.gone, error.retry_after) == (f"it answered with status {status}", False, None)
        assert len(one.requests) == one.connections == 1

    asyncio.run(story())


@senders
def test_an_address_that_is_gone_says_so(make: Make):
    async def story() -> None:
        async with outside() as one:
            one.says("410 Gone")
            error = await refused(make, one)
        assert error.gone
        assert len(one.requests) == 1

    asyncio.run(story())


@senders
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("Retry-After: 120", timedelta(seconds=120)), ("Retry-After: Tue, 24 Nov 2026 09:05:00 GMT", timedelta(minutes=5)),
        ("Retry-After: 999999", timedelta(hours=24)), ("Retry-After: " + "9" * 5000, timedelta(hours=24)),
        ("Retry-After: Tue, 24 Nov 2099 09:05:00 GMT", timedelta(hours=24)), ("Retry-After: soon", None), ("X-Other: 5", None),
        ("Retry-After: Tue, 24 Nov 2020 09:05:00 GMT", None), ("Retry-After: -5", None), ("Retry-After: 1.5", None),
        ("Retry-After: Tue, 24 Nov 99999999999999999999 09:05:00 GMT", None),
    ],
)  # fmt: skip
def test_a_receiver_that_asks_for_time_gets_it(make: Make, status: int, asked: str, wait: timedelta | None):
    async def story() -> None:
        async with outside() as one:
            one.says(f"{status} Wait", asked)
            error = await refused(make, one)
        assert (error.retry_after, error.gone) == (wait, False)
        assert len(one.requests) == 1

    asyncio.run(story())


@given(
    st.text()
    | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,20} \d{1,3}:\d{2}:\d{2} ([A-Z]{3}|[+-]\d{1,6})")
)
def test_no_retry_after_is_an_error_or_longer_than_a_day(text: str):
    wait = wait_asked(text, NOW)
    assert wait is None or timedelta(0) <= wait <= timedelta(hours=24)


@senders
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_not_followed(make: Make, status: int):
    async def story() -> None:
        async with outside() as sentinel, outside() as one:
            one.says(
                f"{status} There",
                f"Location: http://127.0.0.1:{sentinel.port}/",
                f"Refresh: 0; url=http://127.0.0.1:{sentinel.port}/",
            )
            with connects() as tried:
                error = await refused(make, one)
        assert "redirect" in error.reason
        assert len(one.requests) == 1
        assert (sentinel.connections, tried) == (0, [("127.0.0.1", one.port)])

    asyncio.run(story())


@senders
def test_a_receiver_that_is_down_is_tried_once(make: Make):
    async def story() -> None:
        async with outside() as one:
            pass
        with connects() as tried:
            error = await refused(make, one)
        assert "nobody answers" in error.reason
        assert len(tried) == 1

    asyncio.run(story())


@senders
@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\n"] + [b"X-%d: 1\r\n" % n for n in range(1000)],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"] + [b"."] * 1000,
        [b"HTTP/1.1 102 Processing\r\n\r\n"] * 1000,
        [b""] * 1000,
    ],
    ids=["headers", "body", "informational", "silence"],
)
def test_an_answer_that_drips_ends_at_the_time_of_the_whole_call(make: Make, pieces: list[bytes]):
    async def story() -> None:
        async with outside() as one:
            one.answer, one.pause = pieces, 0.02
            began = time.monotonic()
            error = await refused(make, one, timeout_s=0.3)
            assert time.monotonic() - began < 2
            assert "no answer within 0.3 s" in error.reason
            assert len(one.requests) == one.connections == 1
            await _until(lambda: not one.open)  # the connection is closed, not left behind
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - a socket's end sets no event
            await asyncio.sleep(0.01)


def test_a_name_server_that_does_not_answer_ends_at_the_same_time():
    async def silent(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    async def story() -> None:
        with pytest.raises(NotTaken, match=r"no answer within 0\.1 s"):
            await post("https://hooks.example/", b"", {}, timeout_s=0.1, lookup=silent)

    asyncio.run(story())


@senders
@pytest.mark.parametrize(
    "pieces",
    [[], [b"HTTP/1.1 200 O"], [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"], [b"SSH-2.0-OpenSSH_9\r\n"], [b"\x00" * 200],
     [b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000]],
    ids=["hangs up", "half a line", "half a body", "another protocol", "zeros", "endless header"],
)  # fmt: skip
def test_half_an_answer_is_none(make: Make, pieces: list[bytes]):
    async def story() -> None:
        async with outside() as one:
            one.answer = pieces
            assert "broke off" in (await refused(make, one)).reason
        assert len(one.requests) == one.connections == 1

    asyncio.run(story())


def test_no_more_than_64_kb_of_an_answer_are_read():
    async def story() -> None:
        async with outside() as one:
            one.answer = [
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=b\r\n\r\n",
                *[b"x" * 10_000] * 500,
            ]
            here = endpoint(one)
            answer = await post(here.url, b"", {}, allow=here.allow)
        assert len(answer.body) == MOST_ANSWER
        assert answer.headers == {"content-type": "text/plain"}

    asyncio.run(story())


def test_the_rest_of_a_long_answer_is_not_waited_for():
    async def story() -> None:
        async with outside() as one:
            one.answer, one.pause = [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * MOST_ANSWER, *[b"x"] * 1000], 0.05
            here = endpoint(one)
            answer = await post(here.url, b"", {}, allow=here.allow, timeout_s=2)
        assert len(answer.body) == MOST_ANSWER

    asyncio.run(story())


def test_a_compressed_answer_is_not_unpacked():
    async def story() -> None:
        async with outside() as one:
            one.says("200 OK", "Content-Encoding: gzip", body=b"not gzip")
            here = endpoint(one)
            answer = await post(here.url, b"", {}, allow=here.allow)
        assert answer.body == b"not gzip"

    asyncio.run(story())


@senders
def test_no_proxy_of_the_environment_is_used(make: Make, monkeypatch: pytest.MonkeyPatch):
    async def story() -> None:
        async with outside() as proxy, outside() as one:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            await make(endpoint(one), Stopped()).send(message())
        assert (proxy.connections, len(one.requests)) == (0, 1)

    asyncio.run(story())


@senders
def test_neither_logs_nor_errors_nor_the_sender_itself_hold_the_url(make: Make, caplog: pytest.LogCaptureFixture):
    async def story() -> None:
        async with outside() as one:
            sender = make(endpoint(one), Stopped())
            assert "secret" not in repr(sender)
            await sender.send(message())
            one.says("500 No")
            error = await refused(make, one)
            logging.getLogger("test").error("%s", error.reason, exc_info=error)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(story())
    assert "500" in caplog.text
    assert "secret-of-the-url" not in caplog.text
    assert SECRET not in caplog.text


def test_an_endpoint_in_the_house_cannot_be_made():
    with pytest.raises(AddressRefusedError, match="list"):
        Endpoint("http://127.0.0.1:9/x")


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_certificate(tmp_path_factory.mktemp("tls"), "DNS:hooks.example")


def server_side(folder: Path, names: list[str | None]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    return context


async def over_tls(folder: Path, host: str, *, trusted: bool = True) -> tuple[Outside, list[str | None]]:
    names: list[str | None] = []
    tls = ssl.create_default_context(cafile=str(folder / "cert.pem")) if trusted else None
    async with outside(tls=server_side(folder, names)) as one:
        try:
            where = Endpoint(
                f"https://{host}:{one.port}{PATH}", allow=[f"{host}:{one.port}"], timeout_s=5, tls=tls,
                lookup=Names({host: [["127.0.0.1"]]}),
            )  # fmt: skip
            await SlackSender(where, Stopped()).send(message())
        finally:
            assert one.connections <= 1
    return one, names


def test_the_pinned_address_is_spoken_to_by_the_name_of_the_host(certificate: Path):
    one, names = asyncio.run(over_tls(certificate, "hooks.example"))
    assert names == ["hooks.example"]
    assert one.requests[0].headers["host"] == f"hooks.example:{one.port}"


def test_a_certificate_of_another_host_is_not_accepted(certificate: Path):
    with pytest.raises(NotTaken, match="certificate"):
        asyncio.run(over_tls(certificate, "other.example"))


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(certificate: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    transport._public_authorities.cache_clear()
    with pytest.raises(NotTaken, match="certificate"):
        asyncio.run(over_tls(certificate, "hooks.example", trusted=False))


def test_a_receiver_without_tls_is_not_spoken_to_in_plain():
    async def story() -> None:
        heard = bytearray()

        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.extend(await reader.read(1000))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(NotTaken, match="does not speak TLS"):
            await post(f"https://{place}{PATH}", b"body", {}, allow=[place])
        assert heard[:1] == b"\x16"  # a greeting of TLS
        assert b"secret" not in heard
        server.close()

    asyncio.run(story())


def test_the_next_address_has_its_turn_when_nobody_answers_at_the_first():
    async def story() -> None:
        async with outside() as one:
            names = Names({"chat.internal": [["::1", "127.0.0.1"]]})
            place = f"chat.internal:{one.port}"
            with connects() as tried:
                answer = await post(f"http://{place}/", b"", {}, allow=[place], lookup=names)
        assert [host for host, _ in tried] == ["::1", "127.0.0.1"]
        assert (answer.status, len(one.requests)) == (204, 1)

    asyncio.run(story())


def test_an_answer_of_the_first_address_is_the_last_word():
    async def story() -> None:
        async with outside() as one:
            one.answer = []
            names = Names({"chat.internal": [["127.0.0.1", "::1"]]})
            place = f"chat.internal:{one.port}"
            with connects() as tried, pytest.raises(NotTaken, match="broke off"):
                await post(f"http://{place}/", b"", {}, allow=[place], lookup=names)
        assert (len(one.requests), len(tried)) == (1, 1)

    asyncio.run(story())


def test_a_date_without_a_zone_is_read_as_utc():
    assert wait_asked("Tue, 24 Nov 2026 09:05:00 -0000", datetime(2026, 11, 24, 9, 0, tzinfo=UTC)) == timedelta(
        minutes=5
    )
