"""Model traffic kept in files, so that a language model's cases run again without a network, a key or a cost.

A cassette is one case: the requests that the desk sent and the replies that came, found again by the hash of the
request. A request that no entry answers is a miss, an entry that no request asked for is a failure: so a change of
prompt, tools or settings never passes unseen. `python -m evals.cassette --help` makes, checks and refreshes them.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib
import json
import re
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.llm_request import load_litellm
from evals.errors import EvalsError

FOLDER = Path(__file__).parent / "cassettes"
DRIVE = "tests.flows.cassette_drive:play"
"""Plays a stored case through the desk's pipeline."""
DROPPED = frozenset({"user", "metadata", "stream_options"})
"""Fields of a request that change nothing in the answer."""
KEYS = re.compile(r"\b(?:sk|rk|gsk|xai|hf|ghp)[-_][-\w]{16,}|\bAIza[-\w]{20,}|\bbearer\s+[-.\w]{8,}", re.IGNORECASE)

Json: TypeAlias = dict[str, Any]
Mode: TypeAlias = Literal["replay", "record-missing"]
Upstream: TypeAlias = Callable[[httpx.Request], Awaitable[tuple[int, Any]]]


class CassetteMiss(BaseException):
    """No entry answers this request; says which line of it changed.

    Not an `Exception`: the provider's client would take that for a broken connection and retry it.
    """


class CassetteError(EvalsError):
    """A cassette file cannot be used, or was not played to its end."""


class Entry(BaseModel):
    """One request and its reply."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    key: str = ""
    """Hash of the request; empty until the first remake of a scripted entry."""
    request: Json = Field(default_factory=dict)
    """The request without what is volatile or secret: no headers are ever kept."""
    status: int = Field(default=200, ge=200, le=599)
    """HTTP status of the reply."""
    reply: Any
    """Body of the reply: JSON, or a text when it was none."""


class Cassette(BaseModel):
    """The traffic of one case with one model."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    v: Literal[1]
    """Version of this format."""
    case: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    """Id of the case, also the file's name."""
    made: Literal["scripted", "recorded"]
    """Whether a person wrote the replies or a provider gave them; only recorded ones say anything about a model."""
    model: str
    """The model asked, as litellm names it."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Content hashes of what shaped the requests, by name (prompt parts, pack), so that a stale case can be told."""
    entries: list[Entry] = Field(min_length=1)
    """Requests with replies, in the order of play."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """The cassette of this file.

        Raises:
            CassetteError: the file is missing or not of this form; names file and field.

        """
        try:
            cassette = cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise CassetteError(
                f"{path}: there is no such cassette; make it with `python -m evals.cassette new`."
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(str(step) for step in first["loc"]) or "file"
            raise CassetteError(f"{path}: {at}: {first['msg']}; mend it or make it anew.") from None
        if cassette.case != path.stem:
            raise CassetteError(f"{path}: case is {cassette.case!r}; name the file {cassette.case}.json.")
        for number, entry in enumerate(cassette.entries):
            if entry.key and entry.key != key(entry.request):
                raise CassetteError(f"{path}: entries.{number}: the key is not that of the request; remake it.")
        return cassette

    def save(self, path: Path) -> None:
        """Write the file, unless a key stands in it."""
        text = json.dumps(self.model_dump(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        if found := KEYS.search(text):
            raise CassetteError(
                f"{path}: not written, since {found[0][:6]}... looks like a key; take it out of the case."
            )
        path.write_text(text, encoding="utf-8")


def canonical(request: httpx.Request) -> Json:
    """What of a request decides its answer."""
    body: Json = json.loads(request.content or b"{}")
    kept = {name: value for name, value in body.items() if name not in DROPPED}
    return {"method": request.method, "host": request.url.host, "path": request.url.path, "body": kept}


def key(request: Json) -> str:
    """Hash of a canonical request."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:20]


async def provider(request: httpx.Request) -> tuple[int, Any]:
    """Ask the real provider; through httpx2, which the replay does not catch."""
    httpx2: Any = importlib.import_module("httpx2")
    dropped = {"host", "content-length", "accept-encoding"}
    headers = {name: value for name, value in request.headers.items() if name not in dropped}
    async with httpx2.AsyncClient(timeout=120) as client:
        answer = await client.request(request.method, str(request.url), content=request.content, headers=headers)
    if answer.status_code >= 400:
        raise CassetteMiss(f"The provider answered HTTP {answer.status_code}; nothing was recorded.")
    return answer.status_code, answer.json()


class Player:
    """Answers requests from a cassette, each entry once; equal requests are answered in the order of the entries."""

    def __init__(self, cassette: Cassette, mode: Mode = "replay", *, upstream: Upstream = provider) -> None:
        self.cassette = cassette
        self._mode, self._upstream = mode, upstream
        self._left = list(cassette.entries)
        self._played: list[Entry] = []

    @property
    def unused(self) -> tuple[Entry, ...]:
        """Entries that nothing has asked for yet."""
        return tuple(self._left)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """The reply to this request.

        Raises:
            CassetteMiss: no entry answers it.

        """
        asked = canonical(request)
        entry = next((entry for entry in self._left if entry.key == key(asked)), None)
        if entry:
            self._left.remove(entry)
        elif self._mode == "replay":
            raise CassetteMiss(self._why(asked))
        elif self.cassette.made == "scripted":
            if not self._left:
                raise CassetteMiss(f"{self.cassette.case}: the desk asks once more than replies are written; add one.")
            entry = self._left.pop(0).model_copy(update={"key": key(asked), "request": asked})
        else:
            status, reply = await self._upstream(request)
            entry = Entry(key=key(asked), request=asked, status=status, reply=reply)
        self._played.append(entry)
        if isinstance(entry.reply, str):
            return httpx.Response(entry.status, text=entry.reply)
        return httpx.Response(entry.status, json=entry.reply)

    def remade(self) -> Cassette:
        """The cassette as it was just played; entries that nothing asked for are gone."""
        return self.cassette.model_copy(update={"entries": self._played})

    def _why(self, asked: Json) -> str:
        name = f"{self.cassette.case}: {key(asked)}"
        if any(entry.key == key(asked) for entry in self._played):
            return f"{name}: this request was sent once more than it was kept."
        new = _lines(asked)
        known = [(number, _lines(entry.request)) for number, entry in enumerate(self.cassette.entries) if entry.key]
        if not known:
            return f"{name}: no entry has a request yet; run `python -m evals.cassette remake`."
        number, old = max(known, key=lambda item: SequenceMatcher(None, item[1], new, autojunk=False).ratio())
        was, now = next((a, b) for a, b in zip_longest(old, new, fillvalue="(end)") if a != b)
        return (
            f"{name}: no entry answers this request; the first line that differs from entry {number}:\n"
            f"- {was}\n+ {now}\nIf the change is meant, run `python -m evals.cassette remake`."
        )


def _lines(request: Json) -> list[str]:
    """The request line by line, the lines of a prompt included."""
    return json.dumps(request, indent=1, sort_keys=True, ensure_ascii=False).replace("\\n", "\n").split("\n")


@contextmanager
def playing(path: Path, mode: Mode = "replay", *, upstream: Upstream = provider) -> Generator[Player]:
    """Within this, every request of litellm is answered by the cassette of this file.

    Raises:
        CassetteError: at the end of a replay, when an entry was not asked for.
        CassetteMiss: within, when a request has no entry.

    """
    litellm = load_litellm()
    respx: Any = importlib.import_module("respx")
    player = Player(Cassette.load(path), mode, upstream=upstream)
    before = litellm.disable_aiohttp_transport
    litellm.disable_aiohttp_transport = True  # aiohttp cannot be caught
    litellm.in_memory_llm_clients_cache.flush_cache()
    try:
        with respx.mock(assert_all_called=False) as router:
            router.route().mock(side_effect=player)
            yield player
    finally:
        litellm.disable_aiohttp_transport = before
        litellm.in_memory_llm_clients_cache.flush_cache()
    if mode == "record-missing":
        player.remade().save(path)
    elif player.unused:
        raise CassetteError(f"{path}: {len(player.unused)} of its replies were not asked for; remake the cassette.")


def scripted_reply(model: str, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> Json:
    """A hand-written answer, these tool calls, in the wire form of the model's provider."""
    if model.startswith("anthropic/"):
        blocks = [
            {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": args}
            for n, (name, args) in enumerate(calls)
        ]
        usage = {"input_tokens": 1000, "output_tokens": 200}
        head: Json = {"id": "msg_scripted", "type": "message", "role": "assistant", "model": model.partition("/")[2]}
        return {**head, "content": blocks, "stop_reason": "tool_use", "stop_sequence": None, "usage": usage}
    tool_calls = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(args, ensure_ascii=False)},
        }
        for n, (name, args) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": tool_calls}
    usage = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
    head = {"id": "chatcmpl-scripted", "object": "chat.completion", "created": 1, "model": model.partition("/")[2]}
    return {**head, "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}], "usage": usage}


# --- command line ----------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evals.cassette", description="Make, check and refresh cassettes.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    new = verbs.add_parser("new", help="write a scripted cassette: one reply with these tool calls")
    new.add_argument("path", type=Path, help="file to write, e.g. evals/cassettes/dmg-de-002.json")
    new.add_argument("--model", required=True, help="the model asked, as litellm names it")
    new.add_argument("--call", nargs=2, action="append", required=True, metavar=("TOOL", "JSON"), help="in order")
    remake = verbs.add_parser("remake", help="play cases and keep what they ask now: scripted replies stay as written")
    remake.add_argument("paths", type=Path, nargs="*", default=sorted(FOLDER.glob("*.json")))
    remake.add_argument(
        "--drive", default=DRIVE, metavar="MODULE:COROUTINE", help="plays one case; it is given the Cassette"
    )
    check = verbs.add_parser("check", help="say of each cassette whether it can be played")
    check.add_argument("paths", type=Path, nargs="*", default=sorted(FOLDER.glob("*.json")))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 0 when all went well, 2 with one sentence when not."""
    given = _parser().parse_args(argv)
    try:
        if given.verb == "new":
            calls = [(tool, json.loads(arguments)) for tool, arguments in given.call]
            entry = Entry(reply=scripted_reply(given.model, calls))
            Cassette(v=1, case=given.path.stem, made="scripted", model=given.model, entries=[entry]).save(given.path)
        for path in getattr(given, "paths", ()):
            cassette = Cassette.load(path)
            if given.verb == "remake":
                module, _, name = given.drive.partition(":")
                with playing(path, "record-missing") as player:
                    asyncio.run(getattr(importlib.import_module(module), name)(player.cassette))
            unasked = sum(not entry.key for entry in Cassette.load(path).entries)
            state = f"{unasked} replies without a request yet" if unasked else "ready"
            sys.stdout.write(f"{path}: {cassette.made}, {cassette.model}, {len(cassette.entries)} replies, {state}\n")
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error}; run this in the root of the repository, or name another --drive.\n")
        return 2
    except (CassetteError, CassetteMiss, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
