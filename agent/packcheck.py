"""Whether the files of a pack fit together; what does not is named by file and line, with the way out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import BrokenFile
from agent.states import CASE_MOVES

if TYPE_CHECKING:
    from agent.pack import Condition, LanguageWords, Pack

COMPUTED = ("high_value", "deadline", "hidden_text")
"""Conditions that code finds beside the signals of the pack."""
NEEDS = ("order_id", "photos", "item", "charge", "device", "what_happened")
"""What an issue type may need of the customer: what code can tell to be there or missing."""
EVENTS = ("placed", "dispatched", "delivered", "refund")
"""What a brief's timeline tells of an order."""
DEFAULT_LANGUAGE = "en"
"""Every text of the store exists in it."""


def check(pack: Pack, folder: Path, store: Path) -> None:
    """Every name that one file uses must exist in the file that defines it, and every pattern must be usable.

    Raises:
        BrokenFile: with file, line and the way out.

    """
    conditions = (*pack.signals, *COMPUTED)
    _check_types(pack, folder / "issue_types.yaml", conditions)
    _check_severity(pack, folder / "severity.yaml", conditions)
    flags = folder / "flags.yaml"
    for rule in (*pack.flags.values(), *pack.tone.values()):
        _check_condition(pack, flags, rule, conditions)
    for lead in pack.human_lead:
        _need(flags, "signal", lead.any, conditions)
        _need(flags, "issue type", lead.types, pack.issue_types)
    _check_sla(pack, folder / "sla.yaml")
    _need(folder / "authority.yaml", "role", (pack.authority.draft_limit_role,), pack.authority.roles)
    for name, line in pack.policy.items():
        _need(store / "policy.yaml", "issue type", line.topics, pack.issue_types)
        if DEFAULT_LANGUAGE not in line.text:
            path = store / "policy.yaml"
            raise BrokenFile(path, _line(path, name), f"`{name}` has no text in English", "add `en` to its text")
    _need(store / "store.yaml", "team", pack.store.contacts, pack.teams)
    _check_patterns(pack, folder)


def _check_types(pack: Pack, path: Path, conditions: Sequence[str]) -> None:
    for kind in pack.issue_types.values():
        _need(path, "team", (kind.primary_team, *kind.collaborators, *kind.collaborators_when), pack.teams)
        _need(path, "condition", (c for cs in kind.collaborators_when.values() for c in cs), conditions)
        _need(path, "severity", (s for s in (kind.default_severity,) if s), pack.severities)
        _need(path, "need", kind.needs, NEEDS)
    _need(path, "flag", pack.flag_teams, pack.flags)
    _need(path, "team", pack.flag_teams.values(), pack.teams)


def _check_severity(pack: Pack, path: Path, conditions: Sequence[str]) -> None:
    seen: set[str] = set()
    for rule in pack.criteria:
        if rule.id in seen:
            raise BrokenFile(path, _line(path, rule.id), f"criterion `{rule.id}` stands there twice", "rename one")
        seen.add(rule.id)
        _need(path, "severity", (rule.severity,), pack.severities)
        _check_condition(pack, path, rule, conditions)
    _need(path, "signal", (*pack.binding.signals, *pack.binding.today), pack.signals)


def _check_condition(pack: Pack, path: Path, rule: Condition, conditions: Sequence[str]) -> None:
    _need(path, "signal", (*rule.any, *rule.all, *rule.none), conditions)
    _need(path, "issue type", rule.types, pack.issue_types)


def _check_sla(pack: Pack, path: Path) -> None:
    _need(path, "severity", pack.sla.targets, pack.severities)
    _need(path, "status", pack.sla.paused_by, CASE_MOVES)
    for severity in pack.severities:
        if severity not in pack.sla.targets:
            raise BrokenFile(path, _line(path, "targets"), f"`{severity}` has no targets", "add them")
    for targets in pack.sla.targets.values():
        _need(path, "calendar", (t.calendar for t in targets.values() if t is not None), pack.sla.calendars)


def _check_patterns(pack: Pack, folder: Path) -> None:
    signals, harms = folder / "signals.yaml", folder / "harms.yaml"
    for pattern in pack.negations:
        _compiles(signals, "negations", pattern)
    for name, rule in pack.signals.items():
        for pattern in (*rule.any, *rule.unless):
            _compiles(signals, name, pattern)
    for name, harm in pack.harms.items():
        _need(harms, "issue type", harm.issue_types, pack.issue_types)
        for pattern in harm.any:
            _compiles(harms, name, pattern)
    for code, words in pack.words.items():
        _check_words(pack, folder / "words" / f"{code}.yaml", words)


def _check_words(pack: Pack, path: Path, words: LanguageWords) -> None:
    _need(path, "signal", words.signals, pack.signals)
    _need(path, "harm", words.harms, pack.harms)
    _need(path, "event", words.events, EVENTS)
    if lacking := [name for name in EVENTS if name not in words.events]:
        raise BrokenFile(path, _line(path, "events"), f"`events` has no words for `{lacking[0]}`", "add them")
    for pattern in words.negations:
        _compiles(path, "negations", pattern)
    for name, rule in words.signals.items():
        for pattern in (*rule.any, *rule.unless):
            _compiles(path, name, pattern)
    for name, harm in words.harms.items():
        for pattern in harm.any:
            _compiles(path, name, pattern)


def _need(path: Path, what: str, used: Iterable[str], known: Collection[str]) -> None:
    for name in used:
        if name not in known:
            raise BrokenFile(
                path, _line(path, name), f"{what} `{name}` does not exist", f"use one of {', '.join(known)}"
            )


def _compiles(path: Path, name: str, pattern: str) -> None:
    try:
        found = re.compile(f"(?:{expand(pattern)})", re.IGNORECASE)
    except re.error as e:
        raise BrokenFile(path, _line(path, name), f"pattern of `{name}`: {e}", "correct the expression") from None
    if found.match(""):
        problem = f"a pattern of `{name}` matches the empty text, so it would always hold"
        raise BrokenFile(path, _line(path, name), problem, "make a part of it mandatory")


def expand(pattern: str) -> str:
    """The regular expression behind a pack pattern: `~` stands for up to five words."""
    return pattern.replace("~ ", r"(?: [^\s.!?]+){0,5}? ").replace("~", r"(?:[^\s.!?]+ ){0,5}?")


def _line(path: Path, word: str) -> int:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", line.partition("#")[0]):
            return number
    return 0
