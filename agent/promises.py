"""What a text promises: remedies that it gives and days or sums that it commits the store to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from agent.clock import Calendar, add_business_days
from agent.facts.scan import scan
from agent.facts.text import Text
from agent.money import Money
from agent.phrasebook import Phrasebook, Phrases

END_OF_DAY: Final = time(17)
"""When a promised day ends."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """One thing that a text commits the store to: characters [start, end) of the sentence that does."""

    action: str
    """A remedy (`refund`, `credit`, `replacement`, ...), a duty (`update`, `call`, `delivery`, `check`) or `other`."""
    text: str
    start: int
    end: int
    amount: Money | None = None
    due: date | None = None
    within: str = ""
    """A period such as `5 business_day`, when no day is named."""
    weekday: int | None = None
    """0 for Monday, when a day of the week is named without a date."""
    hour: str = ""
    """A time of day such as `17:00`."""
    remedy: bool = False
    outright: bool = False
    """Whether a remedy is given outright, not merely named without an "if" or a wish."""


class Thing(Protocol):
    """A checkable thing of the text, found or already judged."""

    @property
    def kind(self) -> str:
        """What it is, as the ledger names it."""
        ...

    @property
    def value(self) -> str:
        """Its normalised form."""
        ...

    @property
    def start(self) -> int:
        """Where it begins."""
        ...

    @property
    def end(self) -> int:
        """Where it ends."""
        ...


def commitments(text: str, language: str, book: Phrasebook, now: datetime) -> tuple[Commitment, ...]:
    """What `text` promises, in reading order; wishes told back, negations and open questions are none."""
    whole = Text(text)
    things = scan(whole, now.date(), language)
    return promised(
        whole, things, book.reading(language, (words for _, _, words in whole.sentence_words())), now.date()
    )


def promised(text: Text, things: Sequence[Thing], phrases: Iterable[Phrases], today: date) -> tuple[Commitment, ...]:
    """The commitments of a text whose checkable things are known."""
    found: dict[tuple[int, str], Commitment] = {}
    for p in phrases:
        for c in (*_remedies(text, things, p, today), *_duties(text, things, p, today)):
            found.setdefault((c.start, c.action), c)
    given = {c.start for c in found.values() if c.remedy}
    kept = (c for c in found.values() if c.remedy or c.start not in given)
    return tuple(sorted((replace(c, start=c.start + _blank(text.raw, c.start)) for c in kept), key=lambda c: c.start))


def _blank(raw: str, start: int) -> int:
    """How many blanks stand before a sentence."""
    return len(raw[start:]) - len(raw[start:].lstrip())


# --- remedies -------------------------------------------------------------------------------------------------------


def _remedies(text: Text, things: Sequence[Thing], p: Phrases, today: date) -> Iterator[Commitment]:
    named = [(m.start, m.end) for m in text.find(p.remedy)]
    given = list(_given(text, named, p))
    for start, end in named:
        direct = next((g for g in given if g[0] < end and start < g[1]), None)
        if gives(text, (start, end), direct, p):
            action = next((name for name, r in p.remedies.items() if text.has(r, start, end)), "refund")
            made = _commitment(action, text, text.sentence(start), things, today)
            yield replace(made, remedy=True, outright=direct is not None)


def _given(text: Text, named: Sequence[tuple[int, int]], p: Phrases) -> Iterator[tuple[int, int]]:
    """Where a remedy is given outright; looked for around the remedies only, over the end of a sentence that a line break makes."""
    upto = 0
    for start, end in named:
        if start < upto:
            continue
        begin = max(upto, text.sentence(max(0, text.sentence(start)[0] - 2))[0])
        upto = text.sentence(min(len(text.raw), text.sentence(end)[1] + 2))[1]
        yield from ((m.start, m.end) for m in text.find(p.gives, begin, upto))


def gives(text: Text, remedy: tuple[int, int], direct: tuple[int, int] | None, p: Phrases) -> bool:
    """Whether a sentence that names a remedy gives it, rather than denying it, leaving it open or telling a wish."""
    folded = text.folded
    start = min(direct[0], remedy[0]) if direct else remedy[0]
    begin, end = text.clause(start)[0], text.clause(remedy[1] - 1)[1]
    if direct and told(text, direct[0], p):
        return False
    if text.has(p.negations, begin, min(end, remedy[1] + _NOT_AFTER)):
        return False
    if direct:
        return True
    first = text.sentence(start)[0]
    before = text.clause(max(first, begin - 2))[0]
    if _SUBCLAUSE.match(folded, begin):
        before = first
    joined = folded[before:begin].rstrip().endswith(_JOINTS)
    if joined and text.has(p.negations, before, begin):
        return False
    return not (text.has(p.restated, before, end) or text.has(p.open, before, end))


_SUBCLAUSE: Final = re.compile(r" *(?:that|dass|que|che|dat)\b")
_JOINTS: Final = (" and", " or", " und", " oder", " et", " y", " e", " en")
_NOT_AFTER: Final = 40
"""How far behind a remedy a "not" still denies it."""
_SAYS_THAT: Final = re.compile(
    r'(?:[ ,:"]*(?:(?:telling|letting|writing|saying|to say|informing|us|me|to|know|hinweis|nachricht|mitteilung)[ ,]*){0,3}'
    r"(?:what|whether|ob|if|when|wann|how|wie|why|warum|se|si|[^;:.]*\b(?:that(?!'s| is | means | way )|dass|que|che|dat))\b(?:[^,;:.]|[.,](?=\d)){0,40})$"
)
_TOLD: Final = re.compile(r"(?:told|promised|expected|hoped|hope|expect|versprochen|zugesagt|gehofft)$")
_AS: Final = re.compile(r"(?:as|like|since|because|wie|weil|da|comme|como|come|zoals) $")


def told(text: Text, at: int, p: Phrases) -> bool:
    """Whether what begins at `at` is only what the customer says, hopes or was told."""
    folded = text.folded
    for m in text.find(p.restated, text.sentence(at)[0], at):
        between = folded[m.end : at]
        reported = _SAYS_THAT.match(between) or (
            _TOLD.search(m.words) and len(between) < _TOLD_REACH and "," not in between
        )
        if reported and not _AS.search(folded, max(0, m.start - 9), m.start):
            return True
    return False


_TOLD_REACH: Final = 25


# --- duties ---------------------------------------------------------------------------------------------------------

_WITHIN: Final = re.compile(
    r"(?:within|in|in the next|over the next|after|under|less than|innerhalb|innerhalb von|innerhalb der nachsten|binnen|nach|sous|dans|en|dentro de|"
    r"entro|tra|em|over|in den nachsten|in weniger als|spatestens nach)(?: the| next| about| around| etwa| ca\.?| a| an| the next)* ?$"
)


def _duties(text: Text, things: Sequence[Thing], p: Phrases, today: date) -> Iterator[Commitment]:
    """Sentences that commit the store and name a day to come, a period or a sum."""
    folded, seen = text.folded, set[tuple[int, int]]()
    for m in text.find(p.commits):
        sentence = text.sentence(m.start)
        if sentence in seen or text.has(p.remedy, m.start, m.end):
            continue
        begin, end = text.clause(m.start)
        if text.has(p.negations, begin, end) or told(text, m.start, p):
            continue
        near = [t for t in things if sentence[0] <= t.start < sentence[1] and not _wished(text, t.start, p)]
        bound = [
            t for t in near if t.kind == "amount" or (_to_come(t, folded, today) and not _denied(text, t.start, p))
        ]
        if bound:
            seen.add(sentence)
            action = next((name for name, d in p.duties.items() if text.has(d, *sentence)), "other")
            yield _commitment(action, text, sentence, bound, today)


def _wished(text: Text, at: int, p: Phrases) -> bool:
    """Whether a thing stands in a clause that tells the customer's own words."""
    return text.has(p.restated, text.clause(at)[0], at)


def _denied(text: Text, at: int, p: Phrases) -> bool:
    """Whether a thing stands in a clause that says no ("I cannot tell you today")."""
    return text.has(p.negations, *text.clause(at))


def _to_come(t: Thing, folded: str, today: date) -> bool:
    """Whether a thing is a day or hour to come, or a period counted from now."""
    if t.kind == "date":
        day = t.value[:10]
        return not re.fullmatch(r"\d{4}-\d\d-\d\d", day) or day >= today.isoformat()
    return t.kind == "time" or (t.kind == "duration" and bool(_WITHIN.search(folded, max(0, t.start - 30), t.start)))


def _commitment(action: str, text: Text, sentence: tuple[int, int], things: Sequence[Thing], today: date) -> Commitment:
    inside = [t for t in things if sentence[0] <= t.start < sentence[1]]
    amount = next((t.value for t in inside if t.kind == "amount"), "")
    number, _, currency = amount.partition(" ")
    days = [t.value[:10] for t in inside if t.kind == "date" and re.fullmatch(r"\d{4}-\d\d-\d\d", t.value[:10])]
    due = next((date.fromisoformat(d) for d in days if d >= today.isoformat()), None)
    return Commitment(
        action=action,
        text=text.raw[sentence[0] : sentence[1]].strip(),
        start=sentence[0],
        end=sentence[1],
        amount=Money(Decimal(number), currency) if number else None,
        due=due,
        within=next((t.value for t in inside if t.kind == "duration"), "") if due is None else "",
        weekday=next((int(t.value[-1]) for t in inside if t.kind == "date" and t.value.startswith("weekday ")), None),
        hour=next((t.value for t in inside if t.kind == "time"), ""),
    )


def falls_due(c: Commitment, made_at: datetime, calendar: Calendar, zone: str) -> datetime | None:
    """The instant by which a promise has to be kept, in UTC; None when the sentence names no time.

    A day without a time ends at `END_OF_DAY` in the store's zone; business days are those of the calendar.
    """
    local = made_at.astimezone(ZoneInfo(zone))
    day = c.due
    if day is None and c.weekday is not None:
        day = local.date() + timedelta(days=(c.weekday - local.weekday()) % 7)
    if day is None and c.within:
        return _period_ends(c.within, made_at, calendar)
    if day is None:
        day = local.date() if c.hour else None
    if day is None:
        return None
    at = time.fromisoformat(c.hour) if re.fullmatch(r"\d\d:\d\d", c.hour) else END_OF_DAY
    return datetime.combine(day, at, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _period_ends(within: str, made_at: datetime, calendar: Calendar) -> datetime | None:
    number, _, unit = within.partition(" ")
    if not re.fullmatch(r"\d{1,4}", number):
        return None
    if unit == "business_day":
        return add_business_days(calendar, made_at, int(number))
    step = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1),
            "month": timedelta(days=30), "year": timedelta(days=365)}.get(unit)  # fmt: skip
    return None if step is None else made_at.astimezone(UTC) + int(number) * step


def backed_by_policy(text: Text, c: Commitment, lines: Iterable[tuple[str, Text]], p: Phrases, least: int = 3) -> str:
    """Id of the policy line that a sentence tells: it names the same remedy, keeps the line's condition and shares its words."""
    said = _stems(text.folded[c.start : c.end], p)
    for name, line in lines:
        stems = _stems(line.folded, p)
        remedy = p.remedies.get(c.action)
        shared = said & stems
        if len(shared) < least or len(shared) < _SHARED * len(said) or (remedy and not line.has(remedy)):
            continue
        general = not c.outright and c.remedy and len(shared) >= _GENERAL * len(said)
        if line.has(p.conditions) and not general and not _same_condition(text, c, stems, p):
            continue
        return name
    return ""


_GENERAL: Final = 0.75
"""A sentence that gives nothing outright and has so large a share of the line's words only tells how things are."""
_SHARED: Final = 0.34
"""Share of a sentence's words that a policy line must have for the sentence to tell that line."""


def _same_condition(text: Text, c: Commitment, stems: frozenset[str], p: Phrases) -> bool:
    """Whether a sentence sets a condition in words of the policy line."""
    return any(
        stems & _stems(text.folded[m.end : text.clause(m.end)[1]], p) for m in text.find(p.conditions, c.start, c.end)
    )


_STEM: Final = re.compile(r"[^\W\d_]{4,}")


@lru_cache(maxsize=1024)
def _stems(folded: str, p: Phrases) -> frozenset[str]:
    """The first five letters of the words that carry meaning."""
    return frozenset(w[:5] for w in _STEM.findall(folded) if w not in p.stopwords)
