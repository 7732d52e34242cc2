"""Clocks, teams and promises: what the sweep needs, what was told to whom, and how letters fare."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the tables and columns; open cases are looked at by the first sweep."""
    with op.batch_alter_table("cases") as cases:
        cases.add_column(sa.Column("sweep_at", sa.DateTime(timezone=True)))
        cases.add_column(sa.Column("satisfaction", sa.Integer()))
    op.create_index("ix_cases_sweep_at", "cases", ["sweep_at"])
    op.execute("UPDATE cases SET sweep_at = opened_at WHERE status NOT IN ('resolved', 'closed')")
    with op.batch_alter_table("outbox") as outbox:
        outbox.add_column(sa.Column("state", sa.String(64), nullable=False, server_default="waiting"))
        outbox.add_column(sa.Column("batch", sa.String(64), nullable=False, server_default=""))
        outbox.add_column(sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
        outbox.add_column(sa.Column("error", sa.String(200), nullable=False, server_default=""))
        outbox.add_column(sa.Column("first_try_at", sa.DateTime(timezone=True)))
        outbox.add_column(sa.Column("next_try_at", sa.DateTime(timezone=True)))
    op.create_index("ix_outbox_channel", "outbox", ["channel", "state", "created_at"])
    op.execute("UPDATE outbox SET state = 'delivered' WHERE delivered_at IS NOT NULL")
    op.create_table(
        "closed_channels",
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_closed_channels"),
    )
    op.create_table(
        "notices",
        sa.Column("case_id", sa.String(40), nullable=False),
        sa.Column("clock", sa.String(80), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.String(128), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("late", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_notices_case_id"),
        sa.PrimaryKeyConstraint("case_id", "clock", "threshold", "recipient", name="pk_notices"),
    )
    op.create_table(
        "commitments",
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_commitments"),
    )
    op.create_table(
        "promises",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("case_id", sa.String(40), nullable=False),
        sa.Column("message_id", sa.String(40), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("amount", sa.String(20)),
        sa.Column("currency", sa.String(3)),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("state", sa.String(64), server_default="open", nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_promises_case_id"),
        sa.PrimaryKeyConstraint("id", name="pk_promises"),
    )
    op.create_index("ix_promises_case_id", "promises", ["case_id"])
