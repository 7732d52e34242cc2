"""Whether the files of a pack fit together; what does not is named by file and line, with the way out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import BrokenFile
from agent.patterns import expand, words
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
    _compile(signals, "negations", pack.negations)
    for name, rule in pack.signals.items():
        _compile(signals, name, rule.any, rule.unless)
    for name, harm in pack.harms.items():
        _need(harms, "issue type", harm.issue_types, pack.issue_types)
        _compile(harms, name, harm.any)
    for code, told in pack.words.items():
        _check_words(pack, folder / "words" / f"{code}.yaml", told)


def _check_words(pack: Pack, path: Path, told: LanguageWords) -> None:
    _need(path, "signal", told.signals, pack.signals)
    _need(path, "harm", told.harms, pack.harms)
    _need(path, "event", told.events, EVENTS)
    if lacking := [name for name in EVENTS if name not in told.events]:
        raise BrokenFile(path, _line(path, "events"), f"`events` has no words for `{lacking[0]}`", "add them")
    _compile(path, "negations", told.negations)
    for name, rule in told.signals.items():
        _compile(path, name, rule.any, rule.unless)
    for name, harm in told.harms.items():
        _compile(path, name, harm.any)


def _need(path: Path, what: str, used: Iterable[str], known: Collection[str]) -> None:
    for name in used:
        if name not in known:
            raise BrokenFile(
                path, _line(path, name), f"{what} `{name}` does not exist", f"use one of {', '.join(known)}"
            )


def _compile(path: Path, name: str, *lists: tuple[str, ...]) -> None:
    """Compiles each list as it is used later; only a list that fails is looked at pattern by pattern."""
    for patterns in lists:
        try:
            if not patterns or not words(patterns).matches_nothing:
                continue
        except re.error:
            pass
        for pattern in patterns:
            _compile_one(path, name, pattern)


def _compile_one(path: Path, name: str, pattern: str) -> None:
    try:
        found = re.compile(f"(?:{expand(pattern)})", re.IGNORECASE)
    except re.error as e:
        raise BrokenFile(path, _line(path, name), f"pattern of `{name}`: {e}", "correct the expression") from None
    if found.match(""):
        problem = f"a pattern of `{name}` matches the empty text, so it would always hold"
        raise BrokenFile(path, _line(path, name), problem, "make a part of it mandatory")


def _line(path: Path, word: str) -> int:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", line.partition("#")[0]):
            return number
    return 0
