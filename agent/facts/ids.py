"""What names or reaches somebody or something: mail, links, telephone, bank, orders, parcels, codes."""

from __future__ import annotations

import re
from typing import Final

from agent.facts.measures import CURRENCY_AFTER, currency_before
from agent.facts.reader import Reader, words
from agent.facts.text import fold
from agent.numbers import currency_of

_EMAIL: Final = re.compile(r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,6}")
_DOT: Final = re.compile(r"[.:](?=[a-zA-Z]|//)")
_HOST: Final = re.compile(
    r"(?:[a-zA-Z][a-zA-Z0-9+.-]{1,12}://)?(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}\b(?::\d+)?(?:[/?#][^\s<>\"')\]]*)?"
)
_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{1,12}:(?://)?[^\s<>\"')\]]+")
_TLDS: Final = words(
    "com net org info biz shop store io co app dev eu uk de fr es it nl pt at ch be ie us ca au pl se dk no br ru cn in "
    "example test online site xyz top club link click live me tv ly gg to cc ai invalid local zip mov page web support help"
)


def mail_and_web(r: Reader) -> None:
    """E-mail addresses and links, with a scheme or without."""
    raw = r.text.raw
    if "@" in raw:
        for m in _EMAIL.finditer(raw):
            mail = m[0].strip(".'-")
            if raw[m.start() - 1 : m.start()] == "/":
                continue  # the host of a link with a user name
            r.add("email", mail.lower(), m.start(), m.start() + len(mail))
    for m in _DOT.finditer(raw):
        start = m.start()
        while start and not raw[start - 1].isspace() and raw[start - 1] not in "(<[\"'“„«":
            start -= 1
        hit = (_SCHEME if m[0] == ":" else _HOST).match(raw, start) if r.free(start, m.end()) else None
        if hit is None or hit.end() <= m.start():
            continue
        url = hit[0].rstrip(".,;:!?…»”")
        host = re.split(r"[/?#:]", url.split("://")[-1])[0]
        last = host.rsplit(".", 1)[-1]
        if (
            m[0] == ":"
            or "/" in url
            or host.lower().startswith("www.")
            or ((last.islower() or host.isupper()) and last.lower() in _TLDS)
        ):
            r.add("url", url.lower(), start, start + len(url))


_CODE: Final = re.compile(r"#?[A-Za-z0-9_]+(?:[-–][A-Za-z0-9]+)*")
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_IBAN_LEAST: Final = 15
_PHONE: Final = re.compile(r"\+?\(?\d(?:[ ()./\u00a0-]{0,3}\d){6,18}(?!\w)")
_GROUPED: Final = re.compile(r"\d[ ()/-]+\d")
ORDINAL: Final = re.compile(r"\d{1,2}(?:st|nd|rd|th|er|ère|e|ste|º|ª)(?![\w-])")
_PARCEL_CUE: Final = re.compile(
    r"(?:track|sendung|suivi|seguimiento|tracciamento|spedizione|volg|zending|rastre|parcel number)\w*\W[^.!?]{0,20}$"
)
_ORDER_CUE: Final = re.compile(r"(?:order|bestell|auftrag|command|pedido|ordin|bestelling|encomenda)\w*\W[^.!?]{0,14}$")
_NO_CODE: Final = re.compile(
    r"\d+(?:[A-Za-zµ]{1,3}|x\d+(?:cm|mm|m)?)|\d{1,4}[-–][A-Za-z].*|\d{1,2}(?:st|nd|rd|th|er|e|ste)"
)
_NOT_IDENT: Final = re.compile(r"[^0-9A-Z]")


def ident(text: str) -> str:
    """An id without separators, upper case: `fh-104 233` is `FH104233`."""
    return _NOT_IDENT.sub("", fold(text).upper())


def ibans(r: Reader, start: int, digit: int) -> bool:
    """A bank account."""
    m = _IBAN.match(r.text.raw, start) if digit - start == 2 else None
    if m is None:
        return False
    value = ident(m[0])
    return len(value) >= _IBAN_LEAST and sum(map(str.isdigit, value)) >= 10 and r.add("iban", value, *m.span())


def phones(r: Reader, start: int, digit: int) -> bool:
    """A telephone number, or the number of a card."""
    raw = r.text.raw
    if start != digit:
        return False
    begin = start - 1 if start and raw[start - 1] in "+(" else start
    begin -= 1 if begin and raw[begin - 1] == "+" else 0
    m = _PHONE.match(raw, begin)
    if m is None:
        return False
    digits, grouped = re.sub(r"\D", "", m[0]), bool(_GROUPED.search(m[0]))
    if 13 <= len(digits) <= 19 and grouped and digits[0] in "23456":
        return r.add("card_number", digits, *m.span())
    if raw[begin] in "+(" or (digits[0] == "0" and (grouped or len(digits) >= 9)) or (grouped and m[0].count("-") >= 2):
        return r.add("phone", digits.lstrip("0"), *m.span())
    return False


def codes(r: Reader, start: int, digit: int) -> bool:
    """An order id, a tracking number, or any other mix of letters and figures."""
    raw, folded = r.text.raw, r.text.folded
    m = _CODE.match(raw, start)
    if m is None:
        return False
    piece = m[0].rstrip("_")
    end, letters = start + len(piece), not piece.lstrip("#").replace("-", "").isdigit()
    decimal = raw[end : end + 1] == "." and raw[end + 1 : end + 2].isdigit()
    if decimal or (letters and _NO_CODE.fullmatch(piece)) or currency_of(re.sub(r"\d.*", "", piece)):
        return False
    money = not letters and (currency_before(raw, start) >= 0 or CURRENCY_AFTER.match(raw, end))
    if money or not (letters or piece[0] == "#" or sum(map(str.isdigit, piece)) >= _LONG):
        return False
    if _PARCEL_CUE.search(folded, max(0, start - 40), start):
        return r.add("tracking_number", ident(piece), start, end)
    ordered = piece[0] == "#" or _ORDER_CUE.search(folded, max(0, start - 34), start)
    return r.add("order_id" if ordered else "code", ident(piece), start, end)


_LONG: Final = 5
"""Figures alone are an id from so many on."""
