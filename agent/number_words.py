"""Numbers written in words, in seven languages."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_ONES: Final = {
    "en": "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    "de": "ein zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn funfzehn sechzehn siebzehn achtzehn neunzehn",
    "fr": "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix~sept dix~huit dix~neuf",
    "es": "un dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve",
    "it": "un due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove",
    "nl": "een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien achttien negentien",
    "pt": "um dois tres quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezasseis dezassete dezoito dezanove",
}
_TENS: Final = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "de": "zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig",
    "fr": "vingt trente quarante cinquante soixante soixante quatre~vingt quatre~vingt",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "nl": "twintig dertig veertig vijftig zestig zeventig tachtig negentig",
    "pt": "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
}
_HUNDREDS: Final = {
    "es": "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos",
    "pt": "cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos",
}
_HUNDRED: Final = {"en": " hundred", "de": "hundert", "fr": " cent", "it": "cento", "nl": "honderd"}
_AND: Final = {"en": " and ", "pt": " e ", "fr": " ", "es": " "}
_THOUSAND: Final = {"en": " thousand", "de": "tausend", "fr": " mille", "es": " mil", "it": "mila", "nl": "duizend", "pt": " mil"}  # fmt: skip
_MORE: Final = {
    "en": {"a hundred": 100, "a thousand": 1000},
    "de": {"hundert": 100, "tausend": 1000},
    "fr": {"cent": 100, "mille": 1000},
    "es": {"cien": 100, "mil": 1000},
    "it": {"cento": 100, "mille": 1000},
    "nl": {"honderd": 100, "duizend": 1000},
    "pt": {"cem": 100, "mil": 1000, "quatorze": 14, "dezesseis": 16, "dezessete": 17, "dezenove": 19},
}


_JOINED: Final = {
    "en": "{ten} {one}", "de": "{one}und{ten}", "fr": "{ten} {one}", "es": "{ten} y {one}", "it": "{ten}{one}",
    "nl": "{one}en{ten}", "pt": "{ten} e {one}",
}  # fmt: skip


def _below_hundred(n: int, language: str) -> str:
    ones, tens = _ONES[language].split(), _TENS[language].split()
    ten, rest = (tens[n // 10 - 2], n % 10) if n >= 20 else ("", n)
    if language == "fr" and n // 10 in {7, 9}:
        rest += 10
    if not ten or not rest:
        return ten or ones[n - 1]
    one, joined = ones[rest - 1], _JOINED[language]
    if language == "it":
        one = "uno" if rest == 1 else one
        ten = ten[:-1] if one[0] in "uo" else ten
    elif language == "es" and n < 30:
        joined = "veinti{one}"
    elif language == "fr" and rest in {1, 11} and n < 80:
        joined = "{ten} et {one}"
    return joined.format(ten=ten, one=one)


def _below_thousand(n: int, language: str) -> str:
    if n < 100:
        return _below_hundred(n, language)
    count, rest = divmod(n, 100)
    if language in _HUNDREDS:
        hundred = _HUNDREDS[language].split()[count - 1]
    else:
        alone = count == 1 and language != "en"
        hundred = ("" if alone else _ONES[language].split()[count - 1]) + _HUNDRED[language]
    return hundred.strip() + (_AND.get(language, "") + _below_hundred(rest, language) if rest else "")


@lru_cache(maxsize=16)
def _spelled(language: str) -> dict[str, int]:
    """Every number from 2 to 999 and every full thousand below 100,000, as `_plain` leaves it."""
    if language not in _ONES:
        return {}
    table = {_below_thousand(n, language): n for n in range(2, 1000)}
    table |= {_below_hundred(n, language) + _THOUSAND[language]: n * 1000 for n in range(2, 100)}
    if language == "en":
        table |= {spelled.replace(" and ", " "): n for spelled, n in table.items()}
    return {spelled.replace("~", " "): n for spelled, n in (table | _MORE[language]).items()}


def _plain(text: str) -> str:
    """Lower case without accents, hyphens and the French plural of `vingts` and `cents`."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))
    return re.sub(r"(?<=vingt|.cent)s\b", "", re.sub(r"[\s-]+", " ", bare.replace("ß", "ss"))).strip()


_LAST_WORDS: Final = re.compile(r"(?:[^\W\d_]+[ -]){1,7}$")


def number_before(text: str, end: int, language: str) -> tuple[int, int] | None:
    """(start, value) of the longest number in words that ends just before `end`, where a space stands; None for "one"."""
    m = _LAST_WORDS.search(text, max(0, end - 60), end)
    table = _spelled(language)
    for word in re.finditer(r"[^\W\d_]+", m[0]) if m and table else ():
        start = m.start() + word.start() if m else 0
        if value := table.get(_plain(text[start:end])):
            return start, value
    return None
