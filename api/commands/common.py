"""What several commands share: the runtime, loading with a word about it, progress, output."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from api.parts import Loaded
    from api.past import HistoryError
    from api.settings import Settings
    from api.wiring import Runtime

Advance = Callable[[int, int], None]


def settings(**given: object) -> Settings:
    """The settings of this process, and logging as they say."""
    from api.settings import load

    found = load(None, **{name: value for name, value in given.items() if value is not None})
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for name in ("api", "agent", "retrieval"):
        logging.getLogger(name).setLevel(found.log_level.upper())
    return found


@contextmanager
def runtime(*, sample: bool = True, settle: bool = True, **given: object) -> Generator[Runtime]:
    """The desk of this process, closed in order; with `settle` it looks first whether texts on disk changed."""
    from api.wiring import build_runtime

    desk = build_runtime(settings(**given), sample=sample, settle=settle)
    try:
        yield desk
    finally:
        desk.close()


def loaded(desk: Runtime) -> Loaded:
    """Everything that takes seconds to load; says on stderr what is awaited."""
    with progress("Loading") as advance:
        words = ""

        def told(part: str, state: str) -> None:
            nonlocal words
            words = state
            numbers = [int(word) for word in words.split() if word.isdigit()]
            if part == "classifier" and len(numbers) == 2:
                advance(numbers[0], numbers[1])

        desk.parts.listener = told
        return desk.parts.all()


@contextmanager
def progress(what: str) -> Generator[Advance]:
    """A bar on a terminal; elsewhere a line at each tenth of long work. All of it on stderr."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, of: bar.update(task, completed=done, total=of)
        return
    told = 0

    def line(done: int, of: int) -> None:
        nonlocal told
        if of >= 50 and done * 10 // of > told:
            told = done * 10 // of
            print(f"{what}: {done} of {of}", file=sys.stderr, flush=True)

    yield line


def as_json(value: Any) -> None:
    """`value` on stdout, for programs."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def tell_wrong_rows(error: HistoryError) -> None:
    """Each wrong row of a history on stderr, up to a number that can be read."""
    from api.past import MOST_ERRORS

    for one in error.errors[:MOST_ERRORS]:
        print(f"line {one.line}: {one.problem}", file=sys.stderr)
    if len(error.errors) > MOST_ERRORS:
        print(f"... and {len(error.errors) - MOST_ERRORS} more", file=sys.stderr)


def embed_all(desk: Runtime) -> int:
    """Encode every precedent that still waits for its vector; returns how many did."""
    encoder = desk.parts.encoder()
    _, waiting = desk.archive.counts(encoder.fingerprint)
    with progress("Encoding past cases") as advance:
        done = 0
        while some := desk.archive.waiting(encoder.fingerprint, 32):
            vectors = encoder.encode([text for _, text in some])
            desk.archive.set_vectors(encoder.fingerprint, {id_: vectors[n] for n, (id_, _) in enumerate(some)})
            done += len(some)
            advance(done, max(waiting, done))
    return done
