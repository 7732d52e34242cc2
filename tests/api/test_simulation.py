from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.standing import Clock
from api.simulation import Outcome, Simulation, report
from api.simulation_truth import Entry, Truth
from api.store import clocks
from api.store.clocks import Mark
from tests.fakes.desk import pack

SLA = pack().sla
VERSIONS = {SLA.version: SLA}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A day of June 2026, in London's summer time; the 1st is a Monday."""
    return datetime(2026, 6, day, hour - 1, minute, tzinfo=UTC)


def opened(when: datetime) -> Entry:
    return Entry(when, "case_opened", {"policy": SLA.version, "channel": "email"})


def triaged(when: datetime, severity: str) -> Entry:
    return Entry(when, "triaged", {"severity": severity, "issue_type": "billing_dispute", "policy": SLA.version})


def run(folder: Path, days: float, seed: int = 1) -> Outcome:
    return Simulation(folder, seed, pack(), alive=60).run(days, lambda _: None)


def test_over_a_hundred_case_days_nothing_is_missed_told_twice_or_told_without_reason(tmp_path: Path):
    outcome = run(tmp_path, 120)
    assert outcome.score.examples == []
    assert outcome.score.faults == 0
    assert outcome.score.told > 200
    assert outcome.score.late_by_downtime > 10
    assert outcome.happened["died in a sweep"] > 2
    assert outcome.happened["sweep at once"] > 5
    assert "downtime" in outcome.happened
    assert any(line.split() == ["missed", "0"] for line in report(outcome))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_jumps_of_the_clock_in_either_direction_neither_lose_nor_repeat_a_notice(tmp_path: Path):
    outcome = run(tmp_path, 3000)
    assert outcome.score.examples == []
    assert {"step back", "jump by an hour", "a day ahead and back", "downtime"} <= set(outcome.happened)


@pytest.mark.parametrize("kind", ["missed", "wrong"])
def test_a_desk_that_forgets_or_invents_a_threshold_is_found_out(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    owed: Callable[[Clock], list[Mark]] = clocks.owed

    def forgetful(clock: Clock) -> list[Mark]:
        return [mark for mark in owed(clock) if mark.percent != 80]

    def inventive(clock: Clock) -> list[Mark]:
        return [*owed(clock), Mark(clock, 33, clock.started_at)]

    monkeypatch.setattr(clocks, "owed", forgetful if kind == "missed" else inventive)
    assert getattr(run(tmp_path, 15).score, kind) > 0


def test_the_other_opinion_knows_the_worked_cases_of_the_rules():
    """Fri 16:30 with 2 h around the clock; Mon 10:00 with 3 business days, which a pause of a day moves by a day."""
    untriaged = Truth([opened(at(5, 16, 30))], VERSIONS)
    assert untriaged.marks["first_reply", 100] == at(5, 18, 30)
    waits = Entry(at(2, 10), "status_set", {"status": "waiting_customer"})
    goes_on = Entry(at(3, 10), "status_set", {"status": "in_progress"})
    log = [opened(at(1, 10)), triaged(at(1, 10), "S3"), waits, goes_on]
    assert Truth(log[:2], VERSIONS).marks["resolution", 100] == at(4, 10)
    assert ("resolution", 100) not in Truth(log[:3], VERSIONS).marks
    assert Truth(log, VERSIONS).marks["resolution", 100] == at(5, 10)
    assert Truth(log, VERSIONS).marks["first_reply", 100] == Truth(log[:2], VERSIONS).marks["first_reply", 100]


def test_the_other_opinion_breaches_a_shortened_target_at_the_change_and_an_answered_one_at_its_deadline():
    change = Entry(at(1, 13), "severity_set", {"severity": "S1"})
    log = [opened(at(1, 10)), triaged(at(1, 10), "S3"), change]
    assert Truth(log, VERSIONS).marks["first_reply", 100] == at(1, 13)
    reply = Entry(at(1, 14) + timedelta(seconds=1), "reply_sent", {})
    marks = Truth([*log, reply], VERSIONS).marks
    assert marks["first_reply", 100] == at(1, 13)
    assert ("first_reply", 50) not in marks
    assert marks["next_update:1", 50] == reply.at + timedelta(minutes=30)
