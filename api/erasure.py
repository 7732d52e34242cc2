"""Erasing people: out of the database, its free pages, the index and the files, with a signed report of what was done."""

from __future__ import annotations

import hmac
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine

from api.auth import Principal
from api.desk import Desk
from api.errors import InvalidError, StoreBusyError, UsageError
from api.ids import new_id
from api.integrations.config import FILES
from api.store import audit, cases, mail
from api.store import erasure as rows
from api.store.erasure import Traces
from api.store.unit import Store, canonical
from api.wiring import Runtime
from retrieval.errors import IndexLockedError
from retrieval.folder import IndexFolder

REPORTS: Final = "erasures"
"""Folder of the signed reports, in DESK_HOME."""
MOST: Final = 1000
"""People in one erasure."""
_KEY: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Report:
    """What an erasure took away. It names nobody: `people` are keyed hashes."""

    id: str
    at: str
    people: tuple[str, ...]
    cases: int
    tables: Mapping[str, int]
    """Rows emptied or deleted, by table."""
    files: int
    """Files of notices and of the helpdesk of files that were rewritten or deleted."""
    signature: str = ""
    """HMAC-SHA256 with the secret of the desk over everything else; "" for a dry run."""


def erase(desk: Runtime, who: Principal, customers: Sequence[str], *, dry_run: bool = False) -> Report:
    """Take customers out of everything that the desk keeps; doing it again finds nothing and changes no row.

    Args:
        desk: the desk.
        who: an admin.
        customers: e-mail addresses, phone numbers or customer keys.
        dry_run: only count.

    Raises:
        InvalidError: a customer is neither of these.
        StoreBusyError: another process uses the index, and nothing was erased; or a reader kept old pages in use; the rows are empty, and doing it again ends it.

    """
    who.need("admin")
    keys, contacts = _keys(desk.store, customers)
    if dry_run:
        with desk.store.read() as conn:
            traces = rows.find(conn, keys, contacts)
            return Report("", "", tuple(keys), len(traces.cases), rows.counts(conn, traces), len(_files(desk, traces)))
    with _index(desk):
        report = erase_rows(desk.desk, who, keys, contacts, lambda traces: _clean_all(_files(desk, traces), traces))
        compact(desk.store.engine)
    _keep(desk.settings.home / REPORTS / f"{report.id}.json", report)
    return report


def signed(store: Store, report: Report) -> str:
    """The signature that belongs to a report."""
    return store.keyed("erasure", canonical({**_plain(report), "signature": ""}))


def check(store: Store, path: Path) -> Report:
    """A kept report, if this desk signed it as it stands.

    Raises:
        UsageError: it cannot be read, or was changed.

    """
    try:
        found = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        found["people"] = tuple(found["people"])
        report = Report(**found)
        good = hmac.compare_digest(report.signature, signed(store, report))
    except (OSError, ValueError, TypeError, KeyError):
        raise UsageError(f"{path} is no report of an erasure; the desk keeps them in {REPORTS}/.") from None
    if not good:
        raise UsageError(f"{path} was changed after it was signed, or another desk signed it.")
    return report


def compact(engine: Engine) -> None:
    """Leave nothing of deleted rows in the files of the database.

    Raises:
        StoreBusyError: somebody reads or writes for too long.

    """
    if engine.dialect.name != "sqlite":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
            conn.exec_driver_sql("VACUUM FULL")
        return
    import sqlite3

    with engine.connect() as conn:
        driver = cast("sqlite3.Connection", conn.connection.driver_connection)
        try:
            driver.execute("VACUUM")
            busy = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError:
            busy = 1
    if busy:
        raise StoreBusyError("The rows are erased, but the database is in use, so that old pages stay; erase again.")


def _plain(report: Report) -> dict[str, Any]:
    return {**asdict(report), "people": list(report.people)}


def _keys(store: Store, customers: Sequence[str]) -> tuple[list[str], set[str]]:
    """Customer keys, and the contacts among what was given."""
    if not 0 < len(customers) <= MOST:
        raise InvalidError(f"Name 1 to {MOST} customers.")
    keys, contacts = dict[str, None](), set[str]()
    for given in (one.strip() for one in customers):
        digits = "".join(c for c in given if c.isdigit())
        if _KEY.fullmatch(given):
            keys[given] = None
        elif "@" in given or (len(digits) >= 6 and not any(c.isalpha() for c in given)):
            contact = given.casefold() if "@" in given else digits
            keys[store.keyed("customer", contact)] = None
            contacts.add(given)
        else:
            raise InvalidError("A customer is an e-mail address, a phone number or a customer key of 64 hex digits.")
    return list(keys), contacts


def erase_rows(
    desk: Desk, who: Principal, keys: Sequence[str], contacts: Collection[str], files: Callable[[Traces], int]
) -> Report:
    """The transaction of an erasure: every row of these customer keys, and `files` cleans the files and counts them.

    Files come before the commit: a crash between the two leaves the rows, by which the files are found again.
    """
    who.need("admin")
    with desk.store.write("erase") as conn:
        now = desk.clock.now()
        traces = rows.find(conn, keys, contacts)
        found = rows.counts(conn, traces)
        report = Report(new_id("era", now), now.isoformat(), tuple(keys), len(traces.cases), found, files(traces))
        for case_id in traces.cases:
            _close(conn, desk, who, case_id, report.id, now)
        rows.empty(conn, desk.store, traces)
        for key in keys:
            data = {"erasure": report.id, "customer_hash": key, "rows": sum(found.values())}
            audit.append(conn, "erased", actor=who.id, at=now, data=data)
    return replace(report, signature=signed(desk.store, report))


def _close(conn: Connection, desk: Desk, who: Principal, case_id: str, erasure_id: str, now: datetime) -> None:
    for draft in cases.open_drafts(conn, case_id):
        cases.set_draft(conn, draft, "stale", now)  # one that is being written finds this, and is dropped
    mail.withdraw(conn, f"case.approved:{case_id}:")
    entries: list[tuple[str, Mapping[str, Any]]] = [("erased", {"erasure": erasure_id})]
    if cases.get(conn, case_id)["status"] != "closed":
        entries.append(("status_set", {"status": "closed"}))
    desk.record(conn, case_id, who, now, *entries)
    desk.reclock(conn, case_id, now)


@contextmanager
def _index(desk: Runtime) -> Generator[None]:
    """Own the index, and leave it without what the block erases."""
    if loaded := desk.parts.loaded:
        yield
        loaded.search.rebuild()
        return
    try:
        folder = IndexFolder(desk.settings.home / "index")
    except IndexLockedError as error:
        raise StoreBusyError(f"Nothing was erased: {error} Or ask the desk that runs, by POST /v1/erasures.") from None
    try:
        yield
        folder.clear()
    finally:
        folder.close()


def _files(desk: Runtime, traces: Traces) -> list[Path]:
    """Files that tell of the people: lines of notices, tickets and notes of the helpdesk of files."""
    home, joined = desk.settings.home, desk.texts.integrations.files
    found = [p for p in sorted((home / "notices").glob("*.jsonl")) if traces.told_in(p.read_text(encoding="utf-8"))]
    if joined is not None:
        folder = home / joined.folder
        for source, ticket in traces.tickets:
            if source == FILES and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", ticket):  # as FileHelpdesk names its files
                found += [p for p in (folder / "tickets" / f"{ticket}.json", folder / "notes" / ticket) if p.exists()]
    return found


def _clean_all(paths: Sequence[Path], traces: Traces) -> int:
    for path in paths:
        _clean(path, traces)
    return len(paths)


def _clean(path: Path, traces: Traces) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    elif path.suffix == ".json":
        path.unlink()
    else:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        _replace(path, "".join(line for line in lines if not traces.told_in(line)))


def _keep(path: Path, report: Report) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, json.dumps(_plain(report), indent=2) + "\n")


def _replace(path: Path, text: str) -> None:
    """Put a text in the place of a file, whole or not at all."""
    fresh = path.with_suffix(f".{os.getpid()}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
