"""The small world of `api.simulation`: a clock that goes as it is told, desks that can die, and people who do things."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from agent.clock import Target
from agent.directory import Channel, Directory, Member
from agent.pack import Pack
from agent.promises import Commitment
from agent.sla import Sla
from api.auth import WORKER, Principal
from api.desk import Desk
from api.errors import StoreBusyError
from api.store.engine import open_engine
from api.store.unit import Store
from api.verbs import Rules

ADA: Final = Principal("prn_ada", "Ada", "admin")
_COMPILED: Final[dict[Any, Any]] = {}
"""Statements compiled once, though desks come and go."""


class CrashError(Exception):
    """Here a process dies."""


class Now:
    """A clock that is set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """The instant that it shows."""
        return self.at


def directory_of(pack: Pack) -> Directory:
    """The pack's teams over several channels, with people on call and a program that listens."""
    teams = dict(pack.teams)
    members = {"kim": Member(name="Kim", channel="pager"), "lou": Member(name="Lou", channel="mail")}
    chosen = {"members": members, "on_call": ("kim", "lou")}
    teams["fulfilment"] = teams["fulfilment"].model_copy(update={**chosen, "channel": "floor"})
    teams["support_lead"] = teams["support_lead"].model_copy(update={"channel": "leads", "second_channel": "pager"})
    teams["owner"] = teams["owner"].model_copy(update={"channel": ""})
    file = Channel(kind="file")
    hook = Channel(kind="webhook", secret="URL", sign_with=("KEY",), events=("sla.at_risk", "sla.breached"))  # noqa: S106 - names of secrets, which are never read here
    named = {**pack.directory.channels, "floor": file, "leads": file, "pager": file, "mail": file, "erp": hook}
    return pack.directory.model_copy(update={"channels": named, "teams": teams})


def second_version(sla: Sla) -> Sla:
    """Other commitments, for the day on which an admin changes them: twice as fast, and told of at other thresholds."""
    policies = [p.model_copy(update={"targets": {m: _faster(t) for m, t in p.targets.items()}}) for p in sla.policies]
    body = sla.model_dump() | {"policies": [p.model_dump() for p in policies], "thresholds": (25, 80, 100)}
    return Sla.model_validate(body)


def _faster(target: Target | None) -> Target | None:
    if target is None or isinstance(target.amount, int):
        return target
    return Target(within=f"{target.amount / timedelta(minutes=2):g} min", calendar=target.calendar)


def promised(text: str, _language: str, _now: datetime) -> Sequence[Commitment]:
    """What the texts of this world promise: `update in 3 hour` promises just that."""
    action, _, within = text.partition(" in ")
    return [Commitment(action, text, 0, len(text), within=within)] if within else ()


class Process:
    """One process with a desk: it can die at any statement and starts again from the disk."""

    def __init__(self, path: Path, clock: Now, rules: Rules) -> None:
        self._path, self._clock = path, clock
        self.start(rules)

    def start(self, rules: Rules) -> None:
        """Begin, or begin anew."""
        self.rules, self._countdown = rules, 0
        self._engine = open_engine(f"sqlite:///{self._path}")
        self._engine.update_execution_options(compiled_cache=_COMPILED)
        event.listen(self._engine, "before_cursor_execute", self._statement)
        event.listen(self._engine, "commit", self._hit)
        self.store = Store(self._engine, b"s" * 32)
        self.desk = Desk(self.store, self._clock, rules)
        self.desk.on_work = self._hit

    def stop(self) -> None:
        """Leave nothing but the file."""
        self._engine.dispose()

    def restart(self, rules: Rules | None = None) -> None:
        """Throw the desk away and build it from the disk."""
        self.stop()
        self.start(rules or self.rules)

    def arm(self, after: int) -> None:
        """Die at the so-manieth statement, commit or end of a transaction from now; 0 for never."""
        self._countdown = after

    def _statement(self, *_: object) -> None:
        self._hit()

    def _hit(self, _connection: Connection | Engine | None = None) -> None:
        if self._countdown:
            self._countdown -= 1
            if not self._countdown:
                raise CrashError

    def drain(self, limit: int) -> None:
        """Sweep until nothing is left to do."""
        left = True
        while left:
            with suppress(StoreBusyError):
                left = self.desk.sweep(WORKER, limit) > 0


def sweep_at_once(processes: Sequence[Process], limit: int) -> int:
    """All sweep at the same time until nothing is left; how many died of it."""
    died: list[Process] = []

    def run(process: Process) -> None:
        try:
            process.drain(limit)
        except CrashError:
            died.append(process)

    threads = [threading.Thread(target=run, args=(process,)) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in died:
        process.restart()
    return len(died)
