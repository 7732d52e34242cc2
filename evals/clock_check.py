"""Checks the desk's clock against two that count by other means: `python -m evals.clock_check`.

Draws calendars of all kinds and starts from 2024 to 2032, most of them near clock changes, window edges and leap days, and
compares every answer with a calendar laid out at once; of those within reach, some are also walked to, by seconds and by
minutes. `--oracle FILE` compares rows of another library instead: lines with `calendar` (`timezone`, `hours`, `holidays`),
`start`, `op`, `n`, `unit` and `expected`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from agent import clock
from agent.clock import Calendar, ClosedForeverError
from evals import clock_rows
from evals.clock_draw import HARD_ZONES, Drawn, draw, every_zone, lay_out
from evals.clock_oracle import EPOCH, TICK, Ints, Walker, instant, ticks
from evals.clock_rows import Verdict
from evals.errors import BeyondRangeError, EvalsError

WORKING_TIME, BUSINESS_DAYS = "working time", "business days"
OPERATIONS = WORKING_TIME, BUSINESS_DAYS
DESK, LAID_OUT, WALKED = "desk", "laid out", "walked"
_A_CALENDAR = 250
"""Cases of each operation drawn on one calendar."""
_WALKED = 50
"""Cases of each operation walked on one calendar, at most."""
_REACH = {1: timedelta(hours=2), 60: timedelta(days=4)}
"""How far an answer that is walked to may lie, by seconds of a step."""
_WAYS = (WORKING_TIME, 1), (WORKING_TIME, 60), (BUSINESS_DAYS, 60)
"""What is walked to, and by how many seconds a step; business days are too long for seconds."""
_SHOWN = 5
"""Mismatches printed, at most."""
_UNITS = {1: "seconds", 60: "minutes"}

Amount = timedelta | int
"""Working time, or a number of business days."""
Clock = Callable[[Calendar, datetime, Any], datetime]
KERNEL: dict[str, Clock] = {WORKING_TIME: clock.add_working_time, BUSINESS_DAYS: clock.add_business_days}
"""The desk's own clock, by operation."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One case on which two clocks differ."""

    operation: str
    calendar: Calendar
    start: datetime
    amount: Amount
    answers: Mapping[str, datetime]
    """Who says what: the desk, the calendar laid out, the walk."""

    def __str__(self) -> str:
        zone = self.calendar.zone
        windows = {
            day: tuple("-".join(_edge(x) for x in window) for window in found)
            for day, found in self.calendar.windows.items()
        }
        fields = {**self.calendar.model_dump(exclude_defaults=True), "windows": windows}
        lines = [f"{who:<10}{said.astimezone(zone).isoformat()}" for who, said in self.answers.items()]
        asked = f"{self.operation}: {self.amount!r} after {self.start.astimezone(zone).isoformat()}"
        return "\n  ".join([f"Calendar.model_validate({fields!r})", asked, *lines])


def _edge(since_midnight: timedelta) -> str:
    minutes, seconds = divmod(since_midnight // timedelta(seconds=1), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


@dataclass(slots=True)
class Tally:
    """What was compared so far."""

    cases: Counter[str] = field(default_factory=Counter[str])
    wrong: Counter[str] = field(default_factory=Counter[str])
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict[str, float](float))
    """Of the desk's clock alone for drawn cases; of the walk for walked ones."""
    calendars: int = 0
    zones: set[str] = field(default_factory=set[str])
    examples: list[Mismatch] = field(default_factory=list[Mismatch])
    """The first mismatch of each calendar."""


def compare(drawn: Drawn, kernel: dict[str, Clock], tally: Tally) -> None:
    """The desk's answers against those of the calendar laid out."""
    tally.calendars += 1
    tally.zones.add(drawn.calendar.time_zone)
    found = len(tally.examples)
    for operation in OPERATIONS:
        amounts, expected = _expected(drawn, operation)
        begun = time.perf_counter()
        answers = _ask(kernel[operation], drawn.calendar, drawn.starts, amounts)
        tally.seconds[operation] += time.perf_counter() - begun
        tally.cases[operation] += len(answers)
        wrong: list[int] = np.flatnonzero(answers != expected).tolist()
        tally.wrong[operation] += len(wrong)
        for at in wrong[:1]:
            said = {DESK: instant(int(answers[at])), LAID_OUT: instant(int(expected[at]))}
            case = Mismatch(operation, drawn.calendar, instant(int(drawn.starts[at])), amounts[at], said)
            tally.examples.append(case)
    tally.examples[found + 1 :] = []


def _expected(drawn: Drawn, operation: str) -> tuple[Sequence[Amount], Ints]:
    """Amounts as the desk takes them, and the oracle's answers."""
    if operation == BUSINESS_DAYS:
        return drawn.days.tolist(), drawn.line.add_business_days(drawn.starts, drawn.days)
    amounts = [timedelta(microseconds=x) for x in drawn.amounts.tolist()]
    return amounts, drawn.line.add_working_time(drawn.starts, drawn.amounts)


def _ask(clock: Clock, calendar: Calendar, starts: Ints, amounts: Sequence[Amount]) -> Ints:
    pairs = zip(starts.tolist(), amounts, strict=True)
    found = [(clock(calendar, EPOCH + start * TICK, amount) - EPOCH) // TICK for start, amount in pairs]
    return np.array(found, np.int64)


def walk(drawn: Drawn, operation: str, snap: int, most: int, kernel: dict[str, Clock], tally: Tally) -> int:
    """Walks to at most `most` answers within reach, those at clock changes first; says to how many."""
    amounts, expected = _expected(drawn, operation)
    reach = _REACH[snap]
    near = np.flatnonzero(expected - drawn.starts <= reach // TICK)
    far = [np.searchsorted(drawn.line.wall.begins, at[near]) for at in (drawn.starts - reach // TICK, expected)]
    chosen: list[int] = near[np.argsort(far[0] == far[1], kind="stable")][:most].tolist()
    walker = Walker(drawn.calendar, timedelta(seconds=snap), 4 * reach // timedelta(seconds=snap))
    walked = Walker.add_business_days if operation == BUSINESS_DAYS else Walker.add_working_time
    name = f"{operation}, walked by {_UNITS[snap]}"
    begun, done = time.perf_counter(), 0
    for at in chosen:
        start, amount = instant(int(drawn.starts[at])), amounts[at]
        try:
            truth = walked(walker, start, amount)  # pyright: ignore[reportArgumentType]
        except BeyondRangeError:
            continue
        answer = kernel[operation](drawn.calendar, start, amount)
        said = {DESK: answer, LAID_OUT: instant(int(expected[at])), WALKED: truth}
        done += 1
        if len(set(said.values())) > 1:
            tally.wrong[name] += 1
            tally.examples.append(Mismatch(operation, drawn.calendar, start, amount, said))
    tally.cases[name] += done
    tally.seconds[name] += time.perf_counter() - begun
    return done


def shrunk(found: Mismatch, kernel: dict[str, Clock]) -> Mismatch:
    """A mismatch of the same operation with as little of a calendar, and as round a case, as still shows it."""
    while True:
        smaller = (_again(found, *case, kernel) for case in _smaller(found))
        less = next((x for x in smaller if x is not None), None)
        if less is None:
            return found
        found = less


def _again(
    found: Mismatch, calendar: Calendar, start: datetime, amount: Amount, kernel: dict[str, Clock]
) -> Mismatch | None:
    """The same question about less; nothing if the clocks agree on it."""
    line, at = lay_out(calendar), np.array([ticks(start)])
    try:
        if isinstance(amount, int):
            expected = line.add_business_days(at, np.array([amount]))
        else:
            expected = line.add_working_time(at, np.array([amount // TICK]))
    except BeyondRangeError:
        return None
    said = {DESK: kernel[found.operation](calendar, start, amount), LAID_OUT: instant(int(expected[0]))}
    return Mismatch(found.operation, calendar, start, amount, said) if len(set(said.values())) > 1 else None


def _smaller(found: Mismatch) -> Iterator[tuple[Calendar, datetime, Amount]]:
    """The case with one thing less, the greatest first."""
    start, amount = found.start, found.amount
    for calendar in _smaller_calendars(found.calendar):
        yield calendar, start, amount
    rounded = start.replace(second=0, microsecond=0), start.replace(microsecond=0)
    yield from ((found.calendar, less, amount) for less in rounded if less != start)
    if isinstance(amount, int):
        yield from ((found.calendar, start, less) for less in {amount // 2, amount - 1} if 0 <= less < amount)
    else:
        units = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
        lower = {amount // unit * unit for unit in units} | {amount / 2 // units[3] * units[3]}
        yield from ((found.calendar, start, less) for less in sorted(lower) if less < amount)


def _smaller_calendars(calendar: Calendar) -> Iterator[Calendar]:
    if calendar.holidays:
        yield _with(calendar, holidays=None)
    shut = calendar.closures
    half = len(shut) // 2
    if shut:
        yield _with(calendar, closures=shut[:half])
        yield _with(calendar, closures=shut[half or 1 :])
    for at in range(len(shut)):
        yield _with(calendar, closures=shut[:at] + shut[at + 1 :])
    for day, windows in calendar.windows.items():
        for at in range(len(windows)):
            less = {**calendar.windows, day: windows[:at] + windows[at + 1 :]}
            if any(less.values()):
                yield _with(calendar, windows={d: found for d, found in less.items() if found})


def _with(calendar: Calendar, **fields: Any) -> Calendar:
    return Calendar.model_validate({name: getattr(calendar, name) for name in Calendar.model_fields} | fields)


def check(
    cases: int, walked: int, seed: int, kernel: dict[str, Clock] = KERNEL, told: Callable[[str], None] = print
) -> Tally:
    """Draws and compares `cases` answers, half of each operation, and walks to `walked` of others."""
    tally = Tally()
    for number in range(-(-cases // (2 * _A_CALENDAR))):
        left = cases - sum(tally.cases.values())
        random = np.random.default_rng((seed, number))
        compare(draw(random, _zone(number), min(_A_CALENDAR, -(-left // 2))), kernel, tally)
        if number % 200 == 199:
            told(f"{sum(tally.cases.values())} cases, {sum(tally.wrong.values())} mismatches")
    done = number = 0
    while done < walked:
        operation, snap = _WAYS[number % len(_WAYS)]
        drawn = draw(np.random.default_rng((seed, number, snap)), _zone(number), _A_CALENDAR, snap)
        done += walk(drawn, operation, snap, min(_WALKED, walked - done), kernel, tally)
        number += 1
    return tally


def _zone(number: int) -> str:
    """Every zone in turn, with one of the hard ones in between."""
    zones = HARD_ZONES if number % 2 else every_zone()
    return zones[number // 2 % len(zones)]


def table(tally: Tally) -> str:
    """Counts by kind of comparison, and the mismatches as small as they get."""
    lines = [f"{tally.calendars} calendars in {len(tally.zones)} time zones", ""]
    lines.append(f"{'compared':<34}{'cases':>10}{'mismatches':>12}{'seconds':>10}")
    for name, count in tally.cases.items():
        lines.append(f"{name:<34}{count:>10}{tally.wrong[name]:>12}{tally.seconds[name]:>10.1f}")
    return "\n".join(lines)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 if all agree, 1 after a mismatch, 2 when the file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m evals.clock_check", description=__doc__)
    parser.add_argument("--cases", type=_count, default=1_000_000, help="drawn cases (default: 1000000)")
    parser.add_argument("--brute", type=_count, default=10_000, help="cases that are walked to (default: 10000)")
    parser.add_argument("--seed", type=_count, default=7)
    parser.add_argument("--oracle", type=Path, help="rows of another library to compare instead")
    chosen = parser.parse_args(arguments)
    if chosen.oracle is not None:
        try:
            rows = clock_rows.load(chosen.oracle)
            judged = clock_rows.judge(rows)
        except (OSError, EvalsError, ClosedForeverError) as error:
            print(error, file=sys.stderr)
            return 2
        print(clock_rows.report(rows, judged))
        return int(any(x.verdict is Verdict.DIFFERENT or x.answer != x.laid_out for x in judged))
    tally = check(chosen.cases, chosen.brute, chosen.seed)
    print(table(tally))
    for found in tally.examples[:_SHOWN]:
        print(f"\n{shrunk(found, KERNEL)}")
    return 1 if tally.examples else 0


if __name__ == "__main__":
    raise SystemExit(main())
