"""Versions of the texts: every file and tree by content, which tree is active, who changed that and on what evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0009"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "prompt_files",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_prompt_files"),
    )
    op.create_table(
        "prompt_trees",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("hash", name="pk_prompt_trees"),
    )
    op.create_table(
        "prompt_log",
        sa.Column("seq", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("from_tree", sa.String(64), server_default="", nullable=False),
        sa.Column("to_tree", sa.String(64), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=True),
        sa.Column("reason", sa.String(500), server_default="", nullable=False),
        sa.Column("evidence", sa.String(500), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_prompt_log"),
    )
    op.create_table(
        "prompt_active",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("tree", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_prompt_active"),
    )
    op.create_table(
        "prompt_evidence",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("tree", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("passed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("summary", sa.String(500), server_default="", nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prompt_evidence"),
    )
    op.create_index("ix_prompt_evidence_tree", "prompt_evidence", ["tree"])
