"""Sends signed JSON to another system, as the Standard Webhooks specification 1.0.0 says."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from standardwebhooks import Webhook

from api.clock import Clock
from api.errors import InvalidError
from api.outgoing.message import Message, NotTaken
from api.outgoing.transport import Endpoint

MOST_BODY = 20_000
"""Most bytes of a body."""
PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class WebhookSender:
    """One system that listens; it tells repeats by their `webhook-id`, the key of the message.

    Raises:
        InvalidError: there are not one or two secrets, or one is not `whsec_` and 24 to 64 bytes in base64.

    """

    endpoint: Endpoint
    clock: Clock
    secrets: tuple[str, ...] = field(repr=False)
    """The one in use; and its successor or predecessor while they are exchanged: then each message is signed by both."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.secrets) <= 2:
            raise InvalidError("A webhook has one secret, or two while they are exchanged.")
        if not all(_usable(secret) for secret in self.secrets):
            raise InvalidError(f"A webhook's secret is {PREFIX} followed by 24 to 64 bytes in base64.")

    async def send(self, message: Message) -> None:
        """Post `{type, timestamp, data}`.

        Raises:
            NotTaken: see `Sender`; also when the body is too large to be sent.

        """
        text = body(message)
        if len(text.encode()) >= MOST_BODY:
            raise NotTaken(f"it is larger than {MOST_BODY // 1000} kB and was not sent")
        now = self.clock.now()
        await self.endpoint.deliver(text.encode(), signed(message.key, text, now, self.secrets), now)


def body(message: Message) -> str:
    """What is signed and sent; the same in every repeat."""
    at = message.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    whole = {"type": message.kind, "timestamp": at, "data": dict(message.data)}
    return json.dumps(whole, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def signed(key: str, text: str, now: datetime, secrets: tuple[str, ...]) -> Mapping[str, str]:
    """The headers of a body that is sent at `now`."""
    at = now.astimezone(UTC)  # the library takes any time for UTC
    return {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(key, at, text) for secret in secrets),
    }


def _usable(secret: str) -> bool:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return secret.startswith(PREFIX) and 24 <= len(key) <= 64
