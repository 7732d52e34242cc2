"""Sends to an incoming webhook of Slack, or of a chat program that understands the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from api.clock import Clock
from api.outgoing.message import Message
from api.outgoing.plain import for_chat, line
from api.outgoing.transport import Endpoint

MOST_SUBJECT, MOST_TEXT = 300, 2600
"""Characters of a section; Slack refuses one of more than 3,000."""


@dataclass(frozen=True, slots=True)
class SlackSender:
    """One channel of a chat program; its receiver cannot tell repeats, so a message may be seen twice."""

    endpoint: Endpoint
    clock: Clock

    async def send(self, message: Message) -> None:
        """Show subject, text and a button to the case.

        Raises:
            NotTaken: see `Sender`.

        """
        body = json.dumps(payload(message)).encode()
        await self.endpoint.deliver(body, {"Content-Type": "application/json; charset=utf-8"}, self.clock.now())


def payload(message: Message) -> dict[str, Any]:
    """What the webhook gets: blocks for Slack, and `text` for its notifications and for programs without blocks."""
    subject = for_chat(line(message.subject, MOST_SUBJECT), MOST_SUBJECT)
    text = for_chat(message.text, MOST_TEXT)
    body = "\n".join(filter(None, (f"*{subject}*" if subject else "", text)))
    blocks: list[dict[str, Any]] = []
    if body:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": body, "verbatim": True}})
    if message.link:
        button = {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": message.link}
        blocks.append({"type": "actions", "elements": [button]})
    return {
        "text": "\n".join(filter(None, (subject, text, message.link))),
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }
