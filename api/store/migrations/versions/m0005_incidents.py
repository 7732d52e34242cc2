"""Incidents: what cases left for matching, which belong together, and which may be one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "traces",
        sa.Column("case_id", sa.String(40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("customer", sa.String(64), server_default="", nullable=False),
        sa.Column("digest", sa.String(64), server_default="", nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("english", sa.LargeBinary(), nullable=False),
        sa.Column("alone", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_traces_case_id"),
        sa.PrimaryKeyConstraint("case_id", name="pk_traces"),
    )
    op.create_index("ix_traces_at", "traces", ["at"])
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("state", sa.String(64), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
    )
    op.create_table(
        "incident_cases",
        sa.Column("case_id", sa.String(40), nullable=False),
        sa.Column("incident_id", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(300), server_default="", nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_incident_cases_case_id"),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name="fk_incident_cases_incident_id"),
        sa.PrimaryKeyConstraint("case_id", name="pk_incident_cases"),
    )
    op.create_index("ix_incident_cases_incident_id", "incident_cases", ["incident_id"])
    op.create_table(
        "merge_offers",
        sa.Column("case_id", sa.String(40), nullable=False),
        sa.Column("other_id", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(300), server_default="", nullable=False),
        sa.Column("state", sa.String(64), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_merge_offers_case_id"),
        sa.ForeignKeyConstraint(["other_id"], ["cases.id"], name="fk_merge_offers_other_id"),
        sa.PrimaryKeyConstraint("case_id", "other_id", name="pk_merge_offers"),
    )
