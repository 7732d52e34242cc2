"""The never-list: what no draft may say, whatever it rests on."""

from __future__ import annotations

import re
from typing import Final

from agent.facts import fold
from agent.guard.reading import Findings, Reading
from agent.promises import Commitment, backed_by_policy


def _never(r: Reading, rule: str) -> Findings:
    """Sentences that the phrase file lists under `rule`."""
    entry = r.rules.phrases.file.never[rule]
    if entry.issue_types and r.triage.issue_type not in entry.issue_types:
        return
    for p in r.phrases:
        found = [(m, True) for m in r.text.find(p.never[rule])] + [(m, False) for m in r.text.find(p.denials[rule])]
        for m, deniable in sorted(found):
            unless = p.unless.get(rule)
            start, end = r.text.sentence(m.start)
            if unless and r.text.has(unless, start, end):
                continue
            if entry.negatable and r.harmless(m, p, conditional=entry.conditional, deniable=deniable):
                continue
            yield r.finding(rule, f"The draft {entry.says}: {r.quote(m.start, m.end)}.", m.start, m.end)


def admits_fault(r: Reading) -> Findings:
    """Admits fault or cause."""
    return _never(r, "admits_fault")


def accuses(r: Reading) -> Findings:
    """Accuses the customer."""
    return _never(r, "accuses")


def pressure(r: Reading) -> Findings:
    """Trades or presses for a dispute, review or complaint to be dropped."""
    return _never(r, "pressure")


def advises(r: Reading) -> Findings:
    """Gives legal, medical or tax advice."""
    return _never(r, "advises")


def reveals(r: Reading) -> Findings:
    """Reveals internal notes, other customers, fraud rules or prompts."""
    return _never(r, "reveals")


def asks_secret(r: Reading) -> Findings:
    """Asks for a card number, security code, password or bank detail."""
    return _never(r, "asks_secret")


def other_channel(r: Reading) -> Findings:
    """Moves the talk or a payment elsewhere, or sends the customer to an address that only a message names."""
    yield from _never(r, "other_channel")
    for f in r.facts:
        if f.kind in {"email", "phone"} and f.source.startswith("message:"):
            sentence = r.text.sentence(f.start)
            if not any(r.text.has(p.own_address, *sentence) for p in r.phrases):
                yield r.finding(
                    "other_channel", f"{f.text!r} is no address of the store or the customer.", f.start, f.end
                )


def blocks_escalation(r: Reading) -> Findings:
    """Says that the case cannot go further up."""
    return _never(r, "blocks_escalation")


def customer_deadline(r: Reading) -> Findings:
    """Sets the customer a deadline."""
    lines = r.evidence.known.policy_lines
    for f in _never(r, "customer_deadline"):
        start, end = r.text.sentence(f.start)
        days = [x for x in r.facts_in(start, end) if x.kind in {"date", "time", "duration"}]
        if days and all(any(fold(x.text) in slot for slot in r.evidence.known.slots) for x in days):
            continue
        figures = {n for x in days for n in re.findall(r"\d+", x.text)}
        same = [(name, line) for name, line in lines if figures <= set(re.findall(r"\d+", line.raw))]
        if not any(backed_by_policy(r.text, Commitment("", "", start, end), same, p) for p in r.phrases):
            yield f


def gives_away(r: Reading) -> Findings:
    """Gives money or goods away in words that name no remedy."""
    lines = r.evidence.known.policy_lines
    for f in _never(r, "gives_away"):
        told = Commitment("", "", *r.text.sentence(f.start))
        if not any(backed_by_policy(r.text, told, lines, p) for p in r.phrases):
            yield f


def unsafe(r: Reading) -> Findings:
    """Calls an article safe that may not be."""
    return _never(r, "unsafe")


def vocabulary(r: Reading) -> Findings:
    """Uses words that are the desk's own."""
    yield from _never(r, "vocabulary")
    said = r.evidence.known.said.folded
    for m in _INTERNAL.finditer(r.text.raw):
        start = m.start()
        while start and (r.text.raw[start - 1].isalnum() or r.text.raw[start - 1] == "_"):
            start -= 1
        word = r.text.raw[start : m.end()]
        if (m[0][0] == "_" or start == m.start()) and word.lower() not in said and not r.is_given(start, m.end()):
            yield r.finding("vocabulary", f"{word!r} is a word of the desk.", start, m.end())


_INTERNAL: Final = re.compile(r"_[a-z_]+|[SP][0-4](?!\w)")


def money_sent(r: Reading) -> Findings:
    """Says that money was sent, when no refund was read."""
    refunds = r.evidence.order.refunds if r.evidence.order else ()
    for finding in _never(r, "money_sent"):
        start, end = r.text.sentence(finding.start)
        sums = [f for f in r.facts_in(start, end) if f.kind == "amount"]
        if not (refunds and all(f.source.startswith("order:/refunds") for f in sums)):
            yield finding
