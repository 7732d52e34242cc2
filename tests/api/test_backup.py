"""A backup is a whole desk: put back elsewhere, it is in order and goes on."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from api import backup, doctor, sample
from api.errors import UsageError
from api.settings import load
from api.wiring import build_runtime
from tests.fakes.parts import quick_parts


def test_a_backup_taken_from_a_running_desk_is_restored_whole(
    tmp_path: Path, clock: Any, escalation: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doctor, "_index", lambda _: doctor.Check("precedents", "ok", ""))
    desk = build_runtime(load({}, home=tmp_path / "one"), clock=clock, parts=quick_parts())
    who = sample.first_admin(desk)
    case_id = desk.desk.receive(who, escalation)["case"]
    backup.make(tmp_path / "one", tmp_path / "b.zip")
    desk.desk.record_message(who, case_id, {"text": "after the backup"})
    desk.close()
    assert (tmp_path / "b.zip").stat().st_mode & 0o077 == 0
    backup.restore(tmp_path / "b.zip", tmp_path / "two")
    again = build_runtime(load({}, home=tmp_path / "two"), clock=clock, parts=quick_parts())
    assert {c.state for c in doctor.examine(again) if c.name not in {"sqlite", "disk"}} == {"ok"}
    assert again.desk.receive(sample.first_admin(again), escalation)["case"] == case_id, "same secret, same case"
    again.close()


def test_a_damaged_backup_and_a_home_in_use_are_refused(tmp_path: Path, clock: Any):
    build_runtime(load({}, home=tmp_path / "one"), clock=clock, parts=quick_parts()).close()
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    backup.make(tmp_path / "one", good)
    with pytest.raises(UsageError, match="exists"):
        backup.make(tmp_path / "one", good)
    with pytest.raises(UsageError, match="holds a database"):
        backup.restore(good, tmp_path / "one")
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + (b"x" if name == "desk.db" else b""))
    with pytest.raises(UsageError, match="does not fit its checksum"):
        backup.restore(bad, tmp_path / "two")
    bad.write_bytes(b"no zip")
    with pytest.raises(UsageError, match="cannot be read"):
        backup.restore(bad, tmp_path / "two")
    assert not (tmp_path / "two" / "desk.db").exists()
