"""What is due, and what would have been due under other commitments: `desk clocks`, `desk simulate` and what they show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.guard import load_rulebook
from api import cli, clockview, wiring
from api.auth import Principal
from api.clockview import ClockRow
from api.desk import Desk
from api.errors import NotFoundError
from api.past import PastEscalation
from api.simulate import Outcome, judge, log_of, table
from api.store.unit import Store
from api.texts import Texts
from tests.fakes.desk import PROMPTS, pack, prompts

SLA = (PROMPTS / "pack" / "sla.yaml").read_text(encoding="utf-8")
TUE = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
"""When the desk of these tests stands: opening time in London, without a holiday near."""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs a command: exit code, stdout, stderr. The pack is read once for all tests."""
    monkeypatch.setattr("agent.pack.load_pack", lambda *_: pack())

    def call(*args: object) -> tuple[int, str, str]:
        try:
            code = cli.main([str(a) for a in args])
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


# --- what is due ------------------------------------------------------------------------------------------------------

Rows = Callable[..., tuple[ClockRow, ...]]


@pytest.fixture
def rows(store: Store, desk: Desk, clock: Any) -> Rows:
    def read(**wanted: Any) -> tuple[ClockRow, ...]:
        with store.read() as conn:
            return clockview.rows(conn, desk.versions, clock.now(), **wanted)

    return read


@pytest.fixture
def case(desk: Desk, ada: Principal, escalation: dict[str, Any], work: Callable[[], None]) -> str:
    """A triaged S3 case of the team fulfilment, opened at 09:00."""
    opened = desk.receive(ada, escalation)["case"]
    work()
    return opened


def due_of(found: tuple[ClockRow, ...]) -> list[tuple[str, datetime | None]]:
    return [(row.clock, row.due_at) for row in found]


def test_open_clocks_come_with_the_earliest_due_first(rows: Rows, case: str):
    found = rows()
    assert due_of(found) == [
        ("team_ack:fulfilment", TUE + timedelta(hours=4)),
        ("first_reply", TUE + timedelta(hours=8)),
        ("next_reply:1", TUE + timedelta(hours=8)),
        ("resolution", TUE + timedelta(days=3)),
    ]
    assert {(r.case_id, r.severity, r.team, r.state, r.overdue) for r in found} == {
        (case, "S3", "fulfilment", "running", False)
    }


def test_due_before_leaves_out_what_is_due_then_or_later(rows: Rows, case: str):
    assert due_of(rows(due_before=TUE + timedelta(hours=4))) == []
    assert [row.metric for row in rows(due_before=TUE + timedelta(hours=4, seconds=1))] == ["team_ack"]


def test_a_limit_keeps_the_earliest_and_a_team_only_its_own(rows: Rows, case: str):
    assert [row.metric for row in rows(limit=1)] == ["team_ack"]
    assert len(rows(team="fulfilment")) == 4
    assert rows(team="returns") == ()


def test_an_overdue_clock_says_so_and_by_how_much(rows: Rows, case: str, clock: Any):
    clock.advance(hours=5)
    first, second, *_ = rows()
    assert (first.metric, first.state, first.overdue, first.late_by) == (
        "team_ack", "breached", True, timedelta(hours=1),
    )  # fmt: skip
    assert not second.overdue


def test_paused_clocks_stand_last_and_have_no_due_instant(rows: Rows, case: str, desk: Desk, ada: Principal):
    desk.set_status(ada, case, "waiting_customer")
    found = rows()
    assert [(row.metric, row.state) for row in found] == [
        ("first_reply", "running"), ("next_reply", "paused"), ("resolution", "paused"), ("team_ack", "paused"),
    ]  # fmt: skip
    assert [row.due_at is None for row in found] == [False, True, True, True]
    assert [row.metric for row in rows(due_before=TUE + timedelta(days=99))] == ["first_reply"]


def test_a_resolved_case_owes_nothing_any_more(rows: Rows, case: str, desk: Desk, ada: Principal):
    desk.set_status(ada, case, "resolved")
    assert rows() == ()


def test_a_case_shows_all_its_clocks_the_ended_ones_last(
    store: Store, case: str, desk: Desk, ada: Principal, clock: Any
):
    clock.advance(hours=1)
    desk.record_sent(ada, case, "A new kettle leaves today.")
    with store.read() as conn:
        found = clockview.of_case(conn, desk.versions, case, clock.now())
    assert [(row.clock, row.state) for row in found] == [
        ("team_ack:fulfilment", "running"), ("next_update:1", "running"), ("resolution", "running"),
        ("first_reply", "met"), ("next_reply:1", "met"),
    ]  # fmt: skip
    assert found[-1].ended_at == TUE + timedelta(hours=1)


def test_the_clocks_of_no_case_are_not_found(store: Store, desk: Desk, clock: Any):
    with store.read() as conn, pytest.raises(NotFoundError):
        clockview.of_case(conn, desk.versions, "case_none", clock.now())


# --- desk clocks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Any) -> Iterator[wiring.Runtime]:
    """A home of its own whose desk stands on Tuesday at 09:00; commands find the same clock and texts."""
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    texts = Texts(pack(), prompts(), load_rulebook(PROMPTS, pack()))
    real = wiring.build_runtime
    monkeypatch.setattr("api.livetexts.load_texts", lambda *_, **__: texts)
    monkeypatch.setattr(wiring, "build_runtime", lambda settings, **named: real(settings, clock=clock, **named))
    from api.settings import load

    desk = wiring.build_runtime(load())
    yield desk
    desk.close()


def test_without_a_case_one_sentence_says_so(run: Any, home: wiring.Runtime):
    assert run("clocks") == (0, "No clock is open: no case waits for anybody.\n", "")
    assert json.loads(run("clocks", "--json")[1]) == {"now": "2026-11-24T09:00:00Z", "items": [], "more": False}


def test_clocks_are_listed_in_the_store_s_zone_and_overdue_ones_are_marked(
    run: Any, home: wiring.Runtime, escalation: dict[str, Any], clock: Any
):
    from api.sample import first_admin

    case = home.desk.receive(first_admin(home), escalation)["case"]
    clock.advance(hours=3)
    code, out, _ = run("clocks")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert lines == [
        "case severity clock state due team",
        f"✕ {case} - first reply breached Tue 24 Nov, 11:00 GMT 60 min over -",
        f"✕ {case} - next reply 1 breached Tue 24 Nov, 11:00 GMT 60 min over -",
        f"{case} - resolution running Wed 25 Nov, 09:00 GMT in 21 h -",
        "Open clocks: 3, overdue 2, paused 0.",
    ]
    assert "there are more" in run("clocks", "--limit", 1)[1]
    assert run("clocks", "--due-before", "2026-11-24T11:00")[1] == "No such clock is open.\n"
    assert "Open clocks: 2," in run("clocks", "--due-before", "2026-11-24T12:00:01+01:00")[1]


def test_clocks_have_json(run: Any, home: wiring.Runtime, escalation: dict[str, Any]):
    from api.sample import first_admin

    case = home.desk.receive(first_admin(home), escalation)["case"]
    told = json.loads(run("clocks", "--json", "--limit", 1)[1])
    assert told["more"] is True
    assert told["items"] == [
        {
            "case_id": case, "severity": "", "team": "", "clock": "first_reply", "metric": "first_reply",
            "state": "running", "started_at": "2026-11-24T09:00:00Z", "due_at": "2026-11-24T11:00:00Z",
            "due_in_s": 7200, "overdue": False, "ended_at": None, "late_by_s": 0, "retargeted": False,
            "target": "2 h", "calendar": "around_the_clock",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--team", "pirates"), "There is no team 'pirates'; use one of"),
        (("--due-before", "soon"), "--due-before 'soon' is no instant"),
        (("--due-before", "0001-01-01T00:00+14:00"), "is no instant"),
        (("--limit", "0"), "--limit 0 is not usable"),
        (("--limit", "many"), "invalid int value"),
    ],
)
def test_a_wrong_wish_is_one_sentence_and_2(run: Any, home: wiring.Runtime, args: tuple[str, ...], told: str):
    code, out, err = run("clocks", *args)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


# --- past escalations under commitments ---------------------------------------------------------------------------------


def at(day: int, hour: int, minute: int = 0) -> str:
    """An instant of the week of 2026-11-23, a Monday counted as 0, in a zone that is London's in winter."""
    return f"2026-11-{23 + day}T{hour:02}:{minute:02}:00Z"


def row(**changed: Any) -> dict[str, Any]:
    """An S3 case of Tuesday 09:00, answered at 13:00, resolved on Thursday at 09:00; its targets are 8 business hours
    for replies, 2 business days for updates and 3 for the resolution.
    """
    return {
        "id": "H-1", "opened_at": at(1, 9), "first_reply_at": at(1, 13), "resolved_at": at(3, 9), "severity": "S3",
        "issue_type": "damaged_or_defective", "primary_team": "fulfilment",
        "messages": [text(at(1, 9)), text(at(1, 13), "staff")], **changed,
    }  # fmt: skip


def text(when: str | None, author: str = "customer") -> dict[str, Any]:
    return {"at": when, "from": author, "text": "The mug of order FH-104233 is cracked."}


def outcomes(**changed: Any) -> dict[str, Outcome]:
    past = PastEscalation.model_validate(row(**changed))
    return {outcome.clock: outcome for outcome in judge(log_of(past, past.id), pack().sla)}


def test_clocks_of_a_past_case_count_open_time_and_what_would_have_been_told():
    ends = outcomes()
    first, whole = ends["first_reply"], ends["resolution"]
    assert (first.verdict, first.used, first.share, first.at_risk, first.overdue) == (
        "met",
        timedelta(hours=4),
        0.5,
        0,
        0,
    )
    assert (whole.verdict, whole.used, whole.at_risk) == ("met", timedelta(hours=16), 1)
    assert whole.share == pytest.approx(2 / 3)
    assert ends["next_reply:1"].verdict == "met"
    assert ends["next_update:1"].verdict == "cancelled"


def test_a_late_first_reply_was_told_before_and_at_its_due_instant():
    first = outcomes(first_reply_at=at(2, 10), messages=[text(at(1, 9)), text(at(2, 10), "staff")])["first_reply"]
    assert (first.verdict, first.used, first.share, first.at_risk, first.overdue) == (
        "met_late", timedelta(hours=9), 9 / 8, 2, 1,
    )  # fmt: skip


def test_a_second_message_does_not_restart_the_clock_of_the_next_reply():
    told = [
        text(at(1, 9)),
        text(at(1, 9, 10), "staff"),
        text(at(1, 10)),
        text(at(1, 10, 20)),
        text(at(1, 10, 40), "staff"),
    ]
    ends = outcomes(severity="S1", first_reply_at=at(1, 9, 10), resolved_at=at(1, 11), messages=told)
    assert ends["next_reply:2"].verdict == "met_late"
    assert ends["next_reply:2"].used == timedelta(minutes=40)
    assert "next_reply:3" not in ends


def test_a_message_that_nobody_answered_until_long_after_it_was_due_is_breached():
    told = [text(at(1, 9)), text(at(1, 13), "staff"), text(at(1, 14))]
    assert outcomes(messages=told, resolved_at=at(3, 9))["next_reply:2"].verdict == "breached"
    assert outcomes(messages=told, resolved_at=at(1, 16))["next_reply:2"].verdict == "cancelled"


def test_an_update_that_was_resolved_before_it_was_due_was_still_told_at_risk():
    update = outcomes(resolved_at=at(3, 9))["next_update:1"]  # 12 of 16 hours after the reply
    assert (update.verdict, update.at_risk, update.overdue) == ("cancelled", 1, 0)


def test_without_an_instant_of_the_first_reply_nobody_knows_whether_it_was_in_time():
    ends = outcomes(first_reply_at=None, messages=[text(at(1, 9))])
    assert {clock: outcome.verdict for clock, outcome in ends.items()} == {
        "first_reply": "unknown", "next_reply:1": "unknown", "resolution": "met",
    }  # fmt: skip
    assert (ends["first_reply"].used, ends["first_reply"].at_risk, ends["first_reply"].overdue) == (None, 0, 0)


def test_without_dated_texts_of_the_staff_only_the_first_reply_is_known():
    ends = outcomes(messages=[], text="The mug is cracked.", resolved_at=at(9 - 5, 16))
    assert {clock: outcome.verdict for clock, outcome in ends.items()} == {
        "first_reply": "met", "next_reply:1": "met", "next_update:1": "unknown", "resolution": "met_late",
    }  # fmt: skip


def test_beside_an_undated_text_of_the_staff_no_reply_is_called_missing_or_first():
    told = [text(at(1, 9)), text(None, "staff"), text(at(1, 13), "staff"), text(at(1, 14))]
    assert outcomes(messages=told)["next_reply:2"].verdict == "unknown"
    assert outcomes(messages=told, first_reply_at=None)["first_reply"].verdict == "unknown"


def test_a_dated_text_of_the_staff_is_the_first_reply_when_the_row_names_none():
    assert outcomes(first_reply_at=None)["first_reply"].verdict == "met"


def test_a_note_of_the_staff_from_when_the_case_came_in_is_no_reply():
    log = log_of(PastEscalation.model_validate(row(first_reply_at=None, messages=[text(at(1, 9), "staff")])), "H-1")
    assert (log.first_reply, log.replies) == (False, False)


def test_messages_without_an_instant_or_after_the_resolution_are_counted_and_left_out():
    told = [text(None), text(None), text(at(1, 13), "staff"), text(at(4, 9))]
    log = log_of(PastEscalation.model_validate(row(messages=told)), "H-1")
    assert (log.undated, log.after) == (1, 1)
    assert [event.kind for event in log.events] == [
        "case_opened", "triaged", "message_received", "reply_sent", "status_set",
    ]  # fmt: skip


def test_the_table_counts_clocks_by_metric_and_severity_and_ranks_the_time_used():
    past = [
        PastEscalation.model_validate(
            row(first_reply_at=at(1, 9 + hours), messages=[text(at(1, 9))], resolved_at=at(2, 9))
        )
        for hours in (1, 2, 3, 7)
    ]
    late = PastEscalation.model_validate(row(first_reply_at=at(2, 10), resolved_at=at(2, 11), severity="S2"))
    judged = [judge(log_of(one, "H"), pack().sla) for one in (*past, late)]
    lines = {(line.metric, line.severity): line for line in table(judged, pack().severity_order)}
    assert list(lines)[:2] == [("first_reply", "S2"), ("first_reply", "S3")]
    first = lines["first_reply", "S3"]
    assert (first.cases, first.clocks, first.met, first.met_late, first.unknown) == (4, 4, 4, 0, 0)
    assert (first.median, first.high) == (timedelta(hours=2), timedelta(hours=7))
    assert (first.median_share, first.high_share) == (0.25, 0.875)
    assert lines["first_reply", "S2"].met_late == 1
    assert all(n.met + n.met_late + n.breached + n.cancelled + n.unknown == n.clocks for n in lines.values())


# --- desk simulate ------------------------------------------------------------------------------------------------------


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Two S3 cases: one answered after 4 hours, one whose first reply has no instant."""
    path = tmp_path / "h.jsonl"
    rows = (row(), row(id="", first_reply_at=None, messages=[], text="The mug is cracked."))
    path.write_text("\n".join(json.dumps(r) for r in rows) + "\n", encoding="utf-8")
    return path


def policy(folder: Path, old: str = "", new: str = "") -> Path:
    """The policy of the pack with one change."""
    assert old in SLA
    path = folder / "trial.yaml"
    path.write_text(SLA.replace(old, new, 1), encoding="utf-8")
    return path


STRICT = "first_reply: {within: 8 business h", "first_reply: {within: 3 business h"


def test_a_simulation_has_json(run: Any, tmp_path: Path, history: Path):
    code, out, err = run("simulate", policy(tmp_path, *STRICT), "--history", history, "--compare-current", "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert (told["cases"], len(told["rows"]), len(told["current"]["rows"])) == (2, 4, 4)
    assert told["rows"][0] == {
        "metric": "first_reply", "severity": "S3", "cases": 2, "clocks": 2, "met": 0, "met_late": 1, "breached": 0,
        "cancelled": 0, "unknown": 1, "at_risk": 2, "overdue": 1, "median_used_s": 14400, "p90_used_s": 14400,
        "median_share": 1.333, "p90_share": 1.333,
    }  # fmt: skip
    assert told["current"]["rows"][0]["met"] == 1
    assert told["not_told"] == {
        "no_first_reply": 1, "no_replies": 1, "undated_messages": 0, "messages_after_resolution": 0,
    }  # fmt: skip
    assert told["changes"] == {
        "cases": 1,
        "ends": [{"metric": "first_reply", "before": "met", "after": "met_late", "clocks": 1}],
        "items": [{"case": "H-1", "clocks": [{"clock": "first_reply", "before": "met", "after": "met_late"}]}],
    }


def test_a_simulation_is_told_to_people_with_what_the_history_does_not_tell(run: Any, tmp_path: Path, history: Path):
    code, out, _ = run("simulate", policy(tmp_path, *STRICT), "--history", history, "--compare-current")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert "first reply S3 2 2 0 1 0 0 1 4.0 h (133%) 4.0 h (133%) 2 1" in lines
    assert "Past escalations without an instant of the first reply, so that nobody knows if it was in time: 1." in lines
    assert lines[-3:] == [
        "Past escalations that end otherwise than under the policy in force: 1.", "1 x first reply: met -> late",
        "H-1: first_reply met -> late",
    ]  # fmt: skip


def test_the_policy_in_force_changes_nothing_against_itself(run: Any, tmp_path: Path, history: Path):
    out = run("simulate", policy(tmp_path), "--history", history, "--compare-current")[1]
    assert out.endswith("Nothing ends otherwise than under the policy in force.\n")
    assert "policy in force" not in run("simulate", policy(tmp_path), "--history", history)[1]


def test_a_clock_that_the_trial_does_not_have_is_a_change(run: Any, tmp_path: Path, history: Path):
    trial = policy(tmp_path, "next_update: {within: 2 business days, calendar: business}", "next_update: null")
    told = json.loads(run("simulate", trial, "--history", history, "--compare-current", "--json")[1])
    assert told["changes"]["ends"] == [{"metric": "next_update", "before": "cancelled", "after": None, "clocks": 1}]


def test_at_most_twenty_changed_cases_are_listed(run: Any, tmp_path: Path):
    path = tmp_path / "h.jsonl"
    path.write_text("\n".join(json.dumps(row(id=f"H-{n}")) for n in range(60)), encoding="utf-8")
    trial = policy(tmp_path, *STRICT)
    _, out, err = run("simulate", trial, "--history", path, "--compare-current")
    assert out.count("first_reply met -> late") == 20
    assert out.endswith("... and 40 more\n")
    assert "Deriving clocks: 60 of 60" in err
    told = json.loads(run("simulate", trial, "--history", path, "--compare-current", "--json")[1])
    assert (told["changes"]["cases"], len(told["changes"]["items"])) == (60, 20)


def test_a_foreign_csv_is_simulated_with_a_mapping(run: Any, tmp_path: Path):
    (tmp_path / "t.csv").write_text(
        f"Opened;Answered;Closed;Prio;Text\n{at(1, 9)};{at(1, 13)};{at(3, 9)};normal;The mug is cracked\n"
    )
    (tmp_path / "map.yaml").write_text(
        "fields: {opened_at: Opened, first_reply_at: Answered, resolved_at: Closed, severity: Prio, text: Text}\n"
        "values: {severity: {normal: S3}}\ndefaults: {issue_type: damaged_or_defective}\n"
    )
    trial = policy(tmp_path, *STRICT)
    options = ("--map", tmp_path / "map.yaml", "--compare-current", "--json")
    told = json.loads(run("simulate", trial, "--history", tmp_path / "t.csv", *options)[1])
    assert told["changes"]["items"][0]["case"] == "t.csv line 2"
    assert told["rows"][0]["met_late"] == 1


def test_without_a_history_the_store_s_own_is_taken(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = tmp_path / "store"
    (store / "history").mkdir(parents=True)
    monkeypatch.setenv("DESK_STORE", str(store))
    assert "The store has no history of its own" in run("simulate", policy(tmp_path))[2]
    for name in ("a", "b"):
        (store / "history" / f"{name}.jsonl").write_text(json.dumps(row(id=name)), encoding="utf-8")
    assert json.loads(run("simulate", policy(tmp_path), "--json")[1])["cases"] == 2


BROKEN = (
    ("  - id: low\n", "  - id: low\n    when: {severity: [S4]}\n", "policy `low` stands last and has conditions", "the default"),
    ("    when: {severity: [S3]}\n", "", "policy `medium` has no conditions", "only the last is the default"),
    ('["09:00-17:00"]', '["09:00-17:00", "16:00-18:00"]', "windows overlap on mon", "correct this value"),
    ("Europe/London", "Europe/Londinium", "unknown time zone `Europe/Londinium`", "correct this value"),
    ("within: 30 min", "within: 0 min", "must be more than nothing", "correct this value"),
    ("first_reply: {within: 30 min", "first_reply: {within: 9 h", "gives the first reply more time (9 h)", "the shorter one"),
    ("severity: [S1]", "severity: [S9]", "severity `S9` does not exist", "use one of S1"),
    ("calendars:", "calendars: [", "not valid YAML", "check indentation"),
)  # fmt: skip


@pytest.mark.parametrize(("old", "new", "problem", "fix"), BROKEN, ids=[problem[:24] for *_, problem, _ in BROKEN])
def test_a_broken_policy_is_one_sentence_with_file_line_and_fix(
    run: Any, tmp_path: Path, history: Path, old: str, new: str, problem: str, fix: str
):
    trial = policy(tmp_path, old, new)
    code, out, err = run("simulate", trial, "--history", history)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{trial}, line " in err
    assert problem in err
    assert fix in err
    line = int(err.split(", line ")[1].split(":")[0])
    assert 1 <= line <= len(trial.read_text().splitlines())


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_policy_that_is_no_file_is_one_sentence(run: Any, tmp_path: Path, history: Path, name: str):
    code, out, err = run("simulate", tmp_path / name, "--history", history)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "There is no file" in err


def test_a_wrong_row_of_a_history_is_told_and_nothing_is_simulated(run: Any, tmp_path: Path, history: Path):
    for wrong, told in (
        (row(severity="S9"), "line 3: severity: 'S9' is not in the pack; use one of S1, S2, S3, S4, or map it"),
        (row(opened_at="0001-01-01T00:00:00+14:00"), "line 3: opened_at lies in the year 1; correct it"),
        (row(messages=[text("9999-12-31T23:00:00-08:00")]), "line 3: messages.0.at lies in the year 9999; correct it"),
    ):
        path = history.with_name("wrong.jsonl")
        path.write_text(history.read_text() + json.dumps(wrong))
        code, out, err = run("simulate", policy(tmp_path), "--history", path)
        assert (code, out) == (2, "")
        assert err.splitlines() == [told, f"desk: {path} was not simulated: {told}"]


def test_a_history_that_is_missing_is_one_sentence(run: Any, tmp_path: Path):
    code, out, err = run("simulate", policy(tmp_path), "--history", tmp_path / "nowhere.jsonl")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "There is no file" in err
