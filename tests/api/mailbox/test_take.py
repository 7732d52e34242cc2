from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from api.desk import Desk
from api.errors import ForbiddenError, StoreFullError
from api.mailbox.mail import OWN
from api.mailbox.take import Failure, Raw, Skipped, Taker
from api.store.tables import cases, drafts, events, inbox, messages
from tests.builders_mail import NOON, eml

STAFF = "Ada <help@shop.example>"


def rows(store, table) -> list[Any]:
    with store.read() as conn:
        return list(conn.execute(select(table)).mappings())


def test_a_mail_becomes_a_case_with_its_customer_and_a_pending_draft(take, store):
    assert take("My kettle arrived cracked.") == "opened"
    case, message = rows(store, cases)[0], rows(store, messages)[0]
    assert (case["source"], case["channel"], case["title"], case["opened_at"]) == ("email", "email", "My kettle", NOON)
    assert case["payload"]["customer"] == {"name": "Wil Quist", "email": "w@quist.example"}
    assert (message["author"], message["body"]["text"]) == ("customer", "My kettle arrived cracked.")
    assert rows(store, drafts)[0]["state"] == "pending"


def test_an_answer_makes_the_old_draft_stale_and_asks_for_a_new_one(take, store, work):
    take("one")
    work()
    assert take("two", id_="m2@x", in_reply_to="<m1@quist.example>") == "added"
    assert [d["state"] for d in rows(store, drafts)] == ["stale", "pending"]


def test_an_answer_after_the_end_reopens_the_case(take, store, desk, ada, work):
    take("one")
    work()
    desk.set_status(ada, rows(store, cases)[0]["id"], "resolved")
    with store.write("finish") as conn:
        conn.execute(cases.update().values(resolved_at=NOON + timedelta(hours=1)))
    assert take("it broke again", id_="m2@x", in_reply_to="<m1@quist.example>", hours=2) == "added"
    assert rows(store, cases)[0]["reopened"] == 1


def test_a_mail_is_taken_once_however_often_it_comes(take, store):
    assert [take("one"), take("one"), take("one with a footer of a list")] == ["opened", "known", "known"]
    assert len(rows(store, messages)) == 1


def test_a_mail_without_an_id_is_taken_once(take, store):
    assert [take("one", id_=""), take("one", id_="")] == ["opened", "known"]


def test_a_mail_without_id_and_date_is_taken_once_whenever_it_is_read(taker, store):
    raw = b"From: w@quist.example\n\nMy kettle broke"
    taken = [taker.take(Raw("m", raw, NOON + timedelta(hours=hours))) for hours in (1, 2)]
    assert taken == ["opened", "known"]


def test_an_answer_is_recorded_once_by_whomever_it_is_taken(take, store, desk: Desk, doors, ada):
    take("one")
    other = Taker(desk, doors.add_principal(ada, "Poller", "agent"), ())
    data = eml("two", id_="m2@x", in_reply_to="<m1@quist.example>")
    assert [taker.take(Raw("m", data, NOON)) for taker in (other, Taker(desk, ada, ()))] == ["added", "known"]


def test_a_hundred_deliveries_of_one_mail_at_once_are_one_case(taker, store):
    said: list[object] = []
    barrier = threading.Barrier(20)

    def deliver() -> None:
        barrier.wait()
        said.extend(taker.take(Raw("m", eml("one"), NOON)) for _ in range(5))

    threads = [threading.Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 100
    assert set(said) <= {"opened", "known"}
    assert len(rows(store, cases)) == len(rows(store, messages)) == 1


@pytest.mark.parametrize("field", [{"auto_submitted": "auto-replied"}, {"precedence": "bulk"}, {"list_id": "<n.x.example>"},
                                   {"return_path": "<>"}, {"sender": STAFF}])  # fmt: skip
def test_automatic_and_own_mail_is_passed_over_with_the_reason(take, store, field: dict[str, str]):
    answer = take("one", **field)
    assert isinstance(answer, Skipped)
    assert answer.reason
    assert rows(store, cases) == []


def test_a_mail_that_cannot_be_read_is_named_and_stops_no_other(taker, store):
    mails = [
        Raw("first", eml("one"), NOON), Raw("junk", b"%PDF-1.4", NOON), Raw("empty", eml("", subject="", id_="e@x"), NOON),
        Raw("unseen", eml("\u200b\u200b", subject="", id_="z@x"), NOON), Raw("own", eml("x", id_="o@x", sender=STAFF), NOON),
        Raw("again", eml("one"), NOON), Raw("last", eml("two", id_="m2@x"), NOON),
    ]  # fmt: skip
    told: list[int] = []
    taken = taker.take_all(mails, told.append)
    assert (taken.opened, taken.added, taken.known, taken.skipped) == (1, 1, 1, {OWN: 1})
    assert [one.name for one in taken.failed] == ["junk", "empty", "unseen"]
    assert all(one.problem.endswith(".") for one in taken.failed)
    assert told == [1, 2, 3, 4, 5, 6, 7]


def test_a_mail_with_nothing_but_a_photo_is_taken(taker, store):
    head = b"From: w@quist.example\nDate: Mon, 23 Nov 2026 12:00:00 +0000\nContent-Type: image/jpeg; name=IMG_1.jpg\n\nAAAA"
    assert taker.take(Raw("m", head, NOON)) == "opened"
    assert rows(store, messages)[0]["body"]["text"] == "[image attached: IMG_1.jpg]"


def test_a_full_disk_is_not_the_fault_of_the_mail(take, taker, store, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise StoreFullError("The disk is full.")

    monkeypatch.setattr(taker._desk, "receive", full)
    with pytest.raises(StoreFullError):
        take("one")


def test_who_may_not_receive_takes_nothing(desk, doors, ada):
    worker = doors.add_principal(ada, "W", "worker")
    with pytest.raises(ForbiddenError):
        Taker(desk, worker, ()).take(Raw("m", eml("one"), NOON))


def test_a_mail_leaves_no_personal_text_in_events_or_inbox(take, store):
    take("one")
    take("two", id_="m2@quist.example", in_reply_to="<m1@quist.example>")
    said = str([dict(row) for row in (*rows(store, events), *rows(store, inbox))])
    for personal in ("quist", "kettle", "Wil"):
        assert personal not in said


# --- what a person sent -----------------------------------------------------------------------------------------------


def kinds(store) -> list[str]:
    return [row["kind"] for row in rows(store, events)]


def test_an_answer_in_the_folder_of_sent_mail_is_noted_as_sent_once(take, store, work):
    take("one")
    work()
    answer = {"id_": "s1@shop.example", "sender": STAFF, "to": "w@quist.example", "in_reply_to": "<m1@quist.example>"}
    assert take("We are sorry.", sent=True, hours=1, **answer) == "sent"
    assert take("We are sorry.", sent=True, hours=1, **answer) == "known"
    assert kinds(store).count("reply_sent") == 1
    assert rows(store, messages)[-1]["at"] == NOON + timedelta(hours=1)
    assert rows(store, drafts)[0]["state"] == "stale"


def test_the_customers_answer_to_a_sent_mail_comes_to_its_case(take):
    take("one")
    take("sorry", sent=True, id_="s1@shop.example", sender=STAFF, in_reply_to="<m1@quist.example>")
    assert take("thanks", id_="m2@x", sender="b@y.example", subject="x", in_reply_to="<s1@shop.example>") == "added"


def test_an_own_address_in_the_inbox_ends_no_clock(take, store):
    """Anybody can write one into a From field."""
    take("one")
    answer = take("Refund granted.", id_="s1@shop.example", sender=STAFF, in_reply_to="<m1@quist.example>")
    assert answer == Skipped(OWN)
    assert "reply_sent" not in kinds(store)
    assert len(rows(store, messages)) == 1


@pytest.mark.parametrize(
    ("field", "word"),
    [({"sender": "w@quist.example"}, "own addresses"), ({"sender": STAFF}, "no case"),
     ({"sender": "w@quist.example", "auto_submitted": "auto-replied"}, "Auto-Submitted")],
)  # fmt: skip
def test_other_mail_in_the_folder_of_sent_mail_is_passed_over(take, store, field: dict[str, str], word: str):
    answer = take("words", sent=True, id_="s1@x", to="else@y.example", **field)
    assert isinstance(answer, Skipped)
    assert word in answer.reason
    assert rows(store, cases) == []


def test_an_empty_sent_mail_is_named(take):
    take("one")
    answer = take(" ", sent=True, id_="s1@x", sender=STAFF, in_reply_to="<m1@quist.example>")
    assert isinstance(answer, Failure)


def test_two_answers_that_a_person_sent_under_one_subject_stay_apart(take, store):
    take("one")
    take("two", id_="m2@x", sender="b@y.example")
    one = {"id_": "s1@shop.example", "sender": STAFF, "in_reply_to": "<m1@quist.example>"}
    assert take("to the first", sent=True, **one) == "sent"
    other = take("to somebody else", sent=True, id_="s2@shop.example", sender=STAFF, to="z@z.example")
    assert other == Skipped("it answers no case")
