"""Tables of the work of people on cases: decisions, notes, ratings, who holds what. Personal text is marked so."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, true

from api.store.columns import at_column as _at
from api.store.columns import case_column as _case
from api.store.columns import flag_column as _flag
from api.store.columns import id_column as _id
from api.store.columns import json_column as _json
from api.store.columns import metadata
from api.store.columns import number_column as _number
from api.store.columns import word_column as _word

case_work = Table(
    "case_work", metadata,
    Column("case_id", String(40), ForeignKey("cases.id"), primary_key=True),
    _word("assignee", index=True),
    _at("snoozed_until", nullable=True),
    _number("failed"),
    _flag("risky"),
    Column("amount", String(20), nullable=False, server_default=""),
    Column("currency", String(3), nullable=False, server_default=""),
)  # fmt: skip
"""What the queue needs of a case besides its row. `failed` counts findings and facts without a source; `risky`: much money
or an open dispute; `amount` is the money at stake."""

decisions = Table(
    "decisions", metadata,
    _id(),
    _case(),
    Column("draft_id", String(40), ForeignKey("drafts.id"), nullable=False, index=True),
    _word("who", None),
    _word("decision", None),
    _word("reason_code"),
    Column("draft_hash", String(64), nullable=False, server_default=""),
    Column("before", JSON(none_as_null=True), info={"personal": True}),
    _at("at"),
    _at("undone_at", nullable=True),
)  # fmt: skip
"""What people decided on drafts: `first` of two approvals, `approve`, `edit`, `send_back`, `discard`. `before` is the
draft as it stood, so that an approval can be undone and an edit be compared."""

resolutions = Table(
    "resolutions", metadata,
    _id(),
    _case(),
    Column("draft_id", String(40), ForeignKey("drafts.id"), nullable=False, index=True),
    _word("rule", None),
    _number("start"),
    _number("end"),
    _word("who", None),
    Column("evidence", Text, nullable=False, server_default="", info={"personal": True}),
    _at("at"),
)  # fmt: skip
"""Findings that somebody with authority answered with evidence."""

touches = Table(
    "touches", metadata,
    _id(),
    _case(),
    Column("draft_id", String(40), nullable=False, server_default=""),
    _word("who", None),
    _word("kind", None),
    Column("target", String(40), nullable=False, server_default=""),
    _at("at"),
)  # fmt: skip
"""When somebody opened, focused, edited or decided something: instants without words, for measures of time."""

leases = Table(
    "leases", metadata,
    Column("case_id", String(40), ForeignKey("cases.id"), primary_key=True),
    _word("who", None),
    _at("until"),
)  # fmt: skip
"""Who has a case open."""

case_notes = Table(
    "case_notes", metadata,
    _id(),
    _case(),
    _word("who", None),
    _at("at"),
    Column("text", Text, nullable=False, server_default="", info={"personal": True}),
)  # fmt: skip
"""Notes among staff; no engine reads them and no customer gets them."""

draft_ratings = Table(
    "draft_ratings", metadata,
    _id(),
    _case(),
    Column("draft_id", String(40), ForeignKey("drafts.id"), nullable=False, index=True),
    Column("output_hash", String(64), nullable=False, server_default=""),
    _word("rater", None),
    _word("role", None),
    _word("thumb", None),
    _json("dims"),
    _word("first_fault"),
    Column("note", Text, nullable=False, server_default="", info={"personal": True}),
    _number("seconds"),
    Column("rubric_hash", String(64), nullable=False, server_default=""),
    Column("supersedes", String(40)),
    _at("at"),
)  # fmt: skip
"""What reviewers thought of drafts at work, in the form of the ratings of evals; append-only."""

feedback = Table(
    "feedback", metadata,
    _id(),
    _case(),
    Column("draft_id", String(40), nullable=False, server_default=""),
    _word("about", None),
    Column("ref", String(80), nullable=False),
    _word("verdict", None),
    _word("who", None),
    _at("at"),
    Index("ix_feedback_ref", "about", "ref"),
)  # fmt: skip
"""What misled somebody: a precedent or a fact."""

preferences = Table(
    "preferences", metadata,
    Column("principal_id", String(40), ForeignKey("principals.id"), primary_key=True),
    Column("shortcuts", Boolean, nullable=False, server_default=true()),
)  # fmt: skip
"""How a person likes the pages."""

throttle = Table(
    "throttle", metadata,
    Column("key", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    _at("until"),
)  # fmt: skip
"""Failed sign-ins by keyed hash of name or address; they are forgotten after `until`."""
