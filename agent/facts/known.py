"""The values that the evidence of a case holds, by kind, each with where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from agent.case import Order
from agent.facts.days import WRONG_WEEKDAY
from agent.facts.ids import ident
from agent.facts.scan import scan
from agent.facts.text import Text, fold
from agent.money import Money

if TYPE_CHECKING:
    from agent.facts.evidence import Evidence

_DIGITS: Final = re.compile(r"\d+")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d")
_IDS: Final = ("order_id", "tracking_number", "code")
_ALSO: Final = {
    "order_id": ("order_id", "code"),
    "tracking_number": ("tracking_number", "code"),
    "code": ("code", "order_id", "tracking_number"),
}
"""Kinds whose values may stand for one another, since the words around an id say what it is."""


def _core(kind: str, value: str) -> str:
    """A value without what people leave out: currency, letters of an id, country code."""
    if kind == "amount":
        return value.partition(" ")[0]
    if kind in _IDS:
        return re.sub(r"\D", "", value) or value
    return value[-8:] if kind == "phone" else value


@dataclass(slots=True)
class Known:
    """The index: value -> source for each kind. The first source wins; looked-up facts come before the customer's words."""

    values: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    cores: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """The same by the value's core: an amount without its currency, an id without its letters."""
    derived: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict[str, dict[str, tuple[str, str]]])
    """kind -> value -> (source, the sum in words)."""
    roles: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """What a looked-up value is: `delivered`, `refund`, `total` ... -> its values."""
    words: dict[str, str] = field(default_factory=dict[str, str])
    """Folded words of all records and messages -> source."""
    slots: dict[str, str] = field(default_factory=dict[str, str])
    """Folded text of every clock slot -> metric."""
    literals: dict[str, str] = field(default_factory=dict[str, str])
    """Folded names and ids with figures in them -> source; inside them no figure stands for itself."""
    precedents: str = ""
    """Folded texts of the precedents, which are never a source."""
    withheld: frozenset[tuple[str, str]] = frozenset()
    """(kind, value) of the order that this customer must not be told of."""
    said: Text = field(default_factory=lambda: Text(""))
    """All messages as one text."""
    policy_lines: tuple[tuple[str, Text], ...] = ()
    """(id, text) of every policy line."""
    tokens: frozenset[str] = frozenset()
    """Ids, codes and words of the case in upper case without separators."""
    contact_names: tuple[str, ...] = ()
    """Folded names of the people whom a draft may name."""
    item_words: tuple[str, ...] = ()
    """Folded names of the articles concerned, and their last words ("lamp")."""
    prompt_runs: frozenset[str] = frozenset()
    """Runs of folded words that stand in a prompt and nowhere in the case or the policy."""
    policy_text: str = ""
    """Folded text of all policy lines."""

    def add(self, kind: str, value: str, source: str, *roles: str) -> None:
        """Takes in one value of the records."""
        if value:
            self.values.setdefault(kind, {}).setdefault(value, source)
            self.cores.setdefault(kind, {}).setdefault(_core(kind, value), source)
            for role in roles:
                self.roles.setdefault(role, set()).add(value)

    def source(self, kind: str, value: str) -> str:
        """Where a value stands, or ""; an amount without currency and an id without letters match any that has them."""
        for k in _ALSO.get(kind, (kind,)):
            values, core = self.values.get(k, {}), _core(k, value)
            if hit := values.get(value) or values.get(core):
                return hit
            if (core == value or kind == "phone") and (hit := self.cores.get(k, {}).get(core)):
                return hit
        if kind == "date":
            return self._calendar(value)
        if kind == "duration" and value.endswith(" week"):
            return self.source(kind, f"{int(float(value[:-5]) * 7)} day")
        return self.source("number", value.split(maxsplit=1)[0]) if kind == "quantity" else ""

    def _calendar(self, value: str) -> str:
        """The source of a bare weekday or month: a known day that falls on it."""
        word, _, number = value.partition(" ")
        if word == "weekday":
            near = (
                d
                for d in self.values.get("date", {})
                if _ISO.fullmatch(d) and date.fromisoformat(d).weekday() == int(number)
            )
        elif word == "month":
            near = (d for d in self.values.get("date", {}) if _ISO.fullmatch(d) and int(d[5:7]) == int(number))
        else:
            near = (d for d in self.values.get("date", {}) if len(value) == 7 and d.startswith(value))
        return next((self.values["date"][d] for d in near if self.values["date"][d] != "clock:now"), "")

    def rule(self, kind: str, value: str) -> tuple[str, str] | None:
        """The listed rule that gives a value, as (source, the sum in words)."""
        sums = self.derived.get(kind, {})
        return sums.get(value) or next(
            (r for v, r in sums.items() if kind == "amount" and _core(kind, v) == value), None
        )

    def derive(self, kind: str, value: str, source: str, note: str) -> None:
        """Takes in one value that a listed rule gives."""
        self.derived.setdefault(kind, {}).setdefault(value, (source, note))

    def read(self, text: str, source: str, today: date, language: str) -> None:
        """Takes in all values and words of a text."""
        for kind, value in _values(text, today, language):
            self.add(kind, value, source)
        self.take(text, source)

    def take(self, text: str, source: str) -> None:
        """Takes in the words and bare figures of a text."""
        words, figures = _pieces(text)
        for word in words:
            self.words.setdefault(word, source)
        for figure in figures:
            self.add("number", figure, source)


def index(e: Evidence) -> Known:
    """The index of `e`; sources are taken in from the firmest to the least firm."""
    k = Known()
    zone, language = ZoneInfo(e.store.time_zone), e.language
    if e.order:
        _order(k, e.order, "order:", zone)
        _order_sums(k, e.order, e.now, zone)
    if e.dispute:
        d = e.dispute
        k.add("order_id", ident(d.id), "dispute:/id")
        k.add("code", ident(d.id), "dispute:/id")
        _money(k, d.money, "dispute:/money", "disputed")
        _instant(k, d.evidence_due_by, "dispute:/evidence_due_by", zone, "due")
        k.take(f"{d.status} {d.reason}", "dispute:")
    for name, line in e.policy.items():
        k.read(line.text, f"policy:{name}", e.now.date(), language)
        for value in line.facts.values():
            k.add("number", str(value), f"policy:{name}")
        if e.order:
            _policy_days(k, name, line.facts, e.order, zone)
    for metric, slot in e.clock.items():
        k.slots[fold(slot.text)] = metric
        k.read(slot.text, f"clock:{metric}", e.now.date(), language)
        _instant(k, slot.at, f"clock:{metric}", zone)
        k.add("time", slot.at.astimezone(zone).strftime("%H:%M"), f"clock:{metric}")
    k.add("date", e.now.astimezone(zone).date().isoformat(), "clock:now")
    k.add("order_id", ident(e.order_ref), "case:order_ref")
    k.add("number", str(e.contacts), "case:contacts")
    _store(k, e)
    _customer(k, e)
    _said(k, e, language)
    _literals(k, e)
    if e.withheld:
        hidden = Known()
        _order(hidden, e.withheld, "order:", zone)
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
        *(map(_token, k.values.get(kind, ())) for kind in (*_IDS, "iban", "phone", "email", "url"))
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


RUN: Final = 8
"""So many words in a row that also stand in a prompt are a leak."""


@lru_cache(maxsize=1024)
def _values(text: str, today: date, language: str) -> tuple[tuple[str, str], ...]:
    """(kind, value) of everything checkable in a text; texts of the store come again with every case."""
    found = scan(Text(text), today, language)
    return tuple((f.kind, value.removesuffix(WRONG_WEEKDAY)) for f in found for value in f.values)


@lru_cache(maxsize=1024)
def _pieces(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folded words of a text, whole and by the parts between hyphens, and its runs of figures."""
    words = (w.folded for w in Text(text).words)
    parts = (part for w in words for part in (w, w.removesuffix("'s"), *(w.split("-") if "-" in w else ())))
    return tuple(dict.fromkeys(parts)), tuple(m[0].lstrip("0") or "0" for m in _DIGITS.finditer(text))


@lru_cache(maxsize=256)
def runs(text: str, length: int) -> frozenset[str]:
    """Every run of `length` folded words of a text."""
    words = [w.folded for w in Text(text).words]
    return frozenset(" ".join(words[i : i + length]) for i in range(len(words) - length + 1))


def _order(k: Known, o: Order, at: str, zone: ZoneInfo) -> None:
    k.add("order_id", ident(o.id), f"{at}/id")
    _instant(k, o.placed_at, f"{at}/placed_at", zone, "placed")
    _money(k, o.total, f"{at}/total", "total")
    k.take(f"{o.status} {o.customer_name}", f"{at}/status")
    for i, item in enumerate(o.items):
        k.take(item.name, f"{at}/items/{i}/name")
        k.add("code", ident(item.sku), f"{at}/items/{i}/sku")
        k.add("number", str(item.quantity), f"{at}/items/{i}/quantity")
        k.add("quantity", f"{item.quantity} item", f"{at}/items/{i}/quantity")
        _money(k, item.price, f"{at}/items/{i}/price", "total")
    for i, f in enumerate(o.fulfilments):
        here = f"{at}/fulfilments/{i}"
        k.take(f"{f.carrier} {f.status} {f.note}", here)
        k.add("tracking_number", ident(f.tracking), f"{here}/tracking")
        _instant(k, f.dispatched_at, f"{here}/dispatched_at", zone, "dispatched")
        _instant(k, f.estimated_at, f"{here}/estimated_at", zone, "expected")
        _instant(k, f.delivered_at, f"{here}/delivered_at", zone, "delivered")
    for i, r in enumerate(o.refunds):
        _money(k, r.money, f"{at}/refunds/{i}", "refund")
        _instant(k, r.at, f"{at}/refunds/{i}/at", zone, "refunded")
    for i, c in enumerate(o.charges):
        _money(k, c.money, f"{at}/charges/{i}", "charge")
        _instant(k, c.at, f"{at}/charges/{i}/at", zone, "charged")
    for i, r in enumerate(o.returns):
        k.take(f"{r.status} {r.reason}", f"{at}/returns/{i}")
        _instant(k, r.opened_at, f"{at}/returns/{i}/opened_at", zone, "opened")
        _instant(k, r.received_at, f"{at}/returns/{i}/received_at", zone, "received")
    k.add("quantity", f"{len(o.items)} item", f"{at}/items")
    k.add("quantity", f"{len(o.fulfilments)} parcel", f"{at}/fulfilments")
    k.add("quantity", f"{len(o.charges)} order", f"{at}/charges")


def _order_sums(k: Known, o: Order, now: datetime, zone: ZoneInfo) -> None:
    """The listed rules: line times quantity, sums of lines, charges and refunds, total less refunds, charges less total, days since."""
    prices = [i.price for i in o.items if i.price]
    for n, i in enumerate(o.items):
        if i.price and i.quantity > 1:
            _sum(
                k,
                Money(i.price.amount * i.quantity, i.price.currency),
                f"order:/items/{n}",
                f"{i.quantity} x {i.price.amount}",
            )
    _total(k, prices, "order:/items")
    _total(k, [c.money for c in o.charges], "order:/charges")
    back = _total(k, [r.money for r in o.refunds], "order:/refunds")
    if o.total:
        if back and back.currency == o.total.currency:
            _sum(k, _less(o.total, back), "order:/refunds", f"{o.total.amount} - {back.amount}")
        for i, c in enumerate(o.charges):
            if c.money.amount > o.total.amount:
                _sum(k, _less(c.money, o.total), f"order:/charges/{i}", f"{c.money.amount} - {o.total.amount}")
        for i, price in enumerate(prices):
            _sum(k, _less(o.total, price), f"order:/items/{i}", f"{o.total.amount} - {price.amount}")
    today = now.astimezone(zone).date()
    stamps = {
        "/placed_at": o.placed_at,
        **{f"/fulfilments/{i}/dispatched_at": f.dispatched_at for i, f in enumerate(o.fulfilments)},
        **{f"/fulfilments/{i}/delivered_at": f.delivered_at for i, f in enumerate(o.fulfilments)},
        **{f"/fulfilments/{i}/estimated_at": f.estimated_at for i, f in enumerate(o.fulfilments)},
        **{f"/returns/{i}/received_at": r.received_at for i, r in enumerate(o.returns)},
    }
    for path, at in stamps.items():
        if at:
            days = (today - at.astimezone(zone).date()).days
            if days > 0:
                k.derive("duration", f"{days} day", f"order:{path}", f"{today} - {at.astimezone(zone).date()}")
                if days % 7 == 0:
                    k.derive(
                        "duration", f"{days // 7} week", f"order:{path}", f"{today} - {at.astimezone(zone).date()}"
                    )


def _policy_days(k: Known, name: str, facts: Mapping[str, int | str], o: Order, zone: ZoneInfo) -> None:
    """Date plus policy days, e.g. the end of the return window."""
    starts = [
        o.placed_at, *(f.delivered_at for f in o.fulfilments), *(f.estimated_at for f in o.fulfilments), *(r.received_at for r in o.returns),
    ]  # fmt: skip
    for at in (s.astimezone(zone).date() for s in starts if s):
        for unit, n in ((u, int(v)) for u, v in facts.items() if str(v).isdigit() and int(v) < 4000):
            if unit == "days":
                k.derive("date", (at + timedelta(days=n)).isoformat(), f"policy:{name}", f"{at} + {n} days")
            elif unit == "business_days":
                day, left = at, n
                while left:
                    day += timedelta(days=1)
                    left -= day.weekday() < 5
                k.derive("date", day.isoformat(), f"policy:{name}", f"{at} + {n} business days")
            elif unit == "years" and n < 50:
                k.derive("date", _later(at, n).isoformat(), f"policy:{name}", f"{at} + {n} years")


def _later(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)


def _less(a: Money, b: Money) -> Money:
    return Money(abs(a.amount - b.amount), a.currency)


def _total(k: Known, parts: list[Money], source: str) -> Money | None:
    if not parts or len({p.currency for p in parts}) > 1:
        return None
    whole = Money(sum((p.amount for p in parts), Decimal(0)), parts[0].currency)
    if len(parts) > 1:
        _sum(k, whole, source, " + ".join(str(p.amount) for p in parts))
    return whole


def _sum(k: Known, money: Money, source: str, note: str) -> None:
    k.derive("amount", f"{money.amount:.2f} {money.currency}".strip(), source, f"{note} = {money.amount}")


def _money(k: Known, money: Money | None, source: str, role: str) -> None:
    if money is not None:
        k.add("amount", f"{money.amount:.2f} {money.currency}".strip(), source, role)


def _instant(k: Known, at: datetime | None, source: str, zone: ZoneInfo, *roles: str) -> None:
    """A day counts as the store's and as UTC's."""
    if at is not None:
        k.add("date", at.astimezone(zone).date().isoformat(), source, *roles)
        k.add("date", at.date().isoformat(), source, *roles)


def _literals(k: Known, e: Evidence) -> None:
    """Articles such as "Trail power bank 20000", and the case's own number, however its caller writes it."""
    names = {e.case_id: "case:id"}
    names |= {i.name: f"order:/items/{n}/name" for n, i in enumerate(e.order.items if e.order else ())}
    names |= {name: "store:products" for name in e.store.products}
    k.literals = {fold(name): source for name, source in names.items() if _FIGURE.search(name) and len(name) >= _LEAST}


_FIGURE: Final = re.compile(r"[\d_]")
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
