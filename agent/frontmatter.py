"""The head of a prompt file: what it is, what it reads, and what must hold of its text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.errors import BrokenFile
from agent.yamlfile import fix_of, parse_yaml, place_of

if TYPE_CHECKING:
    from pydantic_ai.settings import ModelSettings

Kind: TypeAlias = Literal["triage", "draft", "reply", "brief", "partial"]
MODEL_KINDS: Final = ("triage", "draft")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Input(_Part):
    """One value that a prompt reads."""

    type: str = Field(pattern=r"^(string|number|boolean|list|object|json)( or null)?$")
    """Type of the value; `json` is printed as JSON, `object or null` may be absent."""
    trust: Literal["system", "untrusted", "store"]
    """Who wrote it: the desk, the customer, or the store's own files."""
    max_chars: int = Field(default=1000, ge=1, le=100_000)
    """Longest text in a reply or brief; the rest becomes an ellipsis."""


class AppliesTo(_Part):
    """Where a prompt is used; empty lists mean everywhere."""

    issue_types: tuple[str, ...] = ()
    """Issue types of the pack."""
    languages: tuple[str, ...] = ()
    """Languages that the pack has words for."""


class TextGuards(_Part):
    """What must hold of the rendered text on every fixture."""

    max_chars: int | None = Field(default=None, ge=1)
    """Longest text."""
    max_lix: float | None = Field(default=None, gt=0)
    """Hardest text, as LIX: words a sentence plus the share of words over six letters in percent (Björnsson 1968)."""


class ModelWish(_Part):
    """How a language model is asked with this prompt."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    """Instead of the desk's 0."""
    max_tokens: int | None = Field(default=None, ge=100, le=8000)
    """Longest answer, in tokens."""

    def settings(self) -> ModelSettings | None:
        """What is wished otherwise than the desk's own settings; None when nothing is."""
        wished = self.model_dump(exclude_none=True)
        return cast("ModelSettings", wished) if wished else None


class FrontMatter(_Part):
    """The head of a prompt file."""

    id: str
    """Equal to the path below the prompt folder, without `.md`."""
    kind: Kind
    """What it makes: a model's prompt (triage, draft), text to a customer (reply), text to staff (brief), or a part."""
    title: str = Field(min_length=1)
    """Shown to admins."""
    inputs: dict[str, Input] = {}
    """Every dotted name that the body reads."""
    use: tuple[str, ...] = ()
    """Partials that the body includes."""
    output: Literal["", "DraftOutput"] = ""
    """Name of the structured answer that a model gives, one of those that code knows; of a model's prompt only."""
    applies_to: AppliesTo = AppliesTo()
    """Where it is used."""
    guards: TextGuards = TextGuards()
    """What must hold of the text of a reply or brief."""
    model: ModelWish = ModelWish()
    """How a language model is asked; of a model's prompt only."""
    cites: tuple[str, ...] = ()
    """Policy lines that paragraphs rest on, marked there with `[[policy:id]]`."""
    proposes: tuple[str, ...] = ()
    """Kinds of action that paragraphs suggest to a human, marked there with `[[propose:kind]]`."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> FrontMatter:
        if self.kind not in MODEL_KINDS and (self.output or self.model != ModelWish()):
            raise ValueError(f"`output` and `model` belong to a model's prompt, not to the kind {self.kind}")
        return self


def read_head(path: Path, text: str) -> FrontMatter:
    """The front matter of a file, whose first line is the `---` before it.

    Raises:
        BrokenFile: it is not YAML, or a key is unknown, missing or of another type.

    """
    data = parse_yaml(text, path, wrong="the front matter is not YAML", before=1)
    try:
        return FrontMatter.model_validate(data)
    except ValidationError as e:
        first = min(e.errors(), key=lambda x: x["type"] != "extra_forbidden")
        where = tuple(first["loc"])
        line, column = place_of(text, where)
        name = ".".join(str(x) for x in where) or "front matter"
        problem = f"{name}: {first['msg'].removeprefix('Value error, ')}"
        raise BrokenFile(path, line + 1, problem, fix_of(first["type"]), column) from None
