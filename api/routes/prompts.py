"""Prompts and pack over HTTP: look at them, try a text, write the working copy, rehearse, activate, roll back."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from agent.errors import BrokenFile
from api import promptview
from api.auth import Principal
from api.errors import DraftChangedError, InvalidError
from api.policy import Admin, Desk, Reviewer
from api.prompting import Outcome
from api.rehearsing import LAST, MOST, as_json, rehearse
from api.routes.examples import PROBLEMS
from api.texttree import MOST_BYTES, digest
from api.wiring import Runtime

router = APIRouter(prefix="/v1/prompts", tags=["prompts"])
_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "There is no such file."}, **PROBLEMS}
_WRITE: Final = threading.Lock()
Id = Annotated[str, Field(max_length=promptview.MOST_ID)]
Words = Annotated[str, Field(max_length=400)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class PreviewBody(_Body):
    """What to preview."""

    id: Id
    """Of a prompt, e.g. `reply/en/chargeback`."""
    case: Annotated[str, Field(max_length=100)] = ""
    """Name of a fixture; "" for the first that fits."""
    of: Annotated[str, Field(max_length=80)] = "disk"
    """`disk`, `active` or a version of its history."""
    text: Annotated[str, Field(max_length=MOST_BYTES)] | None = None
    """A text of the file that is not even on disk."""


class RehearseBody(_Body):
    """What to rehearse, and on which cases."""

    ids: list[Id] | None = None
    """Files with the partials that they reach; none given means all that differ."""
    cases: Annotated[int, Field(ge=0, le=MOST)] = LAST
    """Newest real cases."""
    eval_set: bool = True
    """Whether the stored eval set is answered too."""
    most: Annotated[int, Field(ge=0, le=MOST)] | None = None
    """At most so many cases of the eval set."""


class ActivateBody(_Body):
    """What to activate, and why."""

    ids: list[Id] | None = None
    reason: Words
    evidence: Annotated[str, Field(max_length=80)] = ""
    """Id of a rehearsal or eval that passed; "" takes the newest."""
    override: Words = ""
    """Why it may go live without evidence."""


class ConfirmBody(_Body):
    """Which proposal a second person confirms."""

    number: int


class RollbackBody(_Body):
    """How far to go back, and why."""

    ids: list[Id] | None = None
    to: Annotated[str, Field(max_length=80)] = ""
    """Begin of a version; "" for the one before."""
    reason: Words


class TextBody(_Body):
    """The new text of a file."""

    text: Annotated[str, Field(max_length=MOST_BYTES)]


@router.get("", responses=PROBLEMS)
def get_prompts(desk: Desk, who: Reviewer) -> dict[str, Any]:
    """Every prompt and pack file: how far it came, and what people made of the drafts of its active version."""
    del who
    items = [promptview.row_json(line) for line in promptview.lines(desk)]
    waiting = [promptview.entry_json(entry) for entry in desk.prompting.ledger.proposals()]
    return {"active": desk.live.tree.hash, "policy": desk.texts.activation.policy, "items": items, "waiting": waiting}


@router.get("/check", responses=PROBLEMS)
def get_check(desk: Desk, who: Reviewer, everything: bool = False) -> dict[str, Any]:
    """What is wrong with the files on disk, which differ from the active version, and whether they render."""
    del who
    report = desk.prompting.check(everything=everything)
    return {
        "ok": not report.problems, "tree": report.tree, "problems": [asdict(problem) for problem in report.problems],
        "rendered": report.rendered, "changed": sorted(report.changed),
    }  # fmt: skip


@router.get("/diff", responses=_MISSING)
def get_diff(
    desk: Desk, who: Reviewer, id_: Annotated[str, Query(alias="id")], a: str = "active", b: str = "disk"
) -> dict[str, Any]:
    """How two versions of a file differ: `active`, `disk`, or the begin of one of its history."""
    del who
    promptview.known(desk.prompting, id_)
    return {"id": id_, "a": a, "b": b, "diff": desk.prompting.diff(id_, a, b)}


@router.get("/history", responses=_MISSING)
def get_history(desk: Desk, who: Reviewer, id_: Annotated[str, Query(alias="id")] = "") -> dict[str, Any]:
    """Who changed what, when, why and on what evidence, the newest first."""
    del who
    return {"items": [promptview.entry_json(entry) for entry in desk.prompting.history(id_)]}


@router.post("/preview", responses=_MISSING)
def post_preview(body: PreviewBody, desk: Desk, who: Admin) -> dict[str, Any]:
    """A prompt's text for one case, with the origin of each part."""
    del who
    with said():
        tried = desk.prompting.preview(body.id, body.case, of=body.of, text=body.text)
    problems = [asdict(problem) for problem in tried.problems]
    return {"id": body.id, "text": tried.text, "segments": list(tried.segments), "problems": problems}


@router.post("/rehearse", responses=PROBLEMS)
def post_rehearse(body: RehearseBody, desk: Desk, who: Admin) -> dict[str, Any]:
    """What the files on disk would change on known cases; the answer comes when all are done. Kept as evidence."""
    return as_json(rehearse(desk, who, body.ids, last=body.cases, eval_set=body.eval_set, most=body.most))


@router.post("/activate", responses=_MISSING)
def post_activate(body: ActivateBody, desk: Desk, who: Admin) -> Response:
    """Make the files on disk the active version. 202 while a second person must confirm."""
    given = {"reason": body.reason, "evidence": body.evidence, "override": body.override}
    return _told(desk.prompting.activate(who, body.ids, **given))


@router.post("/confirm", responses=_MISSING)
def post_confirm(body: ConfirmBody, desk: Desk, who: Admin) -> Response:
    """A second person lets a proposal become active."""
    return _told(desk.prompting.confirm(who, body.number))


@router.post("/rollback", responses=_MISSING)
def post_rollback(body: RollbackBody, desk: Desk, who: Admin) -> Response:
    """Go back to an earlier version."""
    return _told(desk.prompting.rollback(who, body.ids, to=body.to, reason=body.reason))


@router.get("/{id_:path}", responses=_MISSING)
def get_prompt(id_: str, desk: Desk, who: Reviewer) -> Response:
    """One file with its text on disk and its versions; its ETag is what a new text binds to."""
    del who
    one = promptview.file(desk, id_)
    return JSONResponse(promptview.file_json(one), headers={"ETag": f'"{one.tag}"'})


@router.put("/{id_:path}", responses={412: {"description": "The file changed after it was read."}, **_MISSING})
def put_prompt(
    id_: str, body: TextBody, desk: Desk, who: Admin,
    if_match: Annotated[str, Header(description="ETag of the text that was read; `new` for a file that is not there.")] = "",
) -> Response:  # fmt: skip
    """Write a file of the working copy; the active version stays until it is activated (with the policy `auto` that
    follows by itself, once the file is in order).
    """
    who.need("admin")
    if not if_match:
        raise InvalidError("Send the ETag of the text that you read as If-Match (`new` for a new file).")
    tag = save(desk, who, id_, body.text, if_match.strip().removeprefix("W/").strip('"'))
    return JSONResponse({"id": id_, "tag": tag}, headers={"ETag": f'"{tag}"'})


def save(desk: Runtime, who: Principal, id_: str, text: str, tag: str) -> str:
    """Write a text if the file is still what `tag` was read of; the new tag.

    Raises:
        DraftChangedError: somebody changed the file meanwhile.
        InvalidError: the id cannot name a file, or the text is too long.

    """
    text = text.replace("\r\n", "\n")
    with _WRITE, said():
        disk = desk.live.disk()
        path = disk.paths.get(id_)
        held = digest(disk.files[path]) if path is not None else "new"
        if held != tag:
            raise DraftChangedError("Somebody changed the file after you read it; read it again, then write.")
        desk.prompting.save(who, id_, text)
    return digest(text)


@contextmanager
def said() -> Generator[None]:
    """A broken file that the caller sent or named is the caller's to mend.

    Raises:
        InvalidError: in place of `BrokenFile`.

    """
    try:
        yield
    except BrokenFile as broken:
        raise InvalidError(str(broken)) from None
    except UnicodeEncodeError:
        raise InvalidError("The text holds half of a character; send whole ones.") from None


def _told(outcome: Outcome) -> Response:
    body = {**promptview.entry_json(outcome.entry), "waits_for": list(outcome.waits_for)}
    return JSONResponse(body, 202 if outcome.waits_for else 200)
