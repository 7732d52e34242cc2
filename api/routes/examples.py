"""Examples of the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from agent.wire import WireEscalation

_SHORT: Final = {"text": "Hi, my kettle from order FH-270114 arrived cracked. Photos attached. Ann Porter"}
_WHOLE: Final = {
    "id": "T-20411",
    "channel": "email",
    "lang": "en",
    "messages": [
        {"from": "customer", "at": "2026-11-23T18:02:00Z", "subject": "Parcel", "text": "Where is FH-270114?"},
        {"from": "staff", "at": "2026-11-24T08:10:00Z", "text": "We have asked the carrier."},
        {"from": "customer", "at": "2026-11-24T09:00:00Z", "text": "It says delivered, but there is nothing here."},
    ],
    "customer": {"name": "Ann Porter", "email": "ann.porter@example.org"},
    "order_ref": "FH-270114",
    "received_at": "2026-11-24T09:00:00Z",
    "context": {
        "order": {"id": "FH-270114", "status": "delivered", "total": "48.00", "currency": "GBP"},
        "customer_verified": True,
    },
}
_ANSWER: Final[dict[str, Any]] = {
    "case_id": "case_00000000000000000000000000",
    "draft_id": "drf_00000000000000000000000000",
    "state": "ready",
    "state_reason": "",
    "engine": "embedded",
    "degraded": False,
    "issue_type": "not_received_or_late",
    "severity": "S3",
    "severity_reason": "one order that did not arrive",
    "severity_floor": "",
    "confidence": {"issue_type": 0.93, "severity": 0.88, "route": 0.93},
    "primary_team": "carrier_claims",
    "collaborators": ["fulfilment", "risk_fraud"],
    "flags": [],
    "human_lead": False,
    "human_lead_reason": "",
    "language": "en",
    "entities": {"order_ids": [{"value": "FH-270114", "span": {"message": 0, "start": 9, "end": 18}}]},
    "precedents": [],
    "draft": {
        "id": "drf_00000000000000000000000000",
        "kind": "reply",
        "subject": "Your order FH-270114",
        "body": "Dear Ann,\n\n...",
        "citations": [],
        "promises": [],
        "proposed_actions": [],
    },
    "guard": {"verdict": "clear", "findings": [], "facts": []},
    "clocks": [{"metric": "first_reply", "due_at": "2026-11-24T17:00:00Z"}],
    "missing_facts": [],
    "timing_ms": {"total": 41.2},
    "usage": {"requests": 0, "input_tokens": 0, "output_tokens": 0},
}
_PENDING: Final[dict[str, Any]] = {key: _ANSWER[key] for key in ("case_id", "draft_id")}
_PROBLEM: Final = {
    "type": "about:blank",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "txet: is not a known field; use only id, channel, lang, text, messages, ...",
    "errors": [
        {"field": "txet", "detail": "txet: is not a known field; use only id, channel, lang, text, messages, ..."}
    ],
}

ESCALATION_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": WireEscalation.model_json_schema(ref_template="#/components/schemas/{model}"),
                "examples": {
                    "short": {"summary": "One text", "value": _SHORT},
                    "whole": {"summary": "A thread with customer, order and context", "value": _WHOLE},
                },
            },
            "text/plain": {"schema": {"type": "string"}, "example": _SHORT["text"]},
        },
    }
}
"""The request body of routes that read the escalation themselves, to say in one sentence what is wrong with it."""


def problem(description: str) -> dict[str, Any]:
    """An answer that is a problem."""
    return {"description": description, "content": {"application/problem+json": {"example": _PROBLEM}}}


PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "Nobody is signed in, or the API key is not valid."},
    403: {"description": "The principal may not do this."},
    422: problem("A field cannot be used; the detail says which and how to mend it."),
}
DRAFTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The draft.", "content": {"application/json": {"example": _ANSWER}}},
    202: {
        "description": "Not written yet; `Location` is the draft.",
        "content": {"application/json": {"example": _PENDING}},
    },
    409: problem("The same id or Idempotency-Key came before with another body."),
    413: problem("Larger than 1 MB, or more than 64 KB of text."),
    **PROBLEMS,
}
TAKEN: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "Stored; the draft follows.", "content": {"application/json": {"example": _PENDING}}},
    409: DRAFTED[409],
    413: DRAFTED[413],
    **PROBLEMS,
}
