"""Prompt files: YAML front matter and a template body, loaded once, rendered strictly, versioned by content."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import BadInput, BrokenFile
from agent.template import ENGINE, Engine, Source, Untrusted, plain
from agent.yamlfile import FAST_LOADER

MAX_BYTES: Final = 64 * 1024
_DEPTH: Final = 3
_ID: Final = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*")
_MARK: Final = re.compile(r"[ \t]*\n?[ \t]*\[\[(policy|propose):([a-z0-9_-]+)\]\]")
_MODEL_KINDS: Final = ("triage", "draft")
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,), "number": (int, float), "boolean": (bool,),
    "list": (list,), "object": (dict,), "json": (list, dict),
}  # fmt: skip

Kind = Literal["triage", "draft", "reply", "brief", "partial"]


class Input(BaseModel):
    """One value that a prompt reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    type: str = Field(pattern=r"^(string|number|boolean|list|object|json)( or null)?$")
    """Type of the value; `json` is printed as JSON, `object or null` may be absent."""
    trust: Literal["system", "untrusted", "store"]
    """Who wrote it: the desk, the customer, or the store's own files."""
    max_chars: int = Field(default=1000, ge=1, le=100_000)
    """Longest text in a reply or brief; the rest becomes an ellipsis."""


class FrontMatter(BaseModel):
    """The head of a prompt file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: str
    """Equal to the path below the prompt folder, without `.md`."""
    kind: Kind
    """What it makes: a model's prompt (triage, draft), text to a customer (reply), text to staff (brief), or a part."""
    title: str = Field(min_length=1)
    """Shown to admins."""
    inputs: dict[str, Input] = {}
    """Every dotted name that the body reads."""
    use: tuple[str, ...] = ()
    """Partials that the body includes."""
    output: str = ""
    """Name of the structured answer that a model gives."""
    applies_to: dict[str, tuple[str, ...]] = {}
    """Where it is used, e.g. `issue_types` and `languages`."""
    cites: tuple[str, ...] = ()
    """Policy lines that paragraphs rest on, marked there with `[[policy:id]]`."""
    proposes: tuple[str, ...] = ()
    """Kinds of action that paragraphs suggest to a human, marked there with `[[propose:kind]]`."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file."""

    head: FrontMatter
    path: Path
    body: str
    body_line: int
    """Lines of the file before the body."""
    digest: str
    """sha256 of the file."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered text and what its paragraphs rest on."""

    text: str
    cites: tuple[str, ...] = ()
    """Policy lines used by the paragraphs that are in the text."""
    proposes: tuple[str, ...] = ()
    """Kinds of action that those paragraphs suggest to the human."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """All prompt files of a folder, checked and compiled."""

    all: Mapping[str, Prompt]
    _engine: Engine = field(repr=False)
    _inputs: Mapping[str, Mapping[str, Input]] = field(repr=False)
    """What each file and the partials that it reaches declare, by name."""
    _versions: Mapping[str, str] = field(repr=False)
    digest: str
    """Content hash of all files."""

    def get(self, id_: str) -> Prompt:
        """The prompt file with this id.

        Raises:
            BrokenFile: there is none.

        """
        try:
            return self.all[id_]
        except KeyError:
            raise BrokenFile(f"{id_}.md", 0, "the prompt file is missing", "restore it or correct the id") from None

    def render(self, id_: str, values: Mapping[str, Any]) -> str:
        """The text of a prompt; see `compose`."""
        return self.compose(id_, values).text

    def compose(self, id_: str, values: Mapping[str, Any]) -> Rendered:
        """The text of a prompt with what it cites and proposes.

        `values` is nested plain data; only declared inputs are read from it. Customer text is fenced in a model's
        prompt, and kept to one line and to its length in a reply or brief.

        Raises:
            BadInput: a declared value is missing, is of another type, or is not plain data.
            BrokenFile: the template cannot be rendered from these values.

        """
        prompt = self.get(id_)
        context: dict[str, Any] = {}
        for name, declared in self._inputs[id_].items():
            _put(context, name, _clean(_take(values, name), name, declared, prompt.head.kind in _MODEL_KINDS))
        text = self._engine.render(id_, context)
        if prompt.head.kind in _MODEL_KINDS:
            return Rendered(re.sub(r"\n{3,}", "\n\n", text).strip() + "\n")
        marks = dict.fromkeys(_MARK.findall(text))
        return Rendered(
            fold(_MARK.sub("", text)),
            tuple(name for what, name in marks if what == "policy"),
            tuple(name for what, name in marks if what == "propose"),
        )

    def version(self, id_: str) -> str:
        """sha256 over the file, every partial it reaches and the engine."""
        return self._versions[self.get(id_).head.id]


def load_prompts(folder: Path, *, checked: str = "") -> Prompts:
    """All `.md` files below `folder` (READMEs aside) as prompts.

    Args:
        folder: of all texts.
        checked: the `digest` that was checked before; then the templates are not walked through again.

    Raises:
        BrokenFile: a file cannot be used; the message names file, line and fix.

    """
    found: dict[str, Prompt] = {}
    for path in _files(folder):
        prompt = _read(path, path.relative_to(folder).with_suffix("").as_posix())
        twin = next((p for p in found.values() if p.head.id.casefold() == prompt.head.id.casefold()), None)
        if twin:
            raise BrokenFile(path, 1, f"the id is a duplicate of {twin.path.name}", "rename one of the two files")
        found[prompt.head.id] = prompt
    digest = _digest(found.values())
    new = digest != checked
    for prompt in found.values() if new else ():
        _check_use(found, prompt, ())
        _check_marks(prompt)
    sources = {
        id_: Source(
            id_,
            str(p.path),
            p.body,
            p.body_line,
            {n: i.trust == "untrusted" for n, i in p.head.inputs.items()},
            p.head.use,
        )
        for id_, p in found.items()
    }
    fenced = frozenset(id_ for id_, p in found.items() if p.head.kind in _MODEL_KINDS)
    inputs = {id_: dict(sorted(_inputs(found, p).items())) for id_, p in found.items()}
    engine = Engine(sources, fenced, check=new)
    return Prompts(found, engine, inputs, {id_: _version(found, p) for id_, p in found.items()}, digest)


def fold(text: str) -> str:
    """Text for people: each paragraph is one line, apart from list lines and lines after a backslash."""
    paragraphs: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = ""
        for line in (re.sub(r"\s+", " ", x).strip() for x in block.splitlines()):
            if not line:
                continue
            glue = "\n" if lines.endswith("\\") or (lines and line.startswith("- ")) else " "
            lines = f"{lines.removesuffix(chr(92)).rstrip()}{glue}{line}" if lines else line
        if lines:
            paragraphs.append(re.sub(r" +([.,;:!?])(?=\s|$)", r"\1", lines))
    return "\n\n".join(paragraphs) + "\n"


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and (path.suffix == ".md" or path.is_dir()):
            raise BrokenFile(path, 0, "it is a symbolic link", "put the file itself there")
        if path.suffix == ".md" and path.is_file() and path.name != "README.md":
            yield path


def _read(path: Path, id_: str) -> Prompt:
    raw = path.read_bytes()
    if len(raw) > MAX_BYTES:
        raise BrokenFile(
            path, 0, f"the file is larger than {MAX_BYTES // 1024} KB", "shorten it or move parts to partials"
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as e:
        raise BrokenFile(path, raw[: e.start].count(b"\n") + 1, "the file is not UTF-8", "save it as UTF-8") from None
    text = text.replace("\r\n", "\n")
    match = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    if not match:
        raise BrokenFile(path, 1, "there is no front matter", "begin with `---`, the keys, and `---`")
    head = _head(path, match[1])
    if head.id != id_ or not _ID.fullmatch(id_):
        raise BrokenFile(path, 2, f"id `{head.id}` is not the path `{id_}`", f"write `id: {id_}` or move the file")
    body = text[match.end() :].rstrip() + "\n"
    if not body.strip():
        raise BrokenFile(path, match[0].count("\n") + 1, "the body is empty", "write the text below the front matter")
    return Prompt(head, path, body, match[0].count("\n"), hashlib.sha256(raw).hexdigest())


def _head(path: Path, text: str) -> FrontMatter:
    try:
        return FrontMatter.model_validate(yaml.load(text, FAST_LOADER))  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 2 if e.problem_mark else 1
        raise BrokenFile(
            path, line, f"the front matter is not YAML: {e.problem}", "check quotes and indentation"
        ) from None
    except yaml.YAMLError:
        raise BrokenFile(
            path, 1, "the front matter is not YAML", "remove characters that YAML does not allow"
        ) from None
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(x) for x in first["loc"])
        key = str(first["loc"][0]) if first["loc"] else ""
        line = next((n for n, x in enumerate(text.splitlines(), 2) if key and x.startswith(f"{key}:")), 1)
        fix = "remove or rename this key" if first["type"] == "extra_forbidden" else "correct this value"
        raise BrokenFile(path, line, f"{where or 'front matter'}: {first['msg']}", fix) from None


def _check_use(found: Mapping[str, Prompt], prompt: Prompt, above: tuple[str, ...]) -> None:
    chain = (*above, prompt.head.id)
    for id_ in prompt.head.use:
        if id_ not in found or found[id_].head.kind != "partial":
            raise BrokenFile(prompt.path, 0, f"partial `{id_}` does not exist", "correct the id under `use`")
        if id_ in chain:
            raise BrokenFile(
                prompt.path, 0, f"partials include each other: {' > '.join((*chain, id_))}", "break the circle"
            )
        if len(chain) > _DEPTH:
            problem = f"partials are nested deeper than {_DEPTH}: {' > '.join((*chain, id_))}"
            raise BrokenFile(prompt.path, 0, problem, "include the inner one directly")
        _check_use(found, found[id_], chain)


def _check_marks(prompt: Prompt) -> None:
    known = {"policy": prompt.head.cites, "propose": prompt.head.proposes}
    for match in _MARK.finditer(prompt.body):
        if match[2] not in known[match[1]]:
            line = prompt.body_line + prompt.body[: match.start(1)].count("\n") + 1
            key = "cites" if match[1] == "policy" else "proposes"
            raise BrokenFile(prompt.path, line, f"mark {match[0].strip()} is not declared", f"add it to `{key}`")


def _reach(found: Mapping[str, Prompt], prompt: Prompt) -> set[str]:
    direct = set(prompt.head.use)
    return direct.union(*(_reach(found, found[id_]) for id_ in direct))


def _digest(prompts: Iterable[Prompt]) -> str:
    return hashlib.sha256("".join([ENGINE, *sorted(p.digest for p in prompts)]).encode()).hexdigest()


def _version(found: Mapping[str, Prompt], prompt: Prompt) -> str:
    parts = sorted(_reach(found, prompt))
    whole = "\n".join([ENGINE, prompt.digest, *(f"{p} {found[p].digest}" for p in parts)])
    return hashlib.sha256(whole.encode()).hexdigest()


def _inputs(found: Mapping[str, Prompt], prompt: Prompt) -> dict[str, Input]:
    """Inputs of a prompt and its partials; where they differ in trust, untrusted wins."""
    inputs = dict(prompt.head.inputs)
    for id_ in _reach(found, prompt):
        for name, declared in found[id_].head.inputs.items():
            if name not in inputs or declared.trust == "untrusted":
                inputs[name] = declared
    return inputs


def _take(values: Mapping[str, Any], name: str) -> Any:
    value: Any = values
    for step in name.split("."):
        if not isinstance(value, Mapping) or step not in value:
            raise BadInput("the prompt needs this value", field=name, fix="pass it")
        value = value[step]  # pyright: ignore[reportUnknownVariableType]
    return value  # pyright: ignore[reportUnknownVariableType]


def _put(context: dict[str, Any], name: str, value: Any) -> None:
    *folders, last = name.split(".")
    for step in folders:
        context = context.setdefault(step, {})
    context[last] = value


def _clean(value: Any, name: str, declared: Input, for_model: bool) -> Any:
    kind = declared.type.removesuffix(" or null")
    if value is None and declared.type.endswith(" or null"):
        return None
    if type(value) not in _TYPES[kind]:
        raise BadInput(f"is {type(value).__name__}, not {declared.type}", field=name, fix=f"pass a {kind}")
    wrap = Untrusted if for_model and declared.trust == "untrusted" else str
    if kind == "json":
        text = json.dumps(plain(value, name, str), ensure_ascii=False, indent=1)
        return wrap(text.replace("<", "\\u003c").replace(">", "\\u003e"))
    if for_model:
        return plain(value, name, wrap)
    return plain(value, name, lambda text: _one_line(text, declared.max_chars))


def _one_line(text: str, most: int) -> str:
    """Text that cannot break out of its sentence: no line break, no mark, no endless length."""
    line = " ".join(text.split()).replace("[[", "[ [").replace("\\", "/")
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
