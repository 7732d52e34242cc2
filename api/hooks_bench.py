"""Measures a burst of webhooks: `python -m api.hooks_bench` (from the project's root).

One process serves, with its workers on and a drafter that answers at once, so that all but drafting is at work; this one
posts signed events, each for a ticket of its own, over many connections that each post the next one when the last was
acknowledged. Signatures are made beforehand. At the end the store is read: whatever was acknowledged must be there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from standardwebhooks import Webhook

from api.bench import serving
from api.clock import SystemClock

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # noqa: S105 - of a desk that lives as long as the bench
HEAD = (
    "POST /v1/hooks/generic HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    "webhook-id: {number}\r\nwebhook-timestamp: {stamp}\r\nwebhook-signature: {signature}\r\n\r\n"
)


def requests(count: int) -> list[bytes]:
    """Signed requests, each for another ticket, about 1 KB."""
    now, signer = SystemClock().now(), Webhook(SECRET)
    made: list[bytes] = []
    for n in range(count):
        at = now.isoformat()
        message = {
            "id": "1",
            "author": "customer",
            "at": at,
            "text": f"My kettle FH-{n:06} arrived cracked. " + "Photos attached. " * 30,
        }
        data = {
            "external_id": f"T-{n}",
            "subject": "Kettle",
            "customer": {"email": f"c{n}@mailbox.example"},
            "messages": [message],
        }
        body = json.dumps({"type": "ticket.escalated", "timestamp": at, "data": data})
        number = f"msg_{n}"
        head = HEAD.format(
            length=len(body), number=number, stamp=int(now.timestamp()), signature=signer.sign(number, now, body)
        )
        made.append(head.encode() + body.encode())
    return made


async def burst(port: int, sent: list[bytes], connections: int) -> tuple[list[float], list[int], float]:
    """Milliseconds to each acknowledgement, its status, and the seconds until the last."""
    took, statuses = list[float](), list[int]()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while sent:
            request = sent.pop()
            start = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            took.append(1000 * (time.perf_counter() - start))
            statuses.append(int(head[9:12]))
        writer.close()

    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    begin = time.perf_counter()
    await asyncio.gather(*(one(*both) for both in opened))
    return took, statuses, time.perf_counter() - begin


def serve(home: Path, port: int) -> int:
    """A desk without encoder, classifier and index whose drafts are there at once."""
    import uvicorn

    from api.app import create_app
    from api.desk import DraftWork
    from api.settings import load
    from api.wiring import build_runtime
    from tests.fakes.parts import quick_parts

    async def draft(_: DraftWork) -> Mapping[str, Any]:
        body = {"kind": "reply", "subject": "", "body": "We look into it."}
        return {"state": "ready", "engine": "bench", "degraded": False, "draft": body, "guard": {"verdict": "clear"}}

    desk = build_runtime(load(None, home=home, secrets={"GENERIC": SECRET}), drafter=draft, parts=quick_parts())
    uvicorn.run(create_app(desk), host="127.0.0.1", port=port, log_level="warning", access_log=False, backlog=1024)
    return 0


def run(home: Path, count: int, connections: int) -> dict[str, Any]:
    """All figures."""
    with serving(home, "", "api.hooks_bench", "--serve", "--home", str(home)) as desk:
        port = int(desk.url.rpartition(":")[2])
        asyncio.run(_until_up(port, desk.process))
        took, statuses, seconds = asyncio.run(burst(port, requests(count), connections))
        stored, done, waiting = _stored(home)
        memory, peak = desk.memory_mb()
    p50, p99 = np.percentile(took, [50, 99])
    return {
        "posts": count, "connections": connections, "refused": sum(status != 202 for status in statuses),
        "durable": stored, "durable_s": round(seconds, 2), "ack_p50_ms": round(float(p50), 1),
        "ack_p99_ms": round(float(p99), 1), "ack_max_ms": round(max(took), 1), "worked_in_meanwhile": done,
        "still_queued": waiting, "rss_mb": memory, "peak_mb": peak,
    }  # fmt: skip


async def _until_up(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)
    raise SystemExit("The desk ended before it served; see serve.log in its home.")


def _stored(home: Path) -> tuple[int, int, int]:
    with sqlite3.connect(home / "desk.db") as conn:
        found = dict(conn.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())
    return sum(found.values()), found.get("done", 0), found.get("queued", 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: one figure a line."""
    parser = argparse.ArgumentParser(prog="python -m api.hooks_bench", description=__doc__)
    parser.add_argument("--posts", type=int, default=10_000, help="webhooks (default: 10000)")
    parser.add_argument("--connections", type=int, default=200, help="open at the same time (default: 200)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.serve:
        return serve(chosen.home, chosen.port)
    with tempfile.TemporaryDirectory() as home:
        for name, value in run(Path(home), chosen.posts, chosen.connections).items():
            print(f"{name:20} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
