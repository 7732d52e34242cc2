"""Tries texts that are not active yet in a child process that has little time, little memory, no secrets and may write nothing.

The child checks a laid-out tree, renders its prompts with the fixtures, and renders one with its origins for a preview.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from agent.errors import BrokenFile
from api.settings import ROOT

Json: TypeAlias = dict[str, Any]
Stage: TypeAlias = Literal["read", "lint", "render"]

RENDER_S: Final = 0.25
"""Longest rendering of one text, in seconds of the processor."""
MEMORY: Final = 64 * 2**20
"""Most memory that renderings may take beyond what the loaded texts hold, in bytes."""
WALL_S: Final = 120.0
"""After this time the child is killed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one file, and the way out."""

    file: str
    """Path as in a tree, e.g. `reply/en/chargeback.md`."""
    line: int
    """1-based; 0 when the whole file is meant."""
    column: int
    """1-based; 0 when the whole line is meant."""
    problem: str
    fix: str
    stage: Stage = "lint"
    """How far the file came: it was read, linted, or rendered."""

    @property
    def sentence(self) -> str:
        """For people."""
        where = f", line {self.line}" if self.line else ""
        where += f", column {self.column}" if self.column else ""
        return f"{self.file}{where}: {self.problem}; {self.fix}."


@dataclass(frozen=True, slots=True)
class Tried:
    """What the child found."""

    problems: tuple[Problem, ...]
    marks: tuple[str, str] = ("", "")
    """Of what is in order now; see `Texts.marks`."""
    rendered: int = 0
    """Texts that were rendered."""
    text: str = ""
    segments: tuple[Json, ...] = ()
    """Of the preview that was asked for: `text`, `source`, `trust`."""


def problem_of(broken: BrokenFile, folder: Path, stage: Stage = "lint") -> Problem:
    """A broken file below a laid-out tree in the words of the tree."""
    path = broken.path
    for root in (folder / "prompts", folder):
        if path.startswith(f"{root}/"):
            path = path.removeprefix(f"{root}/")
    problem = broken.problem.replace(f"{folder / 'prompts'}/", "").replace(f"{folder}/", "")
    return Problem(path, broken.line, broken.column, problem, broken.fix, stage)


def try_texts(
    folder: Path, fixtures: Path, *, checked: tuple[str, str] = ("", ""), ids: Iterable[str] | None = None,
    preview: tuple[str, Mapping[str, Any]] | None = None, wall_s: float = WALL_S,
) -> Tried:  # fmt: skip
    """Try a laid-out tree in a child process.

    Args:
        folder: where `api.texttree.write_tree` laid it out.
        fixtures: folder of the values to render with.
        checked: marks of what was checked before.
        ids: of the prompts to render; None for all.
        preview: id and values of a text to give back with its origins; then no fixture is rendered.
        wall_s: after so many seconds the child is killed.

    """
    request = {
        "folder": str(folder), "fixtures": str(fixtures), "checked": list(checked),
        "ids": None if ids is None else sorted(ids), "preview": list(preview) if preview else None,
    }  # fmt: skip
    lines = in_child(request, wall_s)
    if lines and "problems" in lines[-1]:
        return _tried(lines[-1])
    at = next((line["at"] for line in reversed(lines) if "at" in line), "")
    problem = "it takes too much time or memory"
    return Tried((Problem(at or "pack", 0, 0, problem, "make it shorter, with fewer loops and partials", "render"),))


def in_child(request: Json, wall_s: float) -> list[Json]:
    """The lines that the child says to a request; fewer when it had to be killed."""
    command = [sys.executable, "-X", "utf8", "-m", "api.trial_child"]
    child = subprocess.Popen(command, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, cwd=ROOT, env={})  # noqa: S603 - its own interpreter
    try:
        out, _ = child.communicate(json.dumps(request).encode(), timeout=wall_s)
    except subprocess.TimeoutExpired:
        child.kill()
        out, _ = child.communicate()
    return [json.loads(line) for line in out.decode("utf-8", "replace").splitlines() if line.endswith("}")]


def _tried(answer: Json) -> Tried:
    problems = tuple(Problem(**one) for one in answer["problems"])
    return Tried(
        problems, tuple(answer["marks"]), answer["rendered"], answer["text"], tuple(answer["segments"])
    )  # fmt: skip
