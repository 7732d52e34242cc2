"""A folder of one recording, a desk to play it, and what else tests of recordings need."""

from __future__ import annotations

import json
import shutil
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from agent.case import Proposal
from agent.prompts import load_prompts
from evals.cassette import FOLDER, SHARED, Library
from evals.cassette_play import Mode, Player
from evals.dataset import Dataset, load
from evals.record import play
from evals.replay import Files, load_files
from tests.fakes import desk

CASE = "ret-en-004-how-do-i-send-a-dress-back"
"""One answer, OpenAI's form."""
ROUNDS = "bil-en-101-circle-twice"
"""Three answers with look-ups."""
CLAUDE = "ret-de-101-stiefel-seit-dem-zwoelften"
"""Two answers, Anthropic's form."""


@cache
def files() -> Files:
    return load_files()


@cache
def dataset() -> Dataset:
    return load(files().pack, date(2026, 12, 1))


def folder(path: Path, *cases: str) -> Path:
    """A copy of these recordings."""
    path.mkdir(exist_ok=True)
    for name in (*cases, Path(SHARED).stem):
        shutil.copy(FOLDER / f"{name}.json", path)
    return path


def change(path: Path, **fields: Any) -> Path:
    """The file with these fields put in; None takes one out."""
    held = json.loads(path.read_text("utf-8")) | fields
    path.write_text(json.dumps({k: v for k, v in held.items() if v is not None}), "utf-8")
    return path


def replay(library: Library, case: str, files_: Files | None = None, mode: Mode = "replay") -> Proposal:
    """The desk's proposal with the recorded answers of a case."""
    recording = library.recordings[case]
    these = files_ or files()
    return play(dataset().cases[case], Player(library, recording, 0, these.prompts, mode), these, recording.pins)


def edited(tmp_path: Path, prompt: str, line: str, instead: str) -> tuple[Files, str]:
    """The project's files with the first line of a prompt that begins so replaced, and that line as it was."""
    root = tmp_path / "prompts"
    if not root.exists():
        shutil.copytree(desk.PROMPTS, root, ignore=shutil.ignore_patterns("*.jsonl"))
    path = root / f"{prompt}.md"
    text = path.read_text("utf-8")
    old = next(one for one in text.splitlines() if one.startswith(line))
    path.write_text(text.replace(old, instead), "utf-8")
    own = files()
    return Files(own.pack, load_prompts(root), own.reader, own.rulebook), old
