"""The verbs of the desk. Each takes a named principal, is one transaction, and either happens whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from agent.outbreak import Trace
from agent.states import OPEN_DRAFT, IllegalMoveError, move_case
from api import wire
from api.auth import Principal
from api.casework import Casework
from api.errors import ConflictError, InvalidError, StaleWorkError
from api.outbreaks import Outbreaks
from api.review import Review
from api.store import cases, casework, clocks, mail, queue
from api.store.queue import Job
from api.sweep import Sweep
from api.verbs import Also, Entry
from api.wire import Json, Text

REPEAT: timedelta = timedelta(days=30)
"""Cases of one customer within this time count as earlier contacts."""

_ANSWERED_BY_DESK = {"customer", "bank"}  # authors whose message asks for a new draft


@dataclass(frozen=True, slots=True)
class DraftWork:
    """What a drafter gets: one case as it stands at `case_version`."""

    case_id: str
    draft_id: str
    case_version: int
    escalation: Json
    """The wire form with all messages; `id` is the case's."""
    hint: str
    """What a person wants otherwise than in the last draft; "" for none."""
    earlier_contacts: int
    """Other cases of this customer within `REPEAT` before this one."""


class Desk(Review, Casework, Outbreaks, Sweep):
    """The verbs over one store."""

    # --- what comes in -----------------------------------------------------------------------------------------------

    def receive(
        self, who: Principal, escalation: Json, *, key: str | None = None, source: str = "", sent: bool = False,
        also: Also = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Take one escalation in: `{"case", "draft"}`; its draft is pending and its job is queued.

        `key` is the sender's Idempotency-Key or delivery id, else the escalation's own `id` counts; `source` names a
        webhook, else the principal is the sender. The same key with the same body gives the same answer. `escalation`
        is the wire form as plain JSON, already checked by `agent.intake.parse`. `sent` says that the texts of the staff
        in it are known to have reached the customer, from a person.

        Raises:
            IdempotencyConflictError: the key came before with another body.
            InvalidError: there is no message in it, or an instant cannot be read.

        """
        who.need("receive")
        external_id = str(escalation.get("id") or "")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            opened = min(wire.instant(escalation.get("received_at"), now), now)
            texts = wire.texts(escalation, opened, now)
            customer = self.store.keyed("customer", contact) if (contact := wire.contact(escalation)) else ""
            case_id = cases.add(
                conn, now, opened_at=opened, source=source or "api", external_id=external_id[:256],
                customer_key=customer, title=wire.title(texts), payload=wire.rest(escalation),
                channel=str(escalation.get("channel", ""))[:64],
            )  # fmt: skip
            facts = {"customer_hash": customer} if customer else {}
            facts |= {"source": source or "api", "opened_at": opened.isoformat()} | wire.words(escalation)
            facts["policy"] = clocks.keep(conn, self.rules.pack.sla, now)
            added = [self._add_text(conn, case_id, text, now, sent=sent) for text in texts]
            self.record(conn, case_id, who, now, ("case_opened", facts), *(entry for _, entry in added))
            return case_id, {"case": case_id, "draft": self.request_draft_in(conn, case_id, "", now)}

        return self.once("receive", who, key or external_id or None, escalation, change, source=source, also=also)

    def record_message(
        self,
        who: Principal,
        case_id: str,
        message: Json,
        *,
        key: str | None = None,
        sent: bool = False,
        also: Also = None,
    ) -> dict[str, Any]:
        """Add a text to a case: `{"message", "draft"}`. One of the customer or the bank makes the drafts so far stale,
        asks for a new one, and reopens a case that was resolved before it was written. `sent` says that a text of the
        staff is known to have reached the customer, from a person.

        Raises:
            NotFoundError: there is no such case.

        """
        who.need("receive")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            case = cases.get(conn, case_id, lock=True)
            text = wire.text(message, now, now)
            message_id, entry = self._add_text(conn, case_id, text, now, sent=sent)
            self.record(conn, case_id, who, now, entry)
            if "sent_at" in entry[1]:
                self.promise(conn, who, case, message_id, str(text.body["text"]), text.at, now)
            draft_id = None
            if text.body["author"] in _ANSWERED_BY_DESK:
                casework.put(conn, case_id, snoozed_until=None)
            ended = case["status"] in {"resolved", "closed"}
            if text.body["author"] in _ANSWERED_BY_DESK and not (ended and text.at <= case["resolved_at"]):
                if ended:
                    cases.record(conn, case_id, "reopened", actor=who.id, now=now, message=message_id)
                self._make_stale(conn, case_id, now)
                draft_id = self.request_draft_in(conn, case_id, "", now)
            return case_id, {"message": message_id, "draft": draft_id}

        return self.once("record_message", who, key, [case_id, message], change, also=also)

    def request_draft(self, who: Principal, case_id: str, hint: str = "", *, key: str | None = None) -> dict[str, Any]:
        """Ask for a new draft with a hint: `{"draft"}`. The old one stays usable until the new one is there.

        Raises:
            NotFoundError: there is no such case.

        """
        who.need("work")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            cases.record(conn, case_id, "draft_requested", actor=who.id, now=now)
            return case_id, {"draft": self.request_draft_in(conn, case_id, hint, now)}

        return self.once("request_draft", who, key, [case_id, hint], change)

    # --- what the worker does ----------------------------------------------------------------------------------------

    def draft_work(self, job: Job) -> DraftWork | None:
        """What a draft job needs, read in one transaction; None when its draft is not pending any more."""
        with self.store.read() as conn:
            draft = cases.get_draft(conn, job.data["draft"])
            if draft["state"] != "pending":
                return None
            case = cases.get(conn, draft["case_id"])
            return DraftWork(
                case["id"], draft["id"], case["version"], wire.whole(case, cases.messages_of(conn, case["id"])),
                draft["hint"], cases.earlier_of_customer(conn, case, case["opened_at"] - REPEAT),
            )  # fmt: skip

    def apply_proposal(
        self, who: Principal, job: Job, proposal: Json, *, case_version: int, trace: Trace | None = None
    ) -> None:
        """Store a proposal as the pending draft's content, only if the lease and the case version still hold; `trace` is
        what the case leaves for finding outbreaks.

        Raises:
            LeaseLostError: another worker has the job.
            StaleWorkError: the case changed since `case_version`.
            InvalidError: the proposal contradicts itself, e.g. it is ready although a hard finding stands.

        """
        who.need("apply")
        state, body = wire.checked(proposal)
        with self.store.write("apply_proposal") as conn:
            now = self.clock.now()
            queue.finish(conn, job, now)
            draft = cases.get_draft(conn, job.data["draft"], lock=True)
            case = cases.get(conn, draft["case_id"], lock=True)
            if case["version"] != case_version:
                raise StaleWorkError(f"Case {case['id']} changed while its draft was written.")
            body = {**body, "id": draft["id"]} if body else None
            digest = self.draft_hash(body)
            self._make_stale(conn, case["id"], now, but=draft["id"])
            cases.set_draft(
                conn, draft, state, now, kind=(body or {}).get("kind", ""), hash=digest, body=body,
                engine=proposal["engine"], degraded=proposal["degraded"], state_reason=proposal.get("state_reason", ""),
                proposal={**proposal, "case_id": case["id"], "draft": body}, versions=proposal.get("versions", {}),
                case_version=case_version,
            )  # fmt: skip
            triage = {name: proposal.get(name) or "" for name in ("issue_type", "severity", "primary_team")}
            least = self.rules.pack.more_severe(triage["severity"], self.clustered(conn, case["id"]))
            settled = case["severity"] if self.set_by_person(conn, case["id"]) else least
            if self.set_by_person(conn, case["id"], "routing_set"):
                triage["primary_team"] = case["primary_team"]
            self.rank(conn, case, proposal)
            cases.change(
                conn, case["id"], **{**triage, "severity": settled}, language=str(proposal.get("language", ""))[:64],
                human_lead=bool(proposal.get("human_lead")), needs_human=state == "needs_human",
                needs_human_reason=proposal.get("state_reason", "") if state == "needs_human" else "",
            )  # fmt: skip
            drafted = {
                "draft": draft["id"], "state": state, "engine": proposal["engine"],
                "degraded": bool(proposal["degraded"]), "draft_hash": digest,
            }  # fmt: skip
            self.pull_in(
                conn, who, {**case, "severity": settled}, draft["id"], {**proposal, "severity": least},
                ("draft_proposed", drafted), now,
            )  # fmt: skip
            if trace is not None:
                self.leave_trace(conn, trace, now)
            self.tell_programs(conn, "draft.ready", case["id"], now, draft["id"], draft=draft["id"], state=state)

    def draft_failed(self, who: Principal, job: Job, error: str) -> None:
        """Give a draft job up: the case needs a human, who is told why.

        Raises:
            LeaseLostError: another worker has the job.

        """
        who.need("apply")
        with self.store.write("draft_failed") as conn:
            now = self.clock.now()
            queue.bury(conn, job, error, now)
            draft = cases.get_draft(conn, job.data["draft"], lock=True)
            if draft["state"] != "pending":
                return
            reason = f"No draft could be written ({error}); answer by hand or ask for a new draft."
            cases.set_draft(conn, draft, "needs_human", now, state_reason=reason)
            cases.change(conn, draft["case_id"], needs_human=True, needs_human_reason=reason)
            cases.record(
                conn, draft["case_id"], "draft_failed", actor=who.id, now=now, draft=draft["id"], attempts=job.attempts
            )
            self.reclock(conn, draft["case_id"], now)
            self.tell_programs(
                conn, "draft.ready", draft["case_id"], now, draft["id"], draft=draft["id"], state="needs_human"
            )

    def bury(self, who: Principal, job: Job, error: str) -> None:
        """Give a job up that no case waits for.

        Raises:
            LeaseLostError: another worker has the job.

        """
        who.need("apply")
        with self.store.write("finish") as conn:
            queue.bury(conn, job, error, self.clock.now())

    # --- what people do ----------------------------------------------------------------------------------------------

    def record_sent(
        self, who: Principal, case_id: str, text: str, *, draft_id: str | None = None, sent_at: datetime | None = None,
        status: str | None = None, key: str | None = None, also: Also = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Note that a person sent `text` to the customer: `{"message"}`. With `draft_id` it was that approved draft;
        otherwise the drafts so far are stale. `status` is where the case goes next.

        Raises:
            IllegalMoveError: the draft is not approved, or the case cannot go there.

        """
        who.need("work")
        if not text.strip():
            raise InvalidError("The text that was sent is empty; give the words that the customer got.")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            at = min(sent_at or now, now)
            case = cases.get(conn, case_id, lock=True)
            body = {"text": text, "author": "staff", "at": at.isoformat(), "channel": case["channel"]}
            digest = self.store.keyed("text", text)
            message_id = cases.add_message(conn, case_id, body, at=at, now=now, text_hash=digest, outbound=True)
            facts = {"message": message_id, "text_hash": digest, "sent_at": at.isoformat()}
            if draft_id is not None:
                self._sent_draft(conn, case_id, draft_id, now)
                facts["draft"] = draft_id
            self._make_stale(conn, case_id, now)
            new = cases.record(conn, case_id, "reply_sent", actor=who.id, now=now, **facts)
            if status is not None and status != new.status:
                self._set_status(conn, who, case_id, (new.status, status), now)
            promised = self.promise(conn, who, case, message_id, text, at, now)
            return case_id, {"message": message_id, "promises": promised}

        request = [case_id, text, draft_id, status, str(sent_at or "")]
        return self.once("record_sent", who, key, request, change, also=also)

    def set_status(self, who: Principal, case_id: str, status: str, *, key: str | None = None) -> dict[str, Any]:
        """Move a case: `{"case"}`.

        Raises:
            IllegalMoveError: a person may not move it there.

        """
        who.need("work")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            case = cases.get(conn, case_id, lock=True)
            self._set_status(conn, who, case_id, (case["status"], status), now)
            return case_id, {"case": case_id}

        return self.once("set_status", who, key, [case_id, status], change)

    # --- shared steps, each inside a verb's transaction --------------------------------------------------------------

    def _add_text(self, conn: Connection, case_id: str, text: Text, now: datetime, *, sent: bool) -> tuple[str, Entry]:
        """A message and the event that tells of it."""
        digest = self.store.keyed("text", str(text.body.get("text", "")))
        author = text.body["author"]
        message_id = cases.add_message(
            conn, case_id, text.body, at=text.at, now=now, text_hash=digest, outbound=author == "staff"
        )
        told = {"message": message_id, "author": author, "text_hash": digest, "written_at": text.at.isoformat()}
        if sent and author == "staff":
            told["sent_at"] = text.at.isoformat()
        return message_id, ("message_received", told)

    def _make_stale(self, conn: Connection, case_id: str, now: datetime, but: str = "") -> None:
        for draft in cases.open_drafts(conn, case_id):
            if draft["state"] != "pending" and draft["id"] != but:
                cases.set_draft(conn, draft, "stale", now)
                mail.withdraw(conn, f"case.approved:{case_id}:")

    def _sent_draft(self, conn: Connection, case_id: str, draft_id: str, now: datetime) -> None:
        draft = cases.get_draft(conn, draft_id, lock=True)
        if draft["case_id"] != case_id:
            raise ConflictError(f"Draft {draft_id} belongs to another case.")
        if draft["state"] in OPEN_DRAFT - {"approved"}:
            raise IllegalMoveError("draft", draft["state"], "sent", ("approved",))
        cases.set_draft(conn, draft, "sent", now)

    def _set_status(self, conn: Connection, who: Principal, case_id: str, move: tuple[str, str], now: datetime) -> None:
        old, new = move
        told = {"old_status": old, "status": move_case(old, new)}
        state = cases.record(conn, case_id, "status_set", actor=who.id, now=now, **told)
        if new == "resolved":
            self.tell_programs(conn, "case.resolved", case_id, now, str(state.version))
