"""The index of a case's evidence: every source read once, from the firmest to the least firm."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from agent.facts import order
from agent.facts.ids import ident
from agent.facts.known import IDS, RUN, Known, runs
from agent.facts.text import Text, fold

if TYPE_CHECKING:
    from agent.facts.evidence import Evidence


def index(e: Evidence) -> Known:
    """The index of `e`; sources are taken in from the firmest to the least firm."""
    k = Known()
    zone, language = ZoneInfo(e.store.time_zone), e.language
    _customer(k, e)
    if e.order:
        order.order(k, e.order, "order:", zone)
        order.sums(k, e.order, e.now, zone)
    if e.dispute:
        d = e.dispute
        k.add("order_id", ident(d.id), "dispute:/id")
        k.add("code", ident(d.id), "dispute:/id")
        order.money(k, d.money, "dispute:/money", "disputed")
        order.instant(k, d.evidence_due_by, "dispute:/evidence_due_by", zone, "due")
        k.take(f"{d.status} {d.reason}", "dispute:")
    for name, line in e.policy.items():
        k.read(line.text, f"policy:{name}", e.now.date(), language)
        for value in line.facts.values():
            k.add("number", str(value), f"policy:{name}")
        if e.order:
            order.policy_days(k, name, line.facts, e.order, zone)
    for metric, slot in e.clock.items():
        k.slots[fold(slot.text)] = metric
        k.read(slot.text, f"clock:{metric}", e.now.date(), language)
        order.instant(k, slot.at, f"clock:{metric}", zone)
        k.add("time", slot.at.astimezone(zone).strftime("%H:%M"), f"clock:{metric}")
    k.add("date", e.now.astimezone(zone).date().isoformat(), "clock:now")
    k.add("order_id", ident(e.order_ref), "case:order_ref")
    k.add("number", str(e.contacts), "case:contacts")
    _store(k, e)
    _said(k, e, language)
    _literals(k, e)
    if e.withheld:
        hidden = Known()
        order.order(hidden, e.withheld, "order:", zone)
        k.withheld = frozenset(
            (kind, v)
            for kind, vs in hidden.values.items()
            for v in vs
            if v not in k.values.get(kind, {}) and kind != "number"
        )
    k.precedents = fold(" ".join(f"{h.precedent.summary} {h.precedent.remedy}" for h in e.precedents))
    k.policy_lines = tuple((name, Text(line.text)) for name, line in e.policy.items())
    k.policy_text = " ".join(text.folded for _, text in k.policy_lines)
    k.tokens = frozenset(w.upper() for w in k.words).union(
        *(map(_token, k.values.get(kind, ())) for kind in (*IDS, "iban", "phone", "email", "url"))
    )
    k.contact_names = tuple(fold(name) for name in e.store.contacts.values())
    items = [fold(i.name) for i in e.order.items] if e.order else []
    items += [fold(x.text) for x in e.entities.of("product")]
    k.item_words = tuple(dict.fromkeys([*items, *(i.split()[-1] for i in items if i.split())]))
    if e.prompts:
        home = runs(k.said.raw, RUN).union(*(runs(text.raw, RUN) for _, text in k.policy_lines))
        k.prompt_runs = frozenset[str]().union(*(runs(text, RUN) for text in e.prompts)) - home
    return k


def _token(value: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", value.upper())


def _literals(k: Known, e: Evidence) -> None:
    """Articles such as "Trail power bank 20000", the customer's name and the case's own number, however they are written."""
    names = {e.case_id: "case:id"}
    names |= {i.name: f"order:/items/{n}/name" for n, i in enumerate(e.order.items if e.order else ())}
    names |= dict.fromkeys(e.store.products, "store:products")
    k.literals = {fold(name): source for name, source in names.items() if _FIGURE.search(name) and len(name) >= _LEAST}
    if e.case_id.isdigit():  # the caller's own short number is a number among others
        k.add("number", e.case_id.lstrip("0") or "0", "case:id")
    elif _NUMBER.fullmatch(e.case_id):
        k.literals[fold(e.case_id)] = "case:id"
    # "April May" and "Plantão Black Friday" are no days; a name that the customer chose is a source of nothing but letters
    if len(e.customer.name) >= _LEAST and _LETTERS.fullmatch(e.customer.name):
        k.literals[fold(e.customer.name)] = "customer:name"


_FIGURE: Final = re.compile(r"[\d_]")
_NUMBER: Final = re.compile(r"(?=.*\d)[\w/-]+")
"""What a case's number looks like: no sum, address or sentence."""
_LETTERS: Final = re.compile(r"[^\W\d_]+(?:[ '’-]+[^\W\d_]+)*")
_LEAST: Final = 5


def _store(k: Known, e: Evidence) -> None:
    s = e.store
    k.take(f"{s.name} {s.legal_name}", "store:name")
    k.add("email", s.support_email.lower(), "store:support_email")
    for host in s.hosts:
        k.add("url", host.lower(), "store:hosts")
    for name in s.contacts.values():
        k.take(name, "store:contacts")
    for name in s.products:
        k.take(name, "store:products")
    k.add("code", ident(e.case_id), "case:id")


def _customer(k: Known, e: Evidence) -> None:
    c = e.customer
    k.take(c.name, "customer:name")
    k.add("email", c.email.lower(), "customer:email")
    k.add("phone", re.sub(r"\D", "", c.phone).lstrip("0"), "customer:phone")
    if c.name:
        k.roles["customer"] = {fold(p) for p in re.split(r"[\s,-]+", c.name) if p}


def _said(k: Known, e: Evidence, language: str) -> None:
    """The messages and what was read out of them; staff and bank texts count like the customer's."""
    said = Known()
    for i, m in enumerate(e.messages):
        source = f"message:{i}"
        said.read(f"{m.subject}\n\n{m.text}" if m.subject else m.text, source, m.at.date(), language)
        said.add("date", m.at.date().isoformat(), source)
    for entity in e.entities.all:
        source = f"message:{entity.span.message}"
        for kind, value in _entity_values(entity.kind, entity.value, entity.detail):
            said.add(kind, value, source)
    for kind, values in said.values.items():
        for value, source in values.items():
            k.add(kind, value, source)
    for word, source in said.words.items():
        k.words.setdefault(word, source)
    k.said = Text("\n\n".join(f"{m.subject}\n\n{m.text}" for m in e.messages))


def _entity_values(kind: str, value: str, detail: str) -> Iterable[tuple[str, str]]:
    match kind:
        case "amount":
            yield "amount", f"{value} {detail}".strip()
        case "date" | "deadline":
            yield "date", value[:10]
        case "phone":
            yield "phone", re.sub(r"\D", "", value).lstrip("0")
        case "order_id" | "tracking_number" | "iban" | "card_number":
            yield kind, ident(value)
        case "card_last4":
            yield "number", value
        case "email" | "url":
            yield kind, value.lower()
        case _:
            return
