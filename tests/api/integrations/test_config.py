from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.errors import BrokenFile
from agent.hookmap import load_hook
from api.integrations.config import FOLDER, Integrations, load
from api.integrations.files import FileHelpdesk
from api.integrations.zendesk import Zendesk
from api.settings import load as settings
from api.wiring import build_runtime
from tests.fakes.desk import PROMPTS, pack
from tests.fakes.parts import quick_parts

ZENDESK = "subdomain: acme\nclient_id: desk\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / FOLDER
    found.mkdir(parents=True)
    return found


def test_without_files_the_desk_is_joined_to_nothing(tmp_path: Path):
    assert load(tmp_path, pack()) == Integrations()
    assert load(PROMPTS, pack()) == Integrations(), "what the desk is delivered with"


def test_the_examples_are_in_order_each_by_its_name(folder: Path, tmp_path: Path):
    for example in (PROMPTS / FOLDER).glob("*.example"):
        shutil.copy(example, folder / example.stem)
    found = load(tmp_path, pack())
    assert found.zendesk is not None
    assert found.mailbox is not None
    assert found.files is not None
    for example in (PROMPTS / "pack/hooks").glob("*.example"):
        path = Path(shutil.copy(example, tmp_path / example.stem))
        assert load_hook(path).adapter == path.stem


@pytest.mark.parametrize(("name", "text", "line", "said"), [
    ("zendesk", f"{ZENDESK}groups: {{nobody: 9}}\n", 3, "team `nobody` does not exist; use one of"),
    ("zendesk", f"{ZENDESK}priorities:\n  S1: urgent\n  S9: low\n", 5, "severity `S9` does not exist"),
    ("zendesk", f"{ZENDESK}secret: the-secret-itself\n", 3, "secret"),
    ("files", "folder: x\nfolders: y\n", 2, "remove or rename this key"),
    ("mailbox", "host: imap.example\n", 1, "add this key"),
    ("zendsk", ZENDESK, 0, "name the file one of zendesk, files, mailbox"),
])  # fmt: skip
def test_a_broken_file_is_named_with_its_line_and_the_way_out(
    folder: Path, tmp_path: Path, name: str, text: str, line: int, said: str
):
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BrokenFile) as raised:
        load(tmp_path, pack())
    assert f"{name}.yaml" in str(raised.value)
    assert said in str(raised.value)
    assert not line or f"line {line}" in str(raised.value)


def test_the_desk_is_joined_to_what_the_pack_names_and_keeps_the_last_good_file(tmp_path: Path):
    prompts, home = tmp_path / "prompts", tmp_path / "home"
    shutil.copytree(PROMPTS, prompts, ignore=shutil.ignore_patterns("*.jsonl", "sample_store"))
    path = prompts / FOLDER / "zendesk.yaml"
    path.write_text(ZENDESK, encoding="utf-8")
    (prompts / FOLDER / "files.yaml").write_text("folder: here\n", encoding="utf-8")
    found = settings({}, home=home, prompts=prompts)
    desk = build_runtime(found, parts=quick_parts())
    kinds = {name: type(one) for name, one in desk.helpdesks.items()}
    assert kinds == {"zendesk": Zendesk, "files": FileHelpdesk}
    assert desk.desk.rules.helpdesks == {"zendesk", "files"}
    assert set(desk.hooks.fetchers) == {"zendesk", "files"}
    desk.close()
    path.write_text("subdomain: acme\n", encoding="utf-8")
    again = build_runtime(found, parts=quick_parts())
    assert "zendesk.yaml" in again.texts.problem
    assert again.texts.integrations == desk.texts.integrations
    again.close()
