"""A second pair of eyes for the fact ledger: finds figures, ids and addresses in its own way and looks for their source itself.

It reads word by word and shares no code with the desk. `audit` says what the ledger missed, and what it calls
supported although the given records do not hold it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

MONTH_NAMES = """
january januar janvier enero gennaio januari janeiro jan|february februar février febrero febbraio februari fevereiro feb
march märz mars marzo maart março mar|april avril abril aprile apr|may mai mayo maggio mei maio|june juni juin junio giugno junho jun
july juli juillet julio luglio julho jul|august août agosto augustus aug
september septembre septiembre settembre setembro sep sept|october oktober octobre octubre ottobre outubro oct okt
november novembre noviembre novembro nov|december dezember décembre diciembre dicembre dezembro dec dez
"""
MONTHS = {
    name: number
    for number, names in enumerate(re.split(r"[|\n]", MONTH_NAMES.strip()), start=1)
    for name in names.split()
}
CURRENCIES = {
    "£": "GBP", "r$": "BRL", "brl": "BRL", "€": "EUR", "$": "USD", "gbp": "GBP", "eur": "EUR", "usd": "USD", "euro": "EUR", "euros": "EUR", "pound": "GBP",
    "pounds": "GBP", "pfund": "GBP", "dollar": "USD", "dollars": "USD", "quid": "GBP", "bucks": "USD",
}  # fmt: skip
SMALL = {
    w: n
    for n, ws in enumerate(
        "zero null|one ein eine einem einer|two zwei|three drei|four vier|five fünf|six sechs|seven sieben|eight acht|nine neun|ten zehn|"
        "eleven elf|twelve zwölf|thirteen dreizehn|fourteen vierzehn".split("|")
    )
    for w in ws.split()
}
PERIODS = {
    "hour": "hour", "hours": "hour", "stunde": "hour", "stunden": "hour", "day": "day", "days": "day", "tag": "day", "tage": "day", "tagen": "day",
    "werktag": "workday", "werktage": "workday", "werktagen": "workday", "arbeitstage": "workday", "week": "week", "weeks": "week", "woche": "week",
    "wochen": "week", "month": "month", "months": "month", "monat": "month", "monate": "month", "monaten": "month", "year": "year", "years": "year",
    "jahr": "year", "jahre": "year", "jahren": "year",
}  # fmt: skip

WEEKDAYS = {
    w: n
    for n, ws in enumerate(
        "monday montag lundi lunes lunedì maandag|tuesday dienstag mardi martes martedì dinsdag|wednesday mittwoch mercredi miércoles mercoledì woensdag|"
        "thursday donnerstag jeudi jueves giovedì donderdag|friday freitag vendredi viernes venerdì vrijdag|"
        "saturday samstag sonnabend samedi sábado sabato zaterdag|sunday sonntag dimanche domingo domenica zondag".split(
            "|"
        )
    )
    for w in ws.split()
}
NEAR = {"today": 0, "heute": 0, "tonight": 0, "tomorrow": 1, "morgen": 1, "yesterday": -1, "gestern": -1}


@dataclass(frozen=True)
class Thing:
    """Something in a text that needs a source."""

    kind: str
    value: str
    start: int
    end: int


def money(text: str) -> Decimal | None:
    """`1.299,50`, `1,299.50` or `74` as a number."""
    digits = re.sub(r"[^\d.,]", "", text).strip(".,")
    if not digits:
        return None
    cents = re.search(r"[.,](\d\d?)$", digits)
    whole = re.sub(r"\D", "", digits[: cents.start()] if cents else digits)
    try:
        return Decimal(f"{whole or 0}.{cents[1] if cents else 0}")
    except InvalidOperation:
        return None


def find(text: str, year: int = 2026) -> list[Thing]:
    """Everything in `text` that needs a source, in reading order."""
    return sorted({t.start: t for t in _walk(text, year)}.values(), key=lambda t: t.start)


def _walk(text: str, year: int) -> Iterator[Thing]:
    words = [(m.group(), m.start()) for m in re.finditer(r"\S+", text)]
    skip = -1
    for i, (word, at) in enumerate(words):
        if at < skip:
            continue
        bare = word.strip("()[]\"'“”„«»,;!?.:")
        start = at + max(0, word.find(bare))
        after = [w.strip('()",;!?“”') for w, _ in words[i + 1 : i + 4]]
        lower = bare.lower()
        if "@" in bare[1:] and "." in bare.partition("@")[2]:
            yield Thing("email", lower, start, start + len(bare))
        elif "://" in bare or lower.startswith("www."):
            yield Thing("url", lower, start, start + len(bare))
        elif lower in SMALL and after and (unit := _period(after)):
            yield Thing("period", f"{SMALL[lower]} {unit}", start, start + len(bare))
        elif re.search(r"\d", bare):
            thing = _figure(bare, start, after, words[i - 1][0] if i else "", year)
            if thing:
                skip = thing.end
                yield thing


def _period(after: Sequence[str]) -> str:
    first = after[0].lower().rstrip(".")
    if first in {"business", "working"} and len(after) > 1 and PERIODS.get(after[1].lower().rstrip(".")) == "day":
        return "workday"
    return PERIODS.get(first, "")


def _figure(bare: str, start: int, after: Sequence[str], before: str, year: int) -> Thing | None:
    end = start + len(bare)
    if m := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(?:T.*)?", bare):
        return Thing("day", f"{m[1]}-{m[2]}-{m[3]}", start, end)
    if m := re.fullmatch(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", bare):
        return Thing("day", f"{m[3]}-{int(m[2]):02d}-{int(m[1]):02d}", start, end)
    plain = re.sub(r"(?<=\d)(?:st|nd|rd|th)$", "", bare.rstrip("."))
    if plain.isdigit() and len(plain) <= 2:
        if after and (month := MONTHS.get(after[0].lower().strip("."))):
            named = re.fullmatch(r"(20\d\d)\.?", after[1]) if len(after) > 1 else None
            return Thing("day", f"{int(named[1]) if named else year}-{month:02d}-{int(plain):02d}", start, end)
        if month := MONTHS.get(before.lower().strip(",.")):
            return Thing("day", f"{year}-{month:02d}-{int(plain):02d}", start, end)
    sign = next((c for c in "£€$" if c in bare), "")
    letters = re.sub(r"[\d.,£€$%/:–-]", "", bare).lower()
    word = letters if letters in CURRENCIES else ""
    beside = after[0].lower().rstrip(".") if after and after[0].lower().rstrip(".") in CURRENCIES else ""
    ahead = before.lower() if before.lower() in {"eur", "gbp", "usd", "£", "€", "$", "r$"} else ""
    if (sign or word or ((beside or ahead) and not letters)) and (amount := money(bare)) is not None:
        return Thing("money", f"{amount:.2f} {CURRENCIES[sign or word or beside or ahead]}", start, end)
    if bare.endswith("%") or (after and after[0].startswith("%")):
        return Thing("share", re.sub(r"[^\d.,]", "", bare).replace(",", "."), start, end)
    if plain.isdigit() and after and (unit := _period(after)):
        return Thing("period", f"{int(plain)} {unit}", start, end)
    if re.fullmatch(r"\d{1,3}(?:[.,]?\d{3})*[.,]\d\d?", bare) and ":" not in bare:
        return Thing("money", f"{money(bare):.2f} ?", start, end)
    code = re.sub(r"[^0-9A-Za-z]", "", bare).upper()
    if len(re.sub(r"\D", "", code)) >= 4 and not re.fullmatch(r"20\d\d", code) and ":" not in bare:
        return Thing("code", code, start, end)
    return None


def records(value: Any) -> Iterator[str]:
    """Every text, day and sum in a nest of records, written out."""
    if isinstance(value, Mapping):
        if {"amount", "currency"} <= set(value):
            yield f"{value['amount']} {value['currency']}"
        for inner in value.values():
            yield from records(inner)
    elif isinstance(value, datetime | date):
        yield value.isoformat()[:10]
    elif hasattr(value, "amount") and hasattr(value, "currency"):
        yield f"{value.amount} {value.currency}"
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from records(getattr(value, name))
    elif isinstance(value, str):
        yield value
    elif isinstance(value, Iterable):
        for inner in value:
            yield from records(inner)
    elif value is not None:
        yield str(value)


def _weekdays(text: str, base: date) -> Iterator[date]:
    """The days that words such as `saturday` or `morgen` stand for in a text of the day `base`, this week's or next week's."""
    for word in re.findall(r"[^\W\d_]+", text.lower()):
        if word in WEEKDAYS:
            ahead = (WEEKDAYS[word] - base.weekday()) % 7
            yield from (base + timedelta(days=n) for n in (ahead - 7, ahead, ahead + 7))
        elif word in NEAR:
            yield base + timedelta(days=NEAR[word])


def held(texts: Iterable[str], year: int = 2026, base: date | None = None) -> set[tuple[str, str]]:
    """All that the records hold, with the sums and days that follow from them by simple rules; `base` is the day of the texts."""
    texts = list(texts)
    found = {(t.kind, t.value) for text in texts for t in find(text, year)}
    if base:
        found |= {("day", d.isoformat()) for text in texts for d in _weekdays(text, base)}
    sums = [Decimal(v.split()[0]) for k, v in found if k == "money"]
    currencies = {v.split()[1] for k, v in found if k == "money"}
    more: set[tuple[str, str]] = set()
    for a, b in itertools.product(sums, sums):
        more |= {("money", f"{x:.2f} {c}") for x in (a + b, abs(a - b), a * 3) for c in currencies}
    days = [date.fromisoformat(v) for k, v in found if k == "day" and _is_day(v)]
    for d, (unit, n) in itertools.product(days, _periods(found)):
        more.add(("day", (d + timedelta(days=n if unit == "day" else n * 365)).isoformat()))
    more |= {("period", f"{abs((a - b).days)} day") for a in days for b in days}
    return found | more


def _is_day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _periods(found: Iterable[tuple[str, str]]) -> list[tuple[str, int]]:
    return [(v.split()[1], int(v.split()[0])) for k, v in found if k == "period" and v.split()[1] in {"day", "year"}]


def _same(thing: Thing, known: set[tuple[str, str]]) -> bool:
    if (thing.kind, thing.value) in known:
        return True
    if thing.kind == "code":
        digits = re.sub(r"\D", "", thing.value)
        return any(k == "code" and (digits in v or thing.value in v) for k, v in known)
    if thing.kind == "money":
        return any(k in {"code", "money"} and v.split()[0] == thing.value.split()[0] for k, v in known)
    if thing.kind == "day":
        return any(k == "day" and v[5:] == thing.value[5:] for k, v in known)
    return False


def audit(
    body: str, facts: Sequence[Any], texts: Iterable[str], year: int = 2026, base: date | None = None
) -> list[str]:
    """What is wrong with a ledger: things it does not list, and things it calls sourced that no record holds.

    Args:
        facts: the ledger's entries, as objects or as JSON objects.
        texts: the records of the case, written out: messages, order, dispute, policy, clock, store.
        base: the day of the messages, from which "on Saturday" counts; without it such words source nothing.
    """
    known, problems = held(texts, year, base), list[str]()

    def field(fact: Any, name: str) -> Any:
        return fact[name] if isinstance(fact, Mapping) else getattr(fact, name)

    for thing in find(body, year):
        over = [f for f in facts if field(f, "start") < thing.end and thing.start < field(f, "end")]
        shown = body[thing.start : thing.end]
        if not over:
            problems.append(f"the ledger does not list {thing.kind} {shown!r}")
        elif all(field(f, "state") in {"supported", "derived"} for f in over) and not _same(thing, known):
            if field(over[0], "source") != "emergency":
                problems.append(f"the ledger has {shown!r} from {field(over[0], 'source')}, no record holds it")
    return problems
