"""Reads a YAML file of the pack into a pydantic model; every error names file, line and fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ValidationError

from agent.errors import BrokenFile

M = TypeVar("M", bound=BaseModel)


class _TwiceError(yaml.MarkedYAMLError):
    """A key stands twice in one mapping."""


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
    try:
        data: Any = yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except _TwiceError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 0
        raise BrokenFile(path, line, str(e.problem), "remove one of the two") from None
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 0
        raise BrokenFile(path, line, f"not valid YAML: {e.problem}", "check indentation and quotes there") from None
    except yaml.YAMLError as e:
        raise BrokenFile(path, 0, f"not valid YAML: {e}", "remove characters that YAML does not allow") from None
    try:
        return model.model_validate(data)
    except ValidationError as e:
        first = min(
            e.errors(), key=lambda x: x["type"] != "extra_forbidden"
        )  # a misspelt key says more than its absence
        where = tuple(first["loc"])
        name = ".".join(str(x) for x in where) or "the file"
        problem = f"{name}: {first['msg'].removeprefix('Value error, ')}"
        raise BrokenFile(path, line_of(text, where), problem, _fix(first["type"])) from None


def _fix(kind: str) -> str:
    fixes = {"extra_forbidden": "remove or rename this key", "missing": "add this key"}
    return fixes.get(kind, "correct this value")


def line_of(text: str, where: tuple[str | int, ...]) -> int:
    """The 1-based line on which the node at `where` (or its nearest parent) stands."""
    node = cast(Any, yaml.compose(text, Loader=yaml.SafeLoader))
    line = 1
    for step in where:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
