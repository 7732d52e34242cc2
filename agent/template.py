"""The subset of Jinja that prompt files may use: checked before it is compiled, rendered from plain data only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, TypeAlias, cast

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.errors import BadInput, BrokenFile, noting

ENGINE: Final = f"jinja2 {jinja2.__version__}, subset 2"
"""Part of every prompt's version: another engine may render the same file otherwise."""

MAX_OUTPUT: Final = 400_000
"""Characters of one rendered text; rendering stops there."""
MAX_ITEMS: Final = 500
"""Entries of one list or object that is handed to a template."""
MAX_ROUNDS: Final = 6_000
"""Rounds of all loops of one rendering together."""
_MAX_NODES: Final = 6_000
"""Parts of a template with its partials; ten times the largest of the desk's own."""
_MAX_LOOPED: Final = 400
"""Parts of them inside loops: with `MAX_ROUNDS`, what one rendering can cost."""
_MAX_NESTED: Final = 60
"""Levels of tags and expressions within each other."""

_FILTERS: Final = ("join", "length", "first", "last", "upper", "lower", "capitalize", "default", "trim")
_NODES: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.If,
    nodes.For, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Filter, nodes.Include, nodes.List,
)  # fmt: skip
_LOOPS: Final = 2
_KEY: Final = re.compile(r"[\w.-]{1,80}")
_TAG_LINE: Final = re.compile(
    r"^[ \t]*((?:\{%-? *(?:if|elif|else|endif|for|endfor|include)\b[^%\n]*%\}[ \t]*)*"
    r"\{%-? *(?:if|elif|else|endif|for|endfor|include)\b[^%\n]*)%\}[ \t]*\n",
    re.MULTILINE,
)


class Untrusted(str):
    """Customer text on its way into a model's prompt: printing it puts it behind a fence."""

    __slots__ = ()


class Items(list[Any]):
    """A list on its way into a template: all loops of one rendering draw on one budget of rounds."""

    __slots__ = ("_left",)

    def __init__(self, items: Iterable[Any], left: list[int]) -> None:
        """`left` holds the rounds that are left, shared by all lists of a rendering."""
        super().__init__(items)
        self._left = left

    def __iter__(self) -> Iterator[Any]:
        """Each entry, as long as rounds are left."""
        for item in super().__iter__():
            self._left[0] -= 1
            if self._left[0] < 0:
                raise TypeError(f"the loops take more than {MAX_ROUNDS} rounds")
            yield item


@dataclass(frozen=True, slots=True)
class Source:
    """One template as the engine sees it."""

    id: str
    path: str
    body: str
    offset: int
    """Lines of the file before the body, so that errors name lines of the file."""
    inputs: Mapping[str, bool]
    """Dotted names that the template may read, and whether their text is untrusted."""
    use: tuple[str, ...]
    """Ids of the partials that it may include."""


_ROLE: Final = re.compile(
    r"^([ \t›*#_-]*)((?:system|assistant|user|human|developer|tool|instructions?)(?:[ \t]+(?:message|prompt))?)(?=[*_ \t]*(?:[:：]|$))",
    re.IGNORECASE | re.MULTILINE,
)
"""A line that reads like the begin of another speaker's turn."""
_TURN: Final = re.compile(r"\[(/?(?:INST|SYS|SYSTEM|ASSISTANT|USER))\]", re.IGNORECASE)


def fenced(text: str) -> str:
    """Customer text between markers that it cannot close, because it holds no angle bracket any more; nor can it begin
    the turn of another speaker, because a role that begins a line stands in ‹ ›.
    """
    safe = text.translate({ord(c): "‹" for c in "<＜﹤"} | {ord(c): "›" for c in ">＞﹥"})
    safe = _TURN.sub(r"‹\1›", _ROLE.sub(r"\1‹\2›", safe))
    return f"<customer_text>\n{safe}\n</customer_text>"


def _printed(value: Any) -> Any:
    if isinstance(value, Untrusted):
        return fenced(value)
    if isinstance(value, jinja2.Undefined) or type(value) in (str, int, float):
        return value
    kind = "list" if isinstance(value, Items) else type(value).__name__
    raise TypeError(f"a value of type {kind} cannot be printed")


_Load: TypeAlias = Callable[[str], tuple[str, str, Callable[[], bool]]]
Text: TypeAlias = Callable[[str, str], str]
_Filters: TypeAlias = Callable[[str, Callable[..., Any]], Callable[..., Any]]


class _Environment(ImmutableSandboxedEnvironment):
    """Reads entries of dicts and lists and nothing else: no attribute, no method, no global exists."""

    def __init__(self, load: _Load, printed: Callable[[Any], Any], filters: _Filters) -> None:
        super().__init__(
            loader=jinja2.FunctionLoader(load),
            undefined=jinja2.StrictUndefined,
            finalize=printed,
            auto_reload=False,
            cache_size=-1,
            keep_trailing_newline=True,
        )
        self.globals.clear()
        self.tests.clear()
        self.filters = {name: filters(name, self.filters[name]) for name in _FILTERS}

    def getitem(self, obj: Any, argument: Any) -> Any:
        if type(obj) in (dict, list, Items):
            try:
                return obj[argument]
            except (KeyError, IndexError, TypeError):
                pass
        return self.undefined(obj=obj, name=str(argument))

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)


class Engine:
    """Checks a set of templates once, then renders them; each is compiled when it is first rendered."""

    def __init__(
        self, sources: Mapping[str, Source], fenced_ids: frozenset[str], *, check: bool = True,
        problems: list[BrokenFile] | None = None,
    ) -> None:  # fmt: skip
        """Checks every template unless they were checked before; those in `fenced_ids` are prompts of a model, where untrusted text is not reshaped.

        Raises:
            BrokenFile: a template holds something that the subset does not have; `problems` gets all of them.

        """
        self._sources = sources
        self._env = _Environment(self._load, _printed, lambda _, found: found)
        self._tracing: _Environment | None = None
        trees: dict[str, nodes.Template] = {}
        for source in sources.values() if check else ():
            with noting(problems):
                trees[source.id] = self._tree(source)
        for source in [sources[id_] for id_ in trees]:
            with noting(problems):
                _Check(trees, sources, fence=source.id in fenced_ids).template(source, depth=0)
        if problems:
            raise problems[0]

    def render(self, id_: str, values: dict[str, Any]) -> str:
        """The text of the template.

        Raises:
            BrokenFile: the template reads an entry that the values lack, prints a list, loops or grows too long.

        """
        return "".join(self._pieces(self._env, id_, values))

    def traced(self, id_: str, values: dict[str, Any]) -> list[str]:
        """The text in pieces; those that come from values are `agent.provenance.Piece`, if the values are its own.

        Raises:
            BrokenFile: as `render`.

        """
        if self._tracing is None:
            from agent.provenance import printed, tracing

            self._tracing = _Environment(self._load, printed, tracing)
        return self._pieces(self._tracing, id_, values)

    def _pieces(self, env: _Environment, id_: str, values: dict[str, Any]) -> list[str]:
        pieces: list[str] = []
        size = 0
        try:
            for piece in env.get_template(id_).generate(values):
                size += len(piece)
                if size > MAX_OUTPUT:
                    break
                pieces.append(piece)
        except (jinja2.UndefinedError, TypeError) as e:
            path, line = self._where(e.__traceback__, id_)
            problem = str(e) or type(e).__name__
            fix = "loop over less" if "rounds" in problem else "correct the name there or ask for it with `if` first"
            raise BrokenFile(path, line, problem, fix) from None
        if size > MAX_OUTPUT:
            raise BrokenFile(self._sources[id_].path, 0, f"more than {MAX_OUTPUT} characters", "print fewer lists")
        return pieces

    def _tree(self, source: Source) -> nodes.Template:
        try:
            tree = self._env.parse(tidy_tags(source.body))
        except jinja2.TemplateSyntaxError as e:
            problem = f"the template does not parse: {(e.message or '').rstrip('.')}"
            column = _column(source.body, e.lineno, r"\{[%{#]")
            raise BrokenFile(source.path, e.lineno + source.offset, problem, "correct the tag there", column) from None
        except RecursionError:
            problem = f"tags or expressions are nested deeper than {_MAX_NESTED}"
            raise BrokenFile(source.path, source.offset + 1, problem, "take the inner ones out") from None
        ahead: list[tuple[nodes.Node, int]] = [(tree, 0)]
        while ahead:
            node, level = ahead.pop()
            if level > _MAX_NESTED:
                problem = f"tags or expressions are nested deeper than {_MAX_NESTED}"
                raise _broken(source, node, problem, "take the inner ones out")
            ahead += ((child, level + 1) for child in node.iter_child_nodes())
        return tree

    def _load(self, id_: str) -> tuple[str, str, Callable[[], bool]]:
        source = self._sources[id_]
        return tidy_tags(source.body), source.path, lambda: True

    def _where(self, trace: TracebackType | None, id_: str) -> tuple[str, int]:
        """File and line of the innermost template frame."""
        offsets = {s.path: s.offset for s in self._sources.values()}
        found = (self._sources[id_].path, 0)
        while trace is not None:
            name = trace.tb_frame.f_code.co_filename
            if name in offsets:
                found = (name, trace.tb_lineno + offsets[name])
            trace = trace.tb_next
        return found


def tidy_tags(body: str) -> str:
    """Lets a line that holds only tags leave no line behind: its line break moves into the last tag."""
    return _TAG_LINE.sub(r"\1\n%}", body)


class _Check:
    """Walks one template and its partials, and refuses whatever is not on the list."""

    def __init__(self, trees: Mapping[str, nodes.Template], sources: Mapping[str, Source], *, fence: bool) -> None:
        self._trees = trees
        self._sources = sources
        self._fence = fence
        self._seen = [0, 0]
        """Parts outside loops, and inside."""

    def template(self, source: Source, depth: int) -> None:
        """Refuse what the subset does not have; `depth` counts the loops around the template."""
        self._node(self._trees[source.id], source, {}, depth)

    def _count(self, node: nodes.Node, source: Source, depth: int) -> None:
        """What a rendering can cost at most follows from the parts and from the rounds of its loops."""
        self._seen[depth > 0] += 1
        if self._seen[0] > _MAX_NODES:
            raise _broken(source, node, f"more than {_MAX_NODES} tags and values with partials", "split the prompt")
        if self._seen[1] > _MAX_LOOPED:
            raise _broken(source, node, f"more than {_MAX_LOOPED} tags and values inside loops", "take some out")

    def _node(self, node: nodes.Node, source: Source, scope: Mapping[str, bool], depth: int) -> None:
        self._count(node, source, depth)
        if not isinstance(node, _NODES):
            what = type(node).__name__
            raise _broken(source, node, f"`{what}` is not allowed in a prompt file", "use names, if, for and include")
        if isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
            self._untrusted(node, source, scope)
        elif isinstance(node, nodes.For):
            self._loop(node, source, scope, depth)
        elif isinstance(node, nodes.Include):
            self._include(node, source, depth)
        else:
            if isinstance(node, nodes.Filter):
                self._filter(node, source, scope)
            for child in node.iter_child_nodes():
                self._node(child, source, scope, depth)

    def _loop(self, node: nodes.For, source: Source, scope: Mapping[str, bool], depth: int) -> None:
        if depth == _LOOPS:
            raise _broken(source, node, f"loops are nested deeper than {_LOOPS}", "take the inner loop out")
        if node.test is not None or node.recursive or not isinstance(node.target, nodes.Name):
            raise _broken(source, node, "only a plain `for name in list` is allowed", "use an `if` inside the loop")
        inner = {**scope, node.target.name: self._untrusted(node.iter, source, scope)}
        for child in node.body:
            self._node(child, source, inner, depth + 1)
        for child in node.else_:
            self._node(child, source, scope, depth)

    def _include(self, node: nodes.Include, source: Source, depth: int) -> None:
        name = node.template.value if isinstance(node.template, nodes.Const) else None
        if not isinstance(name, str) or node.ignore_missing or not node.with_context:
            raise _broken(source, node, "include takes one partial by its written-out id", "write the id in quotes")
        if name not in source.use:
            raise _broken(source, node, f"partial `{name}` is not declared", "add it to `use` or correct the id")
        if name in self._trees:  # else it is broken itself, and named for that
            self.template(self._sources[name], depth)

    def _filter(self, node: nodes.Filter, source: Source, scope: Mapping[str, bool]) -> None:
        if node.name not in _FILTERS or node.node is None:
            raise _broken(source, node, f"filter `{node.name}` is not allowed", f"use one of {', '.join(_FILTERS)}")
        if node.kwargs or node.dyn_args or node.dyn_kwargs or any(not isinstance(a, nodes.Const) for a in node.args):
            raise _broken(source, node, f"filter `{node.name}` takes constants only", "write the value out")
        inner = node.node
        while isinstance(inner, nodes.Filter) and inner.node is not None:
            inner = inner.node
        if self._fence and node.name != "length" and _path(inner) and self._untrusted(inner, source, scope):
            raise _broken(source, node, f"filter `{node.name}` would reshape fenced text", "print the value unfiltered")

    def _untrusted(self, node: nodes.Node, source: Source, scope: Mapping[str, bool]) -> bool:
        """Whether the text at this name is untrusted; refuses a name that is not declared."""
        path = _path(node)
        if path is None:
            raise _broken(source, node, "only names and their entries by constant can be read", "write the path out")
        if path[0] in scope:
            return scope[path[0]]
        hits = [
            untrusted for name, untrusted in source.inputs.items() if path[: name.count(".") + 1] == name.split(".")
        ]
        if not hits:
            shown = ".".join(path)
            raise _broken(source, node, f"`{shown}` is not among the inputs", "declare it under `inputs` or rename it")
        return any(hits)


def _path(node: nodes.Node) -> list[str] | None:
    """`order.items[0]` as ["order", "items", "0"]; None for anything that is not a chain of constants."""
    if isinstance(node, nodes.Name):
        return [node.name]
    if isinstance(node, nodes.Getattr):
        step: object = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        step = node.arg.value
    else:
        return None
    before = _path(node.node)
    return None if before is None or not isinstance(step, str | int) else [*before, str(step)]


def _broken(source: Source, node: nodes.Node, problem: str, fix: str) -> BrokenFile:
    line = node.lineno or 1
    name = getattr(node, "name", None) or getattr(node, "attr", None) or _WORDS.get(type(node), "")
    column = _column(
        source.body, line, rf"(?<!\w){re.escape(name)}(?!\w)" if isinstance(name, str) and name else r"\{[%{#]"
    )
    return BrokenFile(source.path, line + source.offset, problem, fix, column)


_WORDS: Final[Mapping[type[nodes.Node], str]] = {
    nodes.For: "for", nodes.Include: "include", nodes.If: "if", nodes.Macro: "macro", nodes.Assign: "set",
    nodes.Import: "import", nodes.FromImport: "from", nodes.Extends: "extends", nodes.Block: "block",
}  # fmt: skip


def _column(body: str, line: int, what: str) -> int:
    """The 1-based column of the first `what` on a line of the template; 0 when the line does not show it."""
    lines = body.splitlines()
    found = re.search(what, lines[line - 1]) if 0 < line <= len(lines) else None
    return found.start() + 1 if found else 0


def plain(value: Any, name: str, text: Text, left: list[int]) -> Any:
    """A copy of plain data with `text` applied to each string and its dotted name; `left` holds the rounds of its loops.

    Raises:
        BadInput: something other than dict, list, str, number, bool or None, or a list that is too long.

    """
    if type(value) is str:
        return text(value, name)
    if value is None or type(value) in (int, float, bool):
        return value
    if type(value) is list:
        items = cast("list[Any]", value)
        if len(items) <= MAX_ITEMS:
            return Items((plain(x, name, text, left) for x in items), left)
        raise BadInput(f"holds more than {MAX_ITEMS} entries", field=name, fix="pass fewer")
    if type(value) is dict:
        entries = cast("dict[Any, Any]", value)
        if len(entries) <= MAX_ITEMS and all(type(k) is str and _KEY.fullmatch(k) for k in entries):
            return {k: plain(x, f"{name}.{k}", text, left) for k, x in entries.items()}
        raise BadInput(f"has more than {MAX_ITEMS} keys or a key that is no name", field=name, fix="pass plain names")
    raise BadInput(f"{type(value).__name__} is not plain data", field=name, fix="pass dict, list, str, number or bool")
