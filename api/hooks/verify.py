"""Whether a webhook was signed by its sender: over the raw bytes, in constant time, not too long ago."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from standardwebhooks import Webhook

from agent.hookmap import Hook
from api.errors import SettingsError, SignatureError
from api.settings import SECRET_PREFIX

WINDOW: Final = timedelta(seconds=300)
"""How far the signed time may lie from now, either way."""
LEAST: Final = 16
"""Characters of a secret that a header brings as it is."""
ZENDESK_TRIAL: Final = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="
"""The key of Zendesk's test deliveries: everybody knows it."""

_UNIX = re.compile(r"[1-9][0-9]{0,9}")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_TOKEN = re.compile(r"v\d+a?,[A-Za-z0-9+/=_-]+")

Headers = Mapping[str, str]
"""By name in small letters."""


def check(hook: Hook, secret_named: Callable[[str], str], headers: Headers, body: bytes, now: datetime) -> None:
    """Let a webhook through that one of the hook's secrets signed.

    Raises:
        SignatureError: none did, or not within `WINDOW`.
        SettingsError: a secret is missing or cannot be used.

    """
    secrets = {name: secret_named(name) for name in hook.secrets}
    match hook.verify:
        case "standard":
            good = _standard(secrets, headers, body, now)
        case "zendesk":
            good = _zendesk(secrets, headers, body, now)
        case "static_header":
            good = _static(secrets, _header(headers, hook.header or ""))
    if not good:
        raise SignatureError(
            "The signature does not fit this request; sign the raw body with the secret of this source."
        )


def _standard(secrets: Mapping[str, str], headers: Headers, body: bytes, now: datetime) -> bool:
    number, stamp = _header(headers, "webhook-id"), _header(headers, "webhook-timestamp")
    tokens = _header(headers, "webhook-signature").split(" ")
    if not _UNIX.fullmatch(stamp):  # one way to write it, so that nothing but the signed text is accepted
        raise SignatureError("The header webhook-timestamp is not a number of seconds since 1970.")
    at = datetime.fromtimestamp(int(stamp), UTC)
    _fresh(at, now)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise SignatureError("The body is not UTF-8, so it cannot be what was signed.") from None
    if not number.isascii() or not all(_TOKEN.fullmatch(token) for token in tokens):
        return False
    wanted = [_webhook(name, secret).sign(number, at, text) for name, secret in secrets.items()]
    return any([_same(token, want) for token in tokens for want in wanted])  # noqa: C419 - all are compared


def _webhook(name: str, secret: str) -> Webhook:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_") + "==")
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < LEAST:
        fix = "Use whsec_ and 24 to 64 random bytes in base64."
        raise SettingsError(SECRET_PREFIX + name, "***", "it is no secret of Standard Webhooks.", fix)
    return Webhook(key)


def _zendesk(secrets: Mapping[str, str], headers: Headers, body: bytes, now: datetime) -> bool:
    given, stamp = (
        _header(headers, "x-zendesk-webhook-signature"),
        _header(headers, "x-zendesk-webhook-signature-timestamp"),
    )
    if not _ISO.fullmatch(stamp):
        raise SignatureError("The header x-zendesk-webhook-signature-timestamp is no instant.")
    try:
        _fresh(datetime.fromisoformat(stamp), now)
    except ValueError:
        raise SignatureError("The header x-zendesk-webhook-signature-timestamp is no instant.") from None
    for name, secret in secrets.items():
        if secret == ZENDESK_TRIAL:
            fix = "Save the webhook in Zendesk and take its own signing secret."
            raise SettingsError(
                SECRET_PREFIX + name, "***", "it is the key of test deliveries, which everybody knows.", fix
            )
    wanted = [
        base64.b64encode(hmac.digest(secret.encode(), stamp.encode() + body, hashlib.sha256)).decode()
        for secret in secrets.values()
    ]
    return any([_same(given, want) for want in wanted])  # noqa: C419 - all are compared


def _static(secrets: Mapping[str, str], given: str) -> bool:
    for name, secret in secrets.items():
        if len(secret) < LEAST:
            raise SettingsError(
                SECRET_PREFIX + name, "***", "it is too short.", f"Use {LEAST} random characters or more."
            )
    return any([_same(given, secret) for secret in secrets.values()])  # noqa: C419 - all are compared


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass"))


def _header(headers: Headers, name: str) -> str:
    value = headers.get(name.lower(), "")
    if not value:
        raise SignatureError(f"The header {name.lower()} is missing.")
    return value


def _fresh(at: datetime, now: datetime) -> None:
    if abs(now - at) > WINDOW:
        raise SignatureError(f"It was signed more than {WINDOW.seconds} seconds from now; send it anew, signed anew.")
