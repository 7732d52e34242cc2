"""What Alembic runs: every migration inside the transaction that `migrate` opened."""

from __future__ import annotations

from alembic import context

from api.store.tables import cases

context.configure(
    connection=context.config.attributes["connection"], target_metadata=cases.metadata, render_as_batch=True
)
context.run_migrations()
