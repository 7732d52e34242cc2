"""Measures the serving process from outside: `python -m api.bench` (from the project's root).

One process serves, in a home of its own with the classifier that `var` holds. First with the embedded engine: time from
start to first draft, and memory. Then with a language model that a fake provider on loopback answers after half a
second: drafts are posted at a fixed rate, whether or not earlier ones are back, and what a draft takes beyond that half
second is the desk's own. Embedding is given apart: the encoders of that desk remember what they have encoded, and each
text is drafted once, one after the other, before it is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from api.settings import ROOT

LATENCY_S = 0.5
MODEL = "openai/gpt-4o-mini"
SERVE = ("api.cli", "serve")
ANSWERS: dict[str, dict[str, Any]] = {
    "classify_severity": {"severity": "S1", "criteria": [], "reason": "bench", "confidence": 0.9},
    "route_team": {"primary_team": "support_lead", "collaborators": [], "reason": "bench"},
    "final_result": {"kind": "brief", "subject": "Case", "body": "A person looks into this case."},
}
"""Valid for every case: no floor is above the most severe, and a brief is never refused."""


@dataclass(frozen=True, slots=True)
class Served:
    """A desk that serves in another process."""

    url: str
    key: str
    process: subprocess.Popen[bytes]
    began: float

    def client(self) -> httpx.AsyncClient:
        """Of its HTTP interface."""
        return httpx.AsyncClient(
            base_url=self.url, timeout=90, headers={"Authorization": f"Bearer {self.key}", "Prefer": "wait=60"},
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )  # fmt: skip

    def memory_mb(self) -> tuple[int, int]:
        """Resident memory now and at its largest."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        found = {
            name: int(rest.split()[0]) >> 10 for name, _, rest in (ln.partition(":") for ln in lines) if "kB" in rest
        }
        return found["VmRSS"], found["VmHWM"]

    def cpu_s(self) -> float:
        """Processor time of all its threads so far, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(home: Path, key: str, *program: str, **env: str) -> Generator[Served]:
    """A desk on a free port with these settings, `desk serve` or another program; stopped at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *(program or SERVE), "--port", str(port)]
    with (home / "serve.log").open("ab") as out:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=_env(home, **env), stdout=out, stderr=out)  # noqa: S603
    try:
        yield Served(f"http://127.0.0.1:{port}", key, process, began)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def serve_remembering(port: int) -> int:
    """`desk serve` whose encoders give again what they gave before, so that all but embedding can be measured."""
    from api.cli import main as desk
    from retrieval.embed import SentenceEncoder
    from retrieval.multilingual import MultilingualEncoder

    for encoder in (SentenceEncoder, MultilingualEncoder):
        setattr(encoder, "encode", _remembering(encoder.encode))  # noqa: B010 - a class as it is typed does not let it
    return desk(["serve", "--port", str(port)])


def _remembering(encode: Callable[[Any, Sequence[str]], Any]) -> Callable[[Any, Sequence[str]], Any]:
    known: dict[str, Any] = {}

    def remembered(self: Any, texts: Sequence[str]) -> Any:
        if new := [text for text in texts if text not in known]:
            known.update(zip(new, encode(self, new), strict=True))
        return np.stack([known[text] for text in texts])

    return remembered


def prepared(home: Path) -> str:
    """Makes `home` ready as `desk prepare` does, and returns a key for it."""
    trained = ROOT / "var" / "classifier"
    if trained.is_dir():
        shutil.copytree(trained, home / "classifier")
    desk = [sys.executable, "-m", "api.cli"]
    subprocess.run([*desk, "prepare"], cwd=ROOT, env=_env(home), check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    made = subprocess.run([*desk, "key", "bench", "--json"], cwd=ROOT, env=_env(home), check=True, capture_output=True)  # noqa: S603
    return json.loads(made.stdout)["key"]


def _env(home: Path, **env: str) -> dict[str, str]:
    return {**os.environ, "DESK_HOME": str(home), "HF_HUB_OFFLINE": "1", **env}


def bodies(count: int) -> list[dict[str, Any]]:
    """Distinct escalations: opening messages of the sample store's history."""
    lines = [
        ln
        for p in sorted((ROOT / "prompts/sample_store/history").glob("en_*.jsonl"))
        for ln in p.open(encoding="utf-8")
    ]
    texts = [json.loads(line)["messages"][0]["text"] for line in lines]
    return [{"text": f"{texts[i % len(texts)]}\n(bench {i})"} for i in range(count)]


async def first_draft(desk: Served) -> float:
    """Seconds from the start of the process to its first draft."""
    async with desk.client() as client:
        while desk.process.poll() is None:
            try:
                answer = await client.post("/v1/drafts", json=bodies(1)[0])
            except httpx.ConnectError:
                await asyncio.sleep(0.02)
                continue
            if answer.status_code == 200:
                return time.perf_counter() - desk.began
            raise SystemExit(f"The first draft failed: {answer.status_code} {answer.text[:300]}")
    raise SystemExit("The desk ended before its first draft; see its log.")


async def one_by_one(desk: Served, count: int) -> list[float]:
    """Milliseconds that each draft spent reading: language, entities, signals, and mostly both encoders."""
    async with desk.client() as client:
        answers = [(await client.post("/v1/drafts", json=body)).raise_for_status().json() for body in bodies(count)]
    return [draft["timing_ms"]["understand"] for draft in answers]


async def open_loop(desk: Served, rate: float, seconds: float) -> list[tuple[float, str]]:
    """Milliseconds of each draft, and its engine; posted at `rate` a second."""
    sent = bodies(int(rate * seconds))

    async def one(client: httpx.AsyncClient, at: float, body: dict[str, Any]) -> tuple[float, str]:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        start = time.perf_counter()
        draft = (await client.post("/v1/drafts", json=body)).raise_for_status().json()
        return 1000 * (time.perf_counter() - start), draft["engine"]

    async with desk.client() as client:
        begin = time.perf_counter() + 0.2
        return await asyncio.gather(*(one(client, begin + i / rate, body) for i, body in enumerate(sent)))


async def run(home: Path, rate: float, seconds: float) -> dict[str, Any]:
    """All figures."""
    from tests.fakes.provider import Provider

    key = prepared(home)
    with serving(home, key) as desk:
        first = await first_draft(desk)
        await open_loop(desk, 1, 20)
        rss, peak = desk.memory_mb()
    async with Provider(answers=ANSWERS) as provider:
        env = {
            "DESK_MODEL": MODEL, "OPENAI_API_BASE": provider.base_url, "OPENAI_BASE_URL": provider.base_url,
            "OPENAI_API_KEY": "bench", "DESK_WORKERS": "64",
        }  # fmt: skip
        with serving(home, key, "api.bench", "--serve", **env) as desk:
            await first_draft(desk)
            reading = await one_by_one(desk, int(rate * seconds))
            provider.latency = LATENCY_S
            cpu = desk.cpu_s()
            drafts = await open_loop(desk, rate, seconds)
            cpu = desk.cpu_s() - cpu
            model_rss, _ = desk.memory_mb()
    over = np.array([took for took, _ in drafts]) - 1000 * LATENCY_S
    return {
        "first_draft_s": round(first, 1), "rss_mb": rss, "peak_mb": peak, "rss_with_model_mb": model_rss,
        "drafts": len(drafts), "rate": rate, "by_model": sum(MODEL in engine for _, engine in drafts),
        "overhead_without_embedding_ms": _percentiles(over), "cpu_per_draft_ms": round(1000 * cpu / len(drafts), 1),
        "reading_with_embedding_ms": _percentiles(np.array(reading)),
    }  # fmt: skip


def _percentiles(values: Any) -> tuple[float, float]:
    p50, p95 = np.percentile(values, [50, 95])
    return round(float(p50), 1), round(float(p95), 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: one figure a line."""
    parser = argparse.ArgumentParser(prog="python -m api.bench", description=__doc__)
    parser.add_argument("--rate", type=float, default=20, help="drafts a second (default: 20)")
    parser.add_argument("--seconds", type=float, default=20, help="how long (default: 20)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.serve:
        return serve_remembering(chosen.port)
    with tempfile.TemporaryDirectory() as home:
        for name, value in asyncio.run(run(Path(home), chosen.rate, chosen.seconds)).items():
            shown = f"p50 {value[0]}, p95 {value[1]}" if isinstance(value, tuple) else value
            print(f"{name:30} {shown}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
