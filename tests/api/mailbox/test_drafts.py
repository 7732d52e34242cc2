from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from sqlalchemy import select, update

from api.mailbox import drafts
from api.mailbox.drafts import Letter
from api.mailbox.threads import Threads
from api.store.tables import cases
from api.store.tables import drafts as rows

SENDER = "help@shop.example"


@pytest.fixture
def waiting(store):
    def read() -> list[Letter]:
        with store.read() as conn:
            return drafts.waiting(conn, SENDER)

    return read


def mail(letter: Letter) -> EmailMessage:
    return message_from_bytes(letter.data, policy=default)


def set_draft(store, **columns: object) -> None:
    with store.write("finish") as conn:
        conn.execute(update(rows).values(**columns))


def test_a_ready_draft_is_an_answer_under_its_thread(take, work, waiting, store):
    take("one", in_reply_to="<older@x>")
    take("two", id_="m2@x", subject="AW: My kettle", in_reply_to="<m1@quist.example>", hours=1)
    work()
    (letter,) = waiting()
    read = mail(letter)
    assert read["From"] == SENDER
    assert read["To"] == "Wil Quist <w@quist.example>"
    assert read["Subject"] == "Re: My kettle"
    assert read["In-Reply-To"] == "<m2@x>"
    assert read["References"].split() == ["<m1@quist.example>", "<m2@x>"]
    assert read["Message-ID"] == f"<{letter.draft_id}.desk@shop.example>"
    assert read["X-Desk-Case"] == letter.case_id
    assert read["Date"].datetime == letter.at
    assert read.get_content().strip() == "We are sorry about the kettle, Wilhelmina."
    assert waiting() == [letter]  # the same each time


def test_a_body_in_any_language_arrives_letter_by_letter(take, work, waiting, store):
    take("one", subject="Grüße – 水壶")
    work()
    body = "Entschuldigung für den Ärger – 水壶.\n\n" + "Ein langer Absatz ohne Umbruch. " * 60 + "\n.\nFrom here on"
    set_draft(store, body={"kind": "reply", "subject": "", "body": body})
    read = mail(waiting()[0])
    assert read.get_content().splitlines() == body.splitlines()
    assert read["Subject"] == "Re: Grüße – 水壶"


@pytest.mark.parametrize("state", ["pending", "blocked", "needs_human", "stale", "discarded", "sent_back", "sent"])
def test_what_is_neither_ready_nor_approved_is_never_put_under_a_customers_address(
    take, work, waiting, store, state: str
):
    take("one")
    work()
    assert waiting()
    set_draft(store, state=state)
    assert waiting() == []


def test_what_a_person_approved_is_put_there_too(take, work, waiting, store):
    take("one")
    work()
    set_draft(store, state="approved")
    assert len(waiting()) == 1


def test_a_brief_is_for_the_person_alone(take, work, waiting, store):
    take("one")
    work()
    set_draft(store, kind="brief")
    assert waiting() == []


def test_a_case_that_came_otherwise_gets_no_mail(desk, ada, work, waiting, escalation):
    desk.receive(ada, escalation)
    work()
    assert waiting() == []


def test_a_draft_that_was_put_there_is_not_again(take, work, waiting, store):
    take("one")
    work()
    (letter,) = waiting()
    with store.write("mailbox_draft") as conn:
        Threads(store).note_draft(conn, letter.case_id, letter.draft_id, letter.message_id, letter.at)
    assert waiting() == []
    answer = take("two", id_="m2@x", sender="b@y.example", subject="x", in_reply_to=f"<{letter.message_id}>")
    assert answer == "added"  # the customer answers to what was sent from the draft


def test_a_draft_that_a_person_sent_as_it_was_is_noted_as_sent_and_not_put_there_again(take, work, waiting, store):
    take("one")
    work()
    (letter,) = waiting()
    with store.write("mailbox_draft") as conn:
        Threads(store).note_draft(conn, letter.case_id, letter.draft_id, letter.message_id, letter.at)
    sent = {"id_": letter.message_id, "sender": SENDER, "to": "w@quist.example", "in_reply_to": "<m1@quist.example>"}
    assert [take("sorry", sent=True, **sent), take("sorry", sent=True, **sent)] == ["sent", "known"]
    set_draft(store, state="ready")
    assert waiting() == []


@pytest.mark.parametrize(
    "address",
    ["", "nobody", "w@quist.example\nBcc: all@x", "w@@x", "<w@x>", "wä@x.example", "a b@x", "w@x, v@x", "@x", "w@"],
)
def test_an_address_that_nobody_can_be_answered_at_gets_no_mail(take, work, waiting, store, address: str):
    take("one")
    work()
    with store.write("finish") as conn:
        conn.execute(update(cases).values(payload={"customer": {"name": "W", "email": address}}))
    for letter in waiting():
        assert mail(letter)["To"].addresses[0].addr_spec == address
        assert mail(letter)["Bcc"] is None


HOSTILE = ["x\r\nBcc: all@x.example", "x\nBcc: all@x.example", "x\r\n\r\nbody", "x\x0b\x0cBcc: y", "x\u2028Bcc: y", "x\x85Bcc: y",
           "=?utf-8?q?x=0D=0ABcc:_all@x.example?=", "x" * 3000, '"', "x,y;z:<a@b>", "\u202etxt", "()<>[]:;@\\,.\"", "\x00"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("where", ["name", "subject", "message_id", "draft_subject"])
def test_nothing_that_a_customer_writes_becomes_a_field_of_the_draft(take, work, waiting, store, where: str, text: str):
    fields: dict[str, str] = {"subject": ""} if where == "draft_subject" else {}
    if where == "message_id":
        fields["id_"] = text.replace("\n", " ").replace("\r", " ") + "@x"
    take("one", **fields)
    work()
    with store.write("finish") as conn:
        if where == "name":
            conn.execute(update(cases).values(payload={"customer": {"name": text, "email": "w@quist.example"}}))
        elif where == "subject":
            from api.store.tables import messages

            body = {"text": "one", "subject": text, "author": "customer"}
            conn.execute(update(messages).where(messages.c.direction == "inbound").values(body=body))
    if where == "draft_subject":
        set_draft(store, body={"kind": "reply", "subject": text, "body": "We are sorry."})
    names = {"From", "To", "Subject", "Date", "Message-ID", "X-Desk-Case", "MIME-Version", "Content-Type",
             "Content-Transfer-Encoding", "In-Reply-To", "References"}  # fmt: skip
    for letter in waiting():
        read = mail(letter)
        assert set(read.keys()) <= names
        assert len(read.keys()) == len(set(read.keys()))
        assert [a.addr_spec for a in read["To"].addresses] == ["w@quist.example"]
        assert b"We are sorry" in letter.data.partition(b"\r\n\r\n")[2]
    assert where == "name" or waiting()


def test_long_ids_are_written_whole(take, work, waiting):
    ids = [f"AM0PR04MB{n}{'A' * 110}@AM0PR04MB1234.eurprd04.prod.mail.example" for n in range(30)]
    for n, one in enumerate(ids):
        take("one", id_=one, hours=n / 10)
    work()
    (letter,) = waiting()
    names = mail(letter)["References"].split()
    assert names == [f"<{one}>" for one in (ids[0], *ids[-19:])]
    assert mail(letter)["In-Reply-To"] == f"<{ids[-1]}>"
    assert max(len(line) for line in letter.data.split(b"\r\n")) < 998


def test_a_mail_without_an_id_is_answered_without_naming_it(take, work, waiting):
    take("one", id_="")
    work()
    assert mail(waiting()[0])["In-Reply-To"] is None


def test_drafts_come_oldest_first_and_not_all_at_once(take, work, waiting, store):
    for n in range(drafts.MOST_DRAFTS + 2):
        take("one", id_=f"m{n}@x", subject=f"Kettle {n}")
    work()
    with store.read() as conn:
        ids = conn.execute(select(rows.c.id).order_by(rows.c.id)).scalars().all()
    assert [letter.draft_id for letter in waiting()] == ids[: drafts.MOST_DRAFTS]
