from __future__ import annotations

import io
import json
import mailbox
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from api import cli
from api.store.tables import cases, messages
from tests.builders_mail import eml

ONE = eml("one", id_="m1@x")
TWO = eml("two", id_="m2@x", subject="no word of it", sender="b@y.example", in_reply_to="<m1@x>", hours=1)
THREE = eml("three", id_="m3@x", subject="Another", sender="c@z.example", hours=2)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DESK_LOG_LEVEL", "error")
    return tmp_path / "home"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`desk import-mail ...`: exit code, stdout, stderr."""

    def command(*args: object) -> tuple[int, str, str]:
        try:
            code = cli.main(["import-mail", *map(str, args)])
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def report(out: str) -> dict[str, Any]:
    return json.loads(out)


def stored(home: Path) -> list[list[str]]:
    """The texts of each case, oldest first; cases in the order of their first text."""
    engine = create_engine(f"sqlite:///{home / 'desk.db'}")
    with engine.connect() as conn:
        ids = conn.execute(select(cases.c.id)).scalars().all()
        query = select(messages.c.case_id, messages.c.body).order_by(messages.c.at)
        rows = conn.execute(query).all()
    engine.dispose()
    return sorted([row.body["text"] for row in rows if row.case_id == one] for one in ids)


def mbox(path: Path, *mails: bytes) -> Path:
    box = mailbox.mbox(path)
    for mail in mails:
        box.add(message_from_bytes(mail))
    box.close()
    return path


def test_an_mbox_is_taken_in_oldest_first_and_once(run, tmp_path: Path, home: Path):
    path = mbox(tmp_path / "inbox", THREE, TWO, ONE)  # newest first, as some programs write them
    code, out, _ = run(path)
    assert code == 0
    assert out == "3 mails: 2 opened a case; 1 came to a case; 0 were here already.\n"
    assert stored(home) == [["one", "two"], ["three"]]
    code, out, _ = run("--json", path)
    assert report(out) == {"mails": 3, "opened": 0, "added": 0, "known": 3, "skipped": {}, "errors": []}
    assert len(stored(home)) == 2


def test_words_after_from_do_not_end_a_mail_of_an_mbox(run, tmp_path: Path, home: Path):
    words = "Hello\n\nFrom me to you\nFrom now on, I order elsewhere\n>From quoted"
    raw = words.replace("\n>From", "\n>>From").replace("\nFrom now", "\n>From now").encode()
    head, _, _ = ONE.partition(b"\n\n")
    path = tmp_path / "inbox"
    path.write_bytes(
        b"From - Mon Nov 23 12:00:00 2026\n"
        + head
        + b"\n\n"
        + raw
        + b"\n\nFrom x@y Mon Nov 23 13:00:00 +0000 2026\n"
        + THREE
    )
    assert run(path)[0] == 0
    assert stored(home) == [[words], ["three"]]


def test_an_mbox_with_the_line_ends_of_windows_is_read(run, tmp_path: Path, home: Path):
    path = tmp_path / "inbox"
    whole = b"From a@b Mon Nov 23 12:00:00 2026\n" + ONE + b"\nFrom a@b Mon Nov 23 12:00:00 2026\n" + THREE
    path.write_bytes(whole.replace(b"\n", b"\r\n"))
    assert run(path)[0] == 0
    assert stored(home) == [["one"], ["three"]]


def test_single_mails_and_several_paths_are_taken(run, tmp_path: Path, home: Path):
    (tmp_path / "a.eml").write_bytes(ONE)
    (tmp_path / "b").write_bytes(TWO)
    assert run(tmp_path / "b", tmp_path / "a.eml")[0] == 0
    assert stored(home) == [["one", "two"]]


def test_a_folder_of_mails_is_taken_with_its_folders(run, tmp_path: Path, home: Path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.eml").write_bytes(ONE)
    (tmp_path / "in" / "notes.txt").write_bytes(b"no mail")
    mbox(tmp_path / "in" / "deep" / "all.mbox", TWO, THREE)
    assert run(tmp_path / "in")[0] == 0
    assert stored(home) == [["one", "two"], ["three"]]


def test_a_maildir_is_taken(run, tmp_path: Path, home: Path):
    box = mailbox.Maildir(tmp_path / "box")
    for mail in (ONE, TWO):
        box.add(mail)
    box.add_folder("Old").add(THREE)
    assert run(tmp_path / "box")[0] == 0
    assert stored(home) == [["one", "two"], ["three"]]


@pytest.mark.parametrize("many", [True, False], ids=["an mbox", "one mail"])
def test_stdin_is_taken(run, home: Path, monkeypatch: pytest.MonkeyPatch, many: bool):
    separator = b"From a@b Mon Nov 23 12:00:00 2026\n"
    data = separator + ONE + b"\n" + separator + THREE if many else ONE
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert run("-")[0] == 0
    assert stored(home) == ([["one"], ["three"]] if many else [["one"]])


def test_what_cannot_be_read_is_named_and_the_rest_is_taken(run, tmp_path: Path, home: Path):
    path = mbox(tmp_path / "inbox", ONE, b"Subject: \n\n", THREE)
    (tmp_path / "junk.eml").write_bytes(b"%PDF-1.4 no mail")
    code, out, err = run("--json", path, tmp_path / "junk.eml")
    assert code == 1
    found = report(out)
    assert (found["mails"], found["opened"]) == (4, 2)
    assert sorted(one["mail"] for one in found["errors"]) == sorted([f"{path} mail 2", str(tmp_path / "junk.eml")])
    assert all(one["problem"].endswith(".") for one in found["errors"])
    assert len(err.splitlines()) == 2
    assert "Traceback" not in err
    assert stored(home) == [["one"], ["three"]]


def test_mail_of_the_store_and_of_programs_is_passed_over_and_counted(run, tmp_path: Path, home: Path):
    own = eml("ours", id_="s@shop.example", sender="help@shop.example")
    robot = eml("away", id_="r@x", auto_submitted="auto-replied")
    path = mbox(tmp_path / "inbox", own, robot, ONE)
    code, out, _ = run(path, "--own", "help@shop.example", "--json")
    assert code == 0
    assert report(out)["skipped"] == {
        "it comes from one of the store's own addresses": 1, "a program sent it (Auto-Submitted)": 1,
    }  # fmt: skip
    assert stored(home) == [["one"]]


def test_the_own_addresses_of_the_configured_mailbox_count(
    run, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    from api.mailbox import config

    mine = config.MailboxConfig(host="imap.shop.example", user="help@shop.example", secret="MAILBOX")
    monkeypatch.setattr(config, "load", lambda _: mine)
    path = mbox(tmp_path / "inbox", eml("ours", id_="s@x", sender="help@shop.example"))
    assert report(run(path, "--json")[1])["opened"] == 0


@pytest.mark.parametrize("kind", ["nothing there", "empty file", "empty folder", "no path", "empty stdin"])
def test_a_path_that_cannot_be_used_is_one_sentence_and_2(
    run, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b" \n")))
    args = {
        "nothing there": [tmp_path / "no"], "empty file": [tmp_path / "empty"], "empty folder": [tmp_path / "folder"],
        "no path": [], "empty stdin": ["-"],
    }[kind]  # fmt: skip
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert err.startswith("desk: ")
    assert err.count("\n") == 1


def test_progress_of_many_mails_is_told(run, tmp_path: Path):
    path = mbox(tmp_path / "inbox", *[eml(f"text {n}", id_=f"m{n}@x", subject=f"Kettle {n}") for n in range(60)])
    err = run(path)[2]
    assert "Reading dates: 60 of 60" in err
    assert "Taking mail: 60 of 60" in err
