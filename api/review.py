"""Verbs of a person who decides on a draft: approve, change and approve, send back, discard, undo, answer a finding."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, cast, get_args

from sqlalchemy import Connection, RowMapping

from agent import intake
from agent.case import GuardReport
from agent.pack import Role
from agent.recheck import EVIDENCE_RULES, lapsed
from api import risk, wire
from api.auth import Principal
from api.errors import BlockedError, ConflictError, DraftChangedError, ForbiddenError, InvalidError, UnreadError
from api.store import cases, casework, decisions, keys, mail
from api.store.unit import canonical
from api.teamwork import reason_word
from api.verbs import Verbs
from api.wire import Json

Decision: TypeAlias = Literal["approve", "send_back", "discard"]

HOLD: timedelta = timedelta(seconds=10)
"""How long an approval can be undone; after it the text is released."""
MOST_TEXT = 64 * 1024
"""Characters of a text that a person wrote."""

_DECIDED: Mapping[str, str] = {"approve": "approved", "send_back": "sent_back", "discard": "discarded"}
_CHANGED = "The draft or its case changed after you read it; read it again, then decide."


@dataclass(frozen=True, slots=True)
class Edit:
    """Words of a person in place of the draft's, as the guard reads them."""

    body: dict[str, Any]
    report: GuardReport


@dataclass(frozen=True, slots=True)
class Read:
    """What a person had before them when they decided."""

    draft_hash: str
    case_version: int
    opened: frozenset[str] = frozenset()
    """Ids of what they opened, e.g. `fact-3`."""


class Review(Verbs):
    """What people decide on drafts."""

    def record_review(
        self, who: Principal, draft_id: str, decision: Decision, *, draft_hash: str, case_version: int, hint: str = "",
        reason: str = "", text: str | None = None, subject: str | None = None, opened: Collection[str] = (),
        key: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Decide on a draft as it was read: `{"draft", "second"}`; the draft is the new one when it was sent back, and
        `second` says that another person has to approve it too.

        Args:
            who: decides.
            draft_id: of the draft.
            decision: approve, send_back or discard.
            draft_hash: of the draft as it was read.
            case_version: of the case as it was read.
            hint: with send_back: what the next draft should do otherwise.
            reason: a short code, e.g. `tone`.
            text: with approve: other words than the draft's; they go through the guard.
            subject: with approve: another subject.
            opened: ids of the facts and actions that the person opened.
            key: the sender's Idempotency-Key.

        Raises:
            DraftChangedError: draft or case are not what the person read.
            IllegalMoveError: the draft cannot be decided that way, e.g. it has hard findings.
            UnreadError: something has to be opened first.
            BlockedError: the guard has hard findings in the changed words.
            ForbiddenError: the person's role may not approve this.

        """
        who.need("review")
        if decision not in get_args(Decision):
            raise InvalidError(f"Unknown decision {decision!r}; known are {', '.join(_DECIDED)}.")
        code = reason_word(reason) if reason.strip() else ""
        read = Read(draft_hash, case_version, frozenset(opened))
        edit = self._edited(draft_id, read, text, subject) if decision == "approve" else None

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            draft, case = self._as_read(conn, draft_id, read)
            if decision == "approve":
                return case["id"], self._approve(conn, who, (draft, case), read, edit, code, now)
            cases.set_draft(conn, draft, _DECIDED[decision], now)
            self._decided(conn, who, draft, decision, code, now)
            sent_back = decision == "send_back"
            new = self.request_draft_in(conn, case["id"], hint, now) if sent_back else draft_id
            return case["id"], {"draft": new, "second": False}

        request = [draft_id, decision, draft_hash, case_version, hint, code, text, subject]
        return self.once("record_review", who, key, request, change)

    def undo_approval(self, who: Principal, draft_id: str, *, key: str | None = None) -> dict[str, Any]:
        """Take an approval back while it is held: `{"draft"}`, which is as it was before.

        Raises:
            ConflictError: it is not approved, or it was released.

        """
        who.need("review")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            draft = cases.get_draft(conn, draft_id, lock=True)
            given = decisions.approval(conn, draft_id)
            if draft["state"] != "approved" or given is None:
                raise ConflictError(f"There is no approval to undo: the draft is {draft['state'].replace('_', ' ')}.")
            if now >= held_until(draft):
                raise ConflictError("The approval was released and cannot be undone; ask for a new draft instead.")
            before: Json = given["before"] or {}
            columns = {name: before[name] for name in ("body", "proposal") if name in before}
            cases.set_draft(conn, draft, before["state"], now, hash=before["hash"], **columns)
            decisions.undo(conn, draft_id, now)
            cases.record(conn, draft["case_id"], "approval_undone", actor=who.id, now=now, draft=draft_id)
            mail.withdraw(conn, f"case.approved:{draft['case_id']}:{given['id']}:")
            return draft["case_id"], {"draft": draft_id}

        return self.once("undo_approval", who, key, [draft_id], change)

    def resolve_finding(
        self, who: Principal, draft_id: str, finding: int, evidence: str, *, draft_hash: str, case_version: int,
        key: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Answer a hard finding, counted from 1, with evidence: `{"draft", "state"}`. Only what asks for a source can be
        answered; a draft whose last hard finding is answered is ready.

        Raises:
            ForbiddenError: the person's role may not, or may not give so much money.
            ConflictError: this finding has to be edited away, or does not block.

        """
        who.need("review")
        if not evidence.strip():
            raise InvalidError("Say what shows it: the record, the person you asked, or the policy.")

        def change(conn: Connection, now: datetime) -> tuple[str, dict[str, Any]]:
            draft, case = self._as_read(conn, draft_id, Read(draft_hash, case_version))
            proposal: Json = draft["proposal"] or {}
            guard: Json = proposal.get("guard") or {}
            findings = [dict(f) for f in risk.rows(guard, "findings")]
            if not 1 <= finding <= len(findings):
                raise InvalidError(f"This draft has {len(findings)} findings; there is no number {finding}.")
            one = findings[finding - 1]
            self._may_resolve(who, draft, one, now)
            one |= {"hard": False, "answered": who.name}
            blocked = any(f.get("hard") for f in findings)
            decisions.resolve(
                conn, now, case_id=case["id"], draft_id=draft_id, rule=str(one["rule"]), who=who.id,
                start=int(one.get("start") or 0), end=int(one.get("end") or 0), evidence=evidence[:2000],
            )  # fmt: skip
            verdict = "blocked" if blocked else "warned"
            new = {**proposal, "guard": {**guard, "findings": findings, "verdict": verdict}}
            if blocked:
                cases.set_proposal(conn, draft_id, new)
            else:
                cases.set_draft(conn, draft, "ready", now, proposal=new, state_reason="")
            told = {"draft": draft_id, "rule": str(one["rule"])}
            cases.record(conn, case["id"], "finding_answered", actor=who.id, now=now, **told)
            return case["id"], {"draft": draft_id, "state": draft["state"] if blocked else "ready"}

        return self.once("resolve_finding", who, key, [draft_id, finding, evidence], change)

    # --- shared steps, each inside a verb's transaction ----------------------------------------------------------------

    def draft_hash(self, body: Json | None) -> str:
        """What an approval binds to: every word and promise of a draft; "" when there is no draft."""
        return self.store.keyed("draft", canonical(body)) if body else ""

    def gifts(self, body: Json, language: str, now: datetime) -> tuple[risk.Gift, ...]:
        """What a draft gives away."""
        text = str(body.get("body") or "")
        return risk.gifts(body, self.rules.commitments(text, language or "en", now))

    def openings(
        self, case: Mapping[Any, Any], draft: Mapping[Any, Any], words: str | None, now: datetime
    ) -> tuple[risk.Opening, ...]:
        """What has to be opened of a draft as it was read. Of facts that a person took out of the words nothing is asked,
        and those that they wrote themselves they know.
        """
        body: Json = draft["body"] or {}
        given = self.gifts(body, case["language"], now)
        found = risk.to_open(self.rules.pack, case["severity"], draft["proposal"] or {}, body, given)
        return tuple(o for o in found if words is None or not o.id.startswith("fact-") or o.text in words)

    def role(self, who: Principal) -> Role:
        """What the pack lets a person decide.

        Raises:
            ForbiddenError: nothing.

        """
        if (found := self.rules.pack.authority.roles.get(who.role)) is None:
            raise ForbiddenError(f"The role {who.role!r} of {who.name} decides on no draft; ask an admin.")
        return found

    def _as_read(self, conn: Connection, draft_id: str, read: Read) -> tuple[RowMapping, RowMapping]:
        """Draft and case, if they still are what the person had before them."""
        draft = cases.get_draft(conn, draft_id, lock=True)
        case = cases.get(conn, draft["case_id"], lock=True)
        moved = case["version"] != read.case_version and (
            read.case_version > case["version"] or decisions.moved_on(conn, case["id"], read.case_version)
        )
        if draft["hash"] != read.draft_hash or moved:
            raise DraftChangedError(_CHANGED)
        return draft, case

    def _edited(self, draft_id: str, read: Read, text: str | None, subject: str | None) -> Edit | None:
        """The changed words as the guard reads them, worked out with no transaction open; None when nothing changed."""
        if text is None and subject is None:
            return None
        with self.store.read() as conn:
            draft, case = self._as_read(conn, draft_id, read)
            texts = cases.messages_of(conn, case["id"])
            answers = {(r["rule"], r["start"], r["end"]) for r in decisions.resolved(conn, draft_id)}
        old: Json = draft["body"] or {}
        new = _words(str(old.get("subject") or "") if subject is None else subject.strip())
        words = _words(str(old.get("body") or "") if text is None else text)
        if not old or (words, new) == (_words(str(old.get("body") or "")), str(old.get("subject") or "").strip()):
            return None
        if not words.strip() or len(words) > MOST_TEXT:
            raise InvalidError(f"Write a text of 1 to {MOST_TEXT} characters.")
        kept = [p for p in risk.rows(old, "promises") if str(p.get("text") or "") in words]
        body = {**old, "subject": new, "body": words, "promises": kept}
        now = self.clock.now()
        escalation = intake.parse(wire.whole(case, texts), now=now, case_id=case["id"])
        report = self.rules.recheck(
            escalation, draft["proposal"] or {}, body, now=now, answered=case["human_replies"] > 0
        )
        before = str(old.get("body") or "")
        known = {(rule, before[start:end]) for rule, start, end in answers}
        hard = [f for f in report.findings if f.hard and (f.rule, words[f.start : f.end]) not in known]
        if hard:
            raise BlockedError(tuple(f.message for f in hard))
        return Edit(body, report)

    def _approve(
        self, conn: Connection, who: Principal, rows: tuple[RowMapping, RowMapping], read: Read, edit: Edit | None,
        code: str, now: datetime,
    ) -> dict[str, Any]:  # fmt: skip
        """Let a draft go out, or note the first of two approvals."""
        draft, case = rows
        body: Json | None = edit.body if edit else draft["body"]
        if not body or draft["kind"] == "brief":
            raise ConflictError("There is no text for the customer here; write the answer and record it as sent.")
        if draft["state"] == "blocked" and edit is None:
            raise ConflictError("A finding blocks this draft; edit the text, or answer the finding with evidence.")
        proposal: Json = draft["proposal"] or {}
        if edit:
            proposal = {**proposal, "draft": edit.body, "guard": _guard(edit.report)}
        given = self.gifts(body, case["language"], now)
        self._may_approve(conn, who, case)
        _all_opened(self.openings(case, draft, str(body.get("body") or ""), now), read.opened)
        _in_time(body, now)
        digest = self.draft_hash(body)
        firsts = decisions.firsts(conn, draft["id"], digest)
        if not self._enough(who, firsts, given, conn):
            self._decided(conn, who, draft, "first", code, now, digest=digest, changed=edit is not None)
            if edit:
                self._rewrite(conn, draft, edit, proposal, digest, now)
            return {"draft": draft["id"], "second": True}
        if draft["state"] == "blocked":
            cases.set_draft(conn, draft, "ready", now)
        moving = {**draft, "state": "ready" if draft["state"] == "blocked" else draft["state"]}
        changed = {"body": body, "proposal": proposal, "hash": digest, "state_reason": ""} if edit else {}
        cases.set_draft(conn, cast("RowMapping", moving), "approved", now, **changed)
        touched: list[tuple[decisions.TouchKind, str]] = [("focused", name) for name in sorted(read.opened)]
        decisions.touch(conn, now, case["id"], who.id, touched, draft["id"])
        kind = "edit" if edit else "approve"
        decision = self._decided(conn, who, draft, kind, code, now, digest=digest, changed=edit is not None)
        self.tell_programs(conn, "case.approved", case["id"], now, decision, not_before=now + HOLD, draft=draft["id"])
        return {"draft": draft["id"], "second": False}

    def _rewrite(
        self, conn: Connection, draft: RowMapping, edit: Edit, proposal: Json, digest: str, now: datetime
    ) -> None:
        """The changed words stand in the draft's place, so that the second person reads them."""
        state = "ready" if draft["state"] == "blocked" else draft["state"]
        if state == draft["state"]:
            cases.set_words(conn, draft["id"], edit.body, proposal, digest)
        else:
            cases.set_draft(conn, draft, state, now, body=edit.body, proposal=proposal, hash=digest, state_reason="")

    def _enough(self, who: Principal, firsts: list[RowMapping], given: tuple[risk.Gift, ...], conn: Connection) -> bool:
        """Whether this approval, with those before it, covers what is given."""
        roles = self.rules.pack.authority.roles
        people = {first["who"]: keys.principal(conn, first["who"])["role"] for first in firsts} | {who.id: who.role}
        able = any(risk.covers(roles[role], given) for role in people.values() if role in roles)
        return able and (len(people) > 1 or not risk.needs_two(self.rules.pack, given))

    def _may_approve(self, conn: Connection, who: Principal, case: RowMapping) -> None:
        role = self.role(who)
        if case["severity"] == self.rules.pack.severity_order[0] and not role.approve_s1:
            raise ForbiddenError(f"{who.name} may not approve an answer in an {case['severity']} case; ask a reviewer.")
        if role.approve != "any" and casework.assignee(conn, case["id"]) not in {"", who.id}:
            raise ForbiddenError("This case is somebody else's; take it over first, or leave it to them.")

    def _may_resolve(self, who: Principal, draft: RowMapping, finding: Json, now: datetime) -> None:
        role = self.role(who)
        if not finding.get("hard"):
            raise ConflictError("This finding only warns; there is nothing to answer.")
        if role.approve != "any":
            raise ForbiddenError(f"{who.name} may not answer a finding that blocks; ask a reviewer.")
        if finding.get("rule") not in EVIDENCE_RULES:
            raise ConflictError("This finding cannot be answered with evidence: edit the sentence.")
        body: Json = draft["body"] or {}
        start, end = int(finding.get("start") or 0), int(finding.get("end") or 0)
        given = [g for g in self.gifts(body, "", now) if g.end and start <= g.start < max(end, start + 1)]
        if not risk.covers(role, given):
            raise ForbiddenError("So much money is beyond your authority; ask an admin.")

    def _decided(
        self, conn: Connection, who: Principal, draft: RowMapping, decision: str, code: str, now: datetime,
        digest: str = "", changed: bool = False,
    ) -> str:  # fmt: skip
        """Write a decision down, in the log too; of words that were changed the draft is kept."""
        kept = ("state", "hash", *(("body", "proposal") if changed else ()))
        before = {name: draft[name] for name in kept} if changed or decision == "approve" else None
        decision_id = decisions.add(
            conn, now, case_id=draft["case_id"], draft_id=draft["id"], who=who.id, decision=decision, reason_code=code,
            draft_hash=digest or draft["hash"], before=before,
        )  # fmt: skip
        kinds: list[decisions.TouchKind] = ["edited", "decided"] if decision == "edit" else ["decided"]
        decisions.touch(conn, now, draft["case_id"], who.id, [(kind, "") for kind in kinds], draft["id"])
        told = {"draft": draft["id"], "decision": decision} | ({"reason_code": code} if code else {})
        told |= {"draft_hash": digest or draft["hash"]} if digest or draft["hash"] else {}
        cases.record(conn, draft["case_id"], "reviewed", actor=who.id, now=now, **told)
        return decision_id


def held_until(draft: Mapping[Any, Any]) -> datetime:
    """Until when an approved draft's approval can be undone: nothing changes a draft once it is approved."""
    at: datetime = draft["updated_at"]
    return at + HOLD


def _words(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _guard(report: GuardReport) -> dict[str, Any]:
    return {
        "verdict": report.verdict,
        "findings": [asdict(f) for f in report.findings],
        "facts": [asdict(f) for f in report.facts],
    }


def _all_opened(openings: tuple[risk.Opening, ...], opened: frozenset[str]) -> None:
    if missing := tuple(o for o in openings if o.id not in opened):
        listed = "; ".join(f"“{o.text}”, because {o.why}" for o in missing)
        raise UnreadError(tuple(o.id for o in missing), f"Open these before you approve: {listed}.")


def _in_time(body: Json, now: datetime) -> None:
    if lapsed(body, now):
        raise ConflictError("This draft promises something for a time that has passed; edit it, or ask for a new one.")
