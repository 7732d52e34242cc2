"""Back up the database and the key of its hashes while the desk runs."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "back up database and key"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The file."""
    parser.add_argument("file", type=Path, metavar="FILE", help="file to write")


def run(args: argparse.Namespace) -> int:
    """Write it; it holds the secret of the hashes, so keep it as safe as the desk."""
    from api import backup
    from api.commands.common import settings

    size = backup.make(settings().home, args.file)
    print(f"{args.file}: {size} bytes. It holds personal data and a secret; delete it within 30 days.")
    return 0
