"""What a store's admin decides about outbreaks, read from `pack/outbreak.yaml`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import BrokenFile
from agent.pack import Pack
from agent.patterns import words
from agent.yamlfile import read_yaml

FILE = "outbreak.yaml"
_Bar = Annotated[float, Field(ge=0, le=1)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Nearness(_File):
    """The least nearness of two texts for each kind of link: a cosine, 1 for the same text, 0 for nothing in common."""

    same_lot: _Bar
    """Beside a shared lot and the same kind of trouble."""
    same_lot_and_outcome: _Bar
    """Beside a shared lot, where an issue type says who must act and not what happened."""
    same_lot_other_fault: _Bar
    """Beside a shared lot, where faults or issue types say that something else happened: they may be mistaken."""
    same_fault: _Bar
    """Beside a shared article and a shared fault, to the mean of eight or more reports."""
    same_fault_pair: _Bar
    """The same, to one other report; the bar moves evenly from one to eight."""
    same_article: _Bar
    """Beside a shared article, where one of both tells no fault that is known, to the mean of eight or more reports."""
    same_article_pair: _Bar
    """The same, to one other report."""
    same_article_other_fault: _Bar
    """Beside a shared article, where both tell faults and none is shared."""
    same_lane: _Bar
    """Beside a shared carrier and part of the country."""
    words_and_fault: _Bar
    """Of the words, beside a shared fault, to the mean of eight or more reports."""
    words_and_fault_pair: _Bar
    """The same, to one other report."""
    words: _Bar
    """Of the words alone, to the mean of eight or more reports."""
    words_pair: _Bar
    """Of the words alone, to one other report."""
    duplicate: _Bar
    """Of two cases of one customer, to offer their merge."""


class Asks(_File):
    """When a case only asks: every part that is given holds, and no signal of a report was found."""

    severities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    """One of these signals was found."""


class Fault(_File):
    """One nature of faults."""

    harms: tuple[str, ...] = ()
    """Harms of `harms.yaml` that are of it."""
    any: tuple[str, ...] = ()
    """Patterns of what customers write beside them."""


class OutbreakRules(_File):
    """When cases make an incident."""

    window_h: Annotated[float, Field(gt=0, le=24 * 31)]
    """Hours within which cases are compared."""
    minimum: Annotated[int, Field(ge=2, le=100)]
    """Different customers that make an incident."""
    outage_window_h: Annotated[float, Field(gt=0, le=48)]
    """Hours within which two reports speak of the same outage."""
    nearness: Nearness
    kinds: Mapping[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Name -> issue types that tell of one kind of trouble."""
    outcomes: tuple[str, ...] = ()
    """Issue types that say who must act and not what happened."""
    by_article: tuple[str, ...] = ()
    """Issue types in which a shared article says something."""
    by_words: tuple[str, ...] = ()
    """Issue types of which the words alone may make an incident."""
    outages: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    """Signals that a report shows; the sentences in which they stand count twice."""
    asks: tuple[Asks, ...] = ()
    faults: Mapping[str, Fault] = Field(default_factory=dict[str, Fault])
    """Nature -> what shows it. An article with a fault of one nature is no report of one of another."""
    settled: tuple[str, ...] = ()
    """Patterns of what says that a matter is over."""
    unsettled: tuple[str, ...] = ()
    """Patterns of what takes that back."""
    pages: Mapping[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Part of the shop -> patterns of what customers call it."""

    @property
    def window(self) -> timedelta:
        """How far apart two cases may be."""
        return timedelta(hours=self.window_h)

    @property
    def outage_window(self) -> timedelta:
        """How far apart two reports of one outage may be."""
        return timedelta(hours=self.outage_window_h)

    def kind(self, issue_type: str) -> str:
        """The kind of trouble, the issue type itself where it is none of `kinds`, "" for an outcome."""
        if issue_type in self.outcomes:
            return ""
        return next((name for name, types in self.kinds.items() if issue_type in types), issue_type)

    def same_kind(self, issue_type: str) -> tuple[str, ...]:
        """All issue types of the kind of this one; of an outcome every type that the kinds name, for it may be of any."""
        kind = self.kind(issue_type)
        if not kind:
            return (issue_type, *(t for types in self.kinds.values() for t in types))
        return self.kinds.get(kind, (issue_type,))


def load_rules(prompts: Path, pack: Pack) -> OutbreakRules:
    """The rules of `pack/outbreak.yaml` under the folder of all texts.

    Raises:
        BrokenFile: the file is missing, malformed, or names an issue type or signal that the pack does not have.

    """
    path = prompts / "pack" / FILE
    rules = read_yaml(path, OutbreakRules)
    types = (*(t for ts in rules.kinds.values() for t in ts), *rules.outcomes, *rules.by_article, *rules.by_words, *rules.outages, *rules.deliveries, *(t for a in rules.asks for t in a.types))  # fmt: skip
    _need(path, "issue type", types, pack.issue_types)
    _need(path, "signal", (*rules.reports, *(s for a in rules.asks for s in a.any)), pack.signals)
    _need(path, "severity", [s for a in rules.asks for s in a.severities], pack.severities)
    _need(path, "harm", [h for f in rules.faults.values() for h in f.harms], pack.harms)
    faults = {f"faults.{name}": fault.any for name, fault in rules.faults.items() if fault.any}
    once = {name: told for name, told in (("settled", rules.settled), ("unsettled", rules.unsettled)) if told}
    for name, told in {**{f"pages.{n}": t for n, t in rules.pages.items()}, **faults, **once}.items():
        try:
            empty = words(told).matches_nothing
        except re.error as error:
            raise BrokenFile(path, 0, f"{name}: not a pattern ({error})", "correct this pattern") from None
        if empty or not told:
            raise BrokenFile(path, 0, f"{name}: matches every text", "give it patterns with words")
    return rules


def _need(path: Path, what: str, names: Collection[str], known: Collection[str]) -> None:
    if missing := next((n for n in names if n not in known), None):
        raise BrokenFile(path, 0, f"there is no {what} `{missing}`", "correct the name or add it to the pack")
