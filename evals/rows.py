"""Rows of a history as its file holds them: JSONL, a JSON array, `{"tickets": [...]}` or CSV, with a mapping of its columns."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO, TypeAlias, cast

from pydantic import BaseModel, ConfigDict

from agent import intake

Row: TypeAlias = Mapping[str, Any] | str
"""One row; one that is a text says why it cannot be read."""
Rows: TypeAlias = Iterable[tuple[int, Row]]
"""Line number and row."""
MOST_WHOLE: Final = 64 * 2**20
"""Bytes of a file that is read at once, its encoding found out; a larger one is read line by line and must be UTF-8."""
LISTS: Final = ("tickets", "escalations", "cases", "results", "rows")
"""Keys under which exports hold their list."""


class RowMapping(BaseModel):
    """How the columns of a foreign history become the fields of ours."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    fields: dict[str, str] = {}
    """Our field (dotted for parts, e.g. `remedy.kind`) -> their column."""
    values: dict[str, dict[str, str]] = {}
    """Our field -> their word -> our word."""
    defaults: dict[str, str] = {}
    """Our field -> its value where theirs is empty."""


def of_text(name: str, text: str, mapping: RowMapping | None = None) -> Rows:
    """The rows of a history in our fields, each line read on its own; `name` says whether it is CSV."""
    return [(line, _row(row, mapping)) for line, row in _lines(name, io.StringIO(text, newline=""))]


def of_file(path: Path) -> Iterator[tuple[int, Row]]:
    """The rows of a file as they are, whichever of the shapes it has. A large one is never held as a whole.

    Raises:
        BadInput: it is no text.
        OSError: it cannot be read.

    """
    if path.stat().st_size > MOST_WHOLE:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            if stream.read(1) == "[":
                yield (
                    1,
                    f"a JSON array of more than {MOST_WHOLE >> 20} MB is not read as a whole; export one object on each line",
                )
                return
            stream.seek(0)
            yield from _lines(path.name, stream)
        return
    text = intake.decode(path.read_bytes(), [])
    yield from _listed(text) or _lines(path.name, io.StringIO(text, newline=""))


def renamed(row: Mapping[str, Any], mapping: RowMapping | None) -> dict[str, Any]:
    """A row in our fields; dotted names become parts."""
    flat = dict(row)
    if mapping is not None:
        found = {ours: row.get(theirs) for ours, theirs in mapping.fields.items()} if mapping.fields else flat
        flat = {ours: value for ours, value in found.items() if value not in (None, "")}
        flat = {k: mapping.values.get(k, {}).get(str(v), v) for k, v in flat.items()}
        flat = {**mapping.defaults, **flat}
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        whole, _, part = name.partition(".")
        if part:
            inner = nested.setdefault(whole, {})
            if isinstance(inner, dict):
                inner[part] = value
        else:
            nested[whole] = value
    return nested


def _row(row: Row, mapping: RowMapping | None) -> Row:
    return row if isinstance(row, str) else renamed(row, mapping)


def _lines(name: str, stream: TextIO) -> Iterator[tuple[int, Row]]:
    return _csv(stream) if Path(name).suffix.lower() in {".csv", ".tsv"} else _jsonl(stream)


def _listed(text: str) -> list[tuple[int, Row]] | None:
    """The rows of one JSON array, or of an object that holds one; None when it is neither. They are counted from 1."""
    start = text.lstrip()[:1]
    if start not in {"[", "{"} or (start == "{" and not any(f'"{key}"' in text[:1000] for key in LISTS)):
        return None
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        whole = cast("dict[str, Any]", value)
        value = next((whole[key] for key in LISTS if isinstance(whole.get(key), list)), None)
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    return [
        (n, cast("dict[str, Any]", item) if isinstance(item, dict) else "it is not a JSON object")
        for n, item in enumerate(items, start=1)
    ]


def _jsonl(stream: TextIO) -> Iterator[tuple[int, Row]]:
    for line, words in enumerate(stream, start=1):
        if not words.strip():
            continue
        try:
            value: object = json.loads(words)
        except (ValueError, RecursionError) as error:
            said = getattr(error, "msg", "too deep")
            yield line, f"it is not valid JSON ({said}); write one JSON object on each line"
            continue
        whole = cast("dict[str, Any]", value) if isinstance(value, dict) else None
        yield line, "it is not a JSON object; write one on each line" if whole is None else whole


def _csv(stream: TextIO) -> Iterator[tuple[int, Row]]:
    first = stream.readline()
    try:
        dialect = csv.Sniffer().sniff(first[:4096].rstrip("\r\n"), ",;\t")
    except csv.Error:
        dialect = csv.excel
    reader = csv.reader(_with(first, stream), dialect)
    head: list[str] | None = None
    before = 0
    try:
        for row in reader:
            line, before = before + 1, reader.line_num
            if head is None:
                head = [name.strip() for name in row]
            elif len(row) > len(head):
                yield line, f"it has {len(row)} columns, the head has {len(head)}; check its quotes"
            elif any(cell.strip() for cell in row):
                yield line, {name: cell for name, cell in zip(head, row, strict=False) if cell.strip()}
    except csv.Error as error:
        yield before + 1, f"it is no CSV ({error}); check its quotes"


def _with(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest
