"""The replay tier as a whole, and recording: what comes of each written answer, and what a provider is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent.llm_request import Endpoint
from agent.pipeline import Deps
from api.cli import main as desk_command
from evals import record, replay, run
from evals.answer import Grounds, load_grounds
from evals.cassette import FOLDER, CassetteError, Library
from evals.cassette_script import scripted_reply
from evals.record import Order, Recorder
from tests.evals.recordings import CASE, CLAUDE, ROUNDS, dataset, edited, files, folder
from tests.fakes import desk

pytestmark = pytest.mark.asks_models


@pytest.fixture(autouse=True)
def _files_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands read the project's texts anew each time, which takes seconds."""
    monkeypatch.setattr("evals.record.load_files", files)
    monkeypatch.setattr("evals.replay.load_files", files)


MODEL = "openai/gpt-4o-mini"


@pytest.fixture(scope="module")
def grounds() -> Grounds:
    return load_grounds()


def played(where: Path, log: Path, grounds: Grounds, *, changed: Any = None, stale: bool = False) -> run.Run:
    """A run of all recordings of a folder."""
    library = Library.load(where, dataset().cases)
    engine = replay.engine(library, changed or files(), "stale" if stale else "replay")
    cases = replay.recorded(tuple(dataset().cases.values()), library)
    kept = run.Log(log, fresh=True)
    run.execute(cases, engine, kept)
    return run.finished(run.scored(kept.trials.values(), dataset(), grounds), engine, dataset())


def test_every_written_answer_comes_out_as_its_recording_says(tmp_path: Path, grounds: Grounds):
    found = played(FOLDER, tmp_path / "log", grounds)
    assert [t.error for t in found.trials if t.error] == []
    assert replay.unmet(found.trials, Library.load(FOLDER)) == {}


def test_two_runs_are_equal_byte_by_byte(tmp_path: Path, grounds: Grounds):
    where = folder(tmp_path / "r", CASE, ROUNDS, CLAUDE)
    one, two = (run.dumped(played(where, tmp_path / "log", grounds)) for _ in range(2))
    assert one == two


def test_a_mistake_that_nothing_sees_any_more_is_told(tmp_path: Path, grounds: Grounds):
    case = "ret-de-005-ruecknahme-abgelehnt-angeblich-getragen"
    where = folder(tmp_path / "r", case)
    found = played(where, tmp_path / "log", grounds)
    library = Library.load(where)
    assert replay.unmet(found.trials, library) == {}
    expect = library.recordings[case].expect
    assert expect is not None
    expect.findings.append("advises")
    assert replay.unmet(found.trials, library) == {case: "its mistake is not seen by advises"}
    expect.findings, expect.failed, expect.state = [], [], "ready"
    assert replay.unmet(found.trials, library)[case].startswith("it is blocked, not ready: The draft accuses")


def test_a_stale_run_says_how_many_and_why_and_with_stale_it_is_no_measure(tmp_path: Path, grounds: Grounds):
    where = folder(tmp_path / "r", CASE, ROUNDS, CLAUDE)
    changed, old = edited(tmp_path, "draft/return_refund_dispute", "Never:", "Never: guess.")
    found = played(where, tmp_path / "log", grounds, changed=changed)
    (sentence,) = replay.told(found.trials)
    assert sentence.startswith("2 of 3 recordings are stale: prompt part `draft/return_refund_dispute` changed, line ")
    assert sentence.endswith(f":\n- {old}\n+ Never: guess.")
    again = played(where, tmp_path / "log", grounds, changed=changed, stale=True)
    assert {t.case for t in again.trials if t.stale} == {CASE, CLAUDE}
    assert [t.error for t in again.trials if t.error] == []
    assert replay.unmet(again.trials, Library.load(where)) == {}


def test_without_a_recording_the_way_out_is_named(tmp_path: Path):
    with pytest.raises(CassetteError, match="desk eval record"):
        replay.load_engine(dataset().cases, tmp_path)
    library = Library.load(folder(tmp_path / "r", CASE))
    with pytest.raises(CassetteError, match="none of these cases is recorded"):
        replay.recorded((dataset().cases[ROUNDS],), library)


def asked(case: str, number: int) -> str:
    """What a request of a stored recording says of look-ups and corrections so far."""
    exchange = Library.load(FOLDER).recordings[case].trials[0][number].asked
    assert exchange is not None
    return "\n".join(exchange.context)


def test_what_a_model_may_not_decide_is_sent_back_with_the_reason():
    assert "`S3` is below the floor S2" in asked("cbk-en-101-headphones-below-floor", 1)
    assert "unknown team customer_happiness; use ids of support_lead" in asked(CLAUDE, 1)
    assert "unknown severity `S5`" in asked("oth-en-002-hello-its-broken-or-something", 1)
    assert "a person leads this case" in asked("exe-en-001-letter-to-joanna-three-desks", 1)
    assert "is not an amount" in asked("dlv-de-006-seit-acht-tagen-verteilzentrum", 1)


def test_a_look_up_gives_this_customers_order_and_no_other():
    assert "17 November 2026" in asked(ROUNDS, 1)
    assert "no such order of this verified customer" in asked(ROUNDS, 2)
    assert "Ruth Okafor" not in asked(ROUNDS, 2)


# --- recording --------------------------------------------------------------------------------------------------------

DRAFT = {"kind": "reply", "subject": "Your dress", "body": "Hello Imogen Slade,\n\nLucie Brandt reads your message."}
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("classify_severity", {"severity": "S4", "criteria": [], "reason": "a question", "confidence": 0.9}),
    ("route_team", {"primary_team": "returns", "collaborators": [], "reason": "a return"}),
    ("final_result", DRAFT),
)


class Provider(BaseHTTPRequestHandler):
    """A provider on this machine: first over its limit, then an answer, unless it refuses all."""

    asked: list[Any] = []  # noqa: RUF012 - emptied by the fixture
    keys: list[str] = []  # noqa: RUF012 - as above
    statuses: list[int] = []  # noqa: RUF012 - as above

    def do_POST(self) -> None:
        """One request to the model."""
        type(self).asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        type(self).keys.append(self.headers["authorization"])
        status = self.statuses.pop(0) if self.statuses else 200
        body = scripted_reply(MODEL, CALLS) if status == 200 else {"error": {"message": "no", "type": "t"}}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("retry-after", "0")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Nothing."""


@pytest.fixture
def provider() -> Iterator[str]:
    Provider.asked, Provider.keys, Provider.statuses = [], [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def toy(cache: Path) -> Deps:
    """A desk that is there at once, in place of the trained one."""
    del cache
    return desk.toy_deps()


def recorder(base: str, where: Path, **more: Any) -> Recorder:
    order = Order(MODEL, where, endpoint=Endpoint(base=base, key="sk-test-0123456789abcdef"), **more)
    return Recorder(order, dataset(), files(), desk.toy_deps)


def test_a_provider_is_asked_only_for_what_is_missing_and_what_it_said_plays_again(provider: str, tmp_path: Path):
    where, cases = tmp_path / "r", [dataset().cases[CASE]]
    Provider.statuses = [429]
    one = recorder(provider, where)
    todo = one.todo(cases)
    one.run(todo)
    assert len(Provider.asked) == 2  # the limit was waited out and is not kept
    made = Library.load(where).recordings[CASE]
    assert (made.made, made.model, len(made.trials[0])) == ("recorded", MODEL, 1)
    assert "sk-test" not in (where / f"{CASE}.json").read_text("utf-8")
    assert recorder(provider, where).todo(cases) == []
    assert [n for _, n in recorder(provider, where, trials=2).todo(cases)] == [1]
    assert len(recorder(provider, where, which="all").todo(cases)) == 1
    assert len(Provider.asked) == 2


def test_a_second_trial_stands_beside_the_first(provider: str, tmp_path: Path):
    one = recorder(provider, tmp_path / "r", trials=2)
    one.run(one.todo([dataset().cases[CASE]]))
    assert len(Library.load(tmp_path / "r").recordings[CASE].trials) == 2


def test_a_refusal_of_the_provider_ends_the_recording_in_one_sentence(provider: str, tmp_path: Path):
    Provider.statuses = [401]
    one = recorder(provider, tmp_path / "r")
    with pytest.raises(CassetteError, match="the provider answered HTTP 401; nothing was recorded"):
        one.run(one.todo([dataset().cases[CASE]]))
    assert not (tmp_path / "r").exists()


def test_written_answers_are_never_recorded_over(tmp_path: Path):
    with pytest.raises(CassetteError, match="written by hand and are not replaced"):
        recorder("", folder(tmp_path / "r", CASE))


def test_the_price_is_told_before_anything_is_asked(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    monkeypatch.setattr("evals.engine.load_deps", toy)
    command = ["eval", "record", "--only", CASE, "--model", MODEL, "--base", provider, "--to", str(tmp_path / "r")]
    assert desk_command(command) == 0
    told = capsys.readouterr().err
    assert "1 answer to record: about " in told
    assert "US dollars, at most 0.50." in told
    assert "Nothing was asked; run it again with --yes." in told
    assert Provider.asked == []
    assert desk_command([*command, "--yes"]) == 0
    assert "Recorded: 1; play it with `desk eval run --tier replay" in capsys.readouterr().out
    assert len(Provider.asked) == 1
    assert desk_command([*command, "--yes"]) == 0
    assert "Every answer is recorded" in capsys.readouterr().out


def test_a_command_without_a_model_or_with_options_that_do_not_go_together_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("DESK_HOME", str(tmp_path))
    assert desk_command(["eval", "record"]) == 2
    assert "Name a model with --model" in capsys.readouterr().err
    assert desk_command(["eval", "run", "--stale", "pipeline"]) == 2
    assert "go with --tier replay" in capsys.readouterr().err


def test_the_replay_tier_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    where = folder(tmp_path / "r", CASE, CLAUDE)
    command = ["eval", "run", "--tier", "replay", "--recordings", str(where)]
    assert desk_command(command) == 0
    assert "2 recorded answers played, 0 failed" in capsys.readouterr().out
    path = where / f"{CASE}.json"
    path.write_text(path.read_text("utf-8")[:200], "utf-8")
    assert desk_command(command) == 2
    assert "not a whole recording" in capsys.readouterr().err


# --- written answers --------------------------------------------------------------------------------------------------

SCRIPT = """
scripts:
- case: ret-en-004-how-do-i-send-a-dress-back
  model: openai/gpt-4o-mini
  note: A short one.
  answers:
  - {finish: refused, text: "I cannot help with that."}
"""


def test_written_answers_become_a_recording_by_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    where = folder(tmp_path / "r", CASE)
    script = tmp_path / "answers.yaml"
    script.write_text(SCRIPT, "utf-8")
    assert record.main(["--folder", str(where), "write", str(script)]) == 0
    assert record.main(["--folder", str(where), "check"]) == 0
    assert "1 answer, fits" in capsys.readouterr().out
    script.write_text(SCRIPT.replace("how-do-i", "how"), "utf-8")
    assert record.main(["--folder", str(where), "write", str(script)]) == 2
    assert "the suite has no such case" in capsys.readouterr().err
    script.write_text(SCRIPT.replace("refused", "angry"), "utf-8")
    assert record.main(["--folder", str(where), "write", str(script)]) == 2
    assert "line" in capsys.readouterr().err


def test_remaking_without_a_change_leaves_every_byte_as_it_was(tmp_path: Path):
    where = folder(tmp_path / "r", CASE, ROUNDS, CLAUDE)
    before = {path.name: path.read_bytes() for path in where.glob("*.json") if path.name != "shared.json"}
    assert record.main(["--folder", str(where), "remake"]) == 0
    assert {name: (where / name).read_bytes() for name in before} == before


def test_remaking_after_a_change_keeps_the_answers_and_takes_the_new_requests(tmp_path: Path):
    where = folder(tmp_path / "r", ROUNDS)
    library = Library.load(where)
    old = library.recordings[ROUNDS]
    changed, _ = edited(tmp_path, "draft/billing_dispute", "Never:", "Never: guess.")
    record.remade(library, dataset().cases[ROUNDS], changed)
    new = Library.load(where).recordings[ROUNDS]
    assert [e.reply for e in new.trials[0]] == [e.reply for e in old.trials[0]]
    assert new.trials[0][0].asked != old.trials[0][0].asked
