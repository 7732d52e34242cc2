"""Numbers that name something: parcels, cards, bank accounts, orders."""

# ruff: noqa: S105 - word lists are easier to read and to extend as one list a line

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from agent.entities.scan import LONG_DIGITS, NUMBER_SIGN, Scan, words

_I: Final = re.IGNORECASE

# --- parcels -------------------------------------------------------------------------------------------------------

_CARRIERS: Final = {
    "ups": "UPS", "usps": "USPS", "dhl": "DHL", "dpd": "DPD", "gls": "GLS", "hermes": "Hermes", "evri": "Evri",
    "fedex": "FedEx", "royal mail": "Royal Mail", "parcelforce": "Parcelforce", "yodel": "Yodel", "postnl": "PostNL",
    "bpost": "bpost", "chronopost": "Chronopost", "colissimo": "Colissimo", "la poste": "La Poste",
    "correos": "Correos", "seur": "SEUR", "brt": "BRT", "poste italiane": "Poste Italiane", "ctt": "CTT", "tnt": "TNT",
    "mrw": "MRW", "nacex": "Nacex", "sda": "SDA", "deutsche post": "Deutsche Post", "amazon logistics": "Amazon", "mondial relay": "Mondial Relay",
}  # fmt: skip
_CARRIER: Final = re.compile(rf"\b{words(*_CARRIERS)}\b", _I)
_S10_CARRIER: Final = {
    "GB": "Royal Mail", "DE": "DHL", "US": "USPS", "FR": "La Poste", "NL": "PostNL", "ES": "Correos",
    "IT": "Poste Italiane", "PT": "CTT", "BR": "Correios", "BE": "bpost", "AT": "Österreichische Post", "CH": "Die Post",
    "CN": "China Post", "SE": "PostNord", "DK": "PostNord",
}  # fmt: skip
_PARCEL_FORMS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"\b1Z(?:[ -]?[0-9A-Z]){16}\b", _I), "UPS"),
    (re.compile(r"\b(?:JJ?D\d{14,20}|JVGL\d{8,22}|(?:\(00\) ?)?00340(?: ?\d){15})\b", _I), "DHL"),
    (re.compile(r"\b9[1-5]\d\d(?:[ -]?\d{4}){4}(?:[ -]?\d\d)?\b"), "USPS"),
    (re.compile(r"\bTB[AC]\d{12}\b", _I), "Amazon"),
    (re.compile(r"\b3S[A-Z0-9]{9,13}\b", _I), "PostNL"),
    (re.compile(r"\bH\d{19}\b", _I), "Hermes"),
    (re.compile(r"\b[HTC]\d\d(?=[A-Z0-9]{0,5}[A-Z])[A-Z0-9]{4}\d{9}\b", _I), "Evri"),
    (re.compile(r"\b[A-Z]{2} ?\d{3} ?\d{3} ?\d{3} ?([A-Z]{2})\b"), "S10"),
)
_SEVEN_DIGITS: Final = re.compile(r"\d(?:[ A-Z-]{0,4}\d){6}", _I)
_PARCEL_WORD: Final = words(
    "tracking|track|tracked|track ?& ?trace|tracking[- ]?(?:number|no|nummer|id|code)|trackingnr|parcel|parcels|package|consignment|shipment|waybill|airwaybill",
    "sendung|sendungs(?:nummer|nr|verfolgung|id)|sendung|paket|paket(?:nummer|nr)|frachtbrief|colis|suivi|numéro de suivi|seguimiento|envío|paquete",
    "numéro de colis|bordereau|localizador|albarán|expedición|guía",
    "tracciamento|spedizione|pacco|lettera di vettura|ldv|verzending|(?:pakket|zending|zendings|verzend|barcode)-?(?:nummer|nr|code)|pakket|zending",
    "track-?trace|rastreio|rastreamento|seguimento|envio|volume|objeto|guia|remessa",
)
_PARCEL_TOKEN: Final = r"((?=(?:[A-Z]*\d){7})[A-Z0-9]{8,30}|\d{4}(?: \d{4}){2,5}(?: \d{1,3})?)"
_CUED_PARCEL: Final = re.compile(rf"\b{_PARCEL_WORD}\b{NUMBER_SIGN}\b{_PARCEL_TOKEN}\b(?![.,]\d)", _I)
_CARRIER_PARCEL: Final = re.compile(
    rf"\b{words(*_CARRIERS)}\b(?: ?(?:express|paket|parcel|sendung|tracking))?{NUMBER_SIGN}\b{_PARCEL_TOKEN}\b(?![.,]\d)",
    _I,
)


def _mod10_3(digits: str) -> bool:
    """Check digit of the GS1 kind that USPS, DPD and DHL use: weights 3 and 1 from the right."""
    *body, check = (int(d) for d in digits)
    total = sum(d * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(body)))
    return (10 - total % 10) % 10 == check


def shaped_parcels(scan: Scan) -> None:
    """Tracking numbers whose shape alone gives them away, with their carrier."""
    if not _SEVEN_DIGITS.search(scan.text):
        return
    for form, carrier in _PARCEL_FORMS:
        for m in form.finditer(scan.text):
            named = _S10_CARRIER.get(m[1].upper(), "") if carrier == "S10" else carrier
            scan.add("tracking_number", re.sub(r"[ ()-]", "", m[0]).upper(), *m.span(), named)


def parcels(scan: Scan) -> None:
    """Tracking numbers behind a word for them or a carrier's name. A wrong check digit rejects none: some are printed so."""
    text = scan.text
    if not _SEVEN_DIGITS.search(text):
        return
    for form in (_CUED_PARCEL, _CARRIER_PARCEL):
        for m in form.finditer(text):
            scan.add("tracking_number", m[1].replace(" ", "").upper(), *m.span(1), _carrier_near(text, m.start(1)))
    bare = [m for m in LONG_DIGITS.finditer(text) if scan.free(*m.span())]
    if bare and (carrier := _carrier_near(text, 0)):
        for m in bare:
            if len(m[0]) in {10, 11, 12, 14, 15, 16} and (len(m[0]) >= 14 or _mod10_3(m[0])):
                scan.add("tracking_number", m[0], *m.span(), carrier)


def _carrier_near(text: str, at: int) -> str:
    """The carrier named nearest to a position, or ""."""
    near = min(_CARRIER.finditer(text), key=lambda m: abs(m.start() - at), default=None)
    return _CARRIERS[near[0].lower()] if near else ""


# --- cards and bank accounts ---------------------------------------------------------------------------------------

_PAN: Final = re.compile(r"(?<![\w.,-])[3-6](?:[ -]?\d){12,18}(?![\w-])")
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}(?: ?[A-Z0-9]{1,3})?\b", _I)
_IBAN_LENGTH: Final = {
    "GB": 22, "DE": 22, "FR": 27, "ES": 24, "IT": 27, "NL": 18, "PT": 25, "AT": 20, "BE": 16, "CH": 21, "IE": 22,
    "LU": 20, "PL": 28, "DK": 18, "SE": 24, "NO": 15, "FI": 18, "CZ": 24, "HU": 28, "RO": 24, "GR": 27,
}  # fmt: skip
_FOUR_DIGITS: Final = re.compile(r"(?<![\d-])\d{4}(?!\d)")
_LAST_FOUR: Final = re.compile(
    r"(?:\b(?:ending(?: (?:in|with))?|ends? (?:in|with)|last (?:four|4)(?: digits?)?|end(?:et|end)?(?: auf| mit)?|endziffern?|"
    r"letzten? (?:vier|4)(?: (?:ziffern|stellen))?|terminant par|finissant par|derniers chiffres|terminada en|termina en|"
    r"acabada en|acaba en|últim[oa]s (?:cuatro|quatro|4) (?:dígitos|números|cifras)|ultime (?:quattro|4) cifre|"
    r"termina con|(?:termina|finisce) (?:con|per|in)|(?:finit|se termine) par|eindigend op|eindigt op|eindigend met|eindigt met|"
    r"laatste (?:vier|4)(?: cijfers)?|terminado em|termina em|acabado em|final|"
    r"visa|master ?card|maestro|amex|american express|card|karte|kreditkarte|carte|tarjeta|carta|kaart|cartão)"
    r"(?:[ :#]|\b(?:is|are|of|on|no|number|nr|card|in|sind|lauten|von)\b){0,6}[*xX•.\- ]{0,20}"
    r"|(?<!\w)(?:[*xX•]{2,4}[ -]?){1,4})(\d{4})(?![\w]|[.,/ -]\d| ?(?:times|pounds|euros?|€|£))",
    _I,
)


def luhn(digits: str) -> bool:
    """Whether a card number's check digit is right."""
    total = 0
    for i, d in enumerate(reversed(digits)):
        n = int(d) * (1 + i % 2)
        total += n - 9 if n > 9 else n
    return total % 10 == 0


def iban_ok(iban: str) -> bool:
    """Whether an IBAN (no spaces) has its country's length and a right check number (ISO 7064 mod 97)."""
    length = _IBAN_LENGTH.get(iban[:2])
    if length is not None and len(iban) != length:
        return False
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


def cards(scan: Scan) -> None:
    """Bank accounts, whole card numbers, and the last four digits of a card."""
    for m in _IBAN.finditer(scan.text):
        compact = m[0].replace(" ", "").upper()
        # the pattern may run on into the next words: the country's own length says where it ends
        length = _IBAN_LENGTH.get(compact[:2], len(compact))
        if len(compact) >= max(15, length) and iban_ok(compact[:length]):
            end, seen = m.start(), 0
            while seen < length:
                seen += scan.text[end] != " "
                end += 1
            scan.add("iban", compact[:length], m.start(), end)
    for m in _PAN.finditer(scan.text):
        digits = re.sub(r"[ -]", "", m[0])
        if luhn(digits):
            scan.add("card_number", digits, *m.span())
    for m in _LAST_FOUR.finditer(scan.text) if _FOUR_DIGITS.search(scan.text) else ():
        scan.add("card_last4", m[1], *m.span(1))


# --- orders --------------------------------------------------------------------------------------------------------

_ORDER_WORD: Final = words(
    "order|orders|ord|ordernumber|order[- ]?(?:no|nr|id|number)|purchase order|po",
    "bestellung|bestellungen|bestell[- ]?nr|bestell[- ]?nummern?|best\\.?[- ]?nr|auftrag|auftrags[- ]?nr|auftrags[- ]?nummer",
    "commande|commandes|cde|cmde?|compra|pedido|pedidos|orden|ordine|ordini|bestelling|bestellingen|bestelnummer|bestelnr|ordernummer|encomenda|encomendas|enc",
)
_OTHER_WORD: Final = words(
    "ticket|tickets|case|invoice|rma|customer|client|account|member|membership|model|serial|pin|otp|room|flat|unit|vat|zip|zip code|postcode|voucher|coupon|policy|claim|error|code|issue",
    "ticketnummer|rechnung|rechnungsnummer|retoure|retouren(?:nr|nummer)|kunde|kunden[- ]?(?:nr|nummer)|vorgang|vorgangsnummer|aktenzeichen|plz|modell|seriennummer|gutschein|fehler",
    "facture|dossier|cliente|factura|fattura|pratica|factuur|klantnummer|fatura|processo",
)
_TOKEN: Final = r"(20\d\d/\d{2,6}|[A-Z]{0,4}[-–]?\d[\dA-Z]{0,17}(?:[-–]\d[\dA-Z]{0,17}){0,2}(?-i:[-–][A-Z]{1,3})?)(?![\w–-]|[.,]\d| ?(?:€|£|\$|%|eur\b|gbp\b|usd\b|euros?\b|pounds?\b|days?\b|items?\b|stück\b))"
_CUED_ORDER: Final = re.compile(rf"(?<![\w]){_ORDER_WORD}(?![^\W\d_])({NUMBER_SIGN})(?<![^\W\d_ºª]){_TOKEN}", _I)
_GROUPED_ORDER: Final = re.compile(
    rf"(?<![\w]){_ORDER_WORD}(?![^\W\d_]){NUMBER_SIGN}(?<![\w.,-])(\d{{2,4}}(?: \d{{2,4}}){{1,3}})(?![\w€$£%-]| ?[€$£\d]|[.,]\d)",
    _I,
)
_NEXT_ORDER: Final = re.compile(
    rf"(?: ?[,/&+] ?|,? (?:and|und|et|y|e|en|or|oder|ou|o|of) )(?:(?:le|la|el|il|a|de) )?(?:#|n[or]\.? ?|nº ?|n° ?)?{_TOKEN}",
    _I,
)
_HASH: Final = re.compile(r"(?<![\w&/])#\s?([A-Z]{0,4}-?\d[\dA-Z-]{3,20})(?![\w])", _I)
_OTHER: Final = re.compile(
    rf"(?<![\w]){_OTHER_WORD}(?![^\W\d_]){NUMBER_SIGN}(?<![^\W\d_])([A-Z]{{0,4}}[-–]?\d[\dA-Z–-]{{2,20}})(?![.,]\d)", _I
)
_THREE_DIGITS: Final = re.compile(r"\d{3}")
_AMAZON: Final = re.compile(r"(?<![\d-])\d{3}-\d{7}-\d{7}(?![\d-])")
_LETTERED: Final = re.compile(
    r"(?<![\w-])(?:[A-Z]{1,4}-?\d{6,12}|(?!INV|RMA|SUB|TKT|REC|RET)[A-Z]{2,3}-\d{5})(?![\w-])"
)
_SHORT_ID: Final = re.compile(r"[A-Z]{2,4}-\d{3}")
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_BARE: Final = re.compile(r"(?!(?:[0-3]\d[01]\d|[01]\d[0-3]\d)20\d\d$|20\d\d[01]\d[0-3]\d$)\d{6,12}")
"""A number that may be an order's without being introduced: no postcode, no card, no date without separators."""
_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class IdFormat:
    """How a store writes its order ids, `FH-######`: one `#` for each digit."""

    prefix: str
    digits: int
    written: re.Pattern[str]
    """The id with its prefix as customers write it, in any case and with any separator."""

    def canonical(self, token: str) -> str:
        """The store's own spelling of a token that follows an order word."""
        m = self.written.fullmatch(token)
        number = m[1] if m else token
        return self.prefix + number if number.isdigit() and len(number) == self.digits else token


@lru_cache(maxsize=16)
def id_format(pattern: str) -> IdFormat | None:
    """The format written as `FH-######`, or None for "" and for a pattern without a letter and `#`."""
    m = re.fullmatch(r"([^#]*[A-Za-z][^#]*)(#+)", pattern.strip())
    if m is None:
        return None
    letters = re.sub(r"[^A-Za-z0-9]", "", m[1])
    written = re.compile(rf"(?<![^\W_])#?{re.escape(letters)}[\s\-–—_#.]{{0,3}}(\d{{{len(m[2])}}})(?!\d)", _I)
    return IdFormat(m[1], len(m[2]), written)


def order_key(order_id: str) -> str:
    """What two spellings of one order id share: `#fh-104233` and `FH104233` give `FH104233`."""
    return re.sub(r"[^A-Z0-9]", "", order_id.upper())


def orders(scan: Scan, style: IdFormat | None) -> None:
    """Order ids that carry the store's own prefix, stand behind a word for "order", or behind `#`."""
    text = scan.text
    name = _namer(style)
    if style:
        for m in style.written.finditer(text):
            if scan.add("order_id", style.prefix + m[1], *m.span()):
                _more_orders(scan, m.end(), name, style.digits)
    for m in _AMAZON.finditer(text):
        scan.add("order_id", m[0], *m.span())
    for m in _CUED_ORDER.finditer(text):
        sure = "#" in m[1] or re.search(r"\b(?:n[or]|num|id)|°|º|nr", m[0][: -len(m[2])], _I) is not None
        if _plausible(m[2], sure) and scan.add("order_id", name(m[2]), *m.span(2)):
            _more_orders(scan, m.end(), name)
    for m in _GROUPED_ORDER.finditer(text) if style else ():
        digits = m[1].replace(" ", "")
        if style and len(digits) == style.digits:
            scan.add("order_id", name(digits), *m.span(1))
    left = any(scan.free(*m.span()) for m in _THREE_DIGITS.finditer(text))
    for m in _OTHER.finditer(text) if left else ():
        if scan.free(*m.span(1)) and sum(c.isdigit() for c in m[1]) >= 3:
            scan.block(*m.span(1))
    for m in _HASH.finditer(text):
        if _plausible(m[1], sure=True):
            scan.add("order_id", name(m[1]), *m.span())


def _more_orders(scan: Scan, end: int, name: Callable[[str], str], digits: int = 0) -> None:
    """The ids that follow one that ends at `end`: "FH-104401 and 104402"; with `digits` only those of that length."""
    while (more := _NEXT_ORDER.match(scan.text, end)) and _plausible(more[1], sure=False):
        if digits and not re.fullmatch(rf"\d{{{digits}}}", more[1]):
            return
        scan.add("order_id", name(more[1]), *more.span(1))
        end = more.end()


def bare_orders(scan: Scan, style: IdFormat | None) -> None:
    """A number that nobody introduced, for a case that names its order in no other way; a list of numbers is none."""
    name = _namer(style)
    bare = [m for m in LONG_DIGITS.finditer(scan.text) if scan.free(*m.span())]
    fits = [m for m in bare if (len(m[0]) == style.digits if style else _BARE.fullmatch(m[0]))]
    for m in (*fits, *_LETTERED.finditer(scan.text)) if len(fits) <= _FEW else ():
        scan.add("order_id", name(m[0]), *m.span())


def _namer(style: IdFormat | None) -> Callable[[str], str]:
    """Normalises a token: the store's own spelling where its format fits, else upper case."""

    def name(token: str) -> str:
        plain = re.sub(r"[–—]", "-", token).upper().lstrip("#").strip()
        return style.canonical(plain) if style else plain

    return name


def _plausible(token: str, sure: bool) -> bool:
    """Whether a token behind an order word is its number: four digits, or three behind letters, and no year unless a `#` or `no.` says so."""
    digits = sum(c.isdigit() for c in token)
    return (digits >= 4 or _SHORT_ID.fullmatch(token) is not None) and (sure or not _YEAR.fullmatch(token))
