"""The rules, each a small function of one reading: what a draft must never do, and what it must have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from agent.case import Finding
from agent.facts import PERSONAL, Text, fold
from agent.facts.known import RUN
from agent.guard import hidden
from agent.guard.echo import ECHO, instructed
from agent.guard.reading import Reading
from agent.phrasebook import Phrases
from agent.promises import Commitment, backed_by_policy

Findings: TypeAlias = Iterator[Finding]
Rule: TypeAlias = Callable[[Reading], Findings]

# --- facts ----------------------------------------------------------------------------------------------------------


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
        if (f.kind, f.value) in r.evidence.known.withheld:
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
    """A state of the parcel that neither the order nor the customer reports."""
    order, known = r.evidence.order, r.evidence.known
    record = Text(f"{order.status} " + " ".join(f"{f.status} {f.note}" for f in order.fulfilments) if order else "")
    for p in r.phrases:
        for m in r.text.find(p.parcel_states):
            state = m.name
            read = state == "delivered" and order is not None and any(f.delivered_at for f in order.fulfilments)
            read = read or m.words.split()[-1] in record.folded
            if not (
                read
                or any(_heard(state, t, p) for t in (known.said, record, *(line for _, line in known.policy_lines)))
                or r.harmless(m, p)
            ):
                yield r.finding(
                    "invented_tracking",
                    f"{r.quote(m.start, m.end)} is a parcel state that nothing shows.",
                    m.start,
                    m.end,
                )


def _heard(state: str, text: Text, p: Phrases) -> bool:
    return any(m.name == state for m in text.find(p.parcel_states))


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
_NOT_BACKING: Final = ("message:", "clock:now")
_GOODWILL: Final = frozenset({"credit", "discount", "compensation", "exception"})


def _remedy(r: Reading, c: Commitment) -> Findings:
    """What is held against a remedy that a sentence gives."""
    inside = r.facts_in(c.start, c.end)
    figures = [f for f in inside if f.kind in _BINDING]
    loose = [f for f in figures if f.source.startswith(_NOT_BACKING) or f.state in _WRONG]
    if not loose and c.action == "refund" and any(f.source.startswith("order:/refunds") for f in figures):
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
    for p in r.phrases:
        for m in r.text.find(p.deeds):
            verb = m.part
            passive = m.words.split()[0] not in _FIRST_PERSON
            read = passive and r.evidence.known.words.get(verb, "").startswith("order:")
            if m.name not in done and not read and not r.harmless(m, p):
                yield r.finding(
                    "claimed_action",
                    f"{r.quote(m.start, m.end)} claims a deed that the log does not have.",
                    m.start,
                    m.end,
                )


_FIRST_PERSON: Final = frozenset({"i", "we", "our", "ich", "wir", "unser", "unsere", "habe", "haben"})


def money_sent(r: Reading) -> Findings:
    """Says that money was sent, when no refund was read."""
    refunds = r.evidence.order.refunds if r.evidence.order else ()
    for finding in _never(r, "money_sent"):
        start, end = r.text.sentence(finding.start)
        sums = [f for f in r.facts_in(start, end) if f.kind == "amount"]
        if not (refunds and all(f.source.startswith("order:/refunds") for f in sums)):
            yield finding


# --- the never-list -------------------------------------------------------------------------------------------------


def _never(r: Reading, rule: str) -> Findings:
    """Sentences that the phrase file lists under `rule`."""
    entry = r.rules.phrases.file.never[rule]
    if entry.issue_types and r.triage.issue_type not in entry.issue_types:
        return
    for p in r.phrases:
        for m in r.text.find(p.never[rule]):
            unless = p.unless.get(rule)
            start, end = r.text.sentence(m.start)
            if unless and r.text.has(unless, start, end):
                continue
            if entry.negatable and r.harmless(m, p, conditional=entry.conditional):
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
    """Moves the talk or a payment elsewhere."""
    return _never(r, "other_channel")


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
        if not any(backed_by_policy(r.text, Commitment("", "", start, end), lines, p) for p in r.phrases):
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
        if (
            (m[0][0] == "_" or start == m.start())
            and word.lower() not in said
            and not r.is_given(start, m.end())
        ):
            yield r.finding("vocabulary", f"{word!r} is a word of the desk.", start, m.end())


_INTERNAL: Final = re.compile(r"_[a-z_]+|[SP][0-4](?!\w)")

# --- form -----------------------------------------------------------------------------------------------------------


def active_content(r: Reading) -> Findings:
    """Links to elsewhere, images, markup."""
    for f in r.facts:
        if f.kind == "url" and not _own_link(r, f.value):
            yield r.finding("active_content", f"{f.text!r} is no link of the store.", f.start, f.end)
    for pattern, text in ((_MARKUP, r.text.raw), (_SCHEMES, r.text.folded)):
        for m in pattern.finditer(text):
            if m[0][0] != "/" or text[m.start() - 1 : m.start()] != ":":
                yield r.finding("active_content", f"{m[0]!r} is markup, a link or an image.", *m.span())


_MARKUP: Final = re.compile(
    r"!\[|\]\s?\(|\]\s?\[|\[[^\]\n]{1,80}\]:|<\s?[A-Za-z!/?]|&(?:#\w{1,8}|[a-z]{2,8});|//[\w-]+[./]|\[\.\]|\(dot\)|\[at\]|\(at\)|```|\[\[|\{\{|\{%"
)
_SCHEMES: Final = re.compile(
    r"(?:javascript|data|vbscript|file|blob|ftp|mailto) ?: ?\S|hxxps?|dot (?:com|net|org|example|io|de)\b"
)


def _own_link(r: Reading, url: str) -> bool:
    """Whether a link leads to a host of the store, and to a page that its policy names or to none."""
    bare = re.sub(r"^https?://", "", url)
    host, _, path = bare.partition("/")
    if host not in {h.lower() for h in r.evidence.store.hosts} or re.search(r"[?#@&=]", url):
        return False
    return not path or bare in r.evidence.known.policy_text


def leaked_prompt(r: Reading) -> Findings:
    """Words of the instructions that the engine was given."""
    folded = r.text.folded
    for word in (*r.evidence.canaries, "case_file", "<case", "<<<", "untrusted_"):
        if word and word.lower() in folded:
            at = folded.find(word.lower())
            yield r.finding("leaked_prompt", "The draft holds a mark of the prompt.", at, at + len(word))
    if r.evidence.prompts:
        words = [w.folded for w in r.text.words]
        leaks = r.evidence.known.prompt_runs
        for i in range(len(words) - RUN + 1):
            if " ".join(words[i : i + RUN]) in leaks:
                span = r.text.words[i].start, r.text.words[i + RUN - 1].end
                yield r.finding("leaked_prompt", f"{r.quote(*span)} repeats the prompt.", *span)
                return


def hidden_characters(r: Reading) -> Findings:
    """Characters that are not seen or not what they seem."""
    records = f"{r.evidence.customer.name} {' '.join(r.evidence.store.products)}"
    for start, end, what in hidden.unseen(r.text, records):
        yield r.finding("hidden_characters", f"The draft holds {what}.", start, end)


def encoded_text(r: Reading) -> Findings:
    """Words in code, scattered or cut apart."""
    for start, end, what in hidden.encoded(r.text, r.evidence.known.tokens):
        if r.is_given(start, end):
            continue
        yield r.finding("encoded_text", f"The draft holds {what}.", start, end)


def wrong_language(r: Reading) -> Findings:
    """A text in another language than the customer's, or one that the guard cannot read."""
    d, book = r.draft, r.rules.phrases
    letters = sum(w.end - w.start for w in r.text.words)
    wanted = r.triage.language
    answers = r.evidence.store.languages
    if wanted and d.language != wanted and (not answers or wanted in answers):
        yield r.finding(
            "wrong_language", f"The customer writes {wanted}, the draft is {d.language}.", hard=letters >= _FEW
        )
    if d.language not in book.languages:
        yield r.finding(
            "wrong_language", f"The guard cannot read {d.language or 'this language'}; a person must write this."
        )
        return
    own = book.languages[d.language].stopwords
    if letters >= _FEW and sum(w.folded in own for w in r.text.words) < _SHARE * len(r.text.words):
        yield r.finding("wrong_language", f"The draft does not read as {d.language}.")
        return
    known = r.evidence.known.words
    for start, end, words in r.text.sentence_words():
        other = sum(w in book.everyday and w not in own for w in words)
        home = sum(w in own for w in words)
        met = sum(w in known for w in words)
        strange = home * _HOME < len(words) >= _SENTENCE and met * 2 < len(words) and (met == 0 or len(words) >= _LONG)
        if strange or (other >= _OTHER and home * 2 < other):
            hard = sum(map(len, words)) >= _FEW
            yield r.finding("wrong_language", f"{r.quote(start, end)} is not {d.language}.", start, end, hard=hard)


_OTHER: Final = 2
"""So many everyday words of another language, and hardly one of its own, give a sentence away."""
_HOME: Final = 8
"""A sentence in which fewer than one word in so many is an everyday word, and most words are new to the case, is strange."""
_FEW: Final = 20
"""Below so many letters a language cannot be told."""
_SHARE: Final = 0.15
"""Share of everyday words below which a text is not in its language; honest drafts have 0.35 and more."""
_SENTENCE: Final = 4
"""Shorter sentences are too short to look strange."""
_LONG: Final = 6
"""Shorter sentences look strange only when the case has none of their words."""


def echoed_instruction(r: Reading) -> Findings:
    """Words that a message told a machine to write."""
    runs, marks = instructed(tuple(m.text for m in r.evidence.messages), r.rules.phrases)
    if not runs and not marks:
        return
    words = r.text.words
    for i in range(len(words) - ECHO + 1):
        if " ".join(w.folded for w in words[i : i + ECHO]) in runs:
            span = words[i].start, words[i + ECHO - 1].end
            yield r.finding("echoed_instruction", f"{r.quote(*span)} repeats what a message instructs.", *span)
            return
    own = " ".join((*r.evidence.entities.values("order_id"), r.evidence.order_ref)).lower()
    for mark in marks:
        at = r.text.folded.find(mark)
        if at >= 0 and mark not in own and mark not in r.evidence.known.policy_text:
            yield r.finding("echoed_instruction", f"{mark!r} is a word that a message asks for.", at, at + len(mark))
            return


def missing_content(r: Reading) -> Findings:
    """A content item that the first message of this issue type must have."""
    book = r.rules.phrases
    p = book.languages.get(r.draft.language)
    if p is None:
        return
    for item in r.rules.required.get(r.triage.issue_type, ()):
        rule, pattern = book.file.required.get(item), p.required.get(item)
        if rule is None or (r.draft.kind == "question" and not rule.hard) or (pattern is None and not rule.fact):
            continue
        if rule.fact and not _asked(r, rule.fact):
            continue
        if (pattern and r.text.has(pattern)) or (rule.fact and _has(r, rule.fact)):
            continue
        yield r.finding(
            "missing_content",
            f"A first message about {r.triage.issue_type} must have: {item.replace('_', ' ')}.",
            hard=rule.hard,
        )


def _asked(r: Reading, fact: str) -> bool:
    """Whether the evidence could give what is asked for: no order can be named that nobody knows."""
    e = r.evidence
    known = {
        "order": bool(e.order or e.entities.of("order_id")), "item": bool(e.order or e.entities.of("product")),
        "contact": bool(e.store.contacts), "case": bool(e.case_id), "slot": bool(e.clock),
    }  # fmt: skip
    return any(known.get(f, True) for f in fact.split(" or "))


def _has(r: Reading, fact: str) -> bool:
    """Whether the draft holds one of the facts."""
    kinds = fact.split(" or ")
    for f in r.facts:
        if f.kind in kinds or (f.kind == "order_id" and "order" in kinds):
            return True
        if (f.kind == "name" and "contact" in kinds and f.source == "store:contacts") or (
            "slot" in kinds and f.source.startswith("clock:")
        ):
            return True
        if f.kind == "code" and "case" in kinds and f.source == "case:id":
            return True
    folded = r.text.folded
    if "item" in kinds:
        return any(w in folded for w in r.evidence.known.item_words)
    return "contact" in kinds and any(w in folded for w in r.evidence.known.contact_names)


def nothing_said(r: Reading) -> Findings:
    """A draft without words."""
    if not r.text.words:
        yield r.finding("nothing_said", "The draft has no words.")


RULES: Final[dict[str, Rule]] = {
    rule.__name__: rule
    for rule in (
        nothing_said, unsupported_fact, foreign_personal_data, unverified_order_fact, invented_tracking, invented_policy, unbacked_promise,
        claimed_action, money_sent, admits_fault, accuses, pressure, advises, reveals, asks_secret, other_channel, blocks_escalation,
        customer_deadline, unsafe, vocabulary, active_content, leaked_prompt, hidden_characters, encoded_text, wrong_language,
        echoed_instruction, missing_content,
    )
}  # fmt: skip
"""Every rule by its name, which is the name in its findings."""
BRIEF_RULES: Final = frozenset(
    {"nothing_said", "unsupported_fact", "foreign_personal_data", "leaked_prompt", "hidden_characters", "encoded_text"}
)
"""Rules that a brief is read for; it is for a colleague, so they only warn."""
