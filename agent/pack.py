"""The store's pack: issue types, severities, teams, SLA, authority, policy and signals, read from files.

The pack is the only home of these lists; code asks it and never names a member. A pack is valid as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.clock import Calendar, Target
from agent.errors import BrokenFile
from agent.yamlfile import read_yaml


COMPUTED = ("high_value", "deadline", "hidden_text")
"""Conditions that code finds beside the signals of the pack."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Team(_File):
    """One team that can be pulled in."""

    title: str
    does: str = ""


class IssueType(_File):
    """One issue type and who acts on it."""

    title: str
    about: str
    """One line that describes it; it also teaches the classifier."""
    primary_team: str
    collaborators: tuple[str, ...] = ()
    collaborators_when: Mapping[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Team -> conditions (signals or computed); the team is pulled in when one holds."""
    required: tuple[str, ...] = ()
    """Content items that the first message must have."""
    needs: tuple[str, ...] = ()
    """What the desk must have to act; a draft asks for what of it is not given."""
    human_lead: bool = False
    default_severity: str = ""


class SeverityLevel(_File):
    """One level of the severity table."""

    title: str


class Condition(_File):
    """When something holds of a case: of `any`, `types`, deadline, contacts and value one must, and none of `none`.

    With both `any` and `types` given for human lead, both must; see `HumanLead`.
    """

    any: tuple[str, ...] = ()
    """One of these signals or computed conditions was found."""
    all: tuple[str, ...] = ()
    """All of these were found."""
    none: tuple[str, ...] = ()
    """None of these was found."""
    types: tuple[str, ...] = ()
    """The issue type is one of these."""
    deadline_within_h: int | None = None
    """A binding date is at most so many hours away."""
    contacts_at_least: int | None = None
    """So many contacts on the problem, this one included."""
    value_over: Literal["", "high_value"] = ""
    """The order or the amount in dispute is above the store's high-value line."""


class CriterionRule(Condition):
    """One row of the severity table."""

    id: str
    severity: str
    reason: str
    floor: bool = False
    """True: only a person with authority may go below."""


class HumanLead(_File):
    """When a person writes and the desk only briefs; every part that is given must hold."""

    reason: str
    any: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


class Binding(_File):
    """What makes a date binding."""

    words: tuple[str, ...] = ()
    """Words by which a date is found."""
    signals: tuple[str, ...] = ()
    """Signals beside which any deadline binds."""
    today: tuple[str, ...] = ()
    """Signals that are a deadline of the same day by themselves."""


class SignalRule(_File):
    """How one signal is noticed in a text."""

    any: Annotated[tuple[str, ...], Field(min_length=1)]
    unless: tuple[str, ...] = ()
    negatable: bool = True


class PolicyLine(_File):
    """One line of the store's policy that a draft may cite by id."""

    topics: tuple[str, ...]
    facts: Mapping[str, int | str] = Field(default_factory=dict[str, int | str])
    text: Mapping[str, str]


class Role(_File):
    """What a role may decide; amounts in the order's currency, null without limit."""

    approve: str
    goodwill_up_to: Decimal
    remedy_up_to: Decimal | None
    below_floor: bool
    approve_s1: bool


class Authority(_File):
    """Who may decide what."""

    roles: Mapping[str, Role]
    second_person_above: Decimal
    draft_limit_role: str


class Harm(_File):
    """A concrete harm that customers describe, with the clause that restates it."""

    issue_types: tuple[str, ...]
    any: tuple[str, ...]
    phrase: Mapping[str, str]


class Product(_File):
    """One article of the store."""

    sku: str
    name: str
    price: Decimal
    category: str = ""


class Store(_File):
    """The store that the desk works for."""

    name: str
    legal_name: str
    hosts: tuple[str, ...]
    support_email: str
    time_zone: str
    default_currency: str
    currencies: tuple[str, ...]
    languages: tuple[str, ...]
    high_value: Mapping[str, Decimal]
    """Order value above which a case is S2, by currency."""
    order_id_format: str = ""
    contacts: Mapping[str, str] = Field(default_factory=dict[str, str])
    """Team -> person whom a draft may name."""


class SlaTargets(_File):
    """SLA targets by severity and metric, and the calendars they name."""

    calendars: Mapping[str, Calendar]
    targets: Mapping[str, Mapping[str, Target | None]]
    paused_by: tuple[str, ...]


class _IssueTypes(_File):
    issue_types: Mapping[str, IssueType]
    flag_teams: Mapping[str, str]


class _Severity(_File):
    severities: Mapping[str, SeverityLevel]
    criteria: tuple[CriterionRule, ...]
    binding: Binding


class _Flags(_File):
    flags: Mapping[str, Condition]
    human_lead: tuple[HumanLead, ...]
    tone: Mapping[str, Condition]


class _Teams(_File):
    teams: Mapping[str, Team]


class _Signals(_File):
    negations: tuple[str, ...]
    signals: Mapping[str, SignalRule]


class _Harms(_File):
    harms: Mapping[str, Harm] = Field(default_factory=dict[str, Harm])


class _Products(_File):
    products: tuple[Product, ...] = ()


class _Policy(_File):
    lines: Mapping[str, PolicyLine]


class Pack(_File):
    """Everything that a store's admin decides, in one frozen object."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    store: Store
    products: tuple[Product, ...]
    issue_types: Mapping[str, IssueType]
    """In order of precedence."""
    flag_teams: Mapping[str, str]
    severities: Mapping[str, SeverityLevel]
    """From the most to the least severe."""
    criteria: tuple[CriterionRule, ...]
    binding: Binding
    flags: Mapping[str, Condition]
    human_lead: tuple[HumanLead, ...]
    tone: Mapping[str, Condition]
    teams: Mapping[str, Team]
    sla: SlaTargets
    authority: Authority
    policy: Mapping[str, PolicyLine]
    negations: tuple[str, ...]
    signals: Mapping[str, SignalRule]
    harms: Mapping[str, Harm]
    version: str
    """Content hash over all files of the pack."""

    @cached_property
    def severity_order(self) -> tuple[str, ...]:
        """Severity ids, most severe first."""
        return tuple(self.severities)

    def more_severe(self, a: str, b: str) -> str:
        """The more severe of two severities; "" counts as none."""
        known = [s for s in (a, b) if s]
        return min(known, key=self.severity_order.index) if known else ""

    def policy_for(self, issue_type: str) -> dict[str, PolicyLine]:
        """Policy lines whose topics hold `issue_type`."""
        return {k: v for k, v in self.policy.items() if issue_type in v.topics}


def load_pack(prompts: Path, store: Path) -> Pack:
    """The pack from `prompts/pack` and the store's own folder.

    Raises:
        BrokenFile: a file is missing, malformed, or names something that another file does not have.
    """
    pack = prompts / "pack"
    kinds = read_yaml(pack / "issue_types.yaml", _IssueTypes)
    severity = read_yaml(pack / "severity.yaml", _Severity)
    signals = read_yaml(pack / "signals.yaml", _Signals)
    flags = read_yaml(pack / "flags.yaml", _Flags)
    harms_file = pack / "harms.yaml"
    files = sorted(p for folder in (pack, store) for p in folder.glob("*.yaml"))
    loaded = Pack(
        store=read_yaml(store / "store.yaml", Store),
        products=read_yaml(store / "products.yaml", _Products).products,
        issue_types=kinds.issue_types,
        flag_teams=kinds.flag_teams,
        severities=severity.severities,
        criteria=severity.criteria,
        binding=severity.binding,
        flags=flags.flags,
        human_lead=flags.human_lead,
        tone=flags.tone,
        teams=read_yaml(pack / "teams.yaml", _Teams).teams,
        sla=read_yaml(pack / "sla.yaml", SlaTargets),
        authority=read_yaml(pack / "authority.yaml", Authority),
        policy=read_yaml(store / "policy.yaml", _Policy).lines,
        negations=signals.negations,
        signals=signals.signals,
        harms=read_yaml(harms_file, _Harms).harms if harms_file.exists() else {},
        version=hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()[:16],
    )
    _check(loaded, pack, store)
    return loaded


def _check(pack: Pack, folder: Path, store: Path) -> None:
    """Every name that one file uses must exist in the file that defines it."""
    conditions = [*pack.signals, *COMPUTED]

    def need(path: Path, what: str, used: Iterable[str], known: Iterable[str]) -> None:
        for name in used:
            if name not in set(known):
                raise BrokenFile(
                    path, _line(path, name), f"{what} `{name}` does not exist", f"use one of {', '.join(known)}"
                )

    kinds, severity = folder / "issue_types.yaml", folder / "severity.yaml"
    for kind in pack.issue_types.values():
        need(kinds, "team", (kind.primary_team, *kind.collaborators, *kind.collaborators_when), pack.teams)
        need(kinds, "condition", (c for cs in kind.collaborators_when.values() for c in cs), conditions)
        need(kinds, "severity", (kind.default_severity,), pack.severities)
    need(kinds, "team", pack.flag_teams.values(), pack.teams)
    for rule in pack.criteria:
        need(severity, "severity", (rule.severity,), pack.severities)
        need(severity, "signal", (*rule.any, *rule.all, *rule.none), conditions)
        need(severity, "issue type", rule.types, pack.issue_types)
    need(severity, "signal", (*pack.binding.signals, *pack.binding.today), pack.signals)
    for rule in (*pack.flags.values(), *pack.tone.values(), *pack.human_lead):
        need(folder / "flags.yaml", "signal", rule.any, conditions)
        need(folder / "flags.yaml", "issue type", rule.types, pack.issue_types)
    need(folder / "sla.yaml", "severity", pack.sla.targets, pack.severities)
    for targets in pack.sla.targets.values():
        need(
            folder / "sla.yaml",
            "calendar",
            (t.calendar for t in targets.values() if t is not None),
            pack.sla.calendars,
        )
    for line in pack.policy.values():
        need(store / "policy.yaml", "issue type", line.topics, pack.issue_types)
    need(store / "store.yaml", "team", pack.store.contacts, pack.teams)
    need(folder / "authority.yaml", "role", (pack.authority.draft_limit_role,), pack.authority.roles)
    for name, rule in pack.signals.items():
        for pattern in (*rule.any, *rule.unless):
            _compiles(folder / "signals.yaml", name, pattern)
    for name, harm in pack.harms.items():
        need(folder / "harms.yaml", "issue type", harm.issue_types, pack.issue_types)
        for pattern in harm.any:
            _compiles(folder / "harms.yaml", name, pattern)


def _compiles(path: Path, name: str, pattern: str) -> None:
    try:
        re.compile(expand(pattern), re.IGNORECASE)
    except re.error as e:
        raise BrokenFile(path, _line(path, name), f"pattern of `{name}`: {e}", "correct the expression") from None


def expand(pattern: str) -> str:
    """The regular expression behind a pack pattern: `~` stands for up to five words."""
    return pattern.replace("~ ", r"(?: [^\s.!?]+){0,5}? ").replace("~", r"(?:[^\s.!?]+ ){0,5}?")


def _line(path: Path, word: str) -> int:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", line):
            return number
    return 0
