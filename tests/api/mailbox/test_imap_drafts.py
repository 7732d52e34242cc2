from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import select, update

from api.mailbox.imap import Looked
from api.mailbox.threads import Threads
from api.store.tables import drafts, events
from tests.builders_mail import eml
from tests.fakes.dovecot import DRAFTS_ON_THE_WIRE

ONE = eml("one", id_="m1@x")


def test_a_ready_draft_stands_once_in_the_drafts_folder_under_its_thread(poller, dovecot, user, work):
    dovecot.deliver(user, ONE)
    one = poller()
    assert one.look() == Looked(opened=1)
    assert dovecot.folder(user, DRAFTS_ON_THE_WIRE) == []  # it is not written yet
    work()
    assert [one.look(), one.look(), poller().look()] == [Looked(drafts=1), Looked(), Looked()]
    (put,) = dovecot.folder(user, DRAFTS_ON_THE_WIRE)
    assert "\\Draft" in put.flags
    mail = message_from_bytes(put.data, policy=default)
    assert mail["To"] == "Wil Quist <w@quist.example>"
    assert mail["From"] == "help@shop.example"
    assert mail["Subject"] == "Re: My kettle"
    assert (mail["In-Reply-To"], mail["References"]) == ("<m1@x>", "<m1@x>")
    assert mail["X-Desk-Case"].startswith("case_")
    assert mail.get_content().strip() == "We are sorry about the kettle, Wilhelmina."
    assert len(dovecot.folder(user, "INBOX")) == 1
    assert dovecot.folder(user, "Sent") == []


def test_a_draft_is_put_there_once_although_the_process_died_before_it_was_noted(
    poller, dovecot, user, work, monkeypatch
):
    dovecot.deliver(user, ONE)
    one = poller()
    one.look()
    work()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Threads, "note_draft", die)
        with pytest.raises(KeyboardInterrupt):
            one.look()
    assert len(dovecot.folder(user, DRAFTS_ON_THE_WIRE)) == 1
    assert poller().look() == Looked()  # found there, and noted now
    assert len(dovecot.folder(user, DRAFTS_ON_THE_WIRE)) == 1


@pytest.mark.parametrize("changed", [{"state": "blocked"}, {"state": "needs_human"}, {"kind": "brief"}])
def test_what_a_person_must_look_at_first_is_never_put_there(poller, dovecot, user, work, store, changed):
    dovecot.deliver(user, ONE)
    one = poller()
    one.look()
    work()
    with store.write("finish") as conn:
        conn.execute(update(drafts).values(**changed))
    assert one.look() == Looked()
    assert dovecot.folder(user, DRAFTS_ON_THE_WIRE) == []


def test_a_draft_that_a_new_mail_overtakes_is_not_put_there(poller, dovecot, user, work):
    dovecot.deliver(user, ONE)
    one = poller()
    one.look()
    work()
    dovecot.deliver(user, eml("wait, more", id_="m2@x", in_reply_to="<m1@x>", hours=1))
    assert one.look() == Looked(added=1)  # mail is read before drafts are put
    work()
    assert one.look() == Looked(drafts=1)
    (put,) = dovecot.folder(user, DRAFTS_ON_THE_WIRE)
    assert message_from_bytes(put.data, policy=default)["In-Reply-To"] == "<m2@x>"


def test_without_a_drafts_folder_mail_is_read_and_it_is_said_once(poller, dovecot, user, work, caplog, monkeypatch):
    dovecot.deliver(user, ONE)
    one = poller()
    one.look()
    work()
    monkeypatch.setattr(one._mailbox.folder, "list", list)
    dovecot.deliver(user, eml("two", id_="m2@x", subject="Other"))
    with caplog.at_level("WARNING", logger="api.mailbox.imap"):
        assert [one.look(), one.look()] == [Looked(opened=1), Looked()]
    assert caplog.text.count("marks no folder") == 1


def test_an_answer_that_a_person_sent_is_noted_from_the_sent_folder_if_it_is_configured(
    poller, dovecot, user, work, store
):
    dovecot.deliver(user, ONE)
    without, with_sent = poller(), poller(sent_folder="Sent")
    without.look()
    work()
    answer = eml("We are sorry.", id_="s1@shop.example", sender="Ada <help@shop.example>", to="w@quist.example",
                 in_reply_to="<m1@x>", hours=1)  # fmt: skip
    dovecot.deliver(
        user, answer, eml("private", id_="s2@x", sender="help@shop.example", to="z@z.example"), folder="Sent"
    )
    assert without.look() == Looked(drafts=1)
    assert with_sent.look() == Looked(sent=1, skipped=1)
    assert with_sent.look() == Looked()
    with store.read() as conn:
        kinds = list(conn.execute(select(events.c.kind)).scalars())
        states = list(conn.execute(select(drafts.c.state)).scalars())
    assert kinds.count("reply_sent") == 1
    assert states == ["stale"]
