from __future__ import annotations

import datetime as datetimes
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from agent.clock import DAYS, Calendar, add_business_days
from evals import clock_check
from evals.clock_check import BUSINESS_DAYS, DESK, KERNEL, LAID_OUT, WORKING_TIME, Tally, check, compare, shrunk
from evals.clock_draw import HARD_ZONES, Drawn, draw, every_zone, lay_out
from evals.clock_oracle import Walker, instant, ticks, wall
from evals.clock_rows import Verdict, judge, load
from evals.errors import BeyondRangeError, DatasetError

SILENT: Any = lambda _: None  # noqa: E731
HOUR = timedelta(hours=1)
OFFICE = Calendar.model_validate({"windows": dict.fromkeys(DAYS[:5], ("09:00-17:00",))})


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def laid_out(calendar: Calendar, start: datetime, amount: timedelta | int) -> datetime:
    line, begun = lay_out(calendar), np.array([ticks(start)])
    if isinstance(amount, int):
        return instant(int(line.add_business_days(begun, np.array([amount]))[0]))
    return instant(int(line.add_working_time(begun, np.array([amount // timedelta(microseconds=1)]))[0]))


def walked(calendar: Calendar, start: datetime, amount: timedelta | int) -> datetime:
    walker = Walker(calendar, timedelta(minutes=1), 20_000)
    if isinstance(amount, int):
        return walker.add_business_days(start, amount)
    return walker.add_working_time(start, amount)


def desk(calendar: Calendar, start: datetime, amount: timedelta | int) -> datetime:
    return KERNEL[BUSINESS_DAYS if isinstance(amount, int) else WORKING_TIME](calendar, start, amount)


# --- the desk's clock against both --------------------------------------------------------------------------------


def test_twenty_thousand_drawn_cases_agree_with_the_calendar_laid_out():
    tally = check(20_000, 0, 2026, told=SILENT)
    assert [str(shrunk(x, KERNEL)) for x in tally.examples] == []
    assert tally.cases == {WORKING_TIME: 10_000, BUSINESS_DAYS: 10_000}
    assert len(tally.zones) > 30


def test_answers_that_are_walked_to_agree():
    tally = check(0, 90, 2026, told=SILENT)
    assert [str(x) for x in tally.examples] == []
    assert len(tally.cases) == 3
    assert sum(tally.cases.values()) == 90


WORKED = [
    (OFFICE, at("2026-11-06 16:30"), HOUR, at("2026-11-09 09:30")),
    (OFFICE, at("2026-11-06 16:55"), 24 * HOUR, at("2026-11-11 16:55")),
    (OFFICE, at("2026-11-09 10:00"), 7 * HOUR, at("2026-11-09 17:00")),
    (OFFICE, at("2026-11-07 12:00"), timedelta(0), at("2026-11-09 09:00")),
    (OFFICE, at("2026-11-06 12:33"), 5, at("2026-11-13 12:33")),
    (OFFICE, at("2026-11-07 11:00"), 1, at("2026-11-09 17:00")),
    (OFFICE, at("2026-11-07 11:00"), 0, at("2026-11-09 09:00")),
    (
        Calendar(time_zone="Europe/Berlin", always_open=True),
        at("2027-03-28 01:30", "Europe/Berlin"),
        2 * HOUR,
        at("2027-03-28 04:30", "Europe/Berlin"),
    ),
]


@pytest.mark.parametrize("clock", [laid_out, walked, desk])
@pytest.mark.parametrize(("calendar", "start", "amount", "end"), WORKED)
def test_both_oracles_and_the_desk_know_the_worked_cases(
    clock: Any, calendar: Calendar, start: datetime, amount: timedelta | int, end: datetime
):
    assert clock(calendar, start, amount) == end


def night(zone: str, *windows: str) -> Calendar:
    return Calendar.model_validate({"time_zone": zone, "windows": dict.fromkeys(DAYS, windows)})


EDGES = [
    # The clock skips 02:00-03:00 on 28 March 2027, and shows 02:00-03:00 twice on 25 October 2026.
    (night("Europe/Berlin", "00:00-02:30", "03:00-05:00"), "2027-03-28 00:00", 4 * HOUR, "2027-03-28 05:00+02:00"),
    (night("Europe/Berlin", "02:30-03:30"), "2027-03-28 00:00", HOUR / 2, "2027-03-28 03:30+02:00"),
    (night("Europe/Berlin", "02:15-02:45"), "2027-03-27 12:00", HOUR / 4, "2027-03-29 02:30+02:00"),
    (night("Europe/Berlin", "02:15-02:45"), "2027-03-27 02:30", 1, "2027-03-29 02:30+02:00"),
    (night("Europe/Berlin", "01:00-02:30"), "2026-10-25 00:00", 1.5 * HOUR, "2026-10-25 02:30+02:00"),
    (night("Europe/Berlin", "02:30-04:00"), "2026-10-25 00:00", 2.5 * HOUR, "2026-10-25 04:00+01:00"),
    (night("Europe/Berlin", "01:00-05:00"), "2027-03-27 02:30", 1, "2027-03-28 03:00+02:00"),
    (Calendar(time_zone="Europe/Berlin", always_open=True), "2027-03-27 02:30", 1, "2027-03-28 03:00+02:00"),
    # Lord Howe's clocks go forward by half an hour from 02:00 on 4 October 2026.
    (night("Australia/Lord_Howe", "01:00-02:15"), "2026-10-04 00:00", HOUR, "2026-10-04 02:30+11:00"),
    (night("Australia/Lord_Howe", "22:00-06:00"), "2026-10-03 22:00", 7.5 * HOUR, "2026-10-04 06:00+11:00"),
]


@pytest.mark.parametrize("clock", [laid_out, walked, desk])
@pytest.mark.parametrize(("calendar", "start", "amount", "end"), EDGES)
def test_a_skipped_edge_is_meant_at_the_skip_and_a_repeated_one_the_first_time(
    clock: Any, calendar: Calendar, start: str, amount: timedelta | int, end: str
):
    found = clock(calendar, at(start, calendar.time_zone), amount)
    assert found == datetime.fromisoformat(end), found.astimezone(calendar.zone)


def test_no_working_day_after_a_repeated_hour_is_not_earlier_than_the_start():
    berlin = Calendar(time_zone="Europe/Berlin", always_open=True)
    second_time = datetime.fromisoformat("2026-10-25 02:30+01:00")
    assert add_business_days(berlin, second_time, 0) == second_time


# --- the oracles ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", HARD_ZONES)
def test_the_wall_of_a_zone_shows_what_its_clocks_show(zone: str):
    seen = wall(zone, 2023, 2038)
    changes = [x + off for x in seen.begins[1:].tolist() for off in (-1, 0, 1)]
    moments = np.array(changes + [ticks(at("2024-01-01")) + n * 3_599_000_000 for n in range(2_000)])
    shown = [ticks(instant(x).astimezone(ZoneInfo(zone)).replace(tzinfo=UTC)) for x in moments.tolist()]
    assert seen.shown(moments).tolist() == shown


def test_an_answer_beyond_what_was_laid_out_is_refused():
    with pytest.raises(BeyondRangeError, match="lay out more years"):
        laid_out(OFFICE, at("2032-01-01"), 100_000 * HOUR)
    with pytest.raises(BeyondRangeError, match="lay out more years"):
        laid_out(OFFICE, at("2032-01-01"), 100_000)
    with pytest.raises(BeyondRangeError, match="lay out more years"):
        laid_out(OFFICE, at("2045-01-01"), HOUR)
    with pytest.raises(BeyondRangeError, match="allow more"):
        walked(OFFICE, at("2032-01-01"), 1_000 * HOUR)


def test_drawn_cases_lie_in_their_years_and_every_zone_gets_its_turn():
    drawn = draw(np.random.default_rng(3), "Asia/Kathmandu", 500)
    years = {instant(int(x)).year for x in drawn.starts}
    assert years <= set(range(2024, 2033))
    assert drawn.calendar.time_zone == "Asia/Kathmandu"
    assert (drawn.amounts >= 0).all()
    assert {clock_check._zone(n) for n in range(2 * len(every_zone()))} >= {*every_zone(), *HARD_ZONES}


# --- a clock that is wrong is found ---------------------------------------------------------------------------------


def wrong(name: str, change: Any) -> Mapping[str, Any]:
    return {**KERNEL, name: lambda calendar, start, amount: change(KERNEL[name](calendar, start, amount))}


def an_hour_late_on_leap_days(answer: datetime) -> datetime:
    return answer + HOUR if (answer.month, answer.day) == (2, 29) else answer


@pytest.mark.parametrize("operation", [WORKING_TIME, BUSINESS_DAYS])
def test_a_clock_that_is_wrong_on_leap_days_alone_is_found_and_shown_small(operation: str):
    kernel: Any = wrong(operation, an_hour_late_on_leap_days)
    tally = check(6_000, 0, 1, kernel, told=SILENT)
    assert 0 < tally.wrong[operation] < 600
    assert set(+tally.wrong) == {operation}
    small = shrunk(tally.examples[0], kernel)
    assert small.answers[DESK] == small.answers[LAID_OUT] + HOUR
    assert sum(len(found) for found in small.calendar.windows.values()) <= 1
    assert not small.calendar.closures
    assert not small.start.second


def test_a_mismatch_is_printed_as_a_calendar_that_can_be_built_anew():
    kernel: Any = wrong(WORKING_TIME, lambda answer: answer + HOUR)
    tally = Tally()
    compare(
        Drawn(OFFICE, lay_out(OFFICE), *(np.array([x]) for x in (ticks(at("2026-11-06 16:30")), 0, 1))), kernel, tally
    )
    printed = str(tally.examples[0]).splitlines()
    again = eval(printed[0], {"Calendar": Calendar, "datetime": datetimes})  # noqa: S307
    assert again.windows == OFFICE.windows
    assert printed[2:] == ["  desk      2026-11-06T17:30:00+00:00", "  laid out  2026-11-06T16:30:00+00:00"]


def test_a_wrong_answer_that_is_walked_to_is_found():
    kernel: Any = wrong(WORKING_TIME, lambda answer: answer + timedelta(seconds=1))
    tally = check(0, 30, 4, kernel, told=SILENT)
    assert sum(tally.wrong.values()) == sum(n for name, n in tally.cases.items() if name.startswith(WORKING_TIME)) > 0


# --- rows of another library ----------------------------------------------------------------------------------------


def row(name: str, start: str, n: int, unit: str, expected: str, op: str = "after", zone: str = "floating") -> str:
    week = {day: [["09:00", "17:00"]] for day in DAYS[:5]}
    calendar = {"timezone": zone, "hours": week, "holidays": []}
    return json.dumps({"id": name, "source": "another", "name": name, "calendar": calendar, "start": start, "op": op,
                       "n": n, "unit": unit, "expected": expected})  # fmt: skip


def file_of(folder: Path, *rows: str) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_rows_are_sorted_by_how_they_compare_and_what_counts_backwards_is_left_out(tmp_path: Path):
    path = file_of(
        tmp_path,
        row("same", "2026-09-02T13:05:00", 8, "hour", "2026-09-03T13:05:00", zone="America/Chicago"),
        row("minutes", "2026-09-04T16:40:00", 30, "minute", "2026-09-07T09:10:00"),
        row("closed", "2026-09-05T10:10:00", 1, "day", "2026-09-08T09:00:00"),
        row("wrong", "2026-09-02T13:05:00", 2, "hour", "2026-09-02T15:06:00"),
        row("holiday lost", "2026-09-04T11:20:00", 1, "day", "2026-09-08T11:20:00"),
        row("no holiday", "2026-09-04T11:20:00", 1, "day", "2026-09-07T11:20:00"),
        row("before", "2026-09-04T11:20:00", 1, "day", "2026-09-03T11:20:00", op="before"),
        row("back", "2026-09-04T11:20:00", -1, "day", "2026-09-03T11:20:00"),
    )
    judged = {x.row.id: x.verdict for x in judge(load(path))}
    assert judged == {
        "same": Verdict.SAME,
        "minutes": Verdict.SAME,
        "closed": Verdict.CLOSED_TIME,
        "wrong": Verdict.DIFFERENT,
        "holiday lost": Verdict.CONTRADICTED,
        "no holiday": Verdict.SAME,
    }


def test_the_command_says_which_rows_differ_and_ends_accordingly(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    good = row("good", "2026-09-02T13:05:00", 8, "hour", "2026-09-03T13:05:00")
    assert clock_check.main(["--oracle", str(file_of(tmp_path, good))]) == 0
    bad = row("bad", "2026-09-02T13:05:00", 2, "hour", "2026-09-02T15:06:00")
    assert clock_check.main(["--oracle", str(file_of(tmp_path, good, bad))]) == 1
    printed = capsys.readouterr().out
    assert "bad: bad\n  2 hour after 2026-09-02T13:05:00: different\n  row       2026-09-02T15:06:00\n" in printed
    assert "good:" not in printed


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 1: the line: Invalid JSON"),
        ("{}", "line 1: id: Field required"),
        (row("x", "soon", 1, "day", "2026-09-02T15:06:00"), "line 1: start"),
        (row("x", "2026-09-02T15:06:00+02:00", 1, "day", "2026-09-02T15:06:00"), "line 1: start"),
        (row("x", "2026-09-02T15:06:00", 1, "week", "2026-09-02T15:06:00"), "line 1: unit"),
        (row("x", "2026-09-02T15:06:00", 1, "day", "2026-09-02T15:06:00", zone="Mars/Olympus"), "unknown time zone"),
        (row("x", "0001-01-01T15:06:00", 1, "day", "2026-09-02T15:06:00"), "outside 1970 to 2100"),
        (row("x", "2026-09-02T15:06:00", 10**12, "day", "2026-09-02T15:06:00"), "line 1: n"),
    ],
)
def test_a_line_that_is_no_row_is_named_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, problem: str
):
    path = file_of(tmp_path, line)
    with pytest.raises(DatasetError, match=r"rows\.jsonl, line 1"):
        load(path)
    assert clock_check.main(["--oracle", str(path)]) == 2
    said = capsys.readouterr().err
    assert problem in said
    assert len(said.splitlines()) == 1


def test_a_file_that_is_not_there_or_no_text_is_named_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name in ("nothing", "bytes"):
        assert clock_check.main(["--oracle", str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert name in said
        assert len(said.splitlines()) == 1


def test_the_command_counts_and_agrees(capsys: pytest.CaptureFixture[str]):
    assert clock_check.main(["--cases", "400", "--brute", "5", "--seed", "3"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "1 calendars in 1 time zones"
    assert [line.split()[-3:-1] for line in printed if line.startswith(("working time  ", "business days  "))] == [
        ["200", "0"],
        ["200", "0"],
    ]
    with pytest.raises(SystemExit):
        clock_check.main(["--cases", "-5"])
    assert "`-5` is not a whole number" in capsys.readouterr().err
