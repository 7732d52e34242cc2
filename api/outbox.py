"""The outbox for people: what was sent over which channel, what failed and why, and a test of a channel."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping

from api.auth import Principal
from api.desk import Desk
from api.errors import NotFoundError
from api.ids import new_id
from api.store import mail


class Outbox:
    """Reads and mends the delivery log."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def log(self, who: Principal, channel: str = "", limit: int = 50) -> Sequence[RowMapping]:
        """Letters, newest first."""
        who.need("admin")
        with self._desk.store.read() as conn:
            return mail.recent(conn, limit, channel=channel)

    def closed(self, who: Principal) -> dict[str, str]:
        """Channels over which nothing is sent any more, and why."""
        who.need("admin")
        with self._desk.store.read() as conn:
            return mail.closed(conn)

    def test(self, who: Principal, channel: str) -> str:
        """Post a test over a channel; returns the letter's id.

        Raises:
            NotFoundError: the pack has no such channel.

        """
        who.need("admin")
        self._known(channel)
        with self._desk.store.write("outbox") as conn:
            now = self._desk.clock.now()
            key = new_id("test", now)
            letter = mail.post(conn, channel, f"{key}:{channel}", {"kind": "test"}, now=now)
        self._desk.on_work()
        return letter or ""

    def retry(self, who: Principal, letter_id: str) -> None:
        """Send a letter again that was given up.

        Raises:
            NotFoundError: there is no such letter.
            ConflictError: it was not given up.

        """
        who.need("admin")
        with self._desk.store.write("outbox") as conn:
            mail.revive(conn, letter_id, self._desk.clock.now())
        self._desk.on_work()

    def reopen(self, who: Principal, channel: str) -> None:
        """Use a channel again; what was given up meanwhile is retried one by one.

        Raises:
            NotFoundError: the pack has no such channel.

        """
        who.need("admin")
        self._known(channel)
        with self._desk.store.write("outbox") as conn:
            mail.reopen(conn, channel)

    def _known(self, channel: str) -> None:
        if channel not in self._desk.rules.pack.directory.channels:
            raise NotFoundError("channel", channel)
