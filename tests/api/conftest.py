from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.auth import Doors, Principal
from api.desk import Desk, DraftWork
from api.jobs import DraftHandler, registry
from api.store.engine import migrate, open_engine
from api.store.unit import Store
from api.verbs import Rules
from api.views import Views
from api.worker import Worker
from tests.fakes.desk import pack

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class FakeClock:
    """Time that moves only when it is told to."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, **parts: float) -> None:
        self._now += timedelta(**parts)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    engine = open_engine(f"sqlite:///{tmp_path / 'desk.db'}", busy_s=2.0)
    migrate(engine)
    yield Store(engine, b"k" * 32, busy_s=2.0)
    engine.dispose()


@pytest.fixture
def desk(store: Store, clock: FakeClock) -> Desk:
    return Desk(store, clock, Rules(pack()))


@pytest.fixture
def doors(store: Store, clock: FakeClock) -> Doors:
    return Doors(store, clock)


@pytest.fixture
def views(store: Store) -> Views:
    return Views(store)


@pytest.fixture
def ada(doors: Doors) -> Principal:
    return doors.add_principal(None, "Ada", "admin")


@pytest.fixture
def escalation() -> dict[str, Any]:
    return {
        "id": "T-1",
        "channel": "email",
        "text": "Hello, my Kettle arrived cracked.\nRegards, Wilhelmina Quist",
        "customer": {"name": "Wilhelmina Quist", "email": "Wilhelmina@quist.example"},
        "order_ref": "ORD-77001",
    }


@pytest.fixture
def proposal() -> Callable[..., dict[str, Any]]:
    def make(body: str = "We are sorry about the kettle, Wilhelmina.", **changed: Any) -> dict[str, Any]:
        return {
            "state": "ready",
            "state_reason": "",
            "engine": "embedded",
            "degraded": False,
            "issue_type": "damaged_or_defective",
            "severity": "S3",
            "primary_team": "fulfilment",
            "language": "en",
            "human_lead": False,
            "draft": {"kind": "reply", "subject": "Your kettle", "body": body},
            "guard": {"verdict": "clear", "findings": [], "facts": []},
            "clocks": [
                {"metric": "resolution", "due_at": "2026-11-27T09:00:00+00:00"},
                {"metric": "first_reply", "due_at": "2026-11-24T17:00:00+00:00"},
            ],
            "versions": {"pack": "0" * 8},
            **changed,
        }

    return make


@pytest.fixture
def work(desk: Desk, store: Store, clock: FakeClock, proposal: Callable[..., dict[str, Any]]) -> Callable[[], None]:
    """Lets a worker with a fake drafter do all that is due."""

    async def drafter(_: DraftWork) -> dict[str, Any]:
        return proposal()

    def run() -> None:
        asyncio.run(Worker(store, clock, registry(DraftHandler(desk, drafter))).run_until_idle())

    return run
