"""The examination of a desk sees each thing that must not be, and says what to do."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from api import doctor, sample
from api.desk import DraftWork
from api.settings import load
from api.store import mail, tables
from api.wiring import Runtime, build_runtime
from tests.fakes.parts import quick_parts


@pytest.fixture
def runtime(tmp_path: Path, clock: Any, proposal: Callable[..., dict[str, Any]]) -> Iterator[Runtime]:
    async def drafter(work: DraftWork) -> dict[str, Any]:
        return proposal(case_id=work.case_id)

    made = build_runtime(load({}, home=tmp_path / "home"), clock=clock, drafter=drafter, parts=quick_parts())
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index has tests of its own."""
    monkeypatch.setattr(doctor, "_index", lambda _: doctor.Check("precedents", "ok", ""))


def found(runtime: Runtime) -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.examine(runtime)}


def test_a_new_desk_with_a_case_is_well(runtime: Runtime, escalation: dict[str, Any]):
    runtime.desk.receive(sample.first_admin(runtime), escalation)
    states = {name: check.state for name, check in found(runtime).items() if name not in {"sqlite", "disk"}}
    assert set(states.values()) == {"ok"}
    assert {"pages", "secret files", "event log", "jobs", "outbox", "API keys", "drafts", "cases", "clocks"} <= set(
        states
    )


def approved_with_findings(runtime: Runtime, conn: Any, clock: Any) -> None:
    values = {"state": "approved", "proposal": {"guard": {"verdict": "blocked"}}}
    conn.execute(update(tables.drafts).values(values))


def unknown_draft_state(runtime: Runtime, conn: Any, clock: Any) -> None:
    conn.execute(update(tables.drafts).values(state="lost"))


def row_apart_from_events(runtime: Runtime, conn: Any, clock: Any) -> None:
    conn.execute(update(tables.cases).values(status="closed"))


def changed_event(runtime: Runtime, conn: Any, clock: Any) -> None:
    conn.execute(update(tables.events).where(tables.events.c.seq == 1).values(actor="prn_other"))


def open_secret(runtime: Runtime, conn: Any, clock: Any) -> None:
    (runtime.settings.home / "secret.key").chmod(0o644)


def silent_worker(runtime: Runtime, conn: Any, clock: Any) -> None:
    conn.execute(update(tables.jobs).values(state="running", lease_until=clock.now() - timedelta(hours=1)))


def old_letter(runtime: Runtime, conn: Any, clock: Any) -> None:
    mail.post(conn, "notices", "k", {"kind": "test"}, now=clock.now() - timedelta(hours=25))


@pytest.mark.parametrize(
    ("harm", "name", "state"),
    [
        (approved_with_findings, "drafts", "fail"),
        (unknown_draft_state, "drafts", "fail"),
        (row_apart_from_events, "cases", "fail"),
        (changed_event, "event log", "fail"),
        (open_secret, "secret files", "fail"),
        (silent_worker, "jobs", "warn"),
        (old_letter, "outbox", "warn"),
    ],
)
def test_what_must_not_be_is_seen(
    runtime: Runtime, clock: Any, escalation: dict[str, Any], harm: Callable[..., None], name: str, state: str
):
    runtime.desk.receive(sample.first_admin(runtime), escalation)
    with runtime.store.write("finish") as conn:
        harm(runtime, conn, clock)
    assert found(runtime)[name].state == state


def test_an_expired_key_is_a_warning_and_a_revoked_one_is_not(runtime: Runtime, clock: Any):
    admin = sample.first_admin(runtime)
    key_id, _ = runtime.doors.make_key(admin, admin.id, lasts=timedelta(hours=1))
    assert found(runtime)["API keys"].state == "ok"
    clock.advance(hours=2)
    assert found(runtime)["API keys"].state == "warn"
    runtime.doors.revoke_key(admin, key_id)
    assert found(runtime)["API keys"].state == "ok"


@pytest.mark.parametrize(("free", "state"), [(50 << 20, "fail"), (500 << 20, "warn"), (5 << 30, "ok")])
def test_a_disk_that_runs_full_is_told_before_it_is(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, free: int, state: str
):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, free))
    assert found(runtime)["disk"].state == state
