"""Cassettes: kept model traffic answers exactly the requests it was kept for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent

from agent.llm import Limits, build_model
from agent.llm_request import Endpoint
from evals.cassette import Cassette, CassetteError, CassetteMiss, Entry, Player, main, playing, scripted_reply

pytestmark = pytest.mark.asks_models

OPENAI = "openai/gpt-4o-mini"
CLAUDE = "anthropic/claude-sonnet-4-5"
CALLS = (("route_team", {"team": "fulfilment"}), ("final_result", {"body": "Ihr Halo ist unterwegs."}))


class Letter(BaseModel):
    body: str


def ask(prompt: str = "My lamp is broken.", *, model: str = OPENAI, instructions: str = "Be kind.\nBe short.") -> str:
    agent = Agent(output_type=Letter, instructions=instructions)

    @agent.tool_plain
    def route_team(team: str) -> str:
        return f"{team} is told"

    chain = build_model([model], embedded=agent_down(), limits=Limits(), endpoints={model: Endpoint(key="test-key")})
    return asyncio.run(agent.run(prompt, model=chain)).output.body


def agent_down() -> Any:
    from pydantic_ai.models.function import FunctionModel

    def down(*_: object) -> Any:
        raise AssertionError("the cassette did not answer")

    return FunctionModel(down)


def made(path: Path, model: str = OPENAI, replies: int = 1) -> Path:
    entries = [Entry(reply=scripted_reply(model, CALLS)) for _ in range(replies)]
    Cassette(v=1, case=path.stem, made="scripted", model=model, entries=entries).save(path)
    with playing(path, "record-missing"):
        ask(model=model)
    return path


@pytest.mark.parametrize("model", [OPENAI, CLAUDE])
def test_a_scripted_case_plays_again_in_both_wire_forms(tmp_path: Path, model: str):
    path = made(tmp_path / "dmg-de-002.json", model)
    before = path.read_bytes()
    with playing(path) as player:
        assert ask(model=model) == "Ihr Halo ist unterwegs."
    assert player.unused == ()
    assert path.read_bytes() == before


def test_a_changed_prompt_is_a_miss_that_shows_the_line(tmp_path: Path):
    path = made(tmp_path / "x.json")
    with pytest.raises(CassetteMiss) as caught, playing(path):
        ask(instructions="Be kind.\nBe long.")
    assert "- Be short." in str(caught.value)
    assert "+ Be long." in str(caught.value)
    assert "remake" in str(caught.value)


def test_a_miss_is_no_exception_so_that_no_client_retries_it():
    assert not issubclass(CassetteMiss, Exception)


def test_an_entry_that_nothing_asked_for_fails_the_replay(tmp_path: Path):
    path = made(tmp_path / "x.json")
    with pytest.raises(CassetteError, match="1 of its replies were not asked for"), playing(path):
        pass


def test_the_same_request_once_more_is_a_miss(tmp_path: Path):
    path = made(tmp_path / "x.json")
    with playing(path):
        ask()
        with pytest.raises(CassetteMiss, match="once more than it was kept"):
            ask()


def test_a_failure_within_is_not_hidden_by_the_unused_entries(tmp_path: Path):
    path = made(tmp_path / "x.json")
    with pytest.raises(ZeroDivisionError), playing(path):
        _ = 1 / 0


def test_remaking_keeps_the_written_replies_and_drops_the_old_requests(tmp_path: Path):
    path = made(tmp_path / "x.json")
    old = Cassette.load(path)
    with playing(path, "record-missing"):
        ask("My parcel is late.")
    new = Cassette.load(path)
    assert [entry.reply for entry in new.entries] == [entry.reply for entry in old.entries]
    assert new.entries[0].key != old.entries[0].key
    assert "My parcel is late." in json.dumps(new.entries[0].request)


def test_a_scripted_case_that_is_asked_more_than_is_written_says_so(tmp_path: Path):
    path = made(tmp_path / "x.json")
    with playing(path, "record-missing"):
        ask("one")
        with pytest.raises(CassetteMiss, match="asks once more than replies are written"):
            ask("two")


def test_a_recorded_case_asks_the_provider_only_for_what_is_missing(tmp_path: Path):
    asked: list[str] = []

    async def upstream(request: httpx.Request) -> tuple[int, Any]:
        asked.append(request.url.host)
        return 200, scripted_reply(OPENAI, CALLS)

    path = made(tmp_path / "x.json")
    path.write_text(path.read_text().replace('"scripted"', '"recorded"', 1))
    with playing(path, "record-missing", upstream=upstream):
        ask()
    assert asked == []
    with playing(path, "record-missing", upstream=upstream):
        ask("new text")
    assert asked == ["api.openai.com"]
    with playing(path):
        assert ask("new text") == "Ihr Halo ist unterwegs."


def test_faults_can_be_scripted_by_status_and_text(tmp_path: Path):
    entries = [Entry(status=502, reply="<h1>Bad Gateway</h1>")]
    cassette = Cassette(v=1, case="x", made="scripted", model=OPENAI, entries=entries)
    request = httpx.Request("POST", "https://api.openai.com/v1/chat/completions", json={"model": "m"})
    answer = asyncio.run(Player(cassette, "record-missing")(request))
    assert (answer.status_code, answer.text) == (502, "<h1>Bad Gateway</h1>")


def test_no_header_and_no_volatile_field_is_kept(tmp_path: Path):
    path = made(tmp_path / "x.json")
    assert "test-key" not in path.read_text()
    body = {"model": "m", "user": "u1", "metadata": {"run": 1}, "temperature": 0}
    request = httpx.Request("POST", "https://h/v1", json=body)
    cassette = Cassette(v=1, case="x", made="scripted", model=OPENAI, entries=[Entry(reply={})])
    player = Player(cassette, "record-missing")
    asyncio.run(player(request))
    assert player.remade().entries[0].request["body"] == {"model": "m", "temperature": 0}


def test_a_file_with_a_key_in_it_is_not_written(tmp_path: Path):
    entry = Entry(reply={"text": "use sk-proj-0123456789abcdefghij please"})
    with pytest.raises(CassetteError, match="looks like a key"):
        Cassette(v=1, case="x", made="scripted", model=OPENAI, entries=[entry]).save(tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"made": None}, "made"),
        ({"v": 2}, "v"),
        ({"extra": 1}, "extra"),
        ({"entries": []}, "entries"),
        ({"case": "y"}, "name the file y.json"),
    ],
)
def test_a_file_of_another_form_is_refused_by_field(tmp_path: Path, change: dict[str, Any], words: str):
    path = made(tmp_path / "x.json")
    whole = json.loads(path.read_text()) | change
    path.write_text(json.dumps({name: value for name, value in whole.items() if value is not None}))
    with pytest.raises(CassetteError, match=words):
        Cassette.load(path)


def test_a_request_edited_by_hand_no_longer_fits_its_key(tmp_path: Path):
    path = made(tmp_path / "x.json")
    path.write_text(path.read_text().replace("My lamp is broken.", "My lamp is fine."))
    with pytest.raises(CassetteError, match="the key is not that of the request"):
        Cassette.load(path)


async def drive(cassette: Cassette) -> None:
    request = httpx.Request("POST", "https://api.openai.com/v1/chat/completions", json={"model": cassette.model})
    async with httpx.AsyncClient() as client:
        await client.send(request)


def test_the_command_line_makes_remakes_and_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "x.json"
    assert main(["new", str(path), "--model", OPENAI, "--call", "final_result", '{"body": "ok"}']) == 0
    assert main(["check", str(path)]) == 0
    assert "1 replies without a request yet" in capsys.readouterr().out
    module = type("m", (), {"drive": staticmethod(drive)})
    monkeypatch.setitem(__import__("sys").modules, "toy_driver", module)
    assert main(["remake", str(path), "--drive", "toy_driver:drive"]) == 0
    assert "ready" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "none.json")]) == 2
    assert "there is no such cassette" in capsys.readouterr().err
    assert main(["new", str(path), "--model", OPENAI, "--call", "final_result", "{"]) == 2


def test_every_stored_cassette_can_be_played():
    assert main(["check"]) == 0
