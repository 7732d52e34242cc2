"""What the guard reads a draft for: `guard.yaml` and `guard/<language>.yaml` as models, patterns compiled once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import BrokenFile
from agent.facts.text import fold
from agent.yamlfile import read_yaml

Words: TypeAlias = tuple[str, ...]
ByName: TypeAlias = Mapping[str, Words]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Never(_File):
    """One thing that a draft never says."""

    says: str
    """The finding's sentence after "The draft ..."."""
    negatable: bool = True
    """Whether a "not" before the words makes them harmless."""
    conditional: bool = False
    """Whether an "if" or "once" before the words makes them harmless."""
    issue_types: tuple[str, ...] = ()
    """Read only for these issue types; empty reads it for all."""


class Required(_File):
    """A content item of a first message."""

    fact: str = ""
    """Facts that show it, with `or` between: order, item, contact, case, slot, or kinds of the ledger."""
    hard: bool = False


class GuardFile(_File):
    """The file `guard.yaml`: the rules."""

    never: Mapping[str, Never]
    required: Mapping[str, Required]
    remedy_kinds: tuple[str, ...] = ()
    """Remedies that can be compared with those of precedents."""


class LanguageFile(_File):
    """A file `guard/<language>.yaml`: the words of one language."""

    stopwords: str
    negations: Words
    restated: Words
    open: Words
    conditions: Words
    subordinate: Words
    remedies: ByName
    gives: Words
    commits: Words
    duties: ByName
    actions: ByName
    did: Words
    under_way: ByName = Field(default_factory=dict[str, Words])
    never: ByName
    """A pattern that begins with `!` has its "not" in itself: one before or in it does not make it harmless."""
    unless: ByName = Field(default_factory=dict[str, Words])
    instructions: Words
    parcel_states: ByName
    own_address: Words
    policy_words: Words
    record_words: Words
    required: ByName


Pattern: TypeAlias = re.Pattern[str]
_NOTHING: Final = re.compile(r"(?!)")
DENIAL: Final = "!"
"""First character of a pattern whose "not" is what is wrong with it."""


@dataclass(frozen=True, slots=True, eq=False)
class Phrases:
    """The patterns of one language, each one expression over the spaced text of `Text.find`."""

    stopwords: frozenset[str]
    negations: Pattern
    restated: Pattern
    open: Pattern
    conditions: Pattern
    subordinate: Pattern
    remedy: Pattern
    remedies: Mapping[str, Pattern]
    gives: Pattern
    commits: Pattern
    duties: Mapping[str, Pattern]
    deeds: Pattern
    """Sentences that claim a deed; the named group that matched is the action."""
    never: Mapping[str, Pattern]
    denials: Mapping[str, Pattern]
    """The part of `never` whose "not" is what is wrong."""
    unless: Mapping[str, Pattern]
    instructions: Pattern
    parcel_states: Pattern
    """The named group that matched is the state."""
    own_address: Pattern
    policy_words: Pattern
    record_words: Pattern
    required: Mapping[str, Pattern]


@dataclass(frozen=True, eq=False)
class Phrasebook:
    """Every language that the guard can read."""

    file: GuardFile
    languages: Mapping[str, Phrases]
    everyday: Mapping[str, tuple[str, ...]]
    """Everyday word -> the languages that have it."""

    def reading(self, language: str, sentences: Iterable[Iterable[str]]) -> tuple[Phrases, ...]:
        """The phrases to read a draft with: its own language's and those that the words of any sentence show."""
        own = self.languages[language].stopwords if language in self.languages else frozenset[str]()
        shown: dict[str, None] = {}
        for words in sentences:
            count: dict[str, int] = {}
            for word in self.everyday.keys() & (set(words) - own):
                for code in self.everyday[word]:
                    count[code] = count.get(code, 0) + 1
            shown |= dict.fromkeys(c for c, n in count.items() if n >= _SHOWN)
        codes = dict.fromkeys([language, *shown])
        return tuple(self.languages[c] for c in codes if c in self.languages)


_SHOWN: Final = 2
"""So many different everyday words of a language in one sentence make the guard read the draft in that language too."""


def load_phrasebook(pack: Path) -> Phrasebook:
    """The phrasebook of the folder `pack`.

    Raises:
        BrokenFile: a file is missing, malformed, names a rule that `guard.yaml` does not have, lacks the words of one, or
            holds a pattern that is no regular expression.

    """
    file = read_yaml(pack / "guard.yaml", GuardFile)
    folder = pack / "guard"
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise BrokenFile(folder, 0, "no language file is there", "restore it from the repository or a backup")
    read = {path.stem: read_yaml(path, LanguageFile) for path in paths}
    for path in paths:
        _check(file, read[path.stem], path)
    languages = {path.stem: _compile(read[path.stem], path) for path in paths}
    owners: dict[str, tuple[str, ...]] = {}
    for code, words in read.items():
        for word in dict.fromkeys(fold(words.stopwords).split()):
            owners[word] = (*owners.get(word, ()), code)
    return Phrasebook(file, languages, owners)


def _check(file: GuardFile, words: LanguageFile, path: Path) -> None:
    for section, named, known in (
        ("never", words.never, file.never),
        ("unless", words.unless, file.never),
        ("required", words.required, file.required),
    ):
        if unknown := sorted(named.keys() - known.keys()):
            raise BrokenFile(
                path, _line(path, unknown[0]), f"`{section}` names the unknown rule `{unknown[0]}`",
                f"use one of: {', '.join(known)}",
            )  # fmt: skip
    if silent := sorted(file.never.keys() - words.never.keys()):
        raise BrokenFile(path, _line(path, "never"), f"`never` has no words for `{silent[0]}`", "add its words")


def _line(path: Path, name: str) -> int:
    return next((n for n, row in enumerate(path.read_text("utf-8").splitlines(), 1) if f"{name}:" in row), 0)


def _compile(file: LanguageFile, path: Path) -> Phrases:
    remedy = "|".join(p for words in file.remedies.values() for p in words)

    def one(words: Sequence[str], name: str) -> Pattern:
        return _pattern(words, {"remedy": remedy}, path, name)

    def each(by: Mapping[str, Sequence[str]]) -> dict[str, Pattern]:
        return {name: one(words, name) for name, words in by.items()}

    did = "|".join(f"(?P<{name}>{'|'.join(words)})" for name, words in file.actions.items())
    running = [f"(?P<{name}_>{'|'.join(words)})" for name, words in file.under_way.items()]
    states = [f"(?P<{name}>{'|'.join(words)})" for name, words in file.parcel_states.items()]
    return Phrases(
        stopwords=frozenset(fold(file.stopwords).split()),
        negations=one(file.negations, "negations"),
        restated=one(file.restated, "restated"),
        open=one(file.open, "open"),
        conditions=one(file.conditions, "conditions"),
        subordinate=one(file.subordinate, "subordinate"),
        remedy=_pattern([remedy] if remedy else [], {}, path, "remedies"),
        remedies=each(file.remedies),
        gives=one(file.gives, "gives"),
        commits=one(file.commits, "commits"),
        duties=each(file.duties),
        deeds=_pattern([*([f"(?:{'|'.join(file.did)}) (?:{did})"] if did else []), *running], {}, path, "did"),
        never=each({rule: [p for p in words if p[0] != DENIAL] for rule, words in file.never.items()}),
        denials=each({rule: [p[1:] for p in words if p[0] == DENIAL] for rule, words in file.never.items()}),
        unless=each(file.unless),
        instructions=one(file.instructions, "instructions"),
        parcel_states=_pattern(states, {}, path, "parcel_states"),
        own_address=one(file.own_address, "own_address"),
        policy_words=one(file.policy_words, "policy_words"),
        record_words=one(file.record_words, "record_words"),
        required=each(file.required),
    )


def _pattern(patterns: Iterable[str], fill: Mapping[str, str], path: Path, name: str) -> Pattern:
    """One expression out of alternatives; each begins with the blank before a word (which makes it fast) and ends at one."""
    sources = [_expand(p, fill) for p in patterns]
    if not sources:
        return _NOTHING
    try:
        return re.compile(rf" (?:{'|'.join(sources)})(?!\w)")
    except re.error as e:
        raise BrokenFile(path, _line(path, name), f"a pattern of `{name}`: {e}", "correct the expression") from None


_GAP_WORD: Final = r"(?:[^ .!?;]|\.\d)+"
"""A word inside a sentence; the point of a figure ends none."""
_ACCENTED: Final = re.compile(r"[^\x00-\x7f]")
_CLASS: Final = re.compile(r"\[(?:\\.|[^\]\\])*\]")


def _expand(pattern: str, fill: Mapping[str, str]) -> str:
    """The expression behind a pattern of the file: blanks, gaps and placeholders filled in, accents folded away."""
    for name, text in fill.items():
        pattern = pattern.replace(f"{{{name}}}", f"(?:{text})")
    pattern = pattern.replace(r"\S+", "[^ .!?;]+")
    pattern = _ACCENTED.sub(lambda m: fold(m[0]), pattern)
    pattern = pattern.replace("~ ", r"(?: [^ .!?;]+){0,5}? ").replace("~", r"(?:[^ .!?;]+ ){0,5}?")
    return "".join(_blanks(pattern)).replace("[^ .!?;]+", _GAP_WORD)


def _blanks(pattern: str) -> Iterator[str]:
    """Blanks outside character classes stand for any run of blanks."""
    at = 0
    for m in _CLASS.finditer(pattern):
        yield _BLANK.sub(_blank, pattern[at : m.start()])
        yield m[0]
        at = m.end()
    yield _BLANK.sub(_blank, pattern[at:])


_BLANK: Final = re.compile(r" ([?*+]?)")


def _blank(m: re.Match[str]) -> str:
    return " *" if m[1] in {"?", "*"} and m[1] else " +"
