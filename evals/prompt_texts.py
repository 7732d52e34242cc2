"""The texts of prompts by the hash that answers carry, so that two versions can be read side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from agent.prompts import Prompts, load_prompts
from evals.compare import TextOf
from evals.errors import RunError

_SHORT = 8
"""Fewest signs of a hash that name a text for certain enough."""


def text_of(folders: Sequence[Path]) -> TextOf:
    """Finds texts among these prompt folders, e.g. the present one and a checkout of the one before.

    They are read when a text is first asked for; a folder that cannot be used then raises `BrokenFile`.

    Raises:
        RunError: there is no such folder.

    """
    for folder in folders:
        if not folder.is_dir():
            raise RunError(f"{folder}: there is no such folder of prompts; name one, or leave it out.")
    texts = cache(lambda: _texts(folders))

    def find(name: str, hash_: str) -> str | None:
        del name
        found = [text for full, text in texts().items() if len(hash_) >= _SHORT and full.startswith(hash_)]
        return found[0] if found else None

    return find


def _texts(folders: Sequence[Path]) -> dict[str, str]:
    """Every text by its whole hash."""
    found: dict[str, str] = {}
    for folder in folders:
        prompts = load_prompts(folder)
        found |= {prompts.version(id_): _whole(prompts, id_) for id_ in prompts.all}
    return found


def _whole(prompts: Prompts, id_: str) -> str:
    """A prompt's body and those of the parts that it reaches, since a hash covers them all."""
    order: list[str] = []
    waiting = [id_]
    while waiting:
        name = waiting.pop(0)
        if name not in order:
            order.append(name)
            waiting += prompts.get(name).head.use
    return "\n\n".join(f"{name}:\n{prompts.get(name).body.strip()}" for name in order)
