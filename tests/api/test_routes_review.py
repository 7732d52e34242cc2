"""The pages on which people decide: what they say, what they keep, and who may use them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api import sample
from api.app import create_app, declared_policies
from api.desk import DraftWork
from api.policy import Anyone, Policy
from api.settings import load
from api.store import casework
from api.wiring import Runtime, build_runtime
from tests.fakes.parts import quick_parts

SAME = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
BODY = "Dear Wilhelmina,\n\nthank you for the photo of the kettle. We look into it.\n\nKind regards,\nFernhill"


@pytest.fixture
def answer(proposal: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return proposal(body=BODY, severity_reason="one cracked kettle")


@pytest.fixture
def desk(tmp_path: Any, clock: Any, answer: dict[str, Any]) -> Runtime:
    async def drafter(_: DraftWork) -> dict[str, Any]:
        return answer

    return build_runtime(load({}, home=tmp_path), clock=clock, drafter=drafter, parts=quick_parts())


@pytest.fixture
def page(desk: Runtime) -> Iterator[TestClient]:
    with TestClient(create_app(desk), base_url="http://127.0.0.1", headers=SAME) as client:
        client.get(f"/signin?token={desk.doors.make_link(sample.first_admin(desk).id)}")
        yield client


@pytest.fixture
def case(page: TestClient, escalation: dict[str, Any]) -> str:
    return f"/desk/{page.post('/v1/drafts', json=escalation).json()['case_id']}"


def hidden(html: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))


def bound(page: TestClient, case: str) -> dict[str, str]:
    found = hidden(page.get(case).text)
    return {name: found[name] for name in ("draft_id", "draft_hash", "case_version")}


def as_role(desk: Runtime, page: TestClient, role: Any) -> TestClient:
    """Signs somebody of this role in instead."""
    person = desk.doors.add_principal(sample.first_admin(desk), f"A {role}", role)
    page.cookies.clear()
    page.get(f"/signin?token={desk.doors.make_link(person.id)}")
    return page


# --- decisions --------------------------------------------------------------------------------------------------------


def test_an_approval_can_be_undone_on_the_page_until_it_is_released(page: TestClient, case: str, clock: Any):
    done = page.post(f"{case}/review", data={**bound(page, case), "decision": "approve"})
    assert "Released" in done.text
    draft = hidden(done.text)["draft_id"]
    assert "The approval is undone." in page.post(f"{case}/undo", data={"draft_id": draft}).text
    page.post(f"{case}/review", data={**bound(page, case), "decision": "approve"})
    clock.advance(seconds=11)
    assert "Approved and released." in page.get(case).text
    late = page.post(f"{case}/undo", data={"draft_id": draft})
    assert late.status_code == 409
    assert "released and cannot be undone" in late.text


def test_changed_words_are_approved_with_the_difference_in_view(page: TestClient, case: str):
    words = BODY.replace("We look into it.", "We look into it today.")
    data = {
        **bound(page, case),
        "decision": "edit",
        "text": words.replace("\n", "\r\n"),
        "subject": "Your kettle",
        "reason": "tone",
    }
    done = page.post(f"{case}/review", data=data)
    assert "Approved with your words." in done.text
    assert re.search(r"<ins><span class=\"unseen\">\[added: </span> today<", done.text)


def test_words_that_the_checks_refuse_stay_in_the_form_with_the_reason(page: TestClient, case: str):
    words = BODY + "\n\nWe have sent you 900.00 GBP by bank transfer today."
    refused = page.post(
        f"{case}/review", data={**bound(page, case), "decision": "edit", "text": words, "subject": "Mine & yours"}
    )
    assert refused.status_code == 409
    assert "900.00 GBP" in refused.text
    assert "We have sent you 900.00 GBP by bank transfer today." in refused.text.replace("&#39;", "'")
    assert 'value="Mine &amp; yours"' in refused.text
    assert re.search(r'<details id="edit" open>', refused.text)


def test_two_editors_do_not_overwrite_each_other_and_the_second_keeps_their_words(page: TestClient, case: str):
    read = bound(page, case)
    page.post(f"{case}/review", data={**read, "decision": "edit", "text": BODY + "\n\nFirst.", "subject": "s"})
    second = page.post(
        f"{case}/review", data={**read, "decision": "edit", "text": BODY + "\n\nSecond.", "subject": "s"}
    )
    assert second.status_code == 409
    assert "changed after you read it" in second.text


def test_a_double_submit_is_told_and_does_nothing_twice(page: TestClient, case: str, desk: Runtime):
    data = {**bound(page, case), "decision": "approve"}
    assert page.post(f"{case}/review", data=data).status_code == 200
    assert page.post(f"{case}/review", data=data).status_code == 409
    kinds = [e["kind"] for e in page.get(f"/v1/escalations/{case[6:]}").json()["events"]]
    assert kinds.count("reviewed") == 1


def test_what_has_to_be_read_first_is_listed_and_enforced(page: TestClient, answer: dict[str, Any], escalation: Any):
    at = BODY.index("kettle")
    answer["guard"] = {
        "verdict": "warned", "findings": [],
        "facts": [{"kind": "x", "text": "kettle", "value": "kettle", "start": at, "end": at + 6, "state": "unsupported"}],
    }  # fmt: skip
    case = f"/desk/{page.post('/v1/drafts', json=escalation).json()['case_id']}"
    html = page.get(case).text
    assert "Read these before you approve" in html
    assert "all checks are green" not in html
    refused = page.post(f"{case}/review", data={**bound(page, case), "decision": "approve"})
    assert refused.status_code == 409
    assert "Open these before you approve" in refused.text
    done = page.post(f"{case}/review", data={**bound(page, case), "decision": "approve", "opened": "fact-1"})
    assert done.status_code == 200
    by_api = page.post(f"/v1/drafts/{hidden(done.text)['draft_id']}/undo", headers=SAME)
    assert by_api.status_code == 200


def test_the_api_names_what_is_still_to_be_opened(page: TestClient, answer: dict[str, Any], escalation: Any):
    answer.update(severity="S1")
    made = page.post("/v1/drafts", json=escalation).json()
    url = f"/v1/drafts/{made['draft_id']}"
    tag = {"If-Match": page.get(url).headers["etag"]}
    refused = page.post(f"{url}/review", json={"decision": "approve"}, headers=tag)
    assert refused.status_code == 409
    assert refused.json()["errors"] == [{"field": "opened", "detail": "thread"}]
    done = page.post(f"{url}/review", json={"decision": "approve", "opened": ["thread"]}, headers=tag)
    assert done.json() == {"draft_id": made["draft_id"], "needs_second": False}
    assert page.get(url).json()["release_at"] == "2026-11-24T09:00:10Z"


def test_an_approved_text_is_a_mail_that_no_header_of_a_customer_can_bend(page: TestClient):
    bad = {"text": "Hi", "customer": {"name": "Eve\r\nBcc: all@evil.example", "email": "eve@quist.example"}}
    case = f"/desk/{page.post('/v1/drafts', json=bad).json()['case_id']}"
    assert page.get(f"{case}/draft.eml").status_code == 409
    page.post(f"{case}/review", data={**bound(page, case), "decision": "approve"})
    file = page.get(f"{case}/draft.eml")
    assert file.headers["content-type"].startswith("message/rfc822")
    assert "attachment" in file.headers["content-disposition"]
    mail = message_from_bytes(file.content, policy=policy.default)
    assert mail["bcc"] is None
    assert "eve@quist.example" in mail["to"]
    assert mail["x-unsent"] == "1"
    assert mail.get_content().replace("\r\n", "\n").strip() == BODY


# --- the case in hand -------------------------------------------------------------------------------------------------


def test_everything_around_a_case_is_done_on_its_page(page: TestClient, case: str, desk: Runtime):
    me = sample.first_admin(desk).id
    for path, data, said in (
        ("assign", {"to": me}, "Assigned."), ("note", {"text": "Called <b>her</b>."}, "Note added."),
        ("snooze", {"until": "1d"}, "It rests until then."), ("snooze", {"until": ""}, "back in the queue"),
        ("severity", {"severity": "S2", "reason": "customer called"}, "Severity changed."),
        ("routing", {"team": "returns", "reason": "it is a return"}, "Another team leads"),
        ("no-reply", {"reason": "thanks_only"}, "no reply is needed"),
        ("take-over", {}, "The case is yours."), ("sent", {"text": "My words"}, "Noted as sent."),
    ):  # fmt: skip
        answer = page.post(f"{case}/{path}", data=data)
        assert answer.status_code == 200, path
        assert said in answer.text, path
    html = page.get(case).text
    assert "Called &lt;b&gt;her&lt;/b&gt;." in html
    assert "yours" in html


@pytest.mark.parametrize(
    ("path", "data", "status", "kept"),
    [
        ("severity", {"severity": "S2", "reason": "a sentence, with signs!"}, 422, "a sentence, with signs!"),
        ("note", {"text": "x" * 10_001}, 422, "x" * 10_001),
        ("snooze", {"until": "soon"}, 422, ""),
        ("status", {"status": "nowhere"}, 409, ""),
        ("sent", {"text": "Mine", "draft_id": "drf_none"}, 404, ""),
    ],
)
def test_a_refusal_is_a_page_that_says_why_and_keeps_what_was_typed(*, page, case, path, data, status, kept):
    answer = page.post(f"{case}/{path}", data=data)
    assert answer.status_code == status
    assert kept in answer.text
    assert "Traceback" not in answer.text


def test_a_session_that_ended_gives_back_what_was_typed(page: TestClient, case: str):
    data = {**bound(page, case), "decision": "edit", "text": "A long answer of mine."}
    page.cookies.clear()
    answer = page.post(f"{case}/review", data=data)
    assert answer.status_code == 401
    assert "A long answer of mine." in answer.text


def test_the_page_shows_who_else_has_the_case_open(page: TestClient, case: str, desk: Runtime):
    page.get(case)
    other = as_role(desk, page, "reviewer")
    html = other.get(case).text
    assert re.search(r'id="holder"><span aria-hidden="true">●</span> <b>Admin</b>', html)
    told = other.post(f"/v1/escalations/{case[6:]}/look", json={}).json()
    assert (told["mine"], told["name"]) == (False, "Admin")
    assert "open with Admin" in other.get("/desk").text


def test_a_rating_and_a_word_about_a_precedent_are_kept(page: TestClient, case: str, desk: Runtime):
    draft = bound(page, case)["draft_id"]
    assert (
        "Thank you"
        in page.post(
            f"{case}/rating", data={"draft_id": draft, "thumb": "down", "tone": "1", "first_fault": "wrong_tone"}
        ).text
    )
    assert page.post(f"{case}/rating", data={"draft_id": draft, "thumb": "sideways"}).status_code == 422
    assert page.post(f"/v1/drafts/{draft}/rating", json={"thumb": "up", "dims": {"tone": "2"}}).status_code == 201
    assert "Noted." in page.post(f"{case}/misled", data={"about": "precedent", "ref": "prc_1"}).text
    with desk.store.read() as conn:
        assert [r["thumb"] for r in casework.ratings(conn, draft)] == ["up"]


# --- the queue --------------------------------------------------------------------------------------------------------


def test_each_view_holds_its_cases_with_counts(page: TestClient, case: str, desk: Runtime, clock: Any):
    def count(view: str) -> int:
        return int(re.search(rf'view={view}"[^>]*>[^<]*<span class="count">(\d+)', page.get("/desk").text)[1])  # type: ignore[index]

    assert [count(v) for v in ("open", "unassigned", "approval", "mine", "person", "money", "due")] == [
        1,
        1,
        1,
        0,
        0,
        0,
        0,
    ]
    page.post(f"{case}/assign", data={"to": sample.first_admin(desk).id})
    assert (count("mine"), count("unassigned")) == (1, 0)
    page.post(f"{case}/snooze", data={"until": "4h"})
    assert (count("open"), count("resting")) == (0, 1)
    clock.advance(hours=9)
    assert (count("open"), count("resting"), count("due")) == (1, 0, 1), "what is overdue never rests"
    assert "overdue" in page.get("/desk?view=due").text


def test_money_at_stake_is_a_view_with_its_amount(page: TestClient):
    order = {"id": "ORD-9", "total": {"amount": "840.00", "currency": "GBP"}}
    page.post("/v1/drafts", json={"text": "broken", "context": {"order": order}})
    html = page.get("/desk?view=money").text
    assert "840.00 GBP at stake" in html


def test_a_search_finds_title_order_and_the_customers_exact_address(page: TestClient, case: str):
    for words in ("cracked", "ORD-77001", "T-1", "wilhelmina@quist.example", case[6:]):
        assert "my Kettle" in page.get("/desk", params={"q": words}).text, words
    for words in ("quist", "%", "nothing like it"):
        assert "Nothing matches" in page.get("/desk", params={"q": words}).text, words


def test_an_empty_desk_explains_the_next_step(page: TestClient):
    html = page.get("/desk").text
    assert "No case yet" in html
    assert "/desk/new" in html


# --- files ------------------------------------------------------------------------------------------------------------

MAIL = b"From: Ada Bell <ada@bell.example>\r\nSubject: Lamp\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nMy lamp flickers.\r\n"


def test_an_e_mail_file_becomes_a_case(page: TestClient):
    made = page.post("/desk/new", files={"mail": ("lamp.eml", MAIL, "message/rfc822")})
    assert "My lamp flickers." in made.text
    assert "ada@bell.example" in made.text


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x00\x01\x02" * 1000, b"%PDF-1.7 not a mail", b"From: a@b.example\n" + b"X: y\n" * 20_000,
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\nContent-Type: multipart/mixed; boundary=x\n\n" * 4000,
        b"From: a@b.example\n\n",
    ],
    ids=["bytes", "pdf", "fields", "nested", "empty"],
)  # fmt: skip
def test_a_file_that_is_no_mail_or_a_bomb_is_refused_with_what_was_typed(page: TestClient, bomb: bytes):
    answer = page.post("/desk/new", data={"name": "Ada Bell"}, files={"mail": ("x.eml", bomb, "message/rfc822")})
    assert answer.status_code in {200, 422}
    if answer.status_code == 422:
        assert 'value="Ada Bell"' in answer.text
    assert "Traceback" not in answer.text


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(page: TestClient):
    answer = page.post("/desk/new", files={"mail": ("x.eml", b"x" * 1_100_000, "message/rfc822")})
    assert answer.status_code == 413


# --- who comes in -----------------------------------------------------------------------------------------------------

PASSWORD = "correct horse battery"


def test_a_person_sets_a_password_and_signs_in_with_it_anywhere(page: TestClient):
    assert page.post("/account/password", data={"password": "short", "again": "short"}).status_code == 422
    assert page.post("/account/password", data={"password": PASSWORD, "again": "other"}).status_code == 422
    assert "Saved." in page.post("/account/password", data={"password": PASSWORD, "again": PASSWORD}).text
    page.post("/signout")
    assert page.get("/desk").status_code == 401
    wrong = page.post("/signin", data={"name": "Admin", "password": "wrong"})
    assert wrong.status_code == 401
    assert "Name or password is wrong." in wrong.text
    unknown = page.post("/signin", data={"name": "Nobody", "password": "wrong"})
    assert "Name or password is wrong." in unknown.text
    there = page.post("/signin", data={"name": "Admin", "password": PASSWORD, "to": "/account"})
    assert str(there.url).endswith("/account")
    away = page.post(
        "/signin", data={"name": "Admin", "password": PASSWORD, "to": "//evil.example/"}, follow_redirects=False
    )
    assert away.headers["location"] == "/desk"


def test_passwords_are_guessed_slowly(page: TestClient, clock: Any):
    page.post("/account/password", data={"password": PASSWORD, "again": PASSWORD})
    codes = [page.post("/signin", data={"name": "Admin", "password": f"wrong {n}"}).status_code for n in range(6)]
    assert codes == [401] * 5 + [429]
    blocked = page.post("/signin", data={"name": "Admin", "password": PASSWORD})
    assert blocked.status_code == 429
    assert 0 < int(blocked.headers["retry-after"]) <= 901
    clock.advance(minutes=16)
    assert page.post("/signin", data={"name": "Admin", "password": PASSWORD}).status_code == 200


def test_a_new_password_ends_all_other_sessions(page: TestClient, desk: Runtime):
    admin = sample.first_admin(desk)
    _, other = desk.doors.sign_in(desk.doors.make_link(admin.id))
    page.post("/account/password", data={"password": PASSWORD, "again": PASSWORD})
    page.cookies.clear()
    assert page.get("/desk", headers={"Cookie": f"desk_session={other}"}).status_code == 401


def test_people_and_keys_are_made_shown_once_and_taken_away(page: TestClient, desk: Runtime):
    made = page.post("/admin/people", data={"name": "Ruth", "role": "reviewer"})
    link = re.search(r'<code id="once">http://127.0.0.1(/signin\?token=[\w-]+)', made.text)
    assert link is not None
    assert page.post("/admin/people", data={"name": "Ruth", "role": "agent"}).status_code == 422
    ruth = desk.doors.principal_named("Ruth")
    assert ruth is not None
    key = re.search(
        r'<code id="once">(desk_[\w-]+)',
        page.post("/admin/keys", data={"principal_id": ruth.id, "scopes": "read", "days": "7"}).text,
    )
    assert key is not None
    assert key[1] not in page.get("/admin/people").text
    use = {"Authorization": f"Bearer {key[1]}"}
    assert page.get("/v1/session", headers=use).json()["name"] == "Ruth"
    assert page.post("/v1/escalations", json={"text": "x"}, headers=use).status_code == 403
    key_id = re.search(r"/admin/keys/(key_\w+)/revoke", page.get("/admin/people").text)
    assert key_id is not None
    page.post(f"/admin/keys/{key_id[1]}/revoke")
    assert page.get("/v1/session", headers=use).status_code == 401
    page.post(f"/admin/people/{ruth.id}/active", data={"active": "no"})
    assert page.get(link[1]).status_code == 401
    own = page.post(f"/admin/people/{sample.first_admin(desk).id}/active", data={"active": "no"})
    assert own.status_code == 409


def test_single_keys_are_switched_off_for_one_person(page: TestClient):
    assert 'data-keys="on"' in page.get("/desk").text
    page.post("/account/shortcuts", data={})
    html = page.get("/desk").text
    assert 'data-keys="off"' in html
    assert '<dialog id="keys"' not in html


def test_logs_and_health_are_pages(page: TestClient, case: str):
    assert "Draft written" in page.get(case).text
    log = page.get("/admin/log").text
    assert "case opened" in log
    assert "Wilhelmina" not in log
    assert "Delivery log" in page.get("/admin/deliveries").text
    assert "encoder" in page.get("/admin/health").text


def test_an_agent_works_cases_but_sees_no_page_of_the_admin_and_no_rubric(page: TestClient, case: str, desk: Runtime):
    agent = as_role(desk, page, "agent")
    html = agent.get(case).text
    assert "Approve</button>" in html
    assert "Rate this draft" not in html
    assert "/admin/people" not in html
    for path in ("/admin/people", "/admin/deliveries", "/admin/log"):
        answer = agent.get(path)
        assert answer.status_code == 403
        assert "ask an admin" in answer.text
    assert agent.get("/admin/health").status_code == 200


# --- every route ------------------------------------------------------------------------------------------------------


def _path(name: str) -> str:
    return re.sub(r"\{\w+\}", "x", name)


def test_every_route_answers_every_identity_as_its_policy_says(page: TestClient, desk: Runtime):
    admin = sample.first_admin(desk)
    keys: dict[str, dict[str, str]] = {"nobody": {}, "a wrong key": {"Authorization": "Bearer desk_wrong"}}
    allowed: dict[str, set[str]] = {"nobody": set(), "a wrong key": set()}
    for role in ("agent", "reviewer", "admin"):
        person = desk.doors.add_principal(admin, role, role)  # type: ignore[arg-type]
        keys[role] = {"Authorization": f"Bearer {desk.doors.make_key(admin, person.id)[1]}"}
        allowed[role] = {a for a in ("read", "receive", "work", "review", "rate", "admin") if person.may(a)}  # type: ignore[arg-type]
    reader = desk.doors.add_principal(admin, "reader", "admin")
    keys["a key that reads"] = {"Authorization": f"Bearer {desk.doors.make_key(admin, reader.id, scopes=['read'])[1]}"}
    allowed["a key that reads"] = {"read"}
    gone = desk.doors.add_principal(admin, "gone", "admin")
    keys["shut out"] = {"Authorization": f"Bearer {desk.doors.make_key(admin, gone.id)[1]}"}
    allowed["shut out"] = set()
    desk.doors.set_active(admin, gone.id, active=False)
    page.cookies.clear()
    seen = 0
    for name, (policy_,) in declared_policies(page.app.routes):  # type: ignore[attr-defined]
        method, _, path = name.partition(" ")
        if isinstance(policy_, Anyone) or path.endswith("/events"):
            continue
        for who, headers in keys.items():
            answer = page.request(
                method, _path(path), headers={**headers, "Accept": "application/json"}, follow_redirects=False
            )
            known = bool(allowed[who])
            expected = {401} if not known else {403} if policy_.action not in allowed[who] else None
            assert isinstance(policy_, Policy)
            if expected:
                assert answer.status_code in expected, (name, who, answer.status_code)
            else:
                assert answer.status_code not in {401, 403}, (name, who, answer.status_code)
                assert answer.status_code < 500, (name, who, answer.status_code)
            seen += 1
    assert seen > 400


def test_no_page_of_another_site_can_use_a_session_on_any_unsafe_route(page: TestClient):
    seen = 0
    for name, (policy_,) in declared_policies(page.app.routes):  # type: ignore[attr-defined]
        method, _, path = name.partition(" ")
        if method == "GET" or (isinstance(policy_, Anyone) and path != "/signin"):
            continue
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            answer = page.request(method, _path(path), headers=headers, data={"name": "x", "password": "y"})
            assert answer.status_code == 403, (name, answer.status_code)
            seen += 1
    assert seen > 80
