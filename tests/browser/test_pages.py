"""The pages in a real browser: the sample store's open cases, and a drafter that always answers alike."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-sync",
]
BODY = (
    "Dear Gareth,\n\nI am sorry that the tent of order FH-270114 reached you with a split pole. "
    "We charged £418.00 on 20 September and read a refund of £500.00.\n\n"
    "You will hear from us by Wednesday 25 November, 17:00.\n\nKind regards,\nCustomer care, Fernhill"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM, reason="Chromium is not installed: apt-get install chromium, or set CHROMIUM=/path"
    ),
]


def _fact(text: str, state: str, source: str) -> dict[str, Any]:
    start = BODY.index(text)
    return {
        "kind": "x",
        "value": text,
        "text": text,
        "start": start,
        "end": start + len(text),
        "state": state,
        "source": source,
        "note": "",
    }


def _proposal(text: str) -> dict[str, Any]:
    person, blocked = "Banerjee" in text, "Alder chair" in text
    state = "needs_human" if person else "blocked" if blocked else "ready"
    at = text.find("FH-")
    order = {"value": "FH", "text": text[at : at + 9], "span": {"message": 0, "start": at, "end": at + 9}}
    return {
        "state": state,
        "state_reason": "" if state == "ready" else "a person must look",
        "engine": "embedded",
        "degraded": False,
        "degraded_reason": "",
        "issue_type": "conduct_or_welfare" if person else "damaged_or_defective",
        "severity": "S2" if blocked else "S3",
        "severity_reason": "one order arrived damaged",
        "severity_floor": "",
        "confidence": {"issue_type": 0.93, "severity": 0.8, "route": 0.6},
        "primary_team": "support_lead" if person else "fulfilment",
        "collaborators": ["returns"],
        "route_reason": "broken goods",
        "flags": ["repeat_contact"],
        "human_lead": person,
        "human_lead_reason": "conduct or welfare" if person else "",
        "language": "en",
        "missing_facts": ["photos"],
        "precedents_note": "",
        "entities": {"order_ids": [order]},
        "precedents": [
            {
                "id": "prc_1",
                "why": "similar",
                "score": 0.81,
                "issue_type": "damaged_or_defective",
                "summary": "Pole snapped, [ORDER_1].",
                "remedy_kind": "replacement",
                "remedy": "New pole set posted.",
                "cost": {"amount": "22.40", "currency": "GBP"},
                "resolved_in_s": 240000,
                "aftermath": "kept buying",
            }
        ],
        "draft": {
            "kind": "brief" if person else "reply",
            "subject": "Your order FH-270114",
            "body": BODY,
            "citations": [{"source": "policy", "ref": "damage-photos"}],
            "promises": [],
            "proposed_actions": [],
        },
        "guard": {
            "verdict": "blocked" if blocked else "warned",
            "findings": [{"rule": "contradicted_fact", "hard": blocked, "message": "£500.00 contradicts the order."}],
            "facts": [
                _fact("FH-270114", "supported", "order:/id"),
                _fact("£418.00", "supported", "order:/charges/0/amount"),
                _fact("20 September", "derived", "order:/charges/0/at"),
                _fact("£500.00", "contradicted", "order:/refunds"),
                _fact("Wednesday 25 November", "unsupported", ""),
            ],
        },
        "clocks": [{"metric": "first_reply", "due_at": "2026-11-24T17:00:00Z", "target": "8 business h"}],
        "versions": {},
    }


@contextmanager
def _served(desk: Any, first_start: Any) -> Iterator[str]:
    """A sign-in link of `desk` while it is being served."""
    import uvicorn

    from api import sample
    from api.app import create_app

    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(desk, first_start=first_start)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    yield f"{address}/signin?token={desk.doors.make_link(sample.first_admin(desk).id)}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A sign-in link of a desk whose drafter always answers alike."""
    from api import sample
    from api.desk import DraftWork
    from api.settings import load
    from api.wiring import build_runtime
    from tests.fakes.parts import quick_parts

    async def drafter(work: DraftWork) -> dict[str, Any]:
        return _proposal(work.escalation["messages"][0]["text"])

    def nothing(*_: Any) -> Any:
        raise OSError("not needed here")

    desk = build_runtime(load({}, home=tmp_path_factory.mktemp("home")), drafter=drafter, parts=quick_parts())
    with _served(desk, sample.queue_open_cases) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def session(browser: Any, link: str) -> dict[str, Any]:
    """The cookies of somebody who is signed in, and the first address."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    for _ in range(100):
        if page.locator(".pill.pending").count() == 0 and page.locator(".queue a.title").count() == 16:
            break
        page.wait_for_timeout(100)
        page.reload()
    titles = {a.inner_text(): a.get_attribute("href") for a in page.locator(".queue a.title").all()}
    found = {"state": context.storage_state(), "base": link.partition("/signin")[0], "titles": titles}
    context.close()
    return found


def _path(session: dict[str, Any], words: str) -> str:
    return next(session["base"] + href for title, href in session["titles"].items() if words in title)


@pytest.fixture
def look(browser: Any, session: dict[str, Any]) -> Iterator[Any]:
    """Makes pages; nothing may be refused or fail in the browser's console."""
    contexts: list[Any] = []
    said: list[str] = []

    def make(width: int = 1440, scheme: str = "light", **named: Any) -> Any:
        context = browser.new_context(
            storage_state=session["state"], viewport={"width": width, "height": 900}, color_scheme=scheme, **named
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(look: Any, session: dict[str, Any], scheme: str):
    from axe_playwright_python.sync_playwright import Axe

    page = look(scheme=scheme, bypass_csp=True)
    for path in ("/desk", "/desk/new", "/docs", _path(session, "Alder chair").removeprefix(session["base"])):
        page.goto(session["base"] + path)
        found = Axe().run(page).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == [], path


@pytest.mark.parametrize("width", [360, 768, 1024, 1440])
def test_nothing_is_wider_than_the_window(look: Any, session: dict[str, Any], width: int):
    page = look(width)
    for address in (session["base"] + "/desk", session["base"] + "/desk/new", _path(session, "Alder chair")):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        clipped = page.evaluate(
            """() => [...document.querySelectorAll('.panel, .message, .pill, button, h1, td')]
                .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
        )
        assert clipped == []


def test_a_case_is_worked_through_with_the_keyboard_and_without_scripts(look: Any, session: dict[str, Any]):
    page = look(java_script_enabled=False)
    page.goto(_path(session, "Scorch mark"))
    approve = page.get_by_role("button", name="Approve")
    for _ in range(60):
        page.keyboard.press("Tab")
        if approve.and_(page.locator(":focus")).count():
            break
    page.keyboard.press("Enter")
    page.get_by_role("status").filter(has_text="Approved.").wait_for()
    page.get_by_role("button", name="I sent this").click()
    page.get_by_role("status").filter(has_text="Noted as sent.").wait_for()
    assert page.locator(".message.staff").count() == 1


def test_a_blocked_draft_offers_no_approval_and_a_brief_none_either(look: Any, session: dict[str, Any]):
    page = look()
    for words in ("Alder chair", "Banerjee"):
        page.goto(_path(session, words))
        assert page.get_by_role("button", name="Approve").count() == 0
    assert page.get_by_role("heading", name="Brief for you").count() == 1


def test_a_fact_leads_to_its_source(look: Any, session: dict[str, Any]):
    page = look()
    page.goto(_path(session, "Alder chair"))
    page.locator("a.fact.contradicted").click()
    assert page.url.endswith("#fact-4")
    assert "contradicted" in page.locator("#fact-4").inner_text()


def test_a_pasted_case_comes_back_drafted(look: Any, session: dict[str, Any]):
    page = look()
    page.goto(session["base"] + "/desk/new")
    page.get_by_label("Customer's words").fill("The lamp from order FH-270114 flickers.")
    page.get_by_role("button", name="Draft an answer").click()
    page.get_by_role("heading", name="Draft reply").wait_for()
    assert page.locator("mark").first.inner_text().startswith("FH-270114")


@pytest.mark.timeout(1800)
@pytest.mark.skipif(
    "SCREENSHOTS" not in os.environ, reason="It trains a classifier and changes files: make screenshots."
)
def test_the_screenshots_of_the_readme(browser: Any):
    """Of the real pipeline over the sample store; its home is kept, so that the next time is quick."""
    from api import sample
    from api.settings import load
    from api.wiring import build_runtime

    home = ROOT / "var" / "screenshots"
    for old in home.glob("desk.db*"):
        old.unlink()
    folder = ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    desk = build_runtime(load({}, home=home))
    desk.parts.all()
    with _served(desk, sample.first_start) as link:
        context = browser.new_context()
        page = context.new_page()
        page.goto(link)
        while page.locator(".queue a.title").count() < 16 or page.locator(".pill.pending").count():
            page.wait_for_timeout(500)
            page.reload()
        case = page.locator(".queue a.title", has_text="The jug of my Vortex").get_attribute("href")
        base = link.partition("/signin")[0]
        for name, scheme, width in (("", "light", 1440), ("-dark", "dark", 1440), ("-phone", "light", 390)):
            seen = browser.new_context(
                storage_state=context.storage_state(), viewport={"width": width, "height": 900}, color_scheme=scheme
            )
            shot = seen.new_page()
            for what, path in (("queue", "/desk"), ("case", case)):
                shot.goto(base + path)
                shot.screenshot(path=folder / f"{what}{name}.png")
