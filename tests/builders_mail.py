"""Mails as customers send them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
"""The day before the tests' present."""
OWN = ("help@shop.example",)


def eml(
    words: str = "My kettle arrived cracked.", *, id_: str = "m1@quist.example", sender: str = "Wil Quist <w@quist.example>",
    subject: str = "My kettle", to: str = "help@shop.example", hours: float = 0, **fields: str,
) -> bytes:  # fmt: skip
    """A mail; `hours` after noon; a further field such as `in_reply_to="<m1@quist.example>"` by its name."""
    head = {
        "From": sender, "To": to, "Subject": subject, "Message-ID": f"<{id_}>" if id_ else "",
        "Date": format_datetime(NOON + timedelta(hours=hours)),
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }  # fmt: skip
    lines = [f"{name}: {value}" for name, value in head.items() if value]
    return ("\n".join(lines) + f"\nContent-Type: text/plain; charset=utf-8\n\n{words}\n").encode()
