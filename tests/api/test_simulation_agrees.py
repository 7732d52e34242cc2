"""The desk's clocks and the simulation's other opinion agree on any log, also on one whose instants are out of order."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from agent.standing import Event, standing
from api.simulation_truth import Entry, Truth
from api.simulation_world import second_version
from api.store.clocks import owed
from tests.fakes.desk import NOW, pack

FIRST = pack().sla
VERSIONS = {sla.version: sla for sla in (FIRST, second_version(FIRST))}
TEAMS, SEVERITIES = ("legal", "returns"), ("S1", "S2", "S3", "S4")
STATUSES = ("waiting_customer", "waiting_carrier", "waiting_team", "in_progress", "resolved", "resolved", "closed")


def an_event(chance: Random) -> tuple[str, dict[str, Any]]:
    kind = chance.choice(("triaged", "status_set", "status_set", "status_set", "reopened", "severity_set", "policy_set",
                          "message_received", "reply_sent", "team_pulled_in", "team_acked"))  # fmt: skip
    data: dict[str, dict[str, Any]] = {
        "triaged": {"severity": chance.choice(SEVERITIES), "issue_type": "billing_dispute", "policy": chance.choice(list(VERSIONS))},
        "status_set": {"status": chance.choice(STATUSES)}, "severity_set": {"severity": chance.choice(SEVERITIES)},
        "policy_set": {"policy": chance.choice(list(VERSIONS))}, "message_received": {"author": "customer"},
        "team_pulled_in": {"team": chance.choice(TEAMS)}, "team_acked": {"team": chance.choice(TEAMS)},
    }  # fmt: skip
    return kind, data.get(kind, {})


def a_log(chance: Random) -> list[Entry]:
    at = NOW + timedelta(minutes=chance.randrange(10_000))
    log = [Entry(at, "case_opened", {"policy": FIRST.version, "channel": "email"})]
    for _ in range(chance.randrange(3, 14)):
        if chance.random() < 0.85:
            at += timedelta(hours=chance.choice((0.1, 1, 4, 20, 50, 130)) * chance.random())
        back = timedelta(hours=chance.choice((0, 0, 0, 1, 24)) * chance.random())
        log.append(Entry(max(log[0].at, at - back), *an_event(chance)))
    return sorted(log, key=lambda entry: entry.at)


def told_by_the_desk(log: list[Entry], now: datetime) -> dict[tuple[str, int], datetime]:
    seen = standing([Event(e.kind, e.at, e.data) for e in log], lambda v: VERSIONS.get(v, FIRST), now)
    return {(m.clock.id, m.percent): m.at for c in seen.clocks for m in owed(c) if m.at <= now}


@pytest.mark.parametrize("seed", range(8))
def test_what_a_log_owes_is_the_same_by_either_reading(seed: int):
    for number in range(25):
        log = a_log(Random(seed * 1000 + number))
        for now in (*(e.at for e in log), *(log[-1].at + timedelta(days=d) for d in (0.5, 2, 10))):
            happened = [e for e in log if e.at <= now]
            wanted = {told: at for told, at in Truth(happened, VERSIONS).marks.items() if at <= now}
            assert told_by_the_desk(happened, now) == wanted, [(e.kind, e.at, e.data) for e in happened]
