from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent.errors import BrokenFile
from api.integrations.files import FileHelpdesk
from api.integrations.protocol import Note
from tests.api.conftest import FakeClock

NOTE = Note("case_81", "draft:drf_7", "Dear Ada.", ("late",), group="fulfilment", priority="S2", fields={"issue": "x"})
TICKET: dict[str, Any] = {"messages": [{"id": "1", "at": "2026-11-24T08:00:00+01:00", "text": "Where is it?"}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tickets").mkdir()
    (tmp_path / "tickets" / "T-9.json").write_text(json.dumps(TICKET))
    return tmp_path


def test_a_note_is_a_file_beside_the_ticket_that_the_desk_never_changes(folder: Path):
    ticket = folder / "tickets" / "T-9.json"
    before = ticket.read_bytes()
    note_id = asyncio.run(FileHelpdesk(folder, FakeClock()).post_note("T-9", NOTE))
    [path] = (folder / "notes" / "T-9").iterdir()
    assert path.name == f"{note_id}.json"
    assert json.loads(path.read_text()) == {
        "id": note_id, "case_id": "case_81", "key": "draft:drf_7", "at": "2026-11-24T09:00:00+00:00",
        "text": "[desk:case_81:draft:drf_7]\n\nDear Ada.", "tags": ["desk-late"], "untag": [], "group": "fulfilment",
        "priority": "S2", "fields": {"issue": "x"},
    }  # fmt: skip
    assert ticket.read_bytes() == before


def test_a_note_that_a_dying_process_left_half_written_is_none_and_is_written_anew(folder: Path):
    async def go() -> None:
        desk = FileHelpdesk(folder, FakeClock())
        await desk.post_note("T-9", NOTE)
        [path] = (folder / "notes" / "T-9").iterdir()
        path.rename(path.with_suffix(".0000.part"))
        assert len((await desk.fetch("T-9")).messages) == 1
        await desk.post_note("T-9", NOTE)
        assert len((await desk.fetch("T-9")).messages) == 2

    asyncio.run(go())


def test_a_note_that_is_there_is_not_written_again(folder: Path):
    clock = FakeClock()
    desk = FileHelpdesk(folder, clock)
    asyncio.run(desk.post_note("T-9", NOTE))
    [path] = (folder / "notes" / "T-9").iterdir()
    before = path.read_bytes()
    clock.advance(days=1)
    asyncio.run(desk.post_note("T-9", NOTE))
    assert path.read_bytes() == before


def test_a_priority_is_the_last_that_a_note_set(folder: Path):
    async def go() -> str:
        clock = FakeClock()
        desk = FileHelpdesk(folder, clock)
        for key, severity in (("a", "S3"), ("b", "S1"), ("c", "")):
            clock.advance(minutes=1)
            await desk.post_note("T-9", Note("case_1", key, "text", priority=severity))
        return (await desk.fetch("T-9")).priority

    assert asyncio.run(go()) == "S1"


@pytest.mark.parametrize(("content", "says"), [
    ("{", "Invalid JSON"), ("[]", "should be an object"), ("{}", "messages: Field required"),
    (json.dumps({"messages": []}), "at least 1 item"),
    (json.dumps({**TICKET, "subjct": "x"}), "subjct: Extra inputs"),
    (json.dumps({"messages": [{"id": "1", "at": "2026-11-24T08:00:00", "text": "x"}]}), "messages.0.at: .*timezone"),
    (json.dumps({"messages": [{**TICKET["messages"][0], "author": "bank"}]}), "messages.0.author"),
])  # fmt: skip
def test_a_ticket_that_cannot_be_read_is_one_sentence_that_names_the_file(folder: Path, content: str, says: str):
    (folder / "tickets" / "T-9.json").write_text(content)
    with pytest.raises(BrokenFile, match=says) as raised:
        asyncio.run(FileHelpdesk(folder, FakeClock()).fetch("T-9"))
    assert "T-9.json" in str(raised.value)
    assert "\n" not in str(raised.value)
