"""The guard over words that a person changed: the evidence of the case is put together anew, without an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, cast

from agent import casefile, guard, wording
from agent.case import Citation, Draft, Escalation, GuardReport, Triage
from agent.facts.evidence import Evidence, PolicyLine, Slot, StoreFacts
from agent.guard import Rulebook
from agent.language import detect
from agent.pack import Pack
from agent.ports import OrderBook
from agent.prompts import Prompts
from agent.understand import entities_of

Json = Mapping[str, Any]

EDITABLE: Final = ("reply", "question")
"""Kinds of draft that are words to the customer."""
EVIDENCE_RULES: Final = frozenset(
    {
        "unsupported_fact", "unverified_order_fact", "invented_tracking", "invented_policy", "unbacked_promise",
        "claimed_action", "money_sent", "missing_content", "customer_deadline",
    }
)  # fmt: skip
"""Rules that ask for a source: a person who has one may say so. What the other rules find has to be edited."""


@dataclass(frozen=True)
class Recheck:
    """What it takes to read a draft again in its case."""

    pack: Pack
    prompts: Prompts
    rulebook: Rulebook
    orders: OrderBook

    def run(self, case: Escalation, proposal: Json, body: Json, *, now: datetime, answered: bool) -> GuardReport:
        """The guard's report on a draft as it now reads.

        Args:
            case: with all its messages.
            proposal: as it was stored; its triage stands, and so do the commitments of the clock that its draft names.
            body: the draft in its stored form, with the words to be read.
            now: the present instant.
            answered: whether the customer had an answer before.

        """
        draft = Draft(
            kind=body["kind"], subject=str(body.get("subject") or ""), body=str(body.get("body") or ""),
            language=str(body.get("language") or proposal.get("language") or "en"),
            citations=tuple(Citation(c["source"], c["ref"]) for c in body.get("citations") or ()),
        )  # fmt: skip
        triage = _triage(proposal)
        slots = self._slots(case, triage, draft.language, proposal, now)
        return guard.check(draft, triage, self._evidence(case, draft, triage, slots, now, answered), self.rulebook)

    @cached_property
    def _instructions(self) -> str:
        return self.prompts.render("triage", casefile.lists(self.pack))

    def _evidence(
        self, case: Escalation, draft: Draft, triage: Triage, slots: Mapping[str, Slot], now: datetime, answered: bool
    ) -> Evidence:
        store, language = self.pack.store, triage.language or detect(case.messages[0].text, case.language_hint).code
        found = entities_of(case, language, self.pack)
        case = replace(case, context=casefile.look_up(case, found, self.orders))
        context = case.context
        shown = context.customer_verified is True
        return Evidence(
            messages=case.messages, entities=found, now=now, case_id=case.id, order_ref=case.order_ref,
            contacts=_contacts(case), language=language, customer=case.customer,
            order=context.order if shown else None, dispute=context.dispute if shown else None,
            withheld=None if shown else context.order,
            policy={
                name: PolicyLine(line.text.get(draft.language, line.text["en"]), line.facts)
                for name, line in self.pack.policy.items()
            },
            first_message=not answered, clock=slots,
            store=StoreFacts(
                store.name, store.legal_name, store.support_email, store.hosts, store.contacts,
                tuple(p.name for p in self.pack.products), store.languages, store.time_zone,
            ),
            prompts=(self._instructions,),
        )  # fmt: skip

    def _slots(self, case: Escalation, triage: Triage, language: str, proposal: Json, now: datetime) -> dict[str, Slot]:
        """The next update as the draft names it, filled in to the minute when it was written, and as it would be now."""
        slots = casefile.slots(self.pack, case, triage.severity, triage.issue_type, language, now)
        found = {name + "_now": Slot(text, slots.at[name]) for name, text in slots.text.items()}
        written: Json = proposal.get("draft") or {}
        for promise in cast("Sequence[Json]", written.get("promises") or ()):
            what, _, name = str(promise.get("backed_by") or "").partition(":")
            if what == "clock" and promise.get("due_at"):
                at = datetime.fromisoformat(str(promise["due_at"]))
                found[name] = Slot(wording.instant(at, language, self.pack.store.time_zone), at)
        return found


def lapsed(body: Json, now: datetime) -> bool:
    """Whether a draft promises something for an instant that has passed."""
    return any(_past(p.get("due_at"), now) for p in body.get("promises") or ())


def _past(instant: object, now: datetime) -> bool:
    return bool(instant) and datetime.fromisoformat(str(instant)) < now - timedelta(seconds=1)


def _contacts(case: Escalation) -> int:
    days = {m.at.date() for m in case.messages if m.author == "customer"}
    return max(1, case.earlier_contacts + 1, len(days))


def _triage(proposal: Json) -> Triage:
    def text(name: str) -> str:
        return str(proposal.get(name) or "")

    return Triage(
        issue_type=text("issue_type"), severity=text("severity"), severity_reason=text("severity_reason"),
        severity_floor=text("severity_floor"), criteria=(), primary_team=text("primary_team"),
        collaborators=tuple(proposal.get("collaborators") or ()), route_reason=text("route_reason"),
        flags=tuple(proposal.get("flags") or ()), human_lead=bool(proposal.get("human_lead")),
        human_lead_reason=text("human_lead_reason"), language=text("language"),
        confidence=proposal.get("confidence") or {},
    )  # fmt: skip
