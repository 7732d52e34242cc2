"""What takes seconds to load: encoders, classifier and the memory of past cases. Loaded once, in a thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeAlias, TypeVar

from agent.errors import AgentError
from api.errors import DeskError, PartsError
from retrieval.errors import RetrievalError
from retrieval.precedent import Encoder, Vectors
from retrieval.search import PrecedentSearch

Report: TypeAlias = Callable[[str, str], None]
"""Called with a part and how it stands."""

T = TypeVar("T")
READY: Final = "ready"
FAILED: Final = "failed"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """All parts, ready."""

    encoder: Encoder
    search: PrecedentSearch
    deps: Any
    """What the agent's pipeline needs, of its type `Deps`."""
    learned: list[Any] = field(default_factory=list[Any])
    """What of the pack the classifier learned from."""


class Parts:
    """Parts that may still be loading: asking for one waits for it."""

    def __init__(self, load_encoder: Callable[[], Encoder], load_rest: Callable[[Encoder, Report], Loaded]) -> None:
        self._load_encoder, self._load_rest = load_encoder, load_rest
        self._encoder: Future[Encoder] = Future()
        self._all: Future[Loaded] = Future()
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self.state: dict[str, str] = {}
        """How each part stands: `ready`, or what it is doing, or why it failed."""
        self.listener: Report = lambda part, state: None
        self._loaded: Loaded | None = None
        self._change: Callable[[Loaded], Loaded] | None = None

    def start(self) -> None:
        """Begin to load, if that has not begun yet."""
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._load, name="loading", daemon=True)
                self._thread.start()

    def encoder(self) -> Encoder:
        """The encoder, as soon as it is there."""
        self.start()
        return self._encoder.result()

    def all(self) -> Loaded:
        """Everything, as soon as it is there."""
        self.start()
        first = self._all.result()
        return self._loaded or first

    @property
    def loaded(self) -> Loaded | None:
        """Everything if it is there now."""
        return self._loaded

    def swap(self, change: Callable[[Loaded], Loaded]) -> None:
        """Go on with changed parts; those that are still loading are changed, by the last change, as soon as they are there."""
        with self._guard:
            self._change = change
            if self._loaded is not None:
                self._loaded = change(self._loaded)

    @property
    def problem(self) -> str:
        """Which part could not be loaded and why; "" while none failed."""
        return next((f"{part} {state}" for part, state in self.state.items() if state.startswith(FAILED)), "")

    def stop(self) -> None:
        """Whoever still waits is told that it is over."""
        self._fail(PartsError("The desk is stopping."))

    def report(self, part: str, state: str) -> None:
        """Note how a part stands."""
        self.state[part] = state
        self.listener(part, state)

    def _load(self) -> None:
        try:
            self.report("encoder", "loading")
            encoder = self._load_encoder()
            self.report("encoder", READY)
            with suppress(InvalidStateError):  # stopped in the meantime
                self._encoder.set_result(encoder)
                loaded = self._load_rest(encoder, self.report)
                with self._guard:
                    self._loaded = self._change(loaded) if self._change else loaded
                self._all.set_result(self._loaded)
        except (AgentError, RetrievalError, DeskError, OSError, ImportError, ValueError) as error:
            part = next((name for name, state in self.state.items() if state != READY), "parts")
            self.report(part, f"{FAILED}: {error}")
            log.error("the %s could not be loaded: %s", part, error)
            self._fail(PartsError(f"The {part} could not be loaded: {error}"))

    def _fail(self, error: PartsError) -> None:
        for future in (self._encoder, self._all):
            with suppress(InvalidStateError):
                future.set_exception(error)


class Ahead(Generic[T]):
    """Something slow that loads in a thread of its own from when it is begun, so that other things can load meanwhile."""

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._future: Future[T] | None = None

    def begin(self) -> Future[T]:
        """Begin to load, if that has not begun yet."""
        if self._future is None:
            self._future = ThreadPoolExecutor(1, "ahead").submit(self._load)
        return self._future

    def result(self) -> T:
        """The thing, as soon as it is there."""
        return self.begin().result()


class LazyEncoder:
    """The encoder for those who ask before it is loaded; fulfils `Encoder` by waiting."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def fingerprint(self) -> str:
        """Of the encoder behind it."""
        return self._parts.encoder().fingerprint

    @property
    def dimension(self) -> int:
        """Of the encoder behind it."""
        return self._parts.encoder().dimension

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of the encoder behind it."""
        return self._parts.encoder().encode(texts)
