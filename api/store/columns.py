"""The columns that tables are made of: instants in UTC, ids and words, and which hold personal text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    false,
)  # fmt: skip

NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""No due instant: sorts after every real one."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware instant, kept in UTC; a naive one is refused, because nobody knows what it means."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Into the database, in UTC."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone.")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Out of the database, aware; SQLite drops the zone."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def id_column(name: str = "id") -> Column[str]:
    """A primary key of the desk's own ids."""
    return Column(name, String(40), primary_key=True)


def word_column(name: str, default: str | None = "", *, index: bool = False) -> Column[str]:
    """An id or enum; "" when not known yet."""
    return Column(name, String(64), nullable=False, server_default=default, index=index)


def at_column(name: str, *, nullable: bool = False) -> Column[datetime]:
    """An instant."""
    return Column(name, Instant, nullable=nullable)


def flag_column(name: str) -> Column[bool]:
    """Yes or no; no when not said."""
    return Column(name, Boolean, nullable=False, server_default=false())


def number_column(name: str) -> Column[int]:
    """A whole number; 0 when not said."""
    return Column(name, Integer, nullable=False, server_default="0")


def json_column(name: str) -> Column[Any]:
    """Plain data, or nothing."""
    return Column(name, JSON(none_as_null=True))


def case_column(*, nullable: bool = False) -> Column[str]:
    """The case that a row belongs to."""
    return Column("case_id", String(40), ForeignKey("cases.id"), nullable=nullable, index=True)
