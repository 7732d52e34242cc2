"""Measures the pages over many cases: `python -m api.pages_bench` (from the project's root).

A desk in a home of its own is filled with cases that are drafted, of all severities, some overdue, assigned or at risk.
Then queue and case pages are asked for in the same process, so that what is timed is the server's own work.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import Connection, insert

from api import sample
from api.ids import new_id
from api.parts import Loaded, Parts
from api.queueview import VIEWS
from api.settings import load
from api.store import cases as case_rows
from api.store.desktables import case_work
from api.store.tables import cases, drafts
from api.wiring import Runtime, build_runtime

if TYPE_CHECKING:
    from httpx import Response

CASES: Final = 10_000
RUNS: Final = 60
"""Requests for each kind of page."""
MOST_QUEUE_MS, MOST_CASE_MS, MOST_BYTES = 150.0, 100.0, 200_000
"""What the pages have to keep: p95 of the server's time, and bytes of any page."""
TEXT: Final = "Hello, my kettle of order FH-270114 arrived cracked and I want to know what happens now. " * 4


def main(argv: Sequence[str] | None = None) -> int:
    """Fill, measure, print; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m api.pages_bench", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as home:
        desk = build_runtime(load({"DESK_WORKERS": "0"}, home=Path(home)), parts=_no_parts())
        ids = fill(desk, given.cases)
        found = measure(desk, ids, given.runs)
        desk.close()
    found |= {"cases": given.cases, "kept": kept(found)}
    print(json.dumps(found, indent=None if given.json else 2))
    return 0 if found["kept"] else 1


def kept(found: Mapping[str, Any]) -> bool:
    """Whether every goal is reached."""
    return (
        found["queue_p95_ms"] <= MOST_QUEUE_MS
        and found["case_p95_ms"] <= MOST_CASE_MS
        and found["largest_bytes"] <= MOST_BYTES
    )


def fill(desk: Runtime, number: int) -> list[str]:
    """Cases as they stand after drafting; one with a real log for each ten, the others with their rows alone."""
    now, admin = desk.clock.now(), sample.first_admin(desk)
    levels = tuple(desk.texts.pack.severities)
    whole = [
        desk.desk.receive(admin, {"id": f"B-{n}", "text": TEXT, "customer": {"name": f"C {n}", "email": f"c{n}@b.example"}})
        for n in range(min(number // 10, 300))
    ]  # fmt: skip
    with desk.store.write("receive") as conn:
        for n, ids in enumerate(whole):
            _drafted(conn, desk, ids["case"], ids["draft"], levels[n % 4])
        for n in range(number - len(whole)):
            case_id, draft_id = new_id("case", now), new_id("drf", now)
            case_rows.add(
                conn, case_id, now, opened_at=now, version=0, status="triaged", draft_id=draft_id,
                draft_state="pending", next_due_at=now, source="bench", external_id=f"R-{n}", customer_key="", title=f"Row {n}",
                payload={}, channel="email", severity=levels[n % 4], issue_type="damaged_or_defective",
                primary_team="fulfilment",
            )  # fmt: skip
            case_rows.add_draft(conn, case_id, draft_id, "", now)
            _drafted(conn, desk, case_id, draft_id, levels[n % 4])
            if n % 3 == 0:
                conn.execute(
                    insert(case_work).values(case_id=case_id, assignee=admin.id, risky=n % 2 == 0, failed=n % 5)
                )
            due = now + timedelta(minutes=(n * 37) % 9000 - 600)
            conn.execute(cases.update().where(cases.c.id == case_id).values(next_due_at=due, status="in_review"))
    return [ids["case"] for ids in whole]


def _drafted(conn: Connection, desk: Runtime, case_id: str, draft_id: str, severity: str) -> None:
    body: dict[str, Any] = {
        "id": draft_id,
        "kind": "reply",
        "subject": "Your kettle",
        "body": "Dear C,\n\n" + TEXT,
        "promises": [],
    }
    fact = {"kind": "order_id", "text": "FH-270114", "value": "FH-270114", "state": "supported", "source": "message:0"}
    at = body["body"].index("FH-270114")
    past = {
        "id": new_id("prc", desk.clock.now()), "why": "similar", "score": 0.8, "issue_type": "damaged_or_defective",
        "summary": TEXT, "remedy_kind": "replacement", "remedy": TEXT, "cost": None, "resolved_in_s": 90_000,
        "aftermath": "kept buying",
    }  # fmt: skip
    proposal: dict[str, Any] = {
        "state": "ready", "engine": "embedded", "issue_type": "damaged_or_defective", "severity": severity,
        "severity_reason": "one order arrived damaged", "primary_team": "fulfilment", "language": "en", "draft": body,
        "guard": {"verdict": "clear", "findings": [], "facts": [{**fact, "start": at, "end": at + 9}]},
        "precedents": [past] * 5, "confidence": {"severity": 0.8},
    }  # fmt: skip
    draft = case_rows.get_draft(conn, draft_id)
    case_rows.set_draft(
        conn,
        draft,
        "ready",
        desk.clock.now(),
        kind="reply",
        hash="0" * 64,
        body=body,
        engine="embedded",
        proposal=proposal,
    )
    conn.execute(cases.update().where(cases.c.id == case_id).values(severity=severity))
    conn.execute(drafts.update().where(drafts.c.id == draft_id).values(case_version=1))


def measure(desk: Runtime, ids: Sequence[str], runs: int) -> dict[str, Any]:
    """Milliseconds of queue and case pages, and the largest page."""
    from fastapi.testclient import TestClient

    from api.app import create_app

    app = create_app(desk)
    client = TestClient(app, base_url="http://127.0.0.1", headers={"Accept": "text/html"})
    client.get(f"/signin?token={desk.doors.make_link(sample.first_admin(desk).id)}", follow_redirects=False)
    views = [f"/desk?view={name}" for name in VIEWS] + ["/desk?q=Row%2077", "/desk?view=open&page=40"]
    largest = 0

    def page(path: str) -> tuple[float, float]:
        nonlocal largest
        began, worked = time.perf_counter(), time.process_time()
        answer = cast("Response", client.get(path))
        took = ((time.perf_counter() - began) * 1000, (time.process_time() - worked) * 1000)
        if answer.status_code != 200:
            raise SystemExit(f"{path} answered {answer.status_code}.")
        largest = max(largest, len(answer.content))
        return took

    found = _series("queue", page, views, runs) | _series("case", page, [f"/desk/{case_id}" for case_id in ids], runs)
    return {**found, "largest_bytes": largest}


def _series(name: str, page: Callable[[str], tuple[float, float]], paths: Sequence[str], runs: int) -> dict[str, Any]:
    """Time that passed, and of it the processor's own, which other programs on the machine do not lengthen much."""
    page(paths[0])  # compiles the template once
    times = [page(paths[n % len(paths)]) for n in range(runs)]
    passed, worked = sorted(t[0] for t in times), sorted(t[1] for t in times)
    return {
        f"{name}_p50_ms": _share(passed, 0.5), f"{name}_p95_ms": _share(passed, 0.95),
        f"{name}_cpu_p95_ms": _share(worked, 0.95),
    }  # fmt: skip


def _share(times: Sequence[float], share: float) -> float:
    return round(times[min(len(times) - 1, int(share * len(times)))], 1)


def _no_parts() -> Parts:
    def nothing(*_: Any) -> Any:
        raise OSError("the bench needs no engine")

    return Parts(nothing, cast("Callable[..., Loaded]", nothing))


if __name__ == "__main__":
    sys.exit(main())
