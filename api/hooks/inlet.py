"""Where webhooks come in: verified, then stored many at a time, then acknowledged."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from typing import Final

from agent import hookevent
from agent.errors import BadInput
from agent.hookmap import Hook
from api import reading
from api.desk import Desk
from api.errors import NotFoundError, SettingsError
from api.hooks import verify
from api.hooks.maps import Maps
from api.settings import Settings
from api.store import deliveries
from api.store.deliveries import Arrival
from api.store.mail import MAX_KEY

MOST: Final = 500
"""Deliveries of one commit; at most `reading.MAX_BODY` bytes each."""
_KEPT_HEADERS: Final = ("content-type", "user-agent", "webhook-id", "webhook-timestamp")
"""What is stored of the headers: nothing that proves who sends."""


class Inlet:
    """Takes webhooks in. What waits while a commit runs is the next commit, so that a burst costs few of them."""

    def __init__(self, desk: Desk, settings: Settings, maps: Maps, adapters: Collection[str]) -> None:
        self._desk, self._settings, self._maps, self._adapters = desk, settings, maps, adapters
        self._waiting: list[tuple[Arrival, asyncio.Future[str]]] = []
        self._committing: asyncio.Task[None] | None = None

    def admit(self, source: str, headers: Mapping[str, str], body: bytes) -> Arrival:
        """A webhook that its sender signed; costs no look into the database.

        Raises:
            NotFoundError: there is no such source.
            SettingsError: a secret or the adapter of the source is missing.
            SignatureError: it is not signed, or too long ago.

        """
        hook = self._maps.get(source)
        if hook is None:
            raise NotFoundError("source of webhooks", source[:40])
        if hook.adapter and hook.adapter not in self._adapters:
            raise SettingsError(
                "adapter", hook.adapter, "this desk has not set it up.", f"Set it up, or give {source} a map."
            )
        now = self._desk.clock.now()
        verify.check(hook, self._settings.secret_named, headers, body, now)
        kept = {name: value for name in _KEPT_HEADERS if (value := headers.get(name))}
        return Arrival(source, _number(hook, headers, body), kept, body, now)

    async def take(self, arrival: Arrival) -> str:
        """The id of the delivery, once it is safely stored; a repeated one has the id that it had.

        Raises:
            StoreError: it could not be stored, so that it must not be acknowledged.

        """
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, done))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all(), name="deliveries")
        return await done

    def commit(self, arrivals: list[Arrival]) -> list[str]:
        """Store them in one transaction; the id of each."""
        with self._desk.store.write("take_deliveries") as conn:
            return deliveries.put_all(conn, arrivals, self._desk.clock.now())

    async def _commit_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            commit = asyncio.to_thread(self.commit, [arrival for arrival, _ in batch])
            (ids,) = await asyncio.gather(commit, return_exceptions=True)
            for number, (_, done) in enumerate(batch):
                if done.done():  # its sender went away
                    continue
                if isinstance(ids, BaseException):
                    done.set_exception(ids)
                else:
                    done.set_result(ids[number])
            self._desk.on_work()


def _number(hook: Hook, headers: Mapping[str, str], body: bytes) -> str:
    """How the sender numbers this delivery: in the payload, else in a header, else by its bytes."""
    number = ""
    if hook.delivery_id_path or (hook.map and hook.map.delivery_id):
        try:
            number = hookevent.delivery_id(hook, reading.json_object(reading.text_of(body)))
        except BadInput:
            number = ""  # its job says what is wrong with it
    header = hook.id_header or ("webhook-id" if hook.verify == "standard" else "")
    number = number or headers.get(header.lower(), "") or _digest(body)
    return number if len(number) <= MAX_KEY else _digest(number.encode())


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
