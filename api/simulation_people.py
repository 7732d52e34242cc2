"""What happens to the cases of `api.simulation`, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from sqlalchemy import RowMapping, select

from agent.states import CASE_MOVES
from api.auth import WORKER
from api.simulation_world import ADA, Now, Process
from api.store import queue
from api.store.tables import cases, events, promises

_LEASE: Final = timedelta(days=30)
_TYPES: Final = ("damaged_or_defective", "not_received_or_late", "billing_dispute", "chargeback")
_TEAMS: Final = ("fulfilment", "carrier_claims", "payments_finance", "support_lead", "legal")
_SEVERITIES: Final = ("S1", "S2", "S3", "S4")


class People:
    """Customers, agents, teams and the drafter: each step is one verb of the desk on one case, as far as it may be done."""

    def __init__(self, random: Random, clock: Now) -> None:
        self._random, self._clock = random, clock
        self.done: dict[str, int] = {}
        self._ways: dict[str, tuple[int, Callable[[Process, RowMapping], bool]]] = {
            "message": (8, self._message), "send": (8, self._send), "status": (7, self._status),
            "severity": (3, self._severity), "acknowledge": (4, self._acknowledge), "settle": (4, self._settle),
            "no_reply_needed": (1, self._no_reply_needed), "deadline": (1, self._deadline), "policy": (1, self._policy),
            "redraft": (1, self._redraft),
        }  # fmt: skip

    def open(self, process: Process) -> str:
        """A new case, now and then one that waited somewhere before it came."""
        at = self._earlier(0.2, 12)
        text: dict[str, Any] = {"text": "My kettle arrived cracked."}
        messages = [text] if self._random.random() < 0.8 else [text, {"text": "And?", "at": self._clock.at.isoformat()}]
        escalation = {"messages": messages, "received_at": at.isoformat(), "channel": "email"}
        self._count("open")
        return str(process.desk.receive(ADA, escalation)["case"])

    def triage(self, process: Process) -> bool:
        """The drafter hands a proposal in for the next case that waits for one."""
        with process.store.write("claim") as conn:
            job = queue.claim(conn, ["draft"], "simulation", self._clock.at, _LEASE)
        if job is None:
            return False
        work = process.desk.draft_work(job)
        self._count("triage")
        if work is None:
            with process.store.write("finish") as conn:
                queue.finish(conn, job, self._clock.at)
        elif self._random.random() < 0.05:
            process.desk.draft_failed(WORKER, job, "no words")
        else:
            process.desk.apply_proposal(WORKER, job, self._proposal(), case_version=work.case_version)
        return True

    def act(self, process: Process, case_ids: list[str]) -> None:
        """Something happens to one of these cases."""
        case_id = self._random.choice(case_ids)
        with process.store.read() as conn:
            case = conn.execute(select(cases).where(cases.c.id == case_id)).mappings().one()
        name = self._random.choices(list(self._ways), [weight for weight, _ in self._ways.values()])[0]
        if self._ways[name][1](process, case):
            self._count(name)

    def _count(self, name: str) -> None:
        self.done[name] = self.done.get(name, 0) + 1

    def _earlier(self, share: float, hours: float) -> datetime:
        """Now, or in a `share` of draws up to so many hours before."""
        back = timedelta(hours=self._random.uniform(0, hours)) if self._random.random() < share else timedelta(0)
        return self._clock.at - back

    def _proposal(self) -> dict[str, Any]:
        team, *others = self._random.sample(_TEAMS, self._random.choice((1, 1, 2, 3)))
        due = self._clock.at + timedelta(hours=self._random.uniform(-2, 120))
        dated = {"metric": "external", "target": "evidence", "due_at": due.isoformat()}
        return {
            "state": "ready", "engine": "simulation", "degraded": False, "primary_team": team, "collaborators": others,
            "issue_type": self._random.choice(_TYPES), "severity": self._random.choice(_SEVERITIES),
            "draft": {"kind": "reply", "subject": "", "body": "We look into it."}, "guard": {"verdict": "clear"},
            "clocks": [dated] if self._random.random() < 0.25 else [], "language": "en",
        }  # fmt: skip

    # --- one verb each: whether it could be done -----------------------------------------------------------------------

    def _message(self, process: Process, case: RowMapping) -> bool:
        author = self._random.choices(("customer", "bank", "system", "staff"), (8, 1, 1, 2))[0]
        message = {"text": "Any news?", "author": author, "at": self._earlier(0.15, 6).isoformat()}
        process.desk.record_message(ADA, case["id"], message, sent=self._random.random() < 0.7)
        return True

    def _send(self, process: Process, case: RowMapping) -> bool:
        moves = [None, None, *sorted(CASE_MOVES[case["status"]] - {"closed"})]
        status = self._random.choice(moves) if case["status"] not in {"new", "triaged", "in_review"} else None
        words = ("We are sorry.", "update in 3 hour", "update in 1 business_day", "refund in 2 day")
        text = self._random.choices(words, (4, 1, 1, 1))[0]
        process.desk.record_sent(ADA, case["id"], text, sent_at=self._earlier(0.2, 3), status=status)
        return True

    def _status(self, process: Process, case: RowMapping) -> bool:
        moves = sorted(CASE_MOVES[case["status"]])
        if moves:
            weights = [3 if move.startswith("waiting") else 6 if move == "resolved" else 1 for move in moves]
            process.desk.set_status(ADA, case["id"], self._random.choices(moves, weights)[0])
        return bool(moves)

    def _severity(self, process: Process, case: RowMapping) -> bool:
        process.desk.set_severity(ADA, case["id"], self._random.choice(_SEVERITIES), "seen")
        return True

    def _acknowledge(self, process: Process, case: RowMapping) -> bool:
        teams = self._told(process, case["id"], "team_pulled_in", "team")
        if teams:
            process.desk.acknowledge(ADA, case["id"], self._random.choice(teams))
        return bool(teams)

    def _settle(self, process: Process, case: RowMapping) -> bool:
        query = select(promises.c.id).where(promises.c.case_id == case["id"], promises.c.settled_at.is_(None))
        with process.store.read() as conn:
            found = conn.execute(query.order_by(promises.c.id)).scalars().all()
        if found:
            outcome = self._random.choice(("kept", "kept", "dropped", "broken"))
            with_state = self._random.choice(found)
            process.desk.settle_promise(ADA, with_state, outcome)
        return bool(found)

    def _no_reply_needed(self, process: Process, case: RowMapping) -> bool:
        process.desk.no_reply_needed(ADA, case["id"], "thanks only")
        return True

    def _deadline(self, process: Process, case: RowMapping) -> bool:
        dates = self._told(process, case["id"], "deadline_set", "deadline")
        if dates:
            process.desk.meet_deadline(ADA, case["id"], dates[0])
        return bool(dates)

    def _policy(self, process: Process, case: RowMapping) -> bool:
        process.desk.adopt_policy(ADA, case["id"], "new_terms")
        return True

    def _redraft(self, process: Process, case: RowMapping) -> bool:
        process.desk.request_draft(ADA, case["id"], "shorter")
        return True

    def _told(self, process: Process, case_id: str, kind: str, field: str) -> list[str]:
        with process.store.read() as conn:
            rows = conn.execute(select(events.c.data).where(events.c.case_id == case_id, events.c.kind == kind))
            return sorted({str(data[field]) for data in rows.scalars()})
