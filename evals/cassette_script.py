"""Written answers: a short form in YAML, turned into what the provider would have sent.

`python -m evals.cassette write FILE` reads a list of these and writes a recording for each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import BrokenFile
from agent.tools import CLASSIFY, FINAL, ROUTE
from agent.yamlfile import read_yaml
from evals.cassette import CassetteError, Exchange, Expect, Recording
from evals.cassette_play import unpacked

Json: TypeAlias = dict[str, Any]
Call: TypeAlias = tuple[str, Mapping[str, Any]]
Finish: TypeAlias = Literal["calls", "words", "cut_off", "refused"]

SLOT: Final = "{next_update}"
"""In a written body: the next-update time as the case file has it."""
_CHARS_A_TOKEN: Final = 4
"""Rough count of characters to a token; written answers have no real usage."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class WrittenDraft(_Form):
    """The draft as its author writes it."""

    kind: Literal["reply", "question", "brief"] = "reply"
    subject: str
    body: str
    cites: tuple[str, ...] = ()
    """Policy lines, or `source/ref` for anything else."""
    promises: tuple[Json, ...] = ()
    """Beside that of the next update, which follows from the slot in the body."""
    actions: tuple[Json, ...] = ()


class Answer(_Form):
    """One answer of the model."""

    severity: str = ""
    criteria: tuple[str, ...] = ()
    why: str = ""
    sure: float = 0.9
    team: str = ""
    collaborators: tuple[str, ...] = ()
    issue_type: str = ""
    routed: str = ""
    """Why this team."""
    look_up: tuple[Json, ...] = ()
    """Look-ups as `{tool: arguments}`; they come before all else."""
    draft: WrittenDraft | None = None
    text: str = ""
    """Words beside or instead of tool calls."""
    finish: Finish = "calls"
    status: Annotated[int, Field(ge=200, le=599)] = 200
    """HTTP status; from 400 on `text` is the error's message."""


class Script(_Form):
    """The written answers to one case."""

    case: str
    model: str
    note: str
    expect: Expect = Expect()
    answers: Annotated[tuple[Answer, ...], Field(min_length=1)]


class ScriptFile(_Form):
    """A file of written answers."""

    scripts: Annotated[tuple[Script, ...], Field(min_length=1)]


def read_scripts(path: Path) -> tuple[Script, ...]:
    """The written answers of a file.

    Raises:
        CassetteError: it is not of this form; names line and field.

    """
    try:
        return read_yaml(path, ScriptFile).scripts
    except BrokenFile as error:
        raise CassetteError(str(error)) from None


def trial(script: Script, case_file: Json, prompt_chars: int) -> list[Exchange]:
    """The answers in wire form, their slots filled from the case file."""
    chars, made = prompt_chars, list[Exchange]()
    for answer in script.answers:
        calls = _calls(answer, case_file)
        reply = _reply(script.model, answer, calls, chars)
        said = json.dumps(reply, ensure_ascii=False)
        chars += len(said)
        made.append(Exchange(status=answer.status, reply=unpacked(reply)))
    return made


def again(script: Script, recording: Recording, case_file: Json, prompt_chars: int) -> Recording:
    """The recording with these answers in place of its own."""
    return recording.model_copy(
        update={
            "model": script.model, "note": script.note, "expect": script.expect, "made": "scripted",
            "trials": [trial(script, case_file, prompt_chars)],
        }
    )  # fmt: skip


def _calls(answer: Answer, file: Json) -> list[Call]:
    calls: list[Call] = [(name, args) for one in answer.look_up for name, args in one.items()]
    if answer.severity:
        given = {"criteria": list(answer.criteria), "reason": answer.why, "confidence": answer.sure}
        calls.append((CLASSIFY, {"severity": answer.severity, **given}))
    if answer.team:
        route = {"primary_team": answer.team, "collaborators": list(answer.collaborators), "reason": answer.routed}
        calls.append((ROUTE, route | ({"issue_type": answer.issue_type} if answer.issue_type else {})))
    if answer.draft:
        calls.append((FINAL, _draft(answer.draft, file)))
    return calls


def _draft(draft: WrittenDraft, file: Json) -> Json:
    slot = file["view"]["clock"]["next_update"]
    body = draft.body.strip().replace(SLOT, slot)
    promises = [*draft.promises]
    cites = [_citation(cite) for cite in draft.cites]
    if SLOT in draft.body and draft.kind != "brief":
        sentence = next(line for line in body.split("\n") if slot in line)
        due = datetime.fromisoformat(file["slots"]["next_update"]).isoformat().replace("+00:00", "Z")
        promises.append({"action": "next_update", "text": sentence, "due": due, "backed_by": "clock:next_update"})
        cites.append({"source": "clock", "ref": "next_update"})
    return {
        "kind": draft.kind, "subject": draft.subject, "body": body, "citations": cites, "promises": promises,
        "proposed_actions": list(draft.actions),
    }  # fmt: skip


def _citation(cite: str) -> Json:
    source, _, ref = cite.rpartition("/")
    return {"source": source or "policy", "ref": ref}


# --- wire forms -------------------------------------------------------------------------------------------------------


def scripted_reply(model: str, calls: Sequence[Call]) -> Json:
    """An answer of these tool calls, in the wire form of the model's provider."""
    return _reply(model, Answer(), calls, 4000)


def _reply(model: str, answer: Answer, calls: Sequence[Call], chars: int) -> Json:
    if answer.status >= 400:
        return {"error": {"message": answer.text, "type": "scripted_error"}}
    name = model.partition("/")[2]
    out = (sum(len(json.dumps(args, ensure_ascii=False)) for _, args in calls) + len(answer.text)) // _CHARS_A_TOKEN + 1
    form = _anthropic if model.startswith("anthropic/") else _openai
    return form(name, answer, calls, (chars // _CHARS_A_TOKEN, out))


def _openai(name: str, answer: Answer, calls: Sequence[Call], tokens: tuple[int, int]) -> Json:
    refused = answer.finish == "refused"
    message: Json = {"role": "assistant", "content": None if refused else answer.text or None}
    if refused:
        message["refusal"] = answer.text
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": tool, "arguments": json.dumps(dict(args))}}
            for n, (tool, args) in enumerate(calls)
        ]
    finish = {"calls": "tool_calls", "words": "stop", "cut_off": "length", "refused": "stop"}[answer.finish]
    asked, out = tokens
    return {
        "id": "chatcmpl-scripted", "object": "chat.completion", "created": 1, "model": name,
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {"prompt_tokens": asked, "completion_tokens": out, "total_tokens": asked + out},
    }  # fmt: skip


def _anthropic(name: str, answer: Answer, calls: Sequence[Call], tokens: tuple[int, int]) -> Json:
    blocks: list[Json] = [{"type": "text", "text": answer.text}] if answer.text else []
    blocks += [
        {"type": "tool_use", "id": f"toolu_{n}", "name": tool, "input": dict(args)}
        for n, (tool, args) in enumerate(calls)
    ]
    stop = {"calls": "tool_use", "words": "end_turn", "cut_off": "max_tokens", "refused": "refusal"}[answer.finish]
    asked, out = tokens
    return {
        "id": "msg_scripted", "type": "message", "role": "assistant", "model": name, "content": blocks,
        "stop_reason": stop, "stop_sequence": None, "usage": {"input_tokens": asked, "output_tokens": out},
    }  # fmt: skip
