"""The sample store on a new home: its past escalations as precedents, its open cases in the queue."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select

from api import history
from api.auth import Principal
from api.errors import ConflictError
from api.sampledates import moved_instant, moved_order, moved_text
from api.store.tables import cases, precedents
from api.wiring import ORDERS, Runtime

log = logging.getLogger(__name__)

HISTORY: Final = "history"
OPEN_CASES: Final = "open_cases.jsonl"
_INSTANTS: Final = ("received_at", "at")
ADMIN: Final = "Admin"
"""The first admin, whom the printed link signs in."""


def first_admin(desk: Runtime) -> Principal:
    """The admin that the desk makes for itself at its first start."""
    while (admin := desk.doors.principal_named(ADMIN)) is None:
        with suppress(ConflictError):  # another thread was quicker
            desk.doors.add_principal(None, ADMIN, "admin")
    return admin


def load_history(desk: Runtime, progress: Callable[[str, int, int], None] | None = None) -> int:
    """The sample store's past escalations, if no past case is here yet; returns how many were added."""
    folder = _folder(desk)
    with desk.store.read() as conn:
        known: int = conn.execute(select(func.count()).select_from(precedents)).scalar_one()
    if folder is None or known:
        return 0
    who = first_admin(desk)
    added = 0
    for path in sorted((folder / HISTORY).glob("*.jsonl")):
        said = partial(progress, path.name) if progress else None
        added += history.bring_in(desk, who, path, progress=said).added
        if desk.stopping.is_set():
            break
    return added


def queue_open_cases(desk: Runtime) -> int:
    """The sample store's open cases, if there is no case yet; returns how many were handed in."""
    folder = _folder(desk)
    with desk.store.read() as conn:
        known: int = conn.execute(select(func.count()).select_from(cases)).scalar_one()
    if folder is None or known or not (folder / OPEN_CASES).exists():
        return 0
    who = first_admin(desk)
    rows = [json.loads(line) for line in (folder / OPEN_CASES).read_text(encoding="utf-8").splitlines() if line.strip()]
    for row in as_of(rows, desk.clock.now(), _orders(folder / ORDERS)):
        desk.desk.receive(who, row)
    return len(rows)


def as_of(
    rows: Sequence[Mapping[str, Any]], now: datetime, orders: Mapping[str, Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """The open cases as if each had come in lately: its instants, the days in its texts and its order, from `orders` by
    their ids, are moved by the same whole days, its newest message into the day before `now`.
    """
    return [_lately(row, now, orders or {}) for row in rows]


def _lately(row: Mapping[str, Any], now: datetime, orders: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    parts = [row, *row.get("messages", ())]
    instants = [datetime.fromisoformat(part[k]) for part in parts for k in _INSTANTS if part.get(k)]
    by = timedelta(days=(now - max(instants)).days)

    def moved(part: Mapping[str, Any]) -> dict[str, Any]:
        told = {k: moved_instant(part[k], by) for k in _INSTANTS if part.get(k)}
        at = datetime.fromisoformat(next((part[k] for k in ("at", "received_at") if part.get(k)), row["received_at"]))
        said = {"text": moved_text(part["text"], at.date(), by.days)} if part.get("text") else {}
        return {**part, **told, **said}

    found = moved({**row, "messages": [moved(m) for m in row["messages"]]} if row.get("messages") else row)
    text = " ".join(str(part.get("text", "")) for part in parts)
    name = next((n for n in orders if n == row.get("order_ref") or n in text), "")
    if by and name and not row.get("context"):
        order = moved_order(orders[name], by)
        dispute = order.pop("dispute", None)
        found["context"] = {"order": order, **({"dispute": dispute} if dispute else {})}
    return found


def _orders(path: Path) -> dict[str, dict[str, Any]]:
    """The order book by id, as it stands in the file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {row["id"]: row for line in lines if line.strip() for row in [json.loads(line)]}


def first_start(desk: Runtime) -> None:
    """What a new home gets while the desk is already up: the cases first, because people wait for those."""
    queued, added = queue_open_cases(desk), load_history(desk)
    if queued or added:
        log.info("sample store: %d open cases, %d past escalations", queued, added)


def _folder(desk: Runtime) -> Path | None:
    return desk.settings.store
