"""The proposal as JSON: the same in the command line's `--json`, over HTTP and in the store."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from agent.case import Draft, Entity, Promise, Proposal, ProposedAction
from agent.money import Money
from retrieval.precedent import Hit

Json = dict[str, Any]

_PLURAL = {
    "order_id": "order_ids", "amount": "amounts", "date": "dates", "deadline": "deadlines", "tracking_number": "tracking_numbers",
    "product": "products", "email": "emails", "phone": "phones", "url": "urls", "name": "names", "card_last4": "card_last4",
    "card_number": "card_numbers", "iban": "ibans", "address": "addresses",
    "lot": "lots",
}  # fmt: skip


def as_json(proposal: Proposal) -> Json:
    """Plain data with the field names of the interface; instants in RFC 3339, money as amount and currency."""
    t = proposal.triage
    return {
        "case_id": proposal.case_id,
        "engine": proposal.engine,
        "degraded": proposal.degraded,
        "degraded_reason": proposal.degraded_reason,
        "state": proposal.state,
        "state_reason": proposal.state_reason,
        "issue_type": t.issue_type,
        "severity": t.severity,
        "severity_reason": t.severity_reason,
        "severity_floor": t.severity_floor,
        "criteria": [asdict(c) for c in t.criteria],
        "confidence": dict(t.confidence),
        "primary_team": t.primary_team,
        "collaborators": list(t.collaborators),
        "route_reason": t.route_reason,
        "flags": list(t.flags),
        "human_lead": t.human_lead,
        "human_lead_reason": t.human_lead_reason,
        "language": t.language,
        "entities": _entities(proposal.entities.all),
        "precedents": [_hit(h) for h in proposal.precedents],
        "precedents_note": proposal.precedents_note,
        "draft": _draft(proposal.draft) if proposal.draft else None,
        "guard": {
            "verdict": proposal.guard.verdict,
            "findings": [asdict(f) for f in proposal.guard.findings],
            "facts": [asdict(f) for f in proposal.guard.facts],
        },
        "clocks": [
            {"metric": c.metric, "due_at": _time(c.due_at), "target": c.target, "calendar": c.calendar}
            for c in proposal.clocks
        ],
        "missing_facts": list(proposal.missing_facts),
        "timing_ms": dict(proposal.timing_ms),
        "usage": {
            "requests": proposal.usage.requests,
            "input_tokens": proposal.usage.input_tokens,
            "output_tokens": proposal.usage.output_tokens,
            "cost_usd": _number(proposal.usage.cost_usd),
        },
        "versions": dict(proposal.versions),
    }


def _entities(entities: tuple[Entity, ...]) -> Json:
    kinds: Json = {plural: [] for plural in _PLURAL.values()}
    for e in entities:
        span = {"message": e.span.message, "start": e.span.start, "end": e.span.end}
        extra = {"currency": e.detail} if e.kind == "amount" else {"detail": e.detail} if e.detail else {}
        kinds[_PLURAL[e.kind]].append({"value": e.value, "text": e.text, **extra, "span": span})
    return kinds


def _hit(hit: Hit) -> Json:
    p = hit.precedent
    return {
        "id": p.id, "score": round(hit.score, 4), "why": hit.why, "issue_type": p.issue_type, "severity": p.severity,
        "language": p.language, "channel": p.channel, "summary": p.summary, "remedy_kind": p.remedy_kind, "remedy": p.remedy,
        "cost": None if p.cost is None else {"amount": str(p.cost), "currency": p.currency or ""},
        "resolved_in_s": int(p.resolved_in.total_seconds()), "resolved_at": _time(p.resolved_at), "outcome": p.outcome,
        "aftermath": p.aftermath, "satisfaction": p.satisfaction, "teams": list(p.teams), "products": list(p.products),
    }  # fmt: skip


def _draft(draft: Draft) -> Json:
    return {
        "id": "",
        "kind": draft.kind,
        "subject": draft.subject,
        "body": draft.body,
        "language": draft.language,
        "citations": [asdict(c) for c in draft.citations],
        "promises": [_promise(p) for p in draft.promises],
        "proposed_actions": [_action(a) for a in draft.proposed_actions],
    }


def _promise(p: Promise) -> Json:
    return {
        "action": p.action,
        "text": p.text,
        "due_at": _time(p.due),
        "money": _money(p.money),
        "backed_by": p.backed_by,
    }


def _action(a: ProposedAction) -> Json:
    return {"kind": a.kind, "reason": a.reason, "money": _money(a.money), "policy": a.policy}


def _money(money: Money | None) -> Json | None:
    return money.as_dict() if money else None


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def _number(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
