"""One transaction: everything in it happens, or nothing does."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api.errors import StoreBusyError, StoreError, StoreFullError
from api.faultpoint import faultpoint
from api.store.engine import BUSY_S

_BUSY_SQLSTATES = {"40001", "40P01", "55P03", "57P01", "57P03"}
"""PostgreSQL: serialization failure, deadlock, lock not available, shutting down, starting up."""


class Store:
    """The way to the database: `read` for a consistent look, `write` for one verb."""

    def __init__(self, engine: Engine, secret: bytes, busy_s: float = BUSY_S) -> None:
        self.engine = engine
        self._secret = secret
        self._writer = engine.execution_options(desk_write=True)
        self._busy_s = busy_s
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else None

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A transaction that changes nothing."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except (DBAPIError, PoolTimeoutError) as error:
            raise translated(error) from error

    @contextmanager
    def write(self, verb: str) -> Generator[Connection]:
        """The transaction of one verb; SQLite allows one writer at a time, so the threads of a process queue up here.

        Raises:
            StoreBusyError: somebody else writes for longer than the desk waits.
            StoreFullError: the disk is full.

        """
        if self._turn is not None and not self._turn.acquire(timeout=self._busy_s):
            raise StoreBusyError(_BUSY)
        try:
            with self._writer.begin() as connection:
                yield connection
                faultpoint(f"{verb}.before_commit")
            faultpoint(f"{verb}.committed")
        except (DBAPIError, PoolTimeoutError) as error:
            raise translated(error) from error
        finally:
            if self._turn is not None:
                self._turn.release()

    def inside(self, connection: Connection) -> Store:
        """The same store within an open transaction: verbs become steps of it, and one that fails takes back only itself."""
        return _Inside(self, connection)

    def keyed(self, *parts: str) -> str:
        """HMAC-SHA256 of `parts` in hex: tells equal texts apart from others without holding them."""
        return hmac.new(self._secret, "\x1f".join(parts).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


class _Inside(Store):
    """A store whose transactions are savepoints of another one."""

    def __init__(self, store: Store, connection: Connection) -> None:
        super().__init__(store.engine, store._secret, store._busy_s)
        self._connection = connection

    @contextmanager
    def read(self) -> Generator[Connection]:
        """The open transaction."""
        yield self._connection

    @contextmanager
    def write(self, verb: str) -> Generator[Connection]:
        """A savepoint; the outer transaction says what went wrong with the database."""
        with self._connection.begin_nested():
            yield self._connection


def canonical(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


_BUSY = "The database is busy with another writer; try again in a few seconds."


def translated(error: Exception) -> StoreError:
    """A driver's error in the desk's words."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    name = cause.sqlite_errorname if isinstance(cause, sqlite3.Error) and hasattr(cause, "sqlite_errorname") else ""
    state = str(getattr(cause, "sqlstate", None) or "")
    if (
        isinstance(error, PoolTimeoutError)
        or name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
        or state in _BUSY_SQLSTATES
    ):
        return StoreBusyError(_BUSY)
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")) or state == "53100":
        return StoreFullError("The disk is full or failing: nothing was stored; free some space, then send it again.")
    if state == "23505" or name in {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}:
        return StoreBusyError("Another process stored the same thing at the same time; try again.")
    return StoreError(f"The database failed ({name or state or type(cause or error).__name__}).")
