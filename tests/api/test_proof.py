"""Proof from end to end: the past imported, a window frozen, and the desk's own cases measured against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from api import ownrecords, sample
from api.app import create_app
from api.auth import Principal
from api.desk import DraftWork
from api.errors import ConflictError, ForbiddenError
from api.measuring import Measuring, as_json
from api.ownrecords import changed, records, touch_time
from api.proof import baseline, freeze_baseline, take_past
from api.settings import load
from api.store import proof
from api.store.proof import baselines
from api.store.tables import events
from api.wiring import Runtime, build_runtime
from evals.baseline import exclusion
from evals.errors import BaselineError
from tests.fakes.parts import quick_parts

T0 = datetime(2026, 5, 1, 9, 0, tzinfo=UTC)
WINDOW = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def runtime(tmp_path: Path, clock: Any, proposal: Callable[..., dict[str, Any]]) -> Iterator[Runtime]:
    async def drafter(work: DraftWork) -> dict[str, Any]:
        return proposal(case_id=work.case_id)

    made = build_runtime(load({}, home=tmp_path), clock=clock, drafter=drafter, parts=quick_parts())
    yield made
    made.close()


@pytest.fixture
def admin(runtime: Runtime) -> Principal:
    return sample.first_admin(runtime)


@pytest.fixture
def client(runtime: Runtime) -> Iterator[TestClient]:
    with TestClient(create_app(runtime), base_url="http://127.0.0.1", raise_server_exceptions=False) as browser:
        yield browser


def key(runtime: Runtime, admin: Principal, role: str) -> dict[str, str]:
    holder = runtime.doors.add_principal(admin, role, role)  # type: ignore[arg-type]
    return {"Authorization": f"Bearer {runtime.doors.make_key(admin, holder.id)[1]}"}


@pytest.fixture
def past(tmp_path: Path) -> Path:
    path = tmp_path / "past.jsonl"
    path.write_text("\n".join(json.dumps({
        "id": f"P-{n}", "opened_at": (T0 + timedelta(hours=20 * n)).isoformat(), "reopens": n % 9 == 0, "satisfaction": 3 + n % 3,
        "first_reply_at": (T0 + timedelta(hours=20 * n + 1)).isoformat(), "severity": "S3", "primary_team": "fulfilment",
        "resolved_at": (T0 + timedelta(hours=21 * n + 9)).isoformat(), "issue_type": "damaged_or_defective",
        "messages": [{"at": T0.isoformat(), "from": "customer", "text": "Secret words of Ada Quist"}],
    }) for n in range(60)))  # fmt: skip
    return path


def freeze(runtime: Runtime, admin: Principal, past: Path) -> None:
    take_past(runtime, admin, past)
    freeze_baseline(runtime, admin, *WINDOW)


def answered(runtime: Runtime, admin: Principal, clock: Any, number: int) -> str:
    """A case of the desk that a person answers after half an hour and resolves after two more."""
    case = runtime.desk.receive(admin, {"text": f"the lid is broken {number}", "id": f"T-{number}"}, key=f"k{number}")[
        "case"
    ]
    with runtime.store.write("finish") as conn:
        conn.execute(update(ownrecords.cases).where(ownrecords.cases.c.id == case).values(external_id=f"T-{number}"))
    clock.advance(minutes=30)
    runtime.desk.record_sent(admin, case, "We are sorry, a new lid is on its way.")
    clock.advance(hours=2)
    runtime.desk.set_status(admin, case, "resolved")
    return case


# --- the past -----------------------------------------------------------------------------------------------------------


def test_the_past_is_kept_without_texts_names_and_ids_and_the_same_file_changes_nothing(runtime, admin, past: Path):
    done = take_past(runtime, admin, past)
    assert (done.added, done.changed, done.report.rows) == (60, 0, 60)
    assert (take_past(runtime, admin, past).added, take_past(runtime, admin, past).changed) == (0, 0)
    with runtime.store.read() as conn:
        kept = repr(conn.execute(select(proof.past_cases)).all())
        logged = list(conn.execute(select(events.c.data).where(events.c.kind == "past_imported")).scalars())
    assert not [word for word in ("Secret", "Quist", "P-1") if word in kept]
    assert [data["rows"] for data in logged] == [60]


def test_a_newer_export_of_a_case_takes_the_place_of_the_older_one(runtime, admin, past: Path):
    take_past(runtime, admin, past)
    past.write_text(past.read_text().replace('"satisfaction": 3', '"satisfaction": 1', 1))
    assert take_past(runtime, admin, past).changed == 1
    with runtime.store.read() as conn:
        assert sum(case.satisfaction == 1 for case in proof.all_of(conn)) == 1
        assert proof.count(conn) == 60


# --- the baseline ---------------------------------------------------------------------------------------------------------


def test_a_baseline_is_frozen_logged_and_counted_up_and_nothing_changes_it(runtime, admin, past: Path):
    take_past(runtime, admin, past)
    one = freeze_baseline(runtime, admin, *WINDOW)
    two = freeze_baseline(runtime, admin, *WINDOW, [exclusion("slow month: opened<2026-05-10")])
    assert (one.version, two.version) == (1, 2)
    assert (len(one.table), len(two.table)) == (60, 49)
    past.write_text(past.read_text().replace('"satisfaction": 3', '"satisfaction": 1'))
    take_past(runtime, admin, past)
    with runtime.store.read() as conn:
        assert baseline(conn, 1).hash == one.hash
        hashes = [
            d["text_hash"]
            for d in conn.execute(select(events.c.data).where(events.c.kind == "baseline_frozen")).scalars()
        ]
    assert hashes == [one.hash, two.hash]


def test_a_baseline_that_was_tampered_with_is_refused(runtime, admin, past: Path, client: TestClient):
    freeze(runtime, admin, past)
    with runtime.store.write("freeze_baseline") as conn:
        conn.execute(update(baselines).values(content=b"x" + b"0" * 40))
    with runtime.store.read() as conn, pytest.raises(BaselineError, match="not what was frozen"):
        baseline(conn)
    answer = client.get("/v1/measures", headers=key(runtime, admin, "reviewer"))
    assert answer.status_code == 409
    assert "not what was frozen" in answer.json()["detail"]


def test_a_window_in_which_the_desk_was_used_is_no_baseline(runtime, admin, past: Path, clock: Any):
    take_past(runtime, admin, past)
    answered(runtime, admin, clock, 1)
    with pytest.raises(ConflictError, match="since 2026-11-24"):
        freeze_baseline(runtime, admin, WINDOW[0], clock.now() + timedelta(days=1))
    assert freeze_baseline(runtime, admin, *WINDOW).version == 1


def test_only_admins_import_and_freeze(runtime, admin, past: Path):
    agent = runtime.doors.add_principal(admin, "Bo", "agent")
    for act in (lambda: take_past(runtime, agent, past), lambda: freeze_baseline(runtime, agent, *WINDOW)):
        with pytest.raises(ForbiddenError):
            act()


# --- the measures -----------------------------------------------------------------------------------------------------------


def test_without_a_baseline_no_figure_is_told_anywhere(runtime, admin, client: TestClient, clock: Any):
    answered(runtime, admin, clock, 1)
    holder = key(runtime, admin, "reviewer")
    told = client.get("/v1/measures", headers=holder).json()
    assert told["state"] == "no_baseline"
    assert (told["claims"], told["before"], told["now"]) == ([], [], [])
    page = client.get("/measures", headers=holder).text
    assert "What to do first" in page
    assert "Before and now" not in page


def test_before_day_thirty_there_are_figures_and_no_verdict(runtime, admin, past: Path, client: TestClient, clock: Any):
    freeze(runtime, admin, past)
    for number in range(12):
        answered(runtime, admin, clock, number)
        clock.advance(hours=21.5)
    holder = key(runtime, admin, "reviewer")
    told = client.get("/v1/measures", headers=holder).json()
    assert (told["state"], told["says"], told["claims"]) == ("too_early", "Day 13 of 30.", [])
    now = {f["measure"]: f for f in told["now"] if not f["by"]}
    assert now["first_reply"]["median"]["at"] == 1800
    assert now["cycle_time"]["median"]["at"] == 2.5 * 3600
    assert now["first_reply_kept"]["mean"]["at"] == 1.0
    page = client.get("/measures", headers=holder).text
    assert "Day 13 of 30." in page
    assert "no verdict yet" in page


def test_a_desk_that_is_faster_gets_a_verdict_on_day_thirty_and_keeps_it(
    runtime, admin, past: Path, client: TestClient, clock: Any
):
    freeze(runtime, admin, past)
    for number in range(45):
        case = answered(runtime, admin, clock, number)
        triaged = ("triaged", {"issue_type": "damaged_or_defective", "severity": "S3", "primary_team": "fulfilment"})
        with runtime.store.write("finish") as conn:
            runtime.desk.record(conn, case, admin, clock.now() - timedelta(hours=2), triaged)
        clock.advance(hours=13.5)
    clock.advance(days=4)
    told = Measuring(runtime).told()
    claims = {c.measure: c for c in told.claims if not c.issue_type}
    assert told.state == "verdict"
    assert claims["cycle_time"].verdict == "better"
    assert claims["cycle_time"].difference.change.high < 0.5
    assert claims["cost"].why == "The baseline does not tell it."
    assert told.worth == ""
    clock.advance(days=2)
    later = as_json(Measuring(runtime).told())
    assert [c["p"] for c in later["claims"]] == [c["p"] for c in as_json(told)["claims"]], (
        "what comes later does not move it"
    )
    page = client.get("/measures?measure=first_reply&by=severity", headers=key(runtime, admin, "reviewer")).text
    assert 'class="interval better"' in page
    assert "style=" not in page
    assert client.get("/measures", headers=key(runtime, admin, "agent")).status_code == 403
    json.dumps(later, allow_nan=False)


def test_what_an_export_tells_of_the_desks_own_cases_is_added_to_them(runtime, admin, clock: Any, tmp_path: Path):
    case = answered(runtime, admin, clock, 1)
    path = tmp_path / "more.jsonl"
    path.write_text(
        json.dumps({"id": "T-1", "opened_at": clock.now().isoformat(), "satisfaction": 2, "complaint": True})
    )
    take_past(runtime, admin, path)
    with runtime.store.read() as conn:
        seen = records(conn, runtime.desk.versions.book(conn), runtime.store.keyed, clock.now())
    ((one, own),) = seen.cases
    assert (one.satisfaction, one.complaint, one.first_reply is not None) == (2, True, True)
    assert own.kept["first_reply"] is True
    assert case not in one.id


def test_the_answer_is_kept_until_something_happens(
    runtime, admin, past: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
):
    freeze(runtime, admin, past)
    asked: list[int] = []
    monkeypatch.setattr("api.measuring.records", lambda *a: asked.append(1) or records(*a))
    measuring = Measuring(runtime)
    assert measuring.told() is measuring.told()
    answered(runtime, admin, clock, 1)
    measuring.told()
    assert len(asked) == 2


# --- what only the desk tells ----------------------------------------------------------------------------------------------


def test_time_in_hands_is_the_short_gaps_of_each_person():
    def rows(*given: tuple[str, int]) -> list[dict[str, Any]]:
        return [{"who": who, "at": T0 + timedelta(seconds=s)} for who, s in given]

    assert touch_time(rows(("a", 0), ("a", 60), ("a", 1000), ("a", 1100), ("b", 30), ("b", 50))) == 60 + 100 + 20
    assert touch_time(rows(("a", 0))) == 0
    assert touch_time([]) != touch_time([])


def test_how_much_of_a_text_was_changed():
    assert changed("We are sorry.", "We are sorry.") == 0
    assert changed("one two three four", "one two three five") == pytest.approx(0.25)
    assert changed("one", "two") == 1


# --- the process --------------------------------------------------------------------------------------------------------------


def test_the_process_of_past_and_own_cases_is_told_to_programs_and_drawn(
    runtime, admin, past: Path, client: TestClient, clock: Any
):
    take_past(runtime, admin, past)
    answered(runtime, admin, clock, 1)
    holder = key(runtime, admin, "reviewer")
    seen = client.get("/v1/process", headers=holder).json()
    assert seen["cases"] == 61
    assert {p["name"] for p in seen["places"]} >= {"new", "answered", "in_progress"}
    few = client.get("/v1/process?issue_type=chargeback&by=teams", headers=holder).json()
    assert few["cases"] == 0
    assert client.get("/v1/process?severity=S9", headers=holder).status_code == 422
    picture = client.get("/measures/process.svg", headers=holder)
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert "<script" not in picture.text
