"""Rows of another library's own tests, asked of the desk's clock: `python -m evals.clock_check --oracle FILE`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NaiveDatetime, ValidationError, field_validator

from agent import clock
from agent.clock import Calendar, Day
from evals.clock_oracle import TICK, instant, ticks, timeline
from evals.errors import DatasetError

UNITS = {"second": timedelta(seconds=1), "minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
_MOST = 100_000
"""Units in a row, at most."""
_YEARS = 1970, 2100
FLOATING = "floating"
"""A calendar without a zone; its times are read as UTC."""


class RowCalendar(BaseModel):
    """Windows by weekday as pairs of local times, and closed dates."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    timezone: str
    hours: Mapping[Day, Sequence[tuple[str, str]]]
    holidays: Sequence[date] = ()


class Row(BaseModel):
    """One answer of another library: `n` units after, or before, a local start."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: str
    source: str
    name: str
    calendar: RowCalendar
    start: NaiveDatetime
    op: str
    n: int = Field(ge=-_MOST, le=_MOST)
    unit: Literal["second", "minute", "hour", "day"]
    expected: NaiveDatetime
    recomputed_ok: bool | None = None
    """Whether whoever collected the row found the same answer by other means."""

    @field_validator("start", "expected")
    @classmethod
    def _near(cls, at: datetime) -> datetime:
        if not _YEARS[0] <= at.year <= _YEARS[1]:
            raise ValueError(f"the year lies outside {_YEARS[0]} to {_YEARS[1]}")
        return at

    @property
    def zone(self) -> str:
        """The zone of start and answer."""
        return "UTC" if self.calendar.timezone == FLOATING else self.calendar.timezone

    @property
    def applies(self) -> bool:
        """Whether the desk has this operation; it never counts backwards."""
        return self.op == "after" and self.n >= 0

    @property
    def question(self) -> str:
        """All but the answer."""
        return self.model_dump_json(include={"calendar", "start", "op", "n", "unit"})

    def read(self) -> tuple[Calendar, datetime, datetime]:
        """The calendar as the desk has it, the start and the answer."""
        windows = {day: ["-".join(pair) for pair in pairs] for day, pairs in self.calendar.hours.items()}
        fields = {"time_zone": self.zone, "windows": windows, "closures": list(self.calendar.holidays)}
        calendar = Calendar.model_validate(fields)
        start, expected = (at.replace(tzinfo=calendar.zone).astimezone(UTC) for at in (self.start, self.expected))
        return calendar, start, expected


class Verdict(StrEnum):
    """How the desk's answer to a row compares."""

    SAME = "the same instant"
    CLOSED_TIME = "the same but for closed time"
    CONTRADICTED = "different, as another row to the same question is"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with the desk's answer, in the row's zone."""

    row: Row
    answer: datetime
    laid_out: datetime
    """The answer of the calendar laid out."""
    verdict: Verdict


def load(path: Path) -> list[Row]:
    """The rows of a file.

    Raises:
        DatasetError: the file is no text, or a line is no row.

    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise DatasetError(f"{path} is no text in UTF-8; save it as one.") from None
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(Row.model_validate_json(line))
            rows[-1].read()
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            raise DatasetError(f"{path}, line {number}: {where}: {first['msg']}; correct that line.") from None
    return rows


def judge(rows: Sequence[Row]) -> list[Judged]:
    """The desk's answer to every row that applies, and how it compares."""
    answers: defaultdict[str, set[datetime]] = defaultdict(set)
    for row in rows:
        answers[row.question].add(row.read()[2])
    return [_judged(row, answers[row.question]) for row in rows if row.applies]


def _judged(row: Row, answers: set[datetime]) -> Judged:
    calendar, start, expected = row.read()
    amount = row.n if row.unit == "day" else row.n * UNITS[row.unit]
    if isinstance(amount, int):
        answer = clock.add_business_days(calendar, start, amount)
    else:
        answer = clock.add_working_time(calendar, start, amount)
    line, at = timeline(calendar, start.year - 1, max(expected.year, answer.year) + 1), np.array([ticks(start)])
    if isinstance(amount, int):
        laid_out = line.add_business_days(at, np.array([amount]))
    else:
        laid_out = line.add_working_time(at, np.array([amount // TICK]))
    ours, theirs = line.position(np.array([ticks(answer), ticks(expected)])).tolist()
    if answer == expected:
        verdict = Verdict.SAME
    elif ours == theirs:
        verdict = Verdict.CLOSED_TIME
    else:
        verdict = Verdict.CONTRADICTED if answer in answers else Verdict.DIFFERENT
    local = ZoneInfo(row.zone)
    return Judged(row, answer.astimezone(local), instant(int(laid_out[0])).astimezone(local), verdict)


def report(rows: Sequence[Row], judged: Sequence[Judged]) -> str:
    """Counts by verdict, and every row on which the clocks differ."""
    counts = Counter(x.verdict for x in judged)
    lines = [f"{len(rows)} rows, of which {len(judged)} are asked: `after`, counting forward"]
    lines += [f"{counts[verdict]:>6}  {verdict}" for verdict in Verdict]
    lines.append(
        f"{sum(x.laid_out != x.answer for x in judged):>6}  on which the calendar laid out differs from the desk"
    )
    for x in judged:
        if x.verdict not in {Verdict.SAME, Verdict.CLOSED_TIME} or x.laid_out != x.answer:
            asked = f"{x.row.n} {x.row.unit} after {x.row.start.isoformat()}"
            lines += [
                f"\n{x.row.id}: {x.row.name}",
                f"  {asked}: {x.verdict}",
                f"  row       {x.row.expected.isoformat()}",
            ]
            lines += [f"  desk      {x.answer.isoformat()}", f"  laid out  {x.laid_out.isoformat()}"]
    return "\n".join(lines)
