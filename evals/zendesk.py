"""Tickets of a Zendesk export in the words of a history: no text of theirs is taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

_SCORES: Final = {"good": 5, "bad": 1}
"""Zendesk asks for good or bad; these are the ends of the scale from 1 to 5."""


def is_ticket(row: Mapping[str, Any]) -> bool:
    """Whether a row is a ticket as Zendesk exports it."""
    return "created_at" in row and bool({"comments", "metric_set", "requester_id", "satisfaction_rating"} & row.keys())


def ours(ticket: Mapping[str, Any], marks: Mapping[Any, Sequence[str]]) -> dict[str, Any]:
    """What a ticket says: severity and team are still Zendesk's priority and group, for the mapping to translate.

    Args:
        ticket: with `comments`, `metric_set` or both, as far as the export has them.
        marks: `complaint` and `error` -> the tags that mean so.

    """
    metric, via = _object(ticket.get("metric_set")), _object(ticket.get("via"))
    customer = ticket.get("requester_id")
    comments = [c for c in _list(ticket.get("comments")) if c.get("created_at")]
    messages = [
        {"at": c["created_at"], "from": "customer" if c.get("author_id") == customer else "staff",
         "who": c.get("author_id"), "public": c.get("public", True)}
        for c in comments
    ]  # fmt: skip
    replies = [m["at"] for m in messages if m["from"] == "staff" and m["public"] is not False]
    given: dict[str, Any] = {
        "id": ticket.get("id"), "opened_at": ticket["created_at"], "status": ticket.get("status"),
        "severity": ticket.get("priority"), "team": ticket.get("group_id"), "channel": via.get("channel"),
        "first_reply_at": min(map(str, replies)) if replies else None,
        "resolved_at": metric.get("solved_at") or ticket.get("solved_at"), "reopens": metric.get("reopens"),
        "satisfaction": _SCORES.get(str(_object(ticket.get("satisfaction_rating")).get("score"))),
    }  # fmt: skip
    if given["status"] in {"new", "open", "pending", "hold"}:
        given["resolved_at"] = None  # it was solved once and came back
    if comments:
        given["messages"] = messages
    tags = {str(tag) for tag in cast("list[Any]", ticket.get("tags") or [])}
    for mark, words in marks.items():
        given[str(mark)] = "yes" if tags & set(words) else "no"
    return given


def path_value(row: Mapping[str, Any], path: str) -> Any:
    """What stands at a column or a dotted path; a list of `{"id", "value"}` is gone through by id."""
    if path in row:
        return row[path]
    value: Any = row
    for part in path.split("."):
        if isinstance(value, dict):
            value = cast("dict[str, Any]", value).get(part)
        else:
            value = next((item.get("value") for item in _list(value) if str(item.get("id")) == part), None)
    return None if isinstance(value, (dict, list)) else value


def _object(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", item) for item in items if isinstance(item, dict)]
