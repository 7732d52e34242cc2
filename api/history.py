"""Past escalations from a file into precedent cards: all of them or, when a row is wrong, none."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, cast

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import insert

from agent import intake
from agent.case import Customer, Entities, Message
from agent.entities import extract, order_key
from agent.language import detect
from agent.pack import Pack
from agent.redact import redact
from agent.repair import repair
from agent.strip import body
from api.auth import Principal
from api.errors import UsageError
from api.ids import new_id
from api.store import audit
from api.store import precedents as cards
from api.store.precedents import Card
from api.store.tables import imports
from api.wiring import Runtime
from retrieval.ingest import precedent_id
from retrieval.precedent import Precedent

MOST_SUMMARY: Final = 600
MOST_AFTERMATH: Final = 256
MOST_REMEDY: Final = 1000
MOST_ERRORS: Final = 50
"""Wrong rows that are told one by one."""
_NUMBER: Final = re.compile(r"\d{5,}")

Progress: TypeAlias = Callable[[int, int], None]


def _list(value: object) -> object:
    return [part.strip() for part in value.split(";") if part.strip()] if isinstance(value, str) else value


def _utc(value: datetime) -> datetime:
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
        if _utc(self.resolved_at) < _utc(self.opened_at):
            raise ValueError("resolved_at lies before opened_at; correct one of the two")
        return self


class Mapping_(BaseModel):  # noqa: N801 - `Mapping` is a type of Python
    """How the columns of a foreign history become the fields of ours."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    fields: dict[str, str]
    """Our field (dotted for parts, e.g. `remedy.kind`) -> their column."""
    values: dict[str, dict[str, str]] = {}
    """Our field -> their word -> our word."""
    defaults: dict[str, str] = {}
    """Our field -> its value where theirs is empty."""


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with one row."""

    line: int
    problem: str


class HistoryError(UsageError):
    """Rows of a history are wrong, so nothing of it was stored."""

    def __init__(self, errors: list[RowError], rows: int) -> None:
        first = errors[0]
        more = f" ({len(errors)} of {rows} rows are wrong)" if len(errors) > 1 else ""
        super().__init__(f"Nothing was imported: line {first.line}: {first.problem}{more}")
        self.errors, self.rows = errors, rows


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    rows: int
    added: int
    """Rows whose content was not here before."""


def bring_in(
    desk: Runtime, who: Principal, path: Path, mapping: Path | None = None, progress: Progress | None = None
) -> Imported:
    """Reads a history into the archive in one transaction; rows that are here already change nothing.

    Raises:
        HistoryError: some rows are wrong; nothing was stored.
        UsageError: the file or the mapping cannot be read.

    """
    who.need("admin")
    raw = _bytes(path)
    found = list(_rows(path, raw, _mapping(mapping)))
    made = make_cards(found, desk.texts.pack, progress)
    with desk.store.write("put_precedents") as conn:
        now = desk.clock.now()
        import_id = new_id("imp", now)
        added = cards.put(conn, made, now, import_id)
        if added:
            digest = hashlib.sha256(raw).hexdigest()
            row = {"id": import_id, "file_hash": digest, "actor": who.id, "rows": len(made), "added": added}
            conn.execute(insert(imports).values(**row, created_at=now))
            data = {"import": import_id, "rows": added}
            audit.append(conn, "history_imported", actor=who.id, at=now, data=data)
    desk.desk.on_work()
    return Imported(len(made), added)


def make_cards(
    rows: Iterable[tuple[int, Mapping[str, Any] | str]], pack: Pack, progress: Progress | None = None
) -> list[Card]:
    """Redacted cards of rows with their line numbers; a row that is a text says why it cannot be read.

    Raises:
        HistoryError: some rows are wrong.

    """
    rows = list(rows)
    made: list[Card] = []
    errors: list[RowError] = []
    for number, (line, row) in enumerate(rows, start=1):
        try:
            if isinstance(row, str):
                raise ValueError(row)
            made.append(_card(_checked(row, pack), pack))
        except ValidationError as error:
            errors.append(RowError(line, _sentence(error)))
        except ValueError as error:
            errors.append(RowError(line, str(error)))
        if progress:
            progress(number, len(rows))
    if errors:
        raise HistoryError(errors, len(rows))
    return made


# --- reading ---------------------------------------------------------------------------------------------------------


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}; check the path.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None


def _rows(path: Path, raw: bytes, mapping: Mapping_ | None) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    text = intake.decode(raw, [])
    lines = _csv(text) if path.suffix.lower() in {".csv", ".tsv"} else _jsonl(text)
    for line, row in lines:
        yield line, row if isinstance(row, str) else _mapped(row, mapping)


def _jsonl(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for line, words in enumerate(text.split("\n"), start=1):
        if not words.strip():
            continue
        try:
            value: object = json.loads(words)
        except (ValueError, RecursionError) as error:
            yield (
                line,
                f"it is not valid JSON ({getattr(error, 'msg', 'too deep')}); write one JSON object on each line",
            )
            continue
        yield (
            line,
            cast("dict[str, Any]", value)
            if isinstance(value, dict)
            else "it is not a JSON object; write one on each line",
        )


def _csv(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    try:
        dialect = csv.Sniffer().sniff(text[:4096].split("\n", 1)[0], ",;\t")
    except csv.Error:
        dialect = csv.excel
    reader = csv.reader(io.StringIO(text), dialect)
    head: list[str] | None = None
    before = 0
    for row in reader:
        line, before = before + 1, reader.line_num
        if head is None:
            head = [name.strip() for name in row]
        elif len(row) > len(head):
            yield line, f"it has {len(row)} columns, the head has {len(head)}; check its quotes"
        elif any(cell.strip() for cell in row):
            yield line, {name: cell for name, cell in zip(head, row, strict=False) if cell.strip()}


def _mapping(path: Path | None) -> Mapping_ | None:
    if path is None:
        return None
    from agent.yamlfile import read_yaml

    return read_yaml(path, Mapping_)


def _mapped(row: Mapping[str, Any], mapping: Mapping_ | None) -> dict[str, Any]:
    """The row in our fields; dotted names become parts."""
    flat = dict(row)
    if mapping is not None:
        flat = {ours: row[theirs] for ours, theirs in mapping.fields.items() if row.get(theirs) not in (None, "")}
        flat = {k: mapping.values.get(k, {}).get(str(v), v) for k, v in flat.items()}
        flat = {**mapping.defaults, **flat}
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        whole, _, part = name.partition(".")
        if part:
            inner = nested.setdefault(whole, {})
            if isinstance(inner, dict):
                inner[part] = value
        else:
            nested[whole] = value
    return nested


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


# --- the card --------------------------------------------------------------------------------------------------------


def _card(past: PastEscalation, pack: Pack) -> Card:
    messages, language, found = _read(past, pack)
    names = (past.customer.name, *pack.store.contacts.values())

    def clean(text: str, most: int) -> str:
        words = " ".join(redact(repair(text).text, found, names, ids=True).text.split())
        for number in _NUMBER.findall(past.order_ref):  # also where nothing in the text says that it is an order's
            words = words.replace(number, "[ORDER]")
        return words if len(words) <= most else words[: most - 1].rsplit(" ", 1)[0] + "…"

    told = [body(m.text) or m.text for m in messages if m.author in {"customer", "bank"}] or [messages[0].text]
    cost = past.cost
    teams = dict.fromkeys(team for team in (past.primary_team, *past.collaborators) if team)
    precedent = Precedent(
        id="", issue_type=past.issue_type, severity=past.severity, language=language, channel=past.channel,
        summary=clean("\n".join(told), MOST_SUMMARY), remedy_kind=past.remedy.kind,
        remedy=clean(past.remedy.note, MOST_REMEDY), cost=cost.amount if cost else None,
        currency=cost.currency if cost else None, resolved_in=_utc(past.resolved_at) - _utc(past.opened_at),
        resolved_at=_utc(past.resolved_at), outcome=past.outcome, aftermath=clean(past.aftermath, MOST_AFTERMATH),
        satisfaction=past.satisfaction, teams=tuple(teams), products=past.products,
    )  # fmt: skip
    keys = _keys(past, found)
    return Card(replace(precedent, id=precedent_id(precedent, keys)), keys)


def _read(past: PastEscalation, pack: Pack) -> tuple[list[Message], str, Entities]:
    given = past.messages or (PastMessage(text=past.text),)
    messages = [
        Message(
            repair(m.text).text,
            _utc(m.at or past.opened_at),
            "staff" if m.author in {"staff", "agent", "support"} else "bank" if m.author == "bank" else "customer",
            subject=repair(m.subject).text,
        )
        for m in given
    ]
    text = "\n".join(m.text for m in messages if m.author != "staff") or messages[0].text
    language = detect(text, past.lang).code
    found = extract(
        messages,
        store_products=tuple((p.sku, p.name) for p in pack.products),
        order_id_format=pack.store.order_id_format.split(" ")[0],
        language=language,
        customer=Customer(past.customer.name, past.customer.email, past.customer.phone),
        store_names=(pack.store.name,),
    )
    return messages, language, found


def _keys(past: PastEscalation, found: Entities) -> tuple[str, ...]:
    """What finds this case exactly: order ids as `order_key` spells them, tracking numbers and SKUs as they are."""
    orders = [order_key(word) for word in (past.order_ref, *found.values("order_id"))]
    named = (*orders, *found.values("tracking_number"), *past.products)
    return tuple(dict.fromkeys(key for key in named if 0 < len(key) <= 128))
