"""What a scorer gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Mark: TypeAlias = tuple[float | None, str]
"""0 (worst) to 1 (best) with the reason why it is not 1; None when the scorer could not or need not score."""


def nothing_expected(what: str) -> Mark:
    """The case expects nothing here."""
    return None, f"the case expects no {what}"


def right(ok: object, why_not: str) -> Mark:
    """1 when it holds, else 0 with the reason."""
    return (1.0, "") if ok else (0.0, why_not)


def share(wanted: Iterable[str], had: Iterable[str], what: str) -> Mark:
    """The share of the wanted that is there; what is there besides costs nothing."""
    names, held = tuple(wanted), set(had)
    lacking = [name for name in names if name not in held]
    return 1 - len(lacking) / len(names), f"{what} missing: {', '.join(lacking)}" if lacking else ""
