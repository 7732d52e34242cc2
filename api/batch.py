"""Many escalations from a file: each line gets its answer or its error, and the output appears whole or not at all."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from agent.errors import AgentError, BadInput
from api import reading
from api.commands.common import progress
from api.errors import DeskError, UsageError
from api.wiring import Runtime, propose
from retrieval.errors import RetrievalError

TOGETHER = 8
"""Escalations under way at the same time: some are read, the others wait for an engine."""


def run_batch(desk: Runtime, source: Path, target: Path | None) -> int:
    """Draft every line of `source`; 2 when a line could not be read, else 1 when a person must look at one, else 0.

    Raises:
        UsageError: `source` cannot be read or `target` not be written.

    """
    lines = _lines(source)
    with _output(target) as out:
        return asyncio.run(_all(desk, lines, out))


async def _all(desk: Runtime, lines: list[tuple[int, bytes]], out: TextIO) -> int:
    worst = 0
    counts = {"ready": 0, "blocked": 0, "needs_human": 0, "error": 0}
    window: deque[asyncio.Task[dict[str, Any]]] = deque()
    waiting = iter(lines)
    with progress("Drafting") as advance:
        for done in range(1, len(lines) + 1):
            for number, line in islice(waiting, TOGETHER - len(window)):
                window.append(asyncio.create_task(_answer(desk, number, line)))
            answer = await window.popleft()
            state = "error" if "error" in answer else answer["state"]
            counts[state] += 1
            worst = max(worst, {"ready": 0, "error": 2}.get(state, 1))
            print(json.dumps(answer, ensure_ascii=False), file=out)
            advance(done, len(lines))
    said = ", ".join(f"{number} {state.replace('_', ' a ')}" for state, number in counts.items() if number)
    print(f"{len(lines)} escalations: {said or 'none'}.", file=sys.stderr)
    return worst


async def _answer(desk: Runtime, number: int, line: bytes) -> dict[str, Any]:
    given: Any = ""
    try:
        payload = reading.json_object(reading.text_of(line))
        given = payload.get("id", "")
        deps = desk.parts.all().deps
        return await propose(payload, deps, desk.clock, case_id=f"line_{number}")
    except (AgentError, DeskError, RetrievalError) as error:
        field = error.field if isinstance(error, BadInput) else ""
        name = type(error).__name__
        return {"line": number, "id": given, "error": {"type": name, "field": field, "detail": str(error)}}


def _lines(source: Path) -> list[tuple[int, bytes]]:
    if not source.is_file():
        raise UsageError(f"There is no file {source}; check the path.")
    return [(n, line) for n, line in enumerate(source.read_bytes().split(b"\n"), start=1) if line.strip()]


@contextmanager
def _output(target: Path | None) -> Generator[TextIO]:
    """Where the answers go; a file gets its name only when all of them are in it."""
    if target is None:
        yield sys.stdout
        return
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as out:
            yield out
        part.replace(target)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
