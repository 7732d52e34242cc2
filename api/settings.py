"""Every setting of the desk, read from the environment once, here and nowhere else."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from api.errors import SettingsError

PREFIX = "DESK_"
ROOT = Path(__file__).resolve().parent.parent
SECRET_PREFIX = f"{PREFIX}SECRET_"
"""Variables beginning so hold the secrets of integrations, by name."""
_SECRET = {"secret", "database_url"}
_COLLECTED = {"secrets"}
"""Settings that no single variable holds."""

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseModel):
    """What an installation may set; each name is the variable without `DESK_`, in lower case."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)

    home: Path = Path("var")
    """Folder of everything that the desk keeps: database, index, key."""
    host: str = "127.0.0.1"
    """Address to listen on; one that others can reach needs DESK_BEHIND_PROXY=true."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes a free one."""
    behind_proxy: bool = False
    """A proxy that ends TLS stands before the desk, so that it may listen on an address that others can reach."""
    model: str = "embedded"
    """The engine: `embedded` (no key, no network) or a model as litellm names it, e.g. `openai/gpt-4o-mini`."""
    fallbacks: tuple[str, ...] = ()
    """Models to try when the first fails, comma-separated; `embedded` is always the last."""
    database_url: SecretStr = SecretStr("")
    """SQLAlchemy URL of the database; empty keeps a SQLite file in DESK_HOME."""
    embed_model: str = ""
    """Folder of another sentence encoder; empty takes the packaged one."""
    embed_int8: bool = False
    """Encode in whole numbers: twice as fast, nearly the same vectors; another classifier and index belong to it."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads of the encoder."""
    prompts: Path = ROOT / "prompts"
    """Folder of the prompt texts and of the pack."""
    store: Path | None = ROOT / "prompts" / "sample_store"
    """Folder of the sample store; empty for none."""
    secret: SecretStr = SecretStr("")
    """Key of the hashes in the event log; empty keeps one in DESK_HOME. All processes of one database share it."""
    secrets: Mapping[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    """Secrets of integrations by name, each from a variable DESK_SECRET_<NAME>."""
    secrets_dir: Path | None = None
    """Folder with a file for each further secret, named as the secret is; empty for none."""
    model_timeout: Seconds = 60.0
    """Longest wait for one model answer, in seconds."""
    case_timeout: Seconds = 180.0
    """Longest wait for one proposal, in seconds, retries included."""
    model_requests: Annotated[int, Field(ge=1, le=20)] = 4
    """Most model requests for one proposal."""
    case_tokens: Annotated[int, Field(ge=1000)] = 30_000
    """Most tokens for one proposal."""
    case_cost_usd: Annotated[Decimal, Field(ge=0)] = Decimal("0.50")
    """Most money for one proposal, in US dollars."""
    day_cost_usd: Annotated[Decimal, Field(ge=0)] = Decimal(20)
    """Most money for one day (UTC), in US dollars; beyond it the embedded engine writes."""
    workers: Annotated[int, Field(ge=0, le=64)] = 2
    """Jobs that one process works on at the same time; 0 leaves the work to `desk worker`."""
    lease: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """Seconds after which the job of a silent worker is given to another."""
    drain: Annotated[float, Field(ge=0, le=20)] = 20.0
    """Seconds that a stopping worker has to finish what it began."""
    url: str = ""
    """Address at which people reach the desk, for links in notices; empty means the address that it listens on."""
    allow_hosts: tuple[str, ...] = ()
    """Hosts, or host:port, that notices may go to although they are not public, comma-separated."""
    mail_host: str = ""
    """Server that takes the desk's e-mail to the staff; empty for none."""
    mail_port: Annotated[int, Field(ge=1, le=65535)] = 587
    """Port of the mail server."""
    mail_security: Literal["starttls", "tls", "plain"] = "starttls"
    """How the mail server is spoken to; plain only on this machine."""
    mail_user: str = ""
    """Login at the mail server; its password is the secret MAIL_PASSWORD."""
    mail_from: str = ""
    """Address that e-mail to the staff comes from."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least weight of what is logged."""
    fault: Annotated[int, Field(ge=0)] | None = None
    """For tests only: the process kills itself at this hit of a fault point."""
    fault_log: Path | None = None
    """For tests only: file to which the names of the fault points hit are appended."""

    @field_validator("store", "secrets_dir", "fault_log", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("fallbacks", "allow_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("home")
    @classmethod
    def _home_is_a_folder(cls, value: Path) -> Path:
        path = value.expanduser().absolute()
        if path.exists() and not path.is_dir():
            raise ValueError("it is a file; name a folder")
        return path

    @field_validator("prompts", "store", "secrets_dir")
    @classmethod
    def _folder_exists(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("there is no such folder")
        return value

    @field_validator("model", "host")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("it is empty; unset the variable to use the default")
        return value.strip()

    @model_validator(mode="after")
    def _not_open_to_the_world(self) -> Self:
        try:
            private = self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            private = False
        if not private and not self.behind_proxy:
            raise ValueError(
                f"host: {self.host} can be reached from outside without TLS; "
                "listen on 127.0.0.1, or put a TLS proxy before the desk and set DESK_BEHIND_PROXY=true"
            )
        return self

    @property
    def public_url(self) -> str:
        """Where links of notices lead."""
        return self.url or f"http://{self.host}:{self.port}"

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the database in use."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.home / 'desk.db'}"

    def secret_named(self, name: str) -> str:
        """The secret of an integration, from its variable or else its file; a file is read anew each time.

        Raises:
            SettingsError: there is none.

        """
        found = self.secrets.get(name)
        value = found.get_secret_value() if found else ""
        if not value and self.secrets_dir is not None and name.isidentifier():  # no way out of the folder
            try:
                value = (self.secrets_dir / name).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                value = ""
        if not value:
            fix = f"Set {SECRET_PREFIX}{name}, or put a file {name} into the folder DESK_SECRETS_DIR."
            raise SettingsError(f"{SECRET_PREFIX}{name}", "", "the secret is missing.", fix)
        return value


def load(environ: Mapping[str, str] | None = None, **given: object) -> Settings:
    """The settings of this process; what is `given` (command line) wins over the environment.

    Raises:
        SettingsError: one variable is unknown or has a value that is not usable; it names variable, value and fix.

    """
    names = set(Settings.model_fields) - _COLLECTED
    env = os.environ if environ is None else environ
    secrets = {key.removeprefix(SECRET_PREFIX): v for key, v in env.items() if key.startswith(SECRET_PREFIX)}
    mine = {key: v for key, v in env.items() if key.startswith(PREFIX) and not key.startswith(SECRET_PREFIX)}
    for key, value in mine.items():
        name = key.removeprefix(PREFIX).lower()
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"Did you mean {PREFIX}{near[0].upper()}?" if near else "Unset it."
            shown = "***" if "secret" in name else value
            raise SettingsError(key, shown, "the desk has no such setting.", hint)
    try:
        named = {key.removeprefix(PREFIX).lower(): v for key, v in mine.items()}
        return Settings.model_validate({"secrets": secrets, **named, **given})
    except ValidationError as error:
        raise _explained(error) from None


def _explained(error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    text = first["msg"].removeprefix("Value error, ")
    given: object = first["input"]
    if first["loc"]:
        name = str(first["loc"][0])
    else:  # a rule over several settings names its own: "host: ..."
        name, text = text.split(": ", 1)
        given = cast("dict[str, Any]", given).get(name, "")
    default = Settings.model_fields[name].default
    shown = default.get_secret_value() if isinstance(default, SecretStr) else default
    return SettingsError(
        PREFIX + name.upper(),
        "***" if name in _SECRET else str(given),
        f"{text[:1].lower()}{text[1:].rstrip('.')}.",
        f"The default is {str(shown)!r}.",
    )
