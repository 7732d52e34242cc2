"""How an escalation comes in over HTTP."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import Header, Request

from agent.errors import BadInput
from api import reading
from api.auth import Principal
from api.wiring import Runtime

Key = Annotated[
    str | None, Header(alias="Idempotency-Key", description="The same key with the same body is done once.")
]

_PLAIN: Final = "text/plain"
_JSON: Final = ("", "application/json", "application/x-ndjson")


async def take(request: Request, desk: Runtime, who: Principal, key: str | None) -> dict[str, Any]:
    """The ids of case and draft, once everything is stored.

    Raises:
        BadInput: the body cannot become an escalation.

    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _PLAIN and kind not in _JSON and not kind.endswith("+json"):
        raise BadInput(f"is {kind}", field="body", fix="send application/json or text/plain")
    body = await request.body()
    return await asyncio.to_thread(_store, desk, who, body, key, kind == _PLAIN)


def _store(desk: Runtime, who: Principal, body: bytes, key: str | None, plain: bool) -> dict[str, Any]:
    escalation = reading.escalation(body, now=desk.clock.now(), plain=plain)
    return desk.desk.receive(who, escalation, key=key)
