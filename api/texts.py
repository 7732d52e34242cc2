"""What the store's admin wrote, loaded from a folder: the pack, the prompts, the guard's rules and what goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import BrokenFile
from agent.guard import Rulebook, load_rulebook
from agent.hookmap import Hook, load_hooks
from agent.outbreak import OutbreakRules, load_rules
from agent.pack import Pack, load_pack
from agent.packcheck import check_prompts
from agent.prompts import Prompts, load_prompts
from agent.yamlfile import read_yaml
from api.integrations import config as integrations
from api.integrations.config import Integrations
from api.settings import ROOT
from api.versions import ACTIVATION, Activation

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
    """What is wrong with the files on disk, so that they are not in use; "" when nothing is."""
    hooks: Mapping[str, Hook] = field(default_factory=dict[str, Hook])
    """The sources of webhooks by name."""
    integrations: Integrations = field(default_factory=Integrations)
    """Helpdesks and the mailbox."""
    outbreak: OutbreakRules | None = None
    """When cases are taken for one outbreak."""
    activation: Activation = Activation()  # noqa: RUF009 - frozen
    """How edited files become active."""
    tree: str = ""
    """Hash of the tree that they were loaded from; "" when it has none."""

    @property
    def marks(self) -> tuple[str, str]:
        """Versions of the pack and of the prompts, by which they are known as checked."""
        return self.pack.version, self.prompts.digest


def load_texts(
    prompts: Path, store: Path, *, checked: tuple[str, str] = ("", ""), problems: list[BrokenFile] | None = None
) -> Texts:
    """The texts of two folders.

    Args:
        prompts: of the prompts, with the pack in it.
        store: of the store's own files.
        checked: marks of what was checked before; it is not walked through again.
        problems: gets every problem that is found, not only the one that is raised.

    Raises:
        BrokenFile: a file cannot be used; it names file, line and fix.

    """
    found = broken = None
    try:
        found = load_prompts(prompts, checked=checked[1], problems=problems)
    except BrokenFile as error:
        if problems is None:
            raise
        broken = error
    pack = load_pack(prompts, store, checked=checked[0])
    hooks, rules = load_hooks(prompts / HOOKS), load_rulebook(prompts, pack)
    joined, outbreak = integrations.load(prompts, pack), load_rules(prompts, pack)
    path = prompts / ACTIVATION
    activation = read_yaml(path, Activation) if path.exists() else Activation()
    if found is None or broken is not None:
        raise broken or BrokenFile(prompts, 0, "the prompts cannot be read", "restore them")
    if found.digest != checked[1] or pack.version != checked[0]:
        check_prompts(pack, found.all.values())
    return Texts(
        pack, found, rules, hooks=hooks, integrations=joined, outbreak=outbreak, activation=activation
    )  # fmt: skip
