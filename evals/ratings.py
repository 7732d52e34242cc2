"""What people think of outputs: the rubric, what a rater sees, and the records of ratings and of what was settled.

Raters are blind: nothing here that is shown to them says which engine wrote an output, what others or a judge think of
it, or whether it was spoiled on purpose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from agent.yamlfile import read_yaml

LEVELS: Final[Mapping[str, tuple[str, ...]]] = {
    "facts_ok": ("fail", "pass"), "safe_to_send": ("no", "edit", "pass"), "complete": ("0", "1", "2"),
    "tone": ("0", "1", "2"), "routing_ok": ("fail", "pass"),
}  # fmt: skip
"""Each dimension of a rating with its levels, the worst first."""
ORDERED: Final = ("safe_to_send", "complete", "tone")
"""Dimensions in which two raters can be nearly of one mind."""
FAULTS: Final = (
    "wrong_fact", "missing_content", "unsafe_promise", "wrong_tone", "wrong_language", "wrong_routing", "unclear", "other",
)  # fmt: skip
"""What the first fault of an output may be."""
DOUBLE: Final = 0.25
"""Share of the outputs that two people rate."""
REPEATED: Final = 0.05
"""Share that its first rater is given once more."""
SEEDED: Final = 0.05
"""Spoiled outputs, as a share of the others."""
GAP: Final = 10
"""Other outputs that a person rates before one comes back, unless there are no others."""
MOST_NOTE: Final = 2000
"""Characters of a note."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


# --- the rubric -------------------------------------------------------------------------------------------------------


class Told(_Form):
    """What a level or fault means."""

    means: str = Field(min_length=1)
    example: str = Field(min_length=1)


class Dimension(_Form):
    """One question about an output."""

    title: str = Field(min_length=1)
    asks: str = Field(min_length=1)
    levels: dict[str, Told]


class RubricFile(_Form):
    """`pack/rubric.yaml`."""

    dimensions: dict[str, Dimension]
    faults: dict[str, Told]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for what, given, known in (
            ("dimensions", self.dimensions, LEVELS), ("faults", self.faults, FAULTS),
            *((f"levels of {n}", d.levels, LEVELS.get(n, ())) for n, d in self.dimensions.items()),
        ):  # fmt: skip
            if set(given) != set(known):
                raise ValueError(f"the {what} must be {', '.join(known)}")
        return self


@dataclass(frozen=True, slots=True)
class Rubric:
    """How outputs are rated."""

    dimensions: Mapping[str, Dimension]
    faults: Mapping[str, Told]
    hash: str
    """Of the file; a rating keeps it."""


def load_rubric(prompts: Path) -> Rubric:
    """The rubric of a folder of prompts.

    Raises:
        BrokenFile: the file is missing or says too little or too much; names file, line and fix.

    """
    path = prompts / "pack" / "rubric.yaml"
    found = read_yaml(path, RubricFile)
    return Rubric(found.dimensions, found.faults, hashlib.sha256(path.read_bytes()).hexdigest())


def rubric_hash(prompts: Path) -> str:
    """Hash of the rubric of a folder of prompts; errors as `load_rubric`."""
    return load_rubric(prompts).hash


# --- what is rated, and what is said of it ------------------------------------------------------------------------------


class Said(_Form):
    """One text of the case."""

    author: str
    text: str


class Shown(_Form):
    """All that a rater sees of an output."""

    messages: tuple[Said, ...]
    kind: str
    subject: str
    body: str
    issue_type: str
    severity: str
    primary_team: str
    collaborators: tuple[str, ...] = ()
    language: str = ""

    @property
    def hash(self) -> str:
        """SHA-256 of the output, without the case."""
        return hashlib.sha256(self.model_dump_json(exclude={"messages"}).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Planned:
    """An output that is to be rated, and how."""

    run: str
    case: str
    trial: int
    shown: Shown
    double: bool = False
    """Two people rate it."""
    repeat: bool = False
    """Its first rater is given it once more."""
    mutant: str = ""
    """What was spoiled; "" for an output as it was. No rater is told."""

    @property
    def needed(self) -> int:
        """People who rate it."""
        return 2 if self.double else 1


@dataclass(frozen=True, slots=True)
class Item:
    """A planned output under the id by which raters know it."""

    id: str
    plan: Planned


class Opinion(_Form):
    """What somebody says of an output."""

    dims: dict[str, str]
    """The level of each dimension."""
    first_fault: str = ""
    """The first thing wrong; "" exactly when every level is the best."""
    span: tuple[int, int] | None = None
    """Where in the body it stands, as characters from and to."""
    note: str = Field(default="", max_length=MOST_NOTE)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if missing := [name for name in LEVELS if name not in self.dims]:
            raise ValueError(f"say something about {missing[0]}")
        for name, level in self.dims.items():
            if level not in LEVELS.get(name, ()):
                raise ValueError(f"the rubric has no {name} {level!r}")
        if self.first_fault and self.first_fault not in FAULTS:
            raise ValueError(f"the rubric has no fault {self.first_fault!r}")
        if bool(self.first_fault) == perfect(self.dims):
            raise ValueError(
                "every level is the best, so name no fault"
                if self.first_fault
                else "name the first thing that is wrong"
            )
        if self.span is not None and not (self.first_fault and 0 <= self.span[0] < self.span[1]):
            raise ValueError("a place belongs to a fault and begins before it ends")
        return self


def perfect(dims: Mapping[str, str]) -> bool:
    """Whether every level is the best."""
    return all(dims.get(name) == levels[-1] for name, levels in LEVELS.items())


class Rating(Opinion):
    """One person's rating, which is never changed: a later one supersedes it."""

    id: str
    item: str
    run: str
    case: str
    trial: int = Field(ge=0)
    output_hash: str
    rater: str
    role: str
    blind: Literal[True] = True
    """The rater saw no engine, version, judge or other rating."""
    seconds: int = Field(default=0, ge=0)
    """How long it took, by the rater's own browser; 0 when not known."""
    rubric_hash: str
    repeat: bool = False
    """The planned second look of the same person."""
    supersedes: str = ""
    """The rating whose place it takes."""
    at: AwareDatetime


class Adjudication(Opinion):
    """What holds of an output that people rated: somebody settled it."""

    id: str
    item: str
    who: str
    rubric_hash: str
    supersedes: str = ""
    at: AwareDatetime
