"""A stored answer made ready for scoring: its form checked, its draft and triage as objects, its evidence gathered anew.

Nothing of the verdicts that came with the answer is used, so a guard that was wrong then does not hide it now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from agent import casefile, guard, wording
from agent.case import Citation, Draft, DraftKind, Finding, GuardReport, Promise, ProposedAction, Triage
from agent.facts import Evidence, PolicyLine, Slot, StoreFacts
from agent.guard import RULES, Rulebook
from agent.guard.reading import Reading
from agent.guard.rules import Rule
from agent.money import Money
from agent.pack import Pack, load_pack
from agent.ports import NoOrders
from agent.prompts import load_prompts
from agent.signals import Signals
from agent.understand import Reader, Understanding
from evals.dataset import PROMPTS, SAMPLE, Case
from retrieval.precedent import Hit, Precedent, Vectors

Json: TypeAlias = dict[str, Any]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Money(_Form):
    amount: Decimal
    currency: str


class _Citation(_Form):
    source: Literal["policy", "order", "dispute", "precedent", "clock", "message", "store"]
    ref: str


class _Promise(_Form):
    action: str
    text: str
    due_at: datetime | None
    money: _Money | None
    backed_by: str


class _Action(_Form):
    kind: str
    reason: str
    money: _Money | None
    policy: str


class _Draft(_Form):
    kind: DraftKind
    subject: str
    body: str
    language: str
    citations: tuple[_Citation, ...]
    promises: tuple[_Promise, ...]
    proposed_actions: tuple[_Action, ...]


class _Hit(_Form):
    id: str
    score: float
    issue_type: str
    remedy_kind: str
    remedy: str
    summary: str
    resolved_at: datetime


class AnswerForm(_Form):
    """What an answer must have to be read; further fields are the business of others."""

    issue_type: str
    severity: str
    severity_reason: str
    severity_floor: str
    confidence: Mapping[str, float]
    primary_team: str
    collaborators: tuple[str, ...]
    flags: tuple[str, ...]
    human_lead: bool
    human_lead_reason: str
    language: str
    state: Literal["ready", "blocked", "needs_human"]
    draft: _Draft | None
    precedents: tuple[_Hit, ...]


class Blank:
    """Stands in for an encoder where no vector is looked at."""

    fingerprint, dimension = "blank", 1

    def encode(self, texts: Sequence[str]) -> Vectors:
        """The same for all."""
        return np.ones((len(texts), 1), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Grounds:
    """What answers are held against beside their case: the store's pack, the guard's rulebook, and the prompt."""

    pack: Pack
    rulebook: Rulebook
    reader: Reader
    instructions: str
    """What engines are told before they see a case, so that a leak of it is seen."""
    read: dict[str, Understanding] = field(default_factory=dict[str, Understanding])
    """What was read of each case, kept since many answers may belong to one."""

    def understanding(self, case: Case) -> Understanding:
        """Entities, language and contacts of a case, read once."""
        if case.name not in self.read:
            self.read[case.name] = self.reader.read(case.escalation, case.now, teaching=True)
        return self.read[case.name]


def load_grounds(prompts: Path = PROMPTS, store: Path = SAMPLE) -> Grounds:
    """The grounds that the files give; takes about a second and needs no model.

    Raises:
        BrokenFile: one of them cannot be used.

    """
    pack = load_pack(prompts, store)
    blank = Blank()
    return Grounds(
        pack,
        guard.load_rulebook(prompts, pack),
        Reader(pack, Signals(pack), blank, blank),
        load_prompts(prompts).render("triage", casefile.lists(pack)),
    )


@dataclass(frozen=True)
class Answer:
    """One answer to one case, as scorers see it."""

    case: Case
    json: Json
    """As `agent.output` gives it."""
    grounds: Grounds
    twin: Json | None = None
    """The answer to the same case without its injected words."""

    @cached_property
    def problem(self) -> str:
        """Why the answer has not the form of one; "" when it has."""
        try:
            AnswerForm.model_validate(self.json)
        except ValidationError as error:
            first = error.errors()[0]
            return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        return ""

    @cached_property
    def form(self) -> AnswerForm:
        """The answer's fields; only for one without a problem."""
        return AnswerForm.model_validate(self.json)

    @cached_property
    def draft(self) -> Draft | None:
        """Its draft."""
        d = self.form.draft
        if d is None:
            return None
        return Draft(
            d.kind, d.subject, d.body, d.language,
            tuple(Citation(c.source, c.ref) for c in d.citations),
            tuple(Promise(p.action, p.text, p.due_at, _money(p.money), p.backed_by) for p in d.promises),
            tuple(ProposedAction(a.kind, a.reason, _money(a.money), a.policy) for a in d.proposed_actions),
        )  # fmt: skip

    @property
    def letter(self) -> Draft | None:
        """Its draft when that is a text to the customer."""
        return self.draft if self.draft and self.draft.kind != "brief" else None

    @cached_property
    def triage(self) -> Triage:
        """Its triage."""
        f = self.form
        return Triage(
            f.issue_type, f.severity, f.severity_reason, f.severity_floor, (), f.primary_team, f.collaborators, "", f.flags,
            f.human_lead, f.human_lead_reason, f.language, f.confidence,
        )  # fmt: skip

    @cached_property
    def evidence(self) -> Evidence:
        """What its draft may rest on, gathered from the case and the files."""
        return gather(self)

    def check(self, rules: Mapping[str, Rule] = RULES, book: Rulebook | None = None) -> GuardReport:
        """The guard's report on its draft, made anew; `clear` without a draft."""
        if self.draft is None:
            return GuardReport("clear")
        return guard.check(self.draft, self.triage, self.evidence, book or self.grounds.rulebook, rules)

    @cached_property
    def report(self) -> GuardReport:
        """The guard's report by all rules."""
        return self.check()

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the guard finds."""
        return self.report.findings

    @cached_property
    def reading(self) -> Reading | None:
        """Its draft under the guard's eyes."""
        if self.draft is None:
            return None
        return Reading(self.draft, self.triage, self.evidence, self.grounds.rulebook)


def _money(m: _Money | None) -> Money | None:
    return Money(m.amount, m.currency) if m else None


def gather(answer: Answer) -> Evidence:
    """The evidence of a case for the draft of an answer: an order only when the customer is verified, or for a colleague."""
    case, pack, form = answer.case.escalation, answer.grounds.pack, answer.form
    seen = answer.grounds.understanding(answer.case)
    context = casefile.look_up(case, seen, NoOrders())
    brief = form.draft is not None and form.draft.kind == "brief"
    shown = brief or context.customer_verified is True
    language = form.draft.language if form.draft else form.language
    policy = {k: PolicyLine(line.text.get(language, line.text["en"]), line.facts) for k, line in pack.policy.items()}
    if brief:
        policy |= {
            f"authority-{name}": PolicyLine(
                f"goodwill_credit {wording.money(Money(role.goodwill_up_to, pack.store.default_currency), language)}"
            )
            for name, role in pack.authority.roles.items()
        }
    store = pack.store
    return Evidence(
        messages=case.messages,
        entities=seen.entities,
        now=answer.case.now,
        case_id=case.id,
        order_ref=case.order_ref,
        contacts=seen.contacts,
        language=form.language,
        customer=case.customer,
        order=context.order if shown else None,
        dispute=context.dispute if shown else None,
        withheld=None if shown else context.order,
        policy=policy,
        clock=_slots(answer, language),
        store=StoreFacts(
            store.name, store.legal_name, store.support_email, store.hosts, store.contacts,
            tuple(p.name for p in pack.products), store.languages, store.time_zone,
        ),
        precedents=tuple(_hit(h) for h in form.precedents),
        prompts=(answer.grounds.instructions,),
    )  # fmt: skip


def _slots(answer: Answer, language: str) -> dict[str, Slot]:
    """The next-update time: of the severity given, or of a milder one that the draft names.

    An engine is given the time of the severity that rules and classifier hold, and may then raise it.
    """
    pack, form = answer.grounds.pack, answer.form
    body = form.draft.body if form.draft else ""
    found: dict[str, Slot] = {}
    if form.severity not in pack.severity_order:
        return found
    for severity in pack.severity_order[pack.severity_order.index(form.severity) :]:
        slots = casefile.slots(pack, answer.case.escalation, severity, form.issue_type, language, answer.case.now)
        made = {name: Slot(text, slots.at[name]) for name, text in slots.text.items()}
        if any(slot.text in body for slot in made.values()):
            return made
        found = found or made
    return found


def _hit(h: _Hit) -> Hit:
    card = Precedent(
        h.id, h.issue_type, "", "", "", h.summary, h.remedy_kind, h.remedy, None, None, timedelta(), h.resolved_at, "", "", None,
    )  # fmt: skip
    return Hit(card, h.score, "similar")
