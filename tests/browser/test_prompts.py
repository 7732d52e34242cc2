"""An admin changes how the desk writes with the pages alone: edit, preview, rehearse, activate, and back in one step."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import ARGS, CHROMIUM
from tests.fakes.desk import PROMPTS, Pinned, toy_deps
from tests.fakes.parts import NoEncoder, NoSearch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not CHROMIUM, reason="Chromium is not installed: apt-get install chromium, or set CHROMIUM=/path"
    ),
]
GREETING, LETTER = "partials/en/greeting", "reply/en/damaged_or_defective"


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    """A desk that writes with the embedded engine and judges every case as damaged goods; an admin activates its files."""
    from agent import learn
    from agent.retext import with_texts
    from api.parts import Loaded, Parts
    from api.settings import load
    from api.wiring import build_runtime

    more = ("es", "fr", "it", "nl", "pt")
    others = shutil.ignore_patterns("*.jsonl", "de", "de.md", *more, *(f"{code}.*" for code in more))
    folder = Path(shutil.copytree(PROMPTS, tmp_path / "prompts", ignore=others))
    store = folder / "sample_store/store.yaml"
    store.write_text(store.read_text().replace("[en, de, fr, es, it, nl, pt]", "[en, de]"))
    (folder / "pack/activation.yaml").write_text("policy: gated\n")
    held: list[Any] = []

    def parts(encoder: Any, _: Any) -> Loaded:
        texts, search = held[0].texts, NoSearch()
        toy = replace(toy_deps(), classifier=Pinned("damaged_or_defective", "S3"))
        deps = with_texts(toy, texts.pack, texts.prompts, texts.rules, texts.outbreak)
        return Loaded(encoder, search, deps, learn.heard(texts.pack))  # type: ignore[arg-type]

    settings = load({}, home=tmp_path / "home", prompts=folder, store=folder / "sample_store", workers=1)
    held.append(build_runtime(settings, parts=Parts(NoEncoder, parts)))  # type: ignore[arg-type]
    return held[0]


@pytest.fixture
def link(desk: Any) -> Iterator[str]:
    import uvicorn

    from api import sample
    from api.app import create_app

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(desk), log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    token = desk.doors.make_link(sample.first_admin(desk).id)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/signin?token={token}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def page(link: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    said: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        made = browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=True).new_page()
        made.set_default_timeout(120_000)
        made.on("pageerror", lambda error: said.append(str(error)))
        made.goto(link)
        yield made
        browser.close()
    assert said == []


def go(page: Any, path: str) -> None:
    page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2] + path)


def draft(page: Any) -> str:
    """The text of the draft for a new case."""
    go(page, "/desk/new")
    page.get_by_label(re.compile("words|text|message", re.IGNORECASE)).first.fill(
        "My kettle from order FH-270114 arrived cracked. I sent you two photos of the crack on Monday. Ann Porter"
    )
    page.locator("main button").first.click()
    for _ in range(120):
        if page.locator(".letter").count():
            return str(page.locator(".letter").inner_text())
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError("no draft came")


def check_looks(page: Any, *paths: str) -> None:
    """No page has a fault for people who hear it or see it on a phone, in light or dark."""
    from axe_playwright_python.sync_playwright import Axe

    for path in paths:
        go(page, path)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = Axe().run(page).response["violations"]
            assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == [], (path, scheme)
        page.set_viewport_size({"width": 360, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        page.set_viewport_size({"width": 1440, "height": 900})


def test_a_new_greeting_goes_from_the_editor_to_a_draft_and_back(page: Any, tmp_path: Path):
    assert "Hello" in draft(page)
    page.get_by_role("link", name="Prompts", exact=True).click()
    go(page, f"/prompts/{GREETING}")
    text = page.locator("#text").input_value()
    page.locator("#text").fill(text.replace("Hello", "Good day"))
    page.get_by_role("button", name="Save the file").click()
    page.get_by_text("The file is saved.").wait_for()
    go(page, f"/prompts/{LETTER}")
    page.get_by_role("button", name="Check and preview").click()
    page.get_by_text("In order. Nothing is saved yet.").wait_for()
    assert "Good day" in page.locator(".letter").inner_text()
    assert page.locator(".seg.untrusted[title^='Customer value']").count() > 1
    go(page, "/prompts")
    page.get_by_label("Newest real cases").fill("1")
    page.get_by_label("Cases of the eval set").fill("8")
    page.get_by_role("button", name="Rehearse").click()
    page.get_by_text("Kept as evidence").wait_for()
    assert page.locator("ins").count() > 0
    page.get_by_role("link", name="Go on to activate").click()
    page.get_by_label("Why", exact=True).fill("a more formal greeting")
    page.get_by_role("button", name="Activate these files").click()
    page.get_by_text("Active now.").wait_for()
    assert "Good day" in draft(page)
    check_looks(page, "/prompts", f"/prompts/{LETTER}", "/prompts/history", "/prompts/matrix")
    go(page, "/prompts/history")
    page.get_by_label("Why go back").first.fill("customers found it stiff")
    page.get_by_role("button", name="Go back to this version").first.click()
    page.get_by_text("The earlier version is active again.").wait_for()
    assert "Hello" in draft(page)
