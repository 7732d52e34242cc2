"""Rehearses the files on disk against the active version, and keeps what came of it as evidence. No text of a case is kept."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from agent import intake
from agent.errors import BadInput
from api import wire
from api.auth import Principal
from api.desk import REPEAT
from api.errors import BrokenTextsError, ConflictError, InvalidError
from api.store import cases as case_rows
from api.store.prompts import Evidence
from api.store.tables import cases
from api.texttree import Tree
from api.versions import exchanged
from api.wiring import Runtime

if TYPE_CHECKING:
    from agent.pipeline import Deps
    from evals.rehearsal import Known, Rehearsal

LAST: Final = 50
"""Real cases that are rehearsed on unless another number is given."""
MOST: Final = 500
KIND: Final = "rehearsal"
_TURN: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal and what was kept of it."""

    result: Rehearsal
    evidence: Evidence


def rehearse(
    desk: Runtime, who: Principal, ids: Sequence[str] | None = None, *, last: int = LAST, eval_set: bool = True,
    most: int | None = None, progress: Callable[[int, int], None] = lambda done, of: None,
) -> Rehearsed:  # fmt: skip
    """What the files on disk would change on the last real cases and on the stored eval set.

    Args:
        desk: whose texts, cases and parts are used.
        who: an admin.
        ids: of the files that would be activated, with the partials that they reach; None for all.
        last: newest real cases to answer.
        eval_set: whether to answer the stored eval set too.
        most: cases of the eval set, spread evenly; None for all.
        progress: called with the number of cases done, and of all.

    Raises:
        ForbiddenError: not an admin.
        BrokenTextsError: a file is broken.
        ConflictError: nothing differs, another rehearsal runs, or the classifier must learn first.
        InvalidError: there is no case to rehearse on.

    """
    who.need("admin")
    if not 0 <= last <= MOST or (most is not None and not 0 <= most <= MOST):
        raise InvalidError(f"Rehearse on 0 to {MOST} cases.")
    target = _target(desk, ids)
    if not _TURN.acquire(blocking=False):
        raise ConflictError("Another rehearsal is running; start this one when it is over.")
    try:
        return _rehearsed(desk, who, target, last, most if eval_set else 0, progress)
    finally:
        _TURN.release()


def _rehearsed(
    desk: Runtime, who: Principal, target: Tree, last: int, most: int | None, progress: Callable[[int, int], None]
) -> Rehearsed:
    from evals import rehearsal

    known = [*recent(desk, last), *rehearsal.stored_cases(most=most)]
    if not known:
        raise InvalidError("There is no case to rehearse on; take the eval set, or wait for the first case.")
    present: Deps = desk.parts.all().deps
    result = asyncio.run(rehearsal.rehearse(present, _candidate(desk, present, target), known, progress))
    evidence = desk.prompting.note_evidence(who, target, KIND, result.summary, passed=result.passed)
    return Rehearsed(result, evidence)


def _target(desk: Runtime, ids: Sequence[str] | None) -> Tree:
    """The tree that would be active. It was rendered on all fixtures within bounds, so it may be rendered here."""
    prompting = desk.prompting
    disk, active = prompting.disk_or_none(), prompting.active()
    target = disk if disk is None or ids is None else exchanged(active, disk, prompting.known(ids, disk, active))
    report = prompting.check(target)
    if target is None or report.problems:
        raise BrokenTextsError(f"Nothing was rehearsed. {report.problems[0].sentence}", report.problems)
    if not report.changed:
        raise ConflictError("There is nothing to rehearse: the files on disk are the active version.")
    return target


def _candidate(desk: Runtime, present: Deps, target: Tree) -> Deps:
    from agent.retext import unlearned, with_texts

    texts = desk.live.load(target)
    if unlearned(desk.parts.all().learned, texts.pack) == "labels":
        raise ConflictError(
            "These files have other issue types or severities, which the classifier must learn first; activate them, "
            "start the desk again, and compare eval runs."
        )
    return with_texts(present, texts.pack, texts.prompts, texts.rules, texts.outbreak)


def recent(desk: Runtime, last: int) -> tuple[Known, ...]:
    """The newest cases whose texts are still there, as an engine would read them now."""
    from evals.rehearsal import Known

    now, found = desk.clock.now(), list[Known]()
    with desk.store.read() as conn:
        for case in conn.execute(select(cases).order_by(cases.c.id.desc()).limit(last)).mappings():
            payload = wire.whole(case, case_rows.messages_of(conn, case["id"]))
            try:
                escalation = intake.parse(payload, now=now, case_id=case["id"])
            except BadInput:  # its texts were erased
                continue
            earlier = case_rows.earlier_of_customer(conn, case, case["opened_at"] - REPEAT)
            found.append(Known(case["id"], replace(escalation, earlier_contacts=earlier), now))
    return tuple(found)


def as_json(told: Rehearsed) -> dict[str, Any]:
    """A rehearsal for programs; cases that are answered alike are only counted."""
    result, evidence = told.result, told.evidence
    return {
        "evidence": evidence.id, "tree": evidence.tree, "passed": result.passed, "summary": result.summary,
        "cases": result.cases, "same": result.same, "worse": result.worse, "counts": result.counts,
        "changed": [
            {
                "case": one.name, "issue_type": one.issue_type, "language": one.language, "worse": list(one.worse),
                "changes": [asdict(change) for change in one.changes], "diff": one.diff(),
            }
            for one in result.changed
        ],
    }  # fmt: skip
