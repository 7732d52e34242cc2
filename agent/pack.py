"""The store's pack: issue types, severities, teams, SLA, authority, policy and signals, read from files.

The pack is the only home of these lists; code asks it and never names a member. It is valid as a whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent.clock import Calendar
from agent.directory import Directory, Team
from agent.packcheck import DEFAULT_LANGUAGE, check, check_sla
from agent.sla import Sla
from agent.yamlfile import read_yaml


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


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
    sure: bool = False
    """True: its words count whatever the classifier thinks of them."""


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


class SignalWords(_File):
    """Words that show a signal."""

    any: Annotated[tuple[str, ...], Field(min_length=1)]
    unless: tuple[str, ...] = ()


class SignalRule(SignalWords):
    """How one signal is noticed in a text."""

    negatable: bool = True


class HarmWords(_File):
    """How a harm is told in one language."""

    any: Annotated[tuple[str, ...], Field(min_length=1)]
    phrase: str


class LanguageWords(_File):
    """What customers of one language say, beside the patterns that are read whatever the language."""

    negations: tuple[str, ...] = ()
    signals: Mapping[str, SignalWords] = Field(default_factory=dict[str, SignalWords])
    harms: Mapping[str, HarmWords] = Field(default_factory=dict[str, HarmWords])
    states: Mapping[str, str] = Field(default_factory=dict[str, str])
    """Status word of another system -> how a letter says it."""
    events: Mapping[str, str]
    """What happened to an order, as a brief's timeline says it: placed, dispatched, delivered, refund."""


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
    general: bool = False
    """Whether it goes unsaid beside a more telling harm."""


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
    high_value: Annotated[Mapping[str, Decimal], Field(min_length=1)]
    """Order value above which a case is S2, by currency."""
    order_id_format: str = ""
    contacts: Mapping[str, str] = Field(default_factory=dict[str, str])
    """Team -> person whom a draft may name."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return Calendar(time_zone=name, always_open=True).time_zone


class _IssueTypes(_File):
    issue_types: Annotated[Mapping[str, IssueType], Field(min_length=1)]
    flag_teams: Mapping[str, str]


class _Severity(_File):
    severities: Annotated[Mapping[str, SeverityLevel], Field(min_length=1)]
    criteria: tuple[CriterionRule, ...]
    binding: Binding


class _Flags(_File):
    flags: Mapping[str, Condition]
    human_lead: tuple[HumanLead, ...]
    tone: Mapping[str, Condition]


class _Signals(_File):
    negations: tuple[str, ...]
    signals: Mapping[str, SignalRule]


class _Harms(_File):
    harms: Mapping[str, Harm] = Field(default_factory=dict[str, Harm])


class _Products(_File):
    products: tuple[Product, ...] = ()


class _Policy(_File):
    lines: Mapping[str, PolicyLine]


FILES: Mapping[str, type[BaseModel]] = {
    "issue_types": _IssueTypes, "severity": _Severity, "flags": _Flags, "signals": _Signals, "harms": _Harms,
    "authority": Authority, "words": LanguageWords, "store": Store, "products": _Products, "policy": _Policy,
}  # fmt: skip
"""Name of a file, or of its folder -> what stands in it."""


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
    directory: Directory
    sla: Sla
    authority: Authority
    policy: Mapping[str, PolicyLine]
    negations: tuple[str, ...]
    signals: Mapping[str, SignalRule]
    harms: Mapping[str, Harm]
    words: Mapping[str, LanguageWords]
    """Language -> what its customers say."""
    version: str
    """Content hash over all files of the pack."""

    @property
    def teams(self) -> Mapping[str, Team]:
        """The teams that a case can be routed to."""
        return self.directory.teams

    @cached_property
    def severity_order(self) -> tuple[str, ...]:
        """Severity ids, most severe first."""
        return tuple(self.severities)

    def more_severe(self, a: str, b: str) -> str:
        """The more severe of two severities; "" counts as none."""
        known = [s for s in (a, b) if s]
        return min(known, key=self.severity_order.index) if known else ""

    def words_of(self, language: str) -> LanguageWords:
        """The words of a language, English where it has none."""
        return self.words.get(language) or self.words[DEFAULT_LANGUAGE]

    def policy_for(self, issue_type: str) -> dict[str, PolicyLine]:
        """Policy lines whose topics hold `issue_type`."""
        return {k: v for k, v in self.policy.items() if issue_type in v.topics}


def load_pack(prompts: Path, store: Path, *, checked: str = "") -> Pack:
    """The pack from `prompts/pack` and the store's own folder.

    Args:
        prompts: the folder of all texts.
        store: the store's own folder.
        checked: the version that was checked before; it is not checked again, which saves compiling every pattern.

    Raises:
        BrokenFile: a file is missing, malformed, or names something that another file does not have.

    """
    pack = prompts / "pack"
    kinds = read_yaml(pack / "issue_types.yaml", _IssueTypes)
    severity = read_yaml(pack / "severity.yaml", _Severity)
    signals = read_yaml(pack / "signals.yaml", _Signals)
    flags = read_yaml(pack / "flags.yaml", _Flags)
    harms = read_yaml(pack / "harms.yaml", _Harms).harms
    english = pack / "words" / f"{DEFAULT_LANGUAGE}.yaml"
    words = {p.stem: read_yaml(p, LanguageWords) for p in sorted({english, *english.parent.glob("*.yaml")})}
    files = sorted([*pack.rglob("*.yaml"), *store.glob("*.yaml")])
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
        directory=read_yaml(pack / "teams.yaml", Directory),
        sla=read_yaml(pack / "sla.yaml", Sla),
        authority=read_yaml(pack / "authority.yaml", Authority),
        policy=read_yaml(store / "policy.yaml", _Policy).lines,
        negations=signals.negations,
        signals=signals.signals,
        harms={name: _told(name, harm, words) for name, harm in harms.items()},
        words=words,
        version=hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()[:16],
    )
    if loaded.version != checked:
        check(loaded, pack, store)
    return loaded


def load_sla(path: Path, pack: Pack) -> Sla:
    """Commitments from a file in the form of the pack's `sla.yaml`, e.g. to try them out before they hold.

    Raises:
        BrokenFile: the file is missing, malformed, or names something that the pack does not have.

    """
    sla = read_yaml(path, Sla)
    check_sla(sla, path, pack)
    return sla


def _told(name: str, harm: Harm, words: Mapping[str, LanguageWords]) -> Harm:
    """The harm with its clause in every language that has one."""
    more = {code: w.harms[name].phrase for code, w in words.items() if name in w.harms}
    return harm.model_copy(update={"phrase": {**harm.phrase, **more}})
