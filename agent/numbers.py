"""Amounts of money as people write them, in the formats of seven languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from heapq import merge
from typing import Final

from agent.number_words import number_before

_GAP: Final = " \u00a0\u202f\u2009"
_NUMBER: Final = re.compile(
    rf"(?<![\d.,_])(?:\d{{1,3}}(?:[.,'’{_GAP}]\d{{3}}(?!\d)){{1,4}}(?:[.,]\d{{1,2}}(?!\d))?|\d{{1,12}}(?:(?:[.,]\d{{1,2}}|['’]\d\d)(?!\d))?)"
    r"(?![\d%:])(?!\.\d)"
)
_SPLIT: Final = re.compile(r"(?<![\d.,_€])(\d{1,6})€(\d\d)(?![\d.,])")
"""39€90, with the sign where the comma would stand."""
_THOUSAND: Final = re.compile(rf"[{_GAP}](?:mil|mila|mille|tausend|thousand|duizend)(?![^\W_])", re.IGNORECASE)
_SUFFIX: Final = re.compile(r"\s?k\b|[.,][-–—]{1,2}", re.IGNORECASE)

SYMBOLS: Final = {
    "€": "EUR", "£": "GBP", "₤": "GBP", "$": "USD", "us$": "USD", "c$": "CAD", "ca$": "CAD", "a$": "AUD", "au$": "AUD",
    "nz$": "NZD", "hk$": "HKD", "r$": "BRL", "¥": "JPY", "zł": "PLN", "kč": "CZK", "kr": "SEK", "kr.": "SEK",
    "sfr": "CHF", "sfr.": "CHF",
}  # fmt: skip
"""Currency signs; `$` alone is read as US dollars and `kr` by the language of the text."""

CODES: Final = frozenset({
    "EUR", "GBP", "USD", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "BGN", "TRY", "BRL", "CAD", "AUD",
    "NZD", "JPY", "CNY", "INR", "MXN", "SGD", "HKD", "ZAR",
})  # fmt: skip

WORDS: Final = {
    "euro": "EUR", "euros": "EUR", "quid": "GBP", "pound": "GBP", "pounds": "GBP", "sterling": "GBP", "pfund": "GBP",
    "livres": "GBP", "libras": "GBP", "sterline": "GBP", "pond": "GBP", "bucks": "USD", "buck": "USD", "dollar": "USD",
    "dollars": "USD", "dólares": "USD", "dolares": "USD", "dollari": "USD", "franken": "CHF", "francs": "CHF",
    "franchi": "CHF", "francos": "CHF", "euri": "EUR", "pavos": "EUR",
    "reais": "BRL", "kronor": "SEK", "kroner": "NOK", "zloty": "PLN", "złoty": "PLN", "złotych": "PLN",
}  # fmt: skip

_CROWNS: Final = {"da": "DKK", "nb": "NOK", "no": "NOK"}
_SIGN: Final = "|".join(sorted((re.escape(s) for s in SYMBOLS), key=len, reverse=True))
_CODE: Final = "|".join(sorted(CODES))
_BEFORE: Final = re.compile(rf"(?:(?<![^\W\d_])(?:{_SIGN}|{_CODE})|[€£$¥])[{_GAP}]?$", re.IGNORECASE)
_AFTER: Final = re.compile(
    rf"[{_GAP}]?(?:(?P<sign>[€£$¥])(?![{_GAP}]?\d)"
    rf"|(?P<word>{_SIGN}|{_CODE}|{'|'.join(sorted(WORDS, key=len, reverse=True))}|pence|p|cents?|ct)(?![^\W_]))",
    re.IGNORECASE,
)
_SHARED: Final = re.compile(r" (?:and|und|et|y|e|en|or|oder|ou|o|of) (?=\d)", re.IGNORECASE)
"""Between two amounts that share the second one's currency, "129 en 84 euro"."""
_INSTEAD: Final = re.compile(
    r",? (?:instead of|statt|anstatt|au lieu de|en vez de|en lugar de|invece d[ie]|anziché|in plaats van|ipv|i\.p\.v\.|em vez de) ",
    re.IGNORECASE,
)
"""Between an amount and the one that it should have been."""
_MY_MONEY: Final = re.compile(r"\b(?:mes|nos|les|mis|los|i|miei|meus|os|meine|die) $", re.IGNORECASE)
_SMALL: Final = {"pence": "GBP", "p": "GBP", "cent": "", "cents": "", "ct": ""}
_MONEY_CUE: Final = re.compile(
    r"\b(?:charg|refund|paid|pay|price|cost|total|amount|credit|owe|bill|balance|deduct|debit|abgebucht|abbuch|betrag|"
    r"bezahl|preis|erstatt|gutschrift|gekostet|montant|rembours|pay[ée]|prix|débit|importe|reembols|pagu?[éeo]|cobr|"
    r"precio|importo|rimbors|pagat|addebit|prezzo|paghi|ridat|restitui|sconto|differenz|diferenç|diferenci|différenc|verschil|prélev|devolu|afgeschre|bedrag|betaald|terugbetal|prijs|valor|preço)\w{0,12}(?:[^.!?\n]|\.\d){0,30}$",
    re.IGNORECASE,
)
_BARE_CHARGE: Final = re.compile(
    r"\b(?:charged|refunded|billed|debited|paid)(?: me| us| only| just| you)? $", re.IGNORECASE
)
_BARE_AFTER: Final = re.compile(r"\s(?:twice|instead|again|back|for (?:the|a|an|my|this|it)|but)\b|\s?[.,;!?)]?\s*$")
_OCLOCK: Final = re.compile(r"\b(?:at|um|om|à|às|alle|dalle|le|las|ore)\s$", re.IGNORECASE)
_WEIGHT: Final = re.compile(r"\b(?:weigh|heav|lifts?|load|wiegt|gewicht)\w{0,5}[^.!?\n]{0,20}$", re.IGNORECASE)
_UNIT: Final = re.compile(
    r"\s?(?:[cmk]?m|k?g|m?l|lbs?|oz|v|w|gb|mb|ft|uhr|am|pm|h\d?|°|\"|/|x\s?\d|metres?|meters?|m[eè]tres|metri|metros|lit(?:er|re)s?|inch|stars?)"
    r"(?![^\W_])",
    re.IGNORECASE,
)


_CURRENCY_WORD: Final = re.compile(
    rf"(?<=[^\W\d_][ -])(?:{'|'.join(sorted(WORDS, key=len, reverse=True))})(?![^\W_])", re.IGNORECASE
)
_COIN: Final = re.compile(r"[ -](?:coins?|notes?)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WrittenAmount:
    """An amount of money where it stands in a text: characters [start, end)."""

    start: int
    end: int
    value: Decimal
    currency: str
    """ISO 4217 code, or "" when the text names none."""


def parse_number(text: str) -> Decimal | None:
    """The number written as `1.299,50`, `1,299.50`, `1 299,50`, `1'299.50`, `39'95`, `45,-` or `1.2k`, else None.

    A lone separator before exactly three digits groups thousands: money has no third decimal.
    """
    s = re.sub(r"['’](?=\d\d$)", ".", text.strip().lower())
    s = re.sub(rf"['’{_GAP}]", "", s)
    thousand = s.endswith("k")
    s = re.sub(r"[.,][-–—]{1,2}$", "", s.removesuffix("k"))
    if not re.fullmatch(r"\d[\d.,]{0,20}", s):
        return None
    last = max(s.rfind("."), s.rfind(","))
    if last >= 0:
        whole, part = re.sub(r"[.,]", "", s[:last]), s[last + 1 :]
        s = f"{whole}.{part}" if len(part) in (1, 2) and s.count(s[last]) == 1 else whole + part
    if len(s.partition(".")[0]) > 12:
        return None
    return Decimal(s) * (1000 if thousand else 1)


def currency_of(word: str, language: str = "en") -> str:
    """ISO code that a sign, code or everyday word stands for ("quid", "kr", "R$"), or ""."""
    w = word.strip().lower()
    if w in {"kr", "kr."}:
        return _CROWNS.get(language, "SEK")
    if w.upper() in CODES:
        return w.upper()
    return SYMBOLS.get(w) or WORDS.get(w, "")


def find_amounts(text: str, language: str = "en") -> Iterator[WrittenAmount]:
    """Amounts in reading order: with a currency beside them, or plainly money by the words before them.

    Args:
        text: what is read.
        language: of the text, for crowns and for numbers in words.

    """
    split = [WrittenAmount(*m.span(), Decimal(f"{m[1]}.{m[2]}"), "EUR") for m in _SPLIT.finditer(text)]
    taken = {at for a in split for at in range(a.start, a.end)}
    figures = (a for a in _in_figures(text, language) if a.start not in taken)
    yield from merge(split, figures, _in_words(text, language), key=lambda a: a.start)


def _in_words(text: str, language: str) -> Iterator[WrittenAmount]:
    """Amounts such as "twenty pounds"; one of something is no amount, nor is a coin."""
    for m in _CURRENCY_WORD.finditer(text):
        if found := number_before(text, m.start(), language):
            start, value = found
            pounds = WORDS[m[0].lower()] == "GBP" and _WEIGHT.search(text, max(0, start - 40), start)
            if not pounds and not _COIN.match(text, m.end()):
                yield WrittenAmount(start, m.end(), Decimal(value), WORDS[m[0].lower()])


def _in_figures(text: str, language: str) -> Iterator[WrittenAmount]:
    spoken, spoken_end = "", 0
    for m in _NUMBER.finditer(text):
        start, end = m.span()
        if suffix := _SUFFIX.match(text, end):
            end = suffix.end()
        value = parse_number(text[start:end])
        if value is None:
            continue
        if thousand := _THOUSAND.match(text, end):
            value, end = value * 1000, thousand.end()
        before, after = _BEFORE.search(text, max(0, start - 6), start), _AFTER.match(text, end)
        unit = (after["sign"] or after["word"]).lower() if after else ""
        if unit in _SMALL and not before:
            if "." not in m[0] and "," not in m[0] and value < 100:
                yield WrittenAmount(start, after.end() if after else end, value / 100, _SMALL[unit])
            continue
        front, back = currency_of(before[0], language) if before else "", currency_of(unit, language)
        if front or back:
            if back == "GBP" and not front and unit in WORDS and _WEIGHT.search(text, max(0, start - 40), start):
                continue
            # `$45 USD`: the code says more than the sign
            whole = bool(after and back and (front in {"", back} or unit.upper() in CODES))
            end = after.end() if after and whole else end
            spoken, spoken_end = back if whole else front, end
            yield WrittenAmount(before.start() if before else start, end, value, spoken)
        elif shared := _shared_currency(text, end, language):
            yield WrittenAmount(start, end, value, shared)
        elif spoken and (link := _INSTEAD.match(text, spoken_end)) and link.end() == start:
            yield WrittenAmount(start, end, value, spoken)
        elif not text[start - 1 : start].isalpha() and _is_plain_money(text, m[0], start, end, language):
            yield WrittenAmount(start, end, value, "")


def _shared_currency(text: str, end: int, language: str) -> str:
    """The currency of a number's neighbour behind "and", or ""."""
    link = _SHARED.match(text, end)
    other = _NUMBER.match(text, link.end()) if link else None
    after = _AFTER.match(text, other.end()) if other else None
    return currency_of((after["sign"] or after["word"]).lower(), language) if after else ""


def _is_plain_money(text: str, number: str, start: int, end: int, language: str) -> bool:
    """Whether a number without currency is money: `54.00` or `1.2k` after a money word, or "charged me 54 twice"."""
    if re.search(r"[.,]\d\d$", number) or text[end - 1] in "kK-–":
        mine = (
            "," in number and language != "en" and (len(number) > 4 or _MY_MONEY.search(text, max(0, start - 8), start))
        )
        cue = mine or _MONEY_CUE.search(text, max(0, start - 50), start)
        cue = cue and not _OCLOCK.search(text, max(0, start - 6), start)
        return bool(cue) and not _UNIT.match(text, end)
    return bool(
        number.isdigit()
        and len(number) <= 4
        and _BARE_CHARGE.search(text, max(0, start - 20), start)
        and _BARE_AFTER.match(text, end)
    )
