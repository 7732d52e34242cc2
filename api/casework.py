"""Verbs around a case besides deciding on its draft: whose it is, until when it rests, notes, ratings, and who looks at it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection, RowMapping

from agent.states import CASE_MOVES
from api import risk
from api.auth import Principal
from api.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from api.store import cases, casework, decisions, keys
from api.store.clocks import log_of
from api.store.decisions import TouchKind
from api.teamwork import Teamwork, reason_word
from api.verbs import Entry
from api.wire import Json
from evals.ratings import FAULTS, LEVELS

LEASE: timedelta = timedelta(seconds=60)
"""How long a case counts as open with somebody whose page says nothing any more."""
MOST_SNOOZE: timedelta = timedelta(days=30)
MOST_NOTE: Final = 10_000
"""Characters of a note."""

About: TypeAlias = Literal["precedent", "fact"]


class Casework(Teamwork):
    """What people do with cases in their hands."""

    def assign(self, who: Principal, case_id: str, to: str, *, key: str | None = None) -> dict[str, Any]:
        """Give a case to a person, by id or name; "" gives it back to everybody: `{"case", "assignee"}`.

        Raises:
            NotFoundError: there is no such case or person.

        """
        who.need("work")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            cases.get(conn, case_id, lock=True)
            person = _person(conn, to) if to else None
            self._assign(conn, who, case_id, person["id"] if person else "", now)
            return case_id, {"case": case_id, "assignee": person["id"] if person else ""}

        return self.once("assign", who, key, [case_id, to], change)

    def _assign(self, conn: Connection, who: Principal, case_id: str, to: str, now: datetime) -> None:
        if casework.assignee(conn, case_id) == to:
            return
        casework.put(conn, case_id, assignee=to)
        told: Entry = ("assigned", {"principal": to}) if to else ("unassigned", {})
        self.record(conn, case_id, who, now, told)

    def take_over(self, who: Principal, case_id: str, *, key: str | None = None) -> dict[str, Any]:
        """A person writes the answer: the drafts so far are put aside and the case is theirs: `{"case"}`."""
        who.need("work")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            case = cases.get(conn, case_id, lock=True)
            for draft in cases.open_drafts(conn, case_id):
                if draft["state"] == "approved":
                    raise ConflictError("The draft is approved; undo that first, or note that it was sent.")
                cases.set_draft(conn, draft, "stale" if draft["state"] == "pending" else "discarded", now)
            self._assign(conn, who, case_id, who.id, now)
            cases.change(conn, case_id, needs_human=True, needs_human_reason=f"{who.name} writes the answer.")
            self.record(conn, case_id, who, now, ("taken_over", {"principal": who.id}))
            if "in_progress" in CASE_MOVES[case["status"]]:
                told = {"old_status": case["status"], "status": "in_progress"}
                self.record(conn, case_id, who, now, ("status_set", told))
            return case_id, {"case": case_id}

        return self.once("take_over", who, key, [case_id], change)

    def snooze(self, who: Principal, case_id: str, until: datetime, *, key: str | None = None) -> dict[str, Any]:
        """Leave a case out of the queue until an instant; its clocks run on, and it comes back earlier when the customer
        writes or one of them is overdue: `{"case", "until"}`. An instant that has passed ends it.

        Raises:
            InvalidError: it is further away than `MOST_SNOOZE`.

        """
        who.need("work")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            cases.get(conn, case_id, lock=True)
            if until > now + MOST_SNOOZE:
                raise InvalidError(f"A case rests at most {MOST_SNOOZE.days} days; choose an earlier time.")
            casework.put(conn, case_id, snoozed_until=until if until > now else None)
            self.record(conn, case_id, who, now, ("snoozed", {"due_at": until.isoformat()}))
            return case_id, {"case": case_id, "until": until.isoformat()}

        return self.once("snooze", who, key, [case_id, until.isoformat()], change)

    def add_note(self, who: Principal, case_id: str, text: str, *, key: str | None = None) -> dict[str, Any]:
        """Leave a note that only the staff reads: `{"note"}`.

        Raises:
            InvalidError: it is empty or too long.

        """
        who.need("work")
        if not text.strip() or len(text) > MOST_NOTE:
            raise InvalidError(f"A note has 1 to {MOST_NOTE} characters.")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            cases.get(conn, case_id, lock=True)
            note = casework.add_note(conn, case_id, who.id, text.strip(), now)
            self.record(conn, case_id, who, now, ("note_added", {"note": note}))
            return case_id, {"note": note}

        return self.once("add_note", who, key, [case_id, text], change)

    def set_routing(
        self, who: Principal, case_id: str, team: str, reason: str, *, key: str | None = None
    ) -> dict[str, Any]:
        """Another team leads: `{"case", "team"}`; it is told once, and no later triage changes it.

        Raises:
            InvalidError: the pack has no such team, or the reason is no plain word.

        """
        who.need("work")
        if team not in self.rules.pack.teams:
            raise InvalidError(f"There is no team {team!r}; use one of {', '.join(self.rules.pack.teams)}.")
        told = {"team": team, "reason_code": reason_word(reason)}

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            case = cases.get(conn, case_id, lock=True)
            before = {str(e.data["team"]) for e in log_of(conn, [case_id])[case_id] if e.kind == "team_pulled_in"}
            cases.change(conn, case_id, primary_team=team)
            self.record(conn, case_id, who, now, ("routing_set", told))
            if team not in before:
                self.record(conn, case_id, who, now, ("team_pulled_in", {"team": team}))
                self.brief(conn, case_id, team, case["draft_id"] or "", now)
            return case_id, {"case": case_id, "team": team}

        return self.once("set_routing", who, key, [case_id, team, reason], change)

    # --- who looks at it -------------------------------------------------------------------------------------------------

    def look(
        self, who: Principal, case_id: str, kinds: Collection[tuple[TouchKind, str]] = (), draft_id: str = ""
    ) -> str:
        """Somebody has a case open, and did `kinds` there: the id of who holds it, which is the first of several.

        Raises:
            NotFoundError: there is no such case.

        """
        who.need("work")
        with self.store.write("look") as conn:
            now = self.clock.now()
            cases.get(conn, case_id)
            decisions.touch(conn, now, case_id, who.id, kinds, draft_id)
            return casework.hold(conn, case_id, who.id, now + LEASE, now)["who"]

    def leave(self, who: Principal, case_id: str) -> None:
        """Somebody closed a case."""
        who.need("work")
        with self.store.write("look") as conn:
            casework.let_go(conn, case_id, who.id)

    # --- what people think of drafts -------------------------------------------------------------------------------------

    def rate(
        self, who: Principal, draft_id: str, thumb: Literal["up", "down"], *, dims: Mapping[str, str] = {},
        first_fault: str = "", note: str = "", seconds: int = 0, key: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Say what a draft is worth: `{"rating"}`; a second rating of the same person takes the place of the first.

        Raises:
            InvalidError: it says something that the rubric does not have.

        """
        who.need("rate")
        wrong = [n for n, value in dims.items() if value not in LEVELS.get(n, ())]
        if thumb not in {"up", "down"} or wrong or first_fault not in {"", *FAULTS}:
            what = (
                f"{wrong[0]!r}" if wrong else f"{first_fault!r}" if first_fault not in {"", *FAULTS} else f"{thumb!r}"
            )
            raise InvalidError(f"The rubric has no such rating: {what}.")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            draft = cases.get_draft(conn, draft_id)
            rating = casework.add_rating(
                conn, now, case_id=draft["case_id"], draft_id=draft_id, output_hash=draft["hash"], rater=who.id,
                role=who.role, thumb=thumb, dims=dict(dims), first_fault=first_fault, note=note[:2000],
                seconds=max(0, min(seconds, 86400)), rubric_hash=self.rules.rubric(),
            )  # fmt: skip
            self.record(conn, draft["case_id"], who, now, ("draft_rated", {"draft": draft_id}))
            return draft["case_id"], {"rating": rating}

        return self.once("rate", who, key, [draft_id, thumb, dict(dims), first_fault, note], change)

    def misled(self, who: Principal, case_id: str, about: About, ref: str, *, key: str | None = None) -> dict[str, Any]:
        """Say that a precedent or a fact of a case's draft misled: `{"case"}`; saying so twice is no error."""
        who.need("work")
        if about not in {"precedent", "fact"} or not 0 < len(ref) <= 80:
            raise InvalidError("Only a precedent or a fact can mislead; name it by its id.")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            case = cases.get(conn, case_id)
            known = {(row["about"], row["ref"], row["who"]) for row in casework.feedback_of(conn, case_id)}
            if (about, ref, who.id) not in known:
                casework.add_feedback(
                    conn, now, case_id=case_id, draft_id=case["draft_id"] or "", about=about, ref=ref,
                    verdict="misled", who=who.id,
                )  # fmt: skip
            return case_id, {"case": case_id}

        return self.once("misled", who, key, [case_id, about, ref], change)

    # --- what the queue needs, inside a verb's transaction ----------------------------------------------------------------

    def rank(self, conn: Connection, case: RowMapping, proposal: Json) -> None:
        """Note of a new proposal what the queue sorts and filters by."""
        money, risky = risk.at_stake(self.rules.pack, case["payload"] or {}, proposal, self.rules.orders)
        casework.put(
            conn, case["id"], failed=risk.failed(proposal), risky=risky, amount=str(money.amount) if money else "",
            currency=money.currency[:3] if money else "",
        )  # fmt: skip


def _person(conn: Connection, to: str) -> RowMapping:
    """Somebody who can work on cases, by id or name."""
    found = keys.named(conn, to) or keys.principal(conn, to)
    if not found["active"]:
        raise NotFoundError("person who is let in", to)
    if found["role"] == "worker":
        raise ForbiddenError(f"{found['name']} is a program of the desk; give the case to a person.")
    return found
