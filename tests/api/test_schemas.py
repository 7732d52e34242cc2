"""Schemas and fixtures of the texts are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from api.schemas import FOLDER, schema_texts
from tests.fakes import fixtures
from tests.fakes.desk import PROMPTS

YAMLS = sorted([*(PROMPTS / "pack").rglob("*.yaml"), *(PROMPTS / "sample_store").glob("*.yaml")])


def test_the_schema_files_are_current():
    """`desk prompts schema` writes them."""
    assert {path.name: path.read_text() for path in (PROMPTS / FOLDER).glob("*.json")} == schema_texts()


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: str(path.relative_to(PROMPTS)))
def test_a_pack_file_names_its_schema_on_its_first_line(path: Path):
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match, first
    schema = json.loads((path.parent / match[1]).read_text())
    held = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(held) <= set(schema["properties"])
    assert set(schema.get("required", ())) <= set(held)


def test_the_fixtures_are_what_the_code_makes_of_the_stored_cases():
    """`python -m tests.fakes.fixtures` writes them."""
    stored = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in fixtures.FOLDER.glob("*.json")}
    made = json.loads(json.dumps(fixtures.made()))
    assert stored == made
