from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from api.errors import ForbiddenError
from api.mailbox import imap
from api.mailbox.imap import Looked, MailboxError, RefusedError, backoff, run
from tests.builders_mail import eml
from tests.fakes.dovecot import ODD_PASSWORD, ODD_USER, PASSWORD, TOKEN

ONE = eml("one", id_="m1@x")


def sentence(error: pytest.ExceptionInfo[MailboxError]) -> str:
    text = str(error.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert error.value.__cause__ is None
    return text


# --- signing in -------------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_one_clear_sentence_without_the_password(poller, user):
    with pytest.raises(RefusedError) as error:
        poller("wrong-and-secret").look()
    text = sentence(error)
    assert f"{user} at 127.0.0.1" in text
    assert "secret MAILBOX" in text
    assert "wrong-and-secret" not in text
    assert not error.value.retryable


def test_a_wrong_token_is_one_clear_sentence(poller):
    with pytest.raises(RefusedError) as error:
        poller("not-the-token", auth="xoauth2").look()
    assert "not-the-token" not in sentence(error)


def test_a_token_lets_in(poller, dovecot, user):
    dovecot.deliver(user, ONE)
    assert poller(TOKEN, auth="xoauth2").look() == Looked(opened=1)


def test_a_password_of_any_letters_lets_in(poller):
    assert poller(ODD_PASSWORD, user=ODD_USER).look() == Looked()


def test_a_secret_with_a_line_break_gives_the_server_no_second_command(poller):
    with pytest.raises(RefusedError):
        poller(f'{PASSWORD}"\r\na2 DELETE INBOX\r\n').look()


def test_the_secret_is_asked_for_anew_at_every_sign_in(desk, ada, config, dovecot):
    tokens = iter(["old", TOKEN])
    one = imap.Poller(desk, ada, config(auth="xoauth2"), lambda _: next(tokens))
    with pytest.raises(RefusedError):
        one.look()
    assert one.look() == Looked()
    one.close()


# --- the line ---------------------------------------------------------------------------------------------------------


def test_a_certificate_that_nobody_vouches_for_is_refused(poller, dovecot):
    with pytest.raises(MailboxError) as error:
        poller(tls="always", port=dovecot.tls_port).look()
    assert "certificate" in sentence(error)
    with pytest.raises(MailboxError) as error:
        poller(tls="starttls").look()
    assert "certificate" in sentence(error)


@pytest.mark.parametrize("tls", ["always", "starttls"])
def test_over_a_line_that_is_encrypted_mail_is_read(poller, dovecot, user, monkeypatch, tls):
    real = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda: real(cafile=str(dovecot.home / "cert.pem")))
    dovecot.deliver(user, ONE)
    port = dovecot.tls_port if tls == "always" else dovecot.port
    assert poller(tls=tls, port=port).look() == Looked(opened=1)


def test_a_plain_server_behind_tls_is_one_sentence(poller, dovecot):
    with pytest.raises(MailboxError) as error:
        poller(tls="always", port=dovecot.port).look()
    assert "encrypted" in sentence(error)


def test_a_folder_that_is_not_there_is_one_sentence(poller):
    with pytest.raises(MailboxError) as error:
        poller(folder="Nowhere").look()
    assert "no such folder" in sentence(error)


def test_a_server_that_went_away_is_told_and_read_again_when_it_is_back(poller, dovecot, user):
    dovecot.deliver(user, ONE)
    one = poller()
    assert one.look() == Looked(opened=1)
    dovecot.stop()
    for words in ("the line broke", "nothing answers"):
        with pytest.raises(MailboxError) as error:
            one.look()
        assert words in sentence(error)
        assert error.value.retryable
    dovecot.start()
    dovecot.deliver(user, eml("two", id_="m2@x", subject="Other"))
    assert one.look() == Looked(opened=1)


def test_a_refusal_after_a_sign_in_that_worked_may_pass(desk, ada, config, dovecot):
    words = iter([PASSWORD, "changed"])
    one = imap.Poller(desk, ada, config(), lambda _: next(words))
    one.look()
    one.close()
    with pytest.raises(RefusedError) as error:
        one.look()
    assert error.value.retryable


# --- day and night ----------------------------------------------------------------------------------------------------


def test_waits_grow_and_end_growing():
    assert [backoff(n) for n in range(5)] == [2, 4, 8, 16, 32]
    assert backoff(500) == 600


def secret(_: str) -> str:
    return PASSWORD


async def until(done, seconds: float = 20) -> None:
    for _ in range(int(seconds * 100)):
        if done():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def test_it_reads_until_it_is_stopped(desk, ada, config, dovecot, user, views):
    dovecot.deliver(user, ONE)

    async def day() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(run(desk, ada, config(poll_s=3600), secret, stop))
        await until(lambda: views.queue(ada).rows)
        stop.set()
        async with asyncio.timeout(10):
            await task

    asyncio.run(day())


def test_it_can_be_cancelled(desk, ada, config, dovecot, user, views):
    dovecot.deliver(user, ONE)

    async def day() -> None:
        task = asyncio.create_task(run(desk, ada, config(poll_s=3600), secret, asyncio.Event()))
        await until(lambda: views.queue(ada).rows)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(day())


def test_it_goes_on_when_the_server_comes_back(desk, ada, config, dovecot, user, views, monkeypatch, caplog):
    caplog.set_level("WARNING", logger="api.mailbox.imap")
    monkeypatch.setattr(imap, "BACKOFF_S", 0.01)
    dovecot.deliver(user, ONE)
    dovecot.stop()

    async def day() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(run(desk, ada, config(), secret, stop))
        await until(lambda: "nothing answers" in caplog.text)
        await asyncio.to_thread(dovecot.start)
        await until(lambda: views.queue(ada).rows)
        stop.set()
        await task

    asyncio.run(day())


def test_a_wrong_password_at_the_start_ends_it_with_the_sentence(desk, ada, config):
    with pytest.raises(RefusedError):
        asyncio.run(run(desk, ada, config(), lambda _: "wrong", asyncio.Event()))


def test_a_principal_who_may_not_receive_ends_it(desk, doors, ada, config, dovecot, user):
    dovecot.deliver(user, ONE)
    worker = doors.add_principal(ada, "W", "worker")
    with pytest.raises(ForbiddenError):
        asyncio.run(run(desk, worker, config(), secret, asyncio.Event()))


def test_no_part_of_the_mailbox_can_send():
    """There is no SMTP, and no command that moves, marks or deletes a mail."""
    folder = Path(imap.__file__).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    for word in (
        "smtplib",
        "aiosmtplib",
        "sendmail",
        ".send_message(",
        ".delete(",
        ".move(",
        ".flag(",
        ".expunge(",
        '"STORE"',
    ):
        assert word not in source
    assert source.count(".append(letter.data, folder") == 1
    assert "readonly=True" in source
    assert source.count("folder.set(") == source.count("readonly=True)")
