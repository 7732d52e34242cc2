"""What the store commits itself to, by policies in order: targets, calendars, thresholds, and dates that the law sets."""

from __future__ import annotations

import hashlib
from calendar import monthrange
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.clock import Calendar, Target


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class When(_File):
    """Conditions of a policy: each list that is given must hold the case's value."""

    severity: tuple[str, ...] = ()
    issue_type: tuple[str, ...] = ()
    tier: tuple[str, ...] = ()
    """Words of the store for its customers, e.g. `vip`."""
    channel: tuple[str, ...] = ()

    def holds(self, facts: Mapping[str, str]) -> bool:
        """Whether a case with these facts is meant."""
        lists = (
            ("severity", self.severity),
            ("issue_type", self.issue_type),
            ("tier", self.tier),
            ("channel", self.channel),
        )
        return all(not wanted or facts.get(name, "") in wanted for name, wanted in lists)

    @property
    def empty(self) -> bool:
        """Whether every case is meant."""
        return not (self.severity or self.issue_type or self.tier or self.channel)


class Policy(_File):
    """Targets for the cases that its conditions name."""

    id: str
    when: When = When()
    targets: Mapping[Literal["first_reply", "next_reply", "next_update", "resolution", "team_ack"], Target | None]
    """Metric -> target; null or left out means no clock."""


class Statute(_File):
    """A date that the law sets, counted from when the case came in."""

    signal: str
    issue_type: str
    months: Annotated[int, Field(gt=0, le=24)]

    def due(self, opened: datetime) -> datetime:
        """The same day and time so many months later, or the last day of a shorter month."""
        years, month = divmod(opened.month - 1 + self.months, 12)
        year, month = opened.year + years, month + 1
        return opened.replace(year=year, month=month, day=min(opened.day, monthrange(year, month)[1]))


class Sla(_File):
    """The store's commitments: policies in order, the calendars that they name, and what pauses a clock."""

    calendars: Mapping[str, Calendar]
    policies: Annotated[tuple[Policy, ...], Field(min_length=1)]
    """The first whose conditions hold decides; the last has none."""
    paused_by: tuple[str, ...]
    """Statuses that pause the clocks that can pause."""
    untriaged: str
    """Severity that counts until the case has one."""
    thresholds: tuple[Annotated[int, Field(gt=0, le=100)], ...] = (50, 80, 100)
    """Percent of a target at which its team is told; 100 is the breach."""
    grace: Target | None = None
    """How soon after being resolved a reopened case counts as rework."""
    statutory: tuple[Statute, ...] = ()
    """Dates that the law sets."""

    def policy(self, facts: Mapping[str, str]) -> Policy:
        """The policy of a case with these facts (severity, issue_type, tier, channel)."""
        return next((p for p in self.policies if p.when.holds(facts)), self.policies[-1])

    @cached_property
    def version(self) -> str:
        """Content hash; a case keeps the version that it was triaged under."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
