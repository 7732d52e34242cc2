"""Lot numbers, which say that articles were made together."""

from __future__ import annotations

import re
from typing import Final

from agent.entities.scan import Scan, words

_I: Final = re.IGNORECASE
_NUMBER: Final = r"(?:numbers?|nummern?|nr|no|num|n[°ºo]|codes?|id|sticker)"
_NAMED: Final = words(
    rf"(?:lot|batch) ?-?{_NUMBER}|lots? n[°º]|(?:lot|batch) (?:mark|marking|stamp|printed|stamped|reads|says)",
    rf"ch\.?-?b\.?|(?:chargen|charge|los|lot|batch)[- ]?{_NUMBER}|(?:chargen|los)bezeichnung|chargen?code",
    r"(?:num[ée]ro|n[°ºo]|code|réf[ée]rence) d[eu] lot|num[ée]ro de série du lot",
    r"(?:número|num|n[.°ºo]{1,2}|código|codigo|numero) d[eo] lote|lote n[.°ºo]{1,2}|lote (?:número|numero|num|nº)",
    r"(?:numero|n[.°ºo]{1,2}|codice) d[ie]l? lotto|lotto (?:numero|n[.°ºo]{1,2})|(?:numero|codice) lotto",
    rf"(?:partij|batch|lot|charge|productie)[- ]?(?:{_NUMBER}|code)",
)
"""Says without doubt that a lot number follows: a few words may stand between."""
_BARE: Final = {
    "": words("lots?|batch(?:es)?|lote|lotto|lotti|partij|chargen"),
    "de": words("charge|los|partie"),
    "nl": words("charge"),
    "fr": words("lots?"),
    "es": words("lotes?"),
    "pt": words("lotes?"),
}
"""By language: words that also mean something else (a charge on a card, the Spanish article), so the number follows at once."""
_CODE: Final = r"([A-Z]{1,4}[ ]?\d[\dA-Z]*(?:[-–/._]\d?[\dA-Z]+){0,3}|[A-Z]{1,4}[-–/.]\d[\dA-Z]*(?:[-–/._][\dA-Z]+){0,3}|\d[\dA-Z]*(?:[-–/._][\dA-Z]+){0,3})"
_END: Final = r"(?![\w]|[-–/]\w|[.,]\d| ?(?:€|£|\$|%|eur\b|gbp\b|usd\b|euros?\b|pounds?\b|days?\b|pieces?\b|pcs\b|stück\b|stk\b|pi[eè]ces?\b|piezas?\b|pezzi\b|stuks?\b|peças?\b|kg\b|g\b|ml\b|l\b|cm\b|x\b|people\b|times\b))"
_AFTER_NAME: Final = (
    r"[\s:#.°º=(„“\"'–-]{0,4}"
    r"(?:(?!order|bestel|auftrag|commande|pedido|ordine|encomenda|invoice|rechnung)[^\W\d_]{1,14}[\s:,„“\"'–-]{1,3}){0,7}?"
)
_AT_ONCE: Final = r"[\s:#.°º=(„“\"'–-]{0,4}(?:(?:no|nr|num|number|nummer|n|nº|n°|code|is|ist|è|é|es|est|mit|von|with|from|stamped|printed)\b[\s:#.°º=(„“\"'–-]{0,3}){0,2}"
_MORE: Final = re.compile(rf"(?: ?[,/&+] ?|,? (?:and|und|et|y|e|en|or|oder|ou|o|of) )(?:lot |batch )?{_CODE}{_END}", _I)
_DATE: Final = re.compile(
    r"\d{1,2}[./-]\d{1,2}[./-](?:20)?\d\d|\d{1,2}\.\d{1,2}|20\d\d-\d\d-\d\d|(?:19|20)\d\d|\d{1,2}:\d\d"
)
_COUNT: Final = re.compile(r"(?:of|de|da|di|do|von|mit|van|with|con|com|avec|à|a|x) \d+|[a-z]+ \d{1,2}")
"""A word and a number: "a batch of 24", "lote de 12"."""
_FEWEST_DIGITS: Final = 2
_FEWEST_CHARS: Final = 3


def lot_key(lot: str) -> str:
    """What spellings of one lot number share: `L VB-26O9`, `vb 2609` and `Lot VB/2609` give `VB2609`.

    The letter O and the figure 0 are one: customers copy from small print. A single L before a figure says "lot" only.
    """
    key = re.sub(r"[^A-Z0-9]", "", lot.upper()).replace("O", "0")
    return re.sub(r"^(?:L0T|L)(?=\d)", "", key)


def lots(scan: Scan) -> None:
    """Lot numbers behind a word for "lot"; a date, an amount or a count of pieces is none."""
    text = scan.text
    if not any(map(str.isdigit, text)):
        return
    bare = words(*(_BARE[code] for code in ("", scan.language) if code in _BARE))
    for form in (_compiled(_NAMED, _AFTER_NAME), _compiled(bare, _AT_ONCE)):
        for m in form.finditer(text):
            end = m.end() if _claim(scan, m) else 0
            while end and (more := _MORE.match(text, end)) and _claim(scan, more):
                end = more.end()


_FORMS: Final[dict[str, re.Pattern[str]]] = {}


def _compiled(word: str, gap: str) -> re.Pattern[str]:
    return _FORMS.setdefault(word, re.compile(rf"(?<![^\W_]){word}(?![^\W\d_]){gap}{_CODE}{_END}", _I))


def _claim(scan: Scan, m: re.Match[str]) -> bool:
    """Claims the code in group 1 when it can be a lot's."""
    code = m[1]
    digits = sum(c.isdigit() for c in code)
    if _COUNT.fullmatch(code) or digits < _FEWEST_DIGITS or len(lot_key(code)) < _FEWEST_CHARS or _DATE.fullmatch(code):
        return False
    return scan.add("lot", lot_key(code), *m.span(1))
