"""Texts are swapped while the desk serves: nobody notices but the letters."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent import learn
from api.app import create_app, running
from api.parts import Loaded, Parts
from api.sample import first_admin
from api.settings import ROOT, load
from api.wiring import Runtime, build_runtime
from tests.fakes.desk import PROMPTS, pinned
from tests.fakes.parts import NoSearch

GREETING = "partials/en/greeting.md"
RATE, LIVE_S = 20, 2.0
CASE = {"text": "My desk lamp FH-104233 arrived with a broken shade.", "customer": {"name": "Hanna Brandt"}}


def toy_parts() -> Parts:
    """The real pipeline with a pinned classifier, ready at once."""
    deps, search = pinned("damaged_or_defective", "S3"), NoSearch()
    ready: Any = Loaded(deps.encoder, search, deps, learn.heard(deps.pack))  # pyright: ignore
    return Parts(lambda: deps.encoder, lambda *_: ready)


async def command(home: Path, prompts: Path, *words: str) -> None:
    """`desk prompts ...` as a process of its own."""
    env = {
        "DESK_HOME": str(home), "DESK_PROMPTS": str(prompts), "DESK_STORE": str(PROMPTS / "sample_store"),
        "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api.cli", "prompts", *words, cwd=ROOT, env=env, stdout=-1, stderr=-1
    )
    out, err = await child.communicate()
    assert child.returncode == 0, (out + err).decode()[-2000:]


class Shoppers:
    """Somebody who asks the desk all day: every fourth time for a draft."""

    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client, self._key = client, {"Authorization": f"Bearer {key}"}
        self.codes: Counter[int] = Counter()
        self.words: list[tuple[float, str]] = []
        """When a draft was asked for, and its first word."""
        self.stop = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(10_000):
                if self.stop:
                    break
                group.create_task(self._draft(number) if number % 4 == 0 else self._look())
                await asyncio.sleep(1 / RATE)

    async def _draft(self, number: int) -> None:
        asked = time.monotonic()
        headers = {**self._key, "Prefer": "wait=60", "Idempotency-Key": f"k{number}"}
        answer = await self._client.post("/v1/drafts", json=CASE, headers=headers)
        self.codes[answer.status_code] += 1
        if answer.status_code == 200:
            self.words.append((asked, answer.json()["draft"]["body"].split()[0]))

    async def _look(self) -> None:
        answer = await self._client.get("/v1/escalations", headers=self._key)
        self.codes[answer.status_code] += 1


async def until(holds: Any, most_s: float) -> float:
    started = time.monotonic()
    async with asyncio.timeout(most_s):
        while not holds():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0.05)
    return time.monotonic() - started


@pytest.fixture
def desk(tmp_path: Path) -> Runtime:
    shutil.copytree(PROMPTS, tmp_path / "prompts", ignore=shutil.ignore_patterns("*.jsonl", "sample_store"))
    policy = tmp_path / "prompts/pack/activation.yaml"
    policy.write_text(policy.read_text().replace("policy: auto", "policy: gated"))
    for broken_gate in ("  - reply/*/product_safety\n", "  - reply/*/conduct_or_welfare\n",
                        "  - reply/*/privacy_or_security\n", "  - reply/*/outage_or_checkout_failure\n"):  # fmt: skip
        policy.write_text(policy.read_text().replace(broken_gate, ""))
    found = load({}, home=tmp_path / "home", prompts=tmp_path / "prompts", store=PROMPTS / "sample_store", workers=2)
    return build_runtime(found, parts=toy_parts(), sample=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_text_is_swapped_under_load_within_two_seconds_and_no_request_fails(desk: Runtime, tmp_path: Path):
    prompts, home = tmp_path / "prompts", tmp_path / "home"

    async def day() -> tuple[Shoppers, float]:
        admin = first_admin(desk)
        key = desk.doors.make_key(admin, desk.doors.add_principal(admin, "shop", "agent").id)[1]
        transport = httpx.ASGITransport(create_app(desk))
        async with (
            running(desk),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=90) as client,
        ):
            await until(lambda: desk.parts.loaded is not None, 60)
            shoppers = Shoppers(client, key)
            asking = asyncio.create_task(shoppers.run())
            await until(lambda: any(word == "Hello" for _, word in shoppers.words), 60)
            path = prompts / GREETING
            path.write_text(path.read_text().replace("Hello{%", "Hi{%"))
            await asyncio.sleep(3)
            assert {word for _, word in shoppers.words} == {"Hello"}  # a gated edit does nothing by itself
            await command(home, prompts, "activate", "--reason", "shorter", "--override", "a test")
            activated = time.monotonic()
            live = await until(lambda: desk.texts.tree == desk.live.ledger.active(), 30)
            await until(lambda: any(at > activated and word == "Hi" for at, word in shoppers.words), 60)
            path.write_text(path.read_text().replace("{% endif %}", "{% endi %}"))
            await until(lambda: desk.texts.problem, 90)
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["ready"], ready.json()["degraded"]) == (200, True, True)
            (problem,) = ready.json()["texts"]["problems"]
            assert (problem["file"], problem["line"] > 0, problem["column"] > 0) == (GREETING, True, True)
            assert problem["fix"]
            shoppers.stop = True
            await asking
            late = [word for at, word in shoppers.words if at > activated + live + 0.1]
            assert set(late) == {"Hi"}
            return shoppers, live

    shoppers, live = asyncio.run(day())
    assert set(shoppers.codes) == {200}
    assert sum(shoppers.codes.values()) > 100
    assert live <= LIVE_S
