"""Every table of the desk. Personal text lives in columns marked so, and nowhere else: they can be emptied."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from api.store.columns import Instant, metadata
from api.store.columns import at_column as _at
from api.store.columns import case_column as _case
from api.store.columns import flag_column as _flag
from api.store.columns import id_column as _id
from api.store.columns import json_column as _json
from api.store.columns import number_column as _number
from api.store.columns import word_column as _word

cases = Table(
    "cases", metadata,
    _id(),
    _number("version"),
    _word("status"),
    _number("reopened"),
    _number("human_replies"),
    _at("opened_at"),
    _at("updated_at"),
    _at("resolved_at", nullable=True),
    _word("source"),
    Column("external_id", String(256), nullable=False, server_default=""),
    Column("customer_key", String(64), nullable=False, server_default="", index=True),
    Column("title", Text, nullable=False, server_default="", info={"personal": True}),
    Column("payload", JSON(none_as_null=True), info={"personal": True}),
    _word("channel"),
    _word("language"),
    _word("issue_type"),
    _word("severity"),
    _word("primary_team"),
    _flag("human_lead"),
    _flag("needs_human"),
    Column("needs_human_reason", Text, nullable=False, server_default="", info={"personal": True}),
    Column("draft_id", String(40)),
    _word("draft_state"),
    _at("next_due_at"),
    Column("sweep_at", Instant, index=True),
    Column("satisfaction", Integer),
    Index("ix_cases_queue", "status", "next_due_at", "id"),
)  # fmt: skip
"""One row per escalation: the fold of its events, and the columns that the queue sorts and filters by."""

messages = Table(
    "messages", metadata,
    _id(),
    _case(),
    _number("position"),
    _at("at"),
    _at("received_at"),
    _word("author"),
    _word("direction"),
    _word("channel"),
    Column("text_hash", String(64), nullable=False),
    Column("body", JSON(none_as_null=True), info={"personal": True}),
)  # fmt: skip
"""One text on a case, in its wire form (`text`, `subject`, ...)."""

events = Table(
    "events", metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("case_id", String(40), nullable=False, server_default=""),
    Column("case_seq", Integer, nullable=False),
    _at("at"),
    _word("kind", None),
    _word("actor", None),
    Column("data", JSON, nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("case_id", "case_seq"),
)  # fmt: skip
"""The append-only log with its hash chain. No personal text: ids, enums, instants, numbers and keyed hashes only."""

drafts = Table(
    "drafts", metadata,
    _id(),
    _case(),
    _word("state", None),
    _word("kind"),
    Column("hash", String(64), nullable=False, server_default=""),
    Column("engine", String(128), nullable=False, server_default=""),
    _flag("degraded"),
    Column("state_reason", Text, nullable=False, server_default="", info={"personal": True}),
    Column("hint", Text, nullable=False, server_default="", info={"personal": True}),
    Column("body", JSON(none_as_null=True), info={"personal": True}),
    Column("proposal", JSON(none_as_null=True), info={"personal": True}),
    _json("versions"),
    _number("case_version"),
    _at("created_at"),
    _at("updated_at"),
)  # fmt: skip
"""One drafted answer with the whole proposal that it belongs to."""

inbox = Table(
    "inbox", metadata,
    Column("source", String(64), primary_key=True),
    Column("delivery_id", String(256), primary_key=True),
    _word("verb", None),
    Column("body_hash", String(64), nullable=False),
    Column("answer", JSON, nullable=False),
    _case(nullable=True),
    _at("received_at"),
)  # fmt: skip
"""Every delivery once: what came, and what was answered."""

outbox = Table(
    "outbox", metadata,
    _id(),
    Column("idempotency_key", String(256), nullable=False, unique=True),
    _word("channel", None),
    _case(nullable=True),
    _json("payload"),
    _word("state", "waiting"),
    _word("batch"),
    _number("attempts"),
    Column("error", String(200), nullable=False, server_default=""),
    _at("created_at"),
    _at("first_try_at", nullable=True),
    _at("next_try_at", nullable=True),
    _at("delivered_at", nullable=True),
    Index("ix_outbox_channel", "channel", "state", "created_at"),
)  # fmt: skip
"""What has to leave the house at least once; the receiver tells repeats by the key. It names things by id, so that no
personal text waits here. `batch` is the job that took the letter, alone or with others."""

closed_channels = Table(
    "closed_channels", metadata,
    Column("channel", String(64), primary_key=True),
    Column("reason", String(200), nullable=False),
    _at("at"),
)  # fmt: skip
"""Channels whose receiver said that it is gone for good; nothing is sent there until an admin opens them again."""

notices = Table(
    "notices", metadata,
    Column("case_id", String(40), ForeignKey("cases.id"), primary_key=True),
    Column("clock", String(80), primary_key=True),
    Column("threshold", Integer, primary_key=True),
    Column("recipient", String(128), primary_key=True),
    _at("due_at"),
    _at("fired_at"),
    _flag("late"),
)  # fmt: skip
"""What was told to whom about a clock, each once: `due_at` is the true instant, `late` that it was told later."""

commitments = Table(
    "commitments", metadata,
    Column("version", String(64), primary_key=True),
    Column("body", JSON, nullable=False),
    _at("created_at"),
)  # fmt: skip
"""Every version of the SLA policies and calendars under which a case was triaged."""

promises = Table(
    "promises", metadata,
    _id(),
    _case(),
    Column("message_id", String(40), nullable=False),
    _word("action", None),
    Column("text", Text, nullable=False, server_default="", info={"personal": True}),
    Column("amount", String(20)),
    Column("currency", String(3)),
    _at("due_at", nullable=True),
    _word("state", "open"),
    _at("made_at"),
    _at("settled_at", nullable=True),
)  # fmt: skip
"""What a text that a person sent commits the store to, until it is kept, broken or dropped."""

deliveries = Table(
    "deliveries", metadata,
    _id(),
    Column("source", String(32), nullable=False),
    Column("delivery_id", String(256), nullable=False),
    _at("received_at"),
    _word("state", None),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, info={"personal": True}),
    Column("error", String(300), nullable=False, server_default="", info={"personal": True}),
    Column("job_id", String(40), nullable=False),
    _case(nullable=True),
    UniqueConstraint("source", "delivery_id"),
    Index("ix_deliveries_state", "state", "id"),
)  # fmt: skip
"""Every webhook once, raw until it is done: queued, done, or dead with the reason."""

tickets = Table(
    "tickets", metadata,
    Column("source", String(32), primary_key=True),
    Column("external_id", String(256), primary_key=True),
    _case(nullable=True),
    Column("facts", JSON, nullable=False, info={"personal": True}),
    _at("customer_at", nullable=True),
    _flag("moved"),
)  # fmt: skip
"""A case as its helpdesk knows it. Each fact stands with the instant from which it holds there; there is no case as long
as no message came. `customer_at` is when the customer last wrote; `moved`: it once waited or ended there."""

ticket_messages = Table(
    "ticket_messages", metadata,
    Column("source", String(32), primary_key=True),
    Column("external_id", String(256), primary_key=True),
    Column("message_id", String(256), primary_key=True),
)  # fmt: skip
"""Texts of tickets that were taken in, by the sender's ids."""

jobs = Table(
    "jobs", metadata,
    _id(),
    _word("kind", None),
    _word("state", None),
    _number("priority"),
    _at("run_at"),
    _number("attempts"),
    _number("fence"),
    _at("lease_until", nullable=True),
    _word("worker"),
    _case(nullable=True),
    Column("data", JSON, nullable=False),
    Column("error", String(200), nullable=False, server_default=""),
    _at("created_at"),
    _at("finished_at", nullable=True),
    Index("ix_jobs_claim", "state", "priority", "run_at", "id"),
)  # fmt: skip
"""Work to do, written in the transaction that makes it necessary."""

mail_ids = Table(
    "mail_ids", metadata,
    Column("hash", String(64), primary_key=True),
    _case(),
    _word("kind", None),
    Column("draft_id", String(40), nullable=False, server_default="", index=True),
    Column("sender_hash", String(64), nullable=False, server_default=""),
    Column("thread_hash", String(64), nullable=False, server_default="", index=True),
    Column("message_id", Text, nullable=False, server_default="", info={"personal": True}),
    _at("at"),
)  # fmt: skip
"""Message-IDs of e-mail and the case that each belongs to, by keyed hash; `kind` says how the desk came to know it:
`in` (taken in), `sent` (a person sent it), `draft` (the desk's own, put into the Drafts folder) or `named` (by another).
"""

principals = Table(
    "principals", metadata,
    _id(),
    Column("name", String(128), nullable=False, unique=True),
    _word("role", None),
    Column("active", Boolean, nullable=False),
    Column("password_hash", String(256)),
    _at("created_at"),
)  # fmt: skip
"""Who may act: a person or a program, by name."""

api_keys = Table(
    "api_keys", metadata,
    _id(),
    Column("principal_id", String(40), ForeignKey("principals.id"), nullable=False, index=True),
    Column("shown", String(32), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    _json("scopes"),
    _at("created_at"),
    _at("expires_at", nullable=True),
    _at("revoked_at", nullable=True),
    _at("used_at", nullable=True),
)  # fmt: skip
"""Keys of programs: only the SHA-256 of the key, and enough of it to be recognised."""

sessions = Table(
    "sessions", metadata,
    Column("hash", String(64), primary_key=True),
    Column("principal_id", String(40), ForeignKey("principals.id"), nullable=False, index=True),
    _at("created_at"),
    _at("expires_at"),
)  # fmt: skip
"""Signed-in browsers: only the SHA-256 of the cookie."""

signin_links = Table(
    "signin_links", metadata,
    Column("hash", String(64), primary_key=True),
    Column("principal_id", String(40), ForeignKey("principals.id"), nullable=False),
    _at("expires_at"),
    _at("used_at", nullable=True),
)  # fmt: skip
"""One-time links that sign a principal in: only the SHA-256 of the token."""

precedents = Table(
    "precedents", metadata,
    Column("id", String(80), primary_key=True),
    Column("change", Integer, nullable=False, unique=True),
    Column("case_id", String(40)),
    Column("import_id", String(40)),
    _flag("redacted"),
    _word("issue_type", None, index=True),
    _word("severity", None),
    _word("language", None),
    _word("channel", None),
    Column("summary", Text, nullable=False),
    _word("remedy_kind", None),
    Column("remedy", Text, nullable=False),
    Column("cost", String(20)),
    Column("currency", String(3)),
    Column("resolved_in_s", Integer, nullable=False),
    _at("resolved_at"),
    _word("outcome", None),
    Column("aftermath", String(256), nullable=False),
    Column("satisfaction", Integer),
    Column("teams", JSON, nullable=False),
    Column("products", JSON, nullable=False),
    Column("fingerprint", String(128), nullable=False, server_default=""),
    Column("vector", LargeBinary),
)  # fmt: skip
"""What the desk remembers of resolved escalations: redacted cards, with the fp16 vector of each."""

precedent_keys = Table(
    "precedent_keys", metadata,
    Column("key", String(128), primary_key=True),
    Column("precedent_id", String(80), ForeignKey("precedents.id", ondelete="CASCADE"), primary_key=True, index=True),
)  # fmt: skip
"""Order ids, tracking numbers and SKUs by which a precedent is found exactly."""

imports = Table(
    "imports", metadata,
    _id(),
    Column("file_hash", String(64), nullable=False, index=True),
    _word("actor", None),
    _number("rows"),
    _number("added"),
    _at("created_at"),
)  # fmt: skip
"""Histories that were read in."""

meta = Table(
    "meta", metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)  # fmt: skip
"""Single facts: the head of the event chain, the change counter of the precedents, the encoder in use."""

traces = Table(
    "traces", metadata,
    Column("case_id", String(40), ForeignKey("cases.id"), primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("customer", String(64), nullable=False, server_default=""),
    Column("digest", String(64), nullable=False, server_default=""),
    Column("data", JSON, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("english", LargeBinary, nullable=False),
    _flag("alone"),
)  # fmt: skip
"""What a case left for matching with others: articles, lots, places and vectors. `alone`: a person set it apart."""

incidents = Table(
    "incidents", metadata,
    _id(),
    _word("state", None),
    _at("opened_at"),
)  # fmt: skip
"""Several customers report one thing: open, closed, or merged into another."""

incident_cases = Table(
    "incident_cases", metadata,
    Column("case_id", String(40), ForeignKey("cases.id"), primary_key=True),
    Column("incident_id", String(40), ForeignKey("incidents.id"), nullable=False, index=True),
    Column("reason", String(300), nullable=False, server_default=""),
    _word("actor", None),
    _at("linked_at"),
)  # fmt: skip
"""Which case belongs to which incident, why, and who said so."""

merge_offers = Table(
    "merge_offers", metadata,
    Column("case_id", String(40), ForeignKey("cases.id"), primary_key=True),
    Column("other_id", String(40), ForeignKey("cases.id"), primary_key=True),
    Column("reason", String(300), nullable=False, server_default=""),
    _word("state", None),
    _at("offered_at"),
)  # fmt: skip
"""Two cases of one customer that may be one; a person decides."""
