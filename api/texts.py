"""The pack, the prompts and the guard's rules in use: those on disk, or the last good ones when somebody broke a file."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.errors import BrokenFile
from agent.guard import Rulebook, load_rulebook
from agent.hookmap import Hook, load_hooks
from agent.outbreak import OutbreakRules, load_rules
from agent.pack import Pack, load_pack
from agent.prompts import Prompts, load_prompts
from api.integrations import config as integrations
from api.integrations.config import Integrations
from api.settings import ROOT, Settings

log = logging.getLogger(__name__)

SAMPLE = ROOT / "prompts" / "sample_store"
HOOKS = Path("pack") / "hooks"
"""Where the sources of webhooks are in the folder of prompts."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What the store's admin wrote, checked as a whole."""

    pack: Pack
    prompts: Prompts
    rules: Rulebook
    problem: str = ""
    """Why the last good version is in use instead of the files on disk; "" when it is not."""
    hooks: Mapping[str, Hook] = field(default_factory=dict[str, Hook])
    """The sources of webhooks by name."""
    integrations: Integrations = field(default_factory=Integrations)
    """Helpdesks and the mailbox."""
    outbreak: OutbreakRules | None = None
    """When cases are taken for one outbreak."""


def read_texts(settings: Settings) -> Texts:
    """The texts on disk, else the last good ones.

    Raises:
        BrokenFile: a file is broken and there never was a good version; it names file, line and fix.

    """
    store = settings.store or SAMPLE
    kept = settings.home / "last_good"
    try:
        pack_checked, _, prompts_checked = _mark(kept).partition(" ")
        texts = _read(settings.prompts, store, pack_checked, prompts_checked)
    except BrokenFile as broken:
        if not (kept / "version").exists():
            raise
        log.error("the last good pack and prompts are in use: %s", broken)
        return replace(_read(kept / "prompts", kept / "store"), problem=str(broken))
    _keep(texts, settings.prompts, store, kept)
    return texts


def _read(prompts: Path, store: Path, pack_checked: str = "", prompts_checked: str = "") -> Texts:
    pack = load_pack(prompts, store, checked=pack_checked)
    hooks = load_hooks(prompts / HOOKS)
    rules, joined = load_rulebook(prompts, pack), integrations.load(prompts, pack)
    return Texts(
        pack,
        load_prompts(prompts, checked=prompts_checked),
        rules,
        hooks=hooks,
        integrations=joined,
        outbreak=load_rules(prompts, pack),
    )


def _mark(kept: Path) -> str:
    """The version of the pack and the digest of the prompts that are kept, with a blank between; "" when none are."""
    return mark.read_text() if (mark := kept / "version").exists() else ""


def _keep(texts: Texts, prompts: Path, store: Path, kept: Path) -> None:
    """Copies the files of a good version; the mark is written last, so that half a copy never counts."""
    version = f"{texts.pack.version} {texts.prompts.digest}"
    if _mark(kept) == version:
        return
    shutil.rmtree(kept, ignore_errors=True)
    no_data = shutil.ignore_patterns("*.jsonl")
    shutil.copytree(prompts, kept / "prompts", ignore=no_data)
    shutil.copytree(store, kept / "store", ignore=no_data)
    (kept / "version").write_text(version)
