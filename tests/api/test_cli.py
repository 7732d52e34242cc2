from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api import cli, wiring
from api.parts import Loaded, Parts
from retrieval.search import PrecedentSearch

ROOT = Path(__file__).resolve().parents[2]
ROW = {
    "id": "H-1",
    "channel": "email",
    "opened_at": "2026-01-05T09:00:00Z",
    "resolved_at": "2026-01-06T09:00:00Z",
    "issue_type": "damaged_or_defective",
    "severity": "S3",
    "primary_team": "fulfilment",
    "customer": {"name": "Wilhelmina Quist", "email": "w.quist@post.example"},
    "order_ref": "FH-204417",
    "products": ["MUG-004"],
    "text": "Hello, the mug of order FH-204417 arrived cracked. Call me: +44 7700 900123. W. Quist",
    "remedy": {"kind": "replacement", "note": "New mug sent to Wilhelmina Quist."},
    "cost": {"amount": "9.60", "currency": "GBP"},
    "aftermath": "kept buying",
    "satisfaction": 5,
}


class Letters:
    """An encoder that counts letters."""

    fingerprint, dimension = "letters-1", 26

    def encode(self, texts: Any) -> Any:
        counts = np.array([[t.lower().count(chr(97 + i)) + 0.1 for i in range(26)] for t in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proposal: Callable[..., dict[str, Any]]) -> Path:
    """A home of its own, with quick parts in the place of the heavy ones."""
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DESK_LOG_LEVEL", "error")
    real = wiring.build_runtime

    def build(settings: Any, **named: Any) -> wiring.Runtime:
        made: list[wiring.Runtime] = []

        def rest(encoder: Any, _: Any) -> Loaded:
            desk = made[0]
            return Loaded(encoder, PrecedentSearch(desk.archive, "letters-1", 26, settings.home / "index"), None)

        made.append(real(settings, **named, parts=Parts(Letters, rest)))  # type: ignore[arg-type]
        return made[0]

    async def propose(payload: Any, deps: Any, clock: Any, *, case_id: str, **_: Any) -> dict[str, Any]:
        from agent import intake

        case = intake.parse(payload, now=clock.now(), case_id=case_id)
        text = case.messages[0].text
        state = "blocked" if "blocked" in text else "needs_human" if "person" in text else "ready"
        return proposal(case_id=case.id, state=state, state_reason="a reason" if state != "ready" else "")

    monkeypatch.setattr(wiring, "build_runtime", build)
    monkeypatch.setattr(wiring, "propose", propose)
    import api.batch

    monkeypatch.setattr(api.batch, "propose", propose)
    return tmp_path / "home"


@pytest.fixture
def desk(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command: exit code, stdout, stderr."""

    def run(*args: object) -> tuple[int, str, str]:
        try:
            code = cli.main([str(a) for a in args])
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n")
    return path


# --- the command line itself ------------------------------------------------------------------------------------------


def test_help_comes_at_once_and_names_every_command():
    took: list[float] = []
    for _ in range(5):
        start = time.perf_counter()
        out = subprocess.run(
            [sys.executable, "-m", "api.cli", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        took.append(time.perf_counter() - start)
    assert all(name in out.stdout for name in cli.COMMANDS)
    assert min(took) < 0.3


def test_no_heavy_package_is_imported_for_help():
    code = "import sys, api.cli\ntry: api.cli.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not [name for name in ("pydantic", "sqlalchemy", "fastapi", "torch", "numpy", "rich") if f"'{name}'" in out]


@pytest.mark.parametrize(
    "args", [(), ("nonsense",), ("draft", "--nope"), ("import",), ("key", "--role", "king"), ("serve", "--port", "x")]
)
def test_a_wrong_command_line_is_one_sentence_and_2(desk: Any, args: tuple[str, ...]):
    code, out, err = desk(*args)
    assert code == 2
    assert out == ""
    assert err.startswith("desk: ")
    assert err.count("\n") == 1


def test_a_wrong_setting_is_one_sentence_and_2(desk: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DESK_PORTT", "1")
    code, _, err = desk("config", "check")
    assert code == 2
    assert "Did you mean DESK_PORT?" in err


def test_config_check_shows_no_secret(desk: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DESK_SECRET", "hush-hush")
    code, out, _ = desk("config", "check")
    assert code == 0
    assert "hush" not in out
    assert "DESK_MODEL" in out


def test_version_and_migrate_have_json(desk: Any):
    assert "version" in json.loads(desk("version", "--json")[1])
    assert json.loads(desk("migrate", "--json")[1])["changed"] is True
    assert json.loads(desk("migrate", "--json")[1])["changed"] is False


def test_a_port_in_use_is_one_sentence(desk: Any):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = desk("serve", "--port", taken.getsockname()[1])
    assert code == 2
    assert "is in use" in err
    assert err.count("\n") == 1


def test_a_broken_pack_is_told_with_its_line_unless_a_good_version_is_kept(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    prompts = tmp_path / "prompts"
    shutil.copytree(ROOT / "prompts", prompts)
    monkeypatch.setenv("DESK_PROMPTS", str(prompts))
    monkeypatch.setenv("DESK_STORE", str(prompts / "sample_store"))
    teams = prompts / "pack" / "teams.yaml"
    good = teams.read_text()
    teams.write_text("teams: [\n")
    code, _, err = desk("key", "early")
    assert code == 2
    assert "teams.yaml, line" in err
    teams.write_text(good)
    assert desk("key", "between")[0] == 0
    teams.write_text("teams: [\n")
    assert desk("key", "late")[0] == 0
    out = desk("doctor")[1]
    assert "▲ texts" in out
    assert "teams.yaml, line" in out


def test_broken_guard_rules_are_told_before_anything_is_drafted(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    monkeypatch.setenv("DESK_PROMPTS", str(tmp_path / "prompts"))
    with (tmp_path / "prompts" / "pack" / "guard.yaml").open("a") as file:
        file.write("\nnonsense: [\n")
    code, _, err = desk("draft", "--no-sample", "kettle")
    assert code == 2
    assert "guard.yaml, line" in err
    assert err.count("\n") == 1


# --- draft ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "code"), [("kettle", 0), ("blocked", 1), ("a person please", 1)])
def test_the_exit_code_says_whether_a_person_must_look(desk: Any, text: str, code: int):
    assert desk("draft", "--no-sample", text)[0] == code


def test_a_draft_is_printed_for_people_or_programs(desk: Any):
    _, out, _ = desk("draft", "--no-sample", "kettle")
    assert "✓ ready" in out
    assert "Subject: Your kettle" in out
    _, out, _ = desk("draft", "--no-sample", "--json", "kettle")
    assert json.loads(out)["draft"]["kind"] == "reply"


def test_a_draft_comes_from_a_file_or_from_stdin(desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import io

    path = tmp_path / "mail.json"
    path.write_text(json.dumps({"id": "F-1", "text": "kettle"}))
    assert json.loads(desk("draft", "--no-sample", "--json", "--file", path)[1])["case_id"] == "F-1"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"id": "S-1", "text": "kettle"}')))
    assert json.loads(desk("draft", "--no-sample", "--json", "-")[1])["case_id"] == "S-1"


@pytest.mark.parametrize(
    "args",
    [
        ("",),
        ("   ",),
        ('{"text": ',),
        ('{"txet": "a"}',),
        ("x" * 70_000,),
        ("--file", "/nowhere"),
        ("a", "--batch", "b"),
        ("a", "--out", "b"),
        ("--batch", "/nowhere"),
    ],
)
def test_what_cannot_be_drafted_is_one_sentence_and_2(desk: Any, args: tuple[str, ...]):
    code, out, err = desk("draft", "--no-sample", *args)
    assert code == 2
    assert out == ""
    assert err.startswith("desk: ")
    assert err.count("\n") == 1


def test_a_batch_answers_every_line_and_tells_the_bad_ones(desk: Any, tmp_path: Path):
    source = lines(
        tmp_path / "in.jsonl",
        {"id": "A", "text": "kettle"},
        "{not json",
        "",
        {"id": "C", "txet": 1},
        {"text": "blocked"},
    )
    code, out, err = desk("draft", "--no-sample", "--batch", source, "--out", tmp_path / "out.jsonl")
    answers = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert code == 2
    assert out == ""
    assert "4 escalations: 1 ready, 1 blocked, 2 error" in err
    assert [a.get("case_id") or (a["line"], a["id"]) for a in answers] == ["A", (2, ""), (4, "C"), "line_5"]
    assert "line 1, column 2" in answers[1]["error"]["detail"]


def test_a_batch_says_the_worst_of_its_lines(desk: Any, tmp_path: Path):
    assert desk("draft", "--no-sample", "--batch", lines(tmp_path / "a", {"text": "kettle"}))[0] == 0
    assert (
        desk("draft", "--no-sample", "--batch", lines(tmp_path / "b", {"text": "kettle"}, {"text": "blocked"}))[0] == 1
    )


def test_an_interrupted_batch_leaves_no_half_output(desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("api.batch.propose", stop)
    out = tmp_path / "out.jsonl"
    out.write_text("the last one\n")
    code, _, err = desk("draft", "--no-sample", "--batch", lines(tmp_path / "in", {"text": "a"}), "--out", out)
    assert (code, err) == (130, "desk: stopped.\n")
    assert out.read_text() == "the last one\n"
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["in", "out.jsonl"]


# --- import, reindex, doctor ------------------------------------------------------------------------------------------


@pytest.fixture
def cards(home: Path) -> Callable[[], list[dict[str, Any]]]:
    import sqlite3

    def read() -> list[dict[str, Any]]:
        with sqlite3.connect(home / "desk.db") as conn:
            conn.row_factory = sqlite3.Row
            return [dict(row) for row in conn.execute("SELECT * FROM precedents ORDER BY change")]

    return read


def test_a_history_is_imported_once(desk: Any, tmp_path: Path, cards: Any):
    source = lines(tmp_path / "h.jsonl", ROW, {**ROW, "id": "H-2", "text": "The kettle leaks."})
    assert json.loads(desk("import", source, "--json")[1]) == {"rows": 2, "added": 2, "encoded": 0, "errors": []}
    again = desk("import", source)
    assert again[0] == 0
    assert "0 of 2 past escalations added, 2 were here already" in again[1]
    assert len(cards()) == 2


def test_a_card_holds_nothing_personal(desk: Any, tmp_path: Path, cards: Any):
    desk("import", lines(tmp_path / "h.jsonl", ROW))
    (card,) = cards()
    text = json.dumps({k: v for k, v in card.items() if k != "vector"}, default=str)
    for personal in ("Wilhelmina", "Quist", "900123", "204417", "w.quist"):
        assert personal not in text
    assert "cracked" in card["summary"]
    assert (card["cost"], card["currency"], card["resolved_in_s"]) == ("9.60", "GBP", 86400)


def test_one_wrong_row_and_nothing_is_imported(desk: Any, tmp_path: Path, cards: Any):
    wrong = [
        ({**ROW, "issue_type": "nonsense"}, "line 2: issue_type: 'nonsense' is not in the pack"),
        ({**ROW, "colour": "red"}, "line 3: colour: it is not a known field"),
        ("{", "line 4: it is not valid JSON"),
        ({**ROW, "text": " "}, "line 5: there is neither a text nor a message"),
        ({**ROW, "resolved_at": "2025-01-01T00:00:00Z"}, "line 6: resolved_at lies before opened_at"),
        ({k: v for k, v in ROW.items() if k != "severity"}, "line 7: severity: it is missing"),
        ({**ROW, "satisfaction": 9}, "line 8: satisfaction"),
    ]
    code, out, err = desk("import", lines(tmp_path / "h.jsonl", ROW, *(row for row, _ in wrong)))
    assert code == 2
    assert out == ""
    for _, told in wrong:
        assert told in err
    assert "Nothing was imported" in err
    assert cards() == []


def test_a_foreign_csv_is_read_with_a_mapping(desk: Any, tmp_path: Path, cards: Any):
    (tmp_path / "t.csv").write_text(
        "Ticket;Category;Prio;Opened;Closed;Description;Resolution;Tags\n"
        '7;Broken;high;2026-01-01T10:00:00Z;2026-01-02T10:00:00Z;"The mug\nis broken";Refunded;MUG-004\n'
        "8;Odd;low;2026-01-01T10:00:00Z;2026-01-02T10:00:00Z;x;y;\n"
    )
    (tmp_path / "map.yaml").write_text(
        "fields: {id: Ticket, issue_type: Category, severity: Prio, opened_at: Opened, resolved_at: Closed,"
        " text: Description, remedy.note: Resolution, products: Tags}\n"
        "values: {issue_type: {Broken: damaged_or_defective}, severity: {high: S2, low: S4}}\n"
        "defaults: {channel: phone, remedy.kind: refund}\n"
    )
    code, _, err = desk("import", tmp_path / "t.csv", "--map", tmp_path / "map.yaml")
    assert code == 2
    assert "line 4: issue_type: 'Odd' is not in the pack" in err
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().rsplit("8;", 1)[0])
    assert desk("import", tmp_path / "t.csv", "--map", tmp_path / "map.yaml")[0] == 0
    (card,) = cards()
    assert (card["severity"], card["channel"], card["remedy_kind"], card["summary"]) == (
        "S2",
        "phone",
        "refund",
        "The mug is broken",
    )


@pytest.mark.parametrize("name", ["nowhere.jsonl", "binary.jsonl", "latin.csv", "quote.csv"])
def test_a_file_that_is_no_history_is_one_sentence(desk: Any, tmp_path: Path, name: str):
    (tmp_path / "binary.jsonl").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "latin.csv").write_bytes("Größe;Maß\n1;2\n".encode("latin-1"))
    (tmp_path / "quote.csv").write_text('id,text\n1,"' + "never closed, " * 20_000)
    code, _, err = desk("import", tmp_path / name)
    assert code == 2
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("desk: ")


def test_an_import_can_wait_for_its_vectors_and_the_index_is_built_from_the_database(
    desk: Any, tmp_path: Path, home: Path
):
    source = lines(
        tmp_path / "h.jsonl", *({**ROW, "id": f"H-{n}", "text": f"case {'xyz'[n % 3] * n}"} for n in range(5))
    )
    assert json.loads(desk("import", source, "--wait", "--json")[1])["encoded"] == 5
    built = json.loads(desk("reindex", "--json")[1])
    assert (built["state"], built["precedents"], built["waiting"], built["recall"]) == ("ready", 5, 0, 1.0)
    assert (home / "index" / "manifest.json").exists()


def test_doctor_finds_a_changed_event(desk: Any, home: Path):
    import sqlite3

    desk("key", "shop")
    code, out, _ = desk("doctor", "--json")
    states = {check["state"] for check in json.loads(out)["checks"]}
    assert code == int("warn" in states)
    assert json.loads(out)["ok"] is True
    with sqlite3.connect(home / "desk.db") as conn:
        conn.execute("UPDATE events SET actor = 'prn_other' WHERE seq = 1")
    code, out, _ = desk("doctor")
    assert code == 2
    assert "✕ event log" in out


def test_a_key_is_shown_once_and_can_be_revoked(desk: Any):
    made = json.loads(desk("key", "shop", "--role", "reviewer", "--json")[1])
    assert made["key"].startswith("desk_")
    assert desk("key", "--revoke", made["id"])[0] == 0
    assert desk("key", "--revoke", "key_none")[0] == 2
    assert desk("signin")[1].startswith("http://127.0.0.1:8000/signin?token=")
    assert desk("signin", "--name", "nobody")[0] == 2
