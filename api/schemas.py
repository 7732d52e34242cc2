"""JSON Schema files by which editors know the keys of prompt and pack files while somebody types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from pydantic import BaseModel

FOLDER: Final = "schema"
"""In the folder of the prompts."""


def models() -> dict[str, type[BaseModel]]:
    """Name of the schema -> what it describes; the name is the file's, or that of its folder."""
    from agent import pack
    from agent.directory import Directory
    from agent.frontmatter import FrontMatter
    from agent.hookmap import Hook
    from agent.outbreak import OutbreakRules
    from agent.phrasebook import GuardFile, LanguageFile
    from agent.sla import Sla
    from api.integrations.config import FilesConfig
    from api.integrations.zendesk_config import ZendeskConfig
    from api.mailbox.config import MailboxConfig
    from api.versions import Activation
    from evals.ratings import RubricFile

    return {
        **pack.FILES, "teams": Directory, "sla": Sla, "outbreak": OutbreakRules, "hooks": Hook, "zendesk": ZendeskConfig,
        "files": FilesConfig, "mailbox": MailboxConfig, "activation": Activation, "prompt": FrontMatter,
        "guard": GuardFile, "guard_words": LanguageFile, "rubric": RubricFile,
    }  # fmt: skip


def schema_texts() -> dict[str, str]:
    """File name -> content of every schema."""
    return {f"{name}.json": json.dumps(m.model_json_schema(), indent=1) + "\n" for name, m in models().items()}


def write_schemas(prompts: Path) -> list[str]:
    """Write them into the folder of the prompts; returns their names."""
    folder = prompts / FOLDER
    folder.mkdir(exist_ok=True)
    texts = schema_texts()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return sorted(texts)
