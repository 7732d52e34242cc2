from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from api.mailbox.threads import bare
from api.store.tables import cases, mail_ids, messages


def texts(store) -> list[list[str]]:
    """The texts of each case, cases in the order of their first text."""
    with store.read() as conn:
        ids = conn.execute(select(cases.c.id)).scalars().all()
        rows = [
            conn.execute(select(messages.c.body).where(messages.c.case_id == i).order_by(messages.c.at)) for i in ids
        ]
        return sorted([row.body["text"] for row in found] for found in rows)


@pytest.mark.parametrize(
    "subject",
    ["Re: Kettle", "RE: re: Kettle", "AW: Kettle", "Antw: Kettle", "Fwd: Fw: Kettle", "WG: Kettle", "SV: Kettle",
     "TR: Kettle", "R: Kettle", "Re[2]: Kettle", "Re(3): Kettle", "[EXTERNAL] Re: Kettle", "  Re :  Kettle ", "Re：Kettle"],
)  # fmt: skip
def test_a_subject_is_bared_of_what_answers_and_forwards_put_before_it(subject: str):
    assert bare(subject) == "Kettle"


@pytest.mark.parametrize("subject", ["Return: Kettle", "Order 1: Kettle", "Reg: x", "Internet: down", "[#12] Kettle"])
def test_other_words_before_a_colon_belong_to_the_subject(subject: str):
    assert bare(subject) == subject


def test_an_answer_comes_to_the_case_of_the_mail_that_it_answers(take, store):
    assert take("one") == "opened"
    assert (
        take("two", id_="m2@x", subject="other words", sender="b@y.example", in_reply_to="<m1@quist.example>")
        == "added"
    )
    assert texts(store) == [["one", "two"]]


def test_an_ancestor_among_many_is_enough(take, store):
    take("one")
    refs = "<x@x> <m1@quist.example> <y@y>"
    assert (
        take("two", id_="m2@x", subject="other", sender="b@y.example", references=refs, in_reply_to="<y@y>") == "added"
    )


def test_the_nearest_ancestor_decides(take, store):
    take("one")
    take("two", id_="m2@x", subject="second", sender="b@y.example")
    refs = "<m1@quist.example> <m2@x>"
    take("three", id_="m3@x", subject="s", sender="c@z.example", references=refs, hours=1)
    assert texts(store) == [["one"], ["two", "three"]]


def test_an_answer_is_found_by_the_case_in_its_address(take, store):
    take("one")
    with store.read() as conn:
        case_id = conn.execute(select(cases.c.id)).scalar_one()
    to = f"Help <HELP+{case_id}@shop.example>"
    assert take("two", id_="m2@x", subject="s", sender="b@y.example", to=to) == "added"
    assert (
        take("three", id_="m3@x", subject="t", sender="b@y.example", to="help@shop.example", delivered_to=to) == "added"
    )


def test_an_address_with_a_case_that_does_not_exist_opens_a_new_one(take):
    assert take("one", to=f"help+case_{'0' * 26}@shop.example") == "opened"


def test_the_same_sender_with_the_same_subject_within_fourteen_days_comes_to_the_same_case(take):
    take("one", id_="m1@x", hours=-24 * 20)
    assert take("late", id_="m2@x", subject="Re: my KETTLE", hours=-24 * 7) == "added"
    assert take("later still", id_="m3@x", subject="Re: my kettle", hours=0) == "added"  # 7 days after the last
    assert take("another", id_="m4@x", subject="Your kettle", hours=0) == "opened"


def test_after_fourteen_days_the_same_subject_is_a_new_case(take):
    take("one", id_="m1@x", hours=-24 * 14 - 1)
    assert take("two", id_="m2@x") == "opened"


@pytest.mark.parametrize("changed", [{"sender": "b@y.example"}, {"subject": "Other"}, {"subject": ""}])
def test_another_sender_or_subject_or_none_is_a_new_case(take, changed: dict[str, Any]):
    take("one", id_="m1@x")
    assert take("two", id_="m2@x", **changed) == "opened"


def test_mail_without_a_subject_is_never_put_together_by_it(take):
    take("one", id_="m1@x", subject="")
    assert take("two", id_="m2@x", subject="") == "opened"


def test_two_customers_who_answer_one_newsletter_stay_apart(take):
    """The letter itself was never taken in, so that its name proves nothing."""
    take("one", id_="m1@x", subject="Re: News", in_reply_to="<news@shop.example>")
    assert (
        take("two", id_="m2@x", subject="Re: News", sender="b@y.example", in_reply_to="<news@shop.example>") == "opened"
    )


def test_a_mail_that_one_sender_named_before_joins_their_case_only(take):
    take("one", id_="m1@x", in_reply_to="<staff1@shop.example>", references="<m0@x> <staff1@shop.example>")
    assert take("zero", id_="m0@x", subject="late original", hours=-1) == "added"
    assert take("two", id_="m2@x", subject="other", in_reply_to="<staff1@shop.example>") == "added"
    assert (
        take("three", id_="m3@x", subject="other", sender="b@y.example", in_reply_to="<staff1@shop.example>")
        == "opened"
    )


def test_a_mail_without_a_sender_is_never_put_together_by_its_sender(take):
    take("one", id_="m1@x", sender="nobody", in_reply_to="<n@x>")
    assert take("two", id_="m2@x", sender="nobody", in_reply_to="<n@x>") == "opened"


def test_only_hashes_and_marked_columns_tell_of_a_mail(take, store):
    take("one", in_reply_to="<secret-parent@quist.example>")
    with store.read() as conn:
        for row in conn.execute(select(mail_ids)).mappings():
            for column in mail_ids.columns:
                if not column.info.get("personal"):
                    assert "quist" not in str(row[column.name]), column.name
