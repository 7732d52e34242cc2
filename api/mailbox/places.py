"""How far each folder of a mailbox was read, so that a restart takes nothing twice and loses nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import insert, select, update

from api.mailbox.config import MailboxConfig
from api.store.tables import meta
from api.store.unit import Store


@dataclass(frozen=True, slots=True)
class Place:
    """The last mail of a folder that was looked at."""

    validity: int
    """The folder's UIDVALIDITY: with another one, all its UIDs mean other mails."""
    uid: int
    since: date
    """The day from which on the folder is read at all."""


class Places:
    """The places of one mailbox; whose it is stands there as a keyed hash only."""

    def __init__(self, store: Store, config: MailboxConfig) -> None:
        self._store, self._mailbox = store, (config.host.lower(), config.user)

    def of(self, folder: str) -> Place | None:
        """The place in a folder; None when it was never read."""
        with self._store.read() as conn:
            value: str | None = conn.execute(select(meta.c.value).where(meta.c.key == self._key(folder))).scalar()
        if value is None:
            return None
        validity, uid, since = value.split(":")
        return Place(int(validity), int(uid), date.fromisoformat(since))

    def keep(self, folder: str, place: Place) -> None:
        """Remember a place."""
        value = f"{place.validity}:{place.uid}:{place.since.isoformat()}"
        with self._store.write("mailbox_place") as conn:
            if conn.execute(update(meta).where(meta.c.key == self._key(folder)).values(value=value)).rowcount == 0:
                conn.execute(insert(meta).values(key=self._key(folder), value=value))

    def _key(self, folder: str) -> str:
        return f"mailbox:{self._store.keyed('place', *self._mailbox, folder)[:48]}"
