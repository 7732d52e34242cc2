"""A case with a draft that a person edited, sent back or discarded, as plain data for the evals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.errors import ConflictError
from evals.from_draft import Reviewed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.auth import Principal
    from api.views import CaseView, DraftView, MessageView, Views

_REJECTED = frozenset({"sent_back", "discarded"})


def reviewed(views: Views, who: Principal, case_id: str) -> Reviewed:
    """The last draft of a case on which a person was of another mind.

    Raises:
        NotFoundError: there is no such case.
        ConflictError: nobody edited or rejected a draft of it, or its texts were erased.

    """
    case = views.case(who, case_id)
    for draft_id, state in reversed(case.drafts):
        draft = views.draft(who, draft_id)
        sent = _sent_after(case.messages, draft)
        edited = bool(sent) and bool(draft.body) and sent.strip() != str((draft.body or {}).get("body", "")).strip()
        if draft.proposal and (state in _REJECTED or edited):
            return Reviewed(
                case.row.id, _payload(case, draft), draft.created_at, dict(draft.proposal), "edited" if edited else "rejected",
                sent if edited else "",
            )  # fmt: skip
    raise ConflictError(
        f"Nobody has edited, sent back or discarded a draft of {case_id}; a case of the suite is made of one that somebody has."
    )


def _sent_after(messages: Sequence[MessageView], draft: DraftView) -> str:
    """What a person sent first after the draft was there."""
    later = [m.text for m in messages if m.direction == "outbound" and m.at >= draft.created_at]
    return later[0] if later else ""


def _payload(case: CaseView, draft: DraftView) -> dict[str, Any]:
    """The escalation in the wire form, with the messages that were there for the draft."""
    told = [m for m in case.messages if m.at <= draft.created_at and m.text]
    if not told:
        raise ConflictError(f"The texts of {case.row.id} were erased; it can be no case of the suite.")
    messages = [
        {"author": m.author, "at": m.at.isoformat(), "text": m.text, **({"subject": m.subject} if m.subject else {})}
        for m in told
    ]
    kept = {name: case.escalation[name] for name in ("customer", "order_ref", "context") if case.escalation.get(name)}
    return {"channel": told[0].channel or "email", "messages": messages, **kept}
