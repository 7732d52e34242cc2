"""Print a new one-time sign-in link."""

from __future__ import annotations

import argparse

HELP = "print a one-time sign-in link"


def arguments(parser: argparse.ArgumentParser) -> None:
    """For whom."""
    parser.add_argument("--name", help="an existing principal instead of the first admin")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Make the link."""
    from api.commands.common import as_json, runtime
    from api.errors import NotFoundError
    from api.sample import first_admin

    with runtime() as desk:
        who = desk.doors.principal_named(args.name) if args.name else first_admin(desk)
        if who is None:
            raise NotFoundError("principal", args.name)
        link = link_for(f"{desk.settings.host}:{desk.settings.port}", desk.doors.make_link(who.id))
    if args.json:
        as_json({"link": link, "principal": who.name})
    else:
        print(link)
    return 0


def link_for(address: str, token: str) -> str:
    """The link that signs in once."""
    return f"http://{address}/signin?token={token}"
