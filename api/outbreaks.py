"""Verbs around outbreaks: cases that report one thing become an incident, and twins of one customer are offered for merging."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from agent.outbreak import Sighting, Trace
from api.auth import Principal
from api.errors import ConflictError, NotFoundError, StaleWorkError
from api.store import cases, incidents, queue
from api.store.queue import Job
from api.store.unit import canonical
from api.verbs import Verbs

CLUSTER: Final = "cluster"
"""The flag, and the condition of the severity table, of cases that many report."""


SIGHT: Final = "sight"
"""Kind of the jobs that compare a case with the recent ones."""
AFTER: Final = timedelta(seconds=30)
"""When a case is compared: a burst of drafts is not held up by it, and an outbreak seen half a minute later is soon enough."""


@dataclass(frozen=True, slots=True)
class SightWork:
    """A case and what it is compared with."""

    new: Trace
    recent: tuple[Trace, ...]
    linked: Mapping[str, str]
    """Case -> open incident."""


class Outbreaks(Verbs):
    """What follows when several customers report one thing. Nothing is merged or closed by the desk itself."""

    def leave_trace(self, conn: Connection, trace: Trace, now: datetime) -> list[dict[str, Any]]:
        """Keep what a case leaves; returns the job, still to be put into the queue, that compares it with the recent ones."""
        digest = self.store.keyed(
            "trace", canonical([sorted(trace.lots), sorted(trace.skus), trace.vector.tobytes().hex()])
        )
        incidents.put(conn, trace, digest)
        if self.rules.outbreak is None:
            return []
        given = {"case": trace.case_id}
        return [queue.row(SIGHT, given, now=now, run_at=now + AFTER, case_id=trace.case_id, priority=1)]

    def sight_work(self, job: Job, known: dict[tuple[str, str], Trace]) -> SightWork | None:
        """What a case is compared with; None when it belongs to an incident or was set apart. `known` keeps what was read."""
        if self.rules.outbreak is None:
            return None
        with self.store.read() as conn:
            new = next(iter(incidents.traces_of(conn, [job.data["case"]])), None)
            if new is None:
                return None
            found = incidents.recent(conn, new.at - self.rules.outbreak.window, known)
            known.clear()
            known.update(found)
            linked = incidents.links(conn, [t.case_id for t in found.values()])
        apart = all(t.case_id != new.case_id for t in found.values())
        return None if apart or new.case_id in linked else SightWork(new, tuple(found.values()), linked)

    def apply_sighting(self, who: Principal, job: Job, work: SightWork, seen: Sighting) -> None:
        """A case joins or founds an incident, whose cases are flagged and raised; twins are offered for merging.

        Raises:
            LeaseLostError: another worker has the job.
            StaleWorkError: other cases were linked meanwhile.

        """
        who.need("apply")
        with self.store.write("sight") as conn:
            now = self.clock.now()
            queue.finish(conn, job, now)
            if incidents.links(conn, [t.case_id for t in work.recent]) != work.linked:
                raise StaleWorkError("Other cases were linked while these were compared.")
            for twin in seen.duplicates:
                incidents.offer(conn, work.new.case_id, twin.case_id, twin.reason, now)
            if seen.verdict != "nothing":
                incident = seen.incident or incidents.found(conn, now)
                for link in seen.links:
                    self._link(conn, who, incident, link.case_id, str(link), now)

    def _link(self, conn: Connection, who: Principal, incident: str, case_id: str, reason: str, now: datetime) -> None:
        incidents.link(conn, incident, case_id, reason, who.id, now)
        case = cases.get(conn, case_id, lock=True)
        told: list[tuple[str, dict[str, Any]]] = [("incident_linked", {"incident": incident})]
        floor = self._floor
        raised = bool(floor) and self.rules.pack.more_severe(case["severity"], floor) != case["severity"]
        if raised and not self.set_by_person(conn, case_id):
            told.append(("severity_raised", {"severity": floor, "reason_code": CLUSTER}))
            cases.change(conn, case_id, severity=floor)
        self.record(conn, case_id, who, now, *told)
        if case["draft_id"]:
            self._flag(conn, case["draft_id"], floor if raised else "")
        self.reclock(conn, case_id, now)

    def _flag(self, conn: Connection, draft_id: str, floor: str) -> None:
        """What is shown of the case says that it is one of many."""
        draft = cases.get_draft(conn, draft_id)
        proposal: dict[str, Any] = dict(draft["proposal"] or {})
        if not proposal:
            return
        proposal["flags"] = [*dict.fromkeys([*proposal.get("flags", ()), CLUSTER])]
        if floor:
            proposal |= {"severity": floor, "severity_floor": floor}
        cases.set_proposal(conn, draft_id, proposal)

    @property
    def _floor(self) -> str:
        """The severity below which no case of a cluster goes, by the pack's table."""
        return next((c.severity for c in self.rules.pack.criteria if CLUSTER in c.any and c.floor), "")

    def clustered(self, conn: Connection, case_id: str) -> str:
        """The least severity of a case in an open incident; "" for one in none."""
        return self._floor if incidents.links(conn, [case_id]) else ""

    # --- what people do ------------------------------------------------------------------------------------------------

    def merge_incidents(self, who: Principal, into: str, other: str, *, key: str | None = None) -> dict[str, Any]:
        """Two incidents are one: `{"incident"}`.

        Raises:
            NotFoundError: there is no such incident.
            ConflictError: they are the same, or one is not open.

        """
        who.need("work")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            states = [incidents.get(conn, name)["state"] for name in (into, other)]
            if into == other or states != ["open", "open"]:
                raise ConflictError("Two different open incidents can be merged; one of these is not open.")
            moved = [row["case_id"] for row in incidents.cases_of(conn, other)]
            incidents.move(conn, other, into)
            for case_id in moved:
                self.record(conn, case_id, who, now, ("incident_linked", {"incident": into}))
            return moved[0], {"incident": into}

        return self.once("incident", who, key, ["merge_incidents", into, other], change)

    def split_off(self, who: Principal, case_id: str, *, key: str | None = None) -> dict[str, Any]:
        """A case does not belong to its incident, nor to any other by itself: `{"case"}`.

        Raises:
            NotFoundError: it is in none.

        """
        who.need("work")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            row = incidents.incident_of(conn, case_id)
            if row is None:
                raise NotFoundError("incident of the case", case_id)
            incidents.unlink(conn, case_id)
            self.record(conn, case_id, who, now, ("incident_left", {"incident": row["incident_id"]}))
            return case_id, {"case": case_id}

        return self.once("incident", who, key, ["split_off", case_id], change)

    def join_incident(self, who: Principal, case_id: str, incident: str, *, key: str | None = None) -> dict[str, Any]:
        """A person puts a case into an incident: `{"case", "incident"}`.

        Raises:
            NotFoundError: there is no such case or incident.

        """
        who.need("work")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            incidents.get(conn, incident)
            self._link(conn, who, incident, case_id, "by hand", now)
            return case_id, {"case": case_id, "incident": incident}

        return self.once("incident", who, key, ["join_incident", case_id, incident], change)

    def close_incident(self, who: Principal, incident: str, *, key: str | None = None) -> dict[str, Any]:
        """An incident is over; its cases go on by themselves: `{"incident"}`.

        Raises:
            NotFoundError: there is none.

        """
        who.need("work")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            incidents.get(conn, incident)
            rows = incidents.cases_of(conn, incident)
            incidents.close(conn, incident)
            for row in rows:
                self.record(conn, row["case_id"], who, now, ("incident_closed", {"incident": incident}))
            return rows[0]["case_id"], {"incident": incident}

        return self.once("incident", who, key, ["close_incident", incident], change)

    def settle_offer(
        self, who: Principal, case_id: str, other: str, *, merge: bool, key: str | None = None
    ) -> dict[str, Any]:
        """A person says whether `case_id` is the same matter as `other`: `{"case", "other", "merged"}`. Merged, its
        texts go to `other` and it is resolved.

        Raises:
            NotFoundError: no such offer is open.

        """
        who.need("work")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            if not incidents.answer(conn, case_id, other, "merged" if merge else "declined"):
                raise NotFoundError("open offer to merge", f"{case_id} and {other}")
            if merge:
                self._merge(conn, who, case_id, other, now)
            return other, {"case": case_id, "other": other, "merged": merge}

        return self.once("incident", who, key, ["settle_offer", case_id, other, merge], change)

    def _merge(self, conn: Connection, who: Principal, case_id: str, other: str, now: datetime) -> None:
        case = cases.get(conn, case_id, lock=True)
        for row in cases.messages_of(conn, case_id):
            body: Mapping[str, Any] = row["body"] or {}
            added = cases.add_message(
                conn,
                other,
                body,
                at=row["at"],
                now=now,
                text_hash=row["text_hash"],
                outbound=row["direction"] == "outbound",
            )
            told = {
                "message": added,
                "author": row["author"],
                "text_hash": row["text_hash"],
                "written_at": row["at"].isoformat(),
            }
            self.record(conn, other, who, now, ("message_received", told))
        self.record(conn, other, who, now, ("merged", {"case": case_id}))
        self.record(conn, case_id, who, now, ("merged", {"case": other}))
        if case["status"] not in {"resolved", "closed"}:
            told = {"old_status": case["status"], "status": "resolved", "reason_code": "merged"}
            self.record(conn, case_id, who, now, ("status_set", told))
        self.reclock(conn, case_id, now)
        self.request_draft_in(conn, other, "", now)


def shared(traces: Collection[Trace]) -> dict[str, list[str]]:
    """What most of these cases have in common: articles, lots, pages."""
    half = len(traces) / 2
    return {
        name: sorted(v for v in {x for t in traces for x in getattr(t, name)} if sum(v in getattr(t, name) for t in traces) >= half)
        for name in ("skus", "lots", "pages", "harms")
    }  # fmt: skip
