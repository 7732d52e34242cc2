"""Amounts of money, shares, periods and counts, in figures and in words."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from agent.facts import spelled
from agent.facts.reader import Reader, words
from agent.numbers import CODES, SYMBOLS, WORDS, currency_of, parse_number

_GAP: Final = " \u00a0\u202f\u2009"
NUMBER: Final = re.compile(
    rf"\d{{1,3}}(?:[.,'’{_GAP}]\d{{3}}(?!\d)){{1,4}}(?:[.,]\d{{1,2}}(?!\d))?|\d{{1,12}}(?:[.,]\d{{1,3}}(?!\d))?"
)
_EASY: Final = frozenset({"EUR", "GBP", "USD", "CHF"})
"""Codes that also count in lower case; `try` is no Turkish lira, TRY is."""
_SYMBOL: Final = "|".join(sorted((re.escape(s) for s in SYMBOLS), key=len, reverse=True))
_WORD: Final = "|".join(sorted(WORDS, key=len, reverse=True))
CURRENCY_AFTER: Final = re.compile(
    rf"(?:[.,][-–—]{{1,2}})?[{_GAP}-]?"
    rf"(?:(?P<sign>[€£$¥])|(?P<word>(?i:{_SYMBOL}|{_WORD}|{'|'.join(_EASY)})|{'|'.join(sorted(CODES))})(?![^\W_]))"
)
_PERCENT: Final = re.compile(
    rf"[{_GAP}]?(?:%|(?i:per ?cent|prozent|pour ?cent|por ?ciento|per ?cento|procent|por ?cento)\b)"
)
_UNITS: Final = {
    "hour": "hour hours hrs stunde stunden std heure heures hora horas ora ore uur uren",
    "minute": "minute minutes min mins minuten minutos minuti minuto minuut",
    "day": "day days tag tage tagen jour jours dia dias giorno giorni dag dagen",
    "business_day": "werktag werktage werktagen arbeitstag arbeitstage arbeitstagen bankarbeitstage bankarbeitstagen "
    "werkdag werkdagen",
    "week": "week weeks woche wochen semaine semaines semana semanas settimana settimane weken",
    "month": "month months monat monate monaten mois mes meses mese mesi maand maanden",
    "year": "year years jahr jahre jahren an ans annee annees ano anos anno anni jaar jaren",
    "photo": "photo photos picture pictures image images foto fotos bild bilder foto's afbeeldingen imagenes immagini",
    "item": "item items article articles artikel artikeln articulo articulos articolo articoli artigo artigos "
    "product products piece pieces pair pairs stuck teil teile",
    "parcel": "parcel parcels package packages box boxes paket pakete paketen colis paquete paquetes pacco pacchi "
    "pakket pakketten pacote pacotes",
    "order": "order orders bestellung bestellungen commandes pedidos ordini bestellingen charge charges payment "
    "payments abbuchung abbuchungen zahlungen time times",
}
UNITS: Final = {w: unit for unit, ws in _UNITS.items() for w in ws.split()}
PERIODS: Final = frozenset({"hour", "minute", "day", "business_day", "week", "month", "year"})
_QUALIFIERS: Final = words(
    "business working full whole volle vollen ganze calendar kalender more further weitere weiteren other separate"
)
_BUSINESS_AFTER: Final = re.compile(r" (?:ouvr(?:e|able)s?|habiles|laborables|lavorativi|uteis)\b")
_RANGE: Final = re.compile(rf"[{_GAP}]?(?:-|–|to|bis|or|oder|and|und|a|à|o|tot|ate)[{_GAP}]?(?=\d)")
_NEXT_WORD: Final = re.compile(r"[ -]?([a-z]+(?:'s)?)")


def currency_before(raw: str, at: int) -> int:
    """Where the currency right before position `at` begins, or -1."""
    end = at - 1 if at and raw[at - 1] in _GAP else at
    start = end
    while start and end - start < _LONGEST and (raw[start - 1].isalpha() or raw[start - 1] in "€£$¥₤"):
        start -= 1
    if start == end:
        return -1
    if raw[end - 1] in "€£$¥":
        return start if currency_of(raw[start:end]) else end - 1
    word = raw[start:end]
    known = word in CODES or word.upper() in _EASY or (word.lower() in SYMBOLS and not word.islower())
    return start if known or word.lower() == "kr" else -1


_LONGEST: Final = 4


def amounts(r: Reader, start: int, digit: int) -> bool:
    """An amount in figures."""
    raw = r.text.raw
    m = NUMBER.match(raw, digit)
    number = parse_number(m[0]) if m else None
    if m is None or number is None:
        return False
    before, after = currency_before(raw, digit), CURRENCY_AFTER.match(raw, m.end())
    if (before < 0 and not after) or (start != digit and not 0 <= before <= start):
        return False
    front = currency_of(raw[before:digit], r.language) if before >= 0 else ""
    back = currency_of(after["sign"] or after["word"], r.language) if after else ""
    end = after.end() if after and back and front in {"", back} else m.end()
    return r.add("amount", _money(number, front or back), before if before >= 0 else digit, end)


def _money(number: Decimal, currency: str) -> str:
    return f"{number:.2f} {currency}".rstrip()


def measures(r: Reader, start: int, digit: int) -> bool:
    """A share, period or count in figures; of a range (`3 to 5 days`) this takes the lower bound, the upper follows."""
    raw = r.text.raw
    m = NUMBER.match(raw, digit)
    if m is None or start != digit:
        return False
    number = plain(m[0])
    if p := _PERCENT.match(raw, m.end()):
        return r.add("percent", number, digit, p.end())
    if unit := _unit_after(r, m.end()):
        return r.add(_kind(unit[0]), f"{number} {unit[0]}", digit, unit[1])
    if (gap := _RANGE.match(raw, m.end())) and (upper := NUMBER.match(raw, gap.end())):
        if unit := _unit_after(r, upper.end()):
            return r.add(_kind(unit[0]), f"{number} {unit[0]}", digit, m.end())
        if _PERCENT.match(raw, upper.end()):
            return r.add("percent", number, digit, m.end())
    return False


def in_words(r: Reader) -> None:
    """Numbers in words beside a currency, a share or a unit."""
    text = r.text
    for i, j, number in spelled.runs(text.words, text.folded):
        start, end = text.words[i].start, text.words[j - 1].end
        if after := CURRENCY_AFTER.match(text.raw, end):
            currency = currency_of(after["sign"] or after["word"], r.language)
            r.add("amount", _money(number, currency), start, after.end())
        elif p := _PERCENT.match(text.raw, end):
            r.add("percent", f"{number}", start, p.end())
        elif (unit := _unit_after(r, end)) and (unit[0] in PERIODS or number > 1):
            r.add(_kind(unit[0]), f"{number} {unit[0]}", start, unit[1])


def _kind(unit: str) -> str:
    return "duration" if unit in PERIODS else "quantity"


def _unit_after(r: Reader, at: int) -> tuple[str, int] | None:
    """The unit that stands behind position `at`, and where it ends; up to two qualifying words may stand between."""
    folded, business = r.text.folded, False
    for _ in range(3):
        m = _NEXT_WORD.match(folded, at)
        if m is None:
            return None
        if unit := UNITS.get(m[1]):
            tail = _BUSINESS_AFTER.match(folded, m.end()) if unit == "day" else None
            if unit == "day" and (business or tail):
                unit = "business_day"
            return unit, tail.end() if tail else m.end()
        if m[1] not in _QUALIFIERS:
            return None
        business = business or m[1] in {"business", "working"}
        at = m.end()
    return None


_SIMPLE: Final = re.compile(r"\d+(?:[.,]\d{1,3})?")


def plain(number: str) -> str:
    """A number as written, in the form `1299.5`."""
    simple = _SIMPLE.fullmatch(number)
    value = Decimal(number.replace(",", ".")) if simple else parse_number(number) or Decimal(0)
    return f"{value.normalize():f}"
