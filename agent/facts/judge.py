"""The fact ledger: every checkable thing in a draft, and where it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from agent.case import Draft, Fact
from agent.facts.days import WRONG_WEEKDAY
from agent.facts.evidence import Evidence
from agent.facts.known import Known
from agent.facts.names import names
from agent.facts.reader import Found, words
from agent.facts.scan import scan
from agent.facts.text import Text, fold

PERSONAL: Final = frozenset({"name", "email", "phone", "iban", "card_number", "order_id", "tracking_number", "code"})
"""Kinds of fact that can point to a person or to a person's order."""
EMERGENCY: Final = words(
    "112 999 911 110 111 15 18 113 118 144 988 3114 116117 116111 116123 8001110111 8001110222 8001110333"
)
"""Telephone numbers of emergency and crisis services, which need no source."""
_EMERGENCY_CUE: Final = re.compile(
    r"(?:call|dial|ring|emergency|ambulance|anruf|wahlen|notruf|rufen|rufnummer|unter|appel\w*|compos\w*|llam\w*|marque|chiam\w*|bel|lig\w+|numer\w+|\bor|\boder|\bou|\bo|koninkrijk of)\W[^.!?]{0,30}$"
)
_ROLES: Final = {
    "placed": r"(?:placed|ordered|bestellt|bestellung vom|commande du|command[ee]+|pedido (?:del|realizado)|realizado|ordinato|effettuato|besteld|feito|encomendad)",
    "dispatched": r"(?:dispatched|shipped|sent(?= on )|left our|versandt|verschickt|versendet|expedie|enviado|spedito|verzonden|expedid)",
    "expected": r"(?:expected|estimated|due to arrive|erwartet|voraussichtlich|prevu|previst|previst[oa]|verwacht)",
    "delivered": r"(?:delivered|delivery scan|zugestellt|geliefert|zustellung (?:am|vom)|livre|entregado|consegnat|bezorgd|geleverd|entregue)",
    "due": r"(?:evidence|nachweise|beweis)",
    "refund": r"(?:refunds? of|refunded|erstattung (?:von|uber)|erstattet|rembours|reembols|rimbors|terugbeta)",
    "total": r"(?:total|order value|gesamtbetrag|gesamtsumme|bestellwert|montant total|importe total|totale|totaal)",
    "charge": r"(?:charges? of|charged|abbuchung(?:en)? (?:von|uber)|abgebucht|debite|cargo de|addebit|afgeschreven|cobrad)",
}  # fmt: skip
_ROLE: Final = re.compile(f" (?:{'|'.join(rf'(?P<{name}>{pattern})' for name, pattern in _ROLES.items())})")
_ROLES_OF: Final = {
    "date": frozenset({"placed", "dispatched", "expected", "delivered", "due"}),
    "amount": frozenset({"refund", "total", "charge"}),
}
_ROLE_REACH: Final = 24
"""Characters between a fact and the word that says its role."""
_ONE_PER_CASE: Final = frozenset({"order_id", "tracking_number", "email", "phone", "iban"})
"""Kinds of which a second, unknown value contradicts the known one."""


def ledger(draft: Draft, evidence: Evidence) -> tuple[Fact, ...]:
    """Every checkable thing in the draft's body and subject with its state; those of the subject have the empty span."""
    return tuple(in_body(f, draft) for f in facts_of(whole_text(draft), draft.language, evidence))


def whole_text(draft: Draft) -> Text:
    """The draft as one text: the body first, so that positions in it are the body's own, then the subject."""
    return Text(f"{draft.body}\n\n. {draft.subject}" if draft.subject else draft.body)


def in_body(f: Fact, draft: Draft) -> Fact:
    """A fact of the whole text as the ledger shows it."""
    if f.start < len(draft.body):
        return f
    return replace(f, start=0, end=0, note=f"in the subject; {f.note}" if f.note else "in the subject")


def facts_of(text: Text, language: str, evidence: Evidence) -> Iterator[Fact]:
    """The facts of one text in reading order."""
    known = evidence.known
    found = scan(text, evidence.now.date(), language)
    persons = [
        Found("name", text.raw[a:b], a, b)
        for a, b in names(text, language, known.words)
        if not any(f.start < b and a < f.end for f in found)
    ]
    given = as_given(text, known)
    for f in sorted((*found, *persons), key=lambda f: f.start):
        if f.kind != "idiom" and not _effort(f, text):
            yield _judge(f, text, known, given)


def _effort(f: Found, text: Text) -> bool:
    """Whether a few minutes are only what a step takes ("worth two minutes"), not a time that is promised."""
    number, _, unit = f.value.partition(" ")
    return (
        unit == "minute"
        and Decimal(number) <= _FEW_MINUTES
        and not _PROMISED.search(text.folded, max(0, f.start - 20), f.start)
    )


_FEW_MINUTES: Final = 10
_PROMISED: Final = re.compile(r"\b(?:within|in|after|innerhalb von|binnen|nach|sous|dans|en|entro|tra|em|the next) $")


def as_given(text: Text, known: Known) -> list[tuple[int, int, str]]:
    """Where clock slots, articles and the case's number stand word for word, with their sources."""
    given = {**known.literals, **{slot: f"clock:{metric}" for slot, metric in known.slots.items() if slot}}
    places: list[tuple[int, int, str]] = []
    for phrase, source in given.items():
        at = text.folded.find(phrase)
        while at >= 0:
            end = at + len(phrase)
            if not (text.folded[at - 1 : at].isalnum() or text.folded[end : end + 1].isalnum()):
                places.append((at, end, source))
            at = text.folded.find(phrase, at + 1)
    return places


def _judge(f: Found, text: Text, known: Known, given: list[tuple[int, int, str]]) -> Fact:
    """The state of one found thing: what it is a part of, a source, a listed rule, or none."""
    state, source, note = _verdict(f, text, known, given)
    return Fact(f.kind, f.value, text.raw[f.start : f.end], f.start, f.end, state, source, note)


_State: TypeAlias = Literal["supported", "derived", "unsupported", "contradicted"]
_Verdict: TypeAlias = tuple[_State, str, str]


def _verdict(f: Found, text: Text, known: Known, given: list[tuple[int, int, str]]) -> _Verdict:  # noqa: PLR0911 - one answer a line
    for start, end, source in given:
        if start <= f.start and f.end <= end:
            return "supported", source, ""
    if f.value.endswith(WRONG_WEEKDAY):
        return "contradicted", "", "that date falls on another weekday"
    if f.kind == "name":
        return _name(f, text, known)
    source = next((s for v in f.values if (s := known.source(f.kind, v))), "")
    if role := _role(f, text, known):
        if not known.roles[role].isdisjoint(f.values):
            return "supported", source, ""
        if not source.startswith(("message:", "clock:")):
            return "contradicted", "", f"the record has {', '.join(sorted(known.roles[role]))}"
    if source:
        return "supported", source, ""
    for v in f.values:
        if rule := known.rule(f.kind, v):
            return "derived", *rule
    if f.kind in {"number", "phone", "code"} and _is_emergency(f, text):
        return "supported", "emergency", ""
    if f.kind in _ONE_PER_CASE and known.values.get(f.kind):
        return "contradicted", "", f"the case has {', '.join(list(known.values[f.kind])[:3])}"
    precedent = bool(known.precedents) and fold(text.raw[f.start : f.end]) in known.precedents
    return "unsupported", "", "only a precedent has it" if precedent else ""


def _is_emergency(f: Found, text: Text) -> bool:
    digits = re.sub(r"\D", "", text.raw[f.start : f.end]).lstrip("0")
    return digits in EMERGENCY and (
        len(digits) > _SHORT or _EMERGENCY_CUE.search(text.folded, max(0, f.start - 60), f.start) is not None
    )


_SHORT: Final = 4
"""Emergency numbers up to so many digits count only behind a word such as "call"."""


def _name(f: Found, text: Text, known: Known) -> _Verdict:
    parts = [p.removesuffix("'s") for p in re.split(r"[^\w'-]+", text.folded[f.start : f.end]) if p]
    sources = [known.words.get(p, "") for p in parts]
    if all(sources):
        return "supported", sources[-1], ""
    greeted = f.start < 80 and "customer" in known.roles
    return ("contradicted", "", "the customer has another name") if greeted else ("unsupported", "", "")


def _role(f: Found, text: Text, known: Known) -> str:
    """The role that the nearest word gives a date or an amount, if the records hold that role."""
    roles = _ROLES_OF.get(f.kind)
    if roles is None or known.roles.keys().isdisjoint(roles):
        return ""
    best, nearest = "", _ROLE_REACH + 1
    for m in text.find(_ROLE, max(0, f.start - 60), f.end + 60):
        between = text.folded[m.end : f.start] if m.end <= f.start else text.folded[f.end : m.start]
        if len(between) < nearest and m.name in roles and not _APART.search(between):
            best, nearest = m.name, len(between)
    return best if best in known.roles else ""


_APART: Final = re.compile(r"[.;!?](?:\s|$)|\d")
