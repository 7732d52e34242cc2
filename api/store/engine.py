"""Opening the database, bringing its schema up to date, and who owns a home."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from api.errors import HomeInUseError, SchemaError, StoreError

SCHEMA: Final = "0009"
"""The migration that this code was written for."""

BUSY_S: Final = 5.0
"""How long a writer waits for another one, in seconds."""


def open_engine(url: str, busy_s: float = BUSY_S) -> Engine:
    """The engine of `url`; a SQLite one is durable (WAL, synchronous=FULL) and takes the write lock when it begins.

    Raises:
        StoreError: the URL cannot be read.

    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(
            "The database URL cannot be read; write it like sqlite:////folder/desk.db or postgresql://user:password@host/desk."
        ) from None
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, hide_parameters=True, pool_pre_ping=True, pool_size=10, max_overflow=10)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, hide_parameters=True, pool_size=8, max_overflow=40, pool_timeout=busy_s)

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours: the driver's own would be deferred
        for pragma in (
            f"busy_timeout={int(busy_s * 1000)}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON",
            "secure_delete=ON",
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that turns into a writer fails at once, whatever the busy timeout.
        writes = connection.get_execution_options().get("desk_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def migrate(engine: Engine) -> bool:
    """Bring the schema up to date; true when something had to be done.

    Raises:
        SchemaError: the database was written by a newer desk.

    """
    with engine.connect() as connection:
        found = _schema(connection)
    if found == SCHEMA:
        return False
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    if found and found not in {s.revision for s in ScriptDirectory.from_config(config).walk_revisions()}:
        raise SchemaError(
            f"The database has schema {found}, newer than this desk knows ({SCHEMA}); "
            "start the newer desk again, or restore the backup made before it."
        )
    with engine.execution_options(desk_write=True).begin() as connection:
        if _schema(connection) == SCHEMA:  # another process was faster
            return False
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True


def _schema(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def read_secret(home: Path) -> bytes:
    """The key of this installation's keyed hashes, made at the first start (256 bits, readable by the owner only)."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "secret.key"
    if not path.exists():
        draft = home / f"secret.key.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails when another process made one first: then that one counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return bytes.fromhex(path.read_text().strip())


@contextmanager
def alone(path: Path) -> Generator[bool]:
    """Whether this is the only holder of the lock in the file `path`, until the block ends or the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = True
        except BlockingIOError:
            mine = False
        yield mine
    finally:
        os.close(handle)


@contextmanager
def own(home: Path) -> Generator[None]:
    """Be the only process that serves this home, until the block ends or the process dies.

    Workers share the jobs table and need no such right; the vector index guards its own folder.

    Raises:
        HomeInUseError: another process serves it.

    """
    home.mkdir(parents=True, exist_ok=True)
    handle = os.open(home / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode() or "(unknown)"
            raise HomeInUseError(
                f"The home {home} is served by process {holder} already; stop that or set DESK_HOME to another folder."
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)
