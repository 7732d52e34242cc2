"""Backups of the database and of the key of its hashes, made while the desk runs, and putting one back."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from api.errors import UsageError

DATABASE: Final = "desk.db"
KEEP: Final = ("secret.key", "anchors.txt")
"""Files of DESK_HOME without which the database cannot be checked."""
_SUMS: Final = "SHA256SUMS"


def make(home: Path, target: Path) -> int:
    """Write a backup, readable by its owner only; returns its bytes. Index, classifier and notices are not in it.

    Raises:
        UsageError: there is no SQLite database here, or the file exists.

    """
    if not (home / DATABASE).exists():
        raise UsageError(f"There is no {DATABASE} in {home}; back a PostgreSQL database up with pg_dump.")
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{target} exists; name another file.") from None
    with TemporaryDirectory(dir=home) as folder:
        copy = Path(folder) / DATABASE
        with closing(sqlite3.connect(home / DATABASE)) as source, closing(sqlite3.connect(copy)) as into:
            source.backup(into)
            into.execute("PRAGMA journal_mode=DELETE")  # all of it in one file
        files = {DATABASE: copy} | {name: home / name for name in KEEP if (home / name).exists()}
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in files.items():
                archive.write(path, name)
            archive.writestr(_SUMS, "".join(f"{_sum(path)}  {name}\n" for name, path in files.items()))
    return target.stat().st_size


def restore(source: Path, home: Path) -> None:
    """Put a backup into a home that has no database; the index is built anew at the next start.

    Raises:
        UsageError: the file is no backup, is damaged, or the home holds a database.

    """
    if (home / DATABASE).exists():
        raise UsageError(f"{home} holds a database; set DESK_HOME to an empty folder.")
    home.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home) as folder:
        found = _checked(source, Path(folder))
        for path in sorted(found, key=lambda p: p.name == DATABASE):  # the database last: without it nothing is there
            path.chmod(0o600)
            path.replace(home / path.name)


def _checked(source: Path, folder: Path) -> list[Path]:
    try:
        with zipfile.ZipFile(source) as archive:
            lines = archive.read(_SUMS).decode().splitlines()
            sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
            if DATABASE not in sums or not set(sums) <= {DATABASE, *KEEP}:
                raise UsageError(f"{source} is no backup of a desk.")
            for name in sums:
                (folder / name).write_bytes(archive.read(name))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"{source} cannot be read as a backup ({type(error).__name__}).") from None
    if wrong := [name for name, digest in sums.items() if _sum(folder / name) != digest]:
        raise UsageError(f"{source} is damaged: {wrong[0]} does not fit its checksum; take an older backup.")
    return [folder / name for name in sums]


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
