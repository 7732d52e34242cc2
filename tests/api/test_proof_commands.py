"""Baseline, process and measures on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from api import cli

Answer = tuple[int, str, str]
T0 = datetime(2026, 5, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DESK_LOG_LEVEL", "error")

    def run(*words: object) -> Answer:
        code = cli.main([str(word) for word in words])
        seen = capsys.readouterr()
        return code, seen.out, seen.err

    return run


@pytest.fixture
def past(tmp_path: Path) -> Path:
    rows = [
        {"id": n, "opened_at": (T0 + timedelta(hours=10 * n)).isoformat(), "resolved_at": (T0 + timedelta(hours=12 * n + 5)).isoformat(),
         "first_reply_at": (T0 + timedelta(hours=10 * n + 2)).isoformat(), "issue_type": "chargeback", "severity": "S2",
         "primary_team": "legal" if n % 2 else "returns"}
        for n in range(40)
    ]  # fmt: skip
    path = tmp_path / "past.jsonl"
    path.write_text("\n".join(map(json.dumps, [*rows, rows[3], {"id": 99, "opened_at": "N/A"}])))
    return path


def test_from_an_export_to_a_baseline_and_a_picture(desk: Callable[..., Answer], past: Path, tmp_path: Path):
    code, out, _ = desk("measures")
    assert code == 0
    assert "There is no baseline yet" in out
    code, out, _ = desk("baseline", "import", past)
    assert code == 0
    assert "42 rows: 40 used (40 new, 0 changed), 1 rejected, 1 there twice." in out
    assert "line 42: opened_at: nothing says when it was opened" in out
    assert "line 41: the same as line 4" in out
    code, out, _ = desk(
        "baseline",
        "freeze",
        "--from",
        "2026-05-01",
        "--to",
        "2026-06-01",
        "--exclude",
        "pilot: team=legal and opened<2026-05-05",
    )
    assert code == 0
    assert "Baseline 1: 36 cases opened from 2026-05-01 until 2026-06-01." in out
    assert "left out: 4 x pilot" in out
    shown = json.loads(desk("baseline", "show", "--json")[1])
    assert (shown["version"], shown["cases"], shown["from"]) == (1, 36, "2026-04-30T23:00:00Z")
    assert "Time per case, end to end" in desk("baseline", "show", "--version", 1)[1]
    assert "The desk is not in use yet." in desk("measures")[1]
    assert json.loads(desk("measures", "--json")[1])["state"] == "not_in_use"
    picture = tmp_path / "map.svg"
    code, out, _ = desk("process", "--issue-type", "chargeback", "--svg", picture)
    assert code == 0
    assert "40 cases, 0 of them open" in out
    assert ET.fromstring(picture.read_text()).tag.endswith("svg")  # noqa: S314 - the desk drew it
    assert json.loads(desk("process", "--by", "teams", "--json")[1])["by"] == "teams"


@pytest.mark.parametrize(("words", "said"), [
    (("baseline", "import", "nowhere.jsonl"), "There is no file"),
    (("baseline", "show"), "There is no baseline yet"),
    (("baseline", "show", "--version", "7"), "There is no baseline of version '7'."),
    (("baseline", "freeze", "--from", "soon", "--to", "2026-06-01"), "is no day"),
    (("baseline", "freeze", "--from", "2026-06-01", "--to", "2026-05-01"), "ends before it begins"),
    (("baseline", "freeze", "--from", "2026-05-01", "--to", "2026-06-01"), "Only 0 past cases"),
    (("baseline", "freeze", "--from", "2026-05-01", "--to", "2026-06-01", "--exclude", "team=x"), "has no reason"),
    (("process", "--issue-type", "weather"), "There is no issue type 'weather'"),
    (("process", "--svg", "/nowhere/at/all.svg"), "cannot be written"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_in_a_sentence(desk: Callable[..., Answer], words: tuple[str, ...], said: str):
    code, _, err = desk(*words)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert err.startswith("desk: ")


def test_a_mapping_that_fits_nothing_leaves_nothing_and_says_so(
    desk: Callable[..., Answer], past: Path, tmp_path: Path
):
    wrong = tmp_path / "map.yaml"
    wrong.write_text("fields: {opened_at: Created, id: Number}\n")
    code, out, _ = desk("baseline", "import", past, "--map", wrong)
    assert code == 2
    assert "No row could be used; check the mapping." in out
    assert "Columns that nothing was read from" not in out or "opened_at" not in out
