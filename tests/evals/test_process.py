from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

from evals.past import PastCase, Step
from evals.process import process, span, stays_of
from evals.process_svg import draw

T0 = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
END = T0 + timedelta(days=30)


def read(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - the desk drew it


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def case(*steps: Step, resolved: float | None = 10, **more) -> PastCase:
    ends = at(resolved) if resolved is not None else None
    return PastCase(**{"id": "a", "opened": T0, "resolved": ends, "steps": steps, "team": "returns", **more})


WAITED = case(
    Step(at(1), "team", "returns"), Step(at(1), "status", "in_review"), Step(at(2), "reply", "", "prn_a"),
    Step(at(2), "status", "waiting_customer"), Step(at(6), "message"), Step(at(6), "status", "in_progress"),
    Step(at(7), "team", "legal"), Step(at(9), "note", "", "prn_b"),
)  # fmt: skip


def test_time_is_told_apart_by_where_it_went_and_adds_up():
    seen = process([WAITED], END, touches={"a": 1800.0})
    hours = {name: time / timedelta(hours=1) for name, time in seen.parts.items()}
    assert hours == {"waiting": 4, "hand_over": 2, "touch": 0.5, "in_house": 3.5, "not_told": 0}
    assert sum(hours.values()) == 10
    assert {p.name: p.total for p in seen.places} == {
        "waiting_customer": timedelta(hours=4), "in_progress": timedelta(hours=4), "in_review": timedelta(hours=1),
        "new": timedelta(hours=1),
    }  # fmt: skip
    assert seen.routes == ((("new", "in_review", "waiting_customer", "in_progress", "resolved"), 1),)


def test_without_statuses_only_who_spoke_last_is_told_and_nobody_is_said_to_wait():
    quiet = case(Step(at(2), "reply", "", "prn_a"), Step(at(5), "message"))
    seen = process([quiet], END)
    assert [stay.place for stay in stays_of(quiet, END, "states")] == ["new", "answered", "asked_again"]
    assert (seen.parts["waiting"], seen.parts["not_told"]) == (timedelta(0), timedelta(hours=3))


def test_teams_and_people_are_places_too():
    assert [(s.place, s.time) for s in stays_of(WAITED, END, "teams")] == [
        ("no_team", timedelta(hours=1)), ("returns", timedelta(hours=6)), ("legal", timedelta(hours=3)),
    ]  # fmt: skip
    assert [s.place for s in stays_of(WAITED, END, "people")] == ["nobody", "prn_a", "prn_b"]
    assert [s.place for s in stays_of(case(), END, "teams")] == ["returns"]


def test_an_open_case_is_seen_until_now_and_one_from_later_is_not():
    seen = process([case(resolved=None), case(opened=END + timedelta(days=1), resolved=None)], END)
    assert (seen.cases, seen.open, seen.without_steps) == (1, 1, 1)
    assert seen.places[0].total == timedelta(days=30)


def test_a_case_that_comes_back_passes_its_resolution():
    back = case(Step(at(2), "status", "resolved"), Step(at(5), "reopened"), Step(at(5), "status", "in_progress"))
    assert [s.place for s in stays_of(back, END, "states")] == ["new", "resolved", "in_progress"]


def test_bottlenecks_and_ways_back_and_forth_are_named():
    some = [
        case(*(Step(at(n), "status", "in_progress" if n % 2 else "waiting_team") for n in range(1, 8)), id=str(k))
        for k in range(9)
    ]
    said = " ".join(process(some, END).bottlenecks)
    assert "% of the time goes by in the state “in progress”" in said.replace(" %", "%")
    assert "Back and forth: " in said


def test_the_picture_is_well_formed_and_escapes_names():
    odd = case(Step(at(1), "status", '<script>"&'), Step(at(2), "status", "x" * 60))
    for cases in ([odd, WAITED], []):
        root = read(draw(process(cases, END), "Map <1>"))
        assert root.tag.endswith("svg")
        assert not [e for e in root.iter() if e.tag.endswith("script") or "style" in e.attrib]


def test_many_places_are_drawn_within_the_picture():
    some = [case(*(Step(at(n / 10), "status", f"state_{n}") for n in range(1, 30)))]
    root = read(draw(process(some, END), "Map"))
    boxes = [e for e in root.iter() if e.tag.endswith("rect")]
    assert len(boxes) <= 13
    assert max(float(e.attrib["x"]) + float(e.attrib["width"]) for e in boxes) <= 1100
    assert "more places are in the table" in ET.tostring(root, "unicode")


def test_times_in_words():
    assert [span(timedelta(minutes=m)) for m in (5, 180, 6000)] == ["5 min", "3.0 h", "4.2 d"]
