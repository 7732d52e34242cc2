"""Numbers written as words in seven languages: "two hundred", "zweihundertfünfzig", "deux cents"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from agent.facts.text import Word, fold

_VALUES: Final = {
    1: "one eins ein eine einen einem einer un une una uno een um uma",
    2: "two zwei deux dos due twee dois duas couple", 3: "three drei trois tres tre drie", 4: "four vier quatre cuatro quattro quatro",
    5: "five fünf cinq cinco cinque vijf", 6: "six sechs seis sei zes", 7: "seven sieben sept siete sette zeven sete",
    8: "eight acht huit ocho otto oito", 9: "nine neun neuf nueve nove negen", 10: "ten zehn dix diez dieci tien dez",
    11: "eleven elf onze once undici", 12: "twelve zwölf douze doce dodici twaalf doze dozen dutzend",
    13: "thirteen dreizehn treize trece tredici dertien treze", 14: "fourteen vierzehn quatorze catorce quattordici veertien catorze",
    15: "fifteen fünfzehn quinze quince quindici vijftien", 16: "sixteen sechzehn seize dieciseis sedici zestien dezesseis",
    17: "seventeen siebzehn diecisiete diciassette zeventien dezessete", 18: "eighteen achtzehn dieciocho diciotto achttien dezoito",
    19: "nineteen neunzehn diecinueve diciannove negentien dezenove", 20: "twenty zwanzig vingt veinte venti twintig vinte",
    30: "thirty dreißig dreissig trente treinta trenta dertig trinta", 40: "forty vierzig quarante cuarenta quaranta veertig quarenta",
    50: "fifty fünfzig cinquante cincuenta cinquanta vijftig cinquenta", 60: "sixty sechzig soixante sesenta sessanta zestig sessenta",
    70: "seventy siebzig septante setenta settanta zeventig", 80: "eighty achtzig ochenta ottanta tachtig oitenta",
    90: "ninety neunzig nonante noventa novanta negentig", 100: "hundred hundert cent cents cien ciento cento honderd cem",
    200: "doscientos doscientas duzentos duzentas", 300: "trescientos trezentos", 400: "cuatrocientos quatrocentos",
    500: "quinientos quinhentos", 600: "seiscientos seiscentos", 700: "setecientos setecentos", 800: "ochocientos oitocentos",
    900: "novecientos novecentos", 1000: "thousand tausend mille mil mila duizend grand",
}  # fmt: skip
WORDS: Final = {fold(w): n for n, ws in _VALUES.items() for w in ws.split()}
_GLUE: Final = frozenset({"and", "und", "et", "y", "e", "en", "a", "of"})
_PARTS: Final = re.compile(
    "|".join(sorted((w for w in WORDS if w not in {"e", "couple", "grand"}), key=len, reverse=True)) + "|und|ën|en|-"
)
_COMPOUND: Final = re.compile(rf"(?:{_PARTS.pattern}){{2,}}")
_COMPOUND_SIGN: Final = re.compile(r"hundert|tausend|zig$|ssig$|honderd|duizend|tig$|cento|mila$|venti|anta|-|zehn")


def value(words: Sequence[str]) -> int | None:
    """What folded number words mean together, e.g. ("two", "hundred", "and", "fifty") is 250; None when one is no number."""
    total = current = 0
    for word in words:
        n = WORDS.get(word)
        if n is None:
            if word in _GLUE:
                continue
            inner = _compound(word)
            if inner is None:
                return None
            current += inner
        elif n == 100 or (n == 20 and word == "vingt" and current == 4):
            current = max(1, current) * n
        elif n >= 1000:
            total, current = total + max(1, current) * n, 0
        else:
            current += n
    return total + current


def _compound(word: str) -> int | None:
    """The value of a number written in one word ("zweihundertfünfzig", "twenty-five"), or None."""
    if not _COMPOUND_SIGN.search(word) or not _COMPOUND.fullmatch(word):
        return None
    parts = [p for p in _PARTS.findall(word) if p not in {"und", "en", "ën", "-"}]
    return value(parts) if parts and all(p in WORDS for p in parts) else None


def runs(words: Sequence[Word], text: str) -> list[tuple[int, int, Decimal]]:
    """Runs of number words: index of the first word, index behind the last, and the value."""
    numerals = {
        i
        for i, w in enumerate(words)
        if (w.folded in WORDS and not (w.folded == "um" and i + 1 < len(words) and words[i + 1].folded in WORDS))
        or (len(w.folded) > _SHORT and _numeral(w.folded))
    }
    found: list[tuple[int, int, Decimal]] = []
    behind = 0
    for i in sorted(numerals):
        if i < behind:
            continue
        behind = i + 1
        while behind < len(words) and _joined(text, words[behind - 1], words[behind]):
            glued = words[behind].folded in _GLUE and behind + 1 in numerals
            if behind not in numerals and not (glued and _joined(text, words[behind], words[behind + 1])):
                break
            behind += 1
        if n := value([w.folded for w in words[i:behind]]):
            found.append((i, behind, Decimal(n)))
    return found


_SHORT: Final = 6
"""Words up to so many letters are single number words or none."""


def _joined(text: str, left: Word, right: Word) -> bool:
    """Whether only a space or hyphen stands between two words."""
    return right.start - left.end <= 2 and not text[left.end : right.start].strip(" \u00a0\n-")


_HEADS: Final = frozenset(w[:3] for w in WORDS)


def _numeral(word: str) -> bool:
    """Whether a long word is a number written in one."""
    return word[:3] in _HEADS and _compound(word) is not None
