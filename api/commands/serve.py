"""Serve pages and API, and work on jobs in the same process."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from api.settings import Settings
    from api.wiring import Runtime

HELP = "serve pages and API"

GRACE_S = 3
"""How long open connections may go on when the process is told to stop."""

SWITCH_S = 0.001
"""How long a thread may compute before another one gets its turn, in seconds. A transaction gives the turn away at each of
its statements and has to wait for it anew, so that Python's own 5 ms would add up."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where to listen."""
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1, or DESK_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8000, or DESK_PORT); 0 takes a free one")
    parser.add_argument("--no-sample", action="store_true", help="without the sample store's cases, history and orders")


def run(args: argparse.Namespace) -> int:
    """Serve until stopped."""
    from api.commands.common import settings

    found = settings(host=args.host, port=args.port)
    with _listening(found) as listener:
        import sys

        import uvloop

        from api.store.engine import own
        from api.wiring import build_runtime

        with own(found.home):
            desk = build_runtime(found, sample=not args.no_sample)
            desk.parts.start()  # the seconds that it takes begin now
            sys.setswitchinterval(SWITCH_S)
            uvloop.run(_serve(desk, listener, sample=not args.no_sample))
    return 0


def _listening(found: Settings) -> socket.socket:
    """The socket, taken before anything slow begins.

    Raises:
        UsageError: the port cannot be had.

    """
    import errno
    import socket

    from api.errors import UsageError

    try:
        family, _, _, _, address = socket.getaddrinfo(found.host, found.port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise UsageError(f"{found.host!r} is no address of this machine; set DESK_HOST=127.0.0.1.") from None
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(512)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"Port {found.port} on {found.host} is in use; stop what uses it, or choose another with --port."
            ) from None
        raise UsageError(f"The desk cannot listen on {found.host}:{found.port}: {error.strerror}.") from None
    return listener


async def _serve(desk: Runtime, listener: socket.socket, *, sample: bool) -> None:
    import asyncio

    import uvicorn

    from api.app import create_app
    from api.sample import first_start

    app = create_app(desk, first_start=first_start if sample else None)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=GRACE_S,
        forwarded_allow_ips="127.0.0.1" if desk.settings.behind_proxy else "", proxy_headers=desk.settings.behind_proxy,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.02)
    if server.started:
        _greet(desk, listener)
    await serving


def _greet(desk: Runtime, listener: socket.socket) -> None:
    from api.commands.signin import link_for
    from api.sample import first_admin

    host, port = listener.getsockname()[:2]
    token = desk.doors.make_link(first_admin(desk).id)
    print(f"Escalation Desk for {desk.texts.pack.store.name} is up. Sign in once, within 30 minutes, with this link:\n")
    print(f"  {link_for(f'[{host}]:{port}' if ':' in host else f'{host}:{port}', token)}\n", flush=True)
