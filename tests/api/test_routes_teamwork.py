"""The routes of teams, promises, satisfaction and notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api import sample
from api.app import create_app
from api.desk import DraftWork
from api.settings import load
from api.wiring import Runtime, build_runtime
from tests.fakes.parts import quick_parts


@pytest.fixture
def runtime(tmp_path: Path, clock: Any, proposal: Callable[..., dict[str, Any]]) -> Iterator[Runtime]:
    async def drafter(work: DraftWork) -> dict[str, Any]:
        return proposal(case_id=work.case_id)

    made = build_runtime(load({}, home=tmp_path), clock=clock, drafter=drafter, parts=quick_parts())
    yield made
    made.close()


@pytest.fixture
def client(runtime: Runtime) -> Iterator[TestClient]:
    with TestClient(create_app(runtime), base_url="http://127.0.0.1", raise_server_exceptions=False) as browser:
        yield browser


@pytest.fixture
def admin(runtime: Runtime) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {runtime.doors.make_key(sample.first_admin(runtime), sample.first_admin(runtime).id)[1]}"
    }


@pytest.fixture
def key(runtime: Runtime) -> dict[str, str]:
    holder = runtime.doors.add_principal(sample.first_admin(runtime), "shop", "agent")
    return {"Authorization": f"Bearer {runtime.doors.make_key(sample.first_admin(runtime), holder.id)[1]}"}


def made(client: TestClient, key: dict[str, str]) -> str:
    answer = client.post("/v1/drafts", json={"text": "one"}, headers=key)
    return str(answer.json()["case_id"])


def test_a_team_acknowledges_by_the_api_and_only_when_it_was_pulled_in(client: TestClient, key: dict[str, str]) -> None:
    path = f"/v1/escalations/{made(client, key)}/teams"
    assert client.post(f"{path}/fulfilment/ack", headers=key).json()["team"] == "fulfilment"
    assert client.post(f"{path}/legal/ack", headers=key).status_code == 404


def test_a_link_acknowledges_on_a_click_only_and_not_with_a_forged_token(
    client: TestClient, key: dict[str, str], runtime: Runtime
) -> None:
    case = made(client, key)
    path, token = f"/ack/{case}/fulfilment", runtime.desk.link_token(case, "fulfilment")
    asked = client.get(path, params={"token": token})
    assert asked.status_code == 200
    assert "Take your part?" in asked.text
    assert "team_acked" not in client.get(f"/v1/escalations/{case}", headers=key).text
    assert client.post(path, data={"token": "0" * 40}).status_code == 403
    assert "Acknowledged" in client.post(path, data={"token": token}).text
    assert "team_acked" in client.get(f"/v1/escalations/{case}", headers=key).text


def test_scores_severities_and_reasons_are_checked(client: TestClient, key: dict[str, str]) -> None:
    path = f"/v1/escalations/{made(client, key)}"

    def post(part: str, body: dict[str, Any]) -> int:
        return client.post(f"{path}/{part}", json=body, headers=key).status_code

    assert (post("satisfaction", {"score": 5}), post("satisfaction", {"score": 9})) == (200, 422)
    assert post("severity", {"severity": "S1", "reason": "owner called"}) == 200
    assert post("severity", {"severity": "S9", "reason": "x"}) == 422
    assert post("no-reply", {"reason": "thanks"}) == 200
    assert post("deadlines/evidence/met", {}) == 404


def test_what_was_sent_and_promised_is_listed(client: TestClient, key: dict[str, str]) -> None:
    case = made(client, key)
    sent = {"text": "We will refund 25.00 GBP within 5 business days."}
    client.post(f"/v1/escalations/{case}/sent", json=sent, headers=key)
    (promise,) = client.get(f"/v1/escalations/{case}/promises", headers=key).json()["items"]
    assert (promise["action"], promise["money"]) == ("refund", {"amount": "25.00", "currency": "GBP"})
    answer = client.post(f"/v1/promises/{promise['id']}", json={"outcome": "kept"}, headers=key)
    assert answer.json()["state"] == "kept"


def test_an_admin_tests_a_channel_and_reads_the_log_and_an_unknown_channel_is_named(
    client: TestClient, admin: dict[str, str]
) -> None:
    letter = client.post("/v1/channels/notices/test", headers=admin).json()["id"]
    log = client.get("/v1/notices", headers=admin).json()
    assert letter in [row["id"] for row in log["items"]]
    assert client.post("/v1/channels/pigeon/test", headers=admin).status_code == 404


def test_the_log_of_the_desk_streams_from_where_it_was_left(client: TestClient, key: dict[str, str]) -> None:
    case = made(client, key)
    whole = client.get("/v1/events?follow=false", headers={**key, "Last-Event-ID": "0"}).text
    assert case in whole
    assert "event: case_opened" in whole
    assert "event: " not in client.get("/v1/events?follow=false", headers=key).text
