"""Makes a case of the suite from a draft that a person edited or rejected, freed of what points to people.

Names, addresses, numbers and ids are replaced by invented ones, the same by the same, so that the case still hangs
together. What nothing marks as a name stays, so a person reads the case before it is kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

import yaml

from agent import intake
from agent.case import Entities, EntityKind, Message
from agent.entities import extract
from agent.facts import Text, fold
from agent.facts.names import names
from agent.guard import Rulebook
from agent.pack import Pack
from evals.errors import DatasetError

Json: TypeAlias = dict[str, Any]

PEOPLE: Final = (
    "Alma Winter", "Bruno Sander", "Carla Mendes", "Dario Colle", "Elin Hagen", "Fabian Roth", "Greta Molen", "Hugo Vidal",
    "Irma Falk", "Jonas Kiel", "Karin Obst", "Lars Tamm",
)  # fmt: skip
"""Invented people, in the order in which a case brings some."""
SHORTEST: Final = 3
"""Parts of a name below so many letters are too common to be replaced by themselves."""
SUITE: Final = "from_drafts.yaml"
_IDS: Final = frozenset({"order_id", "tracking_number"})
"""Kinds of which the figures say which one is meant, however it is written."""
_LONG: Final = 5
"""Figures by which alone an id can be meant."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A case with a draft of the desk and what a person made of it."""

    case_id: str
    payload: Json
    """The escalation in the wire form, with the messages up to the draft."""
    now: datetime
    """When the draft was made."""
    proposal: Json
    """The answer that the draft is of, as `agent.output` gives it."""
    decision: Literal["edited", "rejected"]
    sent: str = ""
    """What the person sent instead; "" when nothing was."""


@dataclass(frozen=True, slots=True)
class Made:
    """A case for the suite, as its two files have it."""

    row: Json
    file: Json

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.row["name"])


@dataclass(slots=True)
class Scrubber:
    """Replaces what points to people; the same value always becomes the same."""

    words: dict[str, str] = field(default_factory=dict[str, str])
    """What was written -> what stands for it."""
    _made: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def person(self, name: str) -> None:
        """Takes in a name, whole and by its parts."""
        bare = " ".join(name.split())
        if not bare or bare in self.words:
            return
        new = self._of("name", bare.casefold(), lambda n: PEOPLE[n % len(PEOPLE)])
        first, _, last = new.partition(" ")
        parts = bare.split()
        self.words[bare] = new
        for part, stands in zip(parts, [first, *[last] * len(parts)], strict=False):
            if len(part) >= SHORTEST:
                self.words.setdefault(part, stands)

    def value(self, kind: str, *written: str) -> None:
        """Takes in one value in the ways in which it is written."""
        forms = [w for w in written if w]
        if forms:
            same = re.sub(r"\D" if kind in _IDS else r"\W", "", forms[0]).casefold()
            new = self._of(kind, same, _invented(kind, forms[0]))
            if kind in _IDS:  # however else a subject or a colleague writes it
                forms += [re.sub(r"[\W_]", "", forms[0]), *([same] if len(same) >= _LONG else [])]
            for form in forms:
                self.words.setdefault(form, _shaped(new, form) if kind in _IDS else new)

    def _of(self, kind: str, key: str, make: Callable[[int], str]) -> str:
        if (kind, key) not in self._made:
            self._made[kind, key] = make(sum(k == kind for k, _ in self._made))
        return self._made[kind, key]

    def text(self, text: str) -> str:
        """The text with everything replaced that was taken in."""
        if not self.words:
            return text
        longest = sorted(self.words, key=len, reverse=True)
        known = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", re.IGNORECASE)
        lower = {word.casefold(): new for word, new in self.words.items()}

        def new(m: re.Match[str]) -> str:
            if m[0] in self.words:
                return self.words[m[0]]
            # a name in small letters may be a word of the language: only what has figures or signs, or is in capitals, is one
            sure = m[0].isupper() or re.search(r"[\d@ ]", m[0])
            return lower.get(m[0].casefold(), m[0]) if sure else m[0]

        return known.sub(new, text)

    def all(self, value: Any) -> Any:
        """The same for every text in nested plain data; keys stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.all(inner) for key, inner in cast("Mapping[str, Any]", value).items()}
        if isinstance(value, list | tuple):
            return [self.all(inner) for inner in cast("list[Any]", value)]
        return value


def _invented(kind: str, written: str) -> Callable[[int], str]:
    """How the n-th value of a kind is invented."""
    makers: dict[str, Callable[[int], str]] = {
        "email": lambda n: f"{PEOPLE[n % len(PEOPLE)].lower().replace(' ', '.')}@mailbox.example",
        "phone": lambda n: f"+44 20 7946 0{100 + n}",
        "address": lambda n: f"{n + 1} Example Street, Sampleton",
        "iban": lambda n: f"DE02 1203 0000 0000 20{20 + n} 51",
        "card_number": lambda _: "4242 4242 4242 4242",
        "card_last4": lambda _: "4242",
        "url": lambda n: f"https://page{n + 1}.example/",
        "dispute": lambda n: f"dp_case{n + 1:04}",
    }  # fmt: skip
    return makers.get(kind, lambda n: _digits(written, n))


def _digits(written: str, number: int) -> str:
    """An id of the same shape with other figures."""
    count = sum(c.isdigit() for c in written)
    figures = iter(str(8 * 10 ** max(0, count - 1) + 17 * (number + 1)).zfill(count)[-count:] if count else "")
    return "".join(next(figures) if c.isdigit() else c for c in written)


def _shaped(new: str, form: str) -> str:
    """The figures of the new id in another way of writing it, e.g. without its letters."""
    figures = re.sub(r"\D", "", new)
    if sum(c.isdigit() for c in form) != len(figures):
        return new
    each = iter(figures)
    return "".join(next(each) if c.isdigit() else c for c in form)


_KINDS: Final[tuple[EntityKind, ...]] = (
    "email", "phone", "address", "iban", "card_number", "card_last4", "url", "order_id", "tracking_number",
)  # fmt: skip
_WHO: Final = frozenset({"customer", "buyer", "user", "shipping_address", "billing_address", "address"})
"""Objects of an order whose `name` is that of a person."""
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("email", "customer_email"), "phone": ("phone",), "tracking_number": ("tracking", "tracking_number"),
    "address": ("address1", "address2", "street", "line1", "line2", "city", "zip", "postcode", "postal_code"),
}  # fmt: skip
"""Kind -> fields of an order in which a value of it stands."""


def make(reviewed: Reviewed, pack: Pack, book: Rulebook) -> Made:
    """The case that a reviewed draft gives: scrubbed, with the triage that was shown and the reply that a person sent.

    Raises:
        DatasetError: something that points to a person would be left.

    """
    case = intake.parse(reviewed.payload, now=reviewed.now, case_id=reviewed.case_id)
    told = (*case.messages, Message(reviewed.sent, reviewed.now, author="staff")) if reviewed.sent else case.messages
    found = extract(
        told, store_products=[(p.sku, p.name) for p in pack.products], order_id_format=pack.store.order_id_format,
        language=str(reviewed.proposal["language"]), customer=case.customer, store_names=(pack.store.name,),
    )  # fmt: skip
    scrubber = _scrubber(reviewed, found, pack)
    payload = scrubber.all({k: v for k, v in reviewed.payload.items() if k != "id"})
    sent = scrubber.text(reviewed.sent)
    _check(scrubber, json.dumps([payload, sent], ensure_ascii=False))
    row = _row(reviewed, sent, [scrubber.text(e.text) for e in found.of("order_id")], book)
    return Made(row, {"now": reviewed.now.isoformat().replace("+00:00", "Z"), "escalation": payload})


def _scrubber(reviewed: Reviewed, found: Entities, pack: Pack) -> Scrubber:
    """What points to people in this case."""
    scrubber = Scrubber()
    own = {fold(name) for name in (*pack.store.contacts.values(), pack.store.name, pack.store.legal_name)}
    customer: Json = reviewed.payload.get("customer") or {}
    context: Json = reviewed.payload.get("context") or {}
    people = [str(customer.get("name") or ""), *_values(context, "name", "customer_name", inside=_WHO),
             *(e.text for e in found.of("name")), *_named(reviewed)]  # fmt: skip
    for name in people:
        if fold(name) not in own:
            scrubber.person(name)
    for e in found.all:
        store = e.kind in {"email", "url"} and any(h in e.value for h in (pack.store.support_email, *pack.store.hosts))
        if e.kind in _KINDS and not store:
            scrubber.value(e.kind, e.text, e.value)
    for kind, keys in _FIELDS.items():
        for value in _values([customer, context], *keys):
            scrubber.value(kind, value)
    order: Json = context.get("order") or {}
    dispute: Json = context.get("dispute") or {}
    for number in (reviewed.payload.get("order_ref"), order.get("id"), order.get("order_id")):
        scrubber.value("order_id", str(number or ""))
    scrubber.value("dispute", str(dispute.get("id") or ""))
    return scrubber


def _named(reviewed: Reviewed) -> Iterable[str]:
    """Names of people in the texts, as the guard finds them in a draft."""
    language = str(reviewed.proposal["language"])
    messages: list[Json] = reviewed.payload.get("messages") or []
    for raw in (*(str(m.get("text") or "") for m in messages), str(reviewed.payload.get("text") or ""), reviewed.sent):
        yield from (raw[start:end] for start, end in names(Text(raw), language, {}))


def _values(value: Any, *keys: str, inside: frozenset[str] = frozenset()) -> Iterable[str]:
    """Texts under one of the keys anywhere in nested plain data; `name` only within what `inside` names, if it does."""
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, Any]", value).items():
            if key in keys and isinstance(inner, str) and not (inside and key == "name"):
                yield inner
            else:
                yield from _values(inner, *keys, inside=frozenset() if key in inside else inside)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _values(inner, *keys, inside=inside)


def _check(scrubber: Scrubber, left: str) -> None:
    """Refuses a case in which a value stands that was to be replaced.

    Raises:
        DatasetError: one does.

    """
    for written, new in scrubber.words.items():
        if (
            written != new
            and re.search(rf"(?<!\w){re.escape(written)}(?!\w)", left)
            and written not in scrubber.words.values()
        ):
            raise DatasetError(
                "Something that points to a person could not be replaced; make this case by hand, with invented people."
            )


def _row(reviewed: Reviewed, sent: str, orders: list[str], book: Rulebook) -> Json:
    """The expectations: the triage that a person saw and let stand, and what the sent reply holds."""
    p = reviewed.proposal
    language, kind = str(p["language"]), str(p["issue_type"])
    draft: Json = p.get("draft") or {}
    expected: Json = {
        "issue_type": [kind], "severity": {"allow": [p["severity"]]}, "primary_team": [p["primary_team"]],
        "human_lead": p["human_lead"], "language": language,
    }  # fmt: skip
    guard: Json = p.get("guard") or {}
    findings: list[Json] = guard.get("findings", [])
    if hard := {str(f["rule"]) for f in findings if f["hard"]}:
        expected["must_not"] = sorted(hard)
    if sent:
        expected["kind"] = [draft.get("kind") or "reply"]
        named = [
            o for o in dict.fromkeys(orders) if o in sent and not any(o != other and o in other for other in orders)
        ]
        covered = _covered(sent, language, kind, book)
        expected |= {name: held for name, held in (("facts_required", named), ("must_cover", covered)) if held}
    digest = hashlib.sha256(reviewed.case_id.encode()).hexdigest()[:8]
    name = f"draft-{language}-{kind.replace('_', '-')}-{digest}"
    return {
        "name": name, "expected": expected,
        "metadata": {
            "split": "gate", "cluster": name, "provenance": "from_draft", "author": f"a reviewer who {reviewed.decision} it",
            "reference": "golden" if sent else "none",
        },
        **({"reference": sent} if sent else {}),
    }  # fmt: skip


def _covered(sent: str, language: str, issue_type: str, book: Rulebook) -> list[str]:
    """The content items of this issue type that the sent reply shows by its words."""
    p = book.phrases.languages.get(language)
    text = Text(sent)
    wanted = book.required.get(issue_type, ())
    return [item for item in wanted if p and (pattern := p.required.get(item)) and text.has(pattern)]


def keep(made: Made, suites: Path, files: Path) -> tuple[Path, Path]:
    """Writes the two files: the case file, and one more case in the suite of drafts.

    Raises:
        DatasetError: there is a case of this name.

    """
    suite, file = suites / SUITE, files / f"{made.name}.json"
    if file.exists():
        raise DatasetError(f"{file}: this draft is a case already; edit that one.")
    block = yaml.safe_dump([made.row], allow_unicode=True, sort_keys=False, width=120)
    head = "" if suite.exists() else "# yaml-language-server: $schema=../escalation.schema.json\ncases:\n"
    files.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(made.file, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    suites.mkdir(parents=True, exist_ok=True)
    with suite.open("a", encoding="utf-8") as out:
        out.write(head + block)
    return suite, file


def renamed(made: Made, name: str) -> Made:
    """The same case under a name of a person's choice."""
    return replace(made, row={**made.row, "name": name})
