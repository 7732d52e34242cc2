"""What the customer said, in words that a draft may safely repeat."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from agent import wording
from agent.case import Entities, Escalation, Order, Span, Triage
from agent.entities import order_key
from agent.entities.products import VAGUE
from agent.pack import Pack
from agent.signals import Signals
from agent.understand import Understanding

Json = dict[str, Any]

_MOST_HARMS = 2
_MOST_NAMED = 3
"""Amounts, orders and articles that a sentence can carry."""
_HEAD = 4
"""Letters of an article's last word from which it may stand for the article."""
_QUOTE = 160
_BESIDE = 60
"""Characters within which an occasion and its day belong together."""
_NOBODY = frozenset(
    "account admin agent alarm alert anonym anonymous bank blank bot bureau caller cardholder client customer gast guest kunde kundin "
    "konto monitor none nutzer processor statusmonitor system test unbekannt unknown user withheld".split()
)
"""Words that stand in name fields in place of a person's name."""
_FORENAMES = 2
_NOT_IN_A_NAME = re.compile(r"[\d_@#/\\|<>{}\[\]]|https?:|www\.")
_TAIL = re.compile(r"(?: \d[\d.,x]*(?: ?(?:ml|cl|l|kg|g|cm|mm|m|mah|w))?)+$", re.IGNORECASE)
_GENTLE = re.compile(
    r"funeral|surgery|operation|beerdigung|\bop\b|due date|baby|^(?:fly|leav|mov|travel|flieg|abreis)|\s", re.IGNORECASE
)
"""Occasions that are better not named back, or that are no noun."""
_FIRST_OR_SECOND_PERSON = re.compile(
    r"\b(?:i|my|me|we|us|you|ich|mein\w*|mir|mich|wir|uns|ihr\w*|sie|euch|eure?\w*)\b", re.IGNORECASE
)
_IN_QUOTES = re.compile(r"[\"“„«][^\"”“»\n]{3,}[\"”“»]")
_WEAK = frozenset(
    {
        "question",
        "praise",
        "device",
        "within_days",
        "need_date",
        "no_loss",
        "photos_attached",
        "joke",
        "wants_refund",
        "workaround",
        "vip",
    }
)
"""Signals that do not make a sentence the strongest one."""
_SCAN = "delivered_not_there"
"""The harm of a parcel that is marked as delivered; where the signal misses it, this one may not."""
_OWN = re.compile(r"\b(?:my|our|his|her|their|mein\w*|unser\w*|sein\w*|ihr\w*|zur|zum)\b[\w'’ ]{0,16}$", re.IGNORECASE)
_DISPUTE = frozenset({"chargeback_open"})


def said(
    pack: Pack,
    signals: Signals,
    case: Escalation,
    seen: Understanding,
    triage: Triage,
    order: Order | None,
    language: str,
    issue: int = 0,
) -> Json:
    """The `said` part of the case file.

    Args:
        pack: of the store.
        signals: of the pack.
        case: what came in.
        seen: what was read of it.
        triage: what was decided.
        order: one that this customer may be told of.
        language: of the draft.
        issue: row of the sentence that the case is about, 0 when none stands out.

    """
    found, has = _of_customer(case, seen), seen.conditions
    deadlines = sorted(e.value for e in found.of("deadline"))
    items = articles(pack, seen, order, language)
    told = signals.harms(seen.own, triage.issue_type, seen.language.code)
    telling = [h for _, h in told if not h.general] or [h for _, h in told]
    harms = [h.phrase.get(language, "") for h in telling]
    ids = (found.values("order_id") or seen.entities.values("order_id")[:1])[:_MOST_NAMED]
    return {
        "order_id": ids[0] if ids else case.order_ref,
        "order_ids": list(ids) or [case.order_ref] * bool(case.order_ref),
        "item": items[0] if len(items) == 1 else "",
        "items": items,
        "harms": [h for h in dict.fromkeys(harms) if h][:_MOST_HARMS],
        "amounts": [wording.money(m, language) for m in dict.fromkeys(found.amounts()) if m.amount][:_MOST_NAMED],
        "deadline": wording.day(date.fromisoformat(deadlines[0][:10]), language) if deadlines else "",
        "occasion": occasion(seen, language),
        "contacts": seen.contacts,
        "photos": "photos_attached" in has,
        "wants": "refund" if "wants_refund" in has else "replacement" if "wants_replacement" in has else "",
        "delivered_scan": "delivered_scan" in has or any(name == _SCAN for name, _ in told),
        "tracking": next(iter(found.values("tracking_number")), ""),
        "threat": _threat(triage, has),
        "notice": is_notice(case, seen),
        "dispute_open": bool(_DISPUTE & has) or bool(case.context.dispute),
        "many_affected": bool({"many_affected", "cluster"} & has),
        "workaround": "workaround" in has,
        "human_requested": "human_requested" in has,
        "question": "question" in has or any("?" in own for own in seen.own),
        "injury": "injury" in has or any(c.id == "injury" for c in triage.criteria),
        "quote": quote(case, seen),
        "own_words": own_words(case, seen, issue) if language == seen.language.code else "",
    }


def greeting_name(case: Escalation, seen: Understanding) -> str:
    """The name to greet by: the customer's, else the one signed with; "" for a handle, a placeholder or an institution's notice."""
    if is_notice(case, seen):
        return ""
    if case.customer.name:
        return _person(case.customer.name)
    signed = {e.value for e in seen.entities.of("name") if e.detail != "staff"}
    return _person(signed.pop()) if len(signed) == 1 else ""


def _person(name: str) -> str:
    name = " ".join(re.split(r"[(<]| - ", name, maxsplit=1)[0].split())
    last, comma, first = name.partition(",")
    if comma and first.strip() and " " not in last.strip() and len(first.split()) <= _FORENAMES:
        name = f"{first.strip()} {last.strip()}"
    words = re.findall(r"[^\W\d_]+", name.lower())
    if _NOT_IN_A_NAME.search(name) or not _NOBODY.isdisjoint(words) or not any(len(w) > 1 for w in words):
        return ""
    if name == name.lower():
        return name.title() if len(words) > 1 and " " in name else ""
    return name if len(name) <= _QUOTE // 2 else ""


def is_notice(case: Escalation, seen: Understanding) -> bool:
    """Whether a bank or a machine writes and not the customer."""
    if case.channel == "bank" or any(m.author == "bank" for m in case.messages):
        return True
    own = _IN_QUOTES.sub(" ", " ".join(seen.own))
    return bool(_DISPUTE & seen.conditions) and not _FIRST_OR_SECOND_PERSON.search(own)


def _of_customer(case: Escalation, seen: Understanding) -> Entities:
    """What the customer named; what staff named counts only where nobody else wrote."""
    theirs = tuple(e for e in seen.entities.all if case.messages[e.span.message].author != "staff")
    return Entities(theirs) if any(m.author != "staff" for m in case.messages) else seen.entities


def articles(pack: Pack, seen: Understanding, order: Order | None, language: str) -> list[str]:
    """The articles concerned by names that fit a sentence.

    With an order that the customer means they are its own and no others. Without one, an article counts when its own name was
    said ("the Halo", "steel bottle"); one known by a common word alone ("boots") is named by that word, or not at all beside
    others.
    """
    names = {p.sku: p.name for p in pack.products}
    said = [e for e in seen.entities.of("product") if seen.own[e.span.message].strip()]
    if order is not None and order.items and _meant(order, seen):
        skus, words = {e.detail for e in said}, _words(" ".join(seen.own))
        held = [i.name for i in order.items if i.sku and i.sku in skus] or [
            i.name for i in order.items if _is_named(i.name, words)
        ]
        return _distinct(short(n) for n in held or [i.name for i in order.items[: len(order.items) == 1]])
    sure = [names.get(e.detail, e.text) for e in said if _own_name(e.text, names.get(e.detail, ""))]
    if sure or language != "en":
        return _distinct(short(n) for n in sure)
    common = {e.text.lower() for e in said}
    return list(common) if len(common) == 1 else []


def _meant(order: Order, seen: Understanding) -> bool:
    """Whether the customer may mean this order: its number was named, or none was."""
    named = seen.entities.values("order_id")
    return not named or order_key(order.id) in {order_key(n) for n in named}


def _words(text: str) -> str:
    """A text as words between blanks, without a plural's ending."""
    return " ".join(["", *(w.removesuffix("s") for w in re.findall(r"[^\W_]+", text.lower())), ""])


def _is_named(name: str, words: str) -> bool:
    """Whether an article's name or its last word is among `words`."""
    whole = _words(short(name))
    last = whole.split()[-1:]
    return bool(last) and (
        whole in words or (len(last[0]) >= _HEAD and last[0] not in VAGUE and f" {last[0]} " in words)
    )


def _own_name(text: str, name: str) -> bool:
    """Whether `text` names one article of the store and not just its sort."""
    if not name:
        return False
    words = [w.lower() for w in re.findall(r"[^\W_]+", text)]
    return len(words) > 1 or words[:1] == [re.findall(r"[^\W_]+", name)[0].lower()]


def short(name: str) -> str:
    """An article's name without size and remarks in brackets: `Rill steel bottle`, `Pebble mugs`."""
    bare = _TAIL.sub("", name.split(" (", maxsplit=1)[0].strip())
    return bare or name


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))[:_MOST_NAMED]


def occasion(seen: Understanding, language: str) -> str:
    """What the customer needs it for, when a day within reach stands beside it; "" for what is better not named back."""
    need, day = seen.signals.get("need_date"), seen.signals.get("within_days")
    if need is None or day is None or need.span.message != day.span.message or _GENTLE.search(need.quote):
        return ""
    text, end = seen.own[need.span.message], need.span.end
    if not _OWN.search(text[max(0, need.span.start - 30) : need.span.start]) or text[end : end + 1].isalpha():
        return ""
    if min(abs(day.span.start - end), abs(need.span.start - day.span.end)) > _BESIDE:
        return ""
    word = need.quote.lower()
    return word[:1].upper() + word[1:] if language == "de" else word


def quote(case: Escalation, seen: Understanding) -> str:
    """The customer's strongest sentence: the one with most signals, then the longest."""

    def weight(s: Span) -> float:
        inside = [
            n
            for n, x in seen.signals.items()
            if n not in _WEAK and x.span.message == s.message and s.start <= x.span.start < s.end
        ]
        return 2.0 * len(inside) + min(s.end - s.start, _QUOTE) / _QUOTE

    if not seen.spans:
        return ""
    best = max(seen.spans, key=weight)
    return clip(case.messages[best.message].text[best.start : best.end])


def own_words(case: Escalation, seen: Understanding, issue: int) -> str:
    """The sentence that tells what is wrong, to be said back where no harm has a phrase of its own; "" when none is fit for it.

    Fit is a short statement that shows some trouble, without orders to a machine, demands, threats, insults, addresses or
    numbers, which a letter of the store must not seem to say itself.
    """
    if _NO_ECHO & seen.conditions or is_notice(case, seen) or not seen.spans:
        return ""
    span = seen.spans[issue - 1] if issue else seen.spans[0]
    text = " ".join(case.messages[span.message].text[span.start : span.end].split()).strip("-–—*>• ")
    shown = {
        n for n, x in seen.signals.items() if x.span.message == span.message and span.start <= x.span.start < span.end
    }
    facts = any(
        e.span.message == span.message and e.span.start < span.end and span.start < e.span.end
        for e in seen.entities.all
        if e.kind != "product"
    )
    fit = len(text) <= _QUOTE and len(text.split()) >= _FEWEST_WORDS and not _UNFIT.search(text)
    return text.rstrip(" .!…") if fit and shown & _TROUBLE and not shown & _LOUD and not facts else ""


_TROUBLE = frozenset(
    "damaged defective wrong_item not_received delivered_scan bug payment_fails_one outage_many double_charge wrong_charge "
    "refund_problem many_affected".split()
)
"""Signals that a sentence tells what is wrong."""
_LOUD = frozenset(
    "legal regulator executive press_threat press_live chargeback_threat chargeback_open wants_refund wants_replacement angry furious "
    "joke human_requested violence_threat person_in_danger self_harm conduct discrimination conduct_threat vip".split()
)
"""Signals of what a letter does not say back."""
_NO_ECHO = frozenset({"injection", "hidden_text", "praise"})
_FEWEST_WORDS = 4
_UNFIT = re.compile(
    r"[\d?@\[\]{}<>|\"“”„«»]|://|www\.|[A-Z]{4,}|!{2,}|(?i:whats ?app|skype|telegram|messenger|viber|wechat)"
)
"""What a letter does not say back: figures, questions, addresses, shouting, and other ways to talk."""


def clip(text: str, most: int = _QUOTE) -> str:
    """`text` on one line, cut at a word."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1].rsplit(" ", 1)[0] + "…"


def _threat(triage: Triage, has: frozenset[str]) -> str:
    if "chargeback_threat" in has:
        return "chargeback"
    held = {c.id for c in triage.criteria}
    return "legal" if "legal" in held else "press" if held & {"press", "press_live"} else ""
