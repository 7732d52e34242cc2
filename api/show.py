"""What the pages show: a proposal's JSON and the store's texts as typed, ready-to-print pieces."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, cast

from agent.case import Dispute, Order
from agent.orders import read_dispute, read_order
from agent.pack import Pack
from agent.ports import OrderBook
from agent.recheck import EVIDENCE_RULES
from api.marks import Piece, pieces
from api.say import confidence, money, sentences, words
from api.views import CaseView

Json: TypeAlias = Mapping[str, Any]

_FACT: Final = {"supported": "✓", "derived": "≈", "unsupported": "?", "contradicted": "✕"}
MOST_PRECEDENTS: Final = 5


@dataclass(frozen=True, slots=True)
class Due:
    """One clock of a case."""

    metric: str
    at: datetime | None
    overdue: bool
    target: str


@dataclass(frozen=True, slots=True)
class FactLine:
    """One footnote: a fact of the draft, how it stands, and where it comes from."""

    number: int
    icon: str
    state: str
    text: str
    source: str
    note: str
    target: str
    """Id of the place on the page that shows where it comes from; its own when nothing does."""


@dataclass(frozen=True, slots=True)
class FindingLine:
    """One thing that the guard holds against the draft."""

    hard: bool
    rule: str
    message: str
    answerable: bool
    """Whether evidence can answer it, rather than other words."""
    answered: str
    """Who answered it; "" when nobody did."""


@dataclass(frozen=True, slots=True)
class PastLine:
    """One precedent."""

    id: str
    why: str
    summary: str
    issue_type: str
    remedy: str
    cost: str
    took: str
    aftermath: str


@dataclass(frozen=True, slots=True)
class TriageLine:
    """One decision with its reason and how sure it is."""

    name: str
    value: str
    reason: str
    sure: str


@dataclass(frozen=True, slots=True)
class PolicyText:
    """One line of the store's policy."""

    id: str
    text: str
    cited: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything of a proposal that the case page prints."""

    engine: str
    degraded: str
    kind: str
    subject: str
    body: tuple[Piece, ...]
    plain: str
    facts: tuple[FactLine, ...]
    findings: tuple[FindingLine, ...]
    verdict: str
    triage: tuple[TriageLine, ...]
    flags: tuple[str, ...]
    human_lead: str
    clocks: tuple[Due, ...]
    missing: tuple[str, ...]
    precedents: tuple[PastLine, ...]
    precedents_note: str
    actions: tuple[str, ...]
    promises: tuple[str, ...]
    policy: tuple[PolicyText, ...]


def sheet(proposal: Json, pack: Pack, now: datetime, unseen: Collection[str] = ()) -> Sheet:
    """The proposal of a case, ready to print; `unseen` are parts of the page that are not there: `order`, `dispute`."""
    draft: Json = proposal.get("draft") or {}
    guard: Json = proposal.get("guard") or {}
    facts = _rows(guard, "facts")
    body = str(draft.get("body") or "")
    shown = [f for f in facts if 0 <= int(f.get("start", 0)) < int(f.get("end", 0)) <= len(body)]
    return Sheet(
        engine=str(proposal.get("engine") or ""),
        degraded=str(proposal.get("degraded_reason") or "another engine was asked first")
        if proposal.get("degraded")
        else "",
        kind=str(draft.get("kind") or ""),
        subject=str(draft.get("subject") or ""),
        body=tuple(_draft_pieces(body, shown, unseen)),
        plain=body,
        facts=tuple(_fact(number, f, unseen) for number, f in enumerate(shown, start=1)),
        findings=tuple(
            FindingLine(
                bool(f.get("hard")),
                words(f.get("rule")),
                str(f.get("message") or ""),
                f.get("rule") in EVIDENCE_RULES,
                str(f.get("answered") or ""),
            )
            for f in _rows(guard, "findings")
        ),
        verdict=str(guard.get("verdict") or ""),
        triage=_triage(proposal, pack),
        flags=tuple(words(flag) for flag in _names(proposal, "flags")),
        human_lead=str(proposal.get("human_lead_reason") or "a person leads this case")
        if proposal.get("human_lead")
        else "",
        clocks=tuple(_due(clock, now) for clock in _rows(proposal, "clocks")),
        missing=tuple(words(fact) for fact in _names(proposal, "missing_facts")),
        precedents=tuple(_past(p, pack) for p in _rows(proposal, "precedents")[:MOST_PRECEDENTS]),
        precedents_note=str(proposal.get("precedents_note") or ""),
        actions=tuple(_action(a) for a in _rows(draft, "proposed_actions")),
        promises=tuple(_promise(p) for p in _rows(draft, "promises")),
        policy=_policy(proposal, draft, pack),
    )


def order_of(case: CaseView, orders: OrderBook) -> tuple[Order | None, Dispute | None]:
    """Order and dispute of a case: those that came with it, else those of the order book."""
    context: Json = case.escalation.get("context") or {}
    order = read_order(context["order"]) if context.get("order") else None
    dispute = read_dispute(context["dispute"]) if context.get("dispute") else None
    proposal: Json = (case.draft.proposal if case.draft else None) or {}
    named = [str(case.escalation.get("order_ref") or "")]
    named += [str(e.get("value") or "") for e in _rows(proposal.get("entities") or {}, "order_ids")]
    for order_id in filter(None, named):
        order = order or orders.order(order_id)
        dispute = dispute or orders.dispute(order_id)
    return order, dispute


def _rows(source: Json, name: str) -> Sequence[Json]:
    """The objects in a list of a proposal; none when it is missing."""
    return cast("Sequence[Json]", source.get(name) or ())


def _names(source: Json, name: str) -> Sequence[str]:
    """The words in a list of a proposal."""
    return cast("Sequence[str]", source.get(name) or ())


# --- parts -----------------------------------------------------------------------------------------------------------


def _draft_pieces(body: str, facts: Sequence[Json], unseen: Collection[str]) -> Iterator[Piece]:
    lines = {number: _fact(number, f, unseen) for number, f in enumerate(facts, start=1)}
    marks = [
        (int(f["start"]), int(f["end"]), str(f.get("state") or ""), str(f.get("state") or ""), number)
        for number, f in enumerate(facts, start=1)
    ]
    for piece in pieces(body, marks):
        line = lines.get(piece.number)
        yield replace(piece, target=line.target, icon=line.icon) if line else piece


def _fact(number: int, fact: Json, unseen: Collection[str]) -> FactLine:
    state = str(fact.get("state") or "")
    source = str(fact.get("source") or "")
    there = _target(source)
    own = f"fact-{number}"
    return FactLine(
        number, _FACT.get(state, "?"), state, str(fact.get("text") or fact.get("value") or ""),
        _source(source), str(fact.get("note") or ""), own if there.partition("-")[0] in {"", *unseen} else there,
    )  # fmt: skip


_SHOWN: Final = {
    "items": "item",
    "fulfilments": "parcel",
    "refunds": "refund",
    "charges": "charge",
    "returns": "return",
}


def _target(source: str) -> str:
    """Id of the part of the page that shows a source; "" when none does."""
    what, _, where = source.partition(":")
    parts = [p for p in where.split("/") if p]
    if what == "message":
        return f"message-{int(where) + 1}" if where.isdigit() else "message-1"
    if what == "order":
        of = _SHOWN.get(parts[0]) if len(parts) > 1 and parts[1].isdigit() else None
        return f"order-{of}-{int(parts[1]) + 1}" if of else "order"
    if what == "policy":
        return f"policy-{where}"
    return {"dispute": "dispute", "clock": "clocks", "customer": "case-head", "case": "case-head"}.get(what, "")


def _source(source: str) -> str:
    """Where a fact comes from, e.g. `order:/items/0/name` is "order, items 1 name"."""
    what, _, where = source.partition(":")
    if what == "message":
        return f"message {int(where) + 1}" if where.isdigit() else "message"
    parts = [str(int(p) + 1) if p.isdigit() else words(p) for p in where.split("/") if p]
    return ", ".join(filter(None, (what, " ".join(parts)))) or "no source"


def _triage(proposal: Json, pack: Pack) -> tuple[TriageLine, ...]:
    sure: Json = proposal.get("confidence") or {}
    kind = pack.issue_types.get(str(proposal.get("issue_type") or ""))
    level = pack.severities.get(str(proposal.get("severity") or ""))
    floor = proposal.get("severity_floor")
    teams = [str(proposal.get("primary_team") or ""), *_names(proposal, "collaborators")]
    titles = [pack.teams[team].title if team in pack.teams else words(team) for team in teams if team]
    return (
        TriageLine(
            "Issue type", kind.title if kind else words(proposal.get("issue_type")), kind.about if kind else "",
            confidence(sure.get("issue_type")),
        ),
        TriageLine(
            "Severity", " ".join(filter(None, (str(proposal.get("severity") or ""), level.title if level else ""))),
            sentences(str(proposal.get("severity_reason") or ""), f"Not below {floor} by rule" if floor else ""),
            confidence(sure.get("severity")),
        ),
        TriageLine(
            "Team", titles[0] if titles else "",
            sentences(str(proposal.get("route_reason") or ""), _pulled_in(titles[1:])),
            confidence(sure.get("route")),
        ),
    )  # fmt: skip


def _pulled_in(titles: Sequence[str]) -> str:
    return f"Pulled in: {', '.join(titles)}" if titles else ""


def _due(clock: Json, now: datetime) -> Due:
    at = datetime.fromisoformat(str(clock["due_at"])).astimezone(UTC) if clock.get("due_at") else None
    return Due(words(clock.get("metric")), at, at is not None and at < now, str(clock.get("target") or ""))


def _past(hit: Json, pack: Pack) -> PastLine:
    kind = pack.issue_types.get(str(hit.get("issue_type") or ""))
    seconds = hit.get("resolved_in_s")
    hours = hit.get("resolved_in_hours", seconds / 3600 if isinstance(seconds, (int, float)) else None)
    took = (
        f"{hours / 24:.1f} days"
        if isinstance(hours, (int, float)) and hours >= 48
        else f"{hours:.0f} h"
        if hours
        else ""
    )
    score = hit.get("score")
    alike = f"{score:.0%} alike" if isinstance(score, (int, float)) else "alike"
    remedy = ": ".join(filter(None, (words(hit.get("remedy_kind")), str(hit.get("remedy") or ""))))
    return PastLine(
        id=str(hit.get("id") or ""), why="same order or product" if hit.get("why") == "exact_key" else alike,
        summary=str(hit.get("summary") or ""), issue_type=kind.title if kind else words(hit.get("issue_type")),
        remedy=remedy, cost=_cost(hit), took=took, aftermath=str(hit.get("aftermath") or ""),
    )  # fmt: skip


def _cost(hit: Json) -> str:
    cost = hit.get("cost")
    if isinstance(cost, Mapping):
        return money(cast("Json", cost))
    return money({"amount": cost, "currency": hit.get("currency")}) if cost is not None else "no cost"


def _action(action: Json) -> str:
    given = money(cast("Json | None", action.get("money")))
    parts = (words(action.get("kind")), given, str(action.get("reason") or ""))
    return " · ".join(filter(None, parts))


def _promise(promise: Json) -> str:
    backed = f"backed by {promise['backed_by']}" if promise.get("backed_by") else "nothing backs it"
    return " · ".join(filter(None, (words(promise.get("action")), str(promise.get("text") or ""), backed)))


def _policy(proposal: Json, draft: Json, pack: Pack) -> tuple[PolicyText, ...]:
    cited = {str(c.get("ref") or "") for c in _rows(draft, "citations") if c.get("source") == "policy"}
    lines = {
        **{i: pack.policy[i] for i in sorted(cited & set(pack.policy))},
        **pack.policy_for(str(proposal.get("issue_type") or "")),
    }
    language = str(proposal.get("language") or "")
    return tuple(
        PolicyText(i, line.text.get(language) or next(iter(line.text.values())), i in cited)
        for i, line in lines.items()
    )
