from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from api.desk import Desk
from api.errors import HomeInUseError, SchemaError, StoreBusyError, StoreFullError
from api.ids import new_id
from api.settings import ROOT
from api.store import prompts as _texts  # noqa: F401 - its tables belong to the metadata
from api.store.columns import metadata
from api.store.engine import SCHEMA, migrate, open_engine, own, read_secret
from api.store.proof import past_cases
from api.store.unit import Store


def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store):
    assert past_cases.metadata is metadata, "its module is the one that no verb imports"
    with store.read() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []


def test_a_current_database_is_left_alone_in_less_than_300_ms(store: Store):
    start = time.perf_counter()
    assert migrate(store.engine) is False
    assert time.perf_counter() - start < 0.3


def test_a_newer_schema_is_refused(store: Store):
    with store.write("finish") as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match=f"9999, newer than this desk knows \\({SCHEMA}\\)"):
        migrate(store.engine)


def test_what_is_acknowledged_survives_a_power_cut(store: Store):
    with store.read() as conn:
        assert conn.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert conn.execute(text("PRAGMA synchronous")).scalar() == 2
        assert conn.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_a_writer_that_finds_the_database_locked_says_that_it_is_busy(tmp_path: Path):
    engine = open_engine(f"sqlite:///{tmp_path / 'desk.db'}", busy_s=0.1)
    migrate(engine)
    holder = sqlite3.connect(tmp_path / "desk.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError) as caught, Store(engine, b"").write("finish"):
        pass
    assert caught.value.retryable
    holder.close()


def test_a_writer_sees_what_was_committed_while_it_waited(store: Store):
    with store.write("finish") as conn:
        assert conn.connection.driver_connection.in_transaction


def test_a_full_disk_stores_nothing_keeps_reading_and_recovers(desk: Desk, store: Store, ada, escalation, views):
    def pages(limit: int) -> None:
        for connection in [store.engine.raw_connection()]:
            connection.driver_connection.execute(f"PRAGMA max_page_count={limit}")
            connection.close()

    pages(1)
    with pytest.raises(StoreFullError, match="nothing was stored"):
        desk.receive(ada, {**escalation, "id": "during", "text": "y" * 100_000})
    assert views.queue(ada) is not None
    pages(1_000_000)
    assert desk.receive(ada, {**escalation, "id": "after"})["case"]
    assert len(views.queue(ada).rows) == 1


def test_an_instant_without_a_zone_is_refused(store: Store):
    from api.store import keys

    with pytest.raises(StatementError, match="no time zone"), store.write("finish") as conn:
        keys.add_principal(conn, "x", "agent", datetime(2026, 1, 1))  # noqa: DTZ001


def test_ids_sort_by_time(clock):
    first = new_id("case", clock.now())
    clock.advance(seconds=1)
    assert first < new_id("case", clock.now())
    assert len(first) == len("case_") + 26


def test_the_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path):
    assert read_secret(tmp_path) == read_secret(tmp_path)
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0
    assert [p.name for p in tmp_path.iterdir()] == ["secret.key"]


def test_a_second_process_on_one_home_is_refused_with_the_first_ones_number(tmp_path: Path):
    code = "import sys,time; from pathlib import Path; from api.store.engine import own\n"
    code += "with own(Path(sys.argv[1])): print('up', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "up\n"
        with pytest.raises(HomeInUseError, match=f"process {first.pid} already"), own(tmp_path):
            pass
        first.kill()
        first.wait()
    with own(tmp_path):  # the right dies with the process
        pass
