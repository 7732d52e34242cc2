from __future__ import annotations

import asyncio
import email
import logging
import ssl
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from hypothesis import given
from hypothesis import strategies as st

from api.errors import InvalidError
from api.outgoing.mailer import MailSender, MailServer, RecipientRefusedError, check_recipient, compose
from api.outgoing.message import NotTaken
from tests.fakes.outside import certificate as made_certificate
from tests.fakes.outside import message

STAFF = ("shop.example", "Care.Shop.Example")
DESK = "desk@shop.example"


@dataclass
class Box:
    """What the mail server took, and how it behaves."""

    port: int = 0
    taken: list[Envelope] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    after_data: str = "250 OK"
    sessions: int = 0
    over_tls: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        self.over_tls.append(session.ssl is not None)
        if self.after_data.startswith("2"):
            self.taken.append(envelope)
        return self.after_data

    def mail(self, number: int = -1) -> EmailMessage:
        parsed = email.message_from_bytes(self.taken[number].content or b"", policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@asynccontextmanager
async def mailbox(**options: Any) -> AsyncIterator[Box]:
    box = Box()

    def one() -> SMTP:
        box.sessions += 1
        return SMTP(box, hostname="mail.shop.example", **{k: v for k, v in options.items() if k != "whole_tls"})

    server = await asyncio.get_running_loop().create_server(one, "127.0.0.1", 0, ssl=options.get("whole_tls"))
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()


def to(box: Box, *recipients: str, timeout_s: float = 5.0, **server: Any) -> MailSender:
    given = {"security": "plain"} | server
    return MailSender(
        MailServer("127.0.0.1", box.port, **given), DESK, recipients or ("ada@shop.example",), STAFF, timeout_s
    )


def test_the_staff_gets_the_mail_as_it_is_written():
    async def story() -> Box:
        async with mailbox() as box:
            news = message(subject="Dränge: order #1042", text="Grüße\n.\nFrom here\n..dots", key="k:1")
            await to(box, "ada@shop.example", "bo+x@CARE.shop.example").send(news)
        return box

    box = asyncio.run(story())
    mail = box.mail()
    assert box.taken[0].mail_from == DESK
    assert box.taken[0].rcpt_tos == ["ada@shop.example", "bo+x@CARE.shop.example"]
    assert (mail["From"], mail["To"]) == (DESK, "ada@shop.example, bo+x@CARE.shop.example")
    assert mail["Subject"] == "Dränge: order #1042"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"] == "Tue, 24 Nov 2026 09:00:00 +0000"
    assert mail.get_content_type() == "text/plain"
    assert (
        mail.get_content().replace("\r\n", "\n") == "Grüße\n.\nFrom here\n..dots\n\nhttps://desk.example/cases/c_81\n"
    )
    assert sorted(mail.keys()) == sorted(
        [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding",
        ]
    )


def test_a_repeat_has_the_same_message_id_and_another_message_another_one():
    async def story() -> Box:
        async with mailbox() as box:
            for key in ("k:1", "k:1", "k:2"):
                await to(box).send(message(key=key))
        return box

    box = asyncio.run(story())
    one, again, other = (box.mail(number)["Message-ID"] for number in range(3))
    assert box.taken[0].content == box.taken[1].content
    assert one == again != other
    assert one.endswith("@shop.example>")
    assert "k:1" not in one


FOREIGN = [
    "ada@evil.example", "ada@shop.example.evil.example", "ada@xshop.example", "ada@sub.shop.example", "ada@example", "ada@", "@shop.example",
    "ada", "", " ada@shop.example", "ada@shop.example ", "ada@shop.example,bo@evil.example", "ada@shop.example;bo@evil.example",
    "ada@shop.example\nBcc: bo@evil.example", "ada@shop.example\r\nRCPT TO:<bo@evil.example>", "<bo@evil.example> ada@shop.example",
    "Ada <ada@shop.example>", "bo@evil.example@shop.example", "bo%evil.example@shop.example", "evil.example!bo@shop.example",
    '"bo@evil.example"@shop.example', "bo@evil.example(ada@shop.example)", "ada@[127.0.0.1]", "ada@shop.example.", "@evil.example:bo@shop.example",
    "ada@ѕhop.example", "ada@shop。example", "ada@shop.example\x00", "a" * 70 + "@shop.example", "-oQ@shop.example", "ada@shop.example>",
]  # fmt: skip


@pytest.mark.parametrize("address", FOREIGN)
def test_nobody_outside_the_staff_is_written_to_and_no_server_is_even_asked(address: str):
    async def story() -> None:
        async with mailbox() as box:
            with pytest.raises(RecipientRefusedError) as caught:
                await to(box, "ada@shop.example", address).send(message())
            assert not address.strip() or address not in str(caught.value)
        assert box.sessions == 0

    asyncio.run(story())


def test_without_a_recipient_or_a_staff_domain_there_is_no_sender():
    server = MailServer("127.0.0.1", 25, "plain")
    for recipients, domains in (((), STAFF), (("ada@shop.example",), ())):
        with pytest.raises(RecipientRefusedError):
            MailSender(server, DESK, recipients, domains)
    with pytest.raises(InvalidError, match="comes from"):
        MailSender(server, "Desk <desk@shop.example>", ("ada@shop.example",), STAFF)


@pytest.mark.parametrize(
    "address", ["ada@shop.example", "ADA@SHOP.EXAMPLE", "o'hara+desk@care.shop.example", "a.b-c_d@shop.example"]
)
def test_the_staff_is_known_by_its_domains(address: str):
    check_recipient(address, STAFF)


BREAKS = ["\n", "\r", "\r\n", "\x00", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\ud800", "\n\n", "\r\n\r\n"]


@pytest.mark.parametrize("break_", BREAKS)
@pytest.mark.parametrize(
    "part", ["Bcc: bo@evil.example", "To: bo@evil.example", ".", "\n.\nMAIL FROM:<x@evil.example>"]
)
def test_no_subject_text_or_link_adds_a_header_or_a_command(break_: str, part: str):
    text = f"a{break_}{part}"
    mail = compose(message(subject=text, text=text, link=text), DESK, ["ada@shop.example"])
    parsed = email.message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert len(parsed.items()) == 9
    assert parsed["To"] == "ada@shop.example"
    assert parsed["Bcc"] is None


@given(st.text(), st.text(), st.text())
def test_any_text_makes_a_mail_of_the_same_headers(subject: str, text: str, link: str):
    mail = compose(message(subject=subject, text=text, link=link), DESK, ["ada@shop.example"])
    raw = mail.as_bytes()
    assert raw.isascii()
    assert max(len(row) for row in raw.split(b"\r\n")) <= 998
    parsed = email.message_from_bytes(raw, policy=policy.default)
    assert len(parsed.items()) == 9


# --- the server -----------------------------------------------------------------------------------------------------


async def refused(box: Box, *recipients: str, **server: Any) -> str:
    with pytest.raises(NotTaken) as caught:
        await to(box, *recipients, **server).send(message())
    assert (caught.value.retry_after, caught.value.gone) == (None, False)
    assert not any(part in str(caught.value) for part in ("@", "127", "secret", "quoted"))
    return caught.value.reason


@pytest.mark.parametrize("answer", ["451 Later, says quoted@shop.example", "550 No", "554 Spam", "421 Going"])
def test_a_mail_that_the_server_does_not_take_is_not_taken(answer: str):
    async def story() -> None:
        async with mailbox() as box:
            box.after_data = answer
            assert await refused(box) == f"the mail server answered with {answer[:3]}"
        assert box.sessions == 1

    asyncio.run(story())


def test_recipients_that_the_server_does_not_know_are_told_apart_from_those_it_knows(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING, "api.outgoing.mailer")

    async def story() -> None:
        async with mailbox() as box:
            box.refuses = {"ada@shop.example": "550 No quoted@shop.example", "bo@shop.example": "452 Full"}
            assert (
                await refused(box, "ada@shop.example", "bo@shop.example")
                == "the mail server refused every recipient (452, 550)"
            )
            await to(box, "ada@shop.example", "cy@shop.example").send(message())
        assert [envelope.rcpt_tos for envelope in box.taken] == [["cy@shop.example"]]

    asyncio.run(story())
    assert "refused 1 of 2" in caplog.text
    assert "ada@" not in caplog.text


def test_a_server_that_is_down_is_not_reached():
    async def story() -> None:
        async with mailbox() as box:
            pass
        assert "cannot be reached" in await refused(box)

    asyncio.run(story())


@pytest.mark.parametrize(
    "greeting", [b"554 No\r\n", b"220", b"\x00\x00\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"2" * 100_000]
)
def test_a_server_of_another_kind_is_no_server(greeting: bytes):
    async def story() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reason = await refused(Box(port=server.sockets[0].getsockname()[1]))
        assert "answered with" in reason or "broke off" in reason
        server.close()

    asyncio.run(story())


@pytest.mark.parametrize("security", ["plain", "tls", "starttls"])
def test_a_server_that_drips_is_left_at_the_time_of_the_whole_conversation(security: str):
    async def story() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while not reader.at_eof():
                    writer.write(b"2")
                    await writer.drain()
                    await asyncio.sleep(0.02)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        before, began = threading.active_count(), time.monotonic()
        box = Box(port=server.sockets[0].getsockname()[1])
        reason = await refused(box, timeout_s=0.4, security=security)
        assert time.monotonic() - began < 3
        assert "0.4 s" in reason or security == "tls"  # bytes that are no TLS are noticed at once
        await asyncio.get_running_loop().shutdown_default_executor()  # ends only when the thread does
        assert time.monotonic() - began < 5
        assert threading.active_count() <= before
        server.close()

    asyncio.run(story())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


def tls_of(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return there, ssl.create_default_context(cafile=str(folder / "cert.pem"))


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_mail_goes_over_tls_to_a_server_that_is_known(security: str, certificate: Path):
    async def story() -> None:
        there, here = tls_of(certificate)
        options = {"whole_tls": there} if security == "tls" else {"tls_context": there, "require_starttls": True}
        async with mailbox(**options) as box:
            await to(box, security=security, tls=here).send(message())
            assert len(box.taken) == 1
            assert security == "tls" or box.over_tls == [True]
            assert "certificate is not valid" in await refused(box, security=security)
        assert len(box.taken) == 1

    asyncio.run(story())


def test_a_server_without_starttls_gets_no_mail_in_plain():
    async def story() -> None:
        async with mailbox() as box:
            assert "no STARTTLS" in await refused(box, security="starttls")
        assert box.taken == []

    asyncio.run(story())


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # of the test's server, which is on loopback
def test_the_login_is_used_and_a_wrong_one_is_told_without_showing_it():
    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"desk", b"right-secret"), handled=False)

    async def story() -> None:
        async with mailbox(authenticator=check, auth_required=True, auth_require_tls=False) as box:
            await to(box, username="desk", password="right-secret").send(message())
            assert len(box.taken) == 1
            assert "did not accept the login (535)" in await refused(box, username="desk", password="wrong-secret")
            assert "answered with 530" in await refused(box)
        assert len(box.taken) == 1

    asyncio.run(story())


def test_neither_the_sender_nor_the_logs_show_password_or_recipients(caplog: pytest.LogCaptureFixture):
    sender = to(Box(port=1), "ada@shop.example", username="desk", password="right-secret")
    assert "right-secret" not in repr(sender)
    assert "ada@" not in repr(sender)

    async def story() -> None:
        with pytest.raises(NotTaken) as caught:
            await sender.send(message())
        logging.getLogger("test").error("x", exc_info=caught.value)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(story())
    assert "right-secret" not in caplog.text
    assert "ada@" not in caplog.text


@pytest.mark.parametrize(
    "host", ["mail.shop.example", "10.0.0.5", "8.8.8.8", "127.0.0.1.evil.example", "::", "localhost.evil.example"]
)
def test_plain_is_for_this_machine_only(host: str):
    with pytest.raises(InvalidError, match="starttls or tls"):
        MailServer(host, 25, "plain")


def test_a_login_that_smtp_cannot_carry_is_refused():
    with pytest.raises(InvalidError, match="ASCII"):
        MailServer("127.0.0.1", 25, "plain", "desk", "pässword")


def test_a_server_that_says_nothing_to_the_goodbye_has_taken_the_mail():
    async def story() -> None:
        async with mailbox() as box:
            sender = to(box)

            async def handle_QUIT(server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
                await asyncio.sleep(0.5)
                return "500 Never"

            box.handle_QUIT = handle_QUIT  # type: ignore[attr-defined]
            began = time.monotonic()
            await sender.send(message())
            assert time.monotonic() - began < 0.4
        assert len(box.taken) == 1

    asyncio.run(story())


def test_a_name_that_is_no_host_name_cannot_be_reached():
    async def story() -> None:
        sender = MailSender(MailServer("mail..shop.example", 25), DESK, ("ada@shop.example",), STAFF)
        with pytest.raises(NotTaken, match="cannot be reached"):
            await sender.send(message())

    asyncio.run(story())
