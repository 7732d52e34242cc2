"""Prompt files: YAML front matter and a template body, loaded once, rendered strictly, versioned by content."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from agent.errors import BadInput, BrokenFile, noting
from agent.frontmatter import MODEL_KINDS, FrontMatter, Input, read_head
from agent.provenance import Piece, Segment, segments
from agent.template import ENGINE, MAX_ROUNDS, Engine, Source, Text, Untrusted, plain

MAX_BYTES: Final = 64 * 1024
SHORT: Final = 16
"""Hexadecimal digits of a version that people and drafts are shown."""
_DEPTH: Final = 3
_ID: Final = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*")
_MARK: Final = re.compile(r"[ \t]*\n?[ \t]*\[\[(policy|propose):([a-z0-9_-]+)\]\]")
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,), "number": (int, float), "boolean": (bool,),
    "list": (list,), "object": (dict,), "json": (list, dict),
}  # fmt: skip

Wrap: TypeAlias = Callable[[Input, bool, str, str], str]
"""Makes of a text, its declaration and name what the template gets; the flag says whether a model will read it."""


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
    head_text: str
    """The front matter as it is written."""

    def place(self, word: str) -> tuple[int, int]:
        """Line and column at which a word stands in the front matter; 0 and 0 when it stands nowhere."""
        for number, line in enumerate(self.head_text.splitlines(), start=2):
            if found := re.search(rf"(?<![\w/-]){re.escape(word)}(?![\w/-])", line):
                return number, found.start() + 1
        return 0, 0


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
        for_model = self.get(id_).head.kind in MODEL_KINDS
        return _finished(self._engine.render(id_, self._context(id_, values, _plain)), for_model)

    def trace(self, id_: str, values: Mapping[str, Any]) -> tuple[Segment, ...]:
        """The text that `compose` gives, in stretches that say where each comes from; slower.

        Raises:
            BadInput: as `compose`.
            BrokenFile: as `compose`.

        """
        for_model = self.get(id_).head.kind in MODEL_KINDS
        pieces = self._engine.traced(id_, self._context(id_, values, _traced))
        return segments(pieces, _finished("".join(pieces), for_model).text, None if for_model else _MARK)

    def _context(self, id_: str, values: Mapping[str, Any], wrap: Wrap) -> dict[str, Any]:
        """The declared inputs, each cleaned for its use."""
        context: dict[str, Any] = {}
        for_model, left = self.get(id_).head.kind in MODEL_KINDS, [MAX_ROUNDS]
        for name, declared in self._inputs[id_].items():
            text = partial(wrap, declared, for_model)
            _put(context, name, _clean(_take(values, name), name, declared, for_model, text, left))
        return context

    def reach(self, id_: str) -> frozenset[str]:
        """The ids of the file and of every partial that it reaches."""
        return frozenset({id_, *_reach(self.all, self.get(id_))})

    def version(self, id_: str) -> str:
        """sha256 over the file, every partial it reaches and the engine."""
        return self._versions[self.get(id_).head.id]


def load_prompts(folder: Path, *, checked: str = "", problems: list[BrokenFile] | None = None) -> Prompts:
    """All `.md` files below `folder` (READMEs aside) as prompts.

    Args:
        folder: of all texts.
        checked: the `digest` that was checked before; then the templates are not walked through again.
        problems: gets every problem that is found, not only the one that is raised.

    Raises:
        BrokenFile: a file cannot be used; the message names file, line and fix.

    """
    found: dict[str, Prompt] = {}
    for path in _files(folder):
        with noting(problems):
            prompt = _read(path, path.relative_to(folder).with_suffix("").as_posix())
            twin = next((p for p in found.values() if p.head.id.casefold() == prompt.head.id.casefold()), None)
            if twin:
                raise BrokenFile(path, 1, f"the id is a duplicate of {twin.path.name}", "rename one of the two files")
            found[prompt.head.id] = prompt
    if problems:
        raise problems[0]
    digest = _digest(found.values())
    new = digest != checked
    for prompt in found.values() if new else ():
        with noting(problems):
            _check_use(found, prompt, ())
            _check_marks(prompt)
    if problems:
        raise problems[0]
    fenced = frozenset(id_ for id_, p in found.items() if p.head.kind in MODEL_KINDS)
    inputs = {id_: dict(sorted(_inputs(found, p).items())) for id_, p in found.items()}
    engine = Engine({id_: _source(p) for id_, p in found.items()}, fenced, check=new, problems=problems)
    return Prompts(found, engine, inputs, {id_: _version(found, p) for id_, p in found.items()}, digest)


def _source(prompt: Prompt) -> Source:
    inputs = {name: declared.trust == "untrusted" for name, declared in prompt.head.inputs.items()}
    return Source(prompt.head.id, str(prompt.path), prompt.body, prompt.body_line, inputs, prompt.head.use)


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
    head = read_head(path, match[1])
    if head.id != id_ or not _ID.fullmatch(id_):
        raise BrokenFile(path, 2, f"id `{head.id}` is not the path `{id_}`", f"write `id: {id_}` or move the file")
    body = text[match.end() :].rstrip() + "\n"
    if not body.strip():
        raise BrokenFile(path, match[0].count("\n") + 1, "the body is empty", "write the text below the front matter")
    return Prompt(head, path, body, match[0].count("\n"), hashlib.sha256(raw).hexdigest(), match[1])


def _check_use(found: Mapping[str, Prompt], prompt: Prompt, above: tuple[str, ...]) -> None:
    chain = (*above, prompt.head.id)
    for id_ in prompt.head.use:
        shown = " > ".join((*chain, id_))
        line, column = prompt.place(id_)
        if id_ not in found or found[id_].head.kind != "partial":
            problem, fix = f"partial `{id_}` does not exist", "correct the id under `use`"
        elif id_ in chain:
            problem, fix = f"partials include each other: {shown}", "break the circle"
        elif len(chain) > _DEPTH:
            problem, fix = f"partials are nested deeper than {_DEPTH}: {shown}", "include the inner one directly"
        else:
            _check_use(found, found[id_], chain)
            continue
        raise BrokenFile(prompt.path, line, problem, fix, column)


def _check_marks(prompt: Prompt) -> None:
    known = {"policy": prompt.head.cites, "propose": prompt.head.proposes}
    for match in _MARK.finditer(prompt.body):
        if match[2] not in known[match[1]]:
            line = prompt.body_line + prompt.body[: match.start(1)].count("\n") + 1
            key = "cites" if match[1] == "policy" else "proposes"
            column = match.start(1) - prompt.body.rfind("\n", 0, match.start(1)) - 2
            problem = f"mark {match[0].strip()} is not declared"
            raise BrokenFile(prompt.path, line, problem, f"add it to `{key}`", column)


def _reach(found: Mapping[str, Prompt], prompt: Prompt) -> set[str]:
    direct = set(prompt.head.use)
    return direct.union(*(_reach(found, found[id_]) for id_ in direct))


def _digest(prompts: Iterable[Prompt]) -> str:
    return hashlib.sha256("".join([ENGINE, *sorted(p.digest for p in prompts)]).encode()).hexdigest()


def _version(found: Mapping[str, Prompt], prompt: Prompt) -> str:
    return version_of(prompt.digest, {p: found[p].digest for p in _reach(found, prompt)})


def version_of(digest: str, partials: Mapping[str, str]) -> str:
    """The version of a file from its own sha256 and those of the partials that it reaches, by id."""
    whole = "\n".join([ENGINE, digest, *(f"{id_} {sha}" for id_, sha in sorted(partials.items()))])
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


def _clean(value: Any, name: str, declared: Input, for_model: bool, text: Text, left: list[int]) -> Any:
    kind = declared.type.removesuffix(" or null")
    if value is None and declared.type.endswith(" or null"):
        return None
    if type(value) not in _TYPES[kind]:
        raise BadInput(f"is {type(value).__name__}, not {declared.type}", field=name, fix=f"pass a {kind}")
    if kind == "json":
        found = json.dumps(plain(value, name, lambda x, _: x, left), ensure_ascii=False, indent=1)
        return text(found.replace("<", "\\u003c").replace(">", "\\u003e"), name)
    if for_model:
        return plain(value, name, text, left)
    return plain(value, name, lambda x, at: text(_one_line(x, declared.max_chars), at), left)


def _plain(declared: Input, for_model: bool, text: str, _name: str) -> str:
    return Untrusted(text) if for_model and declared.trust == "untrusted" else text


def _traced(declared: Input, for_model: bool, text: str, name: str) -> str:
    return Piece(text, name, declared.trust, fence=for_model and declared.trust == "untrusted")


def _finished(text: str, for_model: bool) -> Rendered:
    """The text as it leaves: tidied, and without the marks, which become what it cites and proposes."""
    if for_model:
        return Rendered(re.sub(r"\n{3,}", "\n\n", text).strip() + "\n")
    marks = dict.fromkeys(_MARK.findall(text))
    return Rendered(
        fold(_MARK.sub("", text)),
        tuple(name for what, name in marks if what == "policy"),
        tuple(name for what, name in marks if what == "propose"),
    )


def _one_line(text: str, most: int) -> str:
    """Text that cannot break out of its sentence: no line break, no mark, no endless length."""
    line = " ".join(text.split()).replace("[[", "[ [").replace("\\", "/")
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
