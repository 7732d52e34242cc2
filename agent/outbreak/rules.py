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
    """Beside a shared lot."""
    same_article: _Bar
    """Beside a shared article, to the mean of eight or more reports."""
    same_article_pair: _Bar
    """Beside a shared article, to one other report; the bar rises evenly from one to eight."""
    same_article_and_harm: _Bar
    """Beside a shared article and a shared harm."""
    same_lane: _Bar
    """Beside a shared carrier and part of the country."""
    words: _Bar
    """Of the words alone, to the mean of eight or more reports."""
    words_pair: _Bar
    """Of the words alone, to one other report."""
    asking: _Bar
    """Of a case that only asks, whatever else it shares."""
    duplicate: _Bar
    """Of two cases of one customer, to offer their merge."""


class Asks(_File):
    """When a case asks and reports nothing: of one of these severities, one of `any` and none of `unless` found."""

    severities: tuple[str, ...] = ()

    any: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


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
    asks: Asks = Asks()
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
    types = (*(t for ts in rules.kinds.values() for t in ts), *rules.outcomes, *rules.by_article, *rules.by_words, *rules.outages, *rules.deliveries)  # fmt: skip
    _need(path, "issue type", types, pack.issue_types)
    _need(path, "signal", (*rules.asks.any, *rules.asks.unless), pack.signals)
    _need(path, "severity", rules.asks.severities, pack.severities)
    for name, told in rules.pages.items():
        try:
            empty = words(told).matches_nothing
        except re.error as error:
            raise BrokenFile(path, 0, f"pages.{name}: not a pattern ({error})", "correct this pattern") from None
        if empty or not told:
            raise BrokenFile(path, 0, f"pages.{name}: matches every text", "give it patterns with words")
    return rules


def _need(path: Path, what: str, names: Collection[str], known: Collection[str]) -> None:
    if missing := next((n for n in names if n not in known), None):
        raise BrokenFile(path, 0, f"there is no {what} `{missing}`", "correct the name or add it to the pack")
