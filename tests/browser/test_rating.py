"""Two people rate the outputs of a run blind in a real browser, and a third settles where they differ."""

from __future__ import annotations

from typing import Any

import pytest

from evals.ratings import LEVELS
from evals.runs import Shelf
from tests.browser.conftest import CHROMIUM
from tests.builders_ratings import planned
from tests.builders_runs import hard, run, soft, trial

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM, reason="Chromium is not installed: apt-get install chromium, or set CHROMIUM=/path"
    ),
]
PAGES = ("runs", "runs/run_bbbb", "compare?before=run_aaaa&now=run_bbbb", "rate", "calibration")


@pytest.fixture(scope="module")
def evals(runtime: Any, link: str) -> dict[str, Any]:
    """Two runs, three outputs of one to rate, and three reviewers."""
    from api import sample
    from api.rating import Ratings

    ada = sample.first_admin(runtime)
    shelf = Shelf(runtime.settings.home / "evals")
    shelf.save(run(*(trial(f"dmg-{n}") for n in range(8)), id="run_aaaa"), {})
    changed = trial("dmg-0", 0, hard(0.0, reason="FH-9 is in no source"), soft(), answer={"severity": "S1"})
    shelf.save(run(changed, *(trial(f"dmg-{n}") for n in range(1, 8)), id="run_bbbb"), {})
    ratings = Ratings(runtime.store, runtime.clock, runtime.settings.prompts)
    ratings.offer(ada, "run_bbbb", [planned(0, double=True), planned(1, double=True, mutant="date shifted")])
    people = {name: runtime.doors.add_principal(ada, name, "reviewer") for name in ("Ruth", "Otto", "Mia")}
    return {"base": link.partition("/signin")[0], "ratings": ratings, "people": people, "ada": ada}


@pytest.fixture
def enter(browser: Any, runtime: Any, evals: dict[str, Any]) -> Any:
    """A page of somebody who is signed in; nothing may be refused or fail in its console."""
    contexts: list[Any] = []
    said: list[str] = []

    def make(name: str, width: int = 1440, scheme: str = "light", **named: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **named)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{evals['base']}/signin?token={runtime.doors.make_link(evals['people'][name].id)}")
        return page

    yield make
    for context in contexts:
        context.close()
    assert said == []


def broken(found: Any) -> list[tuple[str, list[Any]]]:
    return [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found.response["violations"]]


def test_two_rate_blind_by_keys_alone_and_without_scripts_and_a_third_settles(
    enter: Any, evals: dict[str, Any], request: Any
):
    from axe_playwright_python.sync_playwright import Axe

    ruth = enter("Ruth")
    for _ in range(2):
        ruth.goto(f"{evals['base']}/evals/rate")
        ruth.locator("body[data-ready=yes]").wait_for()
        for _ in LEVELS:
            ruth.keyboard.press("1")
        assert ruth.evaluate("document.activeElement.id") == "first_fault"
        ruth.keyboard.press("1")  # while a field has the focus it answers nothing
        ruth.get_by_role("button", name="Keep and go on").click()
        ruth.get_by_role("status").filter(has_text="Your rating is kept.").wait_for()
    assert "Nothing waits for you" in ruth.content()

    otto = enter("Otto", java_script_enabled=False)
    for _ in range(2):
        otto.goto(f"{evals['base']}/evals/rate")
        html = otto.content()
        assert [w for w in ("Ruth", "run_bbbb", "dmg-", "embedded", "date shifted", "rtg_") if w in html] == []
        for name, levels in LEVELS.items():
            otto.locator(f"#{name}-{levels[0]}").check()
        otto.locator("#first_fault").select_option("wrong_fact")
        otto.get_by_role("button", name="Keep and go on").click()
    every = evals["ratings"].all(evals["ada"])
    assert [len(r.looks) for r in every] == [2, 2]
    assert all(r.differ == tuple(LEVELS) for r in every)

    mia = enter("Mia", width=400, scheme="dark")
    mia.goto(f"{evals['base']}/evals/adjudicate")
    mia.locator("main ul a").first.click()
    assert broken(Axe().run(mia)) == []
    shots = request.config.getoption("--basetemp", default=None)
    if shots:
        mia.screenshot(path=f"{shots}/settle.png", full_page=True)
    for name, levels in LEVELS.items():
        mia.locator(f"#{name}-{levels[-1]}").check()
    mia.get_by_role("button", name="This holds").click()
    assert mia.locator("main ul a").count() == 1
    for number, page in enumerate(PAGES):
        mia.goto(f"{evals['base']}/evals/{page}")
        assert broken(Axe().run(mia)) == [], page
        assert mia.evaluate("document.documentElement.scrollWidth") <= 400, page
        if shots:
            mia.screenshot(path=f"{shots}/phone-{number}.png", full_page=True)
    wide = enter("Mia")
    evals["ratings"].offer(evals["ada"], "run_aaaa", [planned(7)])
    for number, page in enumerate(PAGES):
        wide.goto(f"{evals['base']}/evals/{page}")
        assert broken(Axe().run(wide)) == [], page
        if shots:
            wide.screenshot(path=f"{shots}/wide-{number}.png", full_page=True)
