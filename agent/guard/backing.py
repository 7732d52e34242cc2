"""Rules about what a draft rests on: facts, promises, and deeds that it claims."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from agent.facts import PERSONAL, Text
from agent.facts.known import ALSO
from agent.guard.reading import Findings, Reading
from agent.promises import Commitment, backed_by_policy


def unsupported_fact(r: Reading) -> Findings:
    """An amount, date, period, share, count, time, link or number that the evidence does not have."""
    for f in r.facts:
        if f.state in _WRONG and f.kind not in PERSONAL:
            what = "contradicts the records" if f.state == "contradicted" else "has no source"
            yield r.finding("unsupported_fact", f"{f.kind} {f.text!r} {what}{_note(f.note)}.", f.start, f.end)


def foreign_personal_data(r: Reading) -> Findings:
    """A name, address, number or id that is not of this case."""
    for f in r.facts:
        if f.state in _WRONG and f.kind in PERSONAL:
            yield r.finding(
                "foreign_personal_data", f"{f.kind} {f.text!r} is not of this case{_note(f.note)}.", f.start, f.end
            )


_WRONG: Final = frozenset({"unsupported", "contradicted"})


def _note(note: str) -> str:
    return f" ({note})" if note else ""


def unverified_order_fact(r: Reading) -> Findings:
    """A fact of an order for a customer whom nobody verified, or words that claim to read from a record that is not there."""
    for f in r.facts:
        if any((k, f.value) in r.evidence.known.withheld for k in ALSO.get(f.kind, (f.kind,))):
            yield r.finding(
                "unverified_order_fact",
                f"{f.kind} {f.text!r} is of an order that this customer is not verified for.",
                f.start,
                f.end,
            )
    if r.evidence.order is None and r.evidence.dispute is None:
        for p in r.phrases:
            for m in r.text.find(p.record_words):
                if not r.harmless(m, p):
                    yield r.finding(
                        "unverified_order_fact",
                        f"{r.quote(m.start, m.end)} speaks from a record, and none is open to this customer.",
                        m.start,
                        m.end,
                    )


def invented_tracking(r: Reading) -> Findings:
    """A state of the parcel that neither the order, nor the customer, nor a policy line tells."""
    order, known = r.evidence.order, r.evidence.known
    states = " ".join((order.status, *(f"{f.status} {f.note}" for f in order.fulfilments))) if order else ""
    record = Text(states.replace("_", " "))
    # a record is in the words of its own system, whatever the language of the draft
    recorded = {h.name for q in r.rules.phrases.languages.values() for h in record.find(q.parcel_states)}
    arrived = order is not None and any(f.delivered_at for f in order.fulfilments)
    for p in r.phrases:
        for m in r.text.find(p.parcel_states):
            read = (m.name == "delivered" and arrived) or m.words.split()[-1] in record.folded
            heard = m.name in recorded or any(h.name == m.name for h in known.said.find(p.parcel_states))
            rule = Commitment("", "", *r.text.sentence(m.start))
            if not (read or heard or r.harmless(m, p) or backed_by_policy(r.text, rule, known.policy_lines, p)):
                what = f"{r.quote(m.start, m.end)} is a parcel state that nothing shows."
                yield r.finding("invented_tracking", what, m.start, m.end)


def invented_policy(r: Reading) -> Findings:
    """A citation of something that is not there, or a sentence about the policy that no line of it backs."""
    e = r.evidence
    held: Mapping[str, bool | Mapping[str, object]] = {
        "policy": e.policy, "clock": e.clock, "order": e.order is not None, "dispute": e.dispute is not None, "precedent": False,
    }  # fmt: skip
    for c in r.draft.citations:
        there = held.get(c.source, True)
        if not (there if isinstance(there, bool) else c.ref in there):
            yield r.finding(
                "invented_policy", f"The draft cites {c.source} {c.ref!r}, which it may not or cannot rest on."
            )
    lines = e.known.policy_lines
    for p in r.phrases:
        for m in r.text.find(p.policy_words):
            start, end = r.text.sentence(m.start)
            said = Commitment("", "", start, end)
            if not r.harmless(m, p) and not backed_by_policy(r.text, said, lines, p, least=2):
                yield r.finding(
                    "invented_policy", f"{r.quote(start, end)} speaks of a policy that no line of it says.", start, end
                )


# --- promises and deeds ---------------------------------------------------------------------------------------------


def unbacked_promise(r: Reading) -> Findings:
    """A remedy, sum or day promised that no looked-up fact, policy line or authority backs."""
    for c in r.commitments:
        inside = r.facts_in(c.start, c.end)
        if c.remedy:
            yield from _remedy(r, c)
            continue
        loose = [
            f for f in inside if f.kind in _BINDING and f.source.startswith(_NOT_BACKING) and f.state == "supported"
        ]
        if loose:
            names = ", ".join(repr(f.text) for f in loose)
            yield r.finding(
                "unbacked_promise",
                f"The draft commits to {names}, which only the customer's words or the calendar have.",
                c.start,
                c.end,
            )


_BINDING: Final = frozenset({"amount", "date", "duration", "time", "percent"})
_SUMS: Final = frozenset({"amount", "number"})
_NOT_BACKING: Final = ("message:", "clock:now", "customer:", "case:")
_GOODWILL: Final = frozenset({"credit", "discount", "compensation", "exception"})


def _remedy(r: Reading, c: Commitment) -> Findings:
    """What is held against a remedy that a sentence gives."""
    inside = r.facts_in(c.start, c.end)
    figures = [f for f in inside if f.kind in _BINDING]
    loose = [f for f in figures if f.source.startswith(_NOT_BACKING) or f.state in _WRONG]
    made = r.evidence.known.roles.get("refund", frozenset[str]())
    if not loose and c.action == "refund" and any(f.kind in _SUMS and f.value in made for f in inside):
        return
    lines = r.evidence.known.policy_lines
    if not loose and any(backed_by_policy(r.text, c, lines, p) for p in r.phrases):
        return
    quote = r.quote(c.start, c.end)
    if not loose and _within_authority(r, c):
        yield r.finding(
            "unbacked_promise",
            f"{quote} promises a {c.action}; the approver's authority must cover it.",
            c.start,
            c.end,
            hard=False,
        )
    else:
        yield r.finding(
            "unbacked_promise",
            f"{quote} promises a {c.action} that no policy line, fact or authority backs.",
            c.start,
            c.end,
        )


def _within_authority(r: Reading, c: Commitment) -> bool:
    """Whether a cited policy line names the remedy without a condition and its worth is within the draft's limit."""
    order = r.evidence.order
    if order is None or order.total is None:
        return False
    cited = [x.ref for x in r.draft.citations if x.source == "policy"]
    named = any(
        ref == name and line.has(p.remedies[c.action]) and not line.has(p.conditions)
        for ref in cited
        for name, line in r.evidence.known.policy_lines
        for p in r.phrases
    )
    worth = c.amount.amount if c.amount else order.total.amount
    limit = r.rules.goodwill_up_to if c.action in _GOODWILL else r.rules.remedy_up_to
    return named and worth <= order.total.amount and (limit is None or worth <= limit)


def claimed_action(r: Reading) -> Findings:
    """A deed that the case's log does not have."""
    order = r.evidence.order
    done = set(r.evidence.log)
    if order and order.refunds:
        done.add("refund")
    if order and any(f.dispatched_at for f in order.fulfilments):
        done.add("send")
    opened = order is not None and any(x.opened_at for x in order.returns)
    for p in r.phrases:
        for m in r.text.find(p.deeds):
            verb = m.part
            passive = m.words.split()[0] not in _FIRST_PERSON
            of_return = opened and _RETURN_OPENED.search(r.text.folded, r.text.clause(m.start)[0], m.end) is not None
            read = passive and (of_return or r.evidence.known.words.get(verb, "").startswith("order:"))
            if m.name.rstrip("_") not in done and not read and not r.harmless(m, p):
                yield r.finding(
                    "claimed_action",
                    f"{r.quote(m.start, m.end)} claims a deed that the log does not have.",
                    m.start,
                    m.end,
                )


_RETURN_OPENED: Final = re.compile(r"\b(?:return|ruckgabe|rucksendung)\b.*\b(?:opened|eroffnet|angemeldet)$")
"""A return that the record has as opened may be told so."""
_FIRST_PERSON: Final = frozenset({"i", "we", "our", "ich", "wir", "unser", "unsere", "habe", "haben"})
