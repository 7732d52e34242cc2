"""The examination of a desk: what must always be true of it, and what to do about each thing that is not."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias, cast

from sqlalchemy import Connection, func, or_, select

from agent.standing import standing
from agent.states import DRAFT_MOVES, fold
from api.errors import TamperedError
from api.store import audit, clocks, queue
from api.store.engine import SCHEMA
from api.store.tables import api_keys, cases, drafts, jobs, outbox
from api.watch import LATE, lateness
from api.wiring import Runtime
from retrieval.errors import RetrievalError
from retrieval.search import PrecedentSearch

State: TypeAlias = Literal["ok", "warn", "fail"]

SAFE_SQLITE: Final = (3, 51, 3)
STUCK: Final = timedelta(hours=24)
"""A letter that waits for longer has not reached its receiver."""
SILENT: Final = timedelta(minutes=10)
"""A job whose lease ended longer ago is worked on by nobody."""
LITTLE, TOO_LITTLE = 1 << 30, 100 << 20
"""Free bytes on the disk of DESK_HOME below which the desk warns, and below which it fails."""
PRAGMAS: Final = {"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1"}
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `detail` ends with the way out when it is not ok."""

    name: str
    state: State
    detail: str


def examine(desk: Runtime) -> Iterator[Check]:
    """Every check, the cheap ones first."""
    now = desk.clock.now()
    yield _texts(desk)
    yield Check("database", "ok", f"{desk.store.engine.dialect.name} at schema {SCHEMA}")
    if desk.store.engine.dialect.name == "sqlite":
        yield _sqlite()
        yield _pragmas(desk)
    yield _disk(desk)
    yield _secrets(desk)
    yield _log(desk)
    with desk.store.read() as conn:
        yield _jobs(conn, now)
        yield _outbox(conn, now)
        yield _keys(conn, now)
        yield _drafts(conn)
        yield _cases(conn, desk, now)
    late = lateness(desk.store, desk.clock)
    told = f"nothing is late by more than {LATE.total_seconds():.0f} s"
    yield (
        Check("clocks", "ok", told)
        if late <= LATE
        else Check("clocks", "warn", f"a due instant waits since {late}; run `desk serve` or `desk worker`")
    )
    yield _index(desk)


def _texts(desk: Runtime) -> Check:
    if problem := desk.texts.problem or desk.live.note:
        return Check("texts", "warn", f"the version that is active stays in use: {problem}")
    return Check("texts", "ok", f"pack {desk.texts.pack.version}, {len(desk.texts.prompts.all)} prompt files")


def _sqlite() -> Check:
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return Check("sqlite", "ok", sqlite3.sqlite_version)
    fixed = ".".join(map(str, SAFE_SQLITE))
    way = f"a rare WAL fault is mended in {fixed}; keep backups, or use PostgreSQL"
    return Check("sqlite", "warn", f"{sqlite3.sqlite_version}: {way}")


def _pragmas(desk: Runtime) -> Check:
    with desk.store.read() as conn:
        found = {name: str(conn.exec_driver_sql(f"PRAGMA {name}").scalar()) for name in PRAGMAS}
        whole = str(conn.exec_driver_sql("PRAGMA quick_check(1)").scalar())
    wrong = [f"{name} is {value}" for name, value in found.items() if value != PRAGMAS[name]]
    if whole != "ok":
        return Check("pages", "fail", "the database file is damaged; stop the desk and restore a backup")
    if wrong:
        return Check("pages", "fail", f"{', '.join(wrong)}; the disk of DESK_HOME may not allow WAL, use a local one")
    return Check("pages", "ok", "whole; WAL, durable, deleted rows are overwritten")


def _disk(desk: Runtime) -> Check:
    free = shutil.disk_usage(desk.settings.home).free
    state: State = "fail" if free < TOO_LITTLE else "warn" if free < LITTLE else "ok"
    way = "" if state == "ok" else "; make room, or move DESK_HOME"
    return Check("disk", state, f"{free >> 20} MB free{way}")


def _secrets(desk: Runtime) -> Check:
    """Files of secrets must be readable by their owner only."""
    files = [desk.settings.home / "secret.key"]
    if desk.settings.secrets_dir is not None:
        files += sorted(p for p in desk.settings.secrets_dir.iterdir() if p.is_file())
    found = [path for path in files if path.exists()]
    if open_ := [path.name for path in found if path.stat().st_mode & 0o077]:
        return Check("secret files", "fail", f"others can read {', '.join(open_)}; run chmod 600 on each")
    return Check("secret files", "ok", f"{len(found)}, readable by their owner only")


def _log(desk: Runtime) -> Check:
    heads = audit.anchors(desk.settings.home / audit.HEADS)
    try:
        with desk.store.read() as conn:
            head = audit.verify(conn, heads)
    except TamperedError as error:
        return Check("event log", "fail", str(error))
    return Check("event log", "ok", f"{head.seq} events, chain intact, {len(heads)} heads noted outside fit")


def _jobs(conn: Connection, now: datetime) -> Check:
    found = queue.counts(conn)
    shown = ", ".join(f"{number} {state}" for state, number in sorted(found.items())) or "none"
    silent = jobs.c.state == "running", jobs.c.lease_until < now - SILENT
    if left := conn.execute(select(func.count()).select_from(jobs).where(*silent)).scalar_one():
        return Check("jobs", "warn", f"{shown}; {left} were left by a worker that fell silent, run `desk worker`")
    if found.get("dead"):
        return Check("jobs", "warn", f"{shown}; look at the cases of the dead ones, their drafts were given up")
    return Check("jobs", "ok", shown)


def _outbox(conn: Connection, now: datetime) -> Check:
    old = outbox.c.delivered_at.is_(None), outbox.c.state == "waiting", outbox.c.created_at < now - STUCK
    if stuck := conn.execute(select(func.count()).select_from(outbox).where(*old)).scalar_one():
        return Check("outbox", "warn", f"{stuck} letters wait for over a day; see `desk notices log`")
    return Check("outbox", "ok", "no letter waits for over a day")


def _keys(conn: Connection, now: datetime) -> Check:
    live = api_keys.c.revoked_at.is_(None)
    total = conn.execute(select(func.count()).select_from(api_keys).where(live)).scalar_one()
    over = select(func.count()).select_from(api_keys).where(live, api_keys.c.expires_at <= now)
    if old := conn.execute(over).scalar_one():
        return Check("API keys", "warn", f"{old} of {total} have expired; revoke them on the page of people")
    return Check("API keys", "ok", f"{total} in force")


def _drafts(conn: Connection) -> Check:
    """States are known ones, and nothing with a hard finding was approved."""
    query = select(drafts.c.id).where(drafts.c.state.not_in(DRAFT_MOVES)).limit(1)
    if odd := conn.execute(query).scalar():
        return Check("drafts", "fail", f"{odd} is in a state that no draft has; restore a backup")
    passed = select(drafts.c.id, drafts.c.proposal).where(drafts.c.state.in_(("approved", "released")))
    rows = conn.execute(passed).all()
    for id_, proposal in rows:
        guard = cast("Mapping[str, Any]", (proposal or {}).get("guard") or {})
        if guard.get("verdict") == "blocked":
            return Check("drafts", "fail", f"{id_} was approved although it has hard findings; take the approval back")
    return Check("drafts", "ok", f"all states known, {len(rows)} approved without hard findings")


def _cases(conn: Connection, desk: Runtime, now: datetime) -> Check:
    """Each row is what its events add up to, and each open case that was triaged has clocks."""
    columns = cases.c.id, cases.c.status, cases.c.version, cases.c.severity
    rows = conn.execute(select(*columns).where(or_(cases.c.version > 0, cases.c.status != "new"))).all()
    book = desk.desk.versions.book(conn)
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        logs = clocks.log_of(conn, [row.id for row in some])
        for row in some:
            log = logs[row.id]
            state = fold((event.kind, event.data) for event in log)
            if (state.status, state.version) != (row.status, row.version):
                return Check("cases", "fail", f"{row.id} differs from what its events say; restore a backup")
            if row.severity and row.status not in {"resolved", "closed"} and not standing(log, book, now).clocks:
                return Check("cases", "fail", f"{row.id} is open and has no clock; put it under the policies in force")
    return Check("cases", "ok", f"{len(rows)}, each as its events say, and no open one without clocks")


def _index(desk: Runtime) -> Check:
    encoder = desk.parts.encoder()
    search = PrecedentSearch(desk.archive, encoder.fingerprint, encoder.dimension, desk.settings.home / "index")
    try:
        health = search.maintain()
    except RetrievalError as error:
        return Check("precedents", "warn", f"{error}")
    finally:
        search.close()
    counts = f"{health.precedents} can be found, {health.waiting} wait for their vector"
    if health.state != "ready":
        return Check("precedents", "warn", f"{counts}; {health.reason}; run `desk reindex`")
    recall = f", {health.recall:.0%} of those sampled find themselves" if health.recall is not None else ""
    return Check("precedents", "warn" if health.waiting else "ok", counts + recall)
