"""Work on jobs without serving pages; several workers may share one database."""

from __future__ import annotations

import argparse

HELP = "work on jobs without serving"


def arguments(parser: argparse.ArgumentParser) -> None:
    """How long."""
    parser.add_argument("--once", action="store_true", help="end when no job is due")


def run(args: argparse.Namespace) -> int:
    """Work until stopped."""
    import asyncio
    import sys

    from api.auth import WORKER
    from api.commands.common import loaded, runtime
    from api.textwatch import keep_texts
    from api.watch import keep_watch

    with runtime(settle=False) as desk:
        print("Loading ...", file=sys.stderr, flush=True)
        loaded(desk)

        async def work() -> None:
            worker = desk.worker()
            worker.stop_on_signals()
            print("Working; stop with Ctrl-C.", file=sys.stderr, flush=True)
            if args.once:
                while await asyncio.to_thread(desk.desk.sweep, WORKER):
                    pass
                await worker.run_until_idle()
            else:
                looks = (_read_new(desk), keep_watch(desk.desk), keep_texts(desk.prompting, settle=False))
                beside = [asyncio.create_task(look) for look in looks]
                async with desk.reading_mail():
                    await worker.run()
                for task in beside:
                    task.cancel()
            await desk.hang_up()

        asyncio.run(work())
    return 0


async def _read_new(desk: object) -> None:
    """Reads new precedents now and then; the index belongs to the serving process."""
    import asyncio

    from api.wiring import Runtime

    assert isinstance(desk, Runtime)  # noqa: S101 - typed late, because the import is slow
    while desk.parts.loaded is not None:
        await asyncio.sleep(10)
        await asyncio.to_thread(desk.parts.loaded.search.load)
