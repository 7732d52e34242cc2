"""The pack and the prompts in use: those on disk, or the last good ones when somebody broke a file."""

from __future__ import annotations

import hashlib
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from agent.errors import BrokenFile
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
    folder: Path
    """Where they were read from."""
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
        texts = Texts(load_pack(settings.prompts, store), load_prompts(settings.prompts), settings.prompts)
    except BrokenFile as broken:
        if not (kept / "version").exists():
            raise
        log.error("the last good pack and prompts are in use: %s", broken)
        good = kept / "prompts"
        return Texts(load_pack(good, kept / "store"), load_prompts(good), good, str(broken))
    _keep(texts, settings.prompts, store, kept)
    return texts


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
