"""Text of customers, made harmless for programs that read markup into it."""

from __future__ import annotations

import re
import unicodedata

_MARKUP = "*~`[]@"
_CHAT = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {char: chr(ord(char) + 0xFEE0) for char in _MARKUP}
)  # the full-width forms look the same and mean nothing
_OUTER = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")  # inside a word it is no markup, and ids have one


def clean(text: str) -> str:
    """The text without what cannot be seen: control, format and direction characters, lone surrogates."""
    spaced = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return "".join(c for c in spaced if c == "\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"})


def line(text: str, most: int) -> str:
    """The text as one line of at most `most` characters."""
    words = " ".join(clean(text.replace("\n", " ")).split())
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def for_chat(text: str, most: int) -> str:
    """The text as Slack, and programs that understand Slack's webhooks, show it literally.

    `& < >` are escaped; what would be bold, code, a link, an image, a mention or an address to fetch is replaced by
    characters that look alike. At most `most` characters; an escape is never cut in half.
    """
    text = _OUTER.sub("＿", clean(text)).replace("://", "：//")
    text = re.sub(r"www\.", "www．", text, flags=re.IGNORECASE)
    parts: list[str] = []
    left = most - 1
    for char in text:
        part = char.translate(_CHAT)
        if len(part) > left:
            return "".join(parts).rstrip("_") + "…"
        parts.append(part)
        left -= len(part)
    return "".join(parts)
