"""A model provider on loopback that speaks OpenAI's chat completions and misbehaves as scripted.

    async with Provider(["429 1", "ok"], answers={"route_team": {...}}) as provider:
        ... call `provider.base_url` ...
        assert provider.count == 2

`python tests/fakes/provider.py ok --latency 0.5 --port 9000` serves one mode for a bench.

Modes: ok, obey, and the faults of `FAULTS`; `429 7` sends Retry-After 7; `500 ...` and `400 ...` say the rest as their
message. The last mode of the script repeats. Every tool argument is filled from the tool's own JSON schema unless
`answers` gives it, so any agent can be served.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

Json = dict[str, Any]

FAULTS = (
    "429", "500", "502", "503", "400", "401", "404", "reset", "hang", "headers_hang", "drip", "cut", "no_choices",
    "length", "content_filter", "refusal", "empty", "words", "huge", "wrong_tool", "broken_args", "invalid_args",
)  # fmt: skip

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
HUGE = 200_000
DRIP_SECONDS = 0.05


class Provider:
    """The fake; it counts and keeps every request that reached it."""

    def __init__(
        self,
        script: Sequence[str] = ("ok",),
        *,
        answers: Mapping[str, Json] | Callable[[Json], Mapping[str, Json]] | None = None,
        latency: float = 0.0,
    ) -> None:
        self.script = tuple(script)
        self.answers = answers or {}
        """Arguments by tool; a function makes them from the request."""
        self.latency = latency
        self.requests: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.open_connections = 0
        self.left_open = 0
        """Connections that clients had not closed when the provider was."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """Requests that reached the provider."""
        return len(self.requests)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        self.left_open = self.open_connections
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def start(self, port: int = 0) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open_connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                headers = {
                    k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:])
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                mode, _, detail = self.script[min(self.count, len(self.script) - 1)].partition(" ")
                self.requests.append(json.loads(body or b"{}"))
                self.headers.append(headers)
                await asyncio.sleep(self.latency)
                if mode in {"hang", "headers_hang"}:
                    writer.write(b"HTTP/1.1 200 OK\r\n" if mode == "headers_hang" else b"")
                    await reader.read()  # until the client gives up
                    return
                if not await self._answer(writer, mode, detail, self.requests[-1]):
                    return
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client or the test is done with it
        finally:
            self.open_connections -= 1
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, writer: asyncio.StreamWriter, mode: str, detail: str, request: Json) -> bool:
        """Write the answer of this mode; False when the connection ends with it."""
        if mode == "reset":
            writer.transport.abort()
            return False
        if mode == "502":
            return await send(writer, 502, "<html><body><h1>502 Bad Gateway</h1></body></html>", kind="text/html")
        if mode.isdigit():
            text = json.dumps({"error": {"message": detail or f"scripted {mode}", "type": "scripted", "code": None}})
            extra = {"retry-after": detail} if mode == "429" and detail else {}
            return await send(writer, int(mode), text, extra=extra)
        answers = self.answers(request) if callable(self.answers) else self.answers
        text = json.dumps(completion(mode, request, answers))
        if mode == "cut":
            return await send(writer, 200, text[: len(text) // 2])
        if mode == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")
            for byte in text.encode():
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(DRIP_SECONDS)
            return False
        return await send(writer, 200, text)


async def send(
    writer: asyncio.StreamWriter,
    status: int,
    text: str,
    *,
    kind: str = "application/json",
    extra: Mapping[str, str] | None = None,
) -> bool:
    body = text.encode()
    headers = {"content-type": kind, "content-length": str(len(body)), **(extra or {})}
    head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    writer.write(f"HTTP/1.1 {status} {REASONS.get(status, 'Scripted')}\r\n{head}\r\n".encode() + body)
    await writer.drain()
    return True


def completion(mode: str, request: Json, answers: Mapping[str, Json]) -> Json:
    """The chat completion that this mode sends to this request."""
    tools = {tool["function"]["name"]: tool["function"]["parameters"] for tool in request.get("tools", [])}
    order = [*(name for name in answers if name in tools)] or sorted(tools, key=lambda name: name == "final_result")
    told = obeyed(request) if mode == "obey" else ""
    calls = [
        (name, json.dumps(answers.get(name) if name in answers and not told else fill(tools[name], told)))
        for name in order
    ]
    text, finish = None, "tool_calls"
    if mode == "wrong_tool":
        calls = [("issue_refund", '{"amount": 500}')]
    elif mode == "broken_args":
        calls = [(name, arguments[:-2]) for name, arguments in calls]
    elif mode == "invalid_args":
        calls = [(name, '{"nonsense": true}') for name, _ in calls]
    elif mode in {"empty", "words", "refusal", "huge", "content_filter", "length"}:
        calls, finish = [], "stop"
    if mode == "length":
        text, finish = "we will ref", "length"
    elif mode == "content_filter":
        finish = "content_filter"
    elif mode == "words":
        text = "I am sorry, I cannot help with that."
    elif mode == "huge":
        text = "We are sorry. " * (HUGE // 14)
    elif not tools and mode in {"ok", "obey", "drip", "cut"}:
        text, finish = told or "ok", "stop"
    message: Json = {"role": "assistant", "content": text}
    if mode == "refusal":
        message["refusal"] = "I cannot help with that."
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for n, (name, arguments) in enumerate(calls)
        ]
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request.get("model", "fake"),
        "choices": [] if mode == "no_choices" else [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 100,
            "total_tokens": 1100,
            "prompt_tokens_details": {"cached_tokens": 400},
        },
    }


def obeyed(request: Json) -> str:
    """What an obedient attacker's puppet does: the injected text of the prompt, word for word."""
    prompt = "\n".join(
        str(m.get("content") or "") for m in request.get("messages", []) if m["role"] in {"user", "tool"}
    )
    order = re.search(
        r"(?is)(ignore (?:all|any|the|your|previous)|system\s*:|new instructions?|ignorier\w*|assistant\s*:)(.*)",
        prompt,
    )
    return (order.group(0) if order else prompt)[:1500]


def fill(schema: Json, text: str = "", defs: Json | None = None) -> Any:
    """The smallest value that fits a JSON schema; strings take `text`, and enums the member that `text` names."""
    defs = defs or schema.get("$defs", {})
    if "$ref" in schema:
        return fill(defs[schema["$ref"].rsplit("/", 1)[-1]], text, defs)
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return fill(options[0], text, defs)
    if members := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return next((member for member in members if str(member) in text), members[0])
    kind = schema.get("type")
    if kind == "object":
        wanted = schema.get("properties", {}) if text else schema.get("required", ())
        return {name: fill(schema["properties"][name], text, defs) for name in wanted}
    if kind == "array":
        return [fill(schema.get("items", {}), text, defs) for _ in range(schema.get("minItems", 0))]
    plain = {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 1), "boolean": False, "null": None}
    return plain.get(str(kind), (text or "text")[: schema.get("maxLength")])


async def _forever(mode: str, latency: float, port: int) -> None:
    provider = await Provider([mode], latency=latency).start(port)
    print(provider.base_url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=("ok", "obey", *FAULTS))
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(_forever(given.mode, given.latency, given.port))
