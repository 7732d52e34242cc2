"""Files that somebody broke: each is named with its line and the way out, and nothing of it gets into use."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from agent.errors import BrokenFile
from api.texts import load_texts
from api.texttree import STORE, read_tree, write_tree
from api.trial import problem_of
from tests.fakes.desk import PROMPTS

ROWS = [json.loads(line) for line in (Path(__file__).parent / "broken_files.jsonl").read_text().splitlines()]
KEPT = (
    "triage.md",
    "draft/case.md",
    "draft/chargeback.md",
    "reply/en/chargeback.md",
    "reply/en/question.md",
    "brief/en.md",
)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The desk's own files, but few of them, so that a check is quick."""
    folder = tmp_path_factory.mktemp("few")
    for name in KEPT:
        (folder / "prompts" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROMPTS / name, folder / "prompts" / name)
    shutil.copytree(PROMPTS / "partials/en", folder / "prompts/partials/en")
    many = shutil.ignore_patterns("es.yaml", "fr.yaml", "it.yaml", "nl.yaml", "pt.yaml")
    shutil.copytree(PROMPTS / "pack", folder / "prompts/pack", ignore=many)
    shutil.copytree(PROMPTS / "sample_store", folder / STORE, ignore=shutil.ignore_patterns("*.jsonl", "history"))
    return folder


def read(folder: Path, into: Path) -> None:
    """As the desk takes files in: as one tree, laid out elsewhere, loaded from there."""
    write_tree(read_tree(folder / "prompts", folder / STORE), into)
    load_texts(into / "prompts", into / STORE)


def break_one(folder: Path, row: dict[str, Any]) -> None:
    path = folder / row["file"] if row["file"].startswith("store/") else folder / "prompts" / row["file"]
    path.parent.mkdir(parents=True, exist_ok=True)
    if "old" in row:
        text = path.read_text(encoding="utf-8")
        assert row["old"] in text, "the file does not hold what the row breaks"
        path.write_text(text.replace(row["old"], row["new"], 1), encoding="utf-8")
    elif "text" in row:
        path.write_text(row["text"], encoding="utf-8")
    elif "bytes" in row:
        path.write_bytes(bytes.fromhex(row["bytes"]))
    elif "size" in row:
        path.write_bytes(path.read_bytes() + b"x" * row["size"])
    elif "link" in row:
        target = folder / "elsewhere"
        path.rename(target)
        path.symlink_to(target)
    else:
        path.unlink()


def test_there_are_at_least_100_broken_files():
    assert len(ROWS) >= 100


def test_the_files_are_in_order_before_they_are_broken(few: Path, tmp_path: Path):
    read(few, tmp_path)


@pytest.mark.parametrize("row", ROWS, ids=[f"{n}-{row['file']}" for n, row in enumerate(ROWS)])
def test_a_broken_file_is_named_with_line_and_fix(few: Path, tmp_path: Path, row: dict[str, Any]):
    folder = tmp_path / "few"
    shutil.copytree(few, folder)
    break_one(folder, row)
    with pytest.raises(BrokenFile) as refused:
        read(folder, tmp_path / "laid")
    problem = problem_of(refused.value, tmp_path / "laid")
    assert row["says"] in f"{problem.problem}; {problem.fix}"
    assert problem.file == row["file"] or "gone" in row or "elsewhere" in row
    assert problem.line > 0 or "whole" in row
    assert problem.fix
    assert re.fullmatch(r"[^\n]+", problem.sentence)
    assert str(tmp_path) not in problem.sentence
