"""Every clock of a case, from its events: the worked cases of the store's rules, and what must always hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.sla import Sla
from agent.standing import Clock, Event, Standing, standing

WEEK = {day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
MON = datetime(2026, 6, 1, tzinfo=UTC)
OPEN_WEEK = {"time_zone": "UTC", "windows": WEEK}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A day of the week that begins on Monday 2026-06-01, counted from 0."""
    return MON + timedelta(days=day, hours=hour, minutes=minute)


def sla(targets: Mapping[str, str | None], **more: Any) -> Sla:
    """Commitments with one policy; `h` counts on the weekday calendar unless the text ends in 24/7."""
    policies = more.pop("policies", [{"id": "all", "targets": _targets(targets)}])
    return Sla.model_validate(
        {
            "calendars": {"week": OPEN_WEEK, "always": {"always_open": True}},
            "policies": policies,
            "paused_by": ["waiting_customer", "waiting_carrier"],
            "untriaged": "S2",
            "grace": {"within": "2 business days", "calendar": "week"},
        }
        | more
    )


def _targets(texts: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        metric: text and {"within": text.removesuffix(" 24/7"), "calendar": "always" if "24/7" in text else "week"}
        for metric, text in texts.items()
    }


def opened(when: datetime, **data: Any) -> Event:
    return Event("case_opened", when, data)


def status(when: datetime, new: str) -> Event:
    return Event("status_set", when, {"status": new})


def reply(when: datetime) -> Event:
    return Event("reply_sent", when, {"sent_at": when.isoformat()})


def message(when: datetime, author: str = "customer") -> Event:
    return Event("message_received", when, {"author": author, "written_at": when.isoformat()})


def triaged(when: datetime, severity: str, issue_type: str = "other_unclear") -> Event:
    return Event("triaged", when, {"severity": severity, "issue_type": issue_type})


def view(book: Sla, now: datetime, *events: Event) -> Standing:
    return standing(events, lambda _: book, now)


def clock(book: Sla, now: datetime, name: str, *events: Event) -> Clock:
    return next(c for c in view(book, now, *events).clocks if c.id == name)


# --- the worked cases ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "target", "due"),
    [(at(4, 16, 30), "1 h", at(7, 9, 30)), (at(4, 16, 55), "24 business h", at(9, 16, 55))],
)
def test_a_target_counts_open_time_over_the_weekend(start: datetime, target: str, due: datetime) -> None:
    assert clock(sla({"first_reply": target}), start, "first_reply", opened(start)).due_at == due


def test_a_pause_moves_the_due_instant_by_the_open_time_that_it_took() -> None:
    events = (opened(at(0, 10)), status(at(0, 12), "waiting_customer"), status(at(2, 11), "in_progress"))
    book = sla({"resolution": "8 h"})
    found = clock(book, at(2, 12), "resolution", *events)
    assert (found.state, found.due_at) == ("running", at(2, 17))
    assert clock(book, at(1, 12), "resolution", *events).due_at is None, "while it is paused nobody knows"


def test_a_warning_falls_due_in_open_time_like_the_target_itself() -> None:
    found = clock(sla({"first_reply": "4 h"}, thresholds=[75, 100]), at(4, 15), "first_reply", opened(at(4, 15)))
    assert found.marks == ((75, at(7, 10)), (100, at(7, 11)))


def test_around_the_clock_two_hours_are_two_hours_when_the_clocks_change() -> None:
    start = datetime(2027, 3, 28, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    due = clock(sla({"first_reply": "2 h 24/7"}), start, "first_reply", opened(start)).due_at
    assert due is not None
    assert due.astimezone(ZoneInfo("Europe/Berlin")).strftime("%H:%M") == "04:30"


def test_a_second_message_of_the_customer_does_not_restart_the_reply_clock() -> None:
    events = (opened(at(0, 10)), message(at(0, 10)), message(at(0, 10, 20)), reply(at(0, 10, 40)))
    found = [c for c in view(sla({"next_reply": "30 min"}), at(0, 12), *events).clocks if c.metric == "next_reply"]
    assert [(c.state, c.late_by) for c in found] == [("met_late", timedelta(minutes=10))]


def test_the_first_reply_never_pauses() -> None:
    events = (opened(at(0, 10)), status(at(0, 10, 5), "waiting_customer"))
    assert clock(sla({"first_reply": "1 h"}), at(0, 10, 30), "first_reply", *events).state == "running"
    assert clock(sla({"first_reply": "1 h"}), at(0, 11, 30), "first_reply", *events).state == "breached"


def test_two_paused_statuses_in_a_row_are_one_pause() -> None:
    events = (
        opened(at(0, 10)), status(at(0, 11), "waiting_customer"), status(at(0, 12), "waiting_carrier"),
        status(at(0, 13), "in_progress"),
    )  # fmt: skip
    found = clock(sla({"resolution": "4 h"}), at(0, 14), "resolution", *events)
    assert (found.pauses, found.due_at) == (((at(0, 11), at(0, 13)),), at(0, 16))


def by_severity() -> Sla:
    rows: list[tuple[str, dict[str, list[str]], str]] = [
        ("high", {"severity": ["S1"]}, "2 h 24/7"),
        ("rest", {}, "8 h 24/7"),
    ]
    return sla({}, policies=[{"id": i, "when": w, "targets": _targets({"first_reply": t})} for i, w, t in rows])


def test_a_raised_severity_counts_from_the_start_and_a_breach_that_it_makes_is_marked() -> None:
    events = (opened(at(0, 9)), triaged(at(0, 9), "S3"), Event("severity_set", at(0, 12), {"severity": "S1"}))
    found = clock(by_severity(), at(0, 13), "first_reply", *events)
    assert (found.state, found.retargeted, found.due_at, found.breached_at) == ("breached", True, at(0, 11), at(0, 12))


def test_a_breach_stands_when_the_target_is_eased_afterwards() -> None:
    events = (opened(at(0, 9)), triaged(at(0, 9), "S1"), Event("severity_set", at(0, 12), {"severity": "S3"}))
    found = clock(by_severity(), at(0, 13), "first_reply", *events)
    assert (found.state, found.retargeted, found.breached_at) == ("breached", False, at(0, 11))


def test_a_finished_verdict_is_not_changed_by_a_later_severity() -> None:
    events = (opened(at(0, 9)), triaged(at(0, 9), "S3"), reply(at(0, 12)))
    later = (*events, Event("severity_set", at(0, 13), {"severity": "S1"}))
    assert clock(by_severity(), at(0, 14), "first_reply", *later).state == "met"


def test_what_a_person_set_is_not_changed_by_the_next_triage() -> None:
    person = Event("severity_set", at(0, 9, 5), {"severity": "S3"})
    events = (opened(at(0, 9)), triaged(at(0, 9), "S1"), person, triaged(at(0, 9, 30), "S1"))
    assert clock(by_severity(), at(0, 10), "first_reply", *events).due_at == at(0, 17)


def test_the_first_triage_sets_the_target_as_if_it_had_always_held() -> None:
    book = sla({}, policies=[
        {"id": "two", "when": {"severity": ["S2"]}, "targets": _targets({"first_reply": "1 h 24/7"})},
        {"id": "rest", "targets": _targets({"first_reply": "8 h 24/7"})},
    ])  # fmt: skip
    waiting = clock(book, at(0, 11), "first_reply", opened(at(0, 9)))
    assert (waiting.state, waiting.due_at) == ("breached", at(0, 10)), "until then the untriaged severity counts"
    found = clock(book, at(0, 11), "first_reply", opened(at(0, 9)), triaged(at(0, 11), "S4"))
    assert (found.state, found.retargeted, found.due_at) == ("running", False, at(0, 17))


def test_thanks_after_the_end_reopens_with_a_reply_clock_that_a_person_can_end_with_a_reason() -> None:
    book = sla({"next_reply": "30 min", "resolution": "8 h"})
    events = (
        opened(at(0, 9)), message(at(0, 9)), reply(at(0, 9, 20)), status(at(0, 15), "resolved"),
        message(at(0, 15, 5)), Event("reopened", at(0, 15, 5), {}),
    )  # fmt: skip
    seen = view(book, at(0, 15, 10), *events)
    last = [c for c in seen.clocks if c.metric == "next_reply"][-1]
    assert (last.state, last.started_at, seen.rework) == ("running", at(0, 15, 5), 1)
    done = (*events, Event("no_reply_needed", at(0, 15, 20), {"reason_code": "thanks"}))
    last = [c for c in view(book, at(0, 16), *done).clocks if c.metric == "next_reply"][-1]
    assert (last.state, last.reason) == ("cancelled", "no reply needed")


def test_the_first_resolution_is_final_and_the_total_one_runs_on_without_the_time_between() -> None:
    book = sla({"resolution": "4 h"})
    events = (
        opened(at(0, 9)), status(at(0, 12), "resolved"), Event("reopened", at(1, 9), {}),
        status(at(1, 9, 30), "in_progress"),
    )  # fmt: skip
    assert clock(book, at(1, 12), "resolution", *events).state == "met"
    total = clock(book, at(1, 12), "resolution:total", *events)
    assert (total.state, total.breached_at) == ("breached", at(1, 10))
    assert view(book, at(1, 12), *events).rework == 1


def test_a_case_reopened_after_the_grace_time_is_no_rework() -> None:
    events = (opened(at(0, 9)), status(at(0, 12), "resolved"), Event("reopened", at(4, 9), {}))
    assert view(sla({"resolution": "4 h"}), at(4, 10), *events).rework == 0


def test_a_breach_is_at_the_deadline_whenever_it_is_looked_at() -> None:
    found = clock(sla({"first_reply": "1 h"}), at(3, 12), "first_reply", opened(at(0, 10)))
    assert (found.state, found.breached_at) == ("breached", at(0, 11))


# --- what else the rules say --------------------------------------------------------------------------------------------


def test_a_reply_at_the_very_deadline_meets_it_and_a_second_later_does_not() -> None:
    book = sla({"first_reply": "1 h"})
    on_time = clock(book, at(0, 15), "first_reply", opened(at(0, 10)), reply(at(0, 11)))
    late = clock(book, at(0, 15), "first_reply", opened(at(0, 10)), reply(at(0, 11) + timedelta(seconds=1)))
    assert (on_time.state, late.state, late.late_by) == ("met", "met_late", timedelta(seconds=1))


@pytest.mark.parametrize("kind", ["draft_proposed", "reviewed", "draft_requested"])
def test_a_draft_ends_no_clock(kind: str) -> None:
    events = (opened(at(0, 10)), Event(kind, at(0, 10, 5), {"decision": "approve"}))
    assert clock(sla({"first_reply": "1 h"}), at(0, 10, 30), "first_reply", *events).state == "running"


def test_a_text_of_the_staff_that_was_handed_in_is_no_recorded_send() -> None:
    events = (opened(at(0, 10)), message(at(0, 10, 1), "staff"))
    assert clock(sla({"first_reply": "1 h"}), at(0, 10, 30), "first_reply", *events).state == "running"


def test_a_text_of_the_staff_that_is_known_to_have_reached_the_customer_is_a_send() -> None:
    sent = Event("message_received", at(0, 10, 5), {"author": "staff", "sent_at": at(0, 10, 4).isoformat()})
    found = clock(sla({"first_reply": "1 h"}), at(0, 12), "first_reply", opened(at(0, 10)), sent)
    assert (found.state, found.ended_at) == ("met", at(0, 10, 4))


def test_the_update_clock_runs_from_reply_to_reply_and_ends_when_the_case_is_resolved() -> None:
    events = (opened(at(0, 9)), reply(at(0, 10)), reply(at(0, 11)), status(at(0, 12), "resolved"))
    found = [c for c in view(sla({"next_update": "2 h"}), at(0, 13), *events).clocks if c.metric == "next_update"]
    assert [c.state for c in found] == ["met", "cancelled"]


def test_no_target_means_no_clock() -> None:
    assert not view(sla({"next_update": None}), at(0, 13), opened(at(0, 9)), reply(at(0, 10))).clocks


def test_a_team_is_waited_for_from_when_it_was_pulled_in_until_it_acknowledges() -> None:
    book = sla({"team_ack": "1 h"})
    events = (opened(at(0, 9)), Event("team_pulled_in", at(0, 10), {"team": "legal"}))
    assert clock(book, at(0, 10, 30), "team_ack:legal", *events).due_at == at(0, 11)
    done = (*events, Event("team_acked", at(0, 10, 45), {"team": "legal"}))
    assert clock(book, at(0, 12), "team_ack:legal", *done).state == "met"


def test_a_promise_and_a_date_from_outside_are_never_paused_and_never_moved() -> None:
    due = {"due_at": at(0, 15).isoformat()}
    events = (
        opened(at(0, 9)), Event("promise_made", at(0, 9), {"promise": "prm_1", **due}),
        Event("deadline_set", at(0, 9), {"deadline": "evidence", **due}), status(at(0, 10), "waiting_customer"),
        Event("severity_set", at(0, 11), {"severity": "S1"}),
    )  # fmt: skip
    for name in ("promise:prm_1", "external:evidence"):
        found = clock(sla({}), at(0, 16), name, *events)
        assert (found.state, found.due_at, found.breached_at, found.pauses) == ("breached", at(0, 15), at(0, 15), ())


def test_a_send_that_is_written_down_late_counts_from_when_it_was_sent() -> None:
    late = Event("reply_sent", at(0, 12), {"sent_at": at(0, 10, 30).isoformat()})
    events = (opened(at(0, 10)), message(at(0, 10)), message(at(0, 11)), late)
    book = sla({"first_reply": "1 h", "next_reply": "4 h"})
    assert clock(book, at(0, 13), "first_reply", *events).state == "met"
    last = [c for c in view(book, at(0, 13), *events).clocks if c.metric == "next_reply"][-1]
    assert (last.state, last.started_at) == ("running", at(0, 11))


def test_a_thread_that_is_older_than_the_case_counts_from_the_opening() -> None:
    old = Event("message_received", at(2, 9), {"author": "customer", "written_at": at(0, 9).isoformat()})
    assert clock(sla({"next_reply": "1 h"}), at(2, 9), "next_reply:1", opened(at(2, 9)), old).started_at == at(2, 9)


def test_the_first_policy_whose_conditions_hold_decides() -> None:
    rows: list[tuple[str, dict[str, list[str]], str]] = [
        ("vip", {"tier": ["vip"], "channel": ["chat"]}, "1 h 24/7"), ("money", {"issue_type": ["chargeback"]}, "2 h 24/7"),
        ("rest", {}, "3 h 24/7"),
    ]  # fmt: skip
    book = sla({}, policies=[{"id": i, "when": w, "targets": _targets({"first_reply": t})} for i, w, t in rows])

    def hours(issue_type: str, **who: str) -> timedelta:
        start = at(0, 9)
        due = clock(book, start, "first_reply", opened(start, **who), triaged(start, "S3", issue_type)).due_at
        assert due is not None
        return due - start

    assert hours("chargeback", tier="vip", channel="chat") == timedelta(hours=1)
    assert hours("chargeback", tier="vip", channel="email") == timedelta(hours=2)
    assert hours("other_unclear") == timedelta(hours=3)


def test_a_case_keeps_the_version_that_it_was_triaged_under_until_a_person_changes_it() -> None:
    old, new = sla({"first_reply": "8 h 24/7"}), sla({"first_reply": "1 h 24/7"})
    book = {"": new, old.version: old, new.version: new}
    start = at(0, 9)
    events = [opened(start), Event("triaged", start, {"severity": "S3", "policy": old.version})]
    assert _only(standing(events, book.__getitem__, at(0, 10, 30))).state == "running"
    events.append(Event("policy_set", at(0, 10, 40), {"policy": new.version, "reason_code": "new_contract"}))
    found = _only(standing(events, book.__getitem__, at(0, 11)))
    assert (found.state, found.retargeted, found.breached_at) == ("breached", True, at(0, 10, 40))


def _only(seen: Standing) -> Clock:
    (found,) = seen.clocks
    return found


# --- for any log --------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.integers(1, 600),
        st.sampled_from([
            "customer", "reply", "waiting_customer", "waiting_carrier", "in_progress", "resolved", "S1", "S3", "pull", "ack",
        ]),
    ),
    max_size=14,
)  # fmt: skip


def _log(steps: list[tuple[int, str]]) -> list[Event]:
    events, now = [opened(at(0, 9)), triaged(at(0, 9), "S3")], at(0, 9)
    for minutes, what in steps:
        now += timedelta(minutes=minutes)
        match what:
            case "customer":
                events.append(message(now))
            case "reply":
                events.append(reply(now))
            case "S1" | "S3":
                events.append(Event("severity_set", now, {"severity": what}))
            case "pull" | "ack":
                events.append(Event("team_pulled_in" if what == "pull" else "team_acked", now, {"team": "legal"}))
            case _:
                events.append(status(now, what))
    return events


def _full() -> Sla:
    targets = {
        "first_reply": "1 h",
        "next_reply": "2 h",
        "next_update": "1 business day",
        "resolution": "3 business days",
    }
    high = {"first_reply": "30 min 24/7", "next_reply": "30 min 24/7", "resolution": "8 h 24/7", "team_ack": "1 h"}
    return sla({}, policies=[
        {"id": "high", "when": {"severity": ["S1"]}, "targets": _targets(high)},
        {"id": "rest", "targets": _targets(targets)},
    ])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(0, 9000), st.integers(0, 9000))
def test_what_is_decided_stays_decided_and_nothing_is_breached_before_its_deadline(
    steps: list[tuple[int, str]], first: int, more: int
) -> None:
    log, book = _log(steps), _full()
    early, late = at(0, 9) + timedelta(minutes=first), at(0, 9) + timedelta(minutes=first + more)
    before = {c.id: c for c in view(book, early, *log).clocks}
    after = {c.id: c for c in view(book, late, *log).clocks}
    for name, then in before.items():
        now = after[name]
        if then.ended_at is not None and name != "resolution:total":  # that one resumes when a case comes back
            assert (now.state, now.ended_at, now.breached_at) == (then.state, then.ended_at, then.breached_at)
        if then.breached_at is not None:
            assert now.breached_at == then.breached_at
            assert then.breached_at <= early
        if then.state == "running" and then.due_at is not None:
            assert then.due_at >= early
        assert [at for _, at in then.marks] == sorted(at for _, at in then.marks)


# --- what is told of a clock ----------------------------------------------------------------------------------------


def one(log: list[Event], when: datetime, name: str, rules: Sla) -> Clock:
    return next(c for c in standing(log, lambda _: rules, when).clocks if c.id == name)


BY_SEVERITY = sla(
    {},
    policies=[
        {"id": "fast", "when": {"severity": ["S1"]}, "targets": _targets({"first_reply": "1 h 24/7", "resolution": "1 h 24/7"})},
        {"id": "slow", "targets": _targets({"first_reply": "9 h 24/7", "resolution": "9 h 24/7"})},
    ],
)  # fmt: skip


def severity(when: datetime, new: str) -> Event:
    return Event("severity_set", when, {"severity": new})


def test_the_breach_of_an_earlier_target_stays_the_hundred_percent_of_a_clock_that_got_a_longer_one():
    log = [opened(at(0, 9)), severity(at(0, 9, 1), "S1"), severity(at(0, 11), "S3")]
    assert dict(one(log, at(0, 11, 1), "first_reply", BY_SEVERITY).marks)[100] == at(0, 10)


def test_a_reply_sent_after_a_case_was_resolved_begins_no_update_clock():
    rules = sla({"next_update": "2 h"})
    log = [opened(at(0, 9)), status(at(0, 10), "resolved"), reply(at(0, 11))]
    assert standing(log, lambda _: rules, at(0, 12)).clocks == ()


def test_what_changed_while_a_case_was_resolved_holds_for_its_total_resolution_from_the_reopening_on():
    back = Event("reopened", at(0, 13), {})
    log = [opened(at(0, 9)), status(at(0, 10), "resolved"), severity(at(0, 11), "S1"), back]
    total = one(log, at(0, 13, 1), "resolution:total", BY_SEVERITY)
    assert (total.target, total.breached_at, total.retargeted) == ("1 h", at(0, 13), True)


def test_a_pause_never_brings_a_deadline_forward():
    """Mon 09:00 and one business day is Tue 09:00, although Mon 17:00 holds the same open time."""
    rules = sla({"resolution": "1 business day"})
    log = [opened(at(0, 9))]
    assert one(log, at(0, 10), "resolution", rules).due_at == at(1, 9)
    log.append(status(at(0, 18), "waiting_customer"))
    assert one(log, at(0, 19), "resolution", rules).due_at == at(1, 9)
    log.append(status(at(1, 8), "in_progress"))
    assert one(log, at(1, 8, 30), "resolution", rules).state == "running"


def test_a_log_that_is_ahead_of_the_clock_says_when_it_goes_on():
    log = [opened(at(0, 9)), status(at(0, 12), "resolved")]
    assert standing(log, lambda _: BY_SEVERITY, at(0, 8)).changes_at == at(0, 9)
    assert standing(log, lambda _: BY_SEVERITY, at(0, 10)).changes_at == at(0, 12)
    assert standing(log, lambda _: BY_SEVERITY, at(0, 12)).changes_at is None


def test_a_case_counts_from_its_opening_under_the_commitments_that_held_then():
    old, new = sla({"first_reply": "4 h"}), sla({"first_reply": "1 h"})
    log = [opened(at(0, 9), policy="old"), reply(at(0, 11))]
    found = standing(log, lambda version: old if version == "old" else new, at(0, 12)).clocks
    assert [(c.id, c.state) for c in found] == [("first_reply", "met")]


def test_a_promise_is_broken_at_its_time_though_no_threshold_of_a_hundred_is_set():
    rules = sla({}, thresholds=[50])
    promise = Event("promise_made", at(0, 9), {"promise": "prm_1", "due_at": at(0, 11).isoformat()})
    assert one([opened(at(0, 9)), promise], at(0, 12), "promise:prm_1", rules).marks == (
        (50, at(0, 10)),
        (100, at(0, 11)),
    )


def pulled_in(when: datetime, kind: str = "team_pulled_in", team: str = "legal") -> Event:
    return Event(kind, when, {"team": team})


def test_resolving_ends_what_a_team_was_asked_and_its_chain_climbs_no_further() -> None:
    rules = sla({"team_ack": "1 h"})
    log = [opened(at(0, 9)), pulled_in(at(0, 10)), status(at(0, 10, 30), "resolved")]
    ack = one(log, at(1, 10), "team_ack:legal", rules)
    assert (ack.state, ack.reason, ack.ended_at, ack.open) == ("cancelled", "resolved", at(0, 10, 30), False)
    late = one(
        [opened(at(0, 9)), pulled_in(at(0, 10)), status(at(0, 12), "closed")], at(1, 10), "team_ack:legal", rules
    )
    assert (late.state, late.breached_at, late.open) == ("breached", at(0, 11), False)


def test_a_team_that_never_acknowledged_is_asked_on_when_the_case_comes_back() -> None:
    rules = sla({"team_ack": "1 h"})
    log = [opened(at(0, 9)), pulled_in(at(0, 10)), status(at(0, 10, 30), "resolved"), Event("reopened", at(0, 13), {})]
    assert one(log, at(0, 13, 10), "team_ack:legal", rules).due_at == at(0, 13, 30)
    acked = [*log[:3], pulled_in(at(0, 11), "team_acked"), log[3]]
    assert not one(acked, at(0, 15), "team_ack:legal", rules).open


def test_a_team_that_is_pulled_in_while_the_case_is_over_is_asked_once_it_comes_back() -> None:
    rules = sla({"team_ack": "1 h"})
    log = [opened(at(0, 9)), status(at(0, 10), "resolved"), pulled_in(at(0, 11))]
    assert not one(log, at(0, 14), "team_ack:legal", rules).open
    assert one([*log, Event("reopened", at(0, 14), {})], at(0, 14, 10), "team_ack:legal", rules).due_at == at(0, 15)


def test_a_case_that_came_back_by_another_status_is_not_reopened_a_second_time() -> None:
    """Instants told for the past, or a clock that was set back, can put a later status before the reopening."""
    rules = sla({"resolution": "8 h"})
    log = [
        opened(at(0, 9)),
        status(at(0, 11), "closed"),
        status(at(0, 12), "in_progress"),
        Event("reopened", at(0, 15), {}),
    ]
    total = one(log, at(0, 16), "resolution:total", rules)
    assert [(a, b) for a, b in total.pauses] == [(at(0, 11), at(0, 12))]
    assert total.due_at == at(1, 10)
