"""Make or revoke an API key; the key is shown once."""

from __future__ import annotations

import argparse

HELP = "make or revoke an API key"


def arguments(parser: argparse.ArgumentParser) -> None:
    """For whom, with which rights, for how long."""
    parser.add_argument("name", nargs="?", default="api", help="the program or person that gets the key (default: api)")
    parser.add_argument("--role", choices=["agent", "reviewer", "admin"], default="agent", help="of a new principal")
    parser.add_argument("--scope", action="append", metavar="ACTION", help="allow only this action; may be repeated")
    parser.add_argument("--days", type=int, help="how long it is valid (default: until revoked)")
    parser.add_argument("--revoke", metavar="KEY_ID", help="end this key instead")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Make the key, or revoke one."""
    from datetime import timedelta

    from api.commands.common import as_json, runtime
    from api.sample import first_admin

    with runtime() as desk:
        admin = first_admin(desk)
        if args.revoke:
            desk.doors.revoke_key(admin, args.revoke)
            as_json({"revoked": args.revoke}) if args.json else print(f"{args.revoke} is revoked.")
            return 0
        holder = desk.doors.principal_named(args.name) or desk.doors.add_principal(admin, args.name, args.role)
        lasts = timedelta(days=args.days) if args.days else None
        key_id, key = desk.doors.make_key(admin, holder.id, scopes=args.scope, lasts=lasts)
    if args.json:
        as_json({"id": key_id, "key": key, "principal": holder.name, "role": holder.role})
    else:
        print(key)
    return 0
