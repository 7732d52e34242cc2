"""The guard: deterministic rules that a draft is held against after every engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent.guard.check import check
from agent.guard.reading import Rulebook
from agent.guard.rules import RULES
from agent.pack import Pack
from agent.phrasebook import load_phrasebook

__all__ = ["RULES", "Rulebook", "check", "load_rulebook"]


def load_rulebook(prompts: Path, pack: Pack) -> Rulebook:
    """The guard's rules from `prompts/pack/guard.yaml` and `guard/` with the pack's required content and authority.

    Raises:
        BrokenFile: the file is missing, malformed, or a pattern in it is no regular expression.

    """
    limits = pack.authority.roles[pack.authority.draft_limit_role]
    required: Mapping[str, tuple[str, ...]] = {name: kind.required for name, kind in pack.issue_types.items()}
    return Rulebook(
        phrases=load_phrasebook(prompts / "pack"),
        required=required,
        goodwill_up_to=limits.goodwill_up_to,
        remedy_up_to=limits.remedy_up_to,
    )
