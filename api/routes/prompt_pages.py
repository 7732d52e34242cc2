"""The pages of prompts and pack: list, editor with preview, comparison, rehearsal, history, and what covers what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api import promptview
from api.errors import DeskError
from api.policy import Admin, Desk, Reviewer
from api.prompting import Outcome
from api.promptlook import ACTIVE, DISK
from api.rehearsing import LAST, MOST, rehearse
from api.routes.pages.frame import render
from api.routes.pages.new import LANGUAGES
from api.routes.prompts import said, save
from api.texttree import Tree
from api.trial import Tried
from api.wiring import Runtime
from evals.textdiff import Row, side_by_side

router = APIRouter(prefix="/prompts", include_in_schema=False)
Text = Annotated[str, Form()]

ORIGINS: Final = {
    "system": ("System value", "worked out by the desk"),
    "store": ("Store value", "from the store's own files or its team"),
    "untrusted": ("Customer value", "written by the customer, or by somebody else outside"),
}
"""Who wrote a value of a text, in words."""
DONE: Final = {
    "saved": "The file is saved. The active version is the same as before.",
    "saved_auto": "The file is saved. It goes live by itself within seconds, once it is in order.",
    "active": "Active now. Every draft from here on uses it.",
    "waiting": "This change reaches the gravest cases, so it waits for a second admin to confirm it.",
    "back": "The earlier version is active again.",
}
_ACTIONS: Final = {
    "first_start": "First start", "activated": "Activated", "proposed": "Proposed", "confirmed": "Confirmed",
    "rolled_back": "Rolled back",
}  # fmt: skip


@router.get("")
def list_page(request: Request, desk: Desk, who: Reviewer, done: str = "") -> Response:
    """Every file by kind: how far it came, and what people made of its drafts."""
    found = promptview.lines(desk)
    groups: dict[str, list[promptview.Line]] = {}
    for line in found:
        groups.setdefault(promptview.KINDS.get(line.row.kind, "Broken" if line.row.problem else "Other"), []).append(
            line
        )
    disk, active = desk.prompting.disk_or_none() or desk.live.tree, desk.live.tree
    edited = {id_ for id_ in {*disk.paths, *active.paths} if _text(disk, id_) != _text(active, id_)}
    changed = [line for line in found if line.row.id in edited or line.row.problem]
    reached = [line for line in found if line.row.state != "active" and line not in changed]
    proposals = [entry for entry in desk.prompting.ledger.proposals() if entry.actor != who.id]
    return render(
        request, "prompts.html", title="Prompts", groups=dict(sorted(groups.items())), changed=changed, reached=reached,
        admin=who.may("admin"), done=DONE.get(done, ""), proposals=proposals, policy=desk.texts.activation.policy,
        evidence=desk.prompting.ledger.evidence(_disk_hash(desk)), last=LAST,
    )  # fmt: skip


@router.get("/matrix")
def matrix_page(request: Request, desk: Desk, who: Reviewer) -> Response:
    """Which file covers which issue type in which language."""
    del who
    pack = desk.texts.pack
    rows = [(pack.issue_types[name].title, gaps) for name, gaps in promptview.matrix(desk).items()]
    missing = sum(not gap.covered for _, gaps in rows for gap in gaps)
    names = [LANGUAGES.get(code, code) for code in pack.store.languages]
    return render(request, "prompts_matrix.html", title="What covers what", rows=rows, names=names, missing=missing)


@router.get("/history")
def history_page(request: Request, desk: Desk, who: Reviewer, id: str = "") -> Response:  # noqa: A002 - the name in the URL
    """Who changed what, when, why, and on what evidence."""
    entries = desk.prompting.history(id)
    return render(
        request, "prompts_history.html", title="History", entries=entries, id=id, admin=who.may("admin"),
        actions=_ACTIONS, actors=promptview.actors(desk),
    )  # fmt: skip


@router.get("/diff")
def diff_page(
    request: Request, desk: Desk, who: Reviewer, id: str, a: str = ACTIVE, b: str = DISK, case: str = "",  # noqa: A002 - the name in the URL
    rendered: bool = False,
) -> Response:  # fmt: skip
    """Two versions of a file side by side, and what they render to when that is asked for."""
    look = desk.prompting
    one = promptview.file(desk, id)
    rows = side_by_side(look.text(id, a), look.text(id, b), 3)
    out, problem = tuple[Row, ...](), ""
    if rendered and one.fixtures and who.may("admin"):
        old, new = look.preview(id, case, of=a), look.preview(id, case, of=b)
        problem = next((p.sentence for t in (old, new) for p in t.problems), "")
        out = side_by_side(old.text, new.text, 3)
    return render(
        request, "prompts_diff.html", title=f"Compare {id}", file=one, a=a, b=b, rows=rows, out=out, case=case,
        rendered=rendered, admin=who.may("admin"), problem=problem,
    )  # fmt: skip


@router.post("/rehearse")
def rehearse_page(
    request: Request, *, desk: Desk, who: Admin, cases: Annotated[int, Form(ge=0, le=MOST)] = LAST, eval_set: Text = "",
    most: Annotated[int, Form(ge=0, le=MOST)] = MOST,
) -> Response:  # fmt: skip
    """What the files on disk would change on known cases."""
    told = rehearse(desk, who, last=cases, eval_set=bool(eval_set), most=most)
    shown = [(one, side_by_side(one.before, one.after, 1)) for one in told.result.changed[:100]]
    return render(request, "prompts_rehearsal.html", title="Rehearsal", told=told, result=told.result, shown=shown)


@router.post("/activate")
def activate(
    desk: Desk, who: Admin, reason: Text = "", evidence: Text = "", override: Text = "", id: Text = ""  # noqa: A002 - the name of the field
) -> Response:  # fmt: skip
    """Make the files on disk the active version."""
    ids = [id] if id else None
    return _told(
        desk.prompting.activate(who, ids, reason=reason, evidence=evidence.strip(), override=override), "active"
    )


@router.post("/confirm")
def confirm(desk: Desk, who: Admin, number: Annotated[int, Form()]) -> Response:
    """A second person lets a proposal become active."""
    return _told(desk.prompting.confirm(who, number), "active")


@router.post("/rollback")
def rollback(desk: Desk, who: Admin, reason: Text = "", to: Text = "", id: Text = "") -> Response:  # noqa: A002 - the name of the field
    """Go back to an earlier version."""
    return _told(desk.prompting.rollback(who, [id] if id else None, to=to, reason=reason), "back")


@router.post("/try/{id_:path}")
def try_page(
    request: Request, id_: str, desk: Desk, who: Admin, text: Text = "", tag: Text = "", case: Text = ""
) -> Response:
    """Check the text in the editor and show what it renders to; nothing is saved."""
    text = text.replace("\r\n", "\n")
    with said():
        tried = desk.prompting.preview(id_, case, text=text)
    return _editor(request, desk, id_, text=text, tag=tag, case=case, tried=tried, admin=who.may("admin"))


@router.post("/save/{id_:path}")
def save_page(
    request: Request, id_: str, desk: Desk, who: Admin, text: Text = "", tag: Text = "", case: Text = ""
) -> Response:
    """Write the text to its file."""
    try:
        save(desk, who, id_, text, tag)
    except DeskError as error:
        plain = text.replace("\r\n", "\n")
        return _editor(
            request, desk, id_, text=plain, tag=tag, case=case, tried=None, admin=True, problem=str(error), status=409
        )
    done = "saved_auto" if desk.texts.activation.policy == "auto" else "saved"
    return RedirectResponse(f"/prompts/{quote(id_)}?{urlencode({'done': done})}", 303)


@router.get("/{id_:path}")
def file_page(request: Request, id_: str, desk: Desk, who: Reviewer, done: str = "") -> Response:
    """One file: its text, its versions, and what uses it."""
    one = promptview.file(desk, id_)
    admin = who.may("admin")
    return _editor(
        request, desk, id_, text=one.text, tag=one.tag, case="", tried=None, admin=admin, done=DONE.get(done, "")
    )


def _editor(
    request: Request, desk: Runtime, id_: str, *, text: str, tag: str, case: str, tried: Tried | None, admin: bool,
    done: str = "", problem: str = "", status: int = 200,
) -> Response:  # fmt: skip
    one = promptview.file(desk, id_)
    shown: list[Mapping[str, Any]] = [
        {**part, "label": ORIGINS[part["trust"]][0] if part["trust"] in ORIGINS else ""}
        for part in (tried.segments if tried else ())
    ]
    return render(
        request, "prompt.html", status, title=one.row.title or id_, file=one, text=text, tag=tag, case=case,
        tried=tried, segments=shown, origins=ORIGINS, admin=admin, done=done, problem=problem,
        state=promptview.STATES[one.row.state], policy=desk.texts.activation.policy, actions=_ACTIONS,
    )  # fmt: skip


def _told(outcome: Outcome, done: str) -> Response:
    return RedirectResponse(f"/prompts?{urlencode({'done': 'waiting' if outcome.waits_for else done})}", 303)


def _text(tree: Tree, id_: str) -> str | None:
    return tree.files[tree.paths[id_]] if id_ in tree.paths else None


def _disk_hash(desk: Runtime) -> str:
    disk = desk.prompting.disk_or_none()
    return disk.hash if disk is not None else ""
