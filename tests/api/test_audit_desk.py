"""The event log as admins check it: by command, by the API, and after a thousand tamperings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from api import audit_trial, cli, sample
from api.app import create_app
from api.desk import DraftWork
from api.settings import load
from api.store import audit
from api.store.tables import events
from api.store.unit import canonical
from api.wiring import Runtime, build_runtime
from tests.fakes.parts import quick_parts


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DESK_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def runtime(home: Path, clock: Any, proposal: Callable[..., dict[str, Any]]) -> Iterator[Runtime]:
    async def drafter(work: DraftWork) -> dict[str, Any]:
        return proposal(case_id=work.case_id)

    made = build_runtime(load({}, home=home), clock=clock, drafter=drafter, parts=quick_parts())
    yield made
    made.close()


@pytest.fixture
def case_id(runtime: Runtime, escalation: dict[str, Any]) -> str:
    return str(runtime.desk.receive(sample.first_admin(runtime), escalation)["case"])


@pytest.fixture
def client(runtime: Runtime) -> Iterator[TestClient]:
    with TestClient(create_app(runtime), base_url="http://127.0.0.1", raise_server_exceptions=False) as browser:
        yield browser


def bearer(runtime: Runtime, role: Any) -> dict[str, str]:
    admin = sample.first_admin(runtime)
    holder = runtime.doors.add_principal(admin, f"a {role}", role)
    return {"Authorization": f"Bearer {runtime.doors.make_key(admin, holder.id)[1]}"}


def break_event(runtime: Runtime, seq: int) -> None:
    with runtime.store.write("finish") as conn:
        conn.execute(update(events).where(events.c.seq == seq).values(actor="prn_other"))


def test_a_thousand_random_tamperings_are_all_found():
    done, missed = audit_trial.trial(1000, seed=11)
    assert sum(done.values()) == 1000
    assert len(done) == 7
    assert dict(missed) == {}


def test_the_command_checks_the_log_and_names_the_first_broken_event(
    runtime: Runtime, case_id: str, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["audit", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] >= 3
    assert cli.main(["audit", "verify", "--case", case_id]) == 0
    break_event(runtime, 2)
    break_event(runtime, 3)
    capsys.readouterr()
    assert cli.main(["audit", "verify", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["first_broken"] == 2


def test_an_unknown_case_is_one_sentence_and_exit_code_2(runtime: Runtime, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["audit", "verify", "--case", "case_none"]) == 2
    assert capsys.readouterr().err == "desk: There is no case 'case_none'.\n"


def test_anybody_can_check_the_chain_of_an_export(runtime: Runtime, case_id: str, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["audit", "export"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    last = "0" * 64
    for row in rows:
        fields = [row[name] for name in ("seq", "case_id", "case_seq", "at", "kind", "actor", "data")]
        assert row["previous"] == last
        last = hashlib.sha256((last + canonical(fields)).encode()).hexdigest()
        assert row["hash"] == last
    with runtime.store.read() as conn:
        assert audit.head(conn) == audit.Head(len(rows), last)
    assert cli.main(["audit", "export", "--case", case_id]) == 0
    mine = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert mine == [row for row in rows if row["case_id"] == case_id]


def test_pages_of_the_log_meet_and_only_admins_see_them(runtime: Runtime, case_id: str, client: TestClient):
    admin, agent = bearer(runtime, "admin"), bearer(runtime, "agent")
    assert client.get("/v1/audit", headers=agent).status_code == 403
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = client.get("/v1/audit", params={"after": after, "limit": 2}, headers=admin).json()
        seen += [row["seq"] for row in page["items"]]
        after = page["next"]
    assert seen == list(range(1, len(seen) + 1))
    of_case = client.get("/v1/audit", params={"case": case_id}, headers=admin).json()["items"]
    assert {row["case_id"] for row in of_case} == {case_id}
    assert client.get("/v1/audit/verify", headers=admin).json()["ok"] is True
    break_event(runtime, 2)
    assert client.get("/v1/audit/verify", headers=admin).json()["first_broken"] == 2


def test_an_admin_erases_by_the_api_and_nobody_else(runtime: Runtime, case_id: str, client: TestClient):
    admin, agent = bearer(runtime, "admin"), bearer(runtime, "agent")
    body = {"customers": ["wilhelmina@quist.example"]}
    assert client.post("/v1/erasures", json=body, headers=agent).status_code == 403
    told = client.post("/v1/erasures", json={**body, "dry_run": True}, headers=admin).json()
    done = client.post("/v1/erasures", json=body, headers=admin).json()
    assert (told["cases"], told["tables"], told["signature"]) == (done["cases"], done["tables"], "")
    assert done["cases"] == 1
    assert "quist" not in str(client.get(f"/v1/escalations/{case_id}", headers=admin).json()).casefold()
    assert client.post("/v1/erasures", json={"customers": ["Anna"]}, headers=admin).status_code == 422
