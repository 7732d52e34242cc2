from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agent.directory import Channel
from api.auth import WORKER
from api.desk import Desk
from api.errors import LeaseLostError
from api.jobs import DraftHandler, registry
from api.outgoing.message import NotTaken
from api.post import DeliverHandler
from api.settings import ROOT
from api.store import queue
from api.store.tables import jobs, outbox
from api.store.unit import Store
from api.verbs import Rules
from api.worker import Worker, backoff
from tests.fakes.desk import pack

LEASE = timedelta(seconds=60)


def put(store: Store, clock, number: int = 1, **more: Any) -> None:
    with store.write("finish") as conn:
        for _ in range(number):
            queue.put(conn, "draft", {}, now=clock.now(), **more)


def claim(store: Store, clock, worker: str = "w") -> queue.Job | None:
    with store.write("claim") as conn:
        return queue.claim(conn, ["draft"], worker, clock.now(), LEASE)


def job_row(store: Store) -> Any:
    with store.read() as conn:
        return conn.execute(select(jobs).where(jobs.c.kind == "draft")).mappings().one()


CLAIMER = """
import json, sys
from datetime import UTC, datetime, timedelta
from api.settings import ROOT
from api.store import queue
from api.store.engine import open_engine
from api.store.unit import Store
store, mine = Store(open_engine(sys.argv[1]), b""), []
while True:
    with store.write("claim") as conn:
        job = queue.claim(conn, ["draft"], "w", datetime(2030, 1, 1, tzinfo=UTC), timedelta(hours=1))
    if job is None:
        break
    mine.append(job.id)
print(json.dumps(mine))
"""


def test_four_processes_never_claim_a_job_twice(store: Store, clock, tmp_path: Path):
    put(store, clock, 200)
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    running = [
        subprocess.Popen([sys.executable, "-c", CLAIMER, url], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(4)
    ]
    claimed = [job for process in running for job in json.loads(process.communicate()[0])]
    assert len(claimed) == 200
    assert len(set(claimed)) == 200


def test_a_job_is_not_taken_before_it_is_due_and_urgent_ones_come_first(store: Store, clock):
    put(store, clock, run_at=clock.now() + timedelta(seconds=1))
    assert claim(store, clock) is None
    put(store, clock, priority=10)
    put(store, clock, priority=0)
    clock.advance(seconds=2)
    found = [claim(store, clock) for _ in range(4)]
    assert found[-1] is None
    with store.read() as conn:
        priorities = {row.id: row.priority for row in conn.execute(select(jobs))}
    assert [priorities[job.id] for job in found[:-1] if job] == [0, 0, 10]


def test_a_stalled_worker_that_comes_back_after_its_lease_stores_nothing(
    *, desk: Desk, store: Store, clock, ada, escalation, proposal, views
):
    made = desk.receive(ada, escalation)
    stalled = claim(store, clock, "stalled")
    assert stalled is not None
    assert claim(store, clock, "other") is None
    clock.advance(seconds=61)
    second = claim(store, clock, "other")
    assert second is not None
    assert (second.id, second.fence) == (stalled.id, stalled.fence + 1)
    for late in (
        lambda: desk.apply_proposal(WORKER, stalled, proposal("late"), case_version=2),
        lambda: desk.draft_failed(WORKER, stalled, "x"),
    ):
        with pytest.raises(LeaseLostError):
            late()
    desk.apply_proposal(WORKER, second, proposal("in time"), case_version=2)
    assert views.draft(ada, made["draft"]).body["body"] == "in time"
    with pytest.raises(LeaseLostError):
        desk.apply_proposal(WORKER, second, proposal("twice"), case_version=2)


def test_a_lease_can_be_extended_by_its_holder_only(store: Store, clock):
    put(store, clock)
    job = claim(store, clock)
    assert job is not None
    clock.advance(seconds=50)
    with store.write("extend") as conn:
        queue.extend(conn, job, clock.now() + LEASE)
    clock.advance(seconds=50)
    assert claim(store, clock) is None
    clock.advance(seconds=11)
    assert claim(store, clock) is not None
    with pytest.raises(LeaseLostError), store.write("extend") as conn:
        queue.extend(conn, job, clock.now() + LEASE)


def worker_of(desk: Desk, store: Store, clock, drafter, **more: Any) -> Worker:
    return Worker(store, clock, registry(DraftHandler(desk, drafter)), **more)


def test_a_drafter_that_crashes_is_tried_again_later_and_then_the_case_needs_a_human(
    *, desk: Desk, store: Store, clock, ada, escalation, views
):
    async def crash(_: Any) -> Any:
        raise RuntimeError("Wilhelmina's secret")

    made = desk.receive(ada, escalation)
    attempts = 0
    while job_row(store)["state"] != "dead":
        asyncio.run(worker_of(desk, store, clock, crash).run_until_idle())
        attempts += 1
        assert job_row(store)["error"] == "RuntimeError"
        clock.advance(minutes=11)
    assert attempts == 4
    case = views.case(ada, made["case"])
    assert case.row.needs_human
    assert "RuntimeError" in case.row.needs_human_reason
    assert "Wilhelmina" not in case.row.needs_human_reason
    assert case.row.draft_state == "needs_human"


def test_a_job_that_kills_its_process_each_time_is_given_up_too(
    *, desk: Desk, store: Store, clock, ada, escalation, views
):
    made = desk.receive(ada, escalation)
    for _ in range(4):
        assert claim(store, clock) is not None
        clock.advance(seconds=61)

    async def never(_: Any) -> Any:
        raise AssertionError

    asyncio.run(worker_of(desk, store, clock, never).run_until_idle())
    assert views.draft(ada, made["draft"]).state == "needs_human"


def test_one_poisoned_case_does_not_hold_up_the_others(
    *, desk: Desk, store: Store, clock, ada, escalation, proposal, views
):
    for number in range(5):
        desk.receive(ada, {**escalation, "id": str(number)})

    async def drafter(work: Any) -> Any:
        if views.case(ada, work.case_id).row.external_id == "0":
            raise ValueError
        return proposal()

    asyncio.run(worker_of(desk, store, clock, drafter).run_until_idle())
    assert sorted(row.draft_state for row in views.queue(ada).rows) == ["pending", "ready", "ready", "ready", "ready"]


def test_a_message_during_the_drafting_leads_to_one_draft_on_the_whole_thread(
    *, desk: Desk, store: Store, clock, ada, escalation, proposal, views
):
    made, seen = desk.receive(ada, escalation), []

    async def drafter(work: Any) -> Any:
        if not seen:
            desk.record_message(ada, made["case"], {"text": "It also leaks"})
        seen.append(len(work.escalation["messages"]))
        return proposal()

    asyncio.run(worker_of(desk, store, clock, drafter).run_until_idle())
    assert seen == [1, 2]
    assert views.case(ada, made["case"]).drafts == ((made["draft"], "ready"),)


def test_the_wait_after_a_crash_doubles_up_to_ten_minutes():
    assert [backoff(n).total_seconds() for n in (1, 2, 3, 9, 99)] == [2, 4, 8, 512, 600]


def test_a_stopping_worker_finishes_what_it_began_and_takes_nothing_new(
    *, desk: Desk, store, clock, ada, escalation, proposal
):
    for number in range(3):
        desk.receive(ada, {**escalation, "id": str(number)})

    async def scene() -> None:
        worker: Worker

        async def drafter(_: Any) -> Any:
            worker.stop()
            await asyncio.sleep(0.05)
            return proposal()

        worker = worker_of(desk, store, clock, drafter, concurrency=1)
        await asyncio.wait_for(worker.run(), 5)

    asyncio.run(scene())
    with store.read() as conn:
        states = conn.execute(select(jobs.c.state).where(jobs.c.kind == "draft")).scalars().all()
    assert sorted(states) == ["done", "queued", "queued"]


def test_what_is_not_done_in_the_drain_time_goes_back_at_once(desk: Desk, store: Store, clock, ada, escalation):
    desk.receive(ada, escalation)

    async def scene() -> None:
        worker: Worker

        async def drafter(_: Any) -> Any:
            worker.stop()
            await asyncio.sleep(60)

        worker = worker_of(desk, store, clock, drafter, drain_s=0.05)
        await asyncio.wait_for(worker.run(), 5)

    asyncio.run(scene())
    row = job_row(store)
    assert (row["state"], row["attempts"], row["run_at"]) == ("queued", 0, clock.now())


def test_a_worker_whose_lease_is_taken_breaks_off(desk: Desk, store: Store, clock, ada, escalation):
    desk.receive(ada, escalation)
    broken_off = []

    async def drafter(_: Any) -> Any:
        clock.advance(seconds=1)
        assert claim(store, clock, "other") is not None
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            broken_off.append(True)
            raise

    worker = worker_of(desk, store, clock, drafter, lease=timedelta(milliseconds=60))
    asyncio.run(asyncio.wait_for(worker.run_until_idle(), 5))
    assert broken_off == [True]


def test_a_verb_wakes_a_resting_worker(*, desk: Desk, store: Store, clock, ada, escalation, proposal):
    async def scene() -> None:
        async def drafter(_: Any) -> Any:
            worker.stop()
            return proposal()

        worker = worker_of(desk, store, clock, drafter, poll_s=60)
        desk.on_work = worker.wake
        running = asyncio.create_task(worker.run())
        await asyncio.sleep(0.1)
        await asyncio.to_thread(desk.receive, ada, escalation)
        await asyncio.wait_for(running, 5)

    asyncio.run(scene())
    assert job_row(store)["state"] == "done"


def test_a_letter_is_sent_until_it_is_taken_always_with_the_same_key(store: Store, clock, ada, escalation, proposal):
    listening = Channel(kind="webhook", secret="URL", sign_with=("KEY",), events=("draft.ready",))
    directory = pack().directory.model_copy(update={"channels": {"chat": listening}, "teams": {}})
    desk, keys = Desk(store, clock, Rules(pack().model_copy(update={"directory": directory}))), list[str]()

    async def drafter(_: Any) -> Any:
        return proposal()

    async def send(_: str, letters: Any) -> None:
        keys.extend(letter["idempotency_key"] for letter in letters)
        if len(keys) < 3:
            raise NotTaken("it is down")

    made = desk.receive(ada, escalation)
    worker = Worker(store, clock, registry(DraftHandler(desk, drafter), DeliverHandler(desk, send, clock)))
    for _ in range(5):
        asyncio.run(worker.run_until_idle())
        clock.advance(minutes=10)
    assert keys == [f"draft.ready:{made['case']}:{made['draft']}:chat"] * 3
    with store.read() as conn:
        assert conn.execute(select(outbox.c.delivered_at)).scalar_one() is not None
