"""Reads a case once: own words, language, entities, signals, computed conditions and vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from agent import entities as find
from agent.case import Entities, Escalation, Message, Signal, Span
from agent.classifier import ENGLISH, Sense
from agent.language import Detected, detect
from agent.money import Money
from agent.pack import Pack
from agent.sentences import sentences
from agent.signals import Signals
from agent.strip import segments
from retrieval.precedent import Encoder

_MOST_SENTENCES = 12
"""Sentences that are encoded apart; the rest still counts in the whole message."""
_MOST_CHARS = 4000
"""Characters of own words that are judged, newest message first; the encoder reads far fewer."""
_END_OF_DAY = time(17)
"""A date without a time binds at the end of the working day."""
_ZERO_REGION = "GB"


@dataclass(frozen=True, slots=True)
class Understanding:
    """All that code can say of a case before anything is decided."""

    own: tuple[str, ...]
    """Each message with all but the writer's own words blanked out; offsets are those of the message."""
    language: Detected
    entities: Entities
    signals: dict[str, Signal]
    conditions: frozenset[str]
    """Names of signals and computed conditions that hold."""
    contacts: int
    """Contacts on this problem, this one included, as far as known; messages of one day are one contact."""
    deadline_h: float | None
    """Hours to the nearest binding date."""
    value: Money | None
    """Order value, or the largest amount that the text names."""
    spans: tuple[Span, ...]
    """Sentences in the order of `sense.english[1:]`."""
    sense: Sense
    silent: bool = False
    """No message holds a sentence of the writer's own: only a signature or a quotation came."""
    binding: tuple[tuple[str, datetime], ...] = ()
    """Dates that bind, each with where it comes from: `evidence` (the bank) or `deadline` (the text)."""


def entities_of(case: Escalation, language: str, pack: Pack) -> Entities:
    """The things named in a case."""
    style = pack.store.order_id_format.split(" ")[0]
    return find.extract(
        case.messages, store_products=_products(pack), order_id_format=style if "#" in style else "",
        default_region=_ZERO_REGION, language=language, customer=case.customer, store_names=(pack.store.name,),
    )  # fmt: skip


def _products(pack: Pack) -> tuple[tuple[str, str], ...]:
    return tuple((p.sku, p.name) for p in pack.products)


class Reader:
    """Understands cases of one store."""

    def __init__(self, pack: Pack, signals: Signals, english: Encoder, multilingual: Encoder) -> None:
        self.pack, self.signals = pack, signals
        self._english, self._multilingual = english, multilingual

    def read(self, case: Escalation, now: datetime, *, teaching: bool = False) -> Understanding:
        """One case; the whole message and its sentences are encoded together, once.

        With `teaching` the vectors are left out that the classifier never looks at: the slow part.
        """
        own, spans, said, silent = self._own_words(case.messages)
        language = detect(said, case.language_hint)
        found = entities_of(case, language.code, self.pack)
        signals = {s.name: s for s in self.signals.find(own, language.code)}
        texts = [said, *(case.messages[s.message].text[s.start : s.end] for s in spans)]
        if len(texts) == 2:
            texts = texts[:1]
        if not teaching:
            english = self._english.encode(texts)
        elif language.code == ENGLISH:
            english = self._english.encode(texts[:1])
        else:
            english = np.zeros((1, self._english.dimension), dtype=np.float32)
        multilingual = self._multilingual.encode(texts[:1] if teaching else texts)
        sense = Sense(said, language.code, english, multilingual, frozenset())
        seen = Understanding(own, language, found, signals, frozenset(), 1, None, None, spans, sense, silent)
        return self.weigh(case, seen, now)

    def weigh(self, case: Escalation, seen: Understanding, now: datetime) -> Understanding:
        """The same understanding with value, deadline, contacts and conditions worked out for this context."""
        signals = seen.signals
        value = self._value(case, seen.entities)
        binding = self._binding(case, seen.entities, signals)
        deadline_h = self._hours_left(binding, signals, now)
        conditions = set(signals)
        if self._is_high(value):
            conditions.add("high_value")
        if deadline_h is not None:
            conditions.add("deadline")
        if any(m.hidden.strip() for m in case.messages):
            conditions.add("hidden_text")
        held = frozenset(conditions)
        return replace(
            seen, conditions=held, contacts=self._contacts(case, signals), deadline_h=deadline_h, value=value,
            binding=binding,
            sense=replace(seen.sense, signals=held),
        )  # fmt: skip

    @staticmethod
    def _own_words(messages: Sequence[Message]) -> tuple[tuple[str, ...], tuple[Span, ...], str, bool]:
        own: list[str] = []
        silent = True
        spans: list[Span] = []
        said: list[str] = []
        left = _MOST_CHARS
        for number in range(len(messages) - 1, -1, -1):
            text, blank = messages[number].text, " " * len(messages[number].text)
            inbound = messages[number].author != "staff" or len(messages) == 1
            here: list[Span] = []
            if inbound and left > 0:
                for part in segments(text):
                    if part.kind == "body":
                        blank = blank[: part.start] + text[part.start : part.end] + blank[part.end :]
                        here += [Span(number, s, e) for s, e in sentences(text, part.start, part.end)]
                silent = silent and not here
                if not here:
                    blank = text
                    here = [Span(number, s, e) for s, e in sentences(text)]
            words = "\n".join(text[s.start : s.end] for s in here)[:left]
            left -= len(words)
            subject = messages[number].subject
            said.append(f"{subject}\n{words}" if subject and inbound and number == 0 else words)
            own.append(blank)
            spans += reversed(here)
        spans = spans[:_MOST_SENTENCES][::-1]
        return tuple(reversed(own)), tuple(spans), "\n".join(w for w in reversed(said) if w), silent

    def _value(self, case: Escalation, found: Entities) -> Money | None:
        if case.context.order and case.context.order.total:
            return case.context.order.total
        if case.context.dispute and case.context.dispute.money:
            return case.context.dispute.money
        return max(found.amounts(), key=lambda m: m.amount, default=None)

    def _is_high(self, value: Money | None) -> bool:
        if value is None:
            return False
        store = self.pack.store
        line = store.high_value.get(value.currency or store.default_currency)
        return value.amount > (line if line is not None else max(store.high_value.values()))

    def _binding(
        self, case: Escalation, found: Entities, signals: dict[str, Signal]
    ) -> tuple[tuple[str, datetime], ...]:
        """The dates that bind: the bank's own, and those of the text."""
        binding = self.pack.binding
        zone = ZoneInfo(self.pack.store.time_zone)
        beside = any(name in signals for name in binding.signals)
        told = [
            ("deadline", _instant(date.value, zone))
            for date in found.of("deadline")
            if beside or date.detail.lower() in binding.words
        ]
        dispute = case.context.dispute
        evidence = [("evidence", dispute.evidence_due_by)] if dispute and dispute.evidence_due_by else []
        return (*told, *evidence)

    def _hours_left(
        self, binding: Iterable[tuple[str, datetime]], signals: dict[str, Signal], now: datetime
    ) -> float | None:
        today = [now + timedelta(hours=8)] if any(name in signals for name in self.pack.binding.today) else []
        left = ((at - now).total_seconds() / 3600 for at in (*(at for _, at in binding), *today))
        ahead = [hours for hours in left if hours > -24]
        return max(0.0, min(ahead)) if ahead else None

    @staticmethod
    def _contacts(case: Escalation, signals: dict[str, Signal]) -> int:
        told = 3 if "third_contact" in signals else 2 if "second_contact" in signals else 1
        days = {m.at.date() for m in case.messages if m.author == "customer"}
        return max(told, case.earlier_contacts + 1, len(days))


@lru_cache(maxsize=512)
def _instant(iso: str, zone: ZoneInfo) -> datetime:
    at = datetime.fromisoformat(iso)
    if len(iso) == len("2026-01-01"):
        at = datetime.combine(at.date(), _END_OF_DAY)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
