"""What the desk is joined to: the files in `prompts/pack/integrations`; no file, no integration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from agent.errors import BrokenFile
from agent.pack import Pack
from agent.packcheck import need
from agent.yamlfile import read_yaml
from api.integrations.zendesk_config import ZendeskConfig
from api.mailbox import config as mailbox
from api.mailbox.config import MailboxConfig

FOLDER: Final = mailbox.FILE.parent
"""In the folder of the prompts."""
ZENDESK, FILES = "zendesk", "files"
"""Names of the helpdesks: of their files, as `adapter` of a source of webhooks, and as the source of their cases."""
MAILBOX: Final = mailbox.FILE.stem
_KNOWN: Final = (ZENDESK, FILES, MAILBOX)


class FilesConfig(BaseModel):
    """A helpdesk made of files, to try the desk without one; `api.integrations.files` shows what lies in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    folder: Path
    """Where `tickets` and `notes` lie; one that does not begin with / lies in DESK_HOME."""


@dataclass(frozen=True, slots=True)
class Integrations:
    """Each integration as its file describes it; None for one without a file."""

    zendesk: ZendeskConfig | None = None
    files: FilesConfig | None = None
    mailbox: MailboxConfig | None = None


def load(prompts: Path, pack: Pack) -> Integrations:
    """The integrations of this installation.

    Raises:
        BrokenFile: a file cannot be used, or names a team or severity that the pack does not have.

    """
    folder = prompts / FOLDER
    for path in sorted(folder.glob("*.yaml")):
        if path.stem not in _KNOWN:
            raise BrokenFile(path, 0, "there is no such integration", f"name the file one of {', '.join(_KNOWN)}.yaml")
    zendesk, files = folder / f"{ZENDESK}.yaml", folder / f"{FILES}.yaml"
    found = Integrations(
        read_yaml(zendesk, ZendeskConfig) if zendesk.exists() else None,
        read_yaml(files, FilesConfig) if files.exists() else None,
        mailbox.load(prompts),
    )
    if found.zendesk is not None:
        need(zendesk, "team", found.zendesk.groups, pack.teams)
        need(zendesk, "severity", found.zendesk.priorities, pack.severities)
    return found
