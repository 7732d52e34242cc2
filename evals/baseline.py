"""The baseline: a window of the store's own past, measured once, frozen with the hash of all that it says."""

from __future__ import annotations

import hashlib
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, cast

import numpy as np

from agent.sla import Sla
from evals.errors import BaselineError, QueryError
from evals.observe import LABELS, MEASURES, Own, Table, kept_by, table
from evals.past import PastCase

FEWEST: Final = 30
"""Cases below which nothing is frozen: no comparison with fewer would say anything."""
WORDS: Final = ("issue_type", "severity", "team", "channel")
INSTANTS: Final = ("opened", "resolved")
_CONDITION: Final = re.compile(r"\s*(\w+)\s*(!=|>=|<=|=|<|>)\s*(\S(?:.*\S)?)\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """One part of an exclusion."""

    name: str
    sign: str
    values: tuple[str, ...]

    def holds(self, case: PastCase) -> bool:
        """Whether a case is meant."""
        if self.name in WORDS:
            return (getattr(case, self.name) in self.values) == (self.sign == "=")
        at: datetime | None = getattr(case, self.name)
        if at is None:
            return False
        edge = datetime.fromisoformat(self.values[0])
        return {">=": at >= edge, "<": at < edge, ">": at > edge, "<=": at <= edge}[self.sign]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Cases that are left out, and why."""

    text: str
    reason: str
    conditions: tuple[Condition, ...]

    def holds(self, case: PastCase) -> bool:
        """Whether a case is left out."""
        return all(condition.holds(case) for condition in self.conditions)


def exclusion(text: str, zone: tzinfo = UTC) -> Exclusion:
    """`reason: query`, days in `zone`, e.g. `warehouse fire: team=fulfilment and opened>=2026-03-01 and opened<2026-03-08`.

    Raises:
        QueryError: it cannot be understood.

    """
    reason, colon, query = text.partition(":")
    if not colon or len(reason.strip()) < 3:
        raise QueryError(f"--exclude {text[:60]!r} has no reason; write it as `reason: query`.")
    return Exclusion(
        text, reason.strip(), tuple(_condition(part, zone) for part in re.split(r"\s+and\s+", query.strip()))
    )


def _condition(text: str, zone: tzinfo) -> Condition:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise QueryError(f"{text[:60]!r} is no condition; write it like `team=returns` or `opened>=2026-03-01`.")
    name, sign, value = match[1], match[2], match[3]
    if name in WORDS and sign in {"=", "!="}:
        return Condition(name, sign, tuple(word.strip() for word in value.split(",")))
    if name in INSTANTS and sign not in {"=", "!="}:
        return Condition(name, sign, (day(value, name, zone).isoformat(),))
    raise QueryError(
        f"{name!r} cannot be asked with {sign!r}; use {', '.join(WORDS)} with = or !=, or {' and '.join(INSTANTS)} with "
        "<, <=, > or >=."
    )


@dataclass(frozen=True, slots=True)
class Baseline:
    """A frozen window. Nothing in it changes; a new one gets the next version."""

    version: int
    begins: datetime
    ends: datetime
    """Cases opened from `begins` on and before this instant, as they stood at it."""
    excluded: Mapping[str, int]
    """Exclusion as it was given -> how many cases it left out."""
    policy: str
    """Content hash of the commitments under which it was measured."""
    hash: str
    """SHA-256 of all that it says."""
    table: Table


def freeze(
    version: int,
    cases: Iterable[PastCase],
    begins: datetime,
    ends: datetime,
    exclusions: Sequence[Exclusion],
    sla: Sla,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Baseline, bytes]:
    """A baseline and its content as it is stored.

    Raises:
        BaselineError: the window holds too few cases.

    """
    inside = [case for case in cases if begins <= case.opened < ends]
    excluded = dict.fromkeys((one.text for one in exclusions), 0)
    taken: list[PastCase] = []
    for case in inside:
        why = next((one.text for one in exclusions if one.holds(case)), None)
        if why is None:
            taken.append(case)
        else:
            excluded[why] += 1
    if len(taken) < FEWEST:
        left = f", and {len(inside) - len(taken)} are excluded" if len(taken) < len(inside) else ""
        raise BaselineError(
            f"Only {len(taken)} past cases were opened from {begins:%Y-%m-%d %H:%M} until {ends:%Y-%m-%d %H:%M} UTC{left}; a baseline needs "
            f"{FEWEST}. Take a longer window, or import more with `desk baseline import`."
        )
    taken.sort(key=lambda case: (case.opened, case.id))
    measured = table(_measured(taken, sla, ends, progress), ends)
    said = {
        "version": version, "from": begins.isoformat(), "to": ends.isoformat(), "excluded": excluded, "policy": sla.version,
        "cases": _columns(measured),
    }  # fmt: skip
    text = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(text).hexdigest()
    return Baseline(version, begins, ends, excluded, sla.version, digest, measured), zlib.compress(text, 6)


def _measured(
    cases: Sequence[PastCase], sla: Sla, ends: datetime, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[PastCase, Own]]:
    for number, case in enumerate(cases, start=1):
        yield case, Own(kept=kept_by(case, sla, ends))
        if progress and number % 500 == 0:
            progress(number, len(cases))


def thaw(content: bytes, digest: str) -> Baseline:
    """A baseline from its stored content.

    Raises:
        BaselineError: it is not what was frozen.

    """
    try:
        text = zlib.decompress(content)
    except zlib.error:
        text = b""
    if hashlib.sha256(text).hexdigest() != digest:
        raise BaselineError("The baseline is not what was frozen: its hash does not fit. Restore it from a backup.")
    said: dict[str, Any] = json.loads(text)
    begins, ends = (datetime.fromisoformat(said[name]) for name in ("from", "to"))
    return Baseline(said["version"], begins, ends, said["excluded"], said["policy"], digest, _table(said["cases"]))


def _columns(cases: Table) -> dict[str, Any]:
    """Plain data; numbers by millionths, and null where nothing is told."""
    values = {name: _numbers(column) for name, column in cases.values.items() if not np.isnan(column).all()}
    ended = {name: np.flatnonzero(~flags).tolist() for name, flags in cases.ended.items()}
    return {"ids": list(cases.ids), "opened": _numbers(cases.opened), "labels": {k: list(v) for k, v in cases.labels.items()},
            "values": values, "open": ended}  # fmt: skip


def _numbers(column: Any) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 6) for value in cast("list[float]", column.tolist())]


def _table(said: Mapping[str, Any]) -> Table:
    n = len(said["ids"])
    nothing: list[None] = [None] * n
    values = {m.id: np.array(said["values"].get(m.id, nothing), np.float64) for m in MEASURES}
    ended = {m.id: np.ones(n, np.bool_) for m in MEASURES if m.kind == "time"}
    for name, where in said["open"].items():
        ended[name][where] = False
    labels = {name: tuple(said["labels"].get(name, [""] * n)) for name in LABELS}
    return Table(tuple(said["ids"]), np.array(said["opened"], np.float64), labels, values, ended)


def day(text: str, name: str, zone: tzinfo = UTC) -> datetime:
    """The begin of a day, or an instant, as it was given, in UTC; `zone` is where a day begins and a time without a zone is.

    Raises:
        QueryError: it is neither.

    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise QueryError(f"{name} {text[:40]!r} is no day; write it like 2026-03-01.") from None
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
