"""The sweep: finds the clocks that reached a threshold and tells those concerned, each exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, update

from agent.case import HOLDING
from agent.directory import Recipient
from agent.standing import Event, standing
from api.auth import Principal
from api.store import clocks, mail, queue
from api.store.clocks import Mark, Times
from api.store.queue import Job
from api.store.tables import promises
from api.verbs import Verbs

LATE: Final = timedelta(seconds=5)
"""A notice that comes later than this after its instant says so."""
BATCH: Final = 50
"""Cases of one transaction, so that people's own verbs get in between."""
HOLDING_AT: Final = 80
"""Percent of the time to a promised update at which a holding update is drafted."""
_NOBODY: Final = "nobody"


class Sweep(Verbs):
    """Looks at the cases whose time has come, and at nothing else."""

    def sweep(self, who: Principal, limit: int = BATCH) -> int:
        """Handle up to `limit` cases that are due; returns how many were. Several processes may sweep at the same time."""
        who.need("apply")
        with self.store.read() as conn:  # a look costs no disk write
            first = clocks.oldest_due(conn)
        if first is None or first > self.clock.now():
            return 0
        with self.store.write("sweep") as conn:
            now = self.clock.now()
            rows = clocks.due_for_sweep(conn, now, limit)
            ids = [row["id"] for row in rows]
            logs, told = clocks.log_of(conn, ids), clocks.told(conn, ids)
            done = [self._fire(conn, row, logs[row["id"]], told[row["id"]], now) for row in rows]
            clocks.note(conn, [notice for notices, _ in done for notice in notices])
            clocks.set_times(conn, [times for _, times in done])
        self.on_work()
        return len(rows)

    def _fire(
        self, conn: Connection, case: RowMapping, log: Sequence[Event], fired: set[tuple[str, int]], now: datetime
    ) -> tuple[list[dict[str, Any]], Times]:
        """Tell what is due of one case; returns the notices and when to look next, for one statement of all cases."""
        seen = standing(log, self.versions.book(conn), now)
        fresh = [m for c in seen.clocks for m in clocks.owed(c) if m.at <= now and (c.id, m.percent) not in fired]
        told = [(mark, who) for mark in fresh for who in self._concerned(case, mark)]
        self._write(conn, case["id"], told, now)
        for mark in fresh:
            self._consequences(conn, case["id"], mark, now)
        sweep_at = clocks.ahead(seen, fired | {(m.clock.id, m.percent) for m in fresh})
        return [_row(case["id"], mark, who, now) for mark, who in told], Times(case["id"], seen.next_due, sweep_at)

    def _concerned(self, case: RowMapping, mark: Mark) -> list[Recipient | None]:
        """Who is told of a mark: the case's team, at a breach the team above it too; the chain of a silent team."""
        directory = self.rules.pack.directory
        if mark.clock.metric == "team_ack":
            chain = list(directory.chain(mark.clock.key)) if mark.clock.key in directory.teams else []
            step = mark.percent // 100
            return [chain[step] if step < len(chain) else None]
        team = case["primary_team"] or self._fallback
        above = directory.teams[team].escalates_to if team in directory.teams and mark.percent >= 100 else ""
        return [Recipient(team=name) for name in (team, above) if name in directory.teams] or [None]

    @property
    def _fallback(self) -> str:
        """The team of cases that no triage has routed yet."""
        return list(self.rules.pack.issue_types.values())[-1].primary_team

    def _write(
        self, conn: Connection, case_id: str, told: Sequence[tuple[Mark, Recipient | None]], now: datetime
    ) -> None:
        """One letter a channel, whatever the number of clocks and recipients behind it."""
        directory = self.rules.pack.directory
        by_channel: dict[str, tuple[Recipient, dict[tuple[str, int], Mark]]] = {}
        for mark, who in told:
            if who is not None and (channel := directory.channel_of(who)):
                by_channel.setdefault(channel, (who, {}))[1][mark.clock.id, mark.percent] = mark
        for who, marks in by_channel.values():
            last = max(marks.values(), key=lambda m: (m.percent, m.at))
            items = [_item(m, now) for m in sorted(marks.values(), key=lambda m: m.at)]
            payload = {"kind": "clocks", "case": case_id, "clocks": items}
            key = f"{case_id}:{last.clock.id}:{last.percent}"
            urgent = any(m.percent >= 100 for m in marks.values())
            self.tell(conn, who, key, payload, now, case_id=case_id, urgent=urgent)

    def _consequences(self, conn: Connection, case_id: str, mark: Mark, now: datetime) -> None:
        clock = mark.clock
        if clock.metric != "team_ack":
            event = "sla.breached" if mark.percent >= 100 else "sla.at_risk"
            told: dict[str, Any] = {**_item(mark, now), "due_at": _text(clock.due_at)}
            self.tell_programs(conn, event, case_id, now, f"{clock.id}:{mark.percent}", **told)
        if clock.metric == "promise" and mark.percent >= 100:
            broken = update(promises).where(promises.c.id == clock.key, promises.c.state == "open")
            conn.execute(broken.values(state="broken"))
        if clock.metric == "promise" and mark.percent == HOLDING_AT and clock.open:
            self._hold(conn, case_id, clock.key, now)

    def _hold(self, conn: Connection, case_id: str, promise_id: str, now: datetime) -> None:
        """A promised update comes near: a holding update is drafted, for a person to send."""
        query = promises.select().where(promises.c.id == promise_id, promises.c.action == "update")
        if conn.execute(query).first() is not None:
            self.request_draft_in(conn, case_id, HOLDING, now)

    # --- letters -------------------------------------------------------------------------------------------------------

    def take_letters(self, job: Job) -> list[RowMapping]:
        """What a delivery job sends; nothing when another one took it, or when its channel is closed."""
        with self.store.write("take_letters") as conn:
            letters = mail.take(conn, job, self.clock.now())
            why = mail.closed(conn).get(letters[0]["channel"]) if letters else None
            if why:
                mail.refused(conn, letters, f"the channel is closed: {why}", self.clock.now(), None)
        return [] if why else letters

    def letters_sent(self, who: Principal, job: Job, letters: Sequence[RowMapping]) -> None:
        """Letters reached their receiver.

        Raises:
            LeaseLostError: another worker has the job.

        """
        who.need("apply")
        with self.store.write("delivered") as conn:
            queue.finish(conn, job, self.clock.now())
            mail.delivered(conn, letters, self.clock.now())
            if len(letters) > 1:
                mail.follow(conn, letters[0]["channel"], self.clock.now())

    def letters_refused(
        self,
        who: Principal,
        job: Job,
        letters: Sequence[RowMapping],
        reason: str,
        again_at: datetime | None,
        *,
        gone: bool,
    ) -> None:
        """Letters were not taken: they are tried again at `again_at`; urgent ones go over their second channel as well.

        Raises:
            LeaseLostError: another worker has the job.

        """
        who.need("apply")
        with self.store.write("refused") as conn:
            now = self.clock.now()
            queue.finish(conn, job, now)
            if gone:
                mail.close(conn, letters[0]["channel"], reason, now)
            mail.refused(conn, letters, reason, now, None if gone else again_at)
            for row in letters:
                if second := row["payload"].get("second"):
                    payload = {name: value for name, value in row["payload"].items() if name != "second"}
                    key = f"{row['idempotency_key']}:{second}"
                    mail.post(conn, second, key[-mail.MAX_KEY :], payload, now=now, case_id=row["case_id"])


def _row(case_id: str, mark: Mark, who: Recipient | None, now: datetime) -> dict[str, Any]:
    return {
        "case_id": case_id, "clock": mark.clock.id, "threshold": mark.percent, "recipient": who.id if who else _NOBODY,
        "due_at": mark.at, "fired_at": now, "late": now - mark.at > LATE,
    }  # fmt: skip


def _item(mark: Mark, now: datetime) -> dict[str, Any]:
    return {
        "clock": mark.clock.id, "percent": mark.percent, "at": _text(mark.at), "late": now - mark.at > LATE,
        "due_at": _text(mark.clock.due_at), "retargeted": mark.clock.retargeted,
    }  # fmt: skip


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
