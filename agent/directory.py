"""The store's teams: who is in them, where they are told, when they work, and who is asked when nobody answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

EventName = Literal["case.triaged", "draft.ready", "case.approved", "sla.at_risk", "sla.breached", "case.resolved"]
"""What the desk tells other programs."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Channel(_File):
    """Where notices go. Addresses that are secrets are named here and given by environment or file."""

    kind: Literal["file", "slack", "email", "webhook"]
    """`file` writes lines under DESK_HOME, `slack` posts to a Slack-compatible webhook, `webhook` is signed by Standard
    Webhooks."""
    secret: str = ""
    """Name of the secret that holds the URL (slack, webhook)."""
    sign_with: tuple[str, ...] = ()
    """Names of the secrets that sign (webhook); two while one replaces the other."""
    to: tuple[str, ...] = ()
    """Addresses of the staff (email)."""
    events: tuple[EventName, ...] = ()
    """What a program is told over this channel, besides what teams are (webhook)."""

    @model_validator(mode="after")
    def _complete(self) -> Channel:
        lacking = {
            "slack": not self.secret and "secret", "webhook": not self.secret and "secret",
            "email": not self.to and "to", "file": False,
        }[self.kind]  # fmt: skip
        if lacking:
            raise ValueError(f"a channel of kind `{self.kind}` needs `{lacking}`")
        if self.kind == "webhook" and not self.sign_with:
            raise ValueError("a channel of kind `webhook` needs `sign_with`")
        if self.events and self.kind != "webhook":
            raise ValueError("only a channel of kind `webhook` takes `events`")
        return self


class Member(_File):
    """One person of a team."""

    name: str
    channel: str = ""
    """Where this person alone is told, when on call."""


class Team(_File):
    """One team that can be pulled in."""

    title: str
    does: str = ""
    channel: str = ""
    """Where the team is told; empty for a team that looks at the desk itself."""
    second_channel: str = ""
    """Where a breach is told when the first channel does not take it."""
    hours: str = ""
    """Calendar of its working hours; empty for always."""
    members: Mapping[str, Member] = Field(default_factory=dict[str, Member])
    on_call: tuple[str, ...] = ()
    """Members in the order in which they are asked when the team does not acknowledge, or is not at work."""
    escalates_to: str = ""
    """Team that is asked after the last one on call."""


Channels = Annotated[Mapping[str, Channel], Field(default_factory=dict[str, Channel])]


class Recipient(_File):
    """Somebody who is told: a team, or one of its members."""

    team: str
    member: str = ""

    @property
    def id(self) -> str:
        """Its name in the list of notices."""
        return f"{self.team}.{self.member}" if self.member else self.team


class Directory(_File):
    """All teams and channels."""

    channels: Channels
    teams: Mapping[str, Team]
    staff_domains: tuple[str, ...] = ()
    """Mail domains that notices may go to; a notice never leaves them."""

    def chain(self, team: str) -> Iterator[Recipient]:
        """Who is asked, one after the other, when nobody acknowledges: the team, its people on call, the next team ..."""
        seen: set[str] = set()
        while team and team not in seen:
            seen.add(team)
            yield Recipient(team=team)
            yield from (Recipient(team=team, member=member) for member in self.teams[team].on_call)
            team = self.teams[team].escalates_to

    def channel_of(self, who: Recipient, *, second: bool = False) -> str:
        """Name of the channel over which somebody is told; "" when there is none."""
        team = self.teams[who.team]
        if who.member:
            return team.members[who.member].channel
        return team.second_channel if second else team.channel

    def listeners(self, event: str) -> list[str]:
        """Channels of the programs that are told of an event."""
        return [name for name, channel in self.channels.items() if event in channel.events]
