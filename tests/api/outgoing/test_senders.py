from __future__ import annotations

import asyncio
import json
import re
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from api.errors import InvalidError
from api.outgoing import webhook
from api.outgoing.message import NotTaken
from api.outgoing.plain import clean, for_chat, line
from api.outgoing.slack import SlackSender, payload
from api.outgoing.transport import Endpoint
from api.outgoing.webhook import WebhookSender, signed
from tests.fakes.outside import NOW, Outside, Stopped, message, outside

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY="


def endpoint(one: Outside) -> Endpoint:
    return Endpoint(f"http://127.0.0.1:{one.port}/x", allow=[f"127.0.0.1:{one.port}"], timeout_s=5)


# --- messages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: y", "a.b", "ü", "x" * 257, "a\x00", "a\n"])
def test_a_key_that_cannot_stand_in_a_header_is_refused(key: str):
    with pytest.raises(InvalidError, match="key"):
        message(key=key)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(InvalidError, match="time zone"):
        message(at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of it


# --- Slack ----------------------------------------------------------------------------------------------------------


def test_slack_gets_blocks_a_fallback_and_a_button_without_previews():
    async def story() -> Outside:
        async with outside() as one:
            await SlackSender(endpoint(one), Stopped()).send(message())
        return one

    request = asyncio.run(story()).requests[0]
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(request.body) == {
        "text": "Draft ready\nCase c_81, order #1042.\nhttps://desk.example/cases/c_81",
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": "*Draft ready*\nCase c_81, order #1042.", "verbatim": True}},
            {"type": "actions", "elements": [
                {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://desk.example/cases/c_81"}]},
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }  # fmt: skip


def test_without_a_link_there_is_no_button():
    shown = payload(message(link=""))
    assert [block["type"] for block in shown["blocks"]] == ["section"]
    assert shown["text"] == "Draft ready\nCase c_81, order #1042."


HOSTILE = [
    "<!channel> <!here> <!everyone>", "<@U123> <#C123|general>", "<https://evil.example|our shop>", "&lt;!channel&gt;", "*bold* _it_ ~no~ `code`",
    "```\nblock\n```", "[click](https://evil.example)", "![x](https://evil.example/x.png)", "@channel @here @all", "mail me@evil.example",
    "https://evil.example/?q=1", "www.evil.example", "WWW.evil.example", "_a_b_", "a__b__c", "ü_x_ü", "HTTP://evil.example", "&amp;lt;", "*\u200b_\u2060x\u202etxt.exe", "[[x]](y)",
    "<!date^1^{date}^https://evil.example|x>", "a*b*c _d", "\u202e<!channel>", "<\u200b!channel>",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_customer_writes_is_markup_in_a_chat(text: str):
    for shown in (payload(message(subject=text, link="")), payload(message(text=text, link=""))):
        section = shown["blocks"][0]["text"]["text"]
        _is_literal(section.replace("*", "", 2) if section.startswith("*") else section)
        _is_literal(shown["text"])


@given(st.text())
def test_no_text_is_markup_in_a_chat(text: str):
    _is_literal(for_chat(text, 200))


def _is_literal(shown: str) -> None:
    assert re.fullmatch(r"(?:[^&<>*_~`\[\]@]|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9])|&(?:amp|lt|gt);)*", shown) is not None, (
        shown
    )
    assert "://" not in shown
    assert "www." not in shown.lower()
    assert re.search("[\u200b\u2060\u202e\x00]", shown) is None


def test_a_text_stays_readable_when_it_is_made_harmless():
    assert (
        for_chat("Order #1042 & 2 <b>: see order_7, 10 % off!", 200)
        == "Order #1042 &amp; 2 &lt;b&gt;: see order_7, 10 % off!"
    )


@given(st.text(alphabet="&<x", max_size=60), st.integers(5, 40))
def test_a_long_text_is_cut_between_escapes(text: str, most: int):
    shown = for_chat(text, most)
    assert len(shown) <= most
    assert re.fullmatch(r"(?:x|&amp;|&lt;)*…?", shown)


def test_a_cut_leaves_no_markup_at_the_end():
    assert for_chat("abc_def", 5) == "abc…"


def test_slack_is_never_sent_more_than_it_takes():
    shown = payload(message(subject="&" * 5000, text="<" * 50_000))
    assert len(shown["blocks"][0]["text"]["text"]) <= 3000
    assert len(shown["text"]) <= 4000


def test_a_line_is_one_line_without_what_cannot_be_seen():
    assert line("a\r\nBcc: b\u2028c\u202e\x00\td\ud800", 100) == "a Bcc: b c d"
    assert line("word " * 100, 20) == "word word word word…"
    assert clean("a\r\nb\tc\x07\u200b") == "a\nb c"


# --- Standard Webhooks ----------------------------------------------------------------------------------------------

VECTOR = "v1,Q/7f9CtOjJxfHO//VQjpg0Z0aY4tTLlx6iVuXDcgJTg="


def test_the_signature_is_the_one_of_the_published_vector():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    headers = signed("msg_1", '{"id":42,"event":"ticket.created"}', at, (SECRET,))
    assert headers == {
        "Content-Type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1767225600",
        "webhook-signature": VECTOR,
    }


def test_a_time_of_another_zone_signs_the_same_instant():
    at = datetime(2026, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    headers = signed("msg_1", '{"id":42,"event":"ticket.created"}', at, (SECRET,))
    assert (headers["webhook-timestamp"], headers["webhook-signature"]) == ("1767225600", VECTOR)


def test_both_secrets_sign_while_they_are_exchanged():
    async def story() -> Outside:
        async with outside() as one:
            await WebhookSender(endpoint(one), Now(), (SECRET, OTHER)).send(message())
        return one

    class Now:
        """The library compares with the machine's clock."""

        def now(self) -> datetime:
            return datetime.now(UTC)

    request = asyncio.run(story()).requests[0]
    for secret in (SECRET, OTHER):
        got = Webhook(secret).verify(request.body, request.headers)
        assert got == {"type": "draft.ready", "timestamp": "2026-11-24T09:00:00Z", "data": {"case": "c_81"}}
    assert request.headers["webhook-id"] == "draft_1:desk"
    assert len(request.headers["webhook-signature"].split()) == 2
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "B" * 40).verify(request.body, request.headers)


def test_a_repeat_has_the_same_id_and_body_and_a_signature_of_its_own_time():
    class Later:
        at = NOW

        def now(self) -> datetime:
            self.at += timedelta(hours=1)
            return self.at

    async def story() -> Outside:
        async with outside() as one:
            sender = WebhookSender(endpoint(one), Later(), (SECRET,))
            await sender.send(message())
            await sender.send(message())
        return one

    first, second = asyncio.run(story()).requests
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 3600
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


@pytest.mark.parametrize(("size", "sent"), [(19_900, 1), (20_000, 0), (10**6, 0)])
def test_a_body_of_20_kb_or_more_is_not_sent(size: int, sent: int):
    async def story() -> None:
        async with outside() as one:
            sender = WebhookSender(endpoint(one), Stopped(), (SECRET,))
            with nullcontext() if sent else pytest.raises(NotTaken, match="larger than 20 kB"):
                await sender.send(message(data={"x": "a" * size}))
        assert one.connections == sent

    asyncio.run(story())


def test_a_body_can_hold_any_text():
    text = webhook.body(message(data={"x": "ü\ud800\u2028"}))
    assert text.isascii()
    assert json.loads(text)["data"] == {"x": "ü\ud800\u2028"}


@pytest.mark.parametrize(
    "secrets",
    [(), (SECRET, OTHER, SECRET), ("",), ("whsec_",), (SECRET.removeprefix("whsec_"),), ("whsec_c2hvcnQ=",), ("whsec_" + "A" * 92,),
     ("whsec_not base64 at all but long enough!",), ("whsec_" + "ü" * 40,), (SECRET, "")],
)  # fmt: skip
def test_secrets_that_cannot_be_used_are_refused_without_being_shown(secrets: tuple[str, ...]):
    with pytest.raises(InvalidError) as caught:
        WebhookSender(Endpoint("https://hooks.example/"), Stopped(), secrets)
    assert not any(secret.removeprefix("whsec_") in str(caught.value) for secret in secrets if len(secret) > 6)
