"""How a store's Zendesk is reached and named, as the store writes it in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class ZendeskConfig(BaseModel):
    """One Zendesk account; `zendesk.yaml.example` beside the pack explains each line."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    subdomain: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9-]{0,62})?$")] = ""
    """`acme` of `https://acme.zendesk.com`."""
    base_url: str = ""
    """Instead of the subdomain, another address; without TLS only on this machine, for tests."""
    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    """Identifier of the OAuth client, made under a user of its own: what the desk writes, that user wrote."""
    secret: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] = "ZENDESK_CLIENT_SECRET"  # noqa: S105 - a name
    """Name under which the client's secret is kept; never the secret itself."""
    groups: Mapping[str, Annotated[int, Field(gt=0)]] = Field(default_factory=dict[str, int])
    """Zendesk group by the pack's team; a team that is missing here leaves the group as it is."""
    priorities: Mapping[str, Literal["low", "normal", "high", "urgent"]] = Field(default_factory=dict)
    """Zendesk priority by the pack's severity; a severity that is missing here leaves the priority as it is."""
    order_field: Annotated[int, Field(gt=0)] | None = None
    """Custom ticket field that holds the order number."""
    fields: Mapping[str, Annotated[int, Field(gt=0)]] = Field(default_factory=dict[str, int])
    """Custom field of kind text, number or checkbox by the desk's name; a drop-down is a tag and cannot be set here."""
    tag_prefix: Annotated[str, Field(pattern=r"^[a-z0-9_]{2,20}-$")] = "desk-"
    """How every tag of the desk begins; no other tag is ever added or removed."""

    @field_validator("base_url")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or not re.fullmatch(r"/?", parts.path):
            raise ValueError("write it like https://acme.example, without a path")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError("an address without TLS is allowed on this machine only; use https")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("write it like https://acme.example, and keep the secret out of it")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        if bool(self.subdomain) == bool(self.base_url):
            raise ValueError("give either `subdomain` or `base_url`")
        return self

    @property
    def origin(self) -> str:
        """Scheme, host and port of every request."""
        return self.base_url or f"https://{self.subdomain}.zendesk.com"
