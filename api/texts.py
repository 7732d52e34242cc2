"""The pack, the prompts and the guard's rules in use: those on disk, or the last good ones when somebody broke a file."""

from __future__ import annotations

import hashlib
import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from agent.errors import BrokenFile
from agent.guard import Rulebook, load_rulebook
from agent.pack import Pack, load_pack
from agent.prompts import Prompts, load_prompts
from api.settings import ROOT, Settings

log = logging.getLogger(__name__)

SAMPLE = ROOT / "prompts" / "sample_store"


@dataclass(frozen=True, slots=True)
class Texts:
    """What the store's admin wrote, checked as a whole."""

    pack: Pack
    prompts: Prompts
    rules: Rulebook
    problem: str = ""
    """Why the last good version is in use instead of the files on disk; "" when it is not."""


def read_texts(settings: Settings) -> Texts:
    """The texts on disk, else the last good ones.

    Raises:
        BrokenFile: a file is broken and there never was a good version; it names file, line and fix.

    """
    store = settings.store or SAMPLE
    kept = settings.home / "last_good"
    try:
        texts = _read(settings.prompts, store)
    except BrokenFile as broken:
        if not (kept / "version").exists():
            raise
        log.error("the last good pack and prompts are in use: %s", broken)
        return replace(_read(kept / "prompts", kept / "store"), problem=str(broken))
    _keep(texts, settings.prompts, store, kept)
    return texts


def _read(prompts: Path, store: Path) -> Texts:
    pack = load_pack(prompts, store)
    return Texts(pack, load_prompts(prompts), load_rulebook(prompts, pack))


def _keep(texts: Texts, prompts: Path, store: Path, kept: Path) -> None:
    """Copies the files of a good version; the mark is written last, so that half a copy never counts."""
    digests = "".join(sorted(p.digest for p in texts.prompts.all.values()))
    version = hashlib.sha256(f"{texts.pack.version} {digests}".encode()).hexdigest()
    mark = kept / "version"
    if mark.exists() and mark.read_text() == version:
        return
    shutil.rmtree(kept, ignore_errors=True)
    no_data = shutil.ignore_patterns("*.jsonl")
    shutil.copytree(prompts, kept / "prompts", ignore=no_data)
    shutil.copytree(store, kept / "store", ignore=no_data)
    mark.write_text(version)
