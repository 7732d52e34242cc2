"""Rules about the form of a draft: markup, leaks, disguises, language, echoes, and what a first message must hold."""

from __future__ import annotations

import re
from typing import Final

from agent.facts.known import RUN
from agent.guard import hidden
from agent.guard.echo import ECHO, instructed
from agent.guard.reading import Findings, Reading


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
        foreign = [w for w in words if w not in own]
        other, home = sum(w in book.everyday for w in foreign), len(set(words).difference(foreign))
        if home * 2 >= other and home * _HOME >= len(words):
            continue
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
    short = r.draft.kind == "question" or not r.evidence.first_message
    for item in r.rules.required.get(r.triage.issue_type, ()):
        rule, pattern = book.file.required.get(item), p.required.get(item)
        if rule is None or (short and not rule.hard) or (pattern is None and not rule.fact):
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
