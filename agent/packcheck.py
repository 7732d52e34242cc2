"""Whether the files of a pack fit together; what does not is named by file and line, with the way out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.clock import Calendar, ClosedForeverError, due
from agent.errors import BrokenFile
from agent.patterns import expand, words
from agent.sla import Policy, Sla
from agent.states import CASE_MOVES

if TYPE_CHECKING:
    from agent.pack import Condition, LanguageWords, Pack
    from agent.prompts import Prompt

COMPUTED = ("high_value", "deadline", "hidden_text")
"""Conditions that code finds beside the signals of the pack."""
NEEDS = ("order_id", "photos", "item", "charge", "device", "what_happened")
"""What an issue type may need of the customer: what code can tell to be there or missing."""
EVENTS = ("placed", "dispatched", "delivered", "refund")
"""What a brief's timeline tells of an order."""
_MONDAY: Final = datetime(2026, 6, 1, 10, tzinfo=UTC)
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
        need(flags, "signal", lead.any, conditions)
        need(flags, "issue type", lead.types, pack.issue_types)
    check_sla(pack.sla, folder / "sla.yaml", pack)
    _check_teams(pack, folder / "teams.yaml")
    need(folder / "authority.yaml", "role", (pack.authority.draft_limit_role,), pack.authority.roles)
    for name, line in pack.policy.items():
        need(store / "policy.yaml", "issue type", line.topics, pack.issue_types)
        if DEFAULT_LANGUAGE not in line.text:
            path = store / "policy.yaml"
            raise BrokenFile(path, _line(path, name), f"`{name}` has no text in English", "add `en` to its text")
    need(store / "store.yaml", "team", pack.store.contacts, pack.teams)
    _check_patterns(pack, folder)


def _check_types(pack: Pack, path: Path, conditions: Sequence[str]) -> None:
    for kind in pack.issue_types.values():
        need(path, "team", (kind.primary_team, *kind.collaborators, *kind.collaborators_when), pack.teams)
        need(path, "condition", (c for cs in kind.collaborators_when.values() for c in cs), conditions)
        need(path, "severity", (s for s in (kind.default_severity,) if s), pack.severities)
        need(path, "need", kind.needs, NEEDS)
    need(path, "flag", pack.flag_teams, pack.flags)
    need(path, "team", pack.flag_teams.values(), pack.teams)


def _check_severity(pack: Pack, path: Path, conditions: Sequence[str]) -> None:
    seen: set[str] = set()
    for rule in pack.criteria:
        if rule.id in seen:
            raise BrokenFile(path, _line(path, rule.id), f"criterion `{rule.id}` stands there twice", "rename one")
        seen.add(rule.id)
        need(path, "severity", (rule.severity,), pack.severities)
        _check_condition(pack, path, rule, conditions)
    need(path, "signal", (*pack.binding.signals, *pack.binding.today), pack.signals)


def _check_condition(pack: Pack, path: Path, rule: Condition, conditions: Sequence[str]) -> None:
    need(path, "signal", (*rule.any, *rule.all, *rule.none), conditions)
    need(path, "issue type", rule.types, pack.issue_types)


def check_sla(sla: Sla, path: Path, pack: Pack) -> None:
    """Commitments must fit a pack, theirs or another's: names, one default, and a first reply before the resolution.

    Raises:
        BrokenFile: with file, line and the way out.

    """
    need(path, "status", sla.paused_by, CASE_MOVES)
    need(path, "severity", (sla.untriaged,), pack.severities)
    need(path, "calendar", (sla.grace.calendar for _ in "g" if sla.grace), sla.calendars)
    need(path, "signal", (s.signal for s in sla.statutory), pack.signals)
    need(path, "issue type", (s.issue_type for s in sla.statutory), pack.issue_types)
    seen: set[str] = set()
    for policy in sla.policies:
        if policy.id in seen:
            raise BrokenFile(
                path, _line(path, policy.id, last=True), f"policy `{policy.id}` stands there twice", "rename one"
            )
        seen.add(policy.id)
        need(path, "severity", policy.when.severity, pack.severities)
        need(path, "issue type", policy.when.issue_type, pack.issue_types)
        need(path, "calendar", (t.calendar for t in policy.targets.values() if t is not None), sla.calendars)
        _check_order(path, policy, sla.calendars)
    *others, last = sla.policies
    if double := next((p for p in others if p.when.empty), None):
        problem = f"policy `{double.id}` has no conditions, so those after it are never used"
        raise BrokenFile(path, _line(path, double.id), problem, "give it a `when`; only the last is the default")
    if not last.when.empty:
        problem = f"policy `{last.id}` stands last and has conditions, so some cases have no policy"
        raise BrokenFile(path, _line(path, last.id), problem, "let one without `when` stand last: the default")


def _check_order(path: Path, policy: Policy, calendars: Mapping[str, Calendar]) -> None:
    """A reply that may come after the resolution is a slip, and so is a target never reached; from a Monday on."""
    given = {metric: target for metric, target in policy.targets.items() if target is not None}
    try:
        ends = {metric: due(target, calendars[target.calendar], _MONDAY) for metric, target in given.items()}
    except ClosedForeverError as e:
        raise BrokenFile(path, _line(path, policy.id), str(e), "give the calendar open time") from None
    if "first_reply" not in ends or "resolution" not in ends:
        return
    first, whole = given["first_reply"], given["resolution"]
    if ends["first_reply"] > ends["resolution"]:
        problem = f"policy `{policy.id}` gives the first reply more time ({first.within}) than the resolution ({whole.within})"
        raise BrokenFile(path, _line(path, policy.id), problem, "make the first reply the shorter one")


def _check_teams(pack: Pack, path: Path) -> None:
    book = pack.directory
    for name, team in book.teams.items():
        channels = (team.channel, team.second_channel, *(m.channel for m in team.members.values()))
        need(path, "channel", (c for c in channels if c), book.channels)
        need(path, "member", team.on_call, team.members)
        need(path, "calendar", (team.hours for _ in "h" if team.hours), pack.sla.calendars)
        need(path, "team", (team.escalates_to for _ in "e" if team.escalates_to), book.teams)
        seen, below, above = {name}, name, team.escalates_to
        while above:
            if above in seen:
                problem = f"`{below}` escalates in a circle back to `{above}`"
                raise BrokenFile(
                    path, _line(path, f"{below}:"), problem, "let one team of the circle escalate to nobody"
                )
            seen.add(above)
            below, above = above, book.teams[above].escalates_to
    for name, channel in book.channels.items():
        for address in channel.to:
            if address.rpartition("@")[2].lower() not in book.staff_domains:
                problem = f"channel `{name}` writes to `{address}`, which is in none of `staff_domains`"
                raise BrokenFile(path, _line(path, name), problem, "name the domain there, if it is the staff's own")


def _check_patterns(pack: Pack, folder: Path) -> None:
    signals, harms = folder / "signals.yaml", folder / "harms.yaml"
    _compile(signals, "negations", pack.negations)
    for name, rule in pack.signals.items():
        _compile(signals, name, rule.any, rule.unless)
    for name, harm in pack.harms.items():
        need(harms, "issue type", harm.issue_types, pack.issue_types)
        _compile(harms, name, harm.any)
    for code, told in pack.words.items():
        _check_words(pack, folder / "words" / f"{code}.yaml", told)


def _check_words(pack: Pack, path: Path, told: LanguageWords) -> None:
    need(path, "signal", told.signals, pack.signals)
    need(path, "harm", told.harms, pack.harms)
    need(path, "event", told.events, EVENTS)
    if lacking := [name for name in EVENTS if name not in told.events]:
        raise BrokenFile(path, _line(path, "events"), f"`events` has no words for `{lacking[0]}`", "add them")
    _compile(path, "negations", told.negations)
    for name, rule in told.signals.items():
        _compile(path, name, rule.any, rule.unless)
    for name, harm in told.harms.items():
        _compile(path, name, harm.any)


def check_prompts(pack: Pack, prompts: Iterable[Prompt]) -> None:
    """Where a prompt says that it is used must exist in the pack.

    Raises:
        BrokenFile: with file, line and the way out.

    """
    for prompt in prompts:
        head, path = prompt.head, prompt.path
        need(path, "issue type", head.applies_to.issue_types, pack.issue_types)
        need(path, "language", head.applies_to.languages, (DEFAULT_LANGUAGE, *pack.words))


def need(path: Path, what: str, used: Iterable[str], known: Collection[str]) -> None:
    """Each name that a file uses is one of those known.

    Raises:
        BrokenFile: with the line of the first that is not.

    """
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


def _line(path: Path, word: str, *, last: bool = False) -> int:
    """Number of the first or last line in which a word stands outside a comment; 0 when it stands in none."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    found = [n for n, text in lines if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text.partition("#")[0])]
    return found[-1 if last else 0] if found else 0
