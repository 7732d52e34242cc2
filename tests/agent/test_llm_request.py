"""One request to a language model: its wire forms, its gate, and what its errors may say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from agent.llm import build_model
from agent.llm_request import BadAnswer, Endpoint, LiteLLMModel, scrub, wire
from tests.fakes.llm_wires import own_clients, respx_wires  # noqa: F401 - fixtures
from tests.fakes.provider import Provider
from tests.fakes.toy import ANSWERS, CLAUDE, KEY, NAME, ToyEmbedded, draft, serve

pytestmark = pytest.mark.asks_models

# --- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {KEY}. See the docs.",
        f"Authorization: Bearer {KEY}",
        '{"x-api-key": "abcdef0123456789"}',
        "https://user:hunter2secret@host/v1",
        "https://host/v1?key=AIzaSyA0123456789abcdef",
        "token 0123456789abcdef0123456789abcdef",
    ],
)
def test_a_key_is_struck_from_an_error_text(text: str):
    clean = scrub(text)
    assert "***" in clean
    for secret in (KEY, "abcdef0123456789", "hunter2secret", "AIzaSyA", "0123456789abcdef"):
        assert secret not in clean


def test_plain_words_survive_the_scrub():
    text = "The model `gpt-4o-mini-2024-07-18` does not support 128000 tokens with this temperature"
    assert scrub(text) == text


def test_an_error_carries_neither_key_nor_the_providers_own_exception():
    async def go() -> BaseException:
        async with Provider([f"400 key {KEY} and own-secret are wrong"]) as provider:
            model = LiteLLMModel(NAME, endpoint=Endpoint(provider.base_url, "own-secret"))
            with pytest.raises(Exception, match="400") as caught:
                await model.request([ModelRequest([UserPromptPart("x")])], None, ModelRequestParameters())
            return caught.value

    error = asyncio.run(go())
    assert KEY not in str(error)
    assert "own-secret" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_neither_key_nor_case_text_is_logged_or_printed_by_a_failure(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    for fault in ("400 no", "401", "500", "cut", "refusal", "reset"):
        serve(fault)
    shown = caplog.text + "".join(capfd.readouterr())
    assert KEY not in shown
    assert "My lamp is broken" not in shown


# --- wire ------------------------------------------------------------------------------------------------------------

HISTORY: list[ModelMessage] = [
    ModelRequest([SystemPromptPart("Be kind."), UserPromptPart(["one", "two"])]),
    ModelResponse([TextPart("Looking."), ToolCallPart("a", {"x": 1}, "c1"), ToolCallPart("b", '{"y": 2}', "c2")]),
    ModelRequest(
        [ToolReturnPart("a", ["first", {"n": 2}], "c1"), ToolReturnPart("b", "done", "c2"), UserPromptPart("go on")]
    ),
]


def test_tool_returns_of_several_parts_keep_their_order_and_ids():
    assert wire(HISTORY, ModelRequestParameters())[1:] == [
        {"role": "user", "content": "one\n\ntwo"},
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "a", "arguments": '{"x":1}'}},
                {"id": "c2", "type": "function", "function": {"name": "b", "arguments": '{"y":2}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": '["first",{"n":2}]'},
        {"role": "tool", "tool_call_id": "c2", "content": "done"},
        {"role": "user", "content": "go on"},
    ]


def openai_answer(calls: dict[str, dict[str, Any]], turn: int) -> httpx.Response:
    tool_calls = [
        {"id": f"t{turn}_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for n, (name, arguments) in enumerate(calls.items())
    ]
    message = {"role": "assistant", "content": None, "tool_calls": tool_calls}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    base = {"id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini"}
    return httpx.Response(200, json={**base, "choices": [choice], "usage": usage})


def anthropic_answer(calls: dict[str, dict[str, Any]], turn: int) -> httpx.Response:
    content = [
        {"type": "tool_use", "id": f"toolu_{turn}_{n}", "name": name, "input": arguments}
        for n, (name, arguments) in enumerate(calls.items())
    ]
    usage = {"input_tokens": 600, "cache_read_input_tokens": 400, "cache_creation_input_tokens": 0, "output_tokens": 5}
    base = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_sequence": None}
    return httpx.Response(200, json={**base, "stop_reason": "tool_use", "content": content, "usage": usage})


TURNS = [
    {**ANSWERS, "classify_severity": {"severity": "S4", "reason": "cosmetic"}},
    {"classify_severity": ANSWERS["classify_severity"], "final_result": {"body": "second"}},
]


def test_tool_calls_make_the_round_trip_in_openai_form(wires: respx.MockRouter):
    route = wires.post("https://api.openai.com/v1/chat/completions")
    route.side_effect = [openai_answer(calls, turn) for turn, calls in enumerate(TURNS)]
    model = build_model([NAME], embedded=ToyEmbedded(), endpoints={NAME: Endpoint(key=KEY)})
    run = asyncio.run(draft(model))
    assert (run.body, run.by.engine, run.by.usage.requests) == ("second", NAME, 2)
    second = json.loads(route.calls[1].request.content)["messages"]
    answered = {m["tool_call_id"]: m["content"] for m in second if m["role"] == "tool"}
    assert list(answered) == ["t0_0", "t0_1", "t0_2"]
    assert "The floor of this case is S3." in answered["t0_0"]
    assert json.loads(answered["t0_1"])["lines"] == ["goods arrived broken", "two"]


def test_tool_calls_make_the_round_trip_in_anthropic_form(wires: respx.MockRouter):
    route = wires.post("https://api.anthropic.com/v1/messages")
    route.side_effect = [anthropic_answer(calls, turn) for turn, calls in enumerate(TURNS)]
    model = build_model([CLAUDE], embedded=ToyEmbedded(), endpoints={CLAUDE: Endpoint(key=KEY)})
    run = asyncio.run(draft(model))
    assert (run.body, run.by.engine, run.by.usage.requests) == ("second", CLAUDE, 2)
    first, second = (json.loads(call.request.content) for call in route.calls)
    assert first["tool_choice"] == {"type": "any"}
    assert {tool["name"] for tool in first["tools"]} == set(ANSWERS)
    results = [block for m in second["messages"] for block in m["content"] if block["type"] == "tool_result"]
    assert [block["tool_use_id"] for block in results] == ["toolu_0_0", "toolu_0_1", "toolu_0_2"]
    assert [m["role"] for m in second["messages"]] == ["user", "assistant", "user"]
    answer = next(message for message in run.messages if isinstance(message, ModelResponse))
    assert (answer.usage.input_tokens, answer.usage.cache_read_tokens) == (1000, 400)
    assert (answer.usage.cost or 0) > 0


@pytest.mark.parametrize(
    ("stop_reason", "flaw"), [("max_tokens", "cut_off"), ("refusal", "filtered"), ("end_turn", "nothing")]
)
def test_an_anthropic_answer_that_stopped_early_never_becomes_a_draft(
    wires: respx.MockRouter, stop_reason: str, flaw: str
):
    answer = anthropic_answer({}, 0).json() | {"stop_reason": stop_reason, "content": []}
    wires.post("https://api.anthropic.com/v1/messages").respond(json=answer)
    model = LiteLLMModel(CLAUDE, endpoint=Endpoint(key=KEY))
    with pytest.raises(BadAnswer) as caught:
        asyncio.run(model.request([ModelRequest([UserPromptPart("x")])], None, ModelRequestParameters()))
    assert caught.value.flaw == flaw


def test_an_anthropic_overload_is_tried_again_after_the_time_it_names(wires: respx.MockRouter):
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    route = wires.post("https://api.anthropic.com/v1/messages")
    route.side_effect = [
        httpx.Response(529, json=error),
        httpx.Response(429, json=error, headers={"retry-after": "2"}),
        anthropic_answer(ANSWERS, 0),
    ]
    model = build_model([CLAUDE], embedded=ToyEmbedded(), endpoints={CLAUDE: Endpoint(key=KEY)}, sleep=sleep)
    run = asyncio.run(draft(model))
    assert (route.call_count, run.by.engine) == (3, CLAUDE)
    assert waits[1] == 2.0


def test_a_bad_answer_says_what_was_wrong_and_whether_to_try_again():
    assert str(BadAnswer("cut_off", RequestUsage())) == "its answer was cut off at the token limit."
    assert not BadAnswer("cut_off", RequestUsage()).retryable
    assert BadAnswer("malformed", RequestUsage()).retryable


# --- malformed answers -----------------------------------------------------------------------------------------------


def mangled(document: dict[str, Any]) -> Iterator[bytes]:
    """The document with each part in turn replaced by something that no one expects there."""

    def walk(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        steps: Any = part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
        for step in steps:
            yield (*path, step)
            yield from walk(part[step], (*path, step))

    for path in walk(document):
        for value in (None, [], 10**12):
            copy = json.loads(json.dumps(document))
            part = copy
            for step in path[:-1]:
                part = part[step]
            part[path[-1]] = value
            yield json.dumps(copy).encode()


@pytest.mark.parametrize("name", [NAME, CLAUDE])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_mangled_answer_gets_past_the_gate_or_escapes_as_an_untyped_error(wires: respx.MockRouter, name: str):
    form = openai_answer if name == NAME else anthropic_answer
    bodies = [b"", b"null", b"{", b"<html>", b"\xff\xfe", *mangled(form({"final_result": {"body": "x"}}, 0).json())]
    tool = ToolDefinition(name="final_result", parameters_json_schema={"type": "object"})
    parameters = ModelRequestParameters(output_tools=[tool], output_mode="tool", allow_text_output=False)
    route = wires.post(url__regex=".*")
    model = LiteLLMModel(name, endpoint=Endpoint(key=KEY))

    async def go() -> int:
        sound = 0
        for body in bodies:
            route.respond(content=body, headers={"content-type": "application/json"})
            try:
                answer = await model.request([ModelRequest([UserPromptPart("x")])], None, parameters)
            except (BadAnswer, ModelAPIError):
                continue
            sound += 1
            assert 0 <= answer.usage.total_tokens < 10**9, body
            assert all(isinstance(p, ToolCallPart) and p.tool_name == "final_result" for p in answer.parts), body
            assert isinstance(answer.parts[0].args, str)
            assert isinstance(json.loads(answer.parts[0].args), dict)
        return sound

    assert len(bodies) > 50
    assert 0 < asyncio.run(go()) < len(bodies)


def test_a_setting_that_a_model_does_not_know_is_left_out(wires: respx.MockRouter):
    route = wires.post("https://api.openai.com/v1/chat/completions")
    route.side_effect = [openai_answer(ANSWERS, 0)]
    name = "openai/o3-mini"
    run = asyncio.run(draft(build_model([name], embedded=ToyEmbedded(), endpoints={name: Endpoint(key=KEY)})))
    assert run.by.engine == name
    assert "temperature" not in json.loads(route.calls[0].request.content)


def test_a_body_that_is_no_answer_is_a_broken_connection_whatever_its_status(wires: respx.MockRouter):
    wires.post(url__regex=".*").respond(content=b"null", headers={"content-type": "application/json"})
    model = LiteLLMModel("hosted_vllm/ours", endpoint=Endpoint("http://models.local/v1", KEY))
    with pytest.raises(ModelConnectionError):
        asyncio.run(model.request([ModelRequest([UserPromptPart("x")])], None, ModelRequestParameters()))
