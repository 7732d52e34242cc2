"""Personal data replaced by stable tags, and put back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from agent.case import Entities, EntityKind

_PERSONAL: Final[Mapping[EntityKind, str]] = {
    "email": "EMAIL", "phone": "PHONE", "name": "NAME", "card_number": "CARD", "card_last4": "CARD_END",
    "iban": "IBAN", "address": "ADDRESS",
}  # fmt: skip
_IDS: Final[Mapping[EntityKind, str]] = {"order_id": "ORDER", "tracking_number": "TRACKING"}
_TAG: Final = re.compile(r"\[[A-Z_]{4,12}_\d{1,3}\]")


class Redacted(NamedTuple):
    """A text without personal data."""

    text: str
    tags: Mapping[str, str]
    """Tag -> what it stands for, as first written. To be kept as safe as the text itself."""


def redact(text: str, entities: Entities, names: Iterable[str] = (), *, ids: bool = False) -> Redacted:
    """Replaces personal data by tags such as `[EMAIL_1]`; the same value always gets the same tag.

    What the entities name is replaced wherever it stands, so the text need not be the one they were read from.

    Args:
        text: what is to be freed of personal data.
        entities: of the case, from any of its texts.
        names: further names of people, from the customer's record.
        ids: replace order ids and tracking numbers too.

    """
    kinds = {**_PERSONAL, **(_IDS if ids else {})}
    words: dict[str, tuple[str, str]] = {}
    for e in entities.all:
        if label := kinds.get(e.kind):
            for written in {e.text, e.value}:
                words.setdefault(written.casefold(), (label, e.value.casefold()))
    for name in names:
        for part in (name.strip(), *name.split()):
            if len(part) > 2:
                words.setdefault(part.casefold(), ("NAME", part.casefold()))
    words.pop("", None)
    if not words:
        return Redacted(text, {})
    alternatives = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    numbers: dict[tuple[str, str], str] = {}
    tags: dict[str, str] = {}
    taken = set(_TAG.findall(text))

    def tag(m: re.Match[str]) -> str:
        key = words.get(m[0].casefold())
        if key is None:
            return m[0]
        if key not in numbers:
            n = 1 + sum(label == key[0] for label, _ in numbers)
            while f"[{key[0]}_{n}]" in taken:
                n += 1
            numbers[key] = f"[{key[0]}_{n}]"
            taken.add(numbers[key])
            tags[numbers[key]] = m[0]
        return numbers[key]

    return Redacted(re.sub(rf"(?<!\w)(?:{alternatives})(?!\w)", tag, text, flags=re.IGNORECASE), tags)


def restore(text: str, tags: Mapping[str, str]) -> str:
    """Puts back what the tags stand for; a tag that is not among them stays as it is."""
    return _TAG.sub(lambda m: tags.get(m[0], m[0]), text)
