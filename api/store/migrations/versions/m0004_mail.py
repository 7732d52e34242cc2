"""Message-IDs of e-mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table of Message-IDs."""
    op.create_table(
        "mail_ids",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("draft_id", sa.String(length=40), server_default="", nullable=False),
        sa.Column("sender_hash", sa.String(length=64), server_default="", nullable=False),
        sa.Column("thread_hash", sa.String(length=64), server_default="", nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_mail_ids_case_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_mail_ids")),
    )
    op.create_index(op.f("ix_mail_ids_case_id"), "mail_ids", ["case_id"], unique=False)
    op.create_index(op.f("ix_mail_ids_draft_id"), "mail_ids", ["draft_id"], unique=False)
    op.create_index(op.f("ix_mail_ids_thread_hash"), "mail_ids", ["thread_hash"], unique=False)
