from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from agent.hookmap import Hook
from api.errors import SettingsError, SignatureError
from api.hooks import verify

BODY = b'{"id":42,"event":"ticket.created"}'
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAP = {"type": "event", "external_id": "id", "messages[*].text": "t"}
STANDARD = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER = "whsec_YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
WORDS = {"S": STANDARD, "O": OTHER, "Z": "testsecret123", "H": "correct horse battery"}

HEADERS: dict[str, dict[str, str]] = {
    "standard": {
        "webhook-id": "msg_1", "webhook-timestamp": "1767225600",
        "webhook-signature": "v1,Q/7f9CtOjJxfHO//VQjpg0Z0aY4tTLlx6iVuXDcgJTg=",
    },
    "zendesk": {
        "x-zendesk-webhook-signature": "/1ZpNfdl29/oGPhS/lp0j8eK+TLm+WZaPvLeg27LbIY=",
        "x-zendesk-webhook-signature-timestamp": "2026-01-01T00:00:00Z",
    },
    "static_header": {"x-desk-secret": "correct horse battery"},
}  # fmt: skip
"""What each sender sends with BODY, signed at NOW."""
SECRETS = {"standard": "S", "zendesk": "Z", "static_header": "H"}


def hook(scheme: str, *secrets: str) -> Hook:
    header = {"header": "X-Desk-Secret"} if scheme == "static_header" else {}
    return Hook.model_validate({"verify": scheme, "secrets": secrets or (SECRETS[scheme],), "map": MAP, **header})


def named(name: str) -> str:
    if name not in WORDS:
        raise SettingsError(f"DESK_SECRET_{name}", "", "the secret is missing.", "Set it.")
    return WORDS[name]


def good(one: Hook, headers: dict[str, str], body: bytes = BODY, now: datetime = NOW) -> bool:
    try:
        verify.check(one, named, headers, body, now)
    except SignatureError:
        return False
    return True


@pytest.mark.parametrize("scheme", HEADERS)
def test_the_published_vector_is_accepted_and_one_byte_less_is_not(scheme: str):
    assert good(hook(scheme), HEADERS[scheme])
    assert scheme == "static_header" or not good(hook(scheme), HEADERS[scheme], BODY[:-1])


@pytest.mark.parametrize("scheme", ["standard", "zendesk"])
def test_a_time_outside_five_minutes_is_refused_either_way(scheme: str):
    for seconds, fits in ((300, True), (301, False), (-300, True), (-301, False)):
        assert good(hook(scheme), HEADERS[scheme], now=NOW + timedelta(seconds=seconds)) is fits


@pytest.mark.parametrize("scheme", HEADERS)
def test_each_header_is_needed_and_the_error_names_it(scheme: str):
    for name in HEADERS[scheme]:
        lacking = {key: value for key, value in HEADERS[scheme].items() if key != name}
        with pytest.raises(SignatureError, match=f"{name} is missing"):
            verify.check(hook(scheme), named, lacking, BODY, NOW)


def test_while_a_secret_is_changed_both_are_good_and_one_signature_of_several_is_enough():
    both = hook("standard", "O", "S")
    assert good(both, HEADERS["standard"])
    by_other = Webhook(OTHER).sign("msg_1", NOW, BODY.decode())
    assert good(both, {**HEADERS["standard"], "webhook-signature": by_other})
    mixed = f"{by_other} {HEADERS['standard']['webhook-signature']}"
    assert good(hook("standard"), {**HEADERS["standard"], "webhook-signature": mixed})
    assert not good(hook("standard"), {**HEADERS["standard"], "webhook-signature": by_other})
    assert good(hook("zendesk", "H", "Z"), HEADERS["zendesk"])
    assert good(hook("static_header", "S", "H"), HEADERS["static_header"])


def test_zendesk_signs_time_before_body_and_the_other_order_is_refused():
    import base64
    import hashlib
    import hmac

    turned = hmac.digest(b"testsecret123", BODY + b"2026-01-01T00:00:00Z", hashlib.sha256)
    headers = {**HEADERS["zendesk"], "x-zendesk-webhook-signature": base64.b64encode(turned).decode()}
    assert not good(hook("zendesk"), headers)


def test_what_moves_from_time_to_body_is_refused():
    stamp = "x-zendesk-webhook-signature-timestamp"
    assert not good(hook("zendesk"), {**HEADERS["zendesk"], stamp: "2026-01-01T00:00:00"}, b"Z" + BODY)
    assert not good(hook("standard"), {**HEADERS["standard"], "webhook-id": "msg_1.1767225600"}, BODY)


@pytest.mark.parametrize(
    ("scheme", "secret", "says"),
    [
        ("standard", "not base64 at all", "no secret of Standard Webhooks"),
        ("standard", "whsec_=", "no secret of Standard Webhooks"),
        ("standard", "whsec_c2hvcnQ=", "no secret of Standard Webhooks"),
        ("zendesk", verify.ZENDESK_TRIAL, "which everybody knows"),
        ("static_header", "hunter2", "too short"),
    ],
)
def test_a_secret_that_protects_nothing_closes_the_source(scheme: str, secret: str, says: str):
    with pytest.raises(SettingsError, match=says) as caught:
        verify.check(hook(scheme, "X"), lambda _: secret, HEADERS[scheme], BODY, NOW)
    assert secret not in str(caught.value)
    assert "DESK_SECRET_X" in str(caught.value)


@pytest.mark.parametrize("scheme", HEADERS)
def test_a_missing_secret_closes_the_source(scheme: str):
    with pytest.raises(SettingsError, match="DESK_SECRET_NONE"):
        verify.check(hook(scheme, SECRETS[scheme], "NONE"), named, HEADERS[scheme], BODY, NOW)


def test_text_that_is_no_utf8_or_no_time_is_refused_without_a_crash():
    assert not good(hook("standard"), HEADERS["standard"], b"\xff\xfe")
    for stamp in ("0", "-1", "1e9", "01767225600", "1767225600.0", "²", "9" * 12, "9" * 13, " 1767225600"):
        assert not good(hook("standard"), {**HEADERS["standard"], "webhook-timestamp": stamp}), stamp
    for stamp in ("2026-13-01T00:00:00Z", "2026-01-01T00:00:00+00:00", "2026-01-01 00:00:00Z", "now"):
        changed = {**HEADERS["zendesk"], "x-zendesk-webhook-signature-timestamp": stamp}
        assert not good(hook("zendesk"), changed), stamp
    for scheme, headers in HEADERS.items():
        for name in headers:
            assert not good(hook(scheme), {**headers, name: "\udce9\x00é v1,"})


# --- ten thousand forgeries ---------------------------------------------------------------------------------------


def _flip(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(7)]) + data[at + 1 :]


def _cut(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + data[at + 1 :]


def _add(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + bytes([dice.randrange(1, 128)]) + data[at:]


def _swap(data: bytes, dice: random.Random) -> bytes:
    at, to = sorted(dice.sample(range(len(data)), 2))
    return data[:at] + data[to : to + 1] + data[at + 1 : to] + data[at : at + 1] + data[to + 1 :]


def _tail(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def _twice(data: bytes, dice: random.Random) -> bytes:
    return data + data[dice.randrange(len(data)) :]


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flip, _cut, _add, _swap, _tail, _twice)


def _forged(scheme: str, dice: random.Random) -> tuple[dict[str, str], bytes] | None:
    """A request that differs from the signed one in its body or in one header; None when chance changed nothing."""
    headers, body = dict(HEADERS[scheme]), BODY
    part = dice.choice([*headers, *([] if scheme == "static_header" else ["body"])])
    mutate = dice.choice(MUTATIONS)
    if part == "body":
        body = mutate(body, dice)
    else:
        headers[part] = mutate(headers[part].encode(), dice).decode("latin-1")
    return None if (headers, body) == (HEADERS[scheme], BODY) else (headers, body)


def test_of_ten_thousand_forgeries_none_is_accepted():
    dice, tried, accepted = random.Random(20261127), Counter[str](), list[Any]()
    hooks = {scheme: hook(scheme) for scheme in HEADERS}
    while tried.total() < 10_000:
        scheme = dice.choice(list(HEADERS))
        if (forged := _forged(scheme, dice)) is None:
            continue
        tried[scheme] += 1
        if good(hooks[scheme], *forged):
            accepted.append((scheme, forged))
    assert accepted == []
    assert min(tried.values()) > 3000
