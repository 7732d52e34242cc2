from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from api.errors import StoreFullError
from api.mailbox import imap
from api.mailbox.imap import Looked, Poller
from api.store.tables import cases, messages, meta
from tests.builders_mail import eml
from tests.fakes.dovecot import PASSWORD

LONG_AGO = datetime(2026, 10, 1, 12, tzinfo=UTC)
ONE = eml("one", id_="m1@x")
TWO = eml("two", id_="m2@x", subject="Other", sender="b@y.example", hours=1)


def texts(store) -> list[str]:
    with store.read() as conn:
        return sorted(row.body["text"] for row in conn.execute(select(messages.c.body)))


# --- mail in ----------------------------------------------------------------------------------------------------------


def test_new_mail_is_taken_in_and_stays_unread_where_it_is(poller, dovecot, user, store):
    dovecot.deliver(user, ONE, TWO)
    before = dovecot.folder(user, "INBOX")
    assert poller().look() == Looked(opened=2)
    after = dovecot.folder(user, "INBOX")
    assert [one.data for one in after] == [one.data for one in before]
    assert not any("\\Seen" in one.flags or "\\Deleted" in one.flags for one in after)
    assert texts(store) == ["one", "two"]


def test_nothing_is_taken_twice_and_nothing_is_lost_over_restarts(poller, dovecot, user, store):
    dovecot.deliver(user, ONE)
    first = poller()
    assert [first.look(), first.look(), poller().look()] == [Looked(opened=1), Looked(), Looked()]
    dovecot.deliver(user, TWO)
    second = poller()
    assert [second.look(), first.look()] == [Looked(opened=1), Looked()]
    assert texts(store) == ["one", "two"]


def test_a_mailbox_that_is_empty_at_first_is_read_from_then_on(poller, dovecot, user):
    one = poller()
    assert one.look() == Looked()
    dovecot.deliver(user, ONE)
    assert one.look() == Looked(opened=1)


def test_the_first_look_goes_back_some_days_only_and_later_ones_take_all_that_comes(poller, dovecot, user, store):
    dovecot.deliver(user, eml("old", id_="m0@x", subject="Old"), at=LONG_AGO)
    dovecot.deliver(user, ONE)
    assert poller().look() == Looked(opened=1)
    dovecot.deliver(user, eml("moved here", id_="m9@x", subject="Moved"), at=LONG_AGO)  # a person moves an old mail in
    assert poller().look() == Looked(opened=1)
    assert texts(store) == ["moved here", "one"]


def test_a_folder_that_was_made_anew_is_read_again_and_nothing_is_taken_twice(poller, dovecot, user, store):
    client = dovecot.client(user)
    client.create("Help")
    dovecot.deliver(user, eml("old", id_="m0@x", subject="Old"), folder="Help", at=LONG_AGO)
    dovecot.deliver(user, ONE, folder="Help")
    assert poller(folder="Help").look() == Looked(opened=1)
    client.delete("Help")
    client.create("Help")
    client.logout()
    dovecot.deliver(user, eml("old", id_="m0@x", subject="Old"), folder="Help", at=LONG_AGO)
    dovecot.deliver(user, ONE, TWO, folder="Help")
    assert poller(folder="Help").look() == Looked(opened=1, known=1)
    assert texts(store) == ["one", "two"]


def test_a_mail_that_cannot_be_read_is_named_and_passed_over_once(poller, dovecot, user, caplog):
    caplog.set_level("WARNING", logger="api.mailbox.imap")
    dovecot.deliver(user, b"no mail at all\n", ONE, eml("away", id_="r@x", auto_submitted="auto-replied"))
    one = poller()
    assert one.look() == Looked(opened=1, failed=1, skipped=1)
    assert "INBOX UID 1 was passed over: It has none of the fields" in caplog.text
    assert "kettle" not in caplog.text
    assert one.look() == Looked()


def test_a_mail_that_the_store_could_not_take_is_read_again(poller, dovecot, user, desk, monkeypatch):
    dovecot.deliver(user, ONE, TWO)
    real, calls = desk.receive, []

    def full_at_the_second(*args: Any, **named: Any) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 2:
            raise StoreFullError("The disk is full.")
        return real(*args, **named)

    monkeypatch.setattr(desk, "receive", full_at_the_second)
    one = poller()
    with pytest.raises(StoreFullError):
        one.look()
    assert one.look() == Looked(opened=1)


def test_of_a_huge_mail_the_beginning_is_read(poller, dovecot, user, store, monkeypatch):
    monkeypatch.setattr(imap, "MOST_BYTES", 100_000)
    head, _, _ = ONE.partition(b"Content-Type")
    huge = head + b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nsee the film\n--b\n'
    huge += b"Content-Type: video/mp4; name=film.mp4\n\n" + b"QUFB\n" * 100_000
    dovecot.deliver(user, huge, TWO)
    one = poller()
    one.look()
    assert texts(store) == ["[video attached: film.mp4]\nsee the film", "two"]
    assert len(one._fetch(one._mailbox, "INBOX", 1).data) == 100_000


def test_a_mail_that_vanished_meanwhile_is_none(poller, dovecot, user):
    dovecot.deliver(user, ONE)
    one = poller()
    one.look()
    assert one._fetch(one._mailbox, "INBOX", 999) is None


def test_when_it_came_counts_for_a_mail_without_a_date(poller, dovecot, user, store):
    dovecot.deliver(user, b"From: w@quist.example\nSubject: x\n\nhi\n", at=datetime(2026, 11, 20, 8, tzinfo=UTC))
    poller().look()
    with store.read() as conn:
        assert conn.execute(select(cases.c.opened_at)).scalar_one() == datetime(2026, 11, 20, 8, tzinfo=UTC)


def test_whose_mailbox_it_is_stands_nowhere_readable(poller, dovecot, user, store):
    dovecot.deliver(user, ONE)
    poller().look()
    with store.read() as conn:
        assert user not in str(conn.execute(select(meta)).all())


def test_it_stops_after_the_mail_in_hand_and_goes_on_there(desk, ada, config, dovecot, user, poller):
    dovecot.deliver(user, ONE, TWO)
    asked: list[int] = []

    def after_one() -> bool:
        asked.append(1)
        return len(asked) > 1

    one = Poller(desk, ada, config(), lambda _: PASSWORD, after_one)
    assert one.look() == Looked(opened=1)
    one.close()
    assert poller().look() == Looked(opened=1)
