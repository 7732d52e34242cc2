"""Erasing people: nothing of them stays in any byte of the home, everybody else stays as they are."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import func, insert, select, update

from api import cli, erasure, sample
from api.desk import DraftWork
from api.errors import ForbiddenError, InvalidError, StoreBusyError, UsageError
from api.settings import load
from api.store import audit, casework, desktables, tables
from api.store.columns import metadata
from api.store.precedents import Card, put, set_vectors
from api.wiring import Runtime, build_runtime
from retrieval.folder import IndexFolder
from retrieval.precedent import Precedent
from retrieval.search import PrecedentSearch
from tests.fakes.parts import quick_parts

DIMENSION = 8
FINGERPRINT = "f" * 16


@pytest.fixture
def runtime(tmp_path: Path, clock: Any, proposal: Callable[..., dict[str, Any]]) -> Iterator[Runtime]:
    async def drafter(work: DraftWork) -> dict[str, Any]:
        return proposal(case_id=work.case_id)

    made = build_runtime(load({}, home=tmp_path / "home"), clock=clock, drafter=drafter, parts=quick_parts())
    yield made
    made.close()


def person(n: int) -> dict[str, str]:
    """Somebody whose words nobody else has."""
    return {
        "name": f"Zebulon{n:04d}x Quistgaard{n:04d}", "email": f"Zeb{n:04d}@quistgaard{n:04d}.example",
        "order": f"ORD-88{n:04d}7", "text": f"My samovar{n:04d} leaks, says Zebulon{n:04d}x.",
    }  # fmt: skip


def vector(n: int) -> NDArray[np.float32]:
    """The unit vector of somebody's text."""
    made = np.random.default_rng(n).standard_normal(DIMENSION).astype(np.float32)
    return made / np.linalg.norm(made)


def settle(desk: Runtime, n: int) -> str:
    """A case with something in every table that can hold a person's words; returns its id."""
    p, who = person(n), sample.first_admin(desk)
    given = {
        "id": f"T-{p['order']}", "channel": "email", "text": p["text"], "order_ref": p["order"],
        "customer": {"name": p["name"], "email": p["email"]},
    }  # fmt: skip
    made = desk.desk.receive(who, given)
    case_id, draft_id = made["case"], made["draft"]
    now = desk.clock.now()
    with desk.store.write("sight") as conn:
        words = {"body": p["text"], "to": p["email"]}
        conn.execute(
            update(tables.drafts)
            .where(tables.drafts.c.id == draft_id)
            .values(state="ready", body=words, proposal={"draft": words}, hint=p["name"], state_reason=p["text"])
        )
        casework.add_note(conn, case_id, who.id, p["text"], now)
        conn.execute(insert(tables.traces).values(
            case_id=case_id, at=now, data={"w": p["text"]}, vector=vector(n).astype(np.float16).tobytes(),
            english=vector(n).tobytes(),
        ))  # fmt: skip
        conn.execute(insert(desktables.decisions).values(
            id=f"dec_{n}", case_id=case_id, draft_id=draft_id, who=who.id, decision="edit", before=words, at=now,
        ))  # fmt: skip
        conn.execute(insert(tables.deliveries).values(
            id=f"hook_{n}", source="shop", delivery_id=f"{p['email']}-1", received_at=now, state="dead", headers={},
            body=json.dumps(p).encode(), job_id="job_x",
        ))  # fmt: skip
        card = Precedent(
            f"prc_{n}", "late", "S3", "en", "email", f"A samovar{n:04d} leaks.", "refund", "Refunded.", Decimal(5), "GBP",
            timedelta(hours=1), now, "resolved", "", 4,
        )  # fmt: skip
        put(conn, [Card(card, (f"88{n:04d}7",), case_id)], now)
        set_vectors(conn, FINGERPRINT, {card.id: vector(n)})
    return case_id


def notices(desk: Runtime, numbers: range) -> None:
    """What the channel of kind `file` was told."""
    path = desk.settings.home / "notices" / "office.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": person(n)["email"] + " " + person(n)["text"]}) + "\n" for n in numbers))


def index(desk: Runtime) -> None:
    """Write the vectors of all precedents into the index, as a serving desk does."""
    search = PrecedentSearch(desk.archive, FINGERPRINT, DIMENSION, desk.settings.home / "index")
    search.maintain()
    search.close()


def forms(n: int) -> list[bytes]:
    """Every form in which somebody's words or vectors might stay in a file."""
    p, found = person(n), list[bytes]()
    for word in (p["name"], p["email"], p["email"].casefold(), p["order"], p["text"], f"samovar{n:04d}"):
        found += [word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be")]
        for shift in range(3):  # base64 of a text looks differently at each place it may begin
            coded = base64.b64encode(b"\0" * shift + word.encode())
            found.append(coded[4 if shift else 0 : -4])
    return [*found, vector(n).tobytes(), vector(n).astype(np.float16).tobytes()]


def remains(home: Path, numbers: range) -> set[tuple[str, int]]:
    """Files, and whose words are in them."""
    wanted = [(n, form) for n in numbers for form in forms(n)]
    blobs = {p.relative_to(home).as_posix(): p.read_bytes() for p in sorted(home.rglob("*")) if p.is_file()}
    return {(name, n) for name, blob in blobs.items() for n, form in wanted if form in blob}


def rows_of(desk: Runtime, case_ids: set[str]) -> dict[str, list[Any]]:
    """All that the tables say of cases."""
    found = dict[str, list[Any]]()
    with desk.store.read() as conn:
        for table in metadata.tables.values():
            key = table.c.get("case_id") if table is not tables.cases else table.c.id
            if key is not None:
                some = conn.execute(select(table)).all()
                found[table.name] = sorted(str(row) for row in some if row._mapping[key.name] in case_ids)
    return found


def erased_of(desk: Runtime, gone: range, kept: range) -> erasure.Report:
    """Erase some of the people, and check that nothing of them stays and that the others lose nothing."""
    home = desk.settings.home
    cases = {n: settle(desk, n) for n in (*gone, *kept)}
    notices(desk, range(min(*gone, *kept), max(*gone, *kept) + 1))
    index(desk)
    assert {n for _, n in remains(home, gone[:3])} == set(gone[:3]), "the search for bytes must see what is there"
    before = rows_of(desk, {cases[n] for n in kept})
    report = erasure.erase(desk, sample.first_admin(desk), [person(n)["email"] for n in gone])
    assert remains(home, gone) == set()
    assert rows_of(desk, {cases[n] for n in kept}) == before
    notes = (home / "notices" / "office.jsonl").read_text()
    assert all(person(n)["email"] in notes for n in kept)
    index(desk)
    assert remains(home, gone) == set()
    assert {n for _, n in remains(home, kept[:3])} == set(kept[:3])
    with desk.store.read() as conn:
        audit.verify(conn)
        assert conn.execute(select(func.count()).select_from(tables.precedents)).scalar_one() == len(kept)
    return report


def test_nothing_of_an_erased_customer_stays_in_any_file_and_the_others_lose_nothing(runtime: Runtime):
    report = erased_of(runtime, range(2), range(2, 5))
    assert (report.cases, report.tables["messages"], report.tables["precedents"], report.files) == (2, 2, 2, 1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nothing_of_100_of_1000_customers_stays_in_any_file(runtime: Runtime):
    assert erased_of(runtime, range(100), range(100, 1000)).cases == 100


def test_a_dry_run_counts_the_same_and_changes_nothing(runtime: Runtime):
    case_id, who = settle(runtime, 1), sample.first_admin(runtime)
    before = rows_of(runtime, {case_id})
    told = erasure.erase(runtime, who, [person(1)["email"]], dry_run=True)
    assert rows_of(runtime, {case_id}) == before
    done = erasure.erase(runtime, who, [person(1)["email"].upper()])
    assert (told.cases, told.tables) == (done.cases, done.tables)


def test_a_second_erasure_finds_nothing(runtime: Runtime):
    case_id, who = settle(runtime, 1), sample.first_admin(runtime)
    erasure.erase(runtime, who, [person(1)["email"]])
    before = rows_of(runtime, {case_id})
    again = erasure.erase(runtime, who, [person(1)["email"]])
    assert (again.cases, again.tables, again.files) == (0, {}, 0)
    assert rows_of(runtime, {case_id}) == before


def test_the_log_tells_of_the_erasure_and_names_nobody(runtime: Runtime):
    settle(runtime, 1)
    report = erasure.erase(runtime, sample.first_admin(runtime), [person(1)["email"]])
    with runtime.store.read() as conn:
        rows = conn.execute(select(tables.events).where(tables.events.c.kind == "erased")).mappings().all()
    assert [row["data"]["erasure"] for row in rows] == [report.id, report.id]
    assert rows[1]["data"]["customer_hash"] == report.people[0]


def test_a_report_proves_itself_and_a_changed_one_does_not(runtime: Runtime):
    settle(runtime, 1)
    report = erasure.erase(runtime, sample.first_admin(runtime), [person(1)["email"]])
    path = runtime.settings.home / erasure.REPORTS / f"{report.id}.json"
    assert erasure.check(runtime.store, path) == report
    path.write_text(path.read_text().replace('"cases": 1', '"cases": 7'))
    with pytest.raises(UsageError, match="changed after"):
        erasure.check(runtime.store, path)
    assert erasure.signed(runtime.store, replace(report, cases=7)) != report.signature


def test_who_is_no_customer_or_who_is_no_admin_is_refused(runtime: Runtime):
    admin = sample.first_admin(runtime)
    agent = runtime.doors.add_principal(admin, "Bo", "agent")
    with pytest.raises(InvalidError, match="e-mail address"):
        erasure.erase(runtime, admin, ["Anna"])
    with pytest.raises(ForbiddenError):
        erasure.erase(runtime, agent, ["a@b.example"])


def test_what_others_were_shown_of_an_erased_case_goes_too_and_a_namesake_stays(runtime: Runtime):
    settle(runtime, 1)
    other, third = settle(runtime, 2), settle(runtime, 3)
    with runtime.store.write("sight") as conn:
        shown = {"draft": {}, "precedents": [{"id": "prc_1", "summary": "A samovar0001 leaks."}, {"id": "prc_3"}]}
        conn.execute(update(tables.drafts).where(tables.drafts.c.case_id == other).values(proposal=shown))
        same = {"customer": {"name": person(1)["name"], "email": "another@zebulon.example"}}
        conn.execute(update(tables.cases).where(tables.cases.c.id == third).values(payload=same))
    erasure.erase(runtime, sample.first_admin(runtime), [person(1)["email"]])
    with runtime.store.read() as conn:
        kept = conn.execute(select(tables.drafts.c.proposal).where(tables.drafts.c.case_id == other)).scalar_one()
        namesake = conn.execute(select(tables.cases.c.payload).where(tables.cases.c.id == third)).scalar_one()
    assert kept == {"draft": {}, "precedents": [{"id": "prc_3"}]}
    assert namesake == same


def test_nothing_is_erased_while_another_process_holds_the_index(runtime: Runtime):
    case_id = settle(runtime, 1)
    before = rows_of(runtime, {case_id})
    holder = IndexFolder(runtime.settings.home / "index")
    with pytest.raises(StoreBusyError, match="Nothing was erased"):
        erasure.erase(runtime, sample.first_admin(runtime), [person(1)["email"]])
    assert rows_of(runtime, {case_id}) == before
    holder.close()


def test_the_command_erases_checks_and_names_nobody(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    settle(runtime, 1)
    monkeypatch.setenv("DESK_HOME", str(runtime.settings.home))
    assert cli.main(["erase", "--customer", person(1)["email"], "--json"]) == 0
    out = capsys.readouterr().out
    assert "quistgaard" not in out.casefold()
    path = runtime.settings.home / erasure.REPORTS / f"{json.loads(out)['id']}.json"
    assert cli.main(["erase", "--check", str(path)]) == 0
    assert cli.main(["erase", "--customer", "Anna"]) == 2
    assert capsys.readouterr().err.startswith("desk: A customer is an e-mail address")
