"""The process map of imported cases and the desk's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from api.ownrecords import records
from api.store import casework
from api.store import proof as rows
from api.wiring import Runtime
from evals.past import PastCase
from evals.process import ProcessMap, View, process

Of: TypeAlias = Literal["past", "desk", "all"]


def read(desk: Runtime, view: View, *, issue_type: str = "", severity: str = "", of: Of = "all") -> ProcessMap:
    """The map of the cases of one issue type and severity, "" for all. A case that was imported and is one of the desk's
    counts as the desk has it.
    """
    now, touch = desk.clock.now(), dict[str, float]()
    cases: dict[str, PastCase] = {}
    with desk.store.read() as conn:
        if of != "desk":
            cases = {case.id: case for case in rows.all_of(conn)}
        if of != "past":
            own = records(conn, desk.desk.versions.book(conn), desk.store.keyed, now)
            cases |= {case.id: case for case, _ in own.cases}
            touch = own.touch
    some = (
        c
        for c in cases.values()
        if (not issue_type or c.issue_type == issue_type) and (not severity or c.severity == severity)
    )
    return process(some, now, view, touch)


def people_named(desk: Runtime) -> dict[str, str]:
    """The people of the desk by id; those of imports have no names."""
    with desk.store.read() as conn:
        return casework.names(conn)


def as_json(seen: ProcessMap) -> Mapping[str, Any]:
    """Plain data, times in seconds."""
    return {
        "by": seen.view, "cases": seen.cases, "open": seen.open, "without_steps": seen.without_steps,
        "parts_s": {name: round(time.total_seconds()) for name, time in seen.parts.items()},
        "places": [
            {"name": p.name, "visits": p.visits, "cases": p.cases, "total_s": round(p.total.total_seconds()),
             "median_s": round(p.median.total_seconds()), "p90_s": round(p.high.total_seconds()), "share": round(p.share, 4)}
            for p in seen.places
        ],
        "paths": [
            {"from": p.begins, "to": p.ends, "times": p.times, "median_s": round(p.median.total_seconds())}
            for p in seen.paths
        ],
        "routes": [{"places": list(places), "times": times} for places, times in seen.routes],
        "bottlenecks": list(seen.bottlenecks),
    }  # fmt: skip
