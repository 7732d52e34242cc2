"""A request to a model, taken apart: what its settings, tools, prompt, context and data are, and where two requests differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, TypeAlias, cast

import httpx

from agent.prompts import Prompts
from evals.cassette import Asked, Section, fingerprint

Json: TypeAlias = dict[str, Any]
Lines: TypeAlias = list[str]

DROPPED: Final = frozenset({"user", "metadata", "stream_options"})
"""Fields of a request that change nothing in the answer."""
_ELSEWHERE: Final = frozenset({"messages", "system", "tools"})
_CASE_FILE: Final = re.compile(r"<case_file>\n(.*?)\n</case_file>", re.DOTALL)
_CUSTOMER: Final = re.compile(r"(?:<customer_text>\n.*?\n</customer_text>\s*)+", re.DOTALL)
_FENCE: Final = re.compile(r"<customer_text>\n(.*?)\n</customer_text>", re.DOTALL)
_LOOKED_UP: Final = ("order", "dispute", "policy", "precedents", "contact", "store", "clock")
"""Fields of the case file that hold what the desk looked up."""
_END: Final = "(nothing)"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as lines of five sections, and the prompt files behind it."""

    sections: Mapping[Section, Lines]
    parts: Mapping[str, Lines]
    """Text of each prompt file that shaped the prompt, by its id; front matter does not count."""

    @property
    def asked(self) -> Asked:
        """What a recording keeps of it."""
        s = self.sections
        return Asked(
            prints={name: fingerprint(lines) for name, lines in s.items()},
            parts={name: fingerprint(lines) for name, lines in self.parts.items()},
            params=s["params"], context=s["context"], data=s["data"],
        )  # fmt: skip

    @property
    def texts(self) -> dict[str, Lines]:
        """What a recording names by its fingerprint only, since many share it."""
        return {fingerprint(x): x for x in (self.sections["prompt"], self.sections["tools"], *self.parts.values())}


def take_apart(request: httpx.Request, prompts: Prompts) -> Request:
    """The request in its canonical form, of either provider's wire form.

    Headers, address and volatile fields are left out. Prompt is all that prompt files and pack say, with the case file
    and the customer's words taken out of it; what tools and corrections said in later rounds is context.
    """
    body: Json = json.loads(request.content or b"{}")
    params = {name: value for name, value in body.items() if name not in DROPPED | _ELSEWHERE}
    messages: list[Json] = body.get("messages", [])
    system = [_text(body["system"])] if body.get("system") else []
    system += [_text(message.get("content")) for message in messages if message.get("role") == "system"]
    rest = [message for message in messages if message.get("role") != "system"]
    first = _text(rest[0].get("content")) if rest else ""
    file = _case_file(first)
    frame = _CUSTOMER.sub("<customer_text>...</customer_text>\n\n", _CASE_FILE.sub("<case_file>...</case_file>", first))
    view: Json = file.get("view", {})
    looked_up = {name: view[name] for name in _LOOKED_UP if name in view} | {"slots": file.get("slots", {})}
    said = {name: value for name, value in view.items() if name not in _LOOKED_UP}
    said |= {name: value for name, value in file.items() if name not in {"view", "slots"}}
    sections: dict[Section, Lines] = {
        "params": _shown(params),
        "tools": [line for tool in body.get("tools", []) for line in _tool(tool)],
        "prompt": "\n\n".join([*system, frame]).split("\n"),
        "context": [*_shown(looked_up), *(line for message in rest[1:] for line in _round(message))],
        "data": [*_shown(said), *"\n".join(_FENCE.findall(first)).split("\n")],
    }
    return Request(sections, dict(_parts(prompts, view.get("issue_type", ""))))


def _case_file(text: str) -> Json:
    found = _CASE_FILE.search(text)
    try:
        return json.loads(found[1]) if found else {}
    except ValueError:
        return {}


def _text(content: Any) -> str:
    """The words of a message, whole or in blocks."""
    if isinstance(content, list):
        return "\n\n".join(_text(block) for block in cast("list[Any]", content))
    if isinstance(content, dict):
        block = cast("Json", content)
        return str(block["text"]) if block.get("type") == "text" else json.dumps(block, sort_keys=True)
    return str(content or "")


def _shown(value: Any) -> Lines:
    """JSON line by line, line breaks within a text included."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).replace("\\n", "\n").split("\n")


def _tool(tool: Json) -> Lines:
    """A line with name and description, then the schema, indented."""
    own: Json = tool.get("function", tool)
    schema = own.get("parameters", own.get("input_schema", {}))
    return [f"{own.get('name', '')}: {own.get('description', '')}", *(f" {line}" for line in _shown(schema))]


def _round(message: Json) -> Lines:
    """A message of a later round: the answer so far, or what tools and checks said to it."""
    return [f"{message.get('role')}:", *_shown({k: v for k, v in message.items() if k != "role" and v is not None})]


def _parts(prompts: Prompts, issue_type: str) -> Iterator[tuple[str, Lines]]:
    todo = ["triage", "draft/case", f"draft/{issue_type}"]
    seen: set[str] = set()
    while todo:
        id_ = todo.pop(0)
        if id_ in prompts.all and id_ not in seen:
            seen.add(id_)
            todo += prompts.all[id_].head.use
            yield id_, prompts.all[id_].body.split("\n")


# --- where two requests differ ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """Why a recorded answer does not belong to a request."""

    cause: str
    """What changed, as half a sentence; the same for all recordings that the same edit made stale."""
    was: str
    now: str
    """The first line that differs, recorded and asked."""
    shared: bool
    """Whether the lines are of a text that recordings share, so that one look at them is enough."""

    @property
    def lines(self) -> str:
        """Both lines, below each other."""
        return f"\n- {self.was}\n+ {self.now}"


def difference(recorded: Asked, texts: Mapping[str, Lines], request: Request, prompts: Prompts) -> Difference | None:
    """The first difference that counts; None when the recorded answer belongs to the request."""
    now = request.asked
    if recorded.prints == now.prints:
        return None
    changed: list[Section] = [name for name in request.sections if recorded.prints.get(name) != now.prints[name]]
    first: Section = changed[0]
    match first:
        case "params":
            was, is_ = _first(recorded.params, request.sections["params"])
            return Difference("the model or its settings changed", was, is_, shared=True)
        case "tools":
            old = texts.get(recorded.prints["tools"], [])
            at, was, is_ = _place(old, request.sections["tools"])
            name = _heading(request.sections["tools"], at) or _heading(old, at)
            return Difference(f"the tool `{name}` changed", was, is_, shared=True)
        case "prompt":
            return _prompt(recorded, texts, request, prompts)
        case "context":
            was, is_ = _first(recorded.context, request.sections["context"])
            return Difference("what is looked up for the case changed", was, is_, shared=False)
        case "data":
            was, is_ = _first(recorded.data, request.sections["data"])
            return Difference("the case, or what is read out of it, changed", was, is_, shared=False)


def _prompt(recorded: Asked, texts: Mapping[str, Lines], request: Request, prompts: Prompts) -> Difference:
    for name, lines in request.parts.items():
        old = texts.get(recorded.parts.get(name, ""), [])
        if recorded.parts.get(name) != fingerprint(lines):
            at, was, is_ = _place(old, lines)
            line = prompts.all[name].body_line + at + 1
            return Difference(f"prompt part `{name}` changed, line {line}", was, is_, shared=True)
    was, is_ = _first(texts.get(recorded.prints["prompt"], []), request.sections["prompt"])
    return Difference("what the pack adds to the prompt changed", was, is_, shared=True)


def _place(old: Sequence[str], new: Sequence[str]) -> tuple[int, str, str]:
    pairs = zip_longest(old, new, fillvalue=_END)
    return next(((n, was, now) for n, (was, now) in enumerate(pairs) if was != now), (0, _END, _END))


def _first(old: Sequence[str], new: Sequence[str]) -> tuple[str, str]:
    _, was, now = _place(old, new)
    return was, now


def _heading(lines: Sequence[str], at: int) -> str:
    """Name of the tool whose lines these are."""
    above = [line for line in lines[: at + 1] if line and not line.startswith(" ")]
    return above[-1].partition(":")[0] if above else ""
