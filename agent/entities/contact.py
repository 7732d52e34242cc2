"""How a person can be reached: mail, web, telephone, street."""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

from agent.entities.scan import Scan

_I: Final = re.IGNORECASE
_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_TLD: Final = "com|net|org|info|biz|shop|store|io|co|app|dev|eu|uk|de|fr|es|it|nl|pt|at|ch|be|ie|us|ca|au|pl|se|dk|no|br|example|test"
_URL: Final = re.compile(
    rf"(?<![\w@.-])(?:https?://[^\s<>\"'{{}}|\\^`]{{1,2000}}|www\.[^\s<>\"']{{2,2000}}"
    rf"|[a-z0-9](?:[a-z0-9-]{{0,40}}\.){{1,4}}(?:{_TLD})\b(?:/[^\s<>\"']{{0,500}})?)",
    _I,
)
_URL_TAIL: Final = ".,;:!?)]}'\"»”"


def mail_and_web(scan: Scan) -> None:
    """E-mail addresses and links."""
    text = scan.text
    if "@" in text:
        for m in _EMAIL.finditer(text):
            address = m[0].lstrip("'.-").rstrip("-'_")
            start = m.start() + m[0].index(address)
            scan.add("email", address.lower(), start, start + len(address))
    if "." in text:
        for m in _URL.finditer(text):
            url = m[0].rstrip(_URL_TAIL)
            scan.add("url", url, m.start(), m.start() + len(url))


_PHONE: Final = re.compile(r"(?<![\w.,/#-])(?:\+ ?\d|\(?0|\(\d|\d)(?:[ ()./\u00a0-]{0,3}\d){6,14}(?![\w]|[.,]\d)")
_PHONE_CUE: Final = re.compile(
    r"\b(?:call|phone|telephone|tel|mobile|cell|ring|reach|text|whatsapp|fax|number|telefon|telefonnummer|handy|handynummer|"
    r"mobil|anruf\w{0,4}|rufen|rückruf|erreich\w{0,5}|nummer|téléphone|appele[rz]|joindre|teléfono|llam\w{0,4}|móvil|telefono|"
    r"chiam\w{0,4}|cellulare|bel|bellen|telefoon|telefone|ligu?e?|telemóvel|celular|"
    r"tlf|tfno|tlm|telem|cel|cell|gsm|portable|joignable|bereikbaar|telnr|contacto)\b[^\n]{0,40}$",
    _I,
)
_AMERICAN: Final = re.compile(r"\(?[2-9]\d\d\)?[ .-]\d{3}[.-]\d{4}")
_REGION: Final = {"de": "DE", "fr": "FR", "es": "ES", "it": "IT", "nl": "NL", "pt": "PT"}


def phones(scan: Scan, default_region: str) -> None:
    """Telephone numbers in E.164; a national one is read in the country of the text's language, English in the store's."""
    text = scan.text
    for m in _PHONE.finditer(text):
        if not scan.free(*m.span()):
            continue
        plus = m[0].startswith("+") or m[0].startswith("00")
        home = "US" if _AMERICAN.fullmatch(m[0]) else _REGION.get(scan.language, default_region)
        number = _number(m[0], home, default_region)
        if number is None:
            continue
        cue = bool(_PHONE_CUE.search(text, max(0, m.start() - 60), m.start()))
        shaped = plus or m[0].startswith(("0", "(")) or m[0].count("-") == 2
        if cue or (shaped and phonenumbers.is_valid_number(number)) or plus:
            e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            scan.add("phone", e164, *m.span())


def _number(written: str, *regions: str) -> phonenumbers.PhoneNumber | None:
    """The number as the first region reads it in which it is possible."""
    text = "+" + written[2:] if written.startswith("00") else written
    for region in dict.fromkeys(regions):
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return number
    return None


_WORD: Final = r"[A-ZÄÖÜÉÈÀÁÍÓÚÑÇ][\w.'’-]{0,24}"
_POSTCODE: Final = rf"(?:,?[ \n]{{1,2}}(?:\d{{4,5}}(?:-\d{{3,4}})?(?: [A-Z]{{2}})? {_WORD}(?: {_WORD}){{0,2}}))?"
_TOWN: Final = rf"{_WORD}(?: {_WORD}){{0,2}}?"
_UK_TAIL: Final = (
    rf"(?:(?:,?[ \n]{{1,2}}{_TOWN})?,?[ \n]{{1,2}}[A-Z]{{1,2}}\d[A-Z\d]? ?\d[A-Z]{{2}}\b|, {_TOWN}(?![\w]))?"
)
_US_TAIL: Final = r"(?:,? [A-Z]{2},? \d{5}(?:-\d{4})?\b)?"
_STREET_EN: Final = (
    "Street|St|Road|Rd|Lane|Ln|Avenue|Ave|Drive|Dr|Close|Court|Ct|Crescent|Way|Place|Pl|Square|Terrace|Gardens|Grove|Hill|"
    "Boulevard|Blvd|Row|Mews|Park|Parade|Walk|Rise|Quay"
)
_ADDRESSES: Final = (
    re.compile(rf"\b\d{{1,5}}[a-zA-Z]?,? (?:{_WORD} ){{1,4}}(?:{_STREET_EN})\b\.?{_UK_TAIL}{_US_TAIL}"),
    re.compile(
        r"\b(?:(?:[A-ZÄÖÜ][\wäöüß-]{1,24}(?:[ -]))?[A-ZÄÖÜ][\wäöüß-]{0,24}?(?:straße|strasse|str\.|weg|allee|platz|gasse|ring|damm|ufer|"
        r"markt|chaussee)|(?:[A-ZÄÖÜ][\wäöüß-]{1,20} )?(?:Straße|Strasse|Str\.|Weg|Allee|Platz|Markt|Ring|Damm|Ufer)|"
        rf"(?:Am|An der|Im|Zum|Zur|Auf dem) [A-ZÄÖÜ][\wäöüß-]{{2,24}}) \d{{1,4}} ?[a-z]?\b{_POSTCODE}"
    ),
    re.compile(
        r"\b\d{1,4}(?: bis| ter)?,? (?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Pp]lace|[Cc]hemin|[Aa]llée|[Ii]mpasse|[Qq]uai|[Cc]ours)"
        rf" (?:(?:de la|de l['’]|du|des|de|d['’]|la|le|les) ?)?[\w'’-]{{2,24}}(?: {_WORD}){{0,3}}{_POSTCODE}"
    ),
    re.compile(
        r"\b(?:Calle|C/|Avenida|Avda\.?|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Travessa|Praça|Largo)"
        rf" (?:(?:de la|de los|de las|del|de|della|dei|di|da|do|dos|das) )?{_WORD}(?: {_WORD}){{0,3}},? (?:n\.?º? ?)?\d{{1,4}}(?:/?[a-zA-Z]|/\d)?\b(?:, ?\d{{1,2}} ?[ºª°](?: ?[A-Z]\b| (?:izq|dcha|esq|dto)\b\.?)?)?{_POSTCODE}"
    ),
    re.compile(
        rf"\b[A-Z][\w'’-]{{0,24}}?(?:straat|weg|laan|plein|gracht|kade|singel|dijk|dreef) \d{{1,4}}(?:-\d{{1,3}}| ?[a-zA-Z]\b)?\b{_POSTCODE}"
    ),
)
_HINTS: Final = (
    _STREET_EN.lower().split("|"),
    "straße|strasse|str.|weg |allee |platz |gasse |ring |damm |ufer |markt |chaussee |am |an der |im |zum |zur |auf dem ".split(
        "|"
    ),
    "rue |avenue |boulevard |place |chemin |allée |impasse |quai |cours ".split("|"),
    "calle |c/ |avenida |avda|plaza |paseo |via |viale |piazza |corso |rua |travessa |praça |largo ".split("|"),
    "straat |weg |laan |plein |gracht |kade |singel |dijk |dreef ".split("|"),
)
"""For each form, words one of which it cannot do without: looking for them first is ten times faster."""


def addresses(scan: Scan) -> None:
    """Postal addresses that name a street with a house number; the town is taken along when it follows."""
    lower = scan.text.lower()
    for form, hints in zip(_ADDRESSES, _HINTS, strict=True):
        for m in form.finditer(scan.text) if any(h in lower for h in hints) else ():
            end = m.end()
            while end > m.start() and scan.text[end - 1] in " ,.\n":
                end -= 1
            scan.add("address", re.sub(r"\s+", " ", scan.text[m.start() : end]), m.start(), end)
