"""Put a backup into an empty DESK_HOME."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "put a backup into an empty home"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The file."""
    parser.add_argument("file", type=Path, metavar="FILE", help="file that `desk backup` wrote")


def run(args: argparse.Namespace) -> int:
    """Check it, and put it in place."""
    from api import backup
    from api.commands.common import settings

    home = settings().home
    backup.restore(args.file, home)
    print(f"Restored into {home}. Run `desk doctor`, and erase again whom you erased since the backup.")
    return 0
