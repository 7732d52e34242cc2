"""What is sent to people and systems outside, and what it means that it was not taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from api.errors import DeskError, InvalidError

_KEY = re.compile(r"[!-\-/-~]{1,256}")  # no full stop: it parts id, time and body in what a webhook signs


@dataclass(frozen=True, slots=True)
class Message:
    """One piece of news; a repeat has the same `key`, by which a receiver can tell it.

    Raises:
        InvalidError: the key cannot stand in a header, or `at` has no time zone.

    """

    key: str
    """1 to 256 visible ASCII characters without a full stop."""
    kind: str
    """What happened, e.g. `draft.ready`; the `type` of a webhook."""
    subject: str
    text: str
    link: str
    """URL of the case in the desk; empty for none."""
    data: Mapping[str, Any]
    """What a webhook gets; the other senders do not look at it."""
    at: datetime
    """When it happened; the same in every repeat."""

    def __post_init__(self) -> None:
        if _KEY.fullmatch(self.key) is None:
            raise InvalidError("A message's key has 1 to 256 visible ASCII characters and no full stop.")
        if self.at.utcoffset() is None:
            raise InvalidError("A message's time needs a time zone.")


class Sender(Protocol):
    """One way out of the house."""

    async def send(self, message: Message) -> None:
        """Hand the message over, with at most one request; it returns when the receiver has taken it.

        Raises:
            NotTaken: the receiver did not take it, or nobody knows whether it did.

        """
        ...


class NotTaken(DeskError):
    """The receiver did not take the message; `reason` is short and holds no URL, address or text of the receiver."""

    retryable = True

    def __init__(
        self, reason: str, *, retry_after: timedelta | None = None, gone: bool = False, final: bool = False
    ) -> None:
        super().__init__(f"The message was not taken: {reason}.")
        self.reason = reason
        self.retry_after = retry_after
        """How long the receiver asks to be left alone; None when it does not say."""
        self.gone = gone
        """The receiver wants no message ever again: switch the address off."""
        self.final = final
        """The receiver will never take this message; others it may take."""
