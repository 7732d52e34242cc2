"""Compares what the desk told with what had to be told, after every look of a sweeper: the judge of `api.simulation`."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, RowMapping, func, literal_column, select

from agent.directory import Directory
from agent.sla import Sla
from api.simulation_truth import Entry, Told, Truth, channels, read_log, recipients
from api.store.columns import NEVER
from api.store.tables import cases, events, notices, outbox

_LATE = timedelta(seconds=5)
_SHOWN = 20


@dataclass(slots=True)
class Score:
    """What came of the comparison."""

    told: int = 0
    missed: int = 0
    double: int = 0
    wrong: int = 0
    """Told without reason, to others than those concerned, or with an instant that is not the true one."""
    late_by_downtime: int = 0
    """Fell due while nothing swept, and was told with its true instant afterwards."""
    late_by_news: int = 0
    """Fell due by what was told to the desk later: a message handed in late, a target made shorter."""
    letters: int = 0
    examples: list[str] = field(default_factory=list[str])

    @property
    def faults(self) -> int:
        """Everything that must not be."""
        return self.missed + self.double + self.wrong

    def fault(self, kind: str, what: str) -> None:
        """Count one fault and keep it to be shown."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.examples) < _SHOWN:
            self.examples.append(f"{kind}: {what}")


@dataclass(slots=True)
class _Case:
    log: list[Entry] = field(default_factory=list[Entry])
    events: int = 0
    seen: int = -1
    """Events of `log` that had happened when `truth` was worked out."""
    truth: Truth | None = None
    whole: Truth | None = None
    """The same of all events, those too that were written while the clock was ahead."""
    known: dict[tuple[Told, datetime], datetime] = field(default_factory=dict[tuple[Told, datetime], datetime])
    """Since when the log has brought a mark."""
    told: dict[Told, datetime] = field(default_factory=dict[Told, datetime])


class Watch:
    """Follows the cases of one store that are alive."""

    def __init__(self, directory: Directory, fallback: str, versions: Mapping[str, Sla]) -> None:
        self.versions = versions
        self.score = Score()
        self.alive: dict[str, _Case] = {}
        self._directory, self._fallback = directory, fallback
        self._notice = self._letter = 0

    def follow(self, case_id: str) -> None:
        """A case begins."""
        self.alive[case_id] = _Case()

    def drop(self, case_id: str) -> None:
        """Nothing more happens to a case."""
        del self.alive[case_id]

    def settled(self, case_id: str, now: datetime) -> bool:
        """Whether all that a case brings lies behind."""
        case = self.alive[case_id]
        ahead = case.truth is None or any(at > now for at in case.truth.marks.values())
        return not ahead and case.seen == len(case.log)

    def refresh(self, conn: Connection, now: datetime) -> None:
        """Read what happened to the cases."""
        query = (
            select(events.c.case_id, func.count()).where(events.c.case_id.in_(self.alive)).group_by(events.c.case_id)
        )
        for case_id, count in conn.execute(query).tuples():
            case = self.alive[case_id]
            if case.events != count:
                case.log, case.events, case.seen = read_log(conn, case_id), count, -1
        for case in self.alive.values():
            happened = bisect_right(case.log, now, key=lambda entry: entry.at)
            if happened != case.seen:
                case.seen = happened
                case.truth = Truth(case.log[:happened], self.versions) if happened else None
                case.whole = case.truth if happened == len(case.log) else Truth(case.log, self.versions)
                known, case.known = case.known, {}
                for mark in case.truth.marks.items() if case.truth else ():
                    case.known[mark] = known.get(mark, now)

    def next_stop(self, now: datetime) -> datetime | None:
        """When the next threshold is reached, or an event happens that was written while the clock was ahead."""
        marks = (at for case in self.alive.values() if case.truth for at in case.truth.marks.values() if at > now)
        to_come = (entry.at for case in self.alive.values() for entry in case.log[max(case.seen, 0) :])
        return min((*marks, *to_come), default=None)

    def look(self, conn: Connection, now: datetime, *, drained: bool) -> None:
        """Judge what was told since the last look; `drained` says that a sweeper found nothing left to do."""
        self.refresh(conn, now)
        key = literal_column("notices.rowid", Integer).label("place")
        rows = conn.execute(select(key, notices).where(key > self._notice).order_by(key)).mappings().all()
        self._notice = rows[-1]["place"] if rows else self._notice
        groups: dict[tuple[str, Told], list[RowMapping]] = defaultdict(list)
        for row in (row for row in rows if row["case_id"] in self.alive):
            groups[row["case_id"], (row["clock"], row["threshold"])].append(row)
        to_write: Counter[tuple[str, ...]] = Counter()
        for (case_id, told), found in groups.items():
            self._judge(conn, case_id, told, found, now)
            to_write += self._letters_of(case_id, told, found)
        self._compare_letters(conn, to_write)
        if drained:
            self._missing(now)

    def _judge(self, conn: Connection, case_id: str, told: Told, rows: Sequence[RowMapping], now: datetime) -> None:
        case, score, text = self.alive[case_id], self.score, f"{case_id} {told[0]} {told[1]} % at {now}"
        score.told += 1
        if told in case.told:
            score.fault("double", f"{text}, told before at {case.told[told]}")
        case.told[told] = now
        at = case.truth.marks.get(told) if case.truth else None
        if at is None or at > now:
            score.fault("wrong", f"{text}: due {at}")
            return
        team = conn.execute(select(cases.c.primary_team).where(cases.c.id == case_id)).scalar_one()
        wanted = recipients(self._directory, *told, team, self._fallback)
        if sorted(row["recipient"] for row in rows) != sorted(wanted):
            score.fault("wrong", f"{text}: told {[row['recipient'] for row in rows]}, not {wanted}")
        if any((row["due_at"], row["fired_at"], row["late"]) != (at, now, now - at > _LATE) for row in rows):
            score.fault("wrong", f"{text}: {[(row['due_at'], row['fired_at'], row['late']) for row in rows]}, due {at}")
        if now - at > _LATE:
            by_news = case.known[told, at] > at + _LATE
            score.late_by_news += by_news
            score.late_by_downtime += not by_news

    def _letters_of(self, case_id: str, told: Told, rows: Sequence[RowMapping]) -> Counter[tuple[str, ...]]:
        """What must have been posted for one threshold."""
        mark = (case_id, told[0], str(told[1]))
        found = Counter((name, *mark) for name in channels(self._directory, (row["recipient"] for row in rows)))
        if not told[0].startswith("team_ack"):
            event = "sla.breached" if told[1] >= 100 else "sla.at_risk"
            found.update((f"{name} {event}", *mark) for name in self._directory.listeners(event))
        return found

    def _compare_letters(self, conn: Connection, wanted: Counter[tuple[str, ...]]) -> None:
        key = literal_column("outbox.rowid", Integer).label("place")
        rows = conn.execute(select(key, outbox).where(key > self._letter).order_by(key)).mappings().all()
        self._letter = rows[-1]["place"] if rows else self._letter
        found: Counter[tuple[str, ...]] = Counter()
        for row in (row for row in rows if row["payload"]["case"] in self.alive):
            found.update((name, row["payload"]["case"], *mark) for name, mark in _marks(row))
        self.score.letters += found.total()
        for told in (found - wanted).elements():
            self.score.fault("double" if wanted[told] else "wrong", f"letter {told}")
        for told in (wanted - found).elements():
            self.score.fault("missed", f"letter {told}")

    def _missing(self, now: datetime) -> None:
        """After a step back, what the log has settled in the meantime need not be told: only what both bring is missed."""
        for case_id, case in self.alive.items():
            settled = case.whole.marks if case.whole else {}
            for told, at in case.truth.marks.items() if case.truth else ():
                if max(at, settled.get(told, NEVER)) <= now and told not in case.told:
                    self.score.fault("missed", f"{case_id} {told[0]} {told[1]} %, due {at}, not told at {now}")
                    case.told[told] = now


def _marks(row: RowMapping) -> list[tuple[str, tuple[str, str]]]:
    """Channel, clock and percent of what a letter tells about clocks."""
    payload: Mapping[str, Any] = row["payload"]
    if payload["kind"] == "clocks":
        return [(row["channel"], (item["clock"], str(item["percent"]))) for item in payload["clocks"]]
    if str(payload.get("type", "")).startswith("sla."):
        return [(f"{row['channel']} {payload['type']}", (payload["clock"], str(payload["percent"])))]
    return []
