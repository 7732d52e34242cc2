"""List webhooks that could not be worked in, or replay one after its map was corrected."""

from __future__ import annotations

import argparse

HELP = "webhooks that could not be worked in (hooks dead, hooks replay ID)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which."""
    parser.add_argument("what", choices=["dead", "replay"], help="dead: list them; replay: work on one once more")
    parser.add_argument("id", nargs="?", help="with replay: the delivery, as `desk hooks dead` lists it")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """List, or put one back to work; the worker of `desk serve` or `desk worker` then takes it."""
    from api.commands.common import as_json, runtime
    from api.errors import UsageError
    from api.routes.shapes import dead_json
    from api.sample import first_admin

    if (args.what == "replay") == (args.id is None):
        raise UsageError(
            "Name one delivery to replay it, `desk hooks replay ID`, and none to list them, `desk hooks dead`."
        )
    with runtime() as desk:
        admin = first_admin(desk)
        if args.what == "replay":
            desk.dead_letters.replay(admin, args.id)
            as_json({"id": args.id, "state": "queued"}) if args.json else print(f"{args.id} is worked on once more.")
            return 0
        rows = [dead_json(row) for row in desk.dead_letters.all(admin)]
    if args.json:
        as_json({"items": rows})
        return 0
    for row in rows:
        print(f"{row['id']}  {row['received_at']}  {row['source']}: {row['error']}")
    print(f"{len(rows)} webhooks could not be worked in." if rows else "No webhook is dead.")
    return 0
