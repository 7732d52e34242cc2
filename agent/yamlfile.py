"""Reads a YAML file of the pack into a pydantic model; every error names file, line, column and fix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ValidationError

from agent.errors import BrokenFile

M = TypeVar("M", bound=BaseModel)


class _TwiceError(yaml.MarkedYAMLError):
    """A key stands twice in one mapping."""


_DEEPEST = 20
"""Levels of nesting; the deepest file of the desk has seven."""
FAST_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader, in C where PyYAML has it: ten times as fast."""


class _Loader(FAST_LOADER):
    """The safe loader, but of two equal keys it does not silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _TwiceError(problem=f"`{key.value}` stands there a second time", problem_mark=key.start_mark)
                seen.add(key.value)
        return cast("dict[Any, Any]", super().construct_mapping(node, deep))  # pyright: ignore[reportUnknownMemberType]

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return cast(Any, super().construct_object(node, deep))  # pyright: ignore[reportUnknownMemberType]
        except (ValueError, OverflowError):  # e.g. 2026-13-01
            raise yaml.MarkedYAMLError(
                problem="this is no date and no number; put it in quotes if it is a text", problem_mark=node.start_mark
            ) from None


def read_yaml(path: Path, model: type[M]) -> M:
    """The content of `path` as `model`.

    Raises:
        BrokenFile: the file is missing, is not UTF-8, is not YAML, or does not fit the model.

    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BrokenFile(path, 0, "the file is missing", "restore it from the repository or a backup") from None
    except UnicodeDecodeError as e:
        line = e.object[: e.start].count(b"\n") + 1
        raise BrokenFile(path, line, "the file is not UTF-8", "save it as UTF-8") from None
    data = parse_yaml(text, path)
    try:
        return model.model_validate(data)
    except ValidationError as e:
        first = min(
            e.errors(), key=lambda x: x["type"] != "extra_forbidden"
        )  # a misspelt key says more than its absence
        where = tuple(first["loc"])
        name = ".".join(str(x) for x in where) or "the file"
        problem = f"{name}: {first['msg'].removeprefix('Value error, ')}"
        line, column = place_of(text, where)
        raise BrokenFile(path, line, problem, fix_of(first["type"]), column) from None


def parse_yaml(text: str, path: object, *, wrong: str = "not valid YAML", before: int = 0) -> Any:
    """The plain data in a YAML text: no tags, no aliases, no key twice, and nothing nested without end.

    Args:
        text: the YAML.
        path: of the file, for errors.
        wrong: how an error begins.
        before: lines of the file before the text.

    Raises:
        BrokenFile: it is none.

    """
    try:
        _check_events(text, path, before)
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except _TwiceError as e:
        raise BrokenFile(path, *_mark(e, before, str(e.problem), "remove one of the two")) from None
    except yaml.MarkedYAMLError as e:
        problem = f"{wrong}: {e.problem}"
        raise BrokenFile(path, *_mark(e, before, problem, "check indentation and quotes there")) from None
    except yaml.YAMLError:
        fix = "remove characters that YAML does not allow"
        raise BrokenFile(path, before and 1, f"{wrong}: it holds control characters", fix) from None


def _check_events(text: str, path: object, before: int) -> None:
    """Refuses what would crash or swell the parser; its own recursion in C knows no bound."""
    depth = 0
    for event in cast("Iterator[Any]", yaml.parse(text, FAST_LOADER)):
        what = ""
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            what = "an alias"
        elif isinstance(event, yaml.NodeEvent):
            depth += isinstance(event, yaml.CollectionStartEvent)
            if event.anchor is not None:
                what = "an anchor"
            elif getattr(event, "tag", None) not in (None, "!"):
                what = "a tag"
            elif depth > _DEEPEST:
                what = f"more than {_DEEPEST} levels"
        if what:
            line, column = event.start_mark.line + before + 1, event.start_mark.column + 1
            raise BrokenFile(path, line, f"{what} is not allowed here", "write the value out plainly", column)


def _mark(error: yaml.MarkedYAMLError, before: int, problem: str, fix: str) -> tuple[int, str, str, int]:
    mark = error.problem_mark
    return (mark.line + before + 1, problem, fix, mark.column + 1) if mark else (before and 1, problem, fix, 0)


def fix_of(kind: str) -> str:
    """The way out of a pydantic error of this kind."""
    fixes = {"extra_forbidden": "remove or rename this key", "missing": "add this key"}
    return fixes.get(kind, "correct this value")


def place_of(text: str, where: tuple[str | int, ...]) -> tuple[int, int]:
    """The 1-based line and column at which the node at `where` (or its nearest parent) stands."""
    node = cast(Any, yaml.compose(text, Loader=yaml.SafeLoader))
    mark = None
    for step in where:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if pair is None:
                break
            mark, node = pair[0].start_mark, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            mark = node.start_mark
        else:
            break
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def line_of(text: str, where: tuple[str | int, ...]) -> int:
    """The 1-based line at which the node at `where` (or its nearest parent) stands."""
    return place_of(text, where)[0]
