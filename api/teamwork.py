"""Verbs around a case's commitments: the teams pulled in, what was promised, its severity, and what the customer thought."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, RowMapping, insert, select, update

from agent.directory import Recipient
from agent.promises import falls_due
from agent.standing import Event
from api import wire
from api.auth import Principal
from api.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from api.ids import new_id
from api.store import audit, cases, clocks, mail
from api.store.tables import promises
from api.verbs import Entry, Verbs
from api.wire import Json

Outcome: TypeAlias = Literal["kept", "broken", "dropped"]
TEAM_LINK = Principal("prn_teamlink", "a team's link", "worker")
"""Whoever holds the signed link of a notice; it acknowledges that one team's part and nothing else."""


class Teamwork(Verbs):
    """What people and teams do about a case besides answering it."""

    # --- teams ---------------------------------------------------------------------------------------------------------

    def pull_in(
        self, conn: Connection, who: Principal, case: Mapping[str, Any], draft_id: str, proposal: Json, drafted: Entry,
        now: datetime,
    ) -> None:  # fmt: skip
        """Record a triage: its policy, dates from outside, and the teams that it needs, each told once per case. A
        ticket of a helpdesk gets a note with it.
        """
        log = clocks.log_of(conn, [case["id"]])[case["id"]]
        sla = self.rules.pack.sla
        clocks.keep(conn, sla, now)
        known = {name: proposal.get(name) for name in ("issue_type", "severity", "primary_team")}
        entries: list[Entry] = [("triaged", {**{n: v for n, v in known.items() if v}, "policy": sla.version}), drafted]
        entries += self._dates(log, proposal)
        before = {str(e.data["team"]) for e in log if e.kind == "team_pulled_in"}
        needed = [t for t in (proposal.get("primary_team"), *proposal.get("collaborators", ())) if t]
        teams = [t for t in dict.fromkeys(needed) if t not in before and t in self.rules.pack.teams]
        entries += [("team_pulled_in", {"team": team}) for team in teams]
        self.record(conn, case["id"], who, now, *entries)
        self.reclock(conn, case["id"], now, [*log, *(Event(kind, now, data) for kind, data in entries)])
        for team in teams:
            self.brief(conn, case["id"], team, draft_id, now)
        told: dict[str, Any] = {"draft": draft_id, **{n: v for n, v in known.items() if v}}
        self.tell_programs(conn, "case.triaged", case["id"], now, draft_id, **told)
        if case["source"] in self.rules.helpdesks and case["external_id"]:
            words = {**{n: v or "" for n, v in known.items()}, "severity": case["severity"]}
            note = {"kind": "note", "case": case["id"], "draft": draft_id, **words}
            mail.post(conn, mail.HELPDESK + case["source"], f"note:{draft_id}", note, now=now, case_id=case["id"])

    def brief(self, conn: Connection, case_id: str, team: str, draft_id: str, now: datetime) -> None:
        """Tell a team why it is needed; outside its hours the first of its people on call too."""
        payload = {"kind": "pulled_in", "case": case_id, "team": team, "draft": draft_id}
        told = {self.tell(conn, Recipient(team=team), f"{case_id}:pulled_in:{team}", payload, now, case_id=case_id)}
        found, sla = self.rules.pack.teams[team], self.rules.pack.sla
        if found.on_call and found.hours and not sla.calendars[found.hours].is_open(now):
            first = Recipient(team=team, member=found.on_call[0])
            if self.rules.pack.directory.channel_of(first) not in told:
                self.tell(conn, first, f"{case_id}:pulled_in:{team}", payload, now, case_id=case_id)

    def _dates(self, log: list[Event], proposal: Json) -> list[Entry]:
        known = {(str(e.data["deadline"]), str(e.data["due_at"])) for e in log if e.kind == "deadline_set"}
        dates = ((name, at.isoformat()) for name, at in wire.external(proposal.get("clocks", ())).items())
        return [("deadline_set", {"deadline": n, "due_at": at}) for n, at in dates if (n, at) not in known]

    def acknowledge(self, who: Principal, case_id: str, team: str, *, key: str | None = None) -> dict[str, Any]:
        """A team says that it takes its part: `{"case", "team"}`; saying so twice is no error.

        Raises:
            NotFoundError: there is no such case, or the team was not pulled in.

        """
        who.need("work")
        return self._acknowledge(who, case_id, team, key)

    def acknowledge_by_link(self, case_id: str, team: str, token: str) -> dict[str, Any]:
        """The same by the signed link of a notice.

        Raises:
            ForbiddenError: the link is not one of this desk's.

        """
        if not hmac.compare_digest(token, self.link_token(case_id, team)):
            raise ForbiddenError("This link is not one of the desk's; open it from the notice, or sign in.")
        return self._acknowledge(TEAM_LINK, case_id, team, None)

    def link_token(self, case_id: str, team: str) -> str:
        """What a team's link proves itself with."""
        return self.store.keyed("ack", case_id, team)[:40]

    def _acknowledge(self, who: Principal, case_id: str, team: str, key: str | None) -> dict[str, Any]:
        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            cases.get(conn, case_id, lock=True)
            log = clocks.log_of(conn, [case_id])[case_id]
            teams = {
                kind: {str(e.data["team"]) for e in log if e.kind == kind} for kind in ("team_pulled_in", "team_acked")
            }
            if team not in teams["team_pulled_in"]:
                raise NotFoundError("team pulled in on this case:", team)
            if team not in teams["team_acked"]:
                self.record(conn, case_id, who, now, ("team_acked", {"team": team}))
            return case_id, {"case": case_id, "team": team}

        return self.once("acknowledge", who, key, [case_id, team], change)

    # --- promises ------------------------------------------------------------------------------------------------------

    def promise(
        self,
        conn: Connection,
        who: Principal,
        case: RowMapping,
        message_id: str,
        text: str,
        at: datetime,
        now: datetime,
    ) -> list[str]:
        """Keep what a sent text commits the store to, each with its clock; returns the ids."""
        pack = self.rules.pack
        facts = {"severity": case["severity"], "issue_type": case["issue_type"], "channel": case["channel"]}
        whole = pack.sla.policy(facts).targets.get("resolution")
        calendar = next((c for c in pack.sla.calendars.values() if not c.always_open), None)
        calendar = calendar or pack.sla.calendars[whole.calendar if whole else next(iter(pack.sla.calendars))]
        ids: list[str] = []
        for c in self.rules.commitments(text, case["language"] or "en", at):
            due = falls_due(c, at, calendar, pack.store.time_zone)
            promise_id = new_id("prm", now)
            conn.execute(
                insert(promises).values(
                    id=promise_id, case_id=case["id"], message_id=message_id, action=c.action, text=c.text, due_at=due,
                    amount=str(c.amount.amount) if c.amount else None, currency=c.amount.currency if c.amount else None,
                    state="open", made_at=at,
                )
            )  # fmt: skip
            ids.append(promise_id)
            if due is not None:
                told = {"promise": promise_id, "action": c.action, "due_at": due.isoformat(), "sent_at": at.isoformat()}
                self.record(conn, case["id"], who, now, ("promise_made", told))
        return ids

    def settle_promise(
        self, who: Principal, promise_id: str, outcome: Outcome, *, key: str | None = None
    ) -> dict[str, Any]:
        """Say whether a promise was kept: `{"promise", "state"}`. Kept after its time it is broken all the same.

        Raises:
            NotFoundError: there is no such promise.
            ConflictError: it was settled otherwise before.

        """
        who.need("work")
        if outcome not in {"kept", "broken", "dropped"}:
            raise InvalidError(f"Unknown outcome {outcome!r}; known are kept, broken, dropped.")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            row = conn.execute(select(promises).where(promises.c.id == promise_id)).mappings().first()
            if row is None:
                raise NotFoundError("promise", promise_id)
            late = outcome == "kept" and row["due_at"] is not None and now > row["due_at"]
            state = "broken" if late else outcome
            if row["state"] not in {"open", state} and row["state"] != "broken":
                raise ConflictError(f"Promise {promise_id} was settled before: it is {row['state']}.")
            if row["settled_at"] is None:
                conn.execute(update(promises).where(promises.c.id == promise_id).values(state=state, settled_at=now))
                kind = (
                    "promise_dropped"
                    if outcome == "dropped"
                    else "promise_kept"
                    if outcome == "kept"
                    else "promise_broken"
                )
                self.record(conn, row["case_id"], who, now, (kind, {"promise": promise_id}))
            return row["case_id"], {"promise": promise_id, "state": state}

        return self.once("settle_promise", who, key, [promise_id, outcome], change)

    # --- severity, policy, answers that need none ----------------------------------------------------------------------

    def set_severity(
        self, who: Principal, case_id: str, severity: str, reason: str, *, key: str | None = None
    ) -> dict[str, Any]:
        """Change a case's severity: `{"case", "severity"}`. Below the floor of the rules only with the authority for it.

        Raises:
            InvalidError: there is no such severity, or the reason is no plain word.
            ForbiddenError: it is below the floor.

        """
        who.need("work")
        pack = self.rules.pack
        if severity not in pack.severities:
            raise InvalidError(f"There is no severity {severity!r}; use one of {', '.join(pack.severities)}.")
        word = reason_word(reason)

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            case = cases.get(conn, case_id, lock=True)
            draft = cases.get_draft(conn, case["draft_id"]) if case["draft_id"] else None
            proposal: Json = (draft["proposal"] if draft else None) or {}
            floor = str(proposal.get("severity_floor") or "")
            role = pack.authority.roles.get(who.role)
            if floor and pack.more_severe(floor, severity) != severity and not (role and role.below_floor):
                raise ForbiddenError(f"{who.name} may not go below {floor}, which a rule demands; ask an admin.")
            cases.change(conn, case_id, severity=severity)
            self.record(conn, case_id, who, now, ("severity_set", {"severity": severity, "reason_code": word}))
            return case_id, {"case": case_id, "severity": severity}

        return self.once("set_severity", who, key, [case_id, severity, reason], change)

    def adopt_policy(self, who: Principal, case_id: str, reason: str, *, key: str | None = None) -> dict[str, Any]:
        """Put a case under the commitments in force now instead of those that it was triaged under: `{"case"}`.

        Raises:
            ForbiddenError: only an admin may.

        """
        who.need("admin")
        told = {"policy": self.rules.pack.sla.version, "reason_code": reason_word(reason)}

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            clocks.keep(conn, self.rules.pack.sla, now)
            self.record(conn, case_id, who, now, ("policy_set", told))
            return case_id, {"case": case_id}

        return self.once("adopt_policy", who, key, [case_id, reason], change)

    def no_reply_needed(self, who: Principal, case_id: str, reason: str, *, key: str | None = None) -> dict[str, Any]:
        """A person says that the last message needs no answer: `{"case"}`."""
        who.need("work")
        told = {"reason_code": reason_word(reason)}

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            self.record(conn, case_id, who, now, ("no_reply_needed", told))
            return case_id, {"case": case_id}

        return self.once("no_reply_needed", who, key, [case_id, reason], change)

    def meet_deadline(self, who: Principal, case_id: str, deadline: str, *, key: str | None = None) -> dict[str, Any]:
        """A person says that what a date from outside asked for is done: `{"case", "deadline"}`.

        Raises:
            NotFoundError: the case has no such date.

        """
        who.need("work")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            log = clocks.log_of(conn, [case_id])[case_id]
            if not any(e.kind == "deadline_set" and e.data["deadline"] == deadline for e in log):
                raise NotFoundError("date from outside on this case:", deadline)
            self.record(conn, case_id, who, now, ("deadline_met", {"deadline": deadline}))
            return case_id, {"case": case_id, "deadline": deadline}

        return self.once("meet_deadline", who, key, [case_id, deadline], change)

    def record_satisfaction(
        self, who: Principal, case_id: str, score: int, *, key: str | None = None
    ) -> dict[str, Any]:
        """What the customer thought of the whole, from 1 (bad) to 5 (good): `{"case", "score"}`.

        Raises:
            InvalidError: the score is not from 1 to 5.

        """
        who.need("receive")
        if not 1 <= score <= 5:
            raise InvalidError(f"A satisfaction score is a whole number from 1 to 5, not {score}.")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            cases.get(conn, case_id, lock=True)
            cases.change(conn, case_id, satisfaction=score)
            self.record(conn, case_id, who, now, ("satisfaction_given", {"score": score}))
            return case_id, {"case": case_id, "score": score}

        return self.once("record_satisfaction", who, key, [case_id, score], change)


def reason_word(given: str) -> str:
    """A reason as a word that the log may hold.

    Raises:
        InvalidError: it is no short code.

    """
    word = given.strip().lower().replace(" ", "_").replace("-", "_")
    if not audit.is_word(word):
        raise InvalidError("A reason is a short code in letters, digits and underscores, like `customer_called`.")
    return word
