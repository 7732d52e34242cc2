"""Recordings: their form, what makes one stale, and that nothing ever goes out."""

from __future__ import annotations

import json
import shutil
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agent import tools
from evals.cassette import FOLDER, SHARED, CassetteError, CassetteMiss, Exchange, Library
from evals.cassette_play import Player, packed, sockets_shut, unpacked
from evals.record import main, play
from tests.evals.recordings import CASE, CLAUDE, ROUNDS, change, dataset, edited, files, folder, replay

pytestmark = pytest.mark.asks_models


@pytest.fixture(autouse=True)
def _files_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands read the project's texts anew each time, which takes seconds."""
    monkeypatch.setattr("evals.record.load_files", files)
    monkeypatch.setattr("evals.replay.load_files", files)


@pytest.mark.parametrize("case", [CASE, ROUNDS, CLAUDE])
def test_a_recording_plays_again_in_both_wire_forms_and_leaves_the_files_alone(tmp_path: Path, case: str):
    where = folder(tmp_path / "r", case)
    before = (where / f"{case}.json").read_bytes()
    proposal = replay(Library.load(where), case)
    assert proposal.draft is not None
    assert not proposal.degraded
    assert (where / f"{case}.json").read_bytes() == before


def test_the_stored_recordings_are_of_both_forms_of_all_issue_types_and_of_seven_languages():
    stored = Library.load(FOLDER, dataset().cases).recordings
    providers = Counter(one.model.partition("/")[0] for one in stored.values())
    assert providers["openai"] >= 60
    assert providers["anthropic"] >= 20
    expected = [dataset().cases[name].expected for name in stored]
    assert {e.language for e in expected} == {"en", "de", "fr", "es", "it", "nl", "pt"}
    assert {kind for e in expected for kind in e.issue_type} == set(files().pack.issue_types)
    assert {one.made for one in stored.values()} == {"scripted"}
    mistakes = [one for one in stored.values() if one.expect and (one.expect.findings or one.expect.failed)]
    assert len(mistakes) >= 15
    assert all(one.note for one in stored.values())


# --- what makes one stale ---------------------------------------------------------------------------------------------


def misses(library: Library, changed: Any) -> dict[str, CassetteMiss]:
    """The recordings that a change makes stale."""
    found: dict[str, CassetteMiss] = {}
    for case in library.recordings:
        try:
            replay(library, case, changed)
        except CassetteMiss as miss:
            found[case] = miss
    return found


def test_a_changed_prompt_line_makes_just_the_recordings_stale_that_have_it_and_names_file_and_line(tmp_path: Path):
    library = Library.load(folder(tmp_path / "r", CASE, ROUNDS, CLAUDE))
    changed, old = edited(tmp_path, "draft/return_refund_dispute", "Never:", "Never: guess.")
    found = misses(library, changed)
    assert found.keys() == {CASE, CLAUDE}
    line = 1 + (tmp_path / "prompts/draft/return_refund_dispute.md").read_text("utf-8").splitlines().index(
        "Never: guess."
    )
    assert found[CASE].cause == f"prompt part `draft/return_refund_dispute` changed, line {line}"
    assert f"\n- {old}\n+ Never: guess." in str(found[CASE])


def test_a_changed_head_of_a_prompt_file_changes_no_recording(tmp_path: Path):
    library = Library.load(folder(tmp_path / "r", CASE))
    changed, _ = edited(tmp_path, "draft/return_refund_dispute", "title:", "title: Another title")
    assert replay(library, CASE, changed).draft


def test_a_changed_tool_description_makes_all_stale_and_names_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    library = Library.load(folder(tmp_path / "r", CASE, CLAUDE))
    monkeypatch.setattr(tools.look_up_order, "__doc__", "Finds an order.")
    tools.desk_agent.cache_clear()
    try:
        found = misses(library, None)
    finally:
        monkeypatch.undo()
        tools.desk_agent.cache_clear()
    assert found.keys() == {CASE, CLAUDE}
    assert found[CASE].cause == found[CLAUDE].cause == "the tool `look_up_order` changed"
    assert "+ look_up_order: Finds an order." in found[CASE].detail


def stored(where: Path, case: str, **fields: Any) -> Library:
    """The library after fields of the first request of a recording were edited."""
    path = where / f"{case}.json"
    held = json.loads(path.read_text("utf-8"))
    held["trials"][0][0]["asked"] |= fields
    path.write_text(json.dumps(held), "utf-8")
    return Library.load(where)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("params", "the model or its settings changed"),
        ("context", "what is looked up for the case changed"),
        ("data", "the case, or what is read out of it, changed"),
    ],
)
def test_each_other_change_is_told_by_its_cause_with_the_line(tmp_path: Path, section: str, words: str):
    where = folder(tmp_path / "r", CASE)
    asked = Library.load(where).recordings[CASE].trials[0][0].asked
    assert asked is not None
    library = stored(where, CASE, **{section: ["old line"], "prints": {**asked.prints, section: "0" * 16}})
    with pytest.raises(CassetteMiss, match=words) as caught:
        replay(library, CASE)
    assert "\n- old line\n+ " in str(caught.value)


def test_one_question_more_than_was_recorded_is_a_miss(tmp_path: Path):
    where = folder(tmp_path / "r", ROUNDS)
    held = json.loads((where / f"{ROUNDS}.json").read_text("utf-8"))
    held["trials"][0].pop()
    change(where / f"{ROUNDS}.json", trials=held["trials"])
    with pytest.raises(CassetteMiss, match="more often than the 2 answers"):
        replay(Library.load(where), ROUNDS)


def test_a_half_played_recording_is_an_error(tmp_path: Path):
    where = folder(tmp_path / "r", CASE)
    held = json.loads((where / f"{CASE}.json").read_text("utf-8"))
    held["trials"][0].append(held["trials"][0][0])
    change(where / f"{CASE}.json", trials=held["trials"])
    with pytest.raises(CassetteError, match="1 of its recorded answers were not asked for"):
        replay(Library.load(where), CASE)


def test_a_trial_is_never_given_the_answers_of_another(tmp_path: Path):
    library = Library.load(folder(tmp_path / "r", CASE))
    player = Player(library, library.recordings[CASE], 1, files().prompts)
    with pytest.raises(CassetteMiss, match="trial 1 was not recorded"):
        play(dataset().cases[CASE], player, files(), library.recordings[CASE].pins)


def test_a_stale_answer_is_played_when_asked_for_and_says_why(tmp_path: Path):
    library = Library.load(folder(tmp_path / "r", CASE))
    changed, _ = edited(tmp_path, "triage", "You prepare", "You prepare drafts for {{ store.name }}.")
    recording = library.recordings[CASE]
    player = Player(library, recording, 0, changed.prompts, "stale")
    assert play(dataset().cases[CASE], player, changed, recording.pins).draft
    assert player.stale.startswith("prompt part `triage` changed, line ")


def test_a_classifier_that_is_taught_anew_makes_nothing_stale_since_what_it_said_is_pinned(tmp_path: Path):
    library = Library.load(folder(tmp_path / "r", CASE))
    pins = library.recordings[CASE].pins
    assert pins.issue_type["return_refund_dispute"] > 0.5
    assert pins.precedents
    assert replay(library, CASE).versions["classifier"] == "pinned"


# --- never live -------------------------------------------------------------------------------------------------------


def test_in_a_replay_no_connection_can_be_opened_and_afterwards_it_can(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with sockets_shut():
            with pytest.raises(CassetteMiss, match="a replay never goes out"):
                socket.create_connection(address)
            with pytest.raises(CassetteMiss, match="a replay never goes out"), socket.socket() as one:
                one.connect(address)
        socket.create_connection(address).close()


def test_a_miss_is_no_exception_so_that_no_client_retries_it():
    assert not issubclass(CassetteMiss, Exception)


# --- files that cannot be used ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"v": 1}, "of version 1, this desk reads version 2"),
        ({"made": None}, "made: Field required"),
        ({"extra": 1}, "extra: Extra inputs"),
        ({"trials": []}, "trials: List should have at least 1"),
        ({"case": "another"}, "holds the case 'another'; name the file another.json"),
    ],
)
def test_a_file_of_another_form_is_refused_by_file_and_field(tmp_path: Path, fields: dict[str, Any], words: str):
    where = folder(tmp_path / "r", CASE)
    change(where / f"{CASE}.json", **fields)
    with pytest.raises(CassetteError, match=words) as caught:
        Library.load(where)
    assert f"{CASE}.json" in str(caught.value)


def test_a_truncated_file_is_named_with_the_way_out(tmp_path: Path):
    where = folder(tmp_path / "r", CASE)
    path = where / f"{CASE}.json"
    path.write_text(path.read_text("utf-8")[:-400], "utf-8")
    with pytest.raises(CassetteError, match=r"not a whole recording.*restore the file or record it anew"):
        Library.load(where)


def test_a_second_file_of_the_same_case_and_a_key_that_is_there_twice_are_refused(tmp_path: Path):
    where = folder(tmp_path / "r", CASE)
    copy = where / "copy.json"
    shutil.copy(where / f"{CASE}.json", copy)
    with pytest.raises(CassetteError, match="remove one of the two"):
        Library.load(where)
    copy.unlink()
    path = where / f"{CASE}.json"
    path.write_text(path.read_text("utf-8").replace('"case":', '"case": "x", "case":', 1), "utf-8")
    with pytest.raises(CassetteError, match="'case' is there twice"):
        Library.load(where)


def test_a_recording_of_no_case_is_refused(tmp_path: Path):
    where = folder(tmp_path / "r", CASE)
    with pytest.raises(CassetteError, match="no case of the suite has this name"):
        Library.load(where, ["another"])


def test_a_shared_text_that_is_gone_or_was_edited_is_refused_and_remade(tmp_path: Path):
    where = folder(tmp_path / "r", CASE)
    shared = where / SHARED
    whole = shared.read_text("utf-8")
    shared.write_text(whole.replace("You decide nothing", "You decide all"), "utf-8")
    with pytest.raises(CassetteError, match="was edited by hand"):
        Library.load(where)
    shared.unlink()
    with pytest.raises(CassetteError, match=r"is missing; run `python -m evals\.cassette remake`"):
        Library.load(where)
    assert main(["--folder", str(where), "remake"]) == 0
    assert replay(Library.load(where), CASE).draft


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("use sk-proj-0123456789abcdefghij please", "looks like a key"),
        ("Authorization: Basic abc", "looks like a key"),
        ("write to jane.doe@gmail.com", "at gmail.com may be a real person's"),
    ],
)
def test_something_secret_is_refused_before_it_is_written(tmp_path: Path, text: str, words: str):
    library = Library.load(folder(tmp_path / "r", CASE))
    bad = library.recordings[CASE].model_copy(update={"trials": [[Exchange(reply={"text": text})]]})
    before = library.path(CASE).read_bytes()
    with pytest.raises(CassetteError, match=words):
        library.save(bad, {})
    assert library.path(CASE).read_bytes() == before


def test_no_recording_holds_a_header_or_a_volatile_field():
    for path in FOLDER.glob("*.json"):
        text = path.read_text("utf-8").lower()
        assert "authorization" not in text
        assert '"tool_call_id": "pyd' not in text


def test_tool_arguments_stand_in_the_file_as_data_and_broken_ones_as_they_came():
    call = {"function": {"name": "f", "arguments": '{"a": 1}'}}
    broken = {"function": {"name": "f", "arguments": '{"a": '}}
    wire = {"choices": [{"message": {"tool_calls": [call, broken]}}]}
    read = unpacked(wire)
    assert read["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert packed(read) == wire
