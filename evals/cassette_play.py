"""Recordings stand in for the provider: replayed with every socket shut, or made by asking the provider itself."""

from __future__ import annotations

import importlib
import json
import socket
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Final, Literal, NoReturn, TypeAlias, cast

import httpx

from agent.llm_request import load_litellm
from agent.prompts import Prompts
from evals.cassette import CassetteError, CassetteMiss, Exchange, Library, Recording
from evals.cassette_request import Request, difference, take_apart

Json: TypeAlias = dict[str, Any]
Mode: TypeAlias = Literal["replay", "stale", "rewrite", "ask"]
"""`replay`: a request without its answer is a miss. `stale`: answers in their order, whatever is asked. `rewrite`: the
same, as if that were right. `ask`: the provider is asked each time."""
Upstream: TypeAlias = Callable[[httpx.Request], Awaitable[tuple[int, Any]]]
_PASSING: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that the desk's own retries wait out, so nothing is kept of them."""


async def provider(request: httpx.Request) -> tuple[int, Any]:
    """Ask the real provider; through httpx2, which the replay does not catch."""
    httpx2: Any = importlib.import_module("httpx2")
    dropped = {"host", "content-length", "accept-encoding"}
    headers = {name: value for name, value in request.headers.items() if name not in dropped}
    async with httpx2.AsyncClient(timeout=120) as client:
        answer = await client.request(request.method, str(request.url), content=request.content, headers=headers)
    try:
        return answer.status_code, answer.json()
    except ValueError:
        return answer.status_code, answer.text


class Player:
    """Answers the requests of one trial, in their order."""

    def __init__(
        self, library: Library, recording: Recording, trial: int, prompts: Prompts, mode: Mode = "replay",
        *, upstream: Upstream = provider,
    ) -> None:  # fmt: skip
        self.recording = recording
        self.stale = ""
        """In mode `stale`: why the answers no longer belong to their requests; "" when they do."""
        self.texts: dict[str, list[str]] = {}
        """Shared texts of the requests that were made."""
        self.played: list[Exchange] = []
        self._library, self._trial, self._prompts = library, trial, prompts
        self._mode: Mode = mode
        self._upstream = upstream
        self._known = recording.trials[trial] if trial < len(recording.trials) else []

    @property
    def unused(self) -> int:
        """How many recorded answers nothing has asked for yet."""
        return 0 if self._mode == "ask" else len(self._known) - len(self.played)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """The answer to this request.

        Raises:
            CassetteMiss: no recorded answer belongs to it, or the provider refuses.

        """
        asked = take_apart(request, self._prompts)
        self.texts |= asked.texts
        if self._mode == "ask":
            status, reply = await self._upstream(request)
            if status in _PASSING:
                return _response(status, reply)
            if status >= 400:
                raise CassetteMiss(self.recording.case, f"the provider answered HTTP {status}; nothing was recorded.")
            found = Exchange(status=status, reply=unpacked(reply))
        else:
            found = self._recorded(asked)
        self.played.append(found.model_copy(update={"asked": asked.asked}))
        return _response(found.status, found.reply)

    def _recorded(self, request: Request) -> Exchange:
        """The next answer, if it belongs to the request."""
        at = len(self.played)
        if at >= len(self._known):
            raise self._too_few()
        found = self._known[at]
        if self._mode == "rewrite":
            return found
        if found.asked is None:
            raise CassetteMiss(
                self.recording.case, "its answers were never played; run `python -m evals.cassette remake`."
            )
        differs = difference(found.asked, self._library.texts, request, self._prompts)
        if differs is None:
            return found
        if self._mode == "stale":
            self.stale = self.stale or differs.cause
            return found
        raise CassetteMiss(
            self.recording.case, differs.cause, differs.lines if differs.shared else self._near(request, at)
        )

    def _near(self, request: Request, at: int) -> str:
        """The first line that differs from the recorded request that is nearest to this one, that of its place first."""
        here_first = [self._known[at], *self._known]
        candidates = [exchange.asked for exchange in here_first if exchange.asked]
        now = request.asked.prints
        nearest = max(candidates, key=lambda asked: sum(asked.prints[name] == now[name] for name in now))
        differs = difference(nearest, self._library.texts, request, self._prompts)
        return differs.lines if differs else "\nThe same request was recorded at another place; its order changed."

    def _too_few(self) -> CassetteMiss:
        count = len(self._known)
        if self._trial >= len(self.recording.trials):
            return CassetteMiss(self.recording.case, f"trial {self._trial} was not recorded; record it first.")
        return CassetteMiss(
            self.recording.case,
            f"the desk asks more often than the {count} {'answer was' if count == 1 else 'answers were'} recorded for.",
        )


def _response(status: int, reply: Any) -> httpx.Response:
    if isinstance(reply, str):
        return httpx.Response(status, text=reply)
    return httpx.Response(status, json=packed(reply))


def unpacked(reply: Any) -> Any:
    """The answer with tool arguments as data, so that people can read them."""
    return _calls(reply, lambda arguments: _loaded(arguments) if isinstance(arguments, str) else arguments)


def packed(reply: Any) -> Any:
    """The answer as the provider gives it: OpenAI's form has tool arguments as JSON in a text."""
    return _calls(reply, lambda a: a if isinstance(a, str) else json.dumps(a, sort_keys=True, ensure_ascii=False))


def _loaded(arguments: str) -> Any:
    try:
        found = json.loads(arguments)
    except ValueError:
        return arguments  # broken on purpose, or by the model: kept as it came
    return found if isinstance(found, dict) else arguments  # pyright: ignore[reportUnknownVariableType]


def _calls(reply: Any, change: Callable[[Any], Any]) -> Any:
    if not isinstance(reply, dict):
        return reply
    made: Json = deepcopy(cast("Json", reply))
    choices: list[Json] = made.get("choices") or []
    for choice in choices:
        message: Json = choice.get("message") or {}
        calls: list[Json] = message.get("tool_calls") or []
        for call in calls:
            call["function"]["arguments"] = change(call["function"].get("arguments", ""))
    return made


# --- in the provider's place --------------------------------------------------------------------------------------------


@contextmanager
def playing(player: Player) -> Generator[Player]:
    """Within this, every request of litellm is answered by the player; in a replay no socket can be opened.

    Raises:
        CassetteMiss: within, when a request has no answer.
        CassetteError: at the end, when a recorded answer was not asked for.

    """
    litellm = load_litellm()
    respx: Any = importlib.import_module("respx")
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
    if player.unused:
        raise CassetteError(
            f"{player.recording.case}: {player.unused} of its recorded answers were not asked for; remake the recording."
        )


@contextmanager
def sockets_shut() -> Generator[None]:
    """Within this, whatever tries to open a connection ends the run instead."""

    def refuse(*args: object, **more: object) -> NoReturn:
        del args, more
        raise CassetteMiss("replay", "something tried to open a connection; a replay never goes out.")

    kept = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo
    socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = kept  # type: ignore[method-assign,assignment]
