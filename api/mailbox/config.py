"""The mailbox that the desk reads, as `prompts/pack/integrations/mailbox.yaml` describes it; no file, no mailbox."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.yamlfile import read_yaml
from api.mailbox.headers import is_address

FILE: Final = Path("pack/integrations/mailbox.yaml")
"""In the folder of the prompts."""


class MailboxConfig(BaseModel):
    """One mailbox over IMAP."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)

    host: Annotated[str, Field(min_length=1, max_length=255)]
    """Name of the IMAP server."""
    port: Annotated[int, Field(ge=1, le=65535)] = 993
    """Its port: 993 for `tls: always`, 143 for `starttls`."""
    tls: Literal["always", "starttls", "none"] = "always"
    """How the line is encrypted; `none` only for a server on this machine."""
    user: Annotated[str, Field(min_length=1, max_length=320)]
    """Name to sign in with, mostly the address of the mailbox."""
    secret: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
    """Name of the secret that holds the password or token; never the secret itself."""
    auth: Literal["password", "xoauth2"] = "password"
    """What the secret is: a password, or an OAuth 2.0 access token (Google, Microsoft 365)."""
    folder: Annotated[str, Field(min_length=1, max_length=255)] = "INBOX"
    """Folder in which customers' mail arrives."""
    sent_folder: Annotated[str, Field(max_length=255)] = ""
    """Folder in which mail programs keep what was sent. Given, a mail there that answers a case is noted as a person's
    answer to the customer and ends its clocks; empty, only `/sent` and the page do that.
    """
    own_addresses: tuple[str, ...] = ()
    """The store's own addresses, or whole domains as `@shop.example`; the first address stands in the From field of drafts."""
    poll_s: Annotated[float, Field(ge=5, le=3600)] = 60.0
    """Seconds between two looks."""
    since_days: Annotated[int, Field(ge=0, le=3650)] = 14
    """How far back the very first look reads, in days; older mail comes in with `desk import-mail`."""

    @field_validator("own_addresses")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            whole = f"any{one}" if one.startswith("@") else one
            if not is_address(whole):
                raise ValueError(
                    f"{one!r} is neither an address like help@shop.example nor a domain like @shop.example"
                )
        return value

    @field_validator("folder", "sent_folder", "user", "host")
    @classmethod
    def _is_one_line(cls, value: str) -> str:
        if any(ord(c) < 32 or ord(c) == 127 for c in value):
            raise ValueError("it holds a control character")
        return value

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if self.tls == "none" and not _is_here(self.host):
            raise ValueError(
                "tls: `none` would send the password readable through the network; use `always` or `starttls`"
            )
        if self.tls == "starttls" and self.port == 993:
            raise ValueError("port: 993 is encrypted from the first byte; write 143 for `starttls`")
        if not self.sender:
            raise ValueError("own_addresses: add the address of the mailbox, from which drafts are written")
        return self

    @property
    def own(self) -> tuple[str, ...]:
        """All that is the store's own: the addresses given and the user, where that is one."""
        user = (self.user,) if is_address(self.user) else ()
        return tuple(dict.fromkeys([*self.own_addresses, *user]))

    @property
    def sender(self) -> str:
        """The address in the From field of drafts; "" when none is known."""
        return next((one for one in self.own if not one.startswith("@")), "")


def load(prompts: Path) -> MailboxConfig | None:
    """The mailbox of this installation; None when there is none.

    Raises:
        BrokenFile: the file cannot be used; it names line and fix.

    """
    path = prompts / FILE
    return read_yaml(path, MailboxConfig) if path.exists() else None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
