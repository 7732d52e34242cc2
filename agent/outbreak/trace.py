"""What one case leaves behind for matching: articles, lots, places and words, and nothing that names a person."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from agent.case import Customer, Entity, EntityKind, Escalation, Order, Span
from agent.classifier import ENGLISH, Taught
from agent.entities import lot_key, order_key
from agent.outbreak.faults import Faults, asked
from agent.outbreak.rules import OutbreakRules
from agent.pack import Pack
from agent.patterns import Cased, words
from agent.signals import Signals
from agent.understand import Understanding

Vector = NDArray[np.float32]

EMPTY: Final = np.zeros(0, dtype=np.float32)
"""The vector of no text."""
_KEY_CHARS: Final = 24


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One case as the outbreak detector sees it. Traces are compared only with traces of the same encoders and middle."""

    case_id: str
    at: datetime
    """When it came in."""
    customer: str
    """Keyed hash of who writes, equal for two cases of one person; "" when nobody can be told."""
    issue_type: str
    skus: frozenset[str] = frozenset()
    """Articles that it is about, as the catalogue or the order spells them, upper case."""
    lots: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    """Other marks of letters and figures that it copies, spelled as lots are: what another customer calls a lot is one."""
    orders: frozenset[str] = frozenset()
    lane: str = ""
    """Carrier and the part of the country that a parcel goes to, `DHL GB LE`; "" unless both are known."""
    pages: frozenset[str] = frozenset()
    """Paths of the shop's own links, and parts of the shop that an outage hits."""
    errors: frozenset[str] = frozenset()
    """Error codes as the shop shows them."""
    harms: frozenset[str] = frozenset()
    """Concrete harms of the pack that the customer tells, the general ones left out."""
    faults: frozenset[str] = frozenset()
    """Natures of the faults that it tells of, by `faults` of the rules."""
    asks: bool = False
    """It asks something and reports nothing."""
    settled: bool = False
    """It says that its matter is over."""
    vector: Vector = field(default_factory=lambda: EMPTY)
    """Unit vector of the customer's own words in any language, those that tell what happened counted twice, freed of what
    all complaints share; empty when there are none."""
    english: Vector = field(default_factory=lambda: EMPTY)
    """The same of the English encoder, which tells English texts apart better; empty for other languages."""


@dataclass(frozen=True, slots=True)
class Middle:
    """The mean of what complaints say, which is taken out of every vector so that nearness is about the matter."""

    multilingual: Vector
    english: Vector

    @classmethod
    def of(cls, taught: Taught) -> Middle:
        """The middle of the texts that taught the classifier; English vectors of other languages are zero and do not count."""
        spoken = taught.english[taught.english.any(axis=1)]
        return cls(_mean(taught.multilingual), _mean(spoken))


def _mean(vectors: NDArray[np.float32]) -> Vector:
    return np.asarray(vectors.mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1]), dtype=np.float32)


class Tracer:
    """Makes the traces of one store's cases."""

    def __init__(self, pack: Pack, signals: Signals, rules: OutbreakRules, middle: Middle, secret: bytes) -> None:
        """`secret` keys the hashes of customers, so that a table of addresses does not open them."""
        self._signals, self._rules, self._middle, self._secret = signals, rules, middle, secret
        self._faults = Faults(signals, rules)
        self._catalogue = {_code(p.sku): p.sku.upper() for p in pack.products}
        self._hosts = frozenset(pack.store.hosts)
        self._general = frozenset(name for name, harm in pack.harms.items() if harm.general)

    def with_pack(self, pack: Pack, signals: Signals, rules: OutbreakRules) -> Tracer:
        """The same for another version of the pack."""
        return Tracer(pack, signals, rules, self._middle, self._secret)

    def trace(self, case: Escalation, seen: Understanding, issue_type: str, severity: str) -> Trace:
        """What a case leaves behind that was judged so."""
        rules, found, order = self._rules, seen.entities, case.context.order
        told = {
            name
            for kind in rules.same_kind(issue_type)
            for name, _ in self._signals.harms(seen.own, kind, seen.language.code)
        }
        outage = issue_type in rules.outages
        text = "\n".join(seen.own)
        orders = (*found.values("order_id"), case.order_ref, order.id if order else "")
        keys = frozenset(order_key(o) for o in orders if o)
        said = [case.messages[s.message].text[s.start : s.end] for s in seen.spans]
        goods = issue_type in rules.by_article or not rules.kind(issue_type)
        faults = self._faults.of(said, issue_type, seen.language.code)
        english = seen.sense.english if seen.sense.language == ENGLISH else EMPTY
        rows = [row for row, span in enumerate(seen.spans, start=1) if self._tells(case, seen, span, issue_type)]
        return Trace(
            case_id=case.id,
            at=case.received_at,
            customer=customer_key(case.customer, self._secret),
            issue_type=issue_type,
            skus=self._articles(text, {e.detail.upper() for e in _said(case, seen, "product") if e.detail}, order),
            lots=frozenset(e.value for e in _said(case, seen, "lot")),
            codes=frozenset(_codes(seen)) - keys if goods else frozenset(),
            orders=keys,
            lane=_lane(order, seen) if issue_type in rules.deliveries else "",
            pages=frozenset(self._pages(text, seen)) if outage else frozenset(),
            errors=frozenset(_errors(text)) if outage else frozenset(),
            harms=frozenset(told - self._general),
            faults=faults,
            asks=not faults and (self._asks(seen, issue_type, severity) or (goods and any(map(asked, said)))),
            settled=self._faults.settled(said),
            vector=_freed(seen.sense.multilingual, rows, self._middle.multilingual),
            english=_freed(english, rows, self._middle.english),
        )

    def _asks(self, seen: Understanding, issue_type: str, severity: str) -> bool:
        if not seen.conditions.isdisjoint(self._rules.reports):
            return False
        return any(
            (not rule.severities or severity in rule.severities)
            and (not rule.types or issue_type in rule.types)
            and (not rule.any or not seen.conditions.isdisjoint(rule.any))
            for rule in self._rules.asks
        )

    def _tells(self, case: Escalation, seen: Understanding, span: Span, issue_type: str) -> bool:
        """Whether a sentence tells what happened: in it stands a signal of a report, or a harm."""
        signs = (seen.signals[s].span for s in self._rules.reports if s in seen.signals)
        if any(s.message == span.message and span.start <= s.start < span.end for s in signs):
            return True
        sentence = [case.messages[span.message].text[span.start : span.end]]
        return any(
            self._signals.harms(sentence, kind, seen.language.code) for kind in self._rules.same_kind(issue_type)
        )

    def _articles(self, text: str, by_name: set[str], order: Order | None) -> frozenset[str]:
        """The articles of a case: a number that it states, else what of its order it names, else what it names.

        A stated number of no known article stands for itself: it must not be taken for the one that is a digit off.
        """
        items = {_code(i.sku): i.sku.upper() for i in order.items if i.sku} if order else {}
        known = {**self._catalogue, **items}
        stated = set(_stated(text, known))
        if sure := {s for s in stated if _code(s) in known}:
            return frozenset(sure)
        if items and order:
            spoken = {w.lower() for w in _WORD.findall(text)}
            named = {
                i.sku.upper() for i in order.items if i.sku and (i.sku.upper() in by_name or _names(i.name, spoken))
            }
            return frozenset(named or items.values())
        return frozenset(stated or by_name)

    def _pages(self, text: str, seen: Understanding) -> Iterator[str]:
        cased = Cased(text)
        yield from (name for name, told in self._rules.pages.items() if words(told).first(cased))
        for url in seen.entities.of("url"):
            parts = urlsplit(url.value if "://" in url.value else f"https://{url.value}")
            path = "/".join(p for p in parts.path.lower().split("/") if p and not any(map(str.isdigit, p)))
            if path and (parts.hostname or "").removeprefix("www.") in self._hosts:
                yield f"/{path}"


def _said(case: Escalation, seen: Understanding, kind: EntityKind) -> Iterator[Entity]:
    """Entities in the customer's own words: what the store's quoted mail names is no report of it."""
    for e in seen.entities.of(kind):
        at = e.span
        written = seen.own[at.message][at.start : at.end].strip() if at.end else case.messages[at.message].subject
        if written and (case.messages[at.message].author != "staff" or len(case.messages) == 1):
            yield e


def customer_key(customer: Customer, secret: bytes) -> str:
    """The keyed hash of a person: of the address, else the telephone number, else the name; "" when all are missing."""
    mail = customer.email.strip().casefold()
    phone = re.sub(r"\D", "", customer.phone)
    name = " ".join(customer.name.casefold().split())
    known = next((f"{kind}:{value}" for kind, value in (("mail", mail), ("phone", phone), ("name", name)) if value), "")
    return hmac.new(secret, known.encode(), hashlib.sha256).hexdigest()[:_KEY_CHARS] if known else ""


def _freed(vectors: NDArray[np.float32], rows: Sequence[int], middle: Vector) -> Vector:
    """Half the whole message, half the sentences in `rows`, less the middle; empty for no text."""
    if not len(vectors):
        return EMPTY
    told = _unit(vectors[[row for row in rows if row < len(vectors)]].sum(axis=0))
    whole = _unit(vectors[0] + told) if told.size else vectors[0]
    return _unit(whole - middle)


def _unit(vector: NDArray[np.float32]) -> Vector:
    length = float(np.linalg.norm(vector))
    return (vector / length).astype(np.float32) if length > 0 else EMPTY


_MARK: Final = re.compile(
    r"(?<![\w@./-])(?=[\w-]*\d\d)(?=[^\s]*[A-Z])[A-Z0-9]+(?:[-/.][A-Z0-9]+){0,3}(?![\w@]|[-/][\w])"
)
_SHORTEST_MARK, _LONGEST_MARK = 4, 10


def _codes(seen: Understanding) -> Iterator[str]:
    """Marks with letters and figures in the customer's own words that are no order, parcel, date or the like."""
    for number, text in enumerate(seen.own):
        spans = [e.span for e in seen.entities.all if e.span.message == number]
        for m in _MARK.finditer(text):
            free = not any(s.start < m.end() and m.start() < s.end for s in spans)
            if free and _SHORTEST_MARK <= len(key := lot_key(m[0])) <= _LONGEST_MARK:
                yield key


# --- articles -------------------------------------------------------------------------------------------------------

_WORD: Final = re.compile(r"[^\W\d_]{4,}")
_HEAD: Final = re.compile(r"[A-Z]{2,6}(?=-?\d)")
_SHAPED: Final = re.compile(r"(?<![\w-])([A-Za-z]{2,6})[- ]?(\d[\dA-Za-z]{0,5}(?:-[\dA-Za-z]{1,5})?)(?![\w-]|[.,]\d)")
_INTRODUCED: Final = re.compile(
    r"\b(?:sku|art(?:icle|ikel|ículo|icolo|igo)?[ .-]{0,2}(?:no|nr|num|number|nummer|n[°º]|code)|item (?:no|number|code)|"
    r"bestellnr|(?:référence|ref|referencia|riferimento|referência) (?:de l.article|del artículo|articolo|do artigo))"
    r"[ .:#]{0,3}((?=[A-Z-]*\d)[A-Z0-9][A-Z0-9-]{2,15})(?![\w-])",
    re.IGNORECASE,
)


def _code(sku: str) -> str:
    """What spellings of one article number share."""
    return re.sub(r"[^A-Z0-9]", "", sku.upper())


def _stated(text: str, known: Mapping[str, str]) -> Iterator[str]:
    """Article numbers that a text states: those introduced as such, and those shaped like a known one."""
    for m in _INTRODUCED.finditer(text):
        yield known.get(_code(m[1]), m[1].upper())
    heads = {m[0] for code in known if (m := _HEAD.match(code))}
    for m in _SHAPED.finditer(text):
        if m[1].upper() in heads and (m[1].isupper() or _code(m[0]) in known):
            yield known.get(_code(m[0]), re.sub(r" ", "-", m[0].upper()))


def _names(name: str, spoken: Iterable[str]) -> bool:
    """Whether a text uses a word of an article's name; a word counts in singular and plural."""
    own = {w.lower().rstrip("s") for w in _WORD.findall(name)}
    return any(w.rstrip("s") in own for w in spoken)


# --- places ---------------------------------------------------------------------------------------------------------

_ADDRESS: Final = ("shipping_address", "delivery_address", "shipping", "address", "ship_to")
_POSTCODE: Final = ("zip", "postcode", "postal_code", "zip_code", "postalCode")
_COUNTRY: Final = ("country_code", "countryCode", "country")
_BRITISH: Final = re.compile(r"[A-Z]{1,2}(?=\d)")
_ERROR: Final = re.compile(
    r"\b(?:error(?:s|code)?|fehler|erreur|errore|erro|fout|foutmelding|fehlermeldung|fehlercode|foutcode|code|código|codice)\b[- ]?(?:code|message|meldung|nummer|nr|no|n[°º]|número)?[ .:#„“\"'(]{0,3}"
    r"([A-Z]{0,4}[-_ ]?\d{2,6})(?!\w|[.,/-]\d)|\b([45]0\d)\b(?= ?(?:error|fehler|bad gateway|internal|service|gateway))",
    re.IGNORECASE,
)


def _lane(order: Order | None, seen: Understanding) -> str:
    """Carrier, country and the first part of the postcode that a parcel goes to; "" unless carrier and postcode are known."""
    parcels = order.fulfilments if order else ()
    read = (e.detail for e in seen.entities.of("tracking_number") if e.detail)
    carrier = next((f.carrier for f in parcels if f.carrier), next(read, ""))
    raw: Mapping[str, Any] = order.raw if order else {}
    address = next((cast("Mapping[str, Any]", raw[k]) for k in _ADDRESS if isinstance(raw.get(k), Mapping)), None)
    if not carrier or address is None:
        return ""
    code = next((str(address[k]).strip().upper() for k in _POSTCODE if address.get(k)), "")
    country = next((str(address[k]).strip().upper() for k in _COUNTRY if address.get(k)), "")
    area = m[0] if (m := _BRITISH.match(code)) else re.sub(r"\D", "", code)[:2]
    return " ".join(filter(None, (carrier.strip().upper(), country, area))) if area else ""


def _errors(text: str) -> Iterator[str]:
    """Error codes that a text quotes."""
    for m in _ERROR.finditer(text):
        yield re.sub(r"[-_ ]", "", m[1] or m[2]).upper()
