"""The child that tries texts: it limits itself, checks a laid-out tree, and renders; one JSON object in, JSON lines out."""

from __future__ import annotations

import json
import re
import resource
import signal
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict
from fnmatch import filter as matching
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeAlias, TypeVar

from agent.errors import BadInput, BrokenFile
from agent.prompts import Prompts
from api.fixtures import read_fixtures
from api.texts import load_texts
from api.trial import MEMORY, RENDER_S, Problem, problem_of
from api.versions import ACTIVATION

Json: TypeAlias = dict[str, Any]
T = TypeVar("T")

_LOAD_MEMORY: Final = 512 * 2**20
"""Most memory for checking all texts; a third of it is used."""
_LOAD_S: Final = 60
"""Most seconds of the processor for everything."""


class _TooLongError(Exception):
    """A rendering takes too much of the processor."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _TooLongError


def _bounded(work: Callable[[], T]) -> T:
    """Do one rendering within its time.

    Raises:
        BrokenFile: it takes longer, or more memory, or cannot be compiled.

    """
    signal.setitimer(signal.ITIMER_PROF, RENDER_S)
    try:
        return work()
    except _TooLongError:
        raise BrokenFile("", 0, f"rendering takes more than {RENDER_S * 1000:.0f} ms", _SHORTER) from None
    except MemoryError:
        raise BrokenFile("", 0, f"rendering takes more than {MEMORY >> 20} MB", _SHORTER) from None
    except (RecursionError, SyntaxError):
        raise BrokenFile("", 0, "tags are nested too deeply", "take the inner ones out") from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


_SHORTER: Final = "print less, with fewer loops and partials"


def _limit(what: int, amount: int) -> None:
    _, most = resource.getrlimit(what)
    amount = amount if most == resource.RLIM_INFINITY else min(amount, most)
    resource.setrlimit(what, (amount, most))


def _held() -> int:
    """Bytes of address space that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _render_all(prompts: Prompts, folder: Path, fixtures: Path, ids: Iterable[str]) -> tuple[list[Problem], int]:
    """Each prompt with each fixture that fits it; one problem for a prompt is enough."""
    values, problems, done = read_fixtures(fixtures), list[Problem](), 0
    for id_ in ids:
        path = prompts.get(id_).path
        fitting = [fixture for fixture in values if fixture.fits(id_)]
        if not fitting:
            problem, fix = "no fixture has values for it", "add some to prompts/fixtures"
            problems.append(problem_of(BrokenFile(path, 0, problem, fix), folder))
        for fixture in fitting:
            _say({"at": f"{id_}.md"})
            try:
                text = _bounded(lambda: prompts.render(id_, fixture.values))  # noqa: B023 - called at once
                guard_text(prompts, id_, text)
                done += 1
            except BrokenFile as broken:
                known = broken if broken.path else BrokenFile(path, 0, broken.problem, broken.fix)
                problems.append(problem_of(_with(known, fixture.name), folder, "render"))
                break
            except BadInput as error:
                problem, fix = f"{error.field} {str(error).partition(': ')[2].partition(';')[0]}", "correct `inputs`"
                broken = BrokenFile(path, *_place(prompts, id_, error.field, problem, fix))
                problems.append(problem_of(_with(broken, fixture.name), folder, "render"))
                break
    return problems, done


def _place(prompts: Prompts, id_: str, field: str, problem: str, fix: str) -> tuple[int, str, str, int]:
    line, column = prompts.get(id_).place(field)
    return line, problem, fix, column


def _with(broken: BrokenFile, fixture: str) -> BrokenFile:
    return BrokenFile(
        broken.path, broken.line, f"{broken.problem} (with the fixture {fixture})", broken.fix, broken.column
    )


def guard_text(prompts: Prompts, id_: str, text: str) -> None:
    """Hold a rendered text against the `guards` of its file.

    Raises:
        BrokenFile: it is too long or too hard.

    """
    head = prompts.get(id_).head
    if head.guards.max_chars is not None and len(text) > head.guards.max_chars:
        problem = f"the text has {len(text)} characters, more than {head.guards.max_chars}"
        raise BrokenFile(prompts.get(id_).path, prompts.get(id_).place("max_chars")[0], problem, "shorten it")
    if head.guards.max_lix is not None and (found := lix(text)) > head.guards.max_lix:
        problem = f"the text has LIX {found:.0f}, more than {head.guards.max_lix:g}"
        fix = "write shorter sentences and shorter words"
        raise BrokenFile(prompts.get(id_).path, prompts.get(id_).place("max_lix")[0], problem, fix)


def lix(text: str) -> float:
    """How hard a text reads: words a sentence plus the percentage of words over six letters (Björnsson 1968)."""
    words = re.findall(r"[^\W\d_]+", text)
    sentences = max(1, len(re.findall(r"[.!?:](?=\s|$)", text)))
    return len(words) / sentences + 100 * sum(len(word) > 6 for word in words) / len(words) if words else 0.0


def _say(line: Json) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _answer(request: Json) -> Json:
    folder, fixtures = Path(request["folder"]), Path(request["fixtures"])
    answer: Json = {"problems": [], "marks": ["", ""], "rendered": 0, "text": "", "segments": []}
    problems: list[BrokenFile] = []
    try:
        texts = load_texts(folder / "prompts", folder / "store", checked=tuple(request["checked"]), problems=problems)
        if request["preview"] is None:
            check_activation(texts.activation.second_person, texts.prompts.all, folder)
    except BrokenFile as broken:
        known = problems if broken in problems else [*problems, broken]
        found = dict.fromkeys(problem_of(one, folder) for one in known)
        return {**answer, "problems": [asdict(one) for one in found]}
    _limit(resource.RLIMIT_AS, _held() + MEMORY)
    if request["preview"] is not None:
        return {**answer, **_preview(texts.prompts, folder, *request["preview"])}
    wanted = texts.prompts.all if request["ids"] is None else request["ids"]
    try:
        found, done = _render_all(texts.prompts, folder, fixtures, [id_ for id_ in wanted if id_ in texts.prompts.all])
    except BrokenFile as broken:
        found, done = [problem_of(broken, fixtures.parent)], 0
    return {**answer, "marks": list(texts.marks), "rendered": done, "problems": [asdict(one) for one in found]}


def _preview(prompts: Prompts, folder: Path, id_: str, values: Json) -> Json:
    _say({"at": f"{id_}.md"})
    try:
        found = _bounded(lambda: prompts.trace(id_, values))
    except BrokenFile as broken:
        known = broken if broken.path else BrokenFile(f"{id_}.md", 0, broken.problem, broken.fix)
        return {"problems": [asdict(problem_of(known, folder, "render"))]}
    except BadInput as error:
        line, column = prompts.get(id_).place(error.field)
        problem = f"{error.field} {str(error).partition(': ')[2].partition(';')[0]}"
        return {"problems": [asdict(Problem(f"{id_}.md", line, column, problem, "correct `inputs`", "render"))]}
    return {"text": "".join(one.text for one in found), "segments": [asdict(one) for one in found]}


def check_activation(patterns: Iterable[str], ids: Collection[str], folder: Path) -> None:
    """Every file that a second person must confirm has to exist, else a slip would open the door.

    Raises:
        BrokenFile: a pattern names none.

    """
    for pattern in patterns:
        if not pattern.startswith(("pack/", "store/")) and not matching(list(ids), pattern):
            fix = "write ids as `desk prompts list` shows them, with * for any part"
            raise BrokenFile(folder / "prompts" / ACTIVATION, 0, f"`{pattern}` names no file", fix)


def main() -> None:
    """Answer the one request on standard input."""
    for what, amount in (
        (resource.RLIMIT_CPU, _LOAD_S), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, _held() + _LOAD_MEMORY),
    ):  # fmt: skip
        _limit(what, amount)
    signal.signal(signal.SIGPROF, _stop)
    try:
        _say(_answer(json.load(sys.stdin)))
    except MemoryError:
        one = Problem("pack", 0, 0, "checking the texts takes too much memory", "make the files smaller")
        _say({"problems": [asdict(one)], "marks": ["", ""], "rendered": 0, "text": "", "segments": []})


if __name__ == "__main__":
    main()
