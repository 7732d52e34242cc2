"""What the page and the API say of the measures: baseline first, then figures, and verdicts when they are due."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from api import proof
from api.ownrecords import Records, records
from api.store import audit
from api.store import proof as rows
from api.wiring import Runtime
from evals.baseline import Baseline
from evals.measures import ALPHA, Claim, Figure, change_words, figures, judge, worth
from evals.observe import BY_ID, MEASURES, Table, table
from evals.survival import Interval
from evals.use import FIRST, MEANS, Use, use

NO_BASELINE: Final = (
    "There is no baseline yet, so nothing is compared and no figure is shown. Import how it was before "
    "(`desk baseline import FILE`), then freeze it (`desk baseline freeze --from DAY --to DAY`)."
)
BY_NOW: Final = ("issue_type", "severity", "team", "engine", "prompts")
BY_BEFORE: Final = ("issue_type", "severity", "team")


@dataclass(frozen=True, slots=True)
class Told:
    """All that is known at an instant."""

    now: datetime
    baseline: Baseline | None
    use: Use | None = None
    before: Sequence[Figure] = ()
    figures: Sequence[Figure] = ()
    """Of the cases since consistent use began."""
    cases: int = 0
    claims: Sequence[Claim] = ()
    worth: str = ""

    @property
    def state(self) -> str:
        """`no_baseline`, `not_in_use`, `too_early` or `verdict`."""
        if self.baseline is None or self.use is None:
            return "no_baseline"
        if self.use.since is None:
            return "not_in_use"
        return "verdict" if self.use.look else "too_early"

    @property
    def says(self) -> str:
        """In a sentence, where things stand."""
        return NO_BASELINE if self.use is None or self.baseline is None else self.use.says


class Measuring:
    """Works the measures out, and keeps them until something happens or a day passes."""

    def __init__(self, desk: Runtime) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._key: tuple[object, ...] = ()
        self._told: Told | None = None
        self._baseline: Baseline | None = None

    def told(self) -> Told:
        """The measures as they are now.

        Raises:
            BaselineError: the baseline is not what was frozen.

        """
        desk, now = self._desk, self._desk.clock.now()
        with self._lock, desk.store.read() as conn:
            newest = rows.heads(conn)
            version = newest[0]["version"] if newest else 0
            key = (version, audit.head(conn).seq, now.date())
            if self._told is None or key != self._key:
                if version and (self._baseline is None or self._baseline.version != version):
                    self._baseline = proof.baseline(conn)
                if self._baseline is None:
                    self._told = Told(now, None)
                else:
                    book = desk.desk.versions.book(conn)
                    seen = records(conn, book, desk.store.keyed, now)
                    found = use(seen.worked, seen.incoming, now)
                    looked = records(conn, book, desk.store.keyed, found.look.ends) if found.look else None
                    self._told = _told(self._baseline, seen, looked, found, now)
                self._key = key
            return self._told


def _told(before: Baseline, seen: Records, looked: Records | None, found: Use, now: datetime) -> Told:
    if found.since is None:
        return Told(now, before, found, figures(before.table, BY_BEFORE))
    current = opened(table(seen.cases, now), found.since)
    claims: list[Claim] = []
    if looked is not None and found.look is not None:
        claims = judge(before.table, opened(table(looked.cases, found.look.ends), found.look.begins))
    return Told(
        now, before, found, figures(before.table, BY_BEFORE), figures(current, BY_NOW), len(current), claims,
        worth(claims) if claims else "",
    )  # fmt: skip


def opened(cases: Table, since: datetime) -> Table:
    """The cases that were opened at `since` or later."""
    kept = np.flatnonzero(cases.opened >= since.timestamp())
    return Table(
        tuple(cases.ids[n] for n in kept), cases.opened[kept],
        {name: tuple(words[n] for n in kept) for name, words in cases.labels.items()},
        {name: values[kept] for name, values in cases.values.items()},
        {name: flags[kept] for name, flags in cases.ended.items()},
    )  # fmt: skip


# --- for programs ------------------------------------------------------------------------------------------------------


def as_json(told: Told) -> dict[str, Any]:
    """Plain data; a bound that lies beyond what was seen, and what nothing tells, is null."""
    found, before = told.use, told.baseline
    look = found.look if found else None
    return {
        "state": told.state, "says": told.says, "at": _instant(told.now), "alpha": ALPHA,
        "baseline": baseline_json(before) if before else None,
        "use": {
            "since": _instant(found.since), "day": found.day, "of": FIRST.days, "means": MEANS, "next_verdict_at": _instant(found.next_at),
        } if found else None,
        "verdict": {"number": look.number, "from": _instant(look.begins), "to": _instant(look.ends)} if look else None,
        "worth": told.worth, "claims": [claim_json(c) for c in told.claims],
        "before": [figure_json(f) for f in told.before], "now": [figure_json(f) for f in told.figures], "cases": told.cases,
        "measures": [{"id": m.id, "title": m.title, "kind": m.kind, "better": m.better, "says": m.says} for m in MEASURES],
    }  # fmt: skip


def baseline_json(one: Baseline) -> dict[str, Any]:
    """A baseline without its cases."""
    return {
        "version": one.version, "from": _instant(one.begins), "to": _instant(one.ends), "cases": len(one.table),
        "excluded": dict(one.excluded), "policy": one.policy, "hash": one.hash,
    }  # fmt: skip


def claim_json(claim: Claim) -> dict[str, Any]:
    """One claim."""
    told = claim.difference
    return {
        "measure": claim.measure, "issue_type": claim.issue_type, "before": claim.before, "now": claim.now,
        "covered": _number(claim.covered), "change": _interval(told.change), "unit": unit_of(claim.measure),
        "in_words": change_words(BY_ID[claim.measure], told.change.at), "effect": _number(told.effect), "p": _number(claim.p),
        "verdict": claim.verdict, "why": claim.why,
    }  # fmt: skip


def figure_json(figure: Figure) -> dict[str, Any]:
    """One figure."""
    high: Mapping[str, Any] = {"p90": _interval(figure.high)} if figure.high else {}
    return {
        "measure": figure.measure, "by": figure.by, "group": figure.group, "cases": figure.cases, "open": figure.open,
        ("median" if figure.high else "mean"): _interval(figure.middle), **high,
    }  # fmt: skip


def unit_of(measure: str) -> str:
    """What a change of a measure is counted in."""
    return {"time": "ratio", "share": "share", "score": "difference"}[BY_ID[measure].kind]


def _interval(value: Interval) -> dict[str, float | None]:
    return {"at": _number(value.at), "low": _number(value.low), "high": _number(value.high)}


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _instant(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
