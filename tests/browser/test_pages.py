"""The pages in a real browser: how they look, and that they can be used without a mouse and without scripts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CHROMIUM, served

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM, reason="Chromium is not installed: apt-get install chromium, or set CHROMIUM=/path"
    ),
]


def _path(session: dict[str, Any], words: str) -> str:
    return next(session["base"] + href for title, href in session["titles"].items() if words in title)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(look: Any, session: dict[str, Any], scheme: str):
    from axe_playwright_python.sync_playwright import Axe

    page = look(scheme=scheme, bypass_csp=True)
    cases = [
        _path(session, words).removeprefix(session["base"]) for words in ("Alder chair", "Banerjee", "Scorch mark")
    ]
    fixed = ("/desk", "/desk?q=nothing", "/desk/new", "/docs", "/account", "/admin/people", "/admin/deliveries",
             "/admin/log", "/admin/health", "/desk/case_none")  # fmt: skip
    for path in (*fixed, *cases):
        page.goto(session["base"] + path)
        found = Axe().run(page).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == [], path


@pytest.mark.parametrize("width", [360, 768, 1024, 1440])
def test_nothing_is_wider_than_the_window(look: Any, session: dict[str, Any], width: int):
    page = look(width)
    base = session["base"]
    pages = ("/desk", "/desk/new", "/account", "/admin/people", "/admin/deliveries", "/admin/log", "/admin/health")
    for address in (*(base + path for path in pages), _path(session, "Alder chair")):
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
    assert page.url.endswith("#order")
    assert page.locator("#order:target").count() == 1
    page.locator("a.fact.unsupported").click()
    assert page.url.endswith("#fact-5"), "what has no source leads to its own line"


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
    with served(desk, sample.first_start) as link:
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
