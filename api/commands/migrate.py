"""Bring the database up to date."""

from __future__ import annotations

import argparse

HELP = "bring the database up to date"


def arguments(parser: argparse.ArgumentParser) -> None:
    """None but --json."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Migrate; doing it again changes nothing."""
    from api.commands.common import as_json, settings
    from api.store.engine import SCHEMA, migrate, open_engine

    engine = open_engine(settings().database)
    try:
        changed = migrate(engine)
    finally:
        engine.dispose()
    if args.json:
        as_json({"schema": SCHEMA, "changed": changed})
    else:
        print(f"The database {'is now' if changed else 'already was'} at schema {SCHEMA}.")
    return 0
