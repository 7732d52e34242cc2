"""A desk in a real browser: the sample store's open cases, and a drafter that always answers alike."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

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
    green = "Scorch mark" in text or "green" in text
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
        "guard": {"verdict": "clear", "findings": [], "facts": [_fact("FH-270114", "supported", "order:/id")]}
        if green
        else {
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
def served(desk: Any, first_start: Any) -> Iterator[str]:
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
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A desk whose drafter always answers alike."""
    from api.desk import DraftWork
    from api.settings import load
    from api.wiring import build_runtime
    from tests.fakes.parts import quick_parts

    async def drafter(work: DraftWork) -> dict[str, Any]:
        return _proposal(work.escalation["messages"][0]["text"])

    return build_runtime(load({}, home=tmp_path_factory.mktemp("home")), drafter=drafter, parts=quick_parts())


@pytest.fixture(scope="module")
def link(runtime: Any) -> Iterator[str]:
    """A sign-in link of that desk."""
    from api import sample

    with served(runtime, sample.queue_open_cases) as found:
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
        page.on("console", lambda message: None if "status of 40" in message.text else said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert said == []
