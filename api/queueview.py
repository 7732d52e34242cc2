"""The queue as its page shows it: saved views, counts, and why each case stands where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, case, func, or_, select

from agent.money import Money
from agent.pack import Pack
from agent.states import CASE_MOVES
from api.auth import Principal
from api.say import away, money, words
from api.store import casework
from api.store.columns import NEVER
from api.store.desktables import case_work, decisions, leases
from api.store.tables import cases, drafts
from api.wiring import Runtime

SOON: Final = timedelta(hours=4)
"""What is due within it is due soon."""
PAGE: Final = 50
"""Rows of one page."""

Condition: TypeAlias = Callable[[str, datetime], ColumnElement[bool]]
"""Of the reader's id and the instant."""

c, w = cases.c, case_work.c
_OPEN: Final = c.status.in_(sorted(CASE_MOVES.keys() - {"resolved", "closed"}))


def _awake(now: datetime) -> ColumnElement[bool]:
    """It does not rest; what is overdue never does."""
    return or_(w.snoozed_until.is_(None), w.snoozed_until <= now, c.next_due_at < now)


@dataclass(frozen=True, slots=True)
class View:
    """One saved view."""

    title: str
    about: str
    """What stands in it, for whoever sees it empty."""
    holds: Condition


VIEWS: Final[Mapping[str, View]] = {
    "open": View("All open", "every case that is not resolved", lambda who, now: and_(_OPEN, _awake(now))),
    "due": View(
        "Due soon", "cases with a clock that runs out within 4 hours, or has",
        lambda who, now: and_(_OPEN, c.next_due_at < now + SOON),
    ),
    "unassigned": View(
        "Unassigned", "cases that are nobody's",
        lambda who, now: and_(_OPEN, _awake(now), func.coalesce(w.assignee, "") == ""),
    ),
    "money": View(
        "Money at risk", "cases under a bank dispute, or above the store's high-value line",
        lambda who, now: and_(_OPEN, _awake(now), w.risky),
    ),
    "approval": View(
        "Waiting for approval", "drafts that are ready for your decision",
        lambda who, now: and_(_OPEN, _awake(now), c.draft_state == "ready"),
    ),
    "person": View(
        "Needs a human", "cases that a person has to write or mend",
        lambda who, now: and_(_OPEN, _awake(now), or_(c.needs_human, c.human_lead, c.draft_state == "blocked")),
    ),
    "mine": View("Mine", "cases that are yours", lambda who, now: and_(_OPEN, _awake(now), w.assignee == who)),
    "approved": View(
        "Approved, not sent", "texts that somebody approved and nobody noted as sent",
        lambda who, now: and_(_OPEN, c.draft_state == "approved"),
    ),
    "resting": View(
        "Resting", "cases put off until later",
        lambda who, now: and_(_OPEN, w.snoozed_until > now, c.next_due_at >= now),
    ),
    "done": View("Resolved", "cases that are over", lambda who, now: c.status.in_(("resolved", "closed"))),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One case and why it stands where it stands."""

    id: str
    title: str
    severity: str
    kind: str
    why: str
    team: str
    status: str
    draft_state: str
    human_lead: bool
    due: datetime | None
    overdue: bool
    assignee: str
    holder: str
    """Who has it open; "" for nobody."""
    money: str
    failed: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One page of a view."""

    view: str
    about: str
    lines: tuple[Line, ...]
    counts: Mapping[str, int]
    more: bool
    pending: int
    """Drafts of this page that are being written."""
    any: bool
    """Whether the desk has any case at all."""


def read(desk: Runtime, who: Principal, view: str, page: int = 1, search: str = "") -> Shown:
    """A page of a view, or of what a search finds in all cases."""
    who.need("read")
    now, pack = desk.clock.now(), desk.texts.pack
    view = view if view in VIEWS else "open"
    holds = _found(desk, search) if search else VIEWS[view].holds(who.id, now)
    order = case(
        {name: rank for rank, name in enumerate(pack.severity_order)}, value=c.severity, else_=len(pack.severity_order)
    )
    # which rows are shown is worked out without the drafts, whose texts would be read for every case of the desk
    wanted = (
        select(c.id)
        .select_from(cases.outerjoin(case_work, w.case_id == c.id))
        .where(holds)
        .order_by(c.next_due_at, order, func.coalesce(w.failed, 0).desc(), c.id)
        .limit(PAGE + 1)
        .offset((page - 1) * PAGE)
    )
    with desk.store.read() as conn:
        ids = list(conn.execute(wanted).scalars())
        found = {row["id"]: row for row in conn.execute(_rows(ids, now)).mappings()}
        rows = [found[case_id] for case_id in ids]
        names = casework.names(conn)
        counts = _counts(conn, who.id, now)
        anything = bool(rows) or conn.execute(select(c.id).limit(1)).first() is not None
        firsts = _firsts(conn, [row["draft_id"] for row in rows[:PAGE]])
    lines = tuple(_line(row, pack, names, now, who.id, row["draft_id"] in firsts) for row in rows[:PAGE])
    pending = sum(line.draft_state == "pending" for line in lines)
    return Shown(view, VIEWS[view].about, lines, counts, len(rows) > PAGE, pending, anything)


_COLUMNS: Final = (
    "id", "external_id", "title", "status", "issue_type", "severity", "primary_team", "human_lead", "needs_human_reason",
    "draft_id", "draft_state", "next_due_at",
)  # fmt: skip


def _rows(ids: list[str], now: datetime) -> Select[*tuple[Any, ...]]:
    """What the page shows of these cases."""
    return (
        select(
            *(c[name] for name in _COLUMNS), w.assignee, w.failed, w.risky, w.amount, w.currency,
            leases.c.who.label("holder"), drafts.c.proposal["severity_reason"].as_string().label("severity_reason"),
            drafts.c.state_reason,
        )
        .select_from(
            cases.outerjoin(case_work, w.case_id == c.id)
            .outerjoin(drafts, drafts.c.id == c.draft_id)
            .outerjoin(leases, and_(leases.c.case_id == c.id, leases.c.until > now))
        )
        .where(c.id.in_(ids))
    )  # fmt: skip


def _found(desk: Runtime, search: str) -> ColumnElement[bool]:
    """Cases by title, id, order, or the customer's address: a customer is found by the exact key alone."""
    like = "%" + search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    customer = desk.store.keyed("customer", search.casefold())
    return or_(
        c.title.ilike(like, escape="\\"), c.external_id == search, c.id == search, c.customer_key == customer,
        c.payload["order_ref"].as_string() == search,
    )  # fmt: skip


def _counts(conn: Connection, who: str, now: datetime) -> Mapping[str, int]:
    """How many cases each view of open cases holds, in one look."""
    some = {name: view for name, view in VIEWS.items() if name != "done"}
    sums = [func.sum(case((view.holds(who, now), 1), else_=0)).label(name) for name, view in some.items()]
    row = conn.execute(
        select(*sums).select_from(cases.outerjoin(case_work, w.case_id == c.id)).where(_OPEN)
    ).mappings().one()  # fmt: skip
    return {name: int(row[name] or 0) for name in some}


def _firsts(conn: Connection, draft_ids: list[str | None]) -> frozenset[str]:
    """Drafts that one of two people approved."""
    d = decisions.c
    query = select(d.draft_id).where(
        d.draft_id.in_([i for i in draft_ids if i]), d.decision == "first", d.undone_at.is_(None)
    )
    return frozenset(conn.execute(query.distinct()).scalars())


def _line(
    row: RowMapping, pack: Pack, names: Mapping[str, str], now: datetime, reader: str, first: bool
) -> Line:  # fmt: skip
    kind, team = pack.issue_types.get(row["issue_type"]), pack.teams.get(row["primary_team"])
    due: datetime | None = None if row["next_due_at"] == NEVER else row["next_due_at"]
    stake = money(Money(Decimal(row["amount"]), row["currency"])) if row["amount"] else ""
    return Line(
        id=row["id"], title=row["title"] or row["external_id"] or row["id"], severity=row["severity"],
        kind=kind.title if kind else words(row["issue_type"]), why=_why(row, due, now, stake, first=first),
        team=team.title if team else words(row["primary_team"]), status=words(row["status"]),
        draft_state=row["draft_state"], human_lead=row["human_lead"], due=due, overdue=due is not None and due < now,
        assignee="you" if row["assignee"] == reader else names.get(row["assignee"] or "", ""),
        holder="you" if row["holder"] == reader else names.get(row["holder"] or "", ""), money=stake,
        failed=row["failed"] or 0,
    )  # fmt: skip


def _why(row: RowMapping, due: datetime | None, now: datetime, stake: str, *, first: bool) -> str:
    """Why a case stands where it stands, the most pressing reason first."""
    parts = [
        "overdue" if due and due < now else f"due {away(due, now)}" if due and due < now + SOON else "",
        row["needs_human_reason"] or row["state_reason"] or "",
        "waits for a second person" if first and row["draft_state"] == "ready" else "",
        f"{stake} at stake" if row["risky"] and stake else "",
        row["severity_reason"] or "",
    ]
    said = [str(part).strip().rstrip(".") for part in parts if part]
    return "; ".join(dict.fromkeys(said))
