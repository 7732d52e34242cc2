from __future__ import annotations

from datetime import UTC, datetime

from agent.case import Customer, Message
from agent.entities import extract
from agent.redact import redact, restore

TEXT = (
    "My name is Rosa Lindholm, mail rosa@post.example, phone +44 7700 900461, card 4111 1111 1111 1111, "
    "14 Mill Lane, Leeds LS1 4AB. Order FH-104233, tracking 1Z999AA10123456784. Yours, Rosa Lindholm"
)
ENTITIES = extract(
    [Message(TEXT, datetime(2026, 11, 11, tzinfo=UTC))],
    order_id_format="FH-######",
    customer=Customer(name="Rosa Lindholm"),
)


def test_personal_data_gives_way_to_stable_tags() -> None:
    text, tags = redact(TEXT, ENTITIES)
    for secret in ("Rosa", "Lindholm", "post.example", "900461", "4111", "Mill Lane"):
        assert secret not in text
    assert text.count("[NAME_1]") == 2
    assert tags["[EMAIL_1]"] == "rosa@post.example"
    assert "FH-104233" in text


def test_ids_are_replaced_when_asked() -> None:
    text, _ = redact(TEXT, ENTITIES, ids=True)
    assert "[ORDER_1]" in text
    assert "[TRACKING_1]" in text
    assert "104233" not in text


def test_what_was_replaced_comes_back() -> None:
    text, tags = redact(TEXT, ENTITIES, ids=True)
    assert restore(text, tags) == TEXT


def test_a_name_of_the_record_is_replaced_in_any_text() -> None:
    assert redact("Call rosa now", ENTITIES, names=["Rosa Lindholm"]).text == "Call [NAME_1] now"


def test_a_tag_that_the_customer_wrote_himself_is_not_filled() -> None:
    text, tags = redact("[EMAIL_1] and rosa@post.example", ENTITIES)
    assert text == "[EMAIL_1] and [EMAIL_2]"
    assert restore(text, tags) == "[EMAIL_1] and rosa@post.example"


def test_a_text_without_personal_data_stays() -> None:
    assert redact("The lid broke.", ENTITIES) == ("The lid broke.", {})
