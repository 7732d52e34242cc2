from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from api import errors, sample
from api.app import UndeclaredRouteError, create_app, declared_policies
from api.desk import DraftWork
from api.policy import Anyone
from api.problems import STATUS
from api.settings import load
from api.wiring import Runtime, build_runtime
from tests.fakes.parts import NoEncoder, quick_parts

SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def drafted(proposal: Callable[..., dict[str, Any]]) -> list[DraftWork]:
    return []


@pytest.fixture
def desk(
    tmp_path: Path, clock: Any, proposal: Callable[..., dict[str, Any]], drafted: list[DraftWork]
) -> Iterator[Runtime]:
    async def drafter(work: DraftWork) -> dict[str, Any]:
        drafted.append(work)
        if "boom" in str(work.escalation):
            raise RuntimeError("no")
        return proposal(case_id=work.case_id)

    runtime = build_runtime(load({}, home=tmp_path), clock=clock, drafter=drafter, parts=quick_parts())
    yield runtime
    runtime.close()


@pytest.fixture
def app(desk: Runtime) -> FastAPI:
    return create_app(desk)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as browser:
        yield browser


@pytest.fixture
def key(desk: Runtime) -> dict[str, str]:
    admin = sample.first_admin(desk)
    holder = desk.doors.add_principal(admin, "shop", "agent")
    return {"Authorization": f"Bearer {desk.doors.make_key(admin, holder.id)[1]}"}


@pytest.fixture
def signed_in(client: TestClient, desk: Runtime) -> TestClient:
    token = desk.doors.make_link(sample.first_admin(desk).id)
    assert client.get(f"/signin?token={token}", follow_redirects=False).status_code == 303
    return client


# --- who may call -----------------------------------------------------------------------------------------------------


def test_every_route_declares_exactly_one_policy(app: FastAPI):
    table = dict(declared_policies(app.routes))
    assert len(table) > 20
    assert {path: p for path, p in table.items() if len(p) != 1} == {}


def test_a_route_without_a_policy_is_found(app: FastAPI, desk: Runtime, monkeypatch: pytest.MonkeyPatch):
    router = APIRouter()

    @router.get("/open")
    def anybody() -> dict[str, str]:
        return {}

    app.include_router(router)
    assert dict(declared_policies(app.routes))["GET /open"] == []
    monkeypatch.setattr("api.app.health.router", router)
    with pytest.raises(UndeclaredRouteError, match="/open"):
        create_app(desk)


def test_without_a_key_every_route_that_is_not_open_answers_401(client: TestClient, app: FastAPI):
    for name, (policy,) in declared_policies(app.routes):
        method, _, path = name.partition(" ")
        if isinstance(policy, Anyone):
            continue
        answer = client.request(method, path.replace("{case_id}", "x").replace("{draft_id}", "x"))
        assert answer.status_code == 401, name
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Bearer" in answer.headers["www-authenticate"]


def test_a_key_of_a_role_that_may_not_is_refused(client: TestClient, desk: Runtime):
    admin = sample.first_admin(desk)
    holder = desk.doors.add_principal(admin, "reader", "agent")
    _, key = desk.doors.make_key(admin, holder.id, scopes=["read"])
    answer = client.post("/v1/escalations", json={"text": "hi"}, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 403
    assert "this API key" in answer.json()["detail"]


def test_a_page_of_another_site_cannot_use_the_session(signed_in: TestClient):
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        assert signed_in.post("/v1/escalations", json={"text": "hi"}, headers=headers).status_code == 403
    for headers in (SAME, {"Origin": "http://127.0.0.1"}):
        assert signed_in.post("/v1/escalations", json={"text": "hi"}, headers=headers).status_code == 202


def test_a_sign_in_link_works_once_and_sign_out_ends_the_session(client: TestClient, desk: Runtime):
    token = desk.doors.make_link(sample.first_admin(desk).id)
    first = client.get(f"/signin?token={token}", follow_redirects=False)
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=lax" in first.headers["set-cookie"]
    assert client.get("/v1/session").json()["role"] == "admin"
    assert client.get(f"/signin?token={token}", follow_redirects=False).status_code == 401
    assert client.post("/signout", headers=SAME, follow_redirects=False).status_code == 303
    assert client.get("/v1/session").status_code == 401


def test_every_answer_forbids_scripts_and_framing(client: TestClient):
    for path in ("/healthz", "/desk", "/nowhere", "/static/style.css"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


# --- drafts and escalations -------------------------------------------------------------------------------------------


def test_an_escalation_comes_back_with_triage_and_draft(
    client: TestClient, key: dict[str, str], escalation: dict[str, Any]
):
    answer = client.post("/v1/drafts", json=escalation, headers=key)
    assert answer.status_code == 200
    body = answer.json()
    assert body["state"] == "ready"
    assert body["draft"]["id"] == body["draft_id"]
    assert answer.headers["location"] == f"/v1/drafts/{body['draft_id']}"
    assert client.get(f"/v1/escalations/{body['case_id']}", headers=key).json()["external_id"] == "T-1"


def test_a_caller_who_does_not_wait_gets_202_and_a_location(client: TestClient, key: dict[str, str], desk: Runtime):
    answer = client.post("/v1/drafts", json={"text": "boom"}, headers={**key, "Prefer": "respond-async, wait=0"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=0"
    assert client.get(answer.headers["location"], headers=key).json()["state"] == "pending"


def test_plain_text_is_a_customers_own_words(client: TestClient, key: dict[str, str], drafted: list[DraftWork]):
    answer = client.post("/v1/drafts", content="My kettle broke", headers={**key, "Content-Type": "text/plain"})
    assert answer.status_code == 200
    assert drafted[0].escalation["messages"][0]["text"] == "My kettle broke"


def test_the_same_key_gives_the_same_case_and_another_body_is_a_conflict(client: TestClient, key: dict[str, str]):
    headers = {**key, "Idempotency-Key": "k1"}
    first = client.post("/v1/escalations", json={"text": "one"}, headers=headers)
    again = client.post("/v1/escalations", json={"text": "one"}, headers=headers)
    other = client.post("/v1/escalations", json={"text": "two"}, headers=headers)
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 409)
    assert first.json() == again.json()
    long = client.post("/v1/escalations", json={"text": "x"}, headers={**key, "Idempotency-Key": "k" * 300})
    assert long.status_code == 422


def test_pages_of_the_queue_meet_without_gap_or_double(client: TestClient, key: dict[str, str]):
    made = {client.post("/v1/drafts", json={"text": f"case {n}"}, headers=key).json()["case_id"] for n in range(5)}
    seen, after = [], None
    while True:
        page = client.get(
            "/v1/escalations", params={"limit": 2, **({"after": after} if after else {})}, headers=key
        ).json()
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(made)
    assert client.get("/v1/escalations", params={"severity": "S1"}, headers=key).json()["items"] == []
    assert client.get("/v1/escalations?after=rubbish", headers=key).status_code == 422
    assert client.get("/v1/escalations?limit=0", headers=key).status_code == 422


def test_a_review_binds_to_what_was_read(client: TestClient, key: dict[str, str], escalation: dict[str, Any]):
    ids = client.post("/v1/drafts", json=escalation, headers=key).json()
    path = f"/v1/drafts/{ids['draft_id']}"
    read = client.get(path, headers=key)
    tag = read.headers["etag"]
    assert client.get(path, headers={**key, "If-None-Match": tag}).status_code == 304
    review = {"decision": "approve"}
    assert client.post(f"{path}/review", json=review, headers=key).status_code == 428
    assert client.post(f"{path}/review", json=review, headers={**key, "If-Match": '"0.1"'}).status_code == 412
    assert client.post(f"{path}/review", json=review, headers={**key, "If-Match": tag}).status_code == 200
    assert client.get(path, headers=key).json()["state"] == "approved"
    sent = client.post(
        f"/v1/escalations/{ids['case_id']}/sent",
        json={"text": "As approved.", "draft_id": ids["draft_id"], "status": "waiting_customer"}, headers=key,
    )  # fmt: skip
    assert sent.status_code == 201
    assert client.get(path, headers=key).json()["state"] == "sent"


def test_a_new_message_asks_for_a_new_draft(client: TestClient, key: dict[str, str], drafted: list[DraftWork]):
    ids = client.post("/v1/drafts", json={"text": "one"}, headers=key).json()
    added = client.post(f"/v1/escalations/{ids['case_id']}/messages", json={"text": "two"}, headers=key)
    assert added.status_code == 202
    assert added.json()["draft_id"] != ids["draft_id"]
    empty = client.post(f"/v1/escalations/{ids['case_id']}/messages", json={"text": " "}, headers=key)
    assert empty.status_code == 422
    assert client.post("/v1/escalations/case_none/messages", json={"text": "x"}, headers=key).status_code == 404


def test_a_case_can_be_moved_and_drafted_again(client: TestClient, key: dict[str, str]):
    case = client.post("/v1/drafts", json={"text": "one"}, headers=key).json()["case_id"]
    assert client.post(f"/v1/escalations/{case}/draft", json={"hint": "shorter"}, headers=key).status_code == 202
    assert client.post(f"/v1/escalations/{case}/status", json={"status": "in_progress"}, headers=key).status_code == 200
    assert client.post(f"/v1/escalations/{case}/status", json={"status": "nonsense"}, headers=key).status_code == 409


def test_the_log_of_a_case_is_a_stream_that_can_be_taken_up_again(client: TestClient, key: dict[str, str]):
    case = client.post("/v1/drafts", json={"text": "one"}, headers=key).json()["case_id"]
    path = f"/v1/escalations/{case}/events?follow=false"
    whole = client.get(path, headers=key)
    assert whole.headers["content-type"].startswith("text/event-stream")
    kinds = [line.removeprefix("event: ") for line in whole.text.splitlines() if line.startswith("event: ")]
    assert kinds == ["case_opened", "message_received", "triaged", "draft_proposed", "team_pulled_in"]
    rest = client.get(path, headers={**key, "Last-Event-ID": "4"})
    assert rest.text.count("event: ") == 1
    assert client.get("/v1/escalations/case_none/events", headers=key).status_code == 404


# --- what cannot be used ----------------------------------------------------------------------------------------------

BAD: list[tuple[str, bytes, int]] = [
    ("empty body", b"", 400),
    ("empty text", b'{"text": ""}', 422),
    ("no text", b"{}", 422),
    ("invalid JSON", b'{"text": ', 400),
    ("a list", b'["a"]', 400),
    ("unknown field", b'{"txet": "hello"}', 422),
    ("text and messages", b'{"text": "a", "messages": [{"text": "b"}]}', 422),
    ("binary", bytes(range(256)) * 8, 400),
    ("too much text", json.dumps({"text": "x" * 70_000}).encode(), 413),
    ("too large a body", json.dumps({"text": "x" * 1_200_000}).encode(), 413),
    ("too many messages", json.dumps({"messages": [{"text": "x"}] * 201}).encode(), 413),
    ("a number that is none", b'{"text": "a", "context": {"order": {"total": NaN}}}', 400),
    ("a number without end", b'{"text": "a", "context": {"order": {"total": 1e999}}}', 400),
    ("deep nesting", b'{"text": "a", "context": {"order": ' + b'{"a":' * 5000 + b"1" + b"}" * 5002, 400),
    ("wrong type", b'{"text": {"a": 1}}', 422),
    ("broken date", b'{"text": "a", "received_at": "yesterday"}', 422),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_cannot_be_used_is_told_in_a_sentence(client: TestClient, key: dict[str, str], body: bytes, status: int):
    for path in ("/v1/drafts", "/v1/escalations"):
        answer = client.post(path, content=body, headers={**key, "Content-Type": "application/json"})
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert len(problem["detail"]) > 10
        assert isinstance(problem["errors"], list)


ODD = {
    "a lone surrogate": {"text": "kettle \ud800 broke", "id": "a\udfff"},
    "a NUL": {"text": "kettle \x00 broke"},
    "only an emoji": {"text": "🙂"},
    "a future date": {"text": "kettle broke", "received_at": "2199-01-01T00:00:00Z"},
    "an unknown language": {"text": "kettle broke", "lang": "xx"},
    "200 messages": {"messages": [{"text": f"message {n}"} for n in range(200)]},
    "a strange order": {"text": "kettle", "context": {"order": {"items": "none", "total": "ten", "a": [{"b": None}]}}},
}  # fmt: skip


@pytest.mark.parametrize("payload", ODD.values(), ids=ODD)
def test_what_is_odd_is_taken_and_can_be_read_again(client: TestClient, key: dict[str, str], payload: dict[str, Any]):
    answer = client.post("/v1/drafts", content=json.dumps(payload), headers={**key, "Content-Type": "application/json"})
    assert answer.status_code == 200
    assert client.get(f"/v1/escalations/{answer.json()['case_id']}", headers=key).status_code == 200


def test_bodies_of_other_routes_are_told_in_a_sentence_too(client: TestClient, key: dict[str, str]):
    case = client.post("/v1/drafts", json={"text": "one"}, headers=key).json()["case_id"]
    answer = client.post(f"/v1/escalations/{case}/status", json={"stauts": "closed"}, headers=key)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"status", "stauts"}
    broken = client.post(
        f"/v1/escalations/{case}/status", content="{", headers={**key, "Content-Type": "application/json"}
    )
    assert broken.status_code == 400
    assert client.get("/nowhere").status_code == 404
    assert client.put("/v1/drafts", headers=key).status_code == 405
    image = client.post("/v1/drafts", content=b"x", headers={**key, "Content-Type": "image/png"})
    assert image.status_code == 400


def test_every_error_of_the_desk_has_a_status():
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.DeskError)]
    assert len(kinds) > 10
    assert all(any(base in STATUS for base in kind.__mro__) for kind in kinds)


def test_an_unforeseen_error_tells_nothing_of_itself(
    client: TestClient, key: dict[str, str], desk: Runtime, monkeypatch: Any
):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(type(desk.views), "case", fail)
    answer = client.get("/v1/escalations/x", headers=key)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


# --- health -----------------------------------------------------------------------------------------------------------


def test_health_is_up_at_once_and_readiness_says_what_is_loading(tmp_path: Path, clock: Any):
    import threading

    gate = threading.Event()

    def encoder() -> Any:
        gate.wait(5)
        return NoEncoder()

    parts = quick_parts(encoder)
    runtime = build_runtime(load({}, home=tmp_path), clock=clock, parts=parts)
    with TestClient(create_app(runtime)) as client:
        assert client.get("/healthz").json()["status"] == "ok"
        loading = client.get("/readyz")
        assert (loading.status_code, loading.json()["parts"]["encoder"]) == (503, "loading")
        gate.set()
        parts.all()
        assert client.get("/readyz").status_code == 200


def test_a_part_that_cannot_be_loaded_is_named(tmp_path: Path, clock: Any, key_of: Callable[[Runtime], dict[str, str]]):
    def encoder() -> Any:
        raise OSError("the model is gone")

    runtime = build_runtime(load({}, home=tmp_path), clock=clock, parts=quick_parts(encoder))
    with TestClient(create_app(runtime)) as client:
        answer = client.get("/readyz")
        while answer.json()["parts"].get("encoder") == "loading":
            answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["parts"]["encoder"] == "failed: the model is gone"
        assert "desk_precedents" not in client.get("/metrics", headers=key_of(runtime)).text


def test_drafts_wait_untouched_while_a_part_cannot_be_loaded(
    tmp_path: Path, clock: Any, key_of: Callable[[Runtime], dict[str, str]], drafted: list[DraftWork], proposal: Any
):
    async def drafter(work: DraftWork) -> dict[str, Any]:
        return proposal()

    def encoder() -> Any:
        raise OSError("the model is gone")

    settings = load({}, home=tmp_path)
    runtime = build_runtime(settings, clock=clock, drafter=drafter, parts=quick_parts(encoder))
    key = key_of(runtime)
    with TestClient(create_app(runtime)) as client:
        asked = client.post("/v1/drafts", json={"text": "kettle"}, headers={**key, "Prefer": "wait=1"})
        assert (asked.status_code, asked.json()["state"]) == (202, "pending")
        page = client.get("/desk", headers={**key, "Accept": "text/html"}).text
        assert "No draft can be written: encoder failed: the model is gone" in page
    mended = build_runtime(settings, clock=clock, drafter=drafter, parts=quick_parts())
    with TestClient(create_app(mended)) as client:
        path = asked.headers["location"]
        for _ in range(200):
            if client.get(path, headers=key).json()["state"] == "ready":
                break
        assert client.get(path, headers=key).json()["state"] == "ready"


@pytest.fixture
def key_of() -> Callable[[Runtime], dict[str, str]]:
    def make(desk: Runtime) -> dict[str, str]:
        admin = sample.first_admin(desk)
        return {"Authorization": f"Bearer {desk.doors.make_key(admin, admin.id)[1]}"}

    return make


def test_metrics_count_jobs(client: TestClient, key: dict[str, str]):
    client.post("/v1/drafts", json={"text": "one"}, headers=key)
    assert re.search(r'desk_jobs\{state="done"\} [1-9]', client.get("/metrics", headers=key).text)


def test_the_api_describes_itself_with_examples(client: TestClient):
    described = client.get("/openapi.json").json()
    post = described["paths"]["/v1/drafts"]["post"]
    assert "examples" in post["requestBody"]["content"]["application/json"]
    assert "example" in post["responses"]["200"]["content"]["application/json"]
    assert not [path for path in described["paths"] if path.startswith("/desk")]


def test_a_body_without_a_length_is_cut_off_at_the_limit(client: TestClient, key: dict[str, str]):
    def chunks() -> Iterator[bytes]:
        yield from [b'{"text": "', *([b"x" * 100_000] * 12), b'"}']

    for path in ("/v1/drafts", "/v1/escalations/x/status"):
        answer = client.post(path, content=chunks(), headers={**key, "Content-Type": "application/json"})
        assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
