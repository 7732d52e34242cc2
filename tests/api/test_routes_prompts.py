"""The routes and pages of prompts: who may do what, safe writes, a rehearsal, and texts that stay texts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from agent import learn
from agent.retext import with_texts
from api import cli, livetexts, rehearsing, sample, trial, trial_child
from api.app import create_app
from api.commands import common
from api.parts import Loaded, Parts
from api.promptrates import rates
from api.settings import load
from api.texts import Texts, load_texts
from api.wiring import Runtime, build_runtime
from tests.fakes.desk import PROMPTS, Pinned, toy_deps
from tests.fakes.parts import NoEncoder, NoSearch

GREETING, QUESTION = "partials/en/greeting", "reply/en/question"
LOADED: dict[str, Texts] = {}


def once(prompts: Path, store: Path, **named: Any) -> Texts:
    """A laid-out tree is loaded once for all tests: its folder is named by its content."""
    name = prompts.parent.name
    if name not in LOADED:
        LOADED[name] = load_texts(prompts, store, **named)
    return LOADED[name]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files in two languages, so that checks are quick; an admin activates them."""
    folder = tmp_path_factory.mktemp("template") / "prompts"
    more = ("es", "fr", "it", "nl", "pt")
    others = shutil.ignore_patterns("*.jsonl", "de", "de.md", *more, *(f"{code}.*" for code in more))
    shutil.copytree(PROMPTS, folder, ignore=others)
    for path, old, new in (
        (folder / "sample_store/store.yaml", "[en, de, fr, es, it, nl, pt]", "[en, de]"),
        (folder / "pack/activation.yaml", "policy: auto", "policy: gated"),
    ):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "prompts"))


@pytest.fixture
def desk(folder: Path, tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.setattr(trial_child, "_limit", lambda *_: None)
    monkeypatch.setattr(trial_child, "_bounded", lambda work: work())
    monkeypatch.setattr(trial, "in_child", lambda request, _: [json.loads(json.dumps(trial_child._answer(request)))])
    monkeypatch.setattr(trial_child, "_say", lambda _: None)
    monkeypatch.setattr(livetexts, "load_texts", once)
    held: list[Runtime] = []

    def drafter(encoder: Any, _: Any) -> Loaded:
        texts, search = held[0].texts, NoSearch()
        toy = replace(toy_deps(), classifier=Pinned("damaged_or_defective", "S3"))
        deps = with_texts(toy, texts.pack, texts.prompts, texts.rules, texts.outbreak)
        return Loaded(encoder, search, deps, learn.heard(texts.pack))  # type: ignore[arg-type]

    settings = load({}, home=tmp_path / "home", prompts=folder, store=folder / "sample_store", workers=0)
    held.append(build_runtime(settings, clock=clock, parts=Parts(NoEncoder, drafter)))  # type: ignore[arg-type]
    yield held[0]
    held[0].close()


@pytest.fixture
def client(desk: Runtime) -> TestClient:
    """Without the desk's background work, so that nothing moves by itself."""
    return TestClient(create_app(desk), base_url="http://127.0.0.1", raise_server_exceptions=False)


def key(desk: Runtime, name: str, role: Any = "admin") -> dict[str, str]:
    admin = sample.first_admin(desk)
    holder = desk.doors.principal_named(name) or desk.doors.add_principal(admin, name, role)
    return {"Authorization": f"Bearer {desk.doors.make_key(admin, holder.id)[1]}"}


def edit(client: TestClient, who: dict[str, str], id_: str, old: str, new: str) -> None:
    """Change a file the way a program does."""
    read = client.get(f"/v1/prompts/{id_}", headers=who)
    text = read.json()["text"].replace(old, new)
    assert text != read.json()["text"]
    put = client.put(f"/v1/prompts/{id_}", json={"text": text}, headers={**who, "If-Match": read.headers["etag"]})
    assert put.status_code == 200, put.text


def test_a_text_is_written_rehearsed_activated_and_taken_back(client: TestClient, desk: Runtime, folder: Path):
    ann = key(desk, "Ann")
    edit(client, ann, GREETING, "Hello", "Good day")
    assert "Good day" in (folder / f"{GREETING}.md").read_text()
    assert "+Good day" in client.get("/v1/prompts/diff", params={"id": GREETING}, headers=ann).json()["diff"]
    shown = client.post("/v1/prompts/preview", json={"id": QUESTION}, headers=ann).json()
    assert "Good day" in shown["text"]
    assert {part["trust"] for part in shown["segments"]} > {"literal", "untrusted"}
    early = client.post("/v1/prompts/activate", json={"ids": [QUESTION], "reason": "warmer"}, headers=ann)
    assert early.status_code == 422
    assert "rehearse it" in early.json()["detail"]
    told = client.post("/v1/prompts/rehearse", json={"ids": [QUESTION], "cases": 0, "most": 6}, headers=ann).json()
    assert told["passed"], told
    assert told["same"] + len(told["changed"]) == told["cases"] == 6
    done = client.post("/v1/prompts/activate", json={"ids": [QUESTION], "reason": "warmer"}, headers=ann)
    assert done.status_code in {200, 202}, done.text
    if done.status_code == 202:  # a partial that the gravest cases use needs a second person
        assert (
            client.post("/v1/prompts/confirm", json={"number": done.json()["number"]}, headers=ann).status_code == 403
        )
        bob = key(desk, "Bob")
        assert (
            client.post("/v1/prompts/confirm", json={"number": done.json()["number"]}, headers=bob).status_code == 200
        )
    assert "Good day" in desk.prompting.text(GREETING, "active")
    assert told["evidence"] in client.get("/v1/prompts/history", headers=ann).json()["items"][0]["evidence"]
    back = client.post("/v1/prompts/rollback", json={"reason": "too stiff"}, headers=ann)
    assert back.status_code == 200, back.text
    assert "Hello" in desk.prompting.text(GREETING, "active")


def test_reviewers_may_look_and_only_admins_may_change(client: TestClient, desk: Runtime):
    eve = key(desk, "Eve", "reviewer")
    for path in ("", "/check", f"/diff?id={GREETING}", "/history", f"/{GREETING}"):
        assert client.get(f"/v1/prompts{path}", headers=eve).status_code == 200, path
    tag = client.get(f"/v1/prompts/{GREETING}", headers=eve).headers["etag"]
    for path, body in (
        ("preview", {"id": QUESTION}), ("rehearse", {}), ("activate", {"reason": "x"}), ("confirm", {"number": 1}),
        ("rollback", {"reason": "x"}),
    ):  # fmt: skip
        assert client.post(f"/v1/prompts/{path}", json=body, headers=eve).status_code == 403, path
    put = client.put(f"/v1/prompts/{GREETING}", json={"text": "x"}, headers={**eve, "If-Match": tag})
    assert put.status_code == 403
    assert client.get("/v1/prompts").status_code == 401


def test_nothing_is_written_outside_the_folders_over_somebody_elses_change_or_without_bound(
    client: TestClient, desk: Runtime, folder: Path
):
    ann = {**key(desk, "Ann"), "If-Match": "new"}
    before = {path for path in folder.parent.rglob("*") if "home" not in path.parts}
    for id_ in (
        "..%2f..%2fevil", "%2e%2e/evil", "reply/..%2f..%2fevil", "/etc/evil", "reply//evil", "pack", "a%00b",
        "reply/en/\uff0e\uff0e", "nowhere/evil", "C:%5cevil", "reply/en/evil.md",
    ):  # fmt: skip
        answer = client.put(f"/v1/prompts/{id_}", json={"text": "x"}, headers=ann)
        assert answer.status_code in {404, 405, 422}, (id_, answer.status_code, answer.text)
    assert {path for path in folder.parent.rglob("*") if "home" not in path.parts} == before
    stale = client.put(f"/v1/prompts/{GREETING}", json={"text": "x"}, headers=ann)
    assert stale.status_code == 412
    large = client.put(f"/v1/prompts/{GREETING}", json={"text": "x" * 600_000}, headers=ann)
    assert large.status_code == 422
    assert (folder / f"{GREETING}.md").read_text() == (PROMPTS / f"{GREETING}.md").read_text()
    none = client.put(f"/v1/prompts/{GREETING}", json={"text": "x"}, headers=key(desk, "Ann"))
    assert none.status_code == 422
    assert "If-Match" in none.json()["detail"]


def test_a_broken_file_is_named_by_every_verb_and_never_gets_into_use(client: TestClient, desk: Runtime):
    ann = key(desk, "Ann")
    edit(client, ann, GREETING, "{% endif %}", "")
    report = client.get("/v1/prompts/check", headers=ann).json()
    assert not report["ok"]
    for path, body in (("activate", {"reason": "x"}), ("rehearse", {})):
        answer = client.post(f"/v1/prompts/{path}", json=body, headers=ann)
        assert answer.status_code == 422, path
        assert answer.json()["errors"][0]["field"] == f"{GREETING}.md"
    rows = {row["id"]: row for row in client.get("/v1/prompts", headers=ann).json()["items"]}
    assert rows[GREETING]["problem"]["line"] > 0
    assert client.get(f"/prompts/{GREETING}", headers=ann).text.count("The active version stays in use.") == 1


def test_two_rehearsals_do_not_run_at_once_and_one_needs_a_difference(client: TestClient, desk: Runtime):
    ann = key(desk, "Ann")
    same = client.post("/v1/prompts/rehearse", json={}, headers=ann)
    assert (same.status_code, "nothing to rehearse" in same.text) == (409, True)
    edit(client, ann, GREETING, "Hello", "Good day")
    with rehearsing._TURN:
        assert client.post("/v1/prompts/rehearse", json={}, headers=ann).status_code == 409
    empty = client.post("/v1/prompts/rehearse", json={"cases": 0, "eval_set": False}, headers=ann)
    assert empty.status_code == 422


def test_what_people_made_of_drafts_is_counted_by_version(client: TestClient, desk: Runtime, monkeypatch: Any):
    from api.store import cases
    from api.store.tables import drafts

    version = desk.prompting.state()[0]
    ids = list[str]()
    with desk.store.write("record_review") as conn:
        now = desk.clock.now()
        case = "case_1"
        cases.add(
            conn, case, now, external_id="", customer_key="", title="x", payload={}, channel="api", opened_at=now,
            version=0, status="triaged", next_due_at=now,
        )  # fmt: skip
        for decision in ("approve", "edit", "send_back", "discard", "approve"):
            ids.append(f"drf_{len(ids)}")
            cases.add_draft(conn, case, ids[-1], "", now)
            conn.execute(drafts.update().where(drafts.c.id == ids[-1]).values(versions={QUESTION: "a" * 16}))
            cases.record(conn, case, "reviewed", actor="prn_x", now=now, draft=ids[-1], decision=decision)
    found = rates(desk.store)[QUESTION, "a" * 16]
    assert (found.decided, found.unchanged, found.edited, found.sent_back, found.discarded) == (5, 2, 1, 1, 1)
    assert found.as_json()["shares"]["unchanged"] == 0.4
    assert version.id


def test_the_pages_show_texts_as_texts_under_a_policy_that_runs_no_script(client: TestClient, desk: Runtime):
    ann = key(desk, "Ann")
    for path in ("", "/matrix", "/history", f"/diff?id={GREETING}", f"/{GREETING}", f"/{QUESTION}", "/pack/activation"):
        page = client.get(f"/prompts{path}", headers=ann)
        assert page.status_code == 200, (path, page.text[-500:])
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "style=" not in page.text
    one = client.get(f"/v1/prompts/{QUESTION}", headers=ann)
    attack = one.json()["text"] + "\n<script>alert(1)</script></textarea>\n"
    form = {"text": attack, "tag": one.headers["etag"].strip('"'), "case": ""}
    tried = client.post(f"/prompts/try/{QUESTION}", data=form, headers=ann)
    assert tried.status_code == 200
    assert "<script>alert" not in tried.text
    assert tried.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2  # in the editor and in the preview
    assert 'class="seg untrusted" title="Customer value' in tried.text
    assert "In order. Nothing is saved yet." in tried.text


def test_the_pages_save_compare_rehearse_and_keep_what_somebody_typed(client: TestClient, desk: Runtime):
    ann = key(desk, "Ann")
    one = client.get(f"/v1/prompts/{QUESTION}", headers=ann)
    form = {"text": one.json()["text"] + "\r\nOne more line.\r\n", "tag": "0" * 64}
    stale = client.post(f"/prompts/save/{QUESTION}", data=form, headers=ann)
    assert (stale.status_code, "One more line." in stale.text) == (409, True)
    form["tag"] = one.headers["etag"].strip('"')
    saved = client.post(f"/prompts/save/{QUESTION}", data=form, headers=ann, follow_redirects=False)
    assert saved.status_code == 303, saved.text
    compared = client.get(f"/prompts/diff?id={QUESTION}&rendered=1", headers=ann).text
    assert compared.count("<ins>One more line.</ins>") == 2
    page = client.post("/prompts/rehearse", data={"cases": "0", "eval_set": "1", "most": "2"}, headers=ann)
    assert (page.status_code, "Kept as evidence" in page.text) == (200, True)
    done = client.post("/prompts/activate", data={"reason": "clearer", "id": QUESTION}, headers=ann)
    assert (done.status_code, "Active now" in done.text) == (200, True)


def test_the_matrix_marks_what_no_file_covers(client: TestClient, desk: Runtime):
    page = client.get("/prompts/matrix", headers=key(desk, "Ann")).text
    assert "Gap: English" in page  # there is no German text here
    assert 'href="/prompts/reply/en/chargeback"' in page or 'href="/prompts/brief/en"' in page


def test_the_command_names_each_case_whose_text_changes_and_keeps_evidence(
    client: TestClient, desk: Runtime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    @contextmanager
    def held(**_: object) -> Iterator[Runtime]:
        yield desk

    monkeypatch.setattr(common, "runtime", held)
    assert cli.main(["prompts", "rehearse", "--eval-set"]) == 2
    assert "nothing to rehearse" in capsys.readouterr().err
    edit(client, key(desk, "Ann"), GREETING, "Hello", "Good day")
    assert cli.main(["prompts", "rehearse", "--eval-set", "--most", "6"]) == 0
    told = capsys.readouterr().out
    assert "  + Good day" in told
    evidence = desk.prompting.ledger.evidence(desk.live.disk().hash)[0]
    assert (evidence.kind, evidence.passed) == ("rehearsal", True)
    assert told.rstrip().endswith(f"{evidence.summary}. Kept as evidence {evidence.id}.")
    assert cli.main(["prompts", "rehearse", "--cases", "501"]) == 2
    assert "0 to 500" in capsys.readouterr().err
