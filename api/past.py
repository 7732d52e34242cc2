"""Past escalations as their file tells them: rows of JSONL or CSV, our own columns or foreign ones, each checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from agent import intake
from agent.pack import Pack
from agent.yamlfile import read_yaml
from api.errors import UsageError
from evals.rows import RowMapping, Rows, of_text

Progress: TypeAlias = Callable[[int, int], None]
T = TypeVar("T")
MOST_ERRORS: Final = 50
"""Wrong rows that are told one by one."""
YEARS: Final = range(1970, 2200)
"""An instant outside them is a slip."""


def _list(value: object) -> object:
    return [part.strip() for part in value.split(";") if part.strip()] if isinstance(value, str) else value


def utc(value: datetime) -> datetime:
    """An instant of a history in UTC, which is also what one without a zone is in."""
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def _none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Names = Annotated[tuple[str, ...], BeforeValidator(_list)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class PastMessage(_Row):
    """One text of a past escalation."""

    at: datetime | None = None
    author: str = Field(default="customer", validation_alias=AliasChoices("from", "author"))
    text: str
    subject: str = ""
    channel: str = ""


class Person(_Row):
    """The customer, needed only to take the name out."""

    name: str = ""
    email: str = ""
    phone: str = ""
    tier: str = ""


class Remedy(_Row):
    """What the store did."""

    kind: Annotated[str, Field(max_length=64)] = "none"
    note: str = ""


class Cost(_Row):
    """What it cost the store."""

    amount: Annotated[Decimal, Field(ge=0, le=10**9)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class PastEscalation(_Row):
    """One row of a history."""

    id: str = ""
    channel: Annotated[str, Field(max_length=40)] = "email"
    lang: str = ""
    opened_at: datetime
    first_reply_at: Annotated[datetime | None, BeforeValidator(_none)] = None
    resolved_at: datetime
    issue_type: str
    severity: str
    flags: Names = ()
    human_lead: bool = False
    primary_team: str = ""
    collaborators: Names = ()
    customer: Person = Person()
    order_ref: Annotated[str, BeforeValidator(lambda v: "" if v is None else str(v))] = ""
    products: Names = ()
    messages: tuple[PastMessage, ...] = ()
    text: str = ""
    """The problem as one text, instead of `messages`."""
    remedy: Remedy = Remedy()
    cost: Annotated[Cost | None, BeforeValidator(_none)] = None
    outcome: Annotated[str, Field(max_length=64)] = "resolved"
    aftermath: str = ""
    satisfaction: Annotated[Annotated[int, Field(ge=1, le=5)] | None, BeforeValidator(_none)] = None

    @model_validator(mode="after")
    def _whole(self) -> PastEscalation:
        if not any(m.text.strip() for m in self.messages) and not self.text.strip():
            raise ValueError("there is neither a text nor a message; give `text` or `messages`")
        instants = {name: getattr(self, name) for name in ("opened_at", "first_reply_at", "resolved_at")}
        instants |= {f"messages.{n}.at": message.at for n, message in enumerate(self.messages)}
        if odd := next((name for name, at in instants.items() if at is not None and at.year not in YEARS), None):
            raise ValueError(f"{odd} lies in the year {instants[odd].year}; correct it")
        if utc(self.resolved_at) < utc(self.opened_at):
            raise ValueError("resolved_at lies before opened_at; correct one of the two")
        return self


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with one row."""

    line: int
    problem: str


class HistoryError(UsageError):
    """Rows of a history are wrong, so nothing of it was stored or used."""

    def __init__(self, errors: list[RowError], rows: int, undone: str) -> None:
        first = errors[0]
        more = f" ({len(errors)} of {rows} rows are wrong)" if len(errors) > 1 else ""
        super().__init__(f"{undone}: line {first.line}: {first.problem}{more}")
        self.errors, self.rows = errors, rows


def each(
    rows: Rows, pack: Pack, make: Callable[[PastEscalation], T], progress: Progress | None = None,
    undone: str = "Nothing was imported",
) -> list[T]:  # fmt: skip
    """What `make` makes of each row, all of them checked against the pack.

    Args:
        rows: as `rows_of` gives them.
        pack: its issue types, severities and teams are the known ones.
        make: a ValueError of it is told like any other mistake of a row.
        progress: told how many of how many are done.
        undone: what did not happen when a row is wrong, for the message.

    Raises:
        HistoryError: some rows are wrong.

    """
    rows = list(rows)
    made: list[T] = []
    errors: list[RowError] = []
    for number, (line, row) in enumerate(rows, start=1):
        try:
            if isinstance(row, str):
                raise ValueError(row)
            made.append(make(_checked(row, pack)))
        except ValidationError as error:
            errors.append(RowError(line, _sentence(error)))
        except ValueError as error:
            errors.append(RowError(line, str(error)))
        if progress:
            progress(number, len(rows))
    if errors:
        raise HistoryError(errors, len(rows), undone)
    return made


# --- reading ---------------------------------------------------------------------------------------------------------


def content(path: Path) -> bytes:
    """The bytes of a history.

    Raises:
        UsageError: the file cannot be read.

    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}; check the path.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None


def rows_of(path: Path, raw: bytes, mapping: Path | None = None) -> Rows:
    """The rows of a history in our fields; its name says whether it is CSV, a `mapping` which column is what.

    Raises:
        BrokenFile: the mapping cannot be used.

    """
    return of_text(path.name, intake.decode(raw, []), read_yaml(mapping, RowMapping) if mapping else None)


def _checked(row: Mapping[str, Any], pack: Pack) -> PastEscalation:
    past = PastEscalation.model_validate(dict(row))
    teams = [team for team in (past.primary_team, *past.collaborators) if team]
    for what, used, known in (
        ("issue_type", [past.issue_type], pack.issue_types),
        ("severity", [past.severity], pack.severities),
        ("team", teams, pack.teams),
    ):
        for word in used:
            if word not in known:
                raise ValueError(f"{what}: {word[:60]!r} is not in the pack; use one of {', '.join(known)}, or map it")
    return past


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        text = "it is not a known field; remove it, or name the fields with --map"
    elif first["type"] == "missing":
        text = "it is missing; add it, or give it a default with --map"
    return f"{name}: {text}" if name else text
