"""Everything checkable in a text: ids, amounts, dates, periods, shares, counts, links, addresses of all sorts, bare numbers.

Nothing with a digit in it goes unseen: what no reader takes becomes a `number` or a `code`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from agent.entities.calendar_words import calendar_words
from agent.facts import spelled
from agent.facts.text import Text, fold
from agent.numbers import CODES, SYMBOLS, WORDS, currency_of, parse_number


@dataclass(frozen=True, slots=True)
class Found:
    """One checkable thing where it stands.

    `value` is the normalised form: ids without separators in upper case, amounts `18.40 GBP`, dates ISO,
    periods `5 business_day`, shares `20`, links and mail in lower case, phones as digits.
    """

    kind: str
    value: str
    start: int
    end: int
    other: tuple[str, ...] = ()
    """Further readings of the same text, e.g. 3/11 as the 11th of March."""


@dataclass(slots=True)
class _Reader:
    text: Text
    today: date
    language: str
    found: list[Found] = field(default_factory=list[Found])
    taken: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.taken = bytearray(len(self.text.raw))

    def free(self, start: int, end: int) -> bool:
        return self.taken.find(1, start, end) < 0

    def add(self, kind: str, value: str, start: int, end: int, *other: str) -> bool:
        if start >= end or not self.free(start, end):
            return False
        self.taken[start:end] = b"\x01" * (end - start)
        self.found.append(Found(kind, value, start, end, other))
        return True


def scan(text: Text, today: date, language: str = "en") -> list[Found]:
    """What is checkable in `text`, in reading order; days are read as seen from `today`."""
    reader = _Reader(text, today, language)
    _mail_and_web(reader)
    for m in _DIGITS.finditer(text.raw):
        if reader.taken[m.start()]:
            continue
        start = m.start()
        while start and (text.raw[start - 1].isalnum() or text.raw[start - 1] in "#_"):
            start -= 1
        start = _hyphenated(text.raw, start)
        any(read(reader, start, m.start()) for read in _READERS)
    _spelled(reader)
    _days_in_words(reader)
    return sorted(reader.found, key=lambda f: f.start)


_DIGITS: Final = re.compile(r"\d")


def _hyphenated(raw: str, start: int) -> int:
    """The start of an id such as `FH-104233` or `AB-12-CD` of which `start` is the figures' part."""
    while start >= 2 and raw[start - 1] in "-–/" and raw[start - 2].isalnum():
        left = start - 1
        while left and raw[left - 1].isalnum():
            left -= 1
        piece = raw[left : start - 1]
        if not (piece.isupper() and piece.isalnum() and len(piece) <= 6):
            break
        start = left
    return start


# --- mail and web --------------------------------------------------------------------------------------------------

_EMAIL: Final = re.compile(r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,6}")
_DOT: Final = re.compile(r"[.:](?=[a-zA-Z]|//)")
_HOST: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,12}://)?(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}\b(?::\d+)?(?:[/?#][^\s<>\"')\]]*)?", re.IGNORECASE
)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{1,12}:(?://)?[^\s<>\"')\]]+", re.IGNORECASE)
TLDS: Final = frozenset(
    [
        "com",
        "net",
        "org",
        "info",
        "biz",
        "shop",
        "store",
        "io",
        "co",
        "app",
        "dev",
        "eu",
        "uk",
        "de",
        "fr",
        "es",
        "it",
        "nl",
        "pt",
        "at",
        "ch",
        "be",
        "ie",
        "us",
        "ca",
        "au",
        "pl",
        "se",
        "dk",
        "no",
        "br",
        "ru",
        "cn",
        "in",
        "example",
        "test",
        "online",
        "site",
        "xyz",
        "top",
        "club",
        "link",
        "click",
        "live",
        "me",
        "tv",
        "ly",
        "gg",
        "to",
        "cc",
        "ai",
        "invalid",
        "local",
        "zip",
        "mov",
        "page",
        "web",
        "support",
        "help",
    ]
)


def _mail_and_web(r: _Reader) -> None:
    raw = r.text.raw
    if "@" in raw:
        for m in _EMAIL.finditer(raw):
            mail = m[0].strip(".'-")
            r.add("email", mail.lower(), m.start(), m.start() + len(mail))
    for m in _DOT.finditer(raw):
        start = m.start()
        while start and not raw[start - 1].isspace() and raw[start - 1] not in "(<[\"'“„«":
            start -= 1
        if not r.free(start, m.end()):
            continue
        pattern = _SCHEME if m[0] == ":" else _HOST
        hit = pattern.match(raw, start)
        if hit is None or hit.end() <= m.start():
            continue
        url = hit[0].rstrip(".,;:!?…»”")
        host = re.split(r"[/?#:]", url.split("://")[-1])[0]
        last = host.rsplit(".", 1)[-1]
        if pattern is _SCHEME or "/" in url or host.lower().startswith("www.") or (last.islower() and last in TLDS):
            r.add("url", url.lower(), start, start + len(url))


# --- days in figures ------------------------------------------------------------------------------------------------

_ISO: Final = re.compile(r"(20\d\d)([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_FIGURES: Final = re.compile(r"(\d{1,2})([./-])(\d{1,2})(?:\2(20\d\d|\d\d)(?!\d)|(?<=\d)(?=\2?(?![\d%]))\2?)")
_DAY_MONTH: Final = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|er|e|ste|de|\.|º|ª)?(?:[ \u00a0](?:of |de |di |del |d')?|-)([^\W\d_]{3,12})(?:\.?,? (?:of |de |del )?(20\d\d)(?!\d))?",
    re.IGNORECASE,
)
_MONTH_BEFORE: Final = re.compile(r"([^\W\d_]{3,12})\.? (?:the )?$")
_DAY_AFTER: Final = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?(?:,? (20\d\d))?(?![\d:.]\d|[\d%])")
_WEEKDAY_BEFORE: Final = re.compile(r"([^\W\d_]{2,10}(?:-feira)?)\.?,? (?:the |den |dem |le |el |il |op |dia )?$")


WRONG_WEEKDAY: Final = " on another weekday"
"""Ends the value of a date whose weekday does not fit it."""


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _nearest(today: date, month: int, day: int) -> date | None:
    near = [d for y in (today.year - 1, today.year, today.year + 1) if (d := _day(y, month, day))]
    return min(near, key=lambda d: abs((d - today).days), default=None)


def _dates(r: _Reader, start: int, digit: int) -> bool:
    raw = r.text.raw
    if start != digit:
        return False
    if m := _ISO.match(raw, start):
        found = _day(int(m[1]), int(m[3]), int(m[4]))
        return bool(found) and r.add("date", found.isoformat(), *m.span())
    calendar = calendar_words(r.language)
    if (m := _DAY_MONTH.match(raw, start)) and calendar.get(m[2].lower(), ("", 0))[0] == "month":
        return _add_day(r, int(m[3] or 0), calendar[m[2].lower()][1], int(m[1]), *m.span())
    if (b := _MONTH_BEFORE.search(raw, max(0, start - 18), start)) and calendar.get(b[1].lower(), ("", 0))[
        0
    ] == "month":
        if m := _DAY_AFTER.match(raw, start):
            return _add_day(r, int(m[2] or 0), calendar[b[1].lower()][1], int(m[1]), b.start(), m.end())
        if re.match(r"20\d\d\b", raw[start : start + 5]):
            return r.add("date", f"{raw[start : start + 4]}-{calendar[b[1].lower()][1]:02d}", b.start(), start + 4)
    return _figures(r, start)


def _figures(r: _Reader, start: int) -> bool:
    m = _FIGURES.match(r.text.raw, start)
    if m is None or (m[4] is None and (m[2] != "." or not m[0].endswith(".")) and m[2] != "/"):
        return False
    a, b, year = int(m[1]), int(m[3]), int(m[4] or 0)
    if m[4] is None and m[2] == "/" and (a, b) == (24, 7):
        return False
    readings = [d for month, day in ((b, a), (a, b)) if (d := _resolve(r, year, month, day))]
    if not readings or (m[2] == "." and not _resolve(r, year, b, a)):
        return False
    other = () if m[2] == "." else tuple(d.isoformat() for d in readings[1:])
    return r.add("date", readings[0].isoformat(), *m.span(), *other)


def _resolve(r: _Reader, year: int, month: int, day: int) -> date | None:
    year += 2000 if 0 < year < 100 else 0
    return _day(year, month, day) if year else _nearest(r.today, month, day)


def _add_day(r: _Reader, year: int, month: int, day: int, start: int, end: int) -> bool:
    found = _resolve(r, year, month, day)
    if found is None:
        return False
    w = _WEEKDAY_BEFORE.search(r.text.raw, max(0, start - 20), start)
    if w:
        role, number = calendar_words(r.language).get(w[1].lower(), ("", 0))
        if role == "weekday":
            wrong = found.weekday() != number
            return r.add("date", found.isoformat() + WRONG_WEEKDAY * wrong, w.start(), end)
    return r.add("date", found.isoformat(), start, end)


_CLOCK: Final = re.compile(
    r"(\d{1,2})(?:[:h.](\d\d))(?::\d\d)? ?(am|pm|a\.m\.|p\.m\.|uhr|o'clock)?(?!\d)|(\d{1,2}) ?(am|pm|a\.m\.|p\.m\.|uhr|o['’]clock)\b",
    re.IGNORECASE,
)


def _times(r: _Reader, start: int, digit: int) -> bool:
    m = _CLOCK.match(r.text.raw, start) if start == digit else None
    if m is None or ("." in m[0][:3] and not m[3]):
        return False
    hour, minute, half = int(m[1] or m[4]), int(m[2] or 0), (m[3] or m[5] or "").lower()
    if half.startswith("p") and hour < 12:
        hour += 12
    if hour > 24 or minute > 59 or _currency_before(r.text.raw, start):
        return False
    return r.add("time", f"{hour:02d}:{minute:02d}", *m.span())


# --- ids, phones, cards ----------------------------------------------------------------------------------------------

_CODE: Final = re.compile(r"#?[A-Za-z0-9_]+(?:[-–][A-Za-z0-9]+)*")
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_IBAN_LEAST: Final = 15
_PHONE: Final = re.compile(r"\+?\(?\d(?:[ ()./\u00a0-]{0,3}\d){6,18}(?!\w)")
_ORDINAL: Final = re.compile(r"\d{1,2}(?:st|nd|rd|th|er|ère|e|ste|º|ª)(?![\w-])", re.IGNORECASE)
_PARCEL_CUE: Final = re.compile(
    r"(?:track|sendung|suivi|seguimiento|tracciamento|spedizione|volg|zending|rastre|parcel number)\w*\W[^.!?\n]{0,20}$",
    re.IGNORECASE,
)
_ORDER_CUE: Final = re.compile(
    r"(?:order|bestell|auftrag|command|pedido|ordin|bestelling|encomenda)\w*\W[^.!?\n]{0,14}$|#$", re.IGNORECASE
)
_UNIT_TAIL: Final = re.compile(r"\d+(?:[a-zµ]{1,3}|x\d+(?:cm|mm|m)?|k)", re.IGNORECASE)


def ident(text: str) -> str:
    """An id without separators, upper case: `fh-104 233` is `FH104233`."""
    return re.sub(r"[^0-9A-Z]", "", fold(text).upper())


def _ibans(r: _Reader, start: int, digit: int) -> bool:
    m = _IBAN.match(r.text.raw, start)
    if not (m and digit - start == 2):
        return False
    return (
        len(ident(m[0])) >= _IBAN_LEAST
        and sum(c.isdigit() for c in m[0]) >= 10
        and r.add("iban", ident(m[0]), *m.span())
    )


def _phones(r: _Reader, start: int, digit: int) -> bool:
    raw = r.text.raw
    if start != digit:
        return False
    begin = start - 1 if start and raw[start - 1] in "+(" else start
    begin -= 1 if begin and raw[begin - 1] == "+" else 0
    m = _PHONE.match(raw, begin)
    if m is None:
        return False
    digits = re.sub(r"\D", "", m[0])
    grouped = bool(re.search(r"\d[ ()/-]+\d", m[0]))
    if 13 <= len(digits) <= 19 and grouped and digits[0] in "23456":
        return r.add("card_number", digits, *m.span())
    if raw[begin] in "+(" or (digits[0] == "0" and (grouped or len(digits) >= 9)) or (grouped and m[0].count("-") >= 2):
        return r.add("phone", digits.lstrip("0"), *m.span())
    return False


def _codes(r: _Reader, start: int, digit: int) -> bool:
    raw = r.text.raw
    m = _CODE.match(raw, start)
    if m is None:
        return False
    piece, letters = m[0].rstrip("_"), any(c.isalpha() for c in m[0])
    end = start + len(piece)
    if "." in raw[end : end + 1] and raw[end + 1 : end + 2].isdigit():
        return False
    if letters and (
        _ORDINAL.fullmatch(piece) or _UNIT_TAIL.fullmatch(piece) or re.match(r"\d{1,4}[-–][A-Za-z]", piece)
    ):
        return False
    if currency_of(re.sub(r"\d.*", "", piece)):
        return False
    long = not letters and len(re.sub(r"\D", "", piece)) >= 5
    if not (letters or long or piece.startswith("#")):
        return False
    if not letters and long and (_currency_before(raw, start) or _CURRENCY_AFTER.match(raw, end)):
        return False
    parcel = _PARCEL_CUE.search(raw, max(0, start - 40), start)
    kind = (
        "tracking_number"
        if parcel
        else "order_id"
        if _ORDER_CUE.search(raw, max(0, start - 34), start) or piece[0] == "#"
        else "code"
    )
    return r.add(kind, ident(piece), start, end)


# --- figures with a unit ----------------------------------------------------------------------------------------------

_GAP: Final = " \u00a0\u202f\u2009"
_NUMBER: Final = re.compile(
    rf"\d{{1,3}}(?:[.,'’{_GAP}]\d{{3}}(?!\d)){{1,4}}(?:[.,]\d{{1,2}}(?!\d))?|\d{{1,12}}(?:[.,]\d{{1,3}}(?!\d))?"
)
_SYMBOL: Final = "|".join(sorted((re.escape(s) for s in SYMBOLS), key=len, reverse=True))
_SIGN: Final = rf"(?i:{_SYMBOL}|eur|gbp|usd|chf)|{'|'.join(sorted(CODES))}"  # `try` is no Turkish lira, TRY is
_CURRENCY_BEFORE: Final = re.compile(rf"(?:(?<![^\W\d_])(?:{_SIGN})|[€£$¥])[{_GAP}]?$")
_CURRENCY_AFTER: Final = re.compile(
    rf"(?:[.,][-–—]{{1,2}})?[{_GAP}-]?(?:(?P<sign>[€£$¥])|(?P<word>{_SIGN}|(?i:{'|'.join(sorted(WORDS, key=len, reverse=True))}))(?![^\W_]))"
)
_PERCENT: Final = re.compile(
    rf"[{_GAP}]?(?:%|per ?cent\b|prozent\b|pour ?cent\b|por ?ciento\b|per ?cento\b|procent\b|por ?cento\b)",
    re.IGNORECASE,
)
_UNITS: Final = {
    "hour": "hour hours hrs stunde stunden std heure heures hora horas ora ore uur uren",
    "minute": "minute minutes min mins minuten minutos minuti minuto minuut",
    "day": "day days tag tage tagen jour jours día días dia dias giorno giorni dag dagen",
    "business_day": "werktag werktage werktagen arbeitstag arbeitstage arbeitstagen bankarbeitstage bankarbeitstagen werkdag werkdagen",
    "week": "week weeks woche wochen semaine semaines semana semanas settimana settimane weken",
    "month": "month months monat monate monaten mois mes meses mese mesi maand maanden mês",
    "year": "year years jahr jahre jahren an ans année années año años anno anni jaar jaren ano anos",
    "photo": "photo photos picture pictures image images foto fotos bild bilder foto's afbeeldingen imágenes immagini",
    "item": "item items article articles artikel artikeln artículo artículos articolo articoli artigo artigos product products piece pieces pair pairs stück teil teile",
    "parcel": "parcel parcels package packages box boxes paket pakete paketen colis paquete paquetes pacco pacchi pakket pakketten pacote pacotes",
    "order": "order orders bestellung bestellungen commandes pedidos ordini bestellingen charge charges payment payments abbuchung abbuchungen zahlungen time times",
}  # fmt: skip
UNITS: Final = {fold(w): unit for unit, ws in _UNITS.items() for w in ws.split()}
_BUSINESS: Final = re.compile(
    r"(?:business|working|full|whole|volle|vollen|ganze|calendar|kalender|more|further|weitere|weiteren|other|separate)$"
)
_BUSINESS_AFTER: Final = re.compile(r" (?:ouvr(?:e|able)s?|habiles|laborables|lavorativi|uteis)\b")
_RANGE: Final = re.compile(rf"[{_GAP}]?(?:-|to|bis|or|oder|and|und|a|à|o|tot|ate)[{_GAP}]?(?=\d)", re.IGNORECASE)
PERIODS: Final = frozenset({"hour", "minute", "day", "business_day", "week", "month", "year"})


def _currency_before(raw: str, start: int) -> re.Match[str] | None:
    return _CURRENCY_BEFORE.search(raw, max(0, start - 5), start)


def _amounts(r: _Reader, start: int, digit: int) -> bool:
    raw = r.text.raw
    m = _NUMBER.match(raw, digit)
    number = parse_number(m[0]) if m else None
    if m is None or number is None:
        return False
    before = _currency_before(raw, digit)
    if start != digit and not (before and before.start() <= start):
        return False
    after = _CURRENCY_AFTER.match(raw, m.end())
    if not before and not after:
        return False
    front = currency_of(before[0], r.language) if before else ""
    back = currency_of((after["sign"] or after["word"]), r.language) if after else ""
    whole = after is not None and back and (not front or front == back)
    return r.add(
        "amount", _money(number, front or back), before.start() if before else digit, after.end() if whole else m.end()
    )


def _money(number: Decimal, currency: str) -> str:
    return f"{number:.2f} {currency}".rstrip()


def _measures(r: _Reader, start: int, digit: int) -> bool:
    raw = r.text.raw
    m = _NUMBER.match(raw, digit)
    if m is None or start != digit:
        return False
    number = m[0]
    if p := _PERCENT.match(raw, m.end()):
        return r.add("percent", _plain(number), digit, p.end())
    if unit := _unit_after(r, m.end()):
        name, end = unit
        return r.add(
            name if name in {"percent"} else ("duration" if name in PERIODS else "quantity"),
            f"{_plain(number)} {name}",
            digit,
            end,
        )
    if (gap := _RANGE.match(raw, m.end())) and (n := _NUMBER.match(raw, gap.end())):
        if unit := _unit_after(r, n.end()):
            return r.add(
                "duration" if unit[0] in PERIODS else "quantity", f"{_plain(number)} {unit[0]}", digit, m.end()
            )
        if _PERCENT.match(raw, n.end()):
            return r.add("percent", _plain(number), digit, m.end())
    return False


_NEXT_WORD: Final = re.compile(r"[ \u00a0\u202f-]?([^\W\d_]+(?:'s)?)")


def _unit_after(r: _Reader, at: int) -> tuple[str, int] | None:
    """The unit that stands behind position `at`, and where it ends; up to two words may stand between."""
    folded, business = r.text.folded, False
    for _ in range(3):
        m = _NEXT_WORD.match(folded, at)
        if m is None:
            return None
        if unit := UNITS.get(m[1]):
            tail = _BUSINESS_AFTER.match(folded, m.end())
            if unit == "day" and (business or tail):
                unit = "business_day"
            return unit, tail.end() if tail else m.end()
        if not _BUSINESS.fullmatch(m[1]):
            return None
        business = business or m[1] in {"business", "working"}
        at = m.end()
    return None


def _plain(number: str) -> str:
    value = (
        Decimal(number.replace(",", "."))
        if re.fullmatch(r"\d+(?:[.,]\d{1,3})?", number)
        else parse_number(number) or Decimal(0)
    )
    return f"{value.normalize():f}"


def _numbers(r: _Reader, start: int, digit: int) -> bool:
    raw = r.text.raw
    if m := re.compile(r"24/7").match(raw, digit):
        return r.add("idiom", "24/7", *m.span())
    m = _NUMBER.match(raw, digit)
    if m is None:
        return r.add("number", raw[digit], digit, digit + 1)
    ordinal = _ORDINAL.match(raw, digit)
    return r.add("number", _plain(m[0]), min(start, digit), ordinal.end() if ordinal else m.end())


_READERS: Final[tuple[Callable[[_Reader, int, int], bool], ...]] = (
    _ibans, _dates, _amounts, _measures, _times, _phones, _codes, _numbers,
)  # fmt: skip


# --- words ------------------------------------------------------------------------------------------------------------


def _spelled(r: _Reader) -> None:
    """Numbers in words beside a currency, a share or a unit."""
    text = r.text
    for i, j, number in spelled.runs(text.words, text.folded):
        start, end = text.words[i].start, text.words[j - 1].end
        after = _CURRENCY_AFTER.match(text.raw, end)
        if after:
            word = after["sign"] or after["word"]
            r.add("amount", _money(number, currency_of(word, r.language)), start, after.end())
        elif p := _PERCENT.match(text.raw, end):
            r.add("percent", f"{number}", start, p.end())
        elif (unit := _unit_after(r, end)) and (unit[0] in PERIODS or number > 1):
            r.add("duration" if unit[0] in PERIODS else "quantity", f"{number} {unit[0]}", start, unit[1])


_NEXT: Final = frozenset(
    [
        "next",
        "coming",
        "nachste",
        "nachsten",
        "nachster",
        "nachstes",
        "kommende",
        "kommenden",
        "kommender",
        "prochain",
        "prochaine",
        "proximo",
        "proxima",
        "prossimo",
        "prossima",
        "volgende",
        "komende",
    ]
)
_AMBIGUOUS: Final = frozenset(
    {"may", "march", "mars", "sept", "mar", "out", "set", "mai", "ago", "dic", "gen", "sat", "sun", "dag"}
)
_GREETING: Final = frozenset({"guten", "goede", "heute", "vandaag", "am", "bom", "buona", "de", "la"})


def _days_in_words(r: _Reader) -> None:
    """Weekdays, "tomorrow", "next week" and months that stand without a number."""
    calendar, words, raw = calendar_words(r.language), r.text.words, r.text.raw
    for i, w in enumerate(words):
        role, number = calendar.get(raw[w.start : w.end].lower(), ("", 0))
        if not role or not r.free(w.start, w.end):
            continue
        before = words[i - 1].folded if i else ""
        if role == "weekday":
            day = r.today + timedelta(days=(number - r.today.weekday()) % 7)
            r.add("date", f"weekday {number}", w.start, w.end, day.isoformat())
        elif role == "relative" and not (w.folded in {"morgen", "manana"} and before in _GREETING):
            r.add("date", (r.today + timedelta(days=number)).isoformat(), w.start, w.end)
        elif role == "unit" and number >= 7 and before in _NEXT:
            r.add("date", f"next {'week' if number == 7 else 'month'}", words[i - 1].start, w.end)
        elif role == "month" and w.folded not in _AMBIGUOUS and raw[w.start].isupper():
            r.add("date", f"month {number}", w.start, w.end)


def readings(found: Found) -> Iterator[str]:
    """Every value that a found thing may stand for."""
    yield found.value
    yield from found.other
