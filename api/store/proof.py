"""What proof rests on: past escalations without their texts, and the baselines that were frozen of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    LargeBinary,
    RowMapping,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)

from api.store.columns import Instant, metadata
from api.store.columns import at_column as _at
from api.store.columns import number_column as _number
from api.store.columns import word_column as _word
from evals.past import PastCase, as_body, of_body

BATCH: Final = 500
"""Rows that one statement takes."""

past_cases = Table(
    "past_cases", metadata,
    Column("id", String(64), primary_key=True),
    _word("import_id", None, index=True),
    Column("opened_at", Instant, nullable=False, index=True),
    _at("first_reply_at", nullable=True),
    _at("resolved_at", nullable=True),
    _word("issue_type"),
    _word("severity"),
    _word("team"),
    Column("body", JSON, nullable=False),
)  # fmt: skip
"""Escalations from before the desk, or of another system: instants, labels and numbers only. Ids and people are keyed
hashes, so that nothing in here names anybody."""

baselines = Table(
    "baselines", metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    _at("begins_at"),
    _at("ends_at"),
    _number("cases"),
    Column("hash", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
    _word("actor", None),
    _at("created_at"),
)  # fmt: skip
"""Frozen windows of the past: `content` is all that a baseline says, `hash` its SHA-256. Rows are only ever added."""


def put(conn: Connection, cases: Iterable[PastCase], import_id: str) -> tuple[int, int]:
    """Keep past cases; one that is here already is replaced by what the newer export says: how many are new, and changed."""
    added = changed = 0
    batch: list[PastCase] = []

    def flush() -> None:
        nonlocal added, changed
        rows = {case.id: _row(case, import_id) for case in batch}
        known = {row["id"]: row for row in _rows_of(conn, list(rows))}
        same = {id_ for id_, old in known.items() if {**old, "import_id": ""} == {**rows[id_], "import_id": ""}}
        if gone := [id_ for id_ in known if id_ not in same]:
            conn.execute(delete(past_cases).where(past_cases.c.id.in_(gone)))
        if new := [row for id_, row in rows.items() if id_ not in same]:
            conn.execute(insert(past_cases), new)
        added, changed = added + len(rows) - len(known), changed + len(gone)
        batch.clear()

    for case in cases:
        batch.append(case)
        if len(batch) >= BATCH:
            flush()
    if batch:
        flush()
    return added, changed


def all_of(conn: Connection, begins: datetime | None = None, ends: datetime | None = None) -> Iterator[PastCase]:
    """Past cases opened in a window, oldest first."""
    c = past_cases.c
    query = select(past_cases).order_by(c.opened_at, c.id)
    if begins is not None:
        query = query.where(c.opened_at >= begins)
    if ends is not None:
        query = query.where(c.opened_at < ends)
    for row in conn.execution_options(yield_per=2000).execute(query).mappings():
        yield _case(row)


def some(conn: Connection, ids: Sequence[str]) -> dict[str, PastCase]:
    """Past cases by their hashes."""
    parts = (ids[n : n + BATCH] for n in range(0, len(ids), BATCH))
    return {row["id"]: _case(row) for part in parts for row in _rows_of(conn, part)}


def count(conn: Connection) -> int:
    """How many past cases there are."""
    return conn.execute(select(func.count()).select_from(past_cases)).scalar_one()


def newest(conn: Connection) -> RowMapping | None:
    """The last baseline; None when none was frozen."""
    return conn.execute(select(baselines).order_by(baselines.c.version.desc()).limit(1)).mappings().first()


def heads(conn: Connection) -> Sequence[RowMapping]:
    """Every baseline without its content, the newest first."""
    columns = [column for column in baselines.c if column.name != "content"]
    return conn.execute(select(*columns).order_by(baselines.c.version.desc())).mappings().all()


def get(conn: Connection, version: int) -> RowMapping | None:
    """One baseline; None when there is none of this version."""
    return conn.execute(select(baselines).where(baselines.c.version == version)).mappings().first()


def keep(conn: Connection, **columns: Any) -> None:
    """Add a baseline; the key refuses a second one of its version."""
    conn.execute(insert(baselines).values(**columns))


def _rows_of(conn: Connection, ids: Sequence[str]) -> Sequence[Mapping[Any, Any]]:
    return conn.execute(select(past_cases).where(past_cases.c.id.in_(ids))).mappings().all()


def _row(case: PastCase, import_id: str) -> dict[str, Any]:
    return {
        "id": case.id, "import_id": import_id, "opened_at": case.opened, "first_reply_at": case.first_reply,
        "resolved_at": case.resolved, "issue_type": case.issue_type, "severity": case.severity, "team": case.team,
        "body": as_body(case),
    }  # fmt: skip


def _case(row: Mapping[Any, Any]) -> PastCase:
    instants = (row["opened_at"], row["first_reply_at"], row["resolved_at"])
    return of_body(row["id"], instants, (row["issue_type"], row["severity"], row["team"]), row["body"])
