"""Fixtures: the values of real cases that every prompt is tried with before it becomes active."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, cast

from agent.errors import BrokenFile

FOLDER: Final = "fixtures"
"""In the folder of the prompts."""


@dataclass(frozen=True, slots=True)
class Fixture:
    """Values of one case that prompts are tried with."""

    name: str
    about: str
    """What kind of case it is."""
    used_by: tuple[str, ...]
    """Ids of prompts, with `*` for any part."""
    values: Mapping[str, Any]

    def fits(self, id_: str) -> bool:
        """Whether this prompt is tried with it."""
        return any(fnmatchcase(id_, pattern) for pattern in self.used_by)


def read_fixtures(folder: Path) -> list[Fixture]:
    """The fixtures of a folder, by name.

    Raises:
        BrokenFile: a file is no fixture.

    """
    found: list[Fixture] = []
    for path in sorted(folder.glob("*.json")):
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            used_by, values = tuple(map(str, data["used_by"])), cast("dict[str, Any]", dict(data["values"]))
            found.append(Fixture(path.stem, str(data["about"]), used_by, values))
        except (ValueError, KeyError, TypeError) as e:
            line = getattr(e, "lineno", 0)
            raise BrokenFile(path, line, "this is no fixture", "give about, used_by and values as JSON") from None
    return found
