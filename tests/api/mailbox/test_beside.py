"""The mailbox beside the running desk, over a real IMAP server on loopback."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.app import create_app, running
from api.desk import DraftWork
from api.mailbox.beside import LOCK
from api.mailbox.config import MailboxConfig
from api.settings import load
from api.store.engine import alone
from api.store.tables import cases, events
from api.wiring import Runtime, build_runtime
from tests.builders_mail import eml
from tests.fakes.desk import PROMPTS
from tests.fakes.dovecot import DRAFTS_ON_THE_WIRE, PASSWORD
from tests.fakes.parts import quick_parts

ONE = eml("My kettle leaks.", id_="m1@x")
WAIT_S = 20.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the pack was checked once."""
    folder = tmp_path_factory.mktemp("home")
    build_runtime(load({}, home=folder, prompts=PROMPTS), parts=quick_parts()).close()
    return folder


@pytest.fixture
def start(tmp_path: Path, home: Path, config: Callable[..., MailboxConfig], proposal: Callable[..., dict[str, Any]]):
    """A desk with a mailbox that is looked at all the time."""
    shutil.copytree(home, tmp_path / "home")

    async def drafter(work: DraftWork) -> dict[str, Any]:
        return proposal(case_id=work.case_id)

    @asynccontextmanager
    async def started(password: str | None = PASSWORD) -> AsyncIterator[tuple[Runtime, httpx.AsyncClient]]:
        given = {} if password is None else {"DESK_SECRET_MAILBOX": password}
        found = load(given, home=tmp_path / "home", prompts=PROMPTS, workers=1)
        desk = build_runtime(found, drafter=drafter, parts=quick_parts(), sample=False)
        box = config(own_addresses=("help@shop.example",)).model_copy(update={"poll_s": 0.05})
        joined = replace(desk.texts.integrations, mailbox=box)
        desk.live.use(replace(desk.texts, integrations=joined))
        transport = httpx.ASGITransport(create_app(desk))
        async with running(desk), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield desk, client

    return started


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - what is awaited lies on a server
            await asyncio.sleep(0.02)


def test_a_mail_becomes_a_case_and_its_draft_lies_once_in_the_drafts_folder(start, dovecot, user):
    async def day() -> None:
        async with start() as (desk, client):
            dovecot.deliver(user, ONE)
            await until(lambda: len(dovecot.folder(user, DRAFTS_ON_THE_WIRE)) == 1)
            await asyncio.sleep(0.3)  # some looks more
            with desk.store.read() as conn:
                assert len(conn.execute(select(cases.c.id)).all()) == 1
                opened = select(events.c.actor).where(events.c.kind == "case_opened")
                assert conn.execute(opened).scalar_one() == "prn_mailbox"
            assert (await client.get("/readyz")).json()["parts"]["mailbox"] == "ready"
        assert len(dovecot.folder(user, DRAFTS_ON_THE_WIRE)) == 1
        async with start():
            await asyncio.sleep(0.3)
        (put,) = dovecot.folder(user, DRAFTS_ON_THE_WIRE)
        assert b"We are sorry about the kettle" in put.data

    asyncio.run(day())


@pytest.mark.parametrize(("password", "said"), [
    ("wrong", "refuses the sign-in; check `user`, `auth` and the secret MAILBOX."),
    (None, "DESK_SECRET_MAILBOX"),
])  # fmt: skip
def test_a_mailbox_that_lets_nobody_in_is_one_line_of_the_log_and_the_desk_goes_on(
    start, caplog, dovecot, password: str | None, said: str
):
    async def day() -> None:
        async with start(password) as (desk, client):
            await until(lambda: desk.beside.get("mailbox", "").startswith("failed"))
            answer = await client.get("/readyz")
            assert said in answer.json()["parts"]["mailbox"]
            assert (answer.status_code, answer.json()["ready"]) == (200, True)
            assert (await client.get("/healthz")).status_code == 200
            await asyncio.sleep(0.2)

    with caplog.at_level(logging.INFO, logger="api.mailbox"):
        asyncio.run(day())
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("api.mailbox")]
    assert len(lines) == 1
    assert said in lines[0]
    assert "wrong" not in lines[0]


def test_a_server_that_is_away_shows_and_is_found_again(start, dovecot, user):
    async def day() -> None:
        async with start() as (desk, _):
            await until(lambda: desk.beside.get("mailbox") == "ready")
            await asyncio.to_thread(dovecot.stop)
            await until(lambda: "cannot be read" in desk.beside["mailbox"])
            await asyncio.to_thread(dovecot.start)
            dovecot.deliver(user, ONE)
            await until(lambda: desk.beside["mailbox"] == "ready")
            await until(lambda: len(dovecot.folder(user, DRAFTS_ON_THE_WIRE)) == 1)

    asyncio.run(day())


def test_of_two_processes_of_a_home_one_reads_and_the_other_takes_over(start, dovecot, user, tmp_path):
    async def day() -> None:
        dovecot.deliver(user, ONE)
        with alone(tmp_path / "home" / LOCK) as mine:
            assert mine
            async with start() as (desk, _):
                await until(lambda: desk.beside.get("mailbox") == "another process of this desk reads it")
                await asyncio.sleep(0.2)
                with desk.store.read() as conn:
                    assert conn.execute(select(cases.c.id)).all() == []
        async with start() as (desk, _):
            await until(lambda: len(dovecot.folder(user, DRAFTS_ON_THE_WIRE)) == 1)

    asyncio.run(day())
