from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.clock import DAYS, Calendar, ClosedForeverError, Target, add_business_days, add_working_time, due

WEEKDAYS = DAYS[:5]
MINUTE = timedelta(minutes=1)


def hours(*windows: str, days: tuple[str, ...] = WEEKDAYS, zone: str = "UTC", **more: Any) -> Calendar:
    return Calendar(time_zone=zone, windows=dict.fromkeys(days, windows), **more)  # pyright: ignore[reportArgumentType]


OFFICE = hours("09:00-17:00")
BERLIN_247 = Calendar(time_zone="Europe/Berlin", always_open=True)


def at(text: str, zone: str = "UTC") -> datetime:
    """`2026-11-06 16:30`, as a wall clock in `zone` shows it, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


# --- worked cases of the domain; 6 November 2026 is a Friday --------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "amount", "end"),
    [
        ("2026-11-06 16:30", 1, "2026-11-09 09:30"),
        ("2026-11-06 16:55", 24, "2026-11-11 16:55"),
        ("2026-11-06 15:00", 4, "2026-11-09 11:00"),
        ("2026-11-06 15:00", 4 * 0.75, "2026-11-09 10:00"),
        ("2026-11-11 11:00", 6, "2026-11-11 17:00"),
        ("2026-11-09 10:00", 7, "2026-11-09 17:00"),
        ("2026-11-07 12:00", 1, "2026-11-09 10:00"),
        ("2026-11-06 17:00", 1, "2026-11-09 10:00"),
        ("2026-11-09 03:00", 8, "2026-11-09 17:00"),
        ("2026-11-07 12:00", 0, "2026-11-09 09:00"),
    ],
)
def test_working_time_counts_open_hours_alone(start: str, amount: float, end: str):
    assert add_working_time(OFFICE, at(start), timedelta(hours=amount)) == at(end)


def test_seconds_are_kept():
    begun = at("2026-11-06 16:59:40")
    assert add_working_time(OFFICE, begun, timedelta(seconds=30)) == at("2026-11-09 09:00:10")


def test_around_the_clock_two_hours_over_the_lost_hour_end_three_hours_later_on_the_wall():
    begun = at("2027-03-28 01:30", "Europe/Berlin")
    assert add_working_time(BERLIN_247, begun, timedelta(hours=2)) == at("2027-03-28 04:30", "Europe/Berlin")


def test_around_the_clock_two_hours_over_the_gained_hour_end_one_hour_later_on_the_wall():
    begun = at("2026-10-25 01:30", "Europe/Berlin")
    assert (
        add_working_time(BERLIN_247, begun, timedelta(hours=2))
        .astimezone(ZoneInfo("Europe/Berlin"))
        .isoformat()
        .startswith("2026-10-25T02:30:00+01:00")
    )


@pytest.mark.parametrize(("day", "length"), [("2027-03-28", 7), ("2026-10-25", 9), ("2026-11-01", 8)])
def test_a_night_shift_is_as_long_as_the_clock_change_leaves_it(day: str, length: int):
    nights = hours("22:00-06:00", days=DAYS, zone="Europe/Berlin")
    begun = at(f"{day} 00:00", "Europe/Berlin") - timedelta(hours=2)
    assert add_working_time(nights, begun, timedelta(hours=length)) == at(f"{day} 06:00", "Europe/Berlin")
    assert add_working_time(nights, begun, timedelta(hours=length) + MINUTE) == at(f"{day} 22:01", "Europe/Berlin")


def test_a_window_that_the_clock_change_swallows_is_not_open():
    swallowed = hours("02:00-03:00", days=DAYS, zone="Europe/Berlin")
    assert not swallowed.is_open_day(date(2027, 3, 28))
    begun = at("2027-03-27 02:30", "Europe/Berlin")
    assert add_working_time(swallowed, begun, timedelta(hours=1)) == at("2027-03-29 02:30", "Europe/Berlin")
    assert add_business_days(swallowed, begun, 1) == at("2027-03-29 02:30", "Europe/Berlin")


# --- business days ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-11-09 10:00", 1, "2026-11-10 10:00"),
        ("2026-11-06 12:33", 1, "2026-11-09 12:33"),
        ("2026-11-06 12:33", 5, "2026-11-13 12:33"),
        ("2026-11-07 11:00", 1, "2026-11-09 17:00"),
        ("2026-11-07 11:00", 3, "2026-11-11 17:00"),
        ("2026-11-09 08:00", 1, "2026-11-09 17:00"),
        ("2026-11-06 17:00", 1, "2026-11-09 17:00"),
        ("2026-11-06 09:00", 1, "2026-11-09 09:00"),
        ("2026-11-07 11:00", 0, "2026-11-09 09:00"),
        ("2026-11-09 11:00", 0, "2026-11-09 11:00"),
    ],
)
def test_business_days_keep_the_local_time_or_end_at_closing(start: str, days: int, end: str):
    assert add_business_days(OFFICE, at(start), days) == at(end)


def test_a_business_day_over_the_clock_change_keeps_the_local_time():
    berlin = hours("09:00-17:00", zone="Europe/Berlin")
    begun = at("2027-03-26 10:00", "Europe/Berlin")
    assert add_business_days(berlin, begun, 1) == at("2027-03-29 10:00", "Europe/Berlin")
    assert add_business_days(berlin, begun, 1) - begun == timedelta(hours=71)


def test_a_business_day_around_the_clock_is_the_same_local_time_tomorrow():
    begun = at("2027-03-27 15:00", "Europe/Berlin")
    assert add_business_days(BERLIN_247, begun, 1) == at("2027-03-28 15:00", "Europe/Berlin")


def test_a_shorter_day_ends_a_business_day_at_its_own_closing():
    short_friday = Calendar(windows={"thu": ("09:00-17:00",), "fri": ("09:00-13:00",)})  # pyright: ignore
    assert add_business_days(short_friday, at("2026-11-05 16:00"), 1) == at("2026-11-06 13:00")


def test_the_small_hours_of_a_night_shift_belong_to_the_day_on_which_it_began():
    nights = hours("22:00-06:00")
    assert add_business_days(nights, at("2026-11-07 02:00"), 1) == at("2026-11-10 02:00")
    assert add_business_days(nights, at("2026-11-07 12:00"), 1) == at("2026-11-10 06:00")


@pytest.mark.parametrize("within", ["0.5 business days", "1.5 days", "0 h", "2 weeks", "-1 h", "soon", "0 days"])
def test_a_target_that_cannot_be_kept_exactly_is_refused(within: str):
    with pytest.raises(ValidationError, match=r"is not a target|more than nothing|whole days"):
        Target(within=within, calendar="business")


@pytest.mark.parametrize(
    ("within", "end"),
    [
        ("30 min", "2026-11-06 17:00"),
        ("1.5 h", "2026-11-09 10:00"),
        ("8 business h", "2026-11-09 16:30"),
        ("1 business day", "2026-11-09 16:30"),
        ("3 business days", "2026-11-11 16:30"),
    ],
)
def test_a_target_says_in_words_when_it_falls_due(within: str, end: str):
    assert due(Target(within=within, calendar="office"), OFFICE, at("2026-11-06 16:30")) == at(end)


# --- calendars ----------------------------------------------------------------------------------------------------


def test_breaks_and_several_windows_a_day_are_closed_in_between():
    split = hours("09:00-12:00", "13:30-18:00")
    assert add_working_time(split, at("2026-11-09 11:30"), timedelta(hours=1)) == at("2026-11-09 14:00")


def test_windows_may_be_written_in_any_order_and_may_touch():
    split = hours("12:00-17:00", "09:00-12:00")
    assert add_working_time(split, at("2026-11-09 11:30"), timedelta(hours=1)) == at("2026-11-09 12:30")


def test_a_window_may_end_at_midnight_in_two_spellings():
    for window in ("18:00-24:00", "18:00-00:00"):
        late = hours(window)
        assert add_working_time(late, at("2026-11-09 23:00"), timedelta(hours=2)) == at("2026-11-10 19:00")


def test_public_holidays_and_closures_are_closed():
    england = hours("09:00-17:00", zone="Europe/London", holidays="GB-ENG", closures=(date(2026, 12, 29),))
    begun = at("2026-12-24 16:00", "Europe/London")
    assert add_working_time(england, begun, timedelta(hours=2)) == at("2026-12-30 10:00", "Europe/London")
    assert add_business_days(england, begun, 1) == at("2026-12-30 16:00", "Europe/London")


def test_a_holiday_of_one_part_of_a_country_is_open_in_another():
    begun = at("2026-11-17 16:00", "Europe/Berlin")
    ends = [
        add_working_time(hours("09:00-17:00", zone="Europe/Berlin", holidays=part), begun, timedelta(hours=2))
        for part in ("DE-SN", "DE-BE")
    ]
    assert ends == [at("2026-11-19 10:00", "Europe/Berlin"), at("2026-11-18 10:00", "Europe/Berlin")]


def test_the_night_into_a_holiday_is_worked_and_the_night_out_of_it_is_not():
    nights = hours("22:00-06:00", days=DAYS, closures=(date(2026, 11, 10),))
    assert add_working_time(nights, at("2026-11-09 23:00"), timedelta(hours=7)) == at("2026-11-10 06:00")
    assert add_working_time(nights, at("2026-11-10 07:00"), timedelta(hours=1)) == at("2026-11-11 23:00")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "no open time"),
        ({"windows": {"mon": ()}}, "no open time"),
        ({"windows": {"mon": ("09:00-12:00", "11:00-17:00")}}, "overlap on mon"),
        ({"windows": {"mon": ("22:00-06:00",), "tue": ("05:00-09:00",)}}, "overlap on tue"),
        ({"windows": {"sun": ("22:00-06:00",), "mon": ("00:00-02:00",)}}, "overlap on mon"),
        ({"windows": {"mon": ("09:00-09:00",)}}, "within one day"),
        ({"windows": {"mon": ("09:00-25:00",)}}, "within one day"),
        ({"windows": {"mon": ("24:00-25:00",)}}, "within one day"),
        ({"windows": {"mon": ("09:75-12:00",)}}, "within one day"),
        ({"windows": {"mon": ("9 to 5",)}}, "is not a window like"),
        ({"windows": {"montag": ("09:00-17:00",)}}, "montag"),
        ({"time_zone": "Europe/Atlantis", "always_open": True}, "unknown time zone"),
        ({"time_zone": "", "always_open": True}, "unknown time zone"),
        ({"always_open": True, "holidays": "XX"}, "no public holidays are known"),
        ({"always_open": True, "holidays": "DE-XX"}, "no public holidays are known"),
        ({"always_open": True, "closures": ("2026-13-01",)}, "date"),
        ({"always_open": True, "lunch": "12:00-13:00"}, "Extra inputs"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused_with_the_reason(fields: dict[str, Any], problem: str):
    with pytest.raises(ValidationError, match=problem):
        Calendar(**fields)


def test_a_calendar_that_never_opens_again_says_so():
    mondays = tuple(date(2026, 1, 5) + timedelta(weeks=n) for n in range(700))
    shut = hours("09:00-17:00", days=("mon",), closures=mondays)
    for ask in (
        lambda: add_working_time(shut, at("2026-11-09 10:00"), MINUTE),
        lambda: add_business_days(shut, at("2026-11-09 10:00"), 1),
    ):
        with pytest.raises(ClosedForeverError, match="within ten years"):
            ask()


# --- against a clock that steps minute by minute --------------------------------------------------------------------


def is_open(calendar: Calendar, instant: datetime) -> bool:
    """By the wall alone: is some window of today, or one of last night, open?"""
    wall = instant.astimezone(ZoneInfo(calendar.time_zone)).replace(tzinfo=None)
    since = timedelta(hours=wall.hour, minutes=wall.minute)
    today, yesterday = wall.date(), wall.date() - timedelta(days=1)
    for opens, closes in () if today in calendar.closures else calendar.windows.get(DAYS[today.weekday()], ()):
        if opens <= since and (closes < opens or since < closes):
            return True
    for opens, closes in () if yesterday in calendar.closures else calendar.windows.get(DAYS[yesterday.weekday()], ()):
        if closes < opens and since < closes:
            return True
    return False


def stepped(calendar: Calendar, start: datetime, minutes: int) -> datetime:
    instant = start
    while minutes:
        minutes -= is_open(calendar, instant)
        instant += MINUTE
    return instant


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Europe/London", "America/New_York", "Asia/Kolkata"])
CHANGES = st.sampled_from(["2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01", "2026-11-09"])


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Windows on full hours, of which every seventh day may be shut and nights may run over midnight."""
    windows: dict[str, tuple[str, ...]] = {}
    for day in draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True)):
        a, b, c, d = sorted(draw(st.lists(st.integers(1, 23), min_size=4, max_size=4, unique=True)))
        windows[day] = draw(
            st.sampled_from(
                [
                    (f"{a:02}:00-{b:02}:00",),
                    (f"{c:02}:00-{d:02}:00", f"{a:02}:00-{b:02}:00"),
                    (f"{d:02}:00-01:00",),
                    (f"{d:02}:00-24:00",),
                ]
            )
        )
    shut = draw(st.lists(st.sampled_from([date(2026, 10, 26), date(2026, 11, 10), date(2026, 3, 30)]), max_size=2))
    return Calendar(time_zone=draw(ZONES), windows=windows, closures=tuple(shut))  # pyright: ignore


@settings(max_examples=120, deadline=None)
@given(calendars(), CHANGES, st.integers(-1500, 3000), st.integers(1, 1500))
def test_working_time_agrees_with_a_clock_that_steps_every_minute(
    calendar: Calendar, day: str, offset: int, minutes: int
):
    start = at(day) + offset * MINUTE
    assert add_working_time(calendar, start, minutes * MINUTE) == stepped(calendar, start, minutes)


@settings(max_examples=100, deadline=None)
@given(calendars(), CHANGES, st.integers(0, 3000), st.integers(1, 900), st.integers(1, 900))
def test_waiting_twice_is_waiting_once_for_the_sum(calendar: Calendar, day: str, offset: int, a: int, b: int):
    start = at(day) + offset * MINUTE
    once = add_working_time(calendar, start, (a + b) * MINUTE)
    assert add_working_time(calendar, add_working_time(calendar, start, a * MINUTE), b * MINUTE) == once


@settings(max_examples=100, deadline=None)
@given(calendars(), CHANGES, st.integers(0, 3000), st.integers(1, 6))
def test_a_business_day_more_is_due_later_and_never_outside_hours(calendar: Calendar, day: str, offset: int, days: int):
    start = at(day) + offset * MINUTE
    earlier, later = (add_business_days(calendar, start, n) for n in (days, days + 1))
    assert start < earlier < later
    inside = is_open(calendar, start)
    assert inside or is_open(calendar, earlier - MINUTE)


# --- rows as third-party libraries test themselves ------------------------------------------------------------------


def read(row: dict[str, Any]) -> tuple[Calendar, datetime]:
    """The calendar and start of an oracle's row; a floating calendar has no zone."""
    spec = row["calendar"]
    zone = "UTC" if spec["timezone"] == "floating" else spec["timezone"]
    windows = {day: tuple("-".join(w) for w in found) for day, found in spec["hours"].items()}
    return Calendar(time_zone=zone, windows=windows, closures=tuple(spec["holidays"])), at(row["start"], zone)  # pyright: ignore


def answer(row: dict[str, Any]) -> datetime:
    calendar, start = read(row)
    if row["unit"] == "day":
        return add_business_days(calendar, start, row["n"])
    return add_working_time(calendar, start, timedelta(hours=row["n"]))


def same(row: dict[str, Any]) -> bool:
    """Whether the row's answer is ours, or only closed time lies between them."""
    calendar, start = read(row)
    ours, theirs = answer(row), at(row["expected"], str(calendar.zone))
    if not start <= theirs:
        return False
    return add_working_time(calendar, ours, MINUTE) == add_working_time(calendar, theirs, MINUTE)


def row(start: str, n: int, unit: str, expected: str, zone: str = "floating", *shut: str) -> dict[str, Any]:
    week = {day: [["09:00", "17:00"]] for day in WEEKDAYS}
    calendar = {"timezone": zone, "hours": week, "holidays": list(shut)}
    return {"calendar": calendar, "start": start, "n": n, "unit": unit, "expected": expected}


@pytest.mark.parametrize(
    "given_row",
    [
        row("2026-09-02T13:05:00", 8, "hour", "2026-09-03T13:05:00"),
        row("2026-09-04T16:40:00", 1, "hour", "2026-09-07T09:40:00", "Asia/Tokyo"),
        row("2026-09-04T16:40:00", 1, "hour", "2026-09-08T09:40:00", "America/Chicago", "2026-09-07"),
        row("2026-09-05T10:10:00", 0, "hour", "2026-09-07T09:00:00"),
        row("2026-09-02T09:00:00", 8, "hour", "2026-09-03T09:00:00"),
        row("2026-09-05T10:10:00", 1, "day", "2026-09-08T09:00:00"),
        row("2026-09-03T23:30:00", 1, "day", "2026-09-07T09:00:00", "Europe/Berlin"),
        row("2026-09-04T11:20:00", 1, "day", "2026-09-08T11:20:00", "America/Chicago", "2026-09-07"),
        row("2026-09-04T11:20:00", 0, "day", "2026-09-04T11:20:00"),
    ],
)
def test_rows_in_the_manner_of_other_libraries_agree_up_to_closed_time(given_row: dict[str, Any]):
    assert same(given_row), answer(given_row)


def test_the_comparison_with_other_libraries_sees_a_minute_of_open_time():
    assert not same(row("2026-09-02T13:05:00", 8, "hour", "2026-09-03T13:06:00"))
