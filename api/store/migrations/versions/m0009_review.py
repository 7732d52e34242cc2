"""The review desk: decisions, resolutions, touches, leases, notes, ratings, feedback, and what the queue sorts by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0005"


def _case(table: str, *, primary: bool = False) -> list[sa.schema.SchemaItem]:
    parts: list[sa.schema.SchemaItem] = [
        sa.Column("case_id", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=f"fk_{table}_case_id"),
    ]
    return [*parts, sa.PrimaryKeyConstraint("case_id", name=f"pk_{table}")] if primary else parts


def _draft(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("draft_id", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["draft_id"], ["drafts.id"], name=f"fk_{table}_draft_id"),
    ]


def _id(table: str) -> list[sa.schema.SchemaItem]:
    return [sa.Column("id", sa.String(40), nullable=False), sa.PrimaryKeyConstraint("id", name=f"pk_{table}")]


def _word(name: str, default: str | None = "") -> sa.Column[str]:
    return sa.Column(name, sa.String(64), server_default=default, nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _at(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def _hash(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), server_default="", nullable=False)


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "case_work", *_case("case_work", primary=True), _word("assignee"), _at("snoozed_until", nullable=True),
        _number("failed"), sa.Column("risky", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("amount", sa.String(20), server_default="", nullable=False),
        sa.Column("currency", sa.String(3), server_default="", nullable=False),
    )  # fmt: skip
    op.create_index("ix_case_work_assignee", "case_work", ["assignee"])
    op.create_table(
        "decisions", *_id("decisions"), *_case("decisions"), *_draft("decisions"), _word("who", None),
        _word("decision", None), _word("reason_code"), _hash("draft_hash"), sa.Column("before", sa.JSON()), _at("at"),
        _at("undone_at", nullable=True),
    )  # fmt: skip
    op.create_table(
        "resolutions", *_id("resolutions"), *_case("resolutions"), *_draft("resolutions"), _word("rule", None),
        _number("start"), _number("end"), _word("who", None), _text("evidence"), _at("at"),
    )  # fmt: skip
    op.create_table(
        "touches", *_id("touches"), *_case("touches"), sa.Column("draft_id", sa.String(40), server_default="", nullable=False),
        _word("who", None), _word("kind", None), sa.Column("target", sa.String(40), server_default="", nullable=False),
        _at("at"),
    )  # fmt: skip
    op.create_table("leases", *_case("leases", primary=True), _word("who", None), _at("until"))
    op.create_table(
        "case_notes", *_id("case_notes"), *_case("case_notes"), _word("who", None), _at("at"), _text("text")
    )
    op.create_table(
        "draft_ratings", *_id("draft_ratings"), *_case("draft_ratings"), *_draft("draft_ratings"), _hash("output_hash"),
        _word("rater", None), _word("role", None), _word("thumb", None), sa.Column("dims", sa.JSON()),
        _word("first_fault"), _text("note"), _number("seconds"), _hash("rubric_hash"),
        sa.Column("supersedes", sa.String(40)), _at("at"),
    )  # fmt: skip
    op.create_table(
        "feedback", *_id("feedback"), *_case("feedback"), sa.Column("draft_id", sa.String(40), server_default="", nullable=False),
        _word("about", None), sa.Column("ref", sa.String(80), nullable=False), _word("verdict", None),
        _word("who", None), _at("at"),
    )  # fmt: skip
    op.create_index("ix_feedback_ref", "feedback", ["about", "ref"])
    op.create_table(
        "preferences", sa.Column("principal_id", sa.String(40), nullable=False),
        sa.Column("shortcuts", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.ForeignKeyConstraint(["principal_id"], ["principals.id"], name="fk_preferences_principal_id"),
        sa.PrimaryKeyConstraint("principal_id", name="pk_preferences"),
    )  # fmt: skip
    op.create_table(
        "throttle", sa.Column("key", sa.String(64), nullable=False), sa.Column("failures", sa.Integer(), nullable=False),
        _at("until"), sa.PrimaryKeyConstraint("key", name="pk_throttle"),
    )  # fmt: skip
    for table in ("decisions", "resolutions", "touches", "case_notes", "draft_ratings", "feedback"):
        op.create_index(f"ix_{table}_case_id", table, ["case_id"])
    for table in ("decisions", "resolutions", "draft_ratings"):
        op.create_index(f"ix_{table}_draft_id", table, ["draft_id"])
