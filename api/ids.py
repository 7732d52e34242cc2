"""Prefixed ids such as `case_01j9...`: they sort by time of creation and say what they name."""

from __future__ import annotations

import secrets
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str, now: datetime) -> str:
    """A new id: milliseconds since 1970 in 48 bits, then 80 random bits, in Crockford's base 32."""
    number = int(now.timestamp() * 1000) << 80 | secrets.randbits(80)
    return f"{prefix}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
