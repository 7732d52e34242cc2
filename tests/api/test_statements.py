"""A drafted case costs so many statements and no more: each one also gives Python's lock away and waits for it anew."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import RowMapping, event

from agent.directory import Channel, Team
from agent.outbreak import Trace, load_rules
from api.auth import Principal
from api.desk import Desk, DraftWork
from api.jobs import TRACE, DraftHandler, SightHandler, registry
from api.outbreaks import AFTER
from api.post import DeliverHandler
from api.store.unit import Store
from api.verbs import Rules
from api.worker import Worker
from tests.api.conftest import FakeClock
from tests.fakes.desk import PROMPTS, pack

CASES = 2
RECEIVED, DRAFTED, DELIVERED, SIGHTED = 10, 28, 13, 9.5
"""Most statements of one case in each of its steps, transactions' begins and ends left out; each is what it takes and
two to spare."""


class Counted:
    """Counts what a store executes."""

    def __init__(self, store: Store) -> None:
        self.seen: Counter[str] = Counter()
        event.listen(store.engine, "before_cursor_execute", self._count)

    def _count(self, _conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            self.seen[statement] += 1

    def of(self, step: Callable[[], object]) -> float:
        """Statements of `step`, per case."""
        self.seen.clear()
        step()
        return self.seen.total() / CASES


@pytest.fixture
def busy_desk(store: Store, clock: FakeClock) -> Desk:
    """One whose teams and programs are told over three channels."""
    told = Channel(kind="webhook", secret="URL", sign_with=("KEY",), events=("draft.ready", "case.triaged"))
    channels = {"programs": told, "one": told.model_copy(update={"events": ()})}
    channels["two"] = channels["one"]
    teams = {
        **pack().teams,
        "fulfilment": Team(title="Fulfilment", channel="one"),
        "returns": Team(title="Returns", channel="two"),
    }
    directory = pack().directory.model_copy(update={"channels": channels, "teams": teams})
    rules = Rules(pack().model_copy(update={"directory": directory}), outbreak=load_rules(PROMPTS, pack()))
    return Desk(store, clock, rules)


@pytest.fixture
def work(
    busy_desk: Desk, store: Store, clock: FakeClock, proposal: Callable[..., dict[str, Any]]
) -> Callable[[str], None]:
    """Does what is due of one kind of job."""

    async def drafter(case: DraftWork) -> dict[str, Any]:
        trace = Trace(case.case_id, clock.now(), case.case_id, "damaged_or_defective")
        return {**proposal(), "collaborators": ["returns"], TRACE: trace}

    async def send(_key: str, _letters: Sequence[RowMapping]) -> None:
        return None

    handlers = registry(
        DraftHandler(busy_desk, drafter), SightHandler(busy_desk), DeliverHandler(busy_desk, send, clock)
    )

    def run(kind: str) -> None:
        asyncio.run(Worker(store, clock, {kind: handlers[kind]}).run_until_idle())

    return run


def test_a_drafted_case_takes_few_statements(
    busy_desk: Desk, store: Store, clock: FakeClock, ada: Principal, escalation: dict[str, Any],
    work: Callable[[str], None],
):  # fmt: skip
    def receive(first: int) -> None:
        for number in range(first, first + CASES):
            customer = {"email": f"c{number}@quist.example"}
            busy_desk.receive(ada, {**escalation, "id": f"T-{number}", "customer": customer})

    receive(0)  # the first ones also store the commitments
    work("draft")
    work("deliver")
    clock.advance(minutes=2)
    work("sight")
    counted = Counted(store)
    steps: dict[str, Callable[[], object]] = {
        "received": lambda: receive(CASES),
        "drafted": lambda: work("draft"),
        "delivered": lambda: work("deliver"),
        "sighted": lambda: (clock.advance(seconds=AFTER.total_seconds()), work("sight")),
    }
    took = {name: counted.of(step) for name, step in steps.items()}
    most = dict(zip(steps, (RECEIVED, DRAFTED, DELIVERED, SIGHTED), strict=True))
    print(took)
    assert {name: n for name, n in took.items() if n > most[name]} == {}
    assert min(took.values()) > 1, "a step that did nothing proves nothing"
