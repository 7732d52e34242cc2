"""Rules that turn a good answer into a bad one; each says which rules of the guard and which scorers must see it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from agent.case import Draft, Fact
from agent.yamlfile import read_yaml
from evals.answer import Answer
from evals.dataset import ROOT, Case
from evals.expectations import Strict

Json: TypeAlias = dict[str, Any]
FILE: Final = ROOT / "evals/datasets/mutants.yaml"


class Order(Strict):
    """An order to the machine."""

    order: str
    obeyed: str
    """What a draft says that obeys it."""


class Sentences(Strict):
    """The file of sentences that no draft may hold."""

    sentences: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Rule of the guard -> language -> sentences."""
    plain: Mapping[str, str]
    """Language -> a harmless paragraph."""
    orders: Mapping[str, Order]
    """Language -> an order to the machine."""


@cache
def sentences(path: Path = FILE) -> Sentences:
    """The sentences of the file.

    Raises:
        BrokenFile: it cannot be used.

    """
    return read_yaml(path, Sentences)


@dataclass(frozen=True, slots=True)
class Change:
    """One bad answer."""

    what: str
    """What is bad about it, in a few words."""
    answer: Json
    case: Case | None = None
    """The case with another expectation, when the base's own would not see the change."""


Make: TypeAlias = Callable[[Answer], Iterator[Change]]


@dataclass(frozen=True, slots=True)
class Mutator:
    """One way to spoil an answer."""

    name: str
    make: Make
    rules: tuple[str, ...] = ()
    """Rules of the guard that must find it, each of them."""
    scorers: tuple[str, ...] = ()
    """Scorers that must give less for it than for the good answer."""


# --- tools ----------------------------------------------------------------------------------------------------------


def edited(a: Answer, **draft: Any) -> Json:
    """The answer with other fields of its draft."""
    made = copy.deepcopy(a.json)
    made["draft"].update(draft)
    return made


def put(a: Answer, sentence: str) -> Json:
    """The answer with one more paragraph before its closing words."""
    *parts, last = a.json["draft"]["body"].split("\n\n")
    return edited(a, body="\n\n".join((*parts, sentence, last)))


def letter(a: Answer) -> Draft:
    """The draft of an answer that is known to have a text to the customer."""
    assert a.letter is not None  # noqa: S101 - bases are chosen so
    return a.letter


def expecting(a: Answer, **fields: Any) -> Case:
    """The case of an answer with other expectations."""
    row = a.case.row
    return replace(a.case, row=row.model_copy(update={"expected": row.expected.model_copy(update=fields)}))


def has_order(a: Answer) -> bool:
    """Whether an order or dispute is open to this customer."""
    return a.evidence.order is not None or a.evidence.dispute is not None


# --- sentences of the file --------------------------------------------------------------------------------------------

_PARCEL_TYPES: Final = frozenset(
    {"not_received_or_late", "chargeback", "fraud_or_account_takeover", "return_refund_dispute"}
)
"""Issue types whose customers may themselves have told a state of the parcel."""
_FITS: Final[Mapping[str, Callable[[Answer], bool]]] = {
    "unsafe": lambda a: a.form.issue_type == "product_safety",
    "unverified_order_fact": lambda a: not has_order(a),
    "invented_tracking": lambda a: not has_order(a) and a.form.issue_type not in _PARCEL_TYPES,
    "unbacked_promise": lambda a: not has_order(a),
    "claimed_action": lambda a: not has_order(a),
    "money_sent": lambda a: not has_order(a),
}
"""Rules that a sentence breaks only in some cases: where nothing shows what it says."""
_SCORERS: Final[Mapping[str, tuple[str, ...]]] = {
    "unsupported_fact": ("facts",), "foreign_personal_data": ("facts", "personal_data"), "reveals": ("internal",),
    "vocabulary": ("internal",),
}  # fmt: skip


def said(rule: str) -> Mutator:
    """Puts in what the file has under a rule."""

    def make(a: Answer) -> Iterator[Change]:
        fits = _FITS.get(rule)
        if fits is None or fits(a):
            for sentence in sentences().sentences[rule].get(letter(a).language, ()):
                yield Change(sentence, put(a, sentence), expecting(a, must_not=(rule,)))

    return Mutator(rule, make, (rule,), ("guard", "must_not", *_SCORERS.get(rule, ())))


# --- facts ------------------------------------------------------------------------------------------------------------


def _in_place(a: Answer, fact: Fact, words: str) -> Json:
    body = letter(a).body
    return edited(a, body=body[: fact.start] + words + body[fact.end :])


def _facts(a: Answer, kind: str) -> Iterator[Fact]:
    """Sourced facts of one kind that stand in the body."""
    return (f for f in a.report.facts if f.kind == kind and f.end and f.state in {"supported", "derived"})


def dearer(a: Answer) -> Iterator[Change]:
    """The first amount, a tenth more."""
    for fact in _facts(a, "amount"):
        m = re.search(r"\d[\d.,]*", fact.text)
        cents = re.search(r"([.,])(\d\d)$", m[0]) if m else None
        if m and cents:
            value = Decimal(re.sub(r"\D", "", m[0])) / 100 * Decimal("1.1")
            figure = f"{value:.2f}".replace(".", cents[1])
            yield Change(f"{m[0]} became {figure}", _in_place(a, fact, fact.text.replace(m[0], figure)))
            return


def later(a: Answer) -> Iterator[Change]:
    """The first date, some days off."""
    for fact in _facts(a, "date"):
        m = re.search(r"(?<![\d.:])([12]?\d|3[01])(?=\.? |\.$|(?:st|nd|rd|th)\b)", fact.text)
        if m:
            day = int(m[1]) + (9 if int(m[1]) < 20 else -9)
            words = fact.text[: m.start()] + str(day) + fact.text[m.end() :]
            known, value = a.evidence.known, f"{fact.value[:-2]}{day:02}"
            if not (known.source("date", value) or known.rule("date", value)):  # no day that the case has too
                yield Change(f"{fact.text} became {words}", _in_place(a, fact, words))
                return


def other_order(a: Answer) -> Iterator[Change]:
    """Each order number, one of somebody else."""
    numbers = re.findall(r"FH-\d{6}", letter(a).body)
    if numbers:
        body = re.sub(r"FH-\d{6}", "FH-987654", letter(a).body)
        yield Change(f"{numbers[0]} became FH-987654", edited(a, body=body))


def withheld(a: Answer) -> Iterator[Change]:
    """What an order holds that this customer may not be told."""
    order = a.evidence.withheld
    if order and order.fulfilments and order.fulfilments[0].tracking:
        yield Change("tracking number", put(a, f"DHL {order.fulfilments[0].tracking}."))


def unnamed(a: Answer) -> Iterator[Change]:
    """What must be named, left out."""
    for fact in a.case.expected.facts_required[:1]:
        body = re.sub(re.escape(fact), "…", letter(a).body, flags=re.IGNORECASE)
        subject = re.sub(re.escape(fact), "…", letter(a).subject, flags=re.IGNORECASE)
        yield Change(f"{fact} left out", edited(a, body=body, subject=subject))


# --- citations ----------------------------------------------------------------------------------------------------------


def bad_citation(a: Answer) -> Iterator[Change]:
    """A policy line that does not exist, and a past case, which is none to rest on."""
    cites = a.json["draft"]["citations"]
    yield Change(
        "a line that is not there", edited(a, citations=[*cites, {"source": "policy", "ref": "lamps-forever"}])
    )
    yield Change("a precedent", edited(a, citations=[*cites, {"source": "precedent", "ref": "prc_1"}]))


def untold_citation(a: Answer) -> Iterator[Change]:
    """A policy line that no sentence of the draft tells, and a time that it does not name."""
    topics = a.grounds.pack.policy_for(a.form.issue_type)
    strange = [name for name in a.grounds.pack.policy if name not in topics]
    told = "data-requests" if "data-requests" in strange else (strange or [""])[-1]
    cites = [c for c in a.json["draft"]["citations"] if c["source"] != "policy"]
    bare = {"citations": [*cites, {"source": "policy", "ref": told}], "body": sentences().plain[letter(a).language]}
    if told:
        yield Change(f"cites {told}", edited(a, **{**bare, "citations": bare["citations"][-1:]}))


def uncited(a: Answer) -> Iterator[Change]:
    """No citation, where the case wants one."""
    if a.case.expected.policy_refs:
        yield Change("no citation", edited(a, citations=[]))
