"""Shows that the sweep misses nothing and tells nothing twice: `python -m api.simulation` (from the project's root).

Thousands of simulated case-days over a clock that is set and a real SQLite store. Cases come in, are triaged, answered,
paused, resolved and reopened; two desks sweep, in turn and at once; they die at random statements and start again from the
disk, stand still for hours, and the clock jumps forwards, by a day and back again, and back over instants at which something
was due. After every look another program, which shares only the arithmetic of calendars, works out what had to be told.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from sqlalchemy import select

from agent.pack import Pack, load_pack
from api.auth import WORKER
from api.settings import Settings
from api.simulation_people import People
from api.simulation_watch import Score, Watch
from api.simulation_world import CrashError, Now, Process, directory_of, promised, second_version, sweep_at_once
from api.store.engine import migrate, open_engine
from api.store.tables import cases
from api.texts import SAMPLE
from api.verbs import Rules

START: Final = datetime(2026, 10, 5, 8, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder in memory, if the machine has one
_ALIVE: Final = 60
"""Cases that are worked on at a time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run showed."""

    case_days: float
    cases: int
    score: Score
    happened: Counter[str]


class Simulation:
    """One run over one file."""

    def __init__(self, folder: Path, seed: int, pack: Pack, alive: int = _ALIVE) -> None:
        self._random = Random(seed)  # noqa: S311 - draws of a simulation
        self._clock, self._alive = Now(START), alive
        pack = pack.model_copy(update={"directory": directory_of(pack)})
        other = pack.model_copy(update={"sla": second_version(pack.sla)})
        self._rules = [Rules(found, promised) for found in (pack, other)]
        slas = {rules.pack.sla.version: rules.pack.sla for rules in self._rules}
        path = folder / "desk.db"
        engine = open_engine(f"sqlite:///{path}")
        migrate(engine)
        engine.dispose()
        self._processes = [Process(path, self._clock, self._rules[0]) for _ in range(2)]
        self._people = People(self._random, self._clock)
        fallback = list(pack.issue_types.values())[-1].primary_team
        self._watch = Watch(pack.directory, fallback, slas)
        self._over_since: dict[str, datetime] = {}
        self.happened: Counter[str] = Counter()
        self.case_days, self.opened = 0.0, 0

    def run(self, days: float, progress: Callable[[str], None]) -> Outcome:
        """Go on for so many case-days."""
        said = 0.0
        while self.case_days < days:
            self._populate()
            self._chapter()
            self._bury()
            if self.case_days >= said + days / 20:
                said = self.case_days
                score = self._watch.score
                progress(f"{said:8.0f} case-days, {self.opened} cases, {score.told} told, {score.faults} faults")
        self._pass_time(self._clock.at + _DAY)
        self._sweep()
        for process in self._processes:
            process.stop()
        self.happened.update(self._people.done)
        return Outcome(self.case_days, self.opened, self._watch.score, self.happened)

    # --- what may happen ------------------------------------------------------------------------------------------------

    def _chapter(self) -> None:
        chapters: dict[str, tuple[int, Callable[[], None]]] = {
            "an hour's work": (60, self._work), "a quiet night": (6, lambda: self._pass_time(self._in(4, 14))),
            "downtime": (8, self._downtime), "jump by an hour": (4, self._jump), "step back": (5, self._step_back),
            "a day ahead and back": (2, self._day_ahead), "restart": (5, self._restart),
            "new commitments": (1, self._deploy),
        }  # fmt: skip
        never = [name for name in chapters if not self.happened[name]]
        drawn = self._random.choices(list(chapters), [weight for weight, _ in chapters.values()])[0]
        name = self._random.choice(never) if never else drawn  # a short run has seen all of them too
        self.happened[name] += 1
        chapters[name][1]()

    def _work(self) -> None:
        """People do things while the desks sweep on time."""
        for _ in range(self._random.randint(4, 20)):
            self._pass_time(self._in(0.01, 0.4))
            self._act()

    def _downtime(self) -> None:
        """Nothing sweeps, with people at work or without."""
        end = self._in(0.5, 16)
        while self._random.random() < 0.7 and self._clock.at < end:
            self._advance(min(end, self._in(0.1, 3)))
            self._act()
        self._advance(max(end, self._clock.at))
        self._sweep()

    def _jump(self) -> None:
        self._clock.at += self._random.choice((_HOUR, -_HOUR))
        self._sweep()

    def _step_back(self) -> None:
        """Back over the instant at which something was due, before it is swept or after."""
        stop = self._watch.next_stop(self._clock.at)
        if stop is None or stop > self._clock.at + _DAY:
            return
        self._advance(stop + timedelta(seconds=self._random.uniform(0, 3)))
        if self._random.random() < 0.7:
            self._sweep()
        self._clock.at = stop - timedelta(seconds=self._random.uniform(0, 4000))
        for _ in range(self._random.randint(0, 3)):
            self._act()
        self._sweep()

    def _day_ahead(self) -> None:
        """The clock is a day ahead for a while, and people work in that time."""
        self._clock.at += _DAY
        if self._random.random() < 0.7:
            self._sweep()
        for _ in range(self._random.randint(0, 4)):
            self._act()
            self._pass_time(self._in(0.01, 0.3))
        self._clock.at -= _DAY
        self._sweep()

    def _restart(self) -> None:
        self._either.restart()

    def _deploy(self) -> None:
        """An admin changes the commitments; both desks start with the new ones."""
        self._rules.reverse()
        for process in self._processes:
            process.restart(self._rules[0])
        self._sweep()

    # --- steps ------------------------------------------------------------------------------------------------------------

    @property
    def _either(self) -> Process:
        return self._random.choice(self._processes)

    def _in(self, least: float, most: float) -> datetime:
        """An instant in so many hours."""
        return self._clock.at + timedelta(hours=self._random.uniform(least, most))

    def _populate(self) -> None:
        while len(self._watch.alive) < self._alive:
            self._open()

    def _open(self) -> None:
        self._watch.follow(self._people.open(self._either))
        self.opened += 1
        self._refresh()

    def _act(self) -> None:
        process = self._either
        if self._random.random() < 0.4:
            self._people.triage(process)
        else:
            self._people.act(process, list(self._watch.alive))
        self._refresh()

    def _advance(self, to: datetime) -> None:
        self.case_days += len(self._watch.alive) * ((to - self._clock.at) / _DAY)
        self._clock.at = to

    def _pass_time(self, to: datetime) -> None:
        """Time goes by with sweeps on time: within two seconds of each instant at which something is due."""
        while (stop := self._watch.next_stop(self._clock.at)) is not None and stop <= to:
            self._advance(stop + timedelta(seconds=self._random.choice((0.0, self._random.uniform(0, 2)))))
            self._sweep()
        self._advance(max(to, self._clock.at))

    def _refresh(self) -> None:
        with self._processes[0].store.read() as conn:
            self._watch.refresh(conn, self._clock.at)

    def _look(self, *, drained: bool) -> None:
        with self._processes[0].store.read() as conn:
            self._watch.look(conn, self._clock.at, drained=drained)

    def _sweep(self) -> None:
        """Sweepers look until nothing is left; on the way one may die, or people may come in between."""
        way = self._random.choices(("alone", "in turn", "at once", "dying"), (50, 20, 15, 15))[0]
        self.happened[f"sweep {way}"] += 1
        limit = self._random.choice((1, 3, 50))
        if way == "in turn":
            for process in self._processes:
                process.desk.sweep(WORKER, 1)
                self._look(drained=False)
                if self._random.random() < 0.3:
                    self._act()
        if way in {"dying", "at once"} and self._random.random() < 0.7:
            process = self._either
            process.arm(self._random.randint(1, 30))
            if way == "dying":
                try:
                    process.drain(limit)
                except CrashError:
                    self.happened["died in a sweep"] += 1
                process.restart()
                self._look(drained=False)
        if way == "at once":
            self.happened["died in a sweep"] += sweep_at_once(self._processes, limit)
        for process in self._processes:
            process.arm(0)
        self._either.drain(limit)
        self._look(drained=True)

    def _bury(self) -> None:
        """Cases that are over for a day leave; the rest of their lives is not looked at."""
        with self._processes[0].store.read() as conn:
            query = select(cases.c.id, cases.c.status).where(cases.c.id.in_(self._watch.alive))
            over = {row.id for row in conn.execute(query) if row.status in {"resolved", "closed"}}
        for case_id in list(self._over_since):
            if case_id not in over:
                del self._over_since[case_id]
        for case_id in over:
            since = self._over_since.setdefault(case_id, self._clock.at)
            if self._clock.at - since > _DAY and self._watch.settled(case_id, self._clock.at):
                del self._over_since[case_id]
                self._watch.drop(case_id)


def report(outcome: Outcome) -> list[str]:
    """The figures, one a line."""
    score = outcome.score
    rows = {
        "case-days": f"{outcome.case_days:.0f}", "cases": outcome.cases, "thresholds told": score.told,
        "letters": score.letters, "missed": score.missed, "double": score.double, "without reason": score.wrong,
        "late by downtime": score.late_by_downtime, "late by later news": score.late_by_news,
    }  # fmt: skip
    happened = (f"  {name:24} {count}" for name, count in sorted(outcome.happened.items()))
    return [*(f"{name:26} {value}" for name, value in rows.items()), "of which happened:", *happened, *score.examples]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when nothing was missed, told twice or told without reason."""
    parser = argparse.ArgumentParser(prog="python -m api.simulation", description=__doc__)
    parser.add_argument("--days", type=float, default=10_000, help="case-days (default: 10000)")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another history (default: 1)")
    chosen = parser.parse_args(arguments)
    pack = load_pack(Settings().prompts, SAMPLE)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        outcome = Simulation(Path(folder), chosen.seed, pack).run(chosen.days, lambda line: print(line, flush=True))
    print("\n".join(report(outcome)))
    print(f"{'seconds':26} {time.perf_counter() - begun:.0f}")
    return 1 if outcome.score.faults else 0


if __name__ == "__main__":
    sys.exit(main())
