from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
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

SAME = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
BODY = "Dear Wilhelmina, order ORD-77001 cost 48.00 GBP. You hear from us by Friday."
READ = {"opened": ["fact-2"]}
"""The fact of `BODY` that has to be opened."""
TEMPLATES = Path(__file__).resolve().parents[2] / "api" / "templates"


def fact(text: str, state: str, source: str) -> dict[str, Any]:
    start = BODY.index(text)
    return {
        "text": text,
        "value": text,
        "kind": "x",
        "start": start,
        "end": start + len(text),
        "state": state,
        "source": source,
    }


@pytest.fixture
def answer(proposal: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return proposal(
        body=BODY,
        severity_reason="one cracked kettle",
        confidence={"issue_type": 0.93, "severity": 0.6, "route": 0.3},
        collaborators=["returns"],
        route_reason="broken goods",
        flags=["angry"],
        missing_facts=["photos"],
        entities={"products": [{"value": "Kettle", "text": "Kettle", "span": {"message": 0, "start": 10, "end": 16}}]},
        guard={
            "verdict": "warned",
            "findings": [{"rule": "unsupported_fact", "hard": False, "message": "48.00 GBP has no source."}],
            "facts": [fact("ORD-77001", "supported", "message:0"), fact("48.00 GBP", "contradicted", "order:/total")],
        },
        precedents=[
            {
                "id": "prc_1",
                "why": "similar",
                "score": 0.8,
                "issue_type": "damaged_or_defective",
                "summary": "It leaked.",
                "remedy_kind": "refund",
                "remedy": "Refunded.",
                "cost": {"amount": "18.40", "currency": "GBP"},
                "resolved_in_s": 72000,
                "aftermath": "kept buying",
            }
        ],
    )


@pytest.fixture
def desk(tmp_path: Path, clock: Any, answer: dict[str, Any]) -> Runtime:
    async def drafter(work: DraftWork) -> dict[str, Any]:
        return answer

    return build_runtime(load({}, home=tmp_path), clock=clock, drafter=drafter, parts=quick_parts())


@pytest.fixture
def page(desk: Runtime) -> Iterator[TestClient]:
    with TestClient(create_app(desk), base_url="http://127.0.0.1", headers=SAME) as client:
        client.get(f"/signin?token={desk.doors.make_link(sample.first_admin(desk).id)}")
        yield client


@pytest.fixture
def case(page: TestClient, escalation: dict[str, Any]) -> str:
    ids = page.post("/v1/drafts", json=escalation).json()
    return f"/desk/{ids['case_id']}"


def hidden(html: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))


def test_somebody_who_is_not_signed_in_is_told_how_to(page: TestClient):
    page.cookies.clear()
    answer = page.get("/desk")
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "desk signin" in answer.text


def test_the_queue_shows_why_and_by_when(page: TestClient, case: str):
    html = page.get("/").text
    for words in (
        "Hello, my Kettle arrived cracked.",
        "S3",
        "one cracked kettle",
        "Tue 24 Nov, 17:00 GMT",
        "in 8 h",
        "ready",
    ):
        assert words in html
    assert "Nothing here" in page.get("/desk?view=person").text
    assert page.get("/desk?view=nonsense").status_code == 200


def test_a_case_shows_thread_draft_triage_and_sources(page: TestClient, case: str):
    html = page.get(case).text
    assert re.search(r"<mark title=\"product\">Kettle", html)
    assert re.search(r'class="fact supported" href="#message-1" data-fact="fact-1" id="in-1">ORD-77001', html)
    assert re.search(r'class="fact contradicted" href="#fact-2" data-fact="fact-2" id="in-2">48.00 GBP', html)
    for words in (
        ">message 1</a>",
        "from order, total",
        "very likely (93%)",
        "uncertain (60%)",
        "a guess (30%)",
        "Pulled in: Returns.",
        "one cracked kettle.",
        "48.00 GBP has no source.",
        "refund: Refunded.",
        "18.40 GBP",
        "20 h",
        "kept buying",
        "photos",
    ):
        assert words in html, words


def test_a_persons_words_are_never_markup(page: TestClient):
    ids = page.post(
        "/v1/drafts", json={"text": "Hello <script>alert(1)</script> you", "customer": {"name": "<b>Eve</b>"}}
    ).json()
    html = page.get(f"/desk/{ids['case_id']}").text
    assert "<script>" not in html
    assert "alert(1)</script" not in html
    assert "<b>Eve" not in html


def test_a_draft_is_approved_and_then_noted_as_sent(page: TestClient, case: str, desk: Runtime):
    done = page.post(f"{case}/review", data={**hidden(page.get(case).text), "decision": "approve", **READ})
    assert "Approved." in done.text
    sent = page.post(f"{case}/sent", data={**hidden(done.text), "text": BODY, "status": "waiting_customer"})
    assert "Noted as sent." in sent.text
    assert "waiting customer" in sent.text
    assert page.get(case).text.count('class="message') == 2


def test_what_was_read_must_still_stand(page: TestClient, case: str):
    read = hidden(page.get(case).text)
    page.post(f"/v1/escalations/{case.rpartition('/')[2]}/messages", json={"text": "And the lid too."})
    late = page.post(f"{case}/review", data={**read, "decision": "approve"})
    assert late.status_code == 409
    assert "changed after you read it" in late.text


def test_a_draft_is_sent_back_discarded_and_asked_for_again(page: TestClient, case: str):
    back = page.post(f"{case}/review", data={**hidden(page.get(case).text), "decision": "send_back", "hint": "shorter"})
    assert "Sent back." in back.text
    gone = page.post(f"{case}/review", data={**hidden(page.get(case).text), "decision": "discard"})
    assert "Discarded." in gone.text
    again = page.post(f"{case}/draft", data={"hint": "kinder"})
    assert "Approve" in again.text
    assert "Status changed." in page.post(f"{case}/status", data={"status": "resolved"}).text


def test_a_blocked_draft_has_no_approve_button(page: TestClient, answer: dict[str, Any], escalation: dict[str, Any]):
    answer.update(
        state="blocked", state_reason="A fact contradicts the order.", guard={**answer["guard"], "verdict": "blocked"}
    )
    ids = page.post("/v1/drafts", json=escalation).json()
    html = page.get(f"/desk/{ids['case_id']}").text
    assert 'value="approve"' not in html
    assert "cannot be approved" in html
    tried = page.post(f"/desk/{ids['case_id']}/review", data={**hidden(html), "decision": "approve"})
    assert tried.status_code == 409


def test_a_case_that_a_person_leads_shows_a_brief_and_room_for_their_answer(
    page: TestClient, answer: dict[str, Any], escalation: dict[str, Any]
):
    answer.update(state="needs_human", human_lead=True, human_lead_reason="grief")
    answer["draft"] = {**answer["draft"], "kind": "brief"}
    ids = page.post("/v1/drafts", json=escalation).json()
    html = page.get(f"/desk/{ids['case_id']}").text
    assert "Brief for you" in html
    assert "A person writes here:" in html
    assert 'value="approve"' not in html
    assert "I sent this" in html


def test_a_case_can_be_pasted_in(page: TestClient):
    made = page.post("/desk/new", data={"text": "My lamp\r\nflickers", "name": "Ada Bell", "order_ref": "FH-270114"})
    assert re.search(r"/desk/case_\w+", str(made.url))
    assert "My lamp\nflickers" in made.text
    assert "Larkspur 3-person tent" in made.text  # the order of the order book
    empty = page.post("/desk/new", data={"text": " ", "name": "Ada Bell"})
    assert empty.status_code == 422
    assert "Paste the customer" in empty.text
    assert 'value="Ada Bell"' in empty.text


def test_pages_of_another_site_cannot_post(page: TestClient, case: str):
    read = hidden(page.get(case).text)
    for path, data in (
        (f"{case}/review", {**read, "decision": "approve"}),
        ("/desk/new", {"text": "x"}),
        ("/signout", {}),
    ):
        assert page.post(path, data=data, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_missing_pages_and_cases_are_pages(page: TestClient):
    for path in ("/desk/case_none", "/nowhere"):
        answer = page.get(path)
        assert answer.status_code == 404
        assert "Back to the queue" in answer.text


def test_the_api_page_shows_every_route_with_examples(page: TestClient):
    html = page.get("/docs").text
    for words in ("/v1/drafts", "/v1/escalations/{case_id}/sent", "One text", "Idempotency-Key"):
        assert words in html


class _Labels(HTMLParser):
    """Controls of a page without a label."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: set[str] = set()
        self.controls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "label":
            self.labels.add(str(given.get("for")))
        if tag in {"input", "textarea", "select"} and given.get("type") != "hidden":
            self.controls.append(str(given.get("id")))


def test_every_control_has_a_label(page: TestClient, case: str):
    for path in (case, "/desk/new"):
        parser = _Labels()
        parser.feed(page.get(path).text)
        assert parser.controls
        assert set(parser.controls) <= parser.labels


def test_no_template_holds_script_or_style_of_its_own():
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?! src=\"/static/)|<style|\sstyle=|\son\w+=|javascript:|\|\s*safe", text), (
            path.name
        )
