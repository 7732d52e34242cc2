"""The subset of Jinja that prompt files may use: checked before it is compiled, rendered from plain data only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, cast

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.errors import BadInput, BrokenFile

ENGINE: Final = f"jinja2 {jinja2.__version__}, subset 1"
"""Part of every prompt's version: another engine may render the same file otherwise."""

MAX_OUTPUT: Final = 400_000
"""Characters of one rendered text; rendering stops there."""
MAX_ITEMS: Final = 500
"""Entries of one list or object that is handed to a template."""

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


def fenced(text: str) -> str:
    """Customer text between markers that it cannot close, because it holds no angle bracket any more."""
    safe = text.translate({ord(c): "‹" for c in "<＜﹤"} | {ord(c): "›" for c in ">＞﹥"})
    return f"<customer_text>\n{safe}\n</customer_text>"


def _printed(value: Any) -> Any:
    if isinstance(value, Untrusted):
        return fenced(value)
    if isinstance(value, jinja2.Undefined) or type(value) in (str, int, float):
        return value
    raise TypeError(f"a value of type {type(value).__name__} cannot be printed")


class _Environment(ImmutableSandboxedEnvironment):
    """Reads entries of dicts and lists and nothing else: no attribute, no method, no global exists."""

    def __init__(self, load: Callable[[str], tuple[str, str, Callable[[], bool]]]) -> None:
        super().__init__(
            loader=jinja2.FunctionLoader(load),
            undefined=jinja2.StrictUndefined,
            finalize=_printed,
            auto_reload=False,
            cache_size=-1,
            keep_trailing_newline=True,
        )
        self.globals.clear()
        self.tests.clear()
        self.filters = {name: self.filters[name] for name in _FILTERS}

    def getitem(self, obj: Any, argument: Any) -> Any:
        if type(obj) in (dict, list):
            try:
                return obj[argument]
            except (KeyError, IndexError, TypeError):
                pass
        return self.undefined(obj=obj, name=str(argument))

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)


class Engine:
    """Checks a set of templates once, then renders them; each is compiled when it is first rendered."""

    def __init__(self, sources: Mapping[str, Source], fenced_ids: frozenset[str], *, check: bool = True) -> None:
        """Checks every template unless they were checked before; those in `fenced_ids` are prompts of a model, where untrusted text is not reshaped.

        Raises:
            BrokenFile: a template holds something that the subset does not have.

        """
        self._sources = sources
        self._env = _Environment(self._load)
        trees = {id_: self._tree(source) for id_, source in sources.items()} if check else {}
        for source in sources.values() if check else ():
            _Check(trees, sources, fence=source.id in fenced_ids).template(source, depth=0)

    def render(self, id_: str, values: dict[str, Any]) -> str:
        """The text of the template.

        Raises:
            BrokenFile: the template reads an entry that the values lack, prints a list, or grows too long.

        """
        pieces: list[str] = []
        size = 0
        try:
            for piece in self._env.get_template(id_).generate(values):
                size += len(piece)
                if size > MAX_OUTPUT:
                    break
                pieces.append(piece)
        except (jinja2.UndefinedError, TypeError) as e:
            path, line = self._where(e.__traceback__, id_)
            problem = str(e) or type(e).__name__
            raise BrokenFile(path, line, problem, "correct the name there or ask for it with `if` first") from None
        if size > MAX_OUTPUT:
            raise BrokenFile(self._sources[id_].path, 0, f"more than {MAX_OUTPUT} characters", "print fewer lists")
        return "".join(pieces)

    def _tree(self, source: Source) -> nodes.Template:
        try:
            return self._env.parse(tidy_tags(source.body))
        except jinja2.TemplateSyntaxError as e:
            problem = f"the template does not parse: {(e.message or '').rstrip('.')}"
            raise BrokenFile(source.path, e.lineno + source.offset, problem, "correct the tag there") from None

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

    def template(self, source: Source, depth: int) -> None:
        self._node(self._trees[source.id], source, {}, depth)

    def _node(self, node: nodes.Node, source: Source, scope: Mapping[str, bool], depth: int) -> None:
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
    return BrokenFile(source.path, (node.lineno or 1) + source.offset, problem, fix)


def plain(value: Any, name: str, text: Callable[[str], str]) -> Any:
    """A copy of plain data with `text` applied to each string.

    Raises:
        BadInput: something other than dict, list, str, number, bool or None, or a list that is too long.

    """
    if type(value) is str:
        return text(value)
    if value is None or type(value) in (int, float, bool):
        return value
    if type(value) is list:
        items = cast("list[Any]", value)
        if len(items) <= MAX_ITEMS:
            return [plain(x, name, text) for x in items]
        raise BadInput(f"holds more than {MAX_ITEMS} entries", field=name, fix="pass fewer")
    if type(value) is dict:
        entries = cast("dict[Any, Any]", value)
        if len(entries) <= MAX_ITEMS and all(type(k) is str and _KEY.fullmatch(k) for k in entries):
            return {k: plain(x, f"{name}.{k}", text) for k, x in entries.items()}
        raise BadInput(f"has more than {MAX_ITEMS} keys or a key that is no name", field=name, fix="pass plain names")
    raise BadInput(f"{type(value).__name__} is not plain data", field=name, fix="pass dict, list, str, number or bool")
