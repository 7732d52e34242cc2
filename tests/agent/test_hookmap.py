from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import hookevent
from agent.errors import BadInput, BrokenFile
from agent.hookmap import STATUSES, TICKET, Hook, Map, find, load_hook, load_hooks, steps

HOOKS = Path(__file__).resolve().parents[2] / "prompts/pack/hooks"
CAME = datetime(2026, 11, 24, 9, tzinfo=UTC)
PLAIN = """verify: standard
secrets: [ACME]
map:
  type: {path: kind, table: {opened: created, said: message, moved: status, "*": ignore}}
  external_id: ticket.id
  messages[*].text: ticket.comments[*].body
"""


def write(folder: Path, text: str, name: str = "acme.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def event(payload: dict[str, Any], **fields: Any) -> hookevent.Event:
    base = {"type": "type", "external_id": "id", "messages[*].text": "texts[*].body", **fields}
    found = hookevent.read_event(Map.model_validate(base), payload, CAME)
    assert found is not None
    return found


def refused(payload: dict[str, Any], **fields: Any) -> str:
    with pytest.raises(BadInput) as caught:
        event(payload, **fields)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- files --------------------------------------------------------------------------------------------------------


def test_the_example_loads_and_reads_the_generic_form():
    generic = load_hooks(HOOKS)["generic"]
    assert generic.map is not None
    payload = {
        "type": "ticket.escalated", "timestamp": "2026-11-24T08:00:00Z",
        "data": {
            "source": "acme", "external_id": "T-9", "url": "https://acme.example/9", "order_ref": "#1042",
            "customer": {"email": "ada@quist.example", "name": "Ada Quist"}, "subject": "Where is it?", "tags": ["vip"],
            "messages": [{"id": "1", "author": "customer", "at": "2026-11-24T07:00:00Z", "text": "Where is #1042?"}],
        },
    }  # fmt: skip
    read = hookevent.read_event(generic.map, payload, CAME)
    assert read == hookevent.Event(
        "created", "T-9", datetime(2026, 11, 24, 8, tzinfo=UTC),
        {"url": "https://acme.example/9", "subject": "Where is it?", "order_ref": "#1042", "customer.name": "Ada Quist",
         "customer.email": "ada@quist.example", "tags": ["vip"]},
        {"channel": "email"},
        (hookevent.EventMessage("1", "customer", datetime(2026, 11, 24, 7, tzinfo=UTC), "Where is #1042?"),), None,
    )  # fmt: skip


def test_a_pack_without_hooks_has_no_sources(tmp_path: Path):
    assert load_hooks(tmp_path / "hooks") == {}


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("ticket.id", "ticket..id", 5, "`ticket..id` is no path; write it like data.customer.email"),
        ("ticket.id", "ticket[x]", 5, "is no path"),
        ("ticket.id", "ticket id", 5, "is no path"),
        ("ticket.id", "comments[*].id", 3, "stands for many values; name one entry"),
        ("  external_id: ticket.id\n", "", 3, "map.external_id: Field required; add this key"),
        ("external_id:", "external_id: x\n  custmer.name:", 6, "map.custmer.name: Extra inputs are not permitted; remove or rename"),
        ("said: message", "said: mesage", 4, "`mesage` is none of created, ignore, message, status"),
        ("  external_id", "  status: {path: s, default: opn}\n  external_id", 5, "`opn` is none of closed"),
        ("  external_id", "  status: {path: s, table: {1: x}}\n  external_id", 5, "`x` is none of"),
        ("  external_id", "  channel: {table: {a: b}}\n  external_id", 5, "neither `path` nor `default`"),
        ('opened: created', 'yes: created', 4, "true or false; put it in quotes"),
        ("body", "body\n  messages[*].id: ticket.notes[*].id", 3, "two lists, ticket.comments and ticket.notes"),
        ("[ACME]", "[acme]", 2, "secrets.0: String should match"),
        ("[ACME]", "[A, B, C]", 2, "at most 2 items"),
        ("[ACME]", "[]", 2, "at least 1 item"),
        ("standard", "sha1", 1, "verify: Input should be"),
        ("standard", "static_header", 1, "`header` belongs to `verify: static_header`"),
        ("secrets", "adapter: zendesk\nsecrets", 1, "either a `map` or an `adapter`"),
        ("secrets", "id_path: a.b\nsecrets", 1, "`id_path`"),
        ("secrets", "secrets: [B]\nsecrets", 3, "a second time"),
    ],
)  # fmt: skip
def test_a_map_that_points_nowhere_is_refused_with_file_line_and_fix(
    tmp_path: Path, old: str, new: str, line: int, says: str
):
    text = PLAIN.replace(old, new, 1)
    assert text != PLAIN
    path = write(tmp_path, text)
    with pytest.raises(BrokenFile) as caught:
        load_hook(path)
    assert caught.value.line == line, str(caught.value)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["dead.yaml", "Acme.yaml", "a-b.yaml", "9a.yaml", f"{'a' * 40}.yaml"])
def test_a_file_whose_name_cannot_be_a_source_is_refused(tmp_path: Path, name: str):
    with pytest.raises(BrokenFile, match="cannot name a source"):
        load_hook(write(tmp_path, PLAIN, name))


def test_an_adapter_needs_only_the_id(tmp_path: Path):
    text = "verify: zendesk\nsecrets: [Z]\nadapter: zendesk\nid_path: detail.id\ndelivery_id_path: id\n"
    hook = load_hook(write(tmp_path, text, "zendesk.yaml"))
    assert hookevent.ticket_id(hook, {"detail": {"id": 141}}) == "141"
    assert hookevent.delivery_id(hook, {"id": "01JQ"}) == "01JQ"
    with pytest.raises(BadInput, match=r"detail\.id: is missing"):
        hookevent.ticket_id(hook, {"detail": {}})
    with pytest.raises(BrokenFile, match="stands for many"):
        load_hook(write(tmp_path, text.replace("detail.id", "detail[*].id")))


# --- paths --------------------------------------------------------------------------------------------------------


def test_a_path_goes_through_keys_and_lists():
    value = {"a": [{"b-c": {"$d": 1}}, None], "n": None}
    for path, found in {"a[0].b-c.$d": 1, "$.a[0]": {"b-c": {"$d": 1}}, "a[1]": None, "a[7].x": None, "n.x": None,
                        "a.b": None, "zz": None, "$": "no"}.items():  # fmt: skip
        if found == "no":
            with pytest.raises(ValueError, match="is no path"):
                steps(path)
        else:
            assert find(value, steps(path)) == found, path


@given(st.text(alphabet="ab.[]*0129$ '-", max_size=12) | st.text(max_size=12))
def test_any_text_is_a_path_or_is_refused(text: str):
    try:
        path = steps(text)
    except ValueError:
        path = ("refused",)
    assert path
    assert all(isinstance(step, int) or step.strip(" .[]'") for step in path)


# --- events -------------------------------------------------------------------------------------------------------


def test_a_missing_path_is_named():
    texts = [{"body": "hello"}]
    assert refused({"type": "created", "texts": texts}).startswith("id: is missing;")
    assert refused({"id": 1, "texts": texts}).startswith("type: is missing;")
    assert refused({"type": "message", "id": 1}).startswith("texts[*].body: is missing;")
    assert refused({"type": "created", "id": 1, "texts": [{"body": " "}]}).startswith("texts[*].body: is missing;")
    assert refused({"type": "status", "id": 1}, status="state.now").startswith("state.now: is missing;")
    assert "the map has no `status`" in refused({"type": "status", "id": 1})
    author = {"messages[*].author": "texts[*].by"}
    assert refused({"type": "message", "id": 1, "texts": texts}, **author).startswith("texts[*].by: is missing;")


def test_what_is_of_the_wrong_kind_is_named():
    good = {"type": "message", "id": "1", "texts": [{"body": "hello", "by": "customer"}]}
    assert refused({**good, "id": {"a": 1}}).startswith("id: holds an object and not a text;")
    assert refused({**good, "id": [1]}).startswith("id: holds a list")
    assert refused({**good, "id": "x" * 201}).startswith("id: has more than 200 characters;")
    assert refused({**good, "texts": "hello"}).startswith("texts[*].body: is no list;")
    assert refused({**good, "when": "soon"}, at="when").startswith("when: is no instant")
    assert refused({**good, "type": "opened"}).startswith("type: is none of created")
    assert refused({**good, "s": "odd"}, status="s").startswith("s: is none of closed")
    assert "is none of customer" in refused(
        {**good, "texts": [{"body": "x", "by": "robot"}]}, **{"messages[*].author": "texts[*].by"}
    )
    table = {"status": {"path": "s", "table": {"solved": "resolved"}}}
    assert refused({**good, "s": "<b>odd</b>"}, **table).startswith(
        "s: holds `?b?odd??b?`, which its table does not know"
    )


def test_words_are_looked_up_whatever_their_case_and_kind():
    rule = {"path": "s", "table": {2: "open", "Solved": "resolved", "true": "closed", "*": "waiting_team"}}
    hook = Map.model_validate({"type": "type", "external_id": "id", "status": rule})
    for word, ours in {2: "open", "2": "open", "SOLVED ": "resolved", True: "closed", "else": "waiting_team"}.items():
        read = hookevent.read_event(hook, {"type": "status", "id": 1, "s": word}, CAME)
        assert read is not None
        assert read.status == ours, word


def test_an_event_that_the_map_ignores_is_none_and_an_ignored_status_is_no_status():
    table = {"path": "type", "table": {"a": "message", "*": "ignore"}}
    hook = Map.model_validate({"type": table, "external_id": "id", "messages[*].text": "t", "status": "s"})
    assert hookevent.read_event(hook, {"type": "b"}, CAME) is None
    read = hookevent.read_event(hook, {"type": "a", "id": 1, "t": "x", "s": "ignore"}, CAME)
    assert read is not None
    assert read.status is None


@pytest.mark.parametrize(
    ("given_at", "read"),
    [
        ("2026-11-24T08:30:00Z", datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        ("2026-11-24T09:30:00+01:00", datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        ("2026-11-24T08:30:00", datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        (1795509000, datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        (1795509000.0, datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        ("1795509000000", datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        (None, CAME),
        ("", CAME),
    ],
)
def test_an_instant_is_read_as_senders_write_it(given_at: Any, read: datetime):
    assert event({"type": "message", "id": 1, "texts": [{"body": "x"}], "when": given_at}, at="when").at == read


def test_a_message_without_a_list_is_one_message():
    fields = {"messages[*].text": "comment.body", "messages[*].id": "comment.id", "messages[*].author": "comment.by"}
    read = event(
        {"type": "message", "id": 1, "comment": {"id": 7, "body": "Any news?", "by": "agent"}},
        **fields,
    )
    assert read.messages == (hookevent.EventMessage("7", "staff", CAME, "Any news?"),)


def test_values_of_the_whole_event_may_stand_beside_a_list_and_texts_may_be_bare():
    fields = {"messages[*].text": "texts[*]", "messages[*].author": "by", "tags": "labels[*].name"}
    payload = {"type": "message", "id": 1, "texts": ["one", "", "two"], "by": "buyer", "labels": [{"name": "a"}, {}, 3]}
    read = event(payload, **fields)
    assert [(m.author, m.text) for m in read.messages] == [("customer", "one"), ("customer", "two")]
    assert read.facts == {"tags": ["a"]}


def test_a_default_is_assumed_and_not_given():
    channel = {"channel": {"path": "via", "default": "email"}}
    base = {"type": "message", "id": 1, "texts": [{"body": "x"}]}
    assert (event(base, **channel).facts, event(base, **channel).assumed) == ({}, {"channel": "email"})
    assert event({**base, "via": "chat"}, **channel).facts == {"channel": "chat"}


def test_a_ticket_of_an_adapter_is_read_under_our_own_names():
    ticket = {"external_id": "141", "at": "2026-11-24T08:30:00Z", "status": "waiting_customer", "customer": {"tier": "vip"},
              "messages": [{"id": "1", "author": "staff", "at": "2026-11-24T08:00:00Z", "text": "Hi"}]}  # fmt: skip
    read = hookevent.read_event(TICKET, ticket, CAME)
    assert read is not None
    assert (read.external_id, read.status, read.facts) == ("141", "waiting_customer", {"customer.tier": "vip"})
    assert {"open", "resolved"} <= STATUSES


KEYS = "id external_id messages text author at status tags customer email url data".split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)
TYPES = ["ticket.escalated", "ticket.message", "ticket.status"]


@given(st.sampled_from(TYPES), JSON, st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON)))
def test_any_json_is_read_or_refused_in_one_sentence(kind: str, timestamp: Any, data: Any):
    generic: Hook = load_hook(HOOKS / "generic.yaml")
    assert generic.map is not None
    try:
        read = hookevent.read_event(generic.map, {"type": kind, "timestamp": timestamp, "data": data}, CAME)
    except BadInput as error:
        said = str(error)
    else:
        said = "" if read and read.external_id and (read.messages or read.status) else "half an event\n"
    assert "\n" not in said
