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
from api.store.tables import cases, precedents
from api.wiring import Runtime

log = logging.getLogger(__name__)

HISTORY: Final = "history"
OPEN_CASES: Final = "open_cases.jsonl"
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
    for row in as_of(rows, desk.clock.now()):
        desk.desk.receive(who, row)
    return len(rows)


def as_of(rows: Sequence[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """The open cases as if they had come in lately: all instants moved by the same whole days, the newest into the day before `now`."""
    by = timedelta(days=(now - max(datetime.fromisoformat(row["received_at"]) for row in rows)).days)

    def moved(part: Mapping[str, Any]) -> dict[str, Any]:
        instants = {k: part[k] for k in ("received_at", "at") if part.get(k)}
        return {**part, **{k: (datetime.fromisoformat(v) + by).isoformat() for k, v in instants.items()}}

    return [
        moved({**row, "messages": [moved(m) for m in row["messages"]]} if row.get("messages") else row) for row in rows
    ]


def first_start(desk: Runtime) -> None:
    """What a new home gets while the desk is already up: the cases first, because people wait for those."""
    queued, added = queue_open_cases(desk), load_history(desk)
    if queued or added:
        log.info("sample store: %d open cases, %d past escalations", queued, added)


def _folder(desk: Runtime) -> Path | None:
    return desk.settings.store
