"""The page "Change how the desk writes" is followed to the letter: its commands work in their order."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from api import cli
from tests.fakes.desk import ROOT

PAGE = (ROOT / "docs/change-how-the-desk-writes.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines() if line]
SAYS = {
    "desk prompts diff": "+Good day",
    "desk prompts list --changed": "rendered",
    "desk prompts check": "The files are in order",
    "desk prompts preview reply/en/chargeback --case chargeback-en": "Good day",
    "desk prompts preview reply/en/chargeback --case chargeback-en --origins": "untrusted said.",
    'desk prompts activate --reason "a more formal greeting"': "Active now",
    "desk prompts history reply/en/chargeback": "a more formal greeting",
    'desk prompts rollback --reason "customers found it stiff"': "Active now",
}
"""What a reader of the page sees after each command."""


def test_every_command_of_the_page_is_known_here():
    assert [line for line in COMMANDS if not line.startswith("sed ")] == list(SAYS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_new_admin_gets_from_the_file_to_the_active_letter_with_the_page_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts", ignore=shutil.ignore_patterns("*.jsonl"))
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DESK_PROMPTS", str(tmp_path / "prompts"))
    monkeypatch.setenv("DESK_STORE", str(tmp_path / "prompts/sample_store"))
    assert cli.main(["prompts", "check", "--changed"]) == 0
    capsys.readouterr()
    for line in COMMANDS:
        if line.startswith("sed "):
            _, _, script, file = shlex.split(line)
            path, (_, old, new, _) = tmp_path / file, script.split("/")
            path.write_text(re.sub(old, new, path.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
            continue
        assert cli.main(shlex.split(line)[1:]) == 0, line
        assert SAYS[line] in capsys.readouterr().out, line
