"""The desk's own cases in the form of past ones, with what only its log tells: touches, decisions, promises, ratings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from difflib import SequenceMatcher
from itertools import groupby, pairwise
from math import isnan
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Table, func, select

from agent.standing import Book, Event, standing
from agent.states import CaseState, step
from api.store import proof
from api.store.desktables import decisions, draft_ratings, touches
from api.store.tables import cases, drafts, events, principals, promises
from api.wire import Json
from evals.observe import NAN, Own, kept
from evals.past import PastCase, Step, StepKind

PAUSE: Final = timedelta(minutes=5)
"""Longest time between two touches of a person in which they count as at work on the case."""
MISSES: Final = frozenset({"wrong_fact", "unsafe_promise"})
"""First faults that the checks of a draft should have found."""
_ENDED: Final = frozenset({"resolved", "closed"})
_STEPS: Final[Mapping[str, StepKind]] = {"note_added": "note", "reopened": "reopened"}
_WORD: Final = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Records:
    """The desk's own cases as they stood at an instant."""

    cases: list[tuple[PastCase, Own]]
    touch: dict[str, float]
    """Case -> seconds in hands."""
    worked: set[date]
    """Days on which people worked cases."""
    incoming: set[date]


@dataclass(slots=True)
class _Side:
    """What stands beside the log of a case."""

    drafts: list[RowMapping] = field(default_factory=list[RowMapping])
    decisions: list[RowMapping] = field(default_factory=list[RowMapping])
    touches: list[RowMapping] = field(default_factory=list[RowMapping])
    ratings: list[RowMapping] = field(default_factory=list[RowMapping])
    promises: list[RowMapping] = field(default_factory=list[RowMapping])


def records(conn: Connection, book: Book, keyed: Any, end: datetime) -> Records:
    """Every case that was opened before `end`, as it stood then.

    Args:
        conn: an open transaction.
        book: the versions of the commitments.
        keyed: the store's keyed hash; a case of another system has the id that an import of that system gives it.
        end: what came later does not count.

    """
    people = set(conn.execute(select(principals.c.id).where(principals.c.role != "worker")).scalars())
    heads = {row["id"]: row for row in conn.execute(select(cases).where(cases.c.opened_at < end)).mappings()}
    beside = _beside(conn, end)
    found, worked, touch = list[tuple[PastCase, Own]](), set[date](), dict[str, float]()
    columns = (events.c.case_id, events.c.kind, events.c.at, events.c.actor, events.c.data)
    query = (
        select(*columns).where(events.c.case_id != "", events.c.at <= end).order_by(events.c.case_id, events.c.case_seq)
    )
    log = conn.execution_options(yield_per=2000).execute(query).mappings()
    for case_id, rows in groupby(log, lambda row: str(row["case_id"])):
        head, entries = heads.get(case_id), list(rows)
        if head is None:
            continue
        side = beside.get(case_id) or _Side()
        worked |= {d["at"].date() for d in side.decisions}
        worked |= {e["at"].date() for e in entries if e["kind"] == "reply_sent" and e["actor"] in people}
        clocks = standing([Event(e["kind"], e["at"], e["data"]) for e in entries], book, end).clocks
        case = _case(head, entries, people, keyed)
        own = _own(side, entries, kept(clocks))
        if not isnan(own.touch):
            touch[case.id] = own.touch
        found.append((case, own))
    return Records(_joined(conn, found), touch, worked, {row["opened_at"].date() for row in heads.values()})


def first_work(conn: Connection) -> date | None:
    """The first day on which a person worked a case; None as long as nobody did."""
    people = select(principals.c.id).where(principals.c.role != "worker")
    sent = select(func.min(events.c.at)).where(events.c.kind == "reply_sent", events.c.actor.in_(people))
    instants = [
        at for at in (conn.execute(sent).scalar(), conn.execute(select(func.min(decisions.c.at))).scalar()) if at
    ]
    return min(instants).date() if instants else None


def _joined(conn: Connection, found: list[tuple[PastCase, Own]]) -> list[tuple[PastCase, Own]]:
    """The cases with what an import tells of the same ones: satisfaction, cost, complaints and errors."""
    told = proof.some(conn, [case.id for case, _ in found])
    if not told:
        return found
    return [(_filled(case, told[case.id]) if case.id in told else case, own) for case, own in found]


def _filled(case: PastCase, told: PastCase) -> PastCase:
    return replace(
        case, satisfaction=told.satisfaction if case.satisfaction is None else case.satisfaction,
        complaint=told.complaint, error=told.error, cost=told.cost, currency=told.currency,
    )  # fmt: skip


def _beside(conn: Connection, end: datetime) -> dict[str, _Side]:
    found: dict[str, _Side] = defaultdict(_Side)
    named: tuple[tuple[str, Table, Any], ...] = (
        ("drafts", drafts, drafts.c.created_at), ("decisions", decisions, decisions.c.at),
        ("touches", touches, touches.c.at), ("ratings", draft_ratings, draft_ratings.c.at),
        ("promises", promises, promises.c.made_at),
    )  # fmt: skip
    for name, table, at in named:
        for row in conn.execute(select(table).where(at <= end).order_by(table.c.id)).mappings():
            getattr(found[row["case_id"]], name).append(row)
    return found


# --- one case ----------------------------------------------------------------------------------------------------------


def _case(head: RowMapping, log: Sequence[RowMapping], people: set[str], keyed: Any) -> PastCase:
    state, steps, first, resolved, score = CaseState(), list[Step](), None, None, None
    issue_type, severity, team, by_person = "", "", "", False
    opened: datetime = head["opened_at"]
    for e in log:
        kind, data, who = e["kind"], e["data"], e["actor"] if e["actor"] in people else ""
        at = max(opened, Event(kind, e["at"], data).instant)
        before, state = state.status, step(state, kind, data)
        if kind == "reply_sent" or (
            kind == "message_received" and data.get("author") == "staff" and data.get("sent_at")
        ):
            first = first or at
            steps.append(Step(at, "reply", "", who))
        elif kind == "message_received" and at > opened and data.get("author") == "customer":
            steps.append(Step(at, "message"))
        elif kind == "triaged":
            issue_type, severity = (
                str(data.get("issue_type", "")),
                severity if by_person else str(data.get("severity", "")),
            )
        elif kind in {"severity_set", "severity_raised"}:
            severity, by_person = str(data["severity"]), by_person or kind == "severity_set"
        elif kind in {"assigned", "taken_over"}:
            steps.append(Step(at, "person", str(data.get("principal", "")), who))
        elif kind == "satisfaction_given":
            score = int(data["score"])
        elif kind in _STEPS:
            steps.append(Step(at, _STEPS[kind], "", who))
        new_team = (
            str(data.get("primary_team" if kind == "triaged" else "team", ""))
            if kind in {"triaged", "routing_set"}
            else ""
        )
        if new_team and new_team != team:
            team = new_team
            steps.append(Step(at, "team", team, who))
        if state.status != before:
            resolved = (resolved if before in _ENDED else at) if state.status in _ENDED else None
            steps.append(Step(at, "status", state.status, who))
    back = tuple(s.at for s in steps if s.kind == "reopened")
    id_ = keyed("past", head["external_id"] or head["id"])
    return PastCase(
        id=id_, opened=opened, first_reply=first, resolved=resolved, reopened=back, reopens=len(back),
        touches=sum(s.kind in {"reply", "note"} for s in steps), issue_type=issue_type, severity=severity, team=team,
        channel=head["channel"], satisfaction=score, steps=tuple(sorted(steps, key=lambda s: s.at)),
    )  # fmt: skip


def _own(side: _Side, log: Sequence[RowMapping], kept_: Mapping[str, bool]) -> Own:
    kinds = {e["kind"] for e in log}
    ready = [d for d in side.drafts if d["engine"]]
    back = [d for d in side.decisions if d["decision"] in {"send_back", "discard"}]
    settled = [p["state"] for p in side.promises if p["state"] in {"kept", "broken"}]
    latest = list({(r["draft_id"], r["rater"]): r for r in side.ratings}.values())
    costs = [float(_part(_part(dict(d), "proposal"), "usage").get("cost_usd") or 0) for d in ready]
    versions: Mapping[str, str] = (ready[0]["versions"] or {}) if ready else {}
    return Own(
        kept=kept_, touch=touch_time(side.touches),
        corrected=bool(kinds & {"severity_set", "routing_set"}) if "triaged" in kinds else None,
        missed=any(r["first_fault"] in MISSES for r in latest) if latest else None,
        broken="broken" in settled if settled else None, sent_back=float(len(back)) if ready else NAN,
        redrafted=float(len(ready) - 1) if ready else NAN, edited=_edited(side),
        rating=all(r["thumb"] == "up" for r in latest) if latest else None,
        engine_cost=sum(costs) if ready else NAN,
        engine=ready[0]["engine"][:64] if ready else "", prompts=str(versions.get("prompt", ""))[:16],
    )  # fmt: skip


def _part(whole: Mapping[Any, Any], name: str) -> Json:
    """Plain data within a row; empty when it was never there, or was erased."""
    return whole.get(name) or {}


def touch_time(rows: Iterable[Mapping[Any, Any]]) -> float:
    """Seconds in which people had a case in hands: the gaps between the touches of each, as far as these are short."""
    by_person: dict[str, list[datetime]] = defaultdict(list)
    for row in rows:
        by_person[row["who"]].append(row["at"])
    if not by_person:
        return NAN
    total = timedelta(0)
    for instants in by_person.values():
        instants.sort()
        gaps = (b - a for a, b in pairwise(instants))
        total += sum((gap for gap in gaps if gap <= PAUSE), timedelta(0))
    return total.total_seconds()


def _edited(side: _Side) -> float:
    """How much of the words of the last approved draft a person changed."""
    held = [d for d in side.decisions if d["decision"] in {"approve", "edit"} and d["undone_at"] is None]
    if not held:
        return NAN
    last = held[-1]
    if last["decision"] == "approve":
        return 0.0
    draft = next((d for d in side.drafts if d["id"] == last["draft_id"]), None)
    before = _part(_part(dict(last), "before"), "body")
    after = _part(dict(draft or {}), "body")
    return changed(str(before.get("body") or ""), str(after.get("body") or "")) if before and after else NAN


def changed(before: str, after: str) -> float:
    """The share of the words of two texts that they do not have in common, in order: 0 for equal ones, 1 for nothing alike."""
    one, other = _WORD.findall(before), _WORD.findall(after)
    return 1.0 - SequenceMatcher(None, one, other, autojunk=False).ratio()
