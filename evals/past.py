"""The past as typed records: what a row of an export says of one escalation, and what it leaves open. Texts stay out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, TypeAlias, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from evals.instants import Evidence, Order, read
from evals.rows import Row, RowMapping, renamed
from evals.zendesk import is_ticket, ours, path_value

StepKind: TypeAlias = Literal["status", "team", "person", "message", "reply", "reopened", "note"]
Keyed: TypeAlias = Callable[[str], str]
"""A keyed hash: the same for the same id, and nobody without the key finds the id in it."""
Known: TypeAlias = Mapping[str, frozenset[str]]
"""Field (`issue_type`, `severity`, `team`) -> the words of the store's pack."""

INSTANTS: Final = ("opened_at", "first_reply_at", "resolved_at")
STAFF: Final = frozenset({"staff", "agent", "support"})
KINDS: Final[Mapping[str, StepKind]] = {
    "status": "status", "team": "team", "person": "person", "assigned": "person", "message": "message",
    "reply": "reply", "reopened": "reopened", "note": "note",
}  # fmt: skip
FIELDS: Final = frozenset({
    "id", *INSTANTS, "reopened_at", "reopens", "touches", "issue_type", "severity", "team", "primary_team", "channel",
    "satisfaction", "complaint", "error", "cost", "currency", "steps", "messages", "status",
})  # fmt: skip
"""What is read of a row."""
UNUSED: Final = frozenset({
    "lang", "flags", "human_lead", "collaborators", "customer", "order_ref", "products", "text", "remedy", "outcome",
    "aftermath",
})  # fmt: skip
"""Fields of a history of precedents that no measure needs."""


class PastMapping(RowMapping):
    """How an export becomes past escalations."""

    dates: Order | None = None
    """Whether the day or the month comes first in dates such as 03/04/2026."""
    zone: str | None = None
    """Where instants without a zone were written; the store's own zone when left out."""
    marks: dict[Literal["complaint", "error"], tuple[str, ...]] = Field(
        default_factory=dict[Literal["complaint", "error"], tuple[str, ...]]
    )
    """Tags that mean a complaint about the answer, or an error of the store."""

    @field_validator("zone")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        try:
            return ZoneInfo(name).key if name else None
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"unknown time zone `{name}`") from None


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a case."""

    at: datetime
    kind: StepKind
    value: str = ""
    """The status, team or person that it came to."""
    who: str = ""
    """Who did it, by keyed hash or by an id of the desk; "" when nobody says."""


@dataclass(frozen=True, slots=True)
class PastCase:
    """One escalation as it went; None and "" mean that nothing tells it."""

    id: str
    """Keyed hash of its id elsewhere."""
    opened: datetime
    first_reply: datetime | None = None
    resolved: datetime | None = None
    """The last time; None while it is open."""
    reopened: tuple[datetime, ...] = ()
    reopens: int | None = None
    """How often it came back."""
    touches: int | None = None
    """How often somebody of the store wrote or noted something."""
    issue_type: str = ""
    severity: str = ""
    team: str = ""
    channel: str = ""
    satisfaction: int | None = None
    """1 to 5."""
    complaint: bool | None = None
    """The customer complained about how it was answered."""
    error: bool | None = None
    """The store found a mistake in how it was handled."""
    cost: Decimal | None = None
    currency: str = ""
    steps: tuple[Step, ...] = ()
    """In order of time, without opening and resolution."""


@dataclass(frozen=True, slots=True)
class RowNote:
    """What was found in one row."""

    line: int
    what: str


@dataclass(slots=True)
class Report:
    """What became of every row."""

    rows: int = 0
    rejected: list[RowNote] = field(default_factory=list[RowNote])
    noted: list[RowNote] = field(default_factory=list[RowNote])
    """Rows that were taken with something found out, left out or missing."""
    twice: list[RowNote] = field(default_factory=list[RowNote])
    """Rows that say the same as an earlier one; each counts once."""
    unused: Counter[str] = field(default_factory=Counter[str])
    """Columns that nothing is read from."""

    @property
    def kinds(self) -> Counter[str]:
        """How many rows each remark was made on."""
        return Counter(note.what for note in self.noted)


class _Unusable(ValueError):
    """Why a row is rejected."""


class Reader:
    """Reads rows into past escalations and keeps account of them."""

    def __init__(self, known: Known, keyed: Keyed, zone: str, mapping: PastMapping | None = None) -> None:
        self.report = Report()
        self._known, self._keyed, self._mapping = known, keyed, mapping
        self._zone = ZoneInfo((mapping and mapping.zone) or zone)
        self._order: Order | None = mapping.dates if mapping else None
        self._seen: dict[str, tuple[int, bytes]] = {}

    def look(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Find out from all rows whether their dates have the day or the month first."""
        if self._order is not None:
            return
        found = Evidence()
        for _, row in rows:
            if not isinstance(row, str):
                for value in row.values():
                    found.see(value)
        self._order = found.order

    def take(self, line: int, row: Row) -> PastCase | None:
        """One more row; None when it is rejected or says nothing new."""
        self.report.rows += 1
        notes: list[str] = []
        try:
            if isinstance(row, str):
                raise _Unusable(row)
            given = self._fields(row)
            case = self._case(given, notes)
            if not self._new(line, case, given):
                return None
        except _Unusable as reason:
            self.report.rejected.append(RowNote(line, str(reason)))
            return None
        self.report.noted += [RowNote(line, note) for note in dict.fromkeys(notes)]
        return case

    # --- one row -------------------------------------------------------------------------------------------------------

    def _fields(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row in our words."""
        mapping, given = self._mapping, dict[str, Any]()
        if is_ticket(row):
            given = ours(row, mapping.marks if mapping else {})
            if mapping:
                given |= {
                    our: v for our, path in mapping.fields.items() if (v := path_value(row, path)) not in (None, "")
                }
                given = {k: mapping.values.get(k, {}).get(str(v), v) for k, v in given.items()}
                given = {**mapping.defaults, **{k: v for k, v in given.items() if v not in (None, "")}}
            return given
        given = renamed(row, mapping)
        used = set(mapping.fields.values()) if mapping else set[str]()
        self.report.unused.update(
            name for name in row if name not in used and name.partition(".")[0] not in FIELDS | UNUSED
        )
        return given

    def _case(self, given: Mapping[str, Any], notes: list[str]) -> PastCase:
        times = {name: self._instant(name, given.get(name), notes) for name in INSTANTS}
        opened, first, resolved = (times[name] for name in INSTANTS)
        if opened is None:
            raise _Unusable("opened_at: nothing says when it was opened; add it, or name its column in the mapping")
        if resolved is not None and resolved < opened:
            raise _Unusable("resolved_at lies before opened_at; correct one of the two")
        if first is not None and first < opened:
            raise _Unusable("first_reply_at lies before opened_at; correct one of the two")
        if resolved is None and str(given.get("status", "")).lower() in {"solved", "closed", "resolved"}:
            raise _Unusable("it is resolved, and nothing says when; export it with the instant of the resolution")
        if first is not None and resolved is not None and resolved < first:
            notes.append("resolved before the first reply")
        steps = sorted(self._steps(given, opened, notes), key=lambda step: step.at)
        if first is None:
            first = next((step.at for step in steps if step.kind == "reply" and step.at > opened), None)
        back = tuple(step.at for step in steps if step.kind == "reopened")
        if back and resolved is not None and back[-1] >= resolved:
            notes.append("reopened after its resolution, and nothing says when that ended: read as open")
            resolved = None
        reopens = self._number(given, "reopens", notes)
        touched = self._number(given, "touches", notes)
        if touched is None and "messages" in given:
            touched = sum(step.kind in {"reply", "note"} for step in steps)
        cost, currency = self._cost(given, notes)
        return PastCase(
            id=self._keyed(str(given.get("id") or f"{opened.isoformat()} {sorted(map(str, given.items()))}")),
            opened=opened, first_reply=first, resolved=resolved, reopened=back,
            reopens=len(back) if reopens is None and back else reopens, touches=touched,
            issue_type=self._word("issue_type", given.get("issue_type"), notes),
            severity=self._word("severity", given.get("severity"), notes),
            team=self._word("team", given.get("primary_team") or given.get("team"), notes),
            channel=str(given.get("channel") or "")[:40], satisfaction=self._satisfaction(given, notes),
            complaint=_yes(given.get("complaint")), error=_yes(given.get("error")), cost=cost, currency=currency,
            steps=tuple(steps),
        )  # fmt: skip

    def _instant(self, name: str, value: Any, notes: list[str]) -> datetime | None:
        found = read(value, self._zone, self._order)
        if found.problem:
            raise _Unusable(f"{name}: {found.problem}")
        notes += [f"{name}: {_NOTES[note]}" for note in found.note.split(", ") if note]
        return found.at

    def _steps(self, given: Mapping[str, Any], opened: datetime, notes: list[str]) -> list[Step]:
        found: list[Step] = []
        for one in _rows(given.get("steps")):
            kind = KINDS.get(str(one.get("kind", "")))
            at = self._instant("steps.at", one.get("at"), notes)
            if kind is None or at is None:
                notes.append("steps: one without a known kind or an instant, left out")
                continue
            value = str(one.get("value") or one.get("status") or one.get("team") or "")[:64]
            found.append(
                Step(at, kind, self._person(value) if kind == "person" else value, self._person(one.get("who")))
            )
        for one in _rows(given.get("messages"))[:]:
            at = self._instant("messages.at", one.get("at"), notes)
            if at is None:
                continue
            staff = str(one.get("from") or one.get("author") or "customer") in STAFF
            kind = "message" if not staff else "note" if one.get("public") is False else "reply"
            if staff or at > opened:
                found.append(Step(at, kind, "", self._person(one.get("who")) if staff else ""))
        back = given.get("reopened_at")
        listed = cast("list[Any]", back.split(";") if isinstance(back, str) else back if isinstance(back, list) else [])
        instants = (self._instant("reopened_at", value, notes) for value in listed)
        found += [Step(at, "reopened") for at in instants if at is not None]
        if early := sum(step.at < opened for step in found):
            notes.append(f"steps: {early} from before it was opened, left out")
        return [step for step in found if step.at >= opened]

    def _person(self, name: Any) -> str:
        return f"person_{self._keyed(str(name))[:10]}" if name not in (None, "") else ""

    def _word(self, name: str, value: Any, notes: list[str]) -> str:
        word = str(value or "").strip()
        if not word:
            notes.append(f"{name}: not told")
        elif word in self._known.get(name, frozenset()):
            return word
        else:
            notes.append(f"{name}: {word[:40]!r} is not in the pack, left out; map it")
        return ""

    def _number(self, given: Mapping[str, Any], name: str, notes: list[str]) -> int | None:
        value = given.get(name)
        if value in (None, "") or str(value).lower() in {"n/a", "na", "none"}:
            return None
        try:
            number = int(float(str(value)))
        except (ValueError, OverflowError):
            number = -1
        if not 0 <= number <= 10**6:
            notes.append(f"{name}: not a number that can be, left out")
            return None
        return number

    def _satisfaction(self, given: Mapping[str, Any], notes: list[str]) -> int | None:
        number = self._number(given, "satisfaction", notes)
        if number is not None and not 1 <= number <= 5:
            notes.append("satisfaction: not from 1 to 5, left out")
            return None
        return number

    def _cost(self, given: Mapping[str, Any], notes: list[str]) -> tuple[Decimal | None, str]:
        value, currency = given.get("cost"), str(given.get("currency") or "")
        if isinstance(value, dict):
            parts = cast("dict[str, Any]", value)
            value, currency = parts.get("amount"), str(parts.get("currency") or currency)
        if value in (None, ""):
            return None, ""
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            amount = Decimal(-1)
        if not amount.is_finite() or not 0 <= amount <= 10**9 or len(currency) != 3:
            notes.append("cost: no amount with a currency, left out")
            return None, ""
        return amount, currency.upper()

    def _new(self, line: int, case: PastCase, given: Mapping[str, Any]) -> bool:
        """Whether the row is the first of its id.

        Raises:
            _Unusable: another row has the same id and says something else.

        """
        digest = hashlib.blake2b(repr(case).encode(), digest_size=12).digest()
        before = self._seen.setdefault(case.id, (line, digest))
        if before[0] == line:
            return True
        if before[1] == digest:
            self.report.twice.append(RowNote(line, f"the same as line {before[0]}"))
            return False
        raise _Unusable(
            f"id {str(given.get('id'))[:40]!r} stands on line {before[0]} with other content; keep one of the two"
        )


_NOTES: Final = {
    "placeholder": "a placeholder, read as not known",
    "day first": "read with the day first",
    "month first": "read with the month first",
    "no zone": "without a zone, read in the zone of the file",
}


def _rows(value: Any) -> list[Mapping[str, Any]]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", item) for item in items if isinstance(item, dict)]


def _yes(value: Any) -> bool | None:
    word = str(value).strip().lower() if value is not None else ""
    return True if word in {"true", "yes", "1", "y"} else False if word in {"false", "no", "0", "n"} else None


# --- kept ------------------------------------------------------------------------------------------------------------


def as_body(case: PastCase) -> dict[str, Any]:
    """What is kept of a case besides its instants and labels: plain data; steps by seconds since it was opened."""
    return {
        "reopens": case.reopens, "touches": case.touches, "channel": case.channel, "satisfaction": case.satisfaction,
        "complaint": case.complaint, "error": case.error, "cost": None if case.cost is None else str(case.cost),
        "currency": case.currency,
        "steps": [[(s.at - case.opened).total_seconds(), s.kind, s.value, s.who] for s in case.steps],
    }  # fmt: skip


def of_body(id_: str, instants: Sequence[datetime | None], labels: Sequence[str], body: Mapping[str, Any]) -> PastCase:
    """A case from what was kept.

    Args:
        id_: its keyed hash.
        instants: opened, first reply, resolved.
        labels: issue type, severity, team.
        body: as `as_body` makes it.

    """
    opened, first, resolved = instants
    assert opened is not None  # noqa: S101 - a row without it is never taken
    opened = opened.astimezone(UTC)
    steps = tuple(Step(opened + timedelta(seconds=at), kind, value, who) for at, kind, value, who in body["steps"])
    cost = body["cost"]
    return PastCase(
        id=id_, opened=opened, first_reply=first, resolved=resolved,
        reopened=tuple(step.at for step in steps if step.kind == "reopened"), reopens=body["reopens"],
        touches=body["touches"], issue_type=labels[0], severity=labels[1], team=labels[2], channel=body["channel"],
        satisfaction=body["satisfaction"], complaint=body["complaint"], error=body["error"],
        cost=None if cost is None else Decimal(cost), currency=body["currency"], steps=steps,
    )  # fmt: skip
