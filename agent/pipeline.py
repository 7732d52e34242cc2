"""One escalation in, one proposal for a human out.

Silence is not an outcome: a step that fails gives the case to a person.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic_ai.models import Model
from pydantic_ai.usage import UsageLimits

from agent import casefile, guard, retrieve
from agent.case import (
    HOLDING,
    Citation,
    Draft,
    Entities,
    Escalation,
    GuardReport,
    Promise,
    Proposal,
    ProposedAction,
    Triage,
    Usage,
)  # fmt: skip
from agent.classifier import Classifier
from agent.embedded import draft_language
from agent.facts.evidence import Evidence, PolicyLine, Slot, StoreFacts
from agent.guard import Rulebook
from agent.llm import EMBEDDED, Limits, authorship
from agent.money import Money
from agent.outbreak import Tracer
from agent.pack import Pack
from agent.ports import OrderBook
from agent.prompts import Prompts
from agent.signals import Signals
from agent.tools import CLASSIFY, ROUTE, Bench, DraftOutput, decisions, desk_agent, read_amount
from agent.triage import Prior, decide
from agent.understand import Reader, Understanding
from retrieval.precedent import Encoder, Found, Query, Search

log = logging.getLogger(__name__)
Json = dict[str, Any]

_READERS = ThreadPoolExecutor(2, thread_name_prefix="reading")
"""Reading keeps a core busy, so it must not hold up the answers of engines; more threads than cores only get in each other's way."""


@dataclass(frozen=True, slots=True, eq=False)
class Deps:
    """Everything that drafting needs; made once, shared by all cases."""

    pack: Pack
    prompts: Prompts
    signals: Signals
    reader: Reader
    classifier: Classifier
    encoder: Encoder
    search: Search
    orders: OrderBook
    rulebook: Rulebook
    model: Model
    """The chain of engines; it always ends in the embedded one."""
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    tracer: Tracer | None = None
    """Makes what a case leaves for finding outbreaks; None when nobody looks for them."""

    @property
    def versions(self) -> dict[str, str]:
        """Content hashes of what makes a proposal."""
        return {"pack": self.pack.version, "classifier": self.classifier.version, "encoder": self.encoder.fingerprint}


@dataclass(frozen=True, slots=True)
class _Read:
    """A case after everything but the engine."""

    case: Escalation
    seen: Understanding
    triage: Triage
    found: Found
    missing: tuple[str, ...]
    language: str
    slots: casefile.Slots
    view: Json


async def propose(escalation: Escalation, deps: Deps, *, now: datetime, hint: str = "") -> Proposal:
    """The desk's whole answer to one escalation. Pure but for `deps`: nothing is stored or sent.

    Args:
        escalation: the case with what the caller knows of order and customer.
        deps: the store's pack, prompts, engines and precedents.
        now: the instant that clocks and relative dates count from.
        hint: what a person wants otherwise than in the last draft; "" for none.

    """
    timing: dict[str, float] = {}
    started = time.perf_counter()
    try:
        read = await asyncio.get_running_loop().run_in_executor(_READERS, _read, escalation, deps, now, timing)
    except Exception as e:  # the fall to a human: whatever fails, the case reaches a person
        log.exception("case %s could not be read", escalation.id)
        return _unread(escalation, deps, now, e)
    try:
        proposal = await _engine(read, deps, now, hint, timing)
    except Exception as e:  # as above
        log.exception("case %s could not be drafted", escalation.id)
        proposal = _undrafted(read, deps, f"no draft could be written ({type(e).__name__})")
    if deps.tracer is not None:
        triage = proposal.triage
        proposal = replace(proposal, trace=deps.tracer.trace(read.case, read.seen, triage.issue_type, triage.severity))
    timing["total"] = (time.perf_counter() - started) * 1000
    return replace(proposal, timing_ms={k: round(v, 2) for k, v in timing.items()})


def _read(escalation: Escalation, deps: Deps, now: datetime, timing: dict[str, float]) -> _Read:
    pack = deps.pack
    clocked = _Stopwatch(timing)
    seen = deps.reader.read(escalation, now)
    context = casefile.look_up(escalation, seen.entities, deps.orders)
    case = replace(escalation, context=context)
    if context.order != escalation.context.order or context.dispute != escalation.context.dispute:
        seen = deps.reader.weigh(case, seen, now)
    clocked("understand")
    heads = deps.classifier.predict(seen.sense)
    prior = Prior(heads["issue_type"], heads["severity"], heads["human_lead"].get("yes", 0.0))
    triage = decide(pack, seen, prior)
    clocked("triage")
    issue = deps.classifier.issue_sentence(seen.sense, triage.issue_type)
    found = retrieve.run(deps.search, seen, prior.issue_type, issue, case_id=case.id, before=now)
    clocked("retrieve")
    lacking = casefile.missing(pack, case, seen, triage, context)
    if lacking:
        triage = replace(triage, flags=(*triage.flags, "missing_facts"))
    language = draft_language(deps.prompts, triage.language, triage.issue_type)
    slot = casefile.slots(pack, case, triage.severity, triage.issue_type, language, now)
    view = casefile.view(
        pack, deps.signals, case, seen, triage, context, lacking, slot, found.hits, language, now, issue
    )
    return _Read(case, seen, triage, found, lacking, language, slot, view)


async def _engine(read: _Read, deps: Deps, now: datetime, hint: str, timing: dict[str, float]) -> Proposal:
    clocked = _Stopwatch(timing)
    instructions, instruction = _instructions(deps), _instruction(read.triage, hint)
    prompt = deps.prompts.render(
        "draft/case",
        {
            "case_file": _case_file(read, hint),
            "instruction": deps.prompts.render(instruction, {}),
            "messages": [m.text for m in read.case.messages],
        },
    )
    clocked("prompt")
    result = await desk_agent().run(
        prompt,
        deps=_bench(read, deps, instructions, now),
        model=deps.model,
        usage_limits=UsageLimits(request_limit=deps.limits.answers + 2, tool_calls_limit=24),
    )
    by = authorship(result.all_messages())
    clocked("engine")
    triage = _settled(read.triage, decisions(result.all_messages()), deps.pack)
    draft = _draft(result.output, read.language)
    evidence = _evidence(read, deps, draft, now, (instructions,), first_message=hint != HOLDING)
    report = guard.check(draft, triage, evidence, deps.rulebook)
    clocked("guard")
    state, why = _state(triage, draft, report)
    return Proposal(
        case_id=read.case.id,
        engine=by.engine,
        degraded=by.degraded,
        degraded_reason=by.reason,
        triage=triage,
        entities=read.seen.entities,
        draft=draft,
        guard=report,
        precedents=read.found.hits,
        precedents_note=read.found.note or "",
        clocks=casefile.clocks(deps.pack, read.case, triage.severity, triage.issue_type, read.seen),
        missing_facts=read.missing,
        state=state,
        state_reason=why,
        timing_ms={},
        usage=by.usage,
        versions={**deps.versions, "prompt": deps.prompts.version(instruction)[:16]},
    )


def _case_file(read: _Read, hint: str) -> Json:
    """What an engine is given of the case: the view, and the triage that rules and classifier made."""
    triage = read.triage
    return {
        "view": read.view,
        "language": read.language,
        "slots": {k: v.isoformat() for k, v in read.slots.at.items()},
        "hint": hint,
        "triage": {
            "floor": triage.severity_floor,
            "severity": {
                "severity": triage.severity,
                "criteria": [c.id for c in triage.criteria],
                "reason": triage.severity_reason,
                "confidence": triage.confidence["severity"],
            },
            "route": {
                "primary_team": triage.primary_team,
                "collaborators": list(triage.collaborators),
                "reason": triage.route_reason,
            },
        },
    }


def _instruction(triage: Triage, hint: str) -> str:
    """The prompt file that says what this draft must contain."""
    return f"draft/{HOLDING if hint == HOLDING and not triage.human_lead else triage.issue_type}"


@lru_cache(maxsize=1)
def _instructions(deps: Deps) -> str:
    """What every engine is told before it sees a case; it names only the pack, so it is the same for all cases."""
    return deps.prompts.render("triage", casefile.lists(deps.pack))


def _bench(read: _Read, deps: Deps, instructions: str, now: datetime) -> Bench:
    """The tools' world, bound to this case's verified customer."""
    own = read.view["order"]

    def order(name: str) -> Json | None:
        return own if own and casefile.order_key(own["id"]) == casefile.order_key(name) else None

    def dispute(name: str) -> Json | None:
        return read.view["dispute"] if order(name) else None

    def search(text: str, k: int) -> list[Json]:
        vector = deps.encoder.encode([text])[0]
        found = deps.search.search(Query(text=text, vector=vector, before=now, exclude=frozenset({read.case.id}), k=k))
        return [
            {"id": h.precedent.id, "summary": h.precedent.summary, "remedy": h.precedent.remedy} for h in found.hits
        ]

    return Bench(deps.pack, instructions, read.triage.severity_floor, read.triage.human_lead, order, dispute, search)


def _settled(triage: Triage, decided: Mapping[str, Json], pack: Pack) -> Triage:
    """The engine's decisions over the prior; what it left out stays as rules and classifier have it."""
    if severity := decided.get(CLASSIFY):
        confidence = {**triage.confidence, "severity": round(float(severity["confidence"]), 3)}
        triage = replace(
            triage, severity=severity["severity"], severity_reason=severity["reason"], confidence=confidence
        )
    if route := decided.get(ROUTE):
        kind = route.get("issue_type") or triage.issue_type
        led = pack.issue_types[kind].human_lead
        triage = replace(
            triage,
            issue_type=kind,
            primary_team=route["primary_team"],
            collaborators=tuple(dict.fromkeys(t for t in route["collaborators"] if t != route["primary_team"])),
            route_reason=route["reason"],
            human_lead=triage.human_lead or led,
            human_lead_reason=triage.human_lead_reason or (pack.issue_types[kind].title if led else ""),
        )
    return triage


def _draft(out: DraftOutput, language: str) -> Draft:
    return Draft(
        kind=out.kind,
        subject=out.subject,
        body=out.body,
        language=language,
        citations=tuple(Citation(c.source, c.ref) for c in out.citations),
        promises=tuple(
            Promise(p.action, p.text, p.due, _money(p.amount, p.currency), p.backed_by) for p in out.promises
        ),
        proposed_actions=tuple(
            ProposedAction(a.kind, a.reason, _money(a.amount, a.currency), a.policy) for a in out.proposed_actions
        ),
    )


def _money(amount: str | None, currency: str) -> Money | None:
    value = read_amount(amount)
    return None if value is None else Money(value, currency)


def _evidence(
    read: _Read, deps: Deps, draft: Draft, now: datetime, prompts: Sequence[str], *, first_message: bool
) -> Evidence:
    """What the draft may rest on: the order only when the customer is verified or a colleague alone reads it."""
    store, context = deps.pack.store, read.case.context
    brief = draft.kind == "brief"
    shown = brief or context.customer_verified is True
    policy = {
        name: PolicyLine(line.text.get(read.language, line.text["en"]), line.facts)
        for name, line in deps.pack.policy.items()
    }
    if brief:
        policy |= {
            f"authority-{o['within']}": PolicyLine(f"{o['kind']} {o['amount']}") for o in read.view["brief"]["options"]
        }
    return Evidence(
        messages=read.case.messages,
        entities=read.seen.entities,
        now=now,
        case_id=read.case.id,
        order_ref=read.case.order_ref,
        contacts=read.seen.contacts,
        language=read.triage.language,
        customer=read.case.customer,
        order=context.order if shown else None,
        dispute=context.dispute if shown else None,
        withheld=None if shown else context.order,
        policy=policy,
        first_message=first_message,
        clock={name: Slot(text, read.slots.at[name]) for name, text in read.slots.text.items()},
        store=StoreFacts(
            store.name, store.legal_name, store.support_email, store.hosts, store.contacts,
            tuple(p.name for p in deps.pack.products), store.languages, store.time_zone,
        ),
        precedents=read.found.hits,
        prompts=tuple(prompts),
    )  # fmt: skip


def _state(triage: Triage, draft: Draft, report: GuardReport) -> tuple[Any, str]:
    if report.verdict == "blocked":
        first = next(f for f in report.findings if f.hard)
        return "blocked", first.message
    if triage.needs_human:
        return "needs_human", triage.needs_human_reason
    if triage.human_lead:
        return "needs_human", triage.human_lead_reason
    if draft.kind == "brief":  # it is read for less, so it must never pass for a text to the customer
        return "needs_human", "the engine wrote a brief for a person, not a text to the customer"
    return "ready", ""


def _undrafted(read: _Read, deps: Deps, why: str) -> Proposal:
    return Proposal(
        read.case.id, EMBEDDED, True, why, read.triage, read.seen.entities, None, GuardReport("clear"), read.found.hits,
        read.found.note or "", casefile.clocks(deps.pack, read.case, read.triage.severity, read.triage.issue_type, read.seen),
        read.missing,
        "needs_human", why, {}, Usage(), deps.versions,
    )  # fmt: skip


def _unread(case: Escalation, deps: Deps, now: datetime, error: Exception) -> Proposal:
    """A case that could not even be read: the most cautious triage, and a person."""
    del now
    pack = deps.pack
    kind, severity = list(pack.issue_types)[-1], pack.severity_order[min(1, len(pack.severity_order) - 1)]
    why = f"the case could not be read ({type(error).__name__}); a person must look at it"
    triage = Triage(
        kind, severity, why, "", (), pack.issue_types[kind].primary_team, (), why, (), False, "", "en",
        {"issue_type": 0.0, "severity": 0.0, "route": 0.0}, True, why,
    )  # fmt: skip
    return Proposal(
        case.id, EMBEDDED, True, why, triage, Entities(), None, GuardReport("clear"), (), "no precedents because the case could not be read",
        casefile.clocks(pack, case, severity, kind), (), "needs_human", why, {}, Usage(), deps.versions,
    )  # fmt: skip


class _Stopwatch:
    """Writes the milliseconds since its last call under a name."""

    def __init__(self, into: dict[str, float]) -> None:
        self._into, self._at = into, time.perf_counter()

    def __call__(self, name: str) -> None:
        now = time.perf_counter()
        self._into[name] = (now - self._at) * 1000
        self._at = now
