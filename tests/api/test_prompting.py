"""What may be done with prompts and pack: nothing that is broken gets into use, and every change can be taken back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.errors import BrokenFile
from api import livetexts, trial, trial_child
from api.auth import Doors, Principal
from api.errors import BrokenTextsError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from api.livetexts import LiveTexts
from api.prompting import Prompting
from api.settings import Settings, load
from api.store.engine import migrate, open_engine
from api.store.prompts import Ledger
from api.store.unit import Store
from api.texts import Texts, load_texts
from tests.fakes.desk import PROMPTS

GREETING, QUESTION, BRIEF = "partials/en/greeting", "reply/en/question", "brief/en"
LETTER = "reply/en/chargeback"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose texts are active: one language, so that checks are quick."""
    folder = tmp_path_factory.mktemp("template")
    more = ("es", "fr", "it", "nl", "pt")
    others = shutil.ignore_patterns("*.jsonl", "de", "de.md", *more, *(f"{code}.*" for code in more))
    shutil.copytree(PROMPTS, folder / "prompts", ignore=others)
    store = folder / "prompts/sample_store/store.yaml"
    store.write_text(store.read_text().replace("[en, de, fr, es, it, nl, pt]", "[en, de]"))
    opened(load({}, home=folder / "home", prompts=folder / "prompts", store=folder / "prompts/sample_store"))
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the child answers, without a child: `test_trial` is about the child itself."""
    monkeypatch.setattr(trial_child, "_limit", lambda *_: None)
    monkeypatch.setattr(trial_child, "_bounded", lambda work: work())
    monkeypatch.setattr(trial, "in_child", lambda request, _: [json.loads(json.dumps(trial_child._answer(request)))])
    monkeypatch.setattr(trial_child, "_say", lambda _: None)
    monkeypatch.setattr(livetexts, "load_texts", once)


LOADED: dict[str, Texts] = {}


def once(prompts: Path, store: Path, **named: Any) -> Texts:
    """A laid-out tree is loaded once for all tests: its folder is named by its content."""
    name = prompts.parent.name
    if name not in LOADED:
        LOADED[name] = load_texts(prompts, store, **named)
    return LOADED[name]


class Tick:
    """A clock that goes on by itself."""

    def __init__(self) -> None:
        from datetime import UTC, datetime

        self.at = datetime(2026, 11, 24, 9, tzinfo=UTC)

    def now(self) -> Any:
        from datetime import timedelta

        self.at += timedelta(seconds=1)
        return self.at


def opened(settings: Settings) -> Prompting:
    """A desk's texts as one process of it sees them."""
    engine = open_engine(settings.database)
    migrate(engine)
    store, clock = Store(engine, b"k" * 32), Tick()
    live = LiveTexts(settings, Ledger(store), clock)
    return Prompting(live, live.ledger, clock)


@pytest.fixture
def settings(tmp_path: Path, template: Path) -> Settings:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return load({}, home=tmp_path / "home", prompts=tmp_path / "prompts", store=tmp_path / "prompts/sample_store")


@pytest.fixture
def desk(settings: Settings) -> Prompting:
    return opened(settings)


@pytest.fixture
def people(settings: Settings) -> dict[str, Principal]:
    doors = Doors(Store(open_engine(settings.database), b"k" * 32), Tick())
    roles: dict[str, Any] = {"Ada": "admin", "Bo": "admin", "Rae": "reviewer"}
    return {name: doors.add_principal(None, name, role) for name, role in roles.items()}


@pytest.fixture
def edit(settings: Settings) -> Callable[[str, str, str], Path]:
    def edited(file: str, old: str, new: str) -> Path:
        path = settings.prompts / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return edited


def hello(desk: Prompting) -> str:
    values = desk.fixtures(QUESTION)[0].values
    return desk.live.texts.prompts.render(QUESTION, values).splitlines()[2].split()[0]


def states(desk: Prompting) -> dict[str, str]:
    return {row.id: row.state for row in desk.state() if row.state != "active"}


# --- auto -------------------------------------------------------------------------------------------------------------


def test_an_edit_that_is_in_order_goes_live_by_itself_and_another_process_follows(
    desk: Prompting, settings: Settings, edit: Any
):
    other = opened(settings)
    edit(f"{GREETING}.md", "Hello{%", "Hi{%")
    assert hello(desk) == "Hello"
    desk.settle()
    assert hello(desk) == "Hi"
    assert hello(other) == "Hello"
    assert other.live.follow()
    assert hello(other) == "Hi"
    assert not other.live.follow()
    entry = desk.history(GREETING)[0]
    assert (entry.action, entry.actor) == ("activated", livetexts.FILES.id)
    assert {GREETING, QUESTION} <= set(entry.changes)
    assert not any(id_.startswith(("pack/", "draft/")) for id_ in entry.changes)


def test_a_broken_edit_has_no_effect_and_is_told_with_place_and_fix(desk: Prompting, settings: Settings, edit: Any):
    path = edit(f"{GREETING}.md", "customer.name %}", "customer.nam.e( %}")
    desk.settle()
    assert hello(desk) == "Hello"
    (problem,) = desk.live.problems
    assert (problem.file, problem.line > 0, problem.column > 0) == (f"{GREETING}.md", True, True)
    assert str(path) in desk.live.texts.problem
    again = opened(settings)  # the next start goes on with the active version and still knows
    assert again.live.texts.problem == desk.live.texts.problem
    assert hello(again) == "Hello"
    assert states(desk)[GREETING] == "edited"
    edit(f"{GREETING}.md", "customer.nam.e( %}", "customer.name %}")
    desk.settle()
    assert desk.live.problems == ()
    assert desk.live.texts.problem == ""


def test_a_text_that_fails_on_a_fixture_alone_is_linted_and_not_rendered(desk: Prompting, edit: Any):
    edit(f"{QUESTION}.md", "\nSubject:", "\nSubject: {{ said.nowhere }}")
    report = desk.check()
    assert report.problems[0].stage == "render"
    assert "with the fixture" in report.problems[0].problem
    assert states(desk)[QUESTION] == "linted"


def test_a_file_that_cannot_even_be_read_stops_nothing(desk: Prompting, settings: Settings):
    (settings.prompts / "reply/en/new.md").symlink_to(settings.home / "desk.db")
    desk.settle()
    assert "symbolic link" in desk.live.texts.problem
    assert states(desk)["reply/en/new"] == "edited"
    assert hello(desk) == "Hello"


def test_what_was_rolled_back_does_not_go_live_again_by_itself_but_the_next_edit_does(
    desk: Prompting, settings: Settings, people: Any, edit: Any
):
    edit(f"{GREETING}.md", "Hello{%", "Hi{%")
    desk.settle()
    desk.rollback(people["Ada"], reason="too short")
    assert hello(desk) == "Hello"
    desk.settle()
    opened(settings).settle()
    assert hello(desk) == "Hello"
    edit(f"{GREETING}.md", "Hi{%", "Good day{%")
    desk.settle()
    assert hello(desk) == "Good"


def test_a_replay_that_objects_keeps_an_edit_from_going_live(desk: Prompting, edit: Any):
    desk.replay = lambda tree: "3 cases lose their refund line"
    edit(f"{GREETING}.md", "Hello{%", "Hi{%")
    desk.settle()
    assert hello(desk) == "Hello"
    assert "3 cases lose their refund line" in desk.live.texts.problem


# --- by a person ------------------------------------------------------------------------------------------------------


def test_one_file_is_activated_with_its_partials_and_the_rest_stays(desk: Prompting, people: Any, edit: Any):
    edit(f"{GREETING}.md", "Hello{%", "Hi{%")
    edit(f"{BRIEF}.md", "\n---\n", "\n---\nNew: ")
    outcome = desk.activate(people["Ada"], [QUESTION], reason="tone")
    assert not outcome.waits_for
    assert hello(desk) == "Hi"
    assert set(states(desk)) == {BRIEF}
    with pytest.raises(ConflictError, match="nothing to activate"):
        desk.activate(people["Ada"], [QUESTION], reason="again")


def test_only_an_admin_with_a_reason_may_activate_roll_back_or_save(desk: Prompting, people: Any, edit: Any):
    edit(f"{GREETING}.md", "Hello{%", "Hi{%")
    for act in (
        lambda: desk.activate(people["Rae"], reason="x"), lambda: desk.rollback(people["Rae"], reason="x"),
        lambda: desk.confirm(people["Rae"], 1), lambda: desk.save(people["Rae"], QUESTION, "x"),
    ):  # fmt: skip
        with pytest.raises(ForbiddenError):
            act()
    with pytest.raises(InvalidError, match="Say in a sentence why"):
        desk.activate(people["Ada"], reason=" ")
    with pytest.raises(NotFoundError, match=f"did you mean {QUESTION}"):
        desk.activate(people["Ada"], ["reply/en/questoin"], reason="x")
    with pytest.raises(NotFoundError, match="proposal"):
        desk.confirm(people["Ada"], 99)


def test_a_broken_tree_is_not_activated_even_when_an_override_is_given(desk: Prompting, people: Any, edit: Any):
    edit(f"{GREETING}.md", "{% endif %}", "")
    with pytest.raises(BrokenTextsError, match=r"Nothing was activated\. partials/en/greeting\.md, line"):
        desk.activate(people["Ada"], reason="x", override="I know better")


def test_a_file_goes_back_to_a_version_of_its_history_and_a_new_one_goes_away(desk: Prompting, people: Any, edit: Any):
    ada = people["Ada"]
    for word in ("Hi", "Dear"):
        edit(f"{GREETING}.md", "Hello{%" if word == "Hi" else "Hi{%", f"{word}{{%")
        desk.activate(ada, reason=word)
    first = desk.history(GREETING)[-1].changes[GREETING][1]
    desk.rollback(ada, [GREETING], to=first[:12], reason="as it was")
    assert hello(desk) == "Hello"
    assert states(desk)[GREETING] == "rendered"
    desk.save(ada, "reply/en/extra", "---\nid: reply/en/extra\nkind: reply\ntitle: Extra\n---\nSubject: x\n\ny\n")
    desk.activate(ada, ["reply/en/extra"], reason="new")
    desk.rollback(ada, ["reply/en/extra"], reason="not needed")
    assert "reply/en/extra" not in desk.live.texts.prompts.all
    with pytest.raises(NotFoundError):
        desk.rollback(ada, [GREETING], to="ffffffffff", reason="x")


def test_of_two_who_activate_at_once_the_second_is_told(desk: Prompting, settings: Settings, people: Any, edit: Any):
    other = opened(settings)
    edit(f"{GREETING}.md", "Hello{%", "Hi{%")
    stale = other.live.tree
    desk.activate(people["Ada"], reason="first")
    other.active = lambda: stale  # pyright: ignore - it looked before the first was done
    edit(f"{GREETING}.md", "Hi{%", "Dear{%")
    with pytest.raises(ConflictError, match="meanwhile"):
        other.activate(people["Bo"], reason="second")


# --- gated ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gated(desk: Prompting, edit: Any) -> Prompting:
    edit("pack/activation.yaml", "policy: auto", "policy: gated")
    desk.settle()
    assert desk.live.texts.activation.policy == "gated"
    return desk


def test_gated_texts_need_evidence_or_an_override(gated: Prompting, people: Any, edit: Any):
    ada = people["Ada"]
    edit("triage.md", "You prepare", "You carefully prepare")
    gated.settle()
    assert states(gated) == {"triage": "rendered"}
    with pytest.raises(InvalidError, match="not evaluated, and the policy is gated"):
        gated.activate(ada, reason="tone")
    gated.note_evidence(ada, gated.live.disk(), "rehearsal", "it fails", passed=False)
    with pytest.raises(InvalidError, match="not evaluated"):
        gated.activate(ada, reason="tone")
    proof = gated.note_evidence(ada, gated.live.disk(), "rehearsal", "0 of 200 cases change", passed=True)
    assert states(gated) == {"triage": "evaluated"}
    with pytest.raises(InvalidError, match="No evidence 'evd_x'"):
        gated.activate(ada, reason="tone", evidence="evd_x")
    assert gated.activate(ada, reason="tone", evidence=proof.id).entry.evidence == proof.id
    edit("triage.md", "carefully ", "")
    assert gated.activate(ada, reason="back", override="urgent").entry.evidence == "override: urgent"


def test_texts_of_the_gravest_cases_need_a_second_person(gated: Prompting, settings: Settings, people: Any, edit: Any):
    edit(f"{BRIEF}.md", "\n---\n", "\n---\nNew: ")
    outcome = gated.activate(people["Ada"], reason="clearer", override="reviewed on paper")
    assert outcome.waits_for == (BRIEF,)
    assert states(gated) == {BRIEF: "waiting"}
    assert gated.activate(people["Ada"], reason="clearer", override="reviewed on paper").entry.seq == outcome.entry.seq
    with pytest.raises(ForbiddenError, match="another admin"):
        gated.confirm(people["Ada"], outcome.entry.seq)
    other = opened(settings)
    confirmed = other.confirm(people["Bo"], outcome.entry.seq).entry
    assert confirmed.actor == people["Bo"].id
    assert people["Ada"].id in confirmed.evidence
    assert states(other) == {}


def test_one_person_alone_cannot_open_the_gate(gated: Prompting, people: Any, edit: Any):
    edit("pack/activation.yaml", "policy: gated", "policy: auto")
    gated.settle()
    assert gated.live.texts.activation.policy == "gated"
    assert gated.activate(people["Ada"], reason="x", override="y").waits_for == ("pack/activation",)


def test_a_partial_of_a_grave_text_counts_as_a_change_of_it(gated: Prompting, people: Any, edit: Any):
    edit(f"{GREETING}.md", "Hello{%", "Hi{%")
    waits = gated.activate(people["Ada"], reason="x", override="y").waits_for
    assert "reply/en/product_safety" in waits
    assert GREETING not in waits


# --- looking ----------------------------------------------------------------------------------------------------------


def test_a_preview_says_where_every_part_comes_from_and_needs_no_file(desk: Prompting):
    text = desk.text(LETTER).replace("Hello", "Dear") + "\n{{ store.name }}\n"
    tried = desk.preview(LETTER, "hostile", text=text)
    assert tried.problems == ()
    assert "".join(part["text"] for part in tried.segments) == tried.text
    assert {"literal", "untrusted", "store"} <= {part["trust"] for part in tried.segments}
    assert next(part for part in tried.segments if part["source"] == "store.name")["text"] == "Fernhill"
    active = desk.preview(LETTER, of="active")
    assert active.text == desk.live.texts.prompts.render(LETTER, desk.fixtures(LETTER)[0].values)
    broken = desk.preview(LETTER, text=text.replace("{{ store.name }}", "{{ store.name() }}"))
    assert broken.problems[0].file == f"{LETTER}.md"
    with pytest.raises(NotFoundError, match="known: "):
        desk.preview(LETTER, "no such case")
    with pytest.raises((NotFoundError, BrokenFile)):
        desk.preview("../../etc/passwd")


def test_segments_join_to_the_rendered_text_for_every_prompt_and_fixture(desk: Prompting):
    prompts = desk.live.texts.prompts
    for fixture in desk.fixtures():
        for id_ in (id_ for id_ in prompts.all if fixture.fits(id_)):
            assert "".join(s.text for s in prompts.trace(id_, fixture.values)) == prompts.render(id_, fixture.values)


def test_a_difference_names_both_versions(desk: Prompting, edit: Any):
    edit(f"{GREETING}.md", "Hello{%", "Hi{%")
    lines = desk.diff(GREETING).splitlines()
    assert lines[:2] == [f"--- {GREETING} (active)", f"+++ {GREETING} (disk)"]
    assert any(line.startswith("+Hi") for line in lines)
    assert desk.diff(GREETING, "disk", "disk") == ""
