"""Ratings of eval outputs: what is rated, what people said, what was settled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def _opinion(table: str, by: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.Column("item_id", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["rating_items.id"], name=f"fk_{table}_item_id"),
        sa.Column(by, sa.String(64), nullable=False),
        sa.Column("dims", sa.JSON()),
        sa.Column("first_fault", sa.String(64), server_default="", nullable=False),
        sa.Column("span", sa.JSON()),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("rubric_hash", sa.String(64), nullable=False),
        sa.Column("supersedes", sa.String(40), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    ]


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "rating_items",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("case_name", sa.String(80), nullable=False),
        sa.Column("trial", sa.Integer(), server_default="0", nullable=False),
        sa.Column("output_hash", sa.String(64), nullable=False),
        sa.Column("shown", sa.JSON(), nullable=False),
        sa.Column("double", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("repeat", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("mutant", sa.String(200), server_default="", nullable=False),
        sa.Column("place", sa.Integer(), server_default="0", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rating_items"),
    )
    op.create_index("ix_rating_items_run", "rating_items", ["run"])
    op.create_table(
        "ratings", *_opinion("ratings", "rater"), sa.Column("role", sa.String(64), nullable=False),
        sa.Column("seconds", sa.Integer(), server_default="0", nullable=False),
        sa.Column("repeat", sa.Boolean(), server_default=sa.false(), nullable=False),
    )  # fmt: skip
    op.create_index("ix_ratings_item_id", "ratings", ["item_id"])
    op.create_index("ix_ratings_rater", "ratings", ["rater"])
    op.create_table("adjudications", *_opinion("adjudications", "who"))
    op.create_index("ix_adjudications_item_id", "adjudications", ["item_id"])
