"""The texts of a store as one tree of files: read from disk without following any link, named by content."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from agent.errors import BrokenFile
from agent.prompts import MAX_BYTES

STORE: Final = "store"
"""First step of the path of the store's own files; all others lie in the folder of the prompts."""
MOST_BYTES: Final = 512 * 1024
"""Of one file of the pack; word lists of languages are long."""
MOST_FILES: Final = 2000
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_README: Final = "README.md"
_NO_LINK: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True)
class Tree:
    """All prompt files and pack files at one instant, by path: `reply/en/chargeback.md`, `pack/sla.yaml`, `store/policy.yaml`."""

    files: Mapping[str, str]

    @cached_property
    def manifest(self) -> dict[str, str]:
        """Path -> sha256 of the file's text."""
        return {path: digest(text) for path, text in sorted(self.files.items())}

    @cached_property
    def hash(self) -> str:
        """sha256 of the manifest: two trees are the same when their hashes are."""
        return hashlib.sha256(json.dumps(self.manifest).encode()).hexdigest()

    @cached_property
    def paths(self) -> dict[str, str]:
        """Id -> path."""
        return {id_of(path): path for path in self.files}

    def part(self, *, pack: bool) -> dict[str, str]:
        """The manifest of the pack's and the store's files, or that of the prompts."""
        return {path: sha for path, sha in self.manifest.items() if path.endswith(".yaml") is pack}


def digest(text: str) -> str:
    """sha256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def id_of(path: str) -> str:
    """The id of a file: its path without the ending, e.g. `reply/en/chargeback` or `pack/sla`."""
    return path.rpartition(".")[0]


def path_named(id_: str) -> str:
    """The path of a prompt or pack file with this id.

    Raises:
        BrokenFile: it cannot be the name of one.

    """
    steps = id_.split("/")
    pack = steps[0] in {"pack", STORE}
    if len(steps) > 6 or not all(_NAME.fullmatch(step) for step in steps) or (pack and len(steps) == 1):
        shown = re.sub(r"[^\w./-]", "?", id_[:80])
        raise BrokenFile(shown, 0, "this cannot name a file", "use letters, digits, _ and - between single slashes")
    return f"{id_}.yaml" if pack else f"{id_}.md"


def read_tree(prompts: Path, store: Path) -> Tree:
    """The files on disk now: `*.md` and `pack/**/*.yaml` of the prompts, `*.yaml` of the store.

    Raises:
        BrokenFile: a file is a link, has a name that no file may have, is too large or is not UTF-8; or there is none.

    """
    found: dict[str, str] = {}
    for path, handle in _walk(prompts, store):
        with os.fdopen(handle, "rb") as file:
            found[path] = _text(path, file.read(MOST_BYTES + 1))
        if len(found) > MOST_FILES:
            raise BrokenFile(prompts, 0, f"there are more than {MOST_FILES} files", "remove those that are not used")
    ids: dict[str, str] = {}
    for path in found:
        twin = ids.setdefault(id_of(path).casefold(), path)
        if twin != path:
            raise BrokenFile(path, 1, f"the id is a duplicate of {twin}", "rename one of the two files")
    return Tree(found)


def stamp(prompts: Path, store: Path) -> int:
    """A number that changes when a file does: of the paths, sizes and times of change."""
    seen: list[tuple[str, int, int, int]] = []
    try:
        for path, handle in _walk(prompts, store):
            try:
                of = os.fstat(handle)
            finally:
                os.close(handle)
            seen.append((path, of.st_mtime_ns, of.st_size, of.st_ino))
    except (BrokenFile, OSError) as broken:
        seen.append((str(broken), 0, 0, 0))
    return hash(tuple(sorted(seen)))


def write_tree(tree: Tree, folder: Path) -> None:
    """Lay a tree out as `folder/prompts` and `folder/store`; what lies there is made the same again."""
    for path, text in tree.files.items():
        own = folder / path if path.startswith(f"{STORE}/") else folder / "prompts" / path
        data = text.encode()
        if own.is_symlink() or not own.is_file() or own.read_bytes() != data:
            own.parent.mkdir(parents=True, exist_ok=True)
            draft = own.with_name(f".{own.name}.{os.getpid()}")
            draft.write_bytes(data)
            draft.replace(own)
    wanted = {folder / path if path.startswith(f"{STORE}/") else folder / "prompts" / path for path in tree.files}
    for own in [p for p in folder.rglob("*") if not p.is_dir() or p.is_symlink()]:
        if own not in wanted and own.suffix in {".md", ".yaml"}:
            own.unlink(missing_ok=True)


def write_file(prompts: Path, store: Path, path: str, text: str) -> None:
    """Put one file in place of what is there, at once and whole; never outside of the two folders.

    Raises:
        BrokenFile: a folder on the way is a link or missing, or the text is too long.

    """
    text.encode()
    steps = path.split("/")
    root, steps = (store, steps[1:]) if steps[0] == STORE else (prompts, steps)
    _text(path, text.encode())
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for step in steps[:-1]:
            inner = _opened(step, folder, path, os.O_DIRECTORY)
            os.close(folder)
            folder = inner
        draft = f".{steps[-1]}.{os.getpid()}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644, dir_fd=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, steps[-1], src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


def _walk(prompts: Path, store: Path) -> Iterator[tuple[str, int]]:
    """Path and open handle of every file; a link that takes a folder's place meanwhile leads nowhere."""
    for root, first in ((prompts, ""), (store, f"{STORE}/")):
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield from _below(handle, first)
        finally:
            os.close(handle)


def _below(folder: int, above: str) -> Iterator[tuple[str, int]]:
    for name in sorted(os.listdir(folder)):
        path = f"{above}{name}"
        if name.startswith(".") or name == _README or len(path) > 300:
            continue
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        wanted = _wanted(path)
        if stat.S_ISDIR(mode) and above != f"{STORE}/":
            inner = _opened(name, folder, path, os.O_DIRECTORY)
            try:
                yield from _below(inner, f"{path}/")
            finally:
                os.close(inner)
        elif wanted or (stat.S_ISLNK(mode) and _NAME.fullmatch(name)):
            if not stat.S_ISREG(mode):
                raise BrokenFile(path, 0, "it is a symbolic link or no plain file", "put the file itself there")
            if not all(_NAME.fullmatch(step) for step in id_of(path).split("/")):
                raise BrokenFile(path, 0, "the name has other characters than letters, digits, _ and -", "rename it")
            yield path, _opened(name, folder, path)


def _wanted(path: str) -> bool:
    if path.startswith((f"{STORE}/", "pack/")):
        return path.endswith(".yaml")
    return path.endswith(".md")


def _opened(name: str, folder: int, path: str, more: int = 0) -> int:
    try:
        return os.open(name, _NO_LINK | more, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise BrokenFile(path, 0, "it is a symbolic link or no plain file", "put the file itself there") from None
        if error.errno == errno.ENOENT:
            raise BrokenFile(path, 0, "there is no such folder or file", "correct the id") from None
        raise


def _text(path: str, raw: bytes) -> str:
    most = MAX_BYTES if path.endswith(".md") else MOST_BYTES
    if len(raw) > most:
        problem, fix = f"the file is larger than {most // 1024} KB", "shorten it or move parts to partials"
        raise BrokenFile(path, 0, problem, fix)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as e:
        before = raw[: e.start]
        line, column = before.count(b"\n") + 1, e.start - before.rfind(b"\n")
        raise BrokenFile(path, line, "the file is not UTF-8", "save it as UTF-8", column) from None
    if "\0" in text:
        raise BrokenFile(path, text[: text.index("\0")].count("\n") + 1, "it holds a NUL character", "remove it")
    return text
