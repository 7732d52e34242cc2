"""Passwords: hashed with argon2id, and guessed slowly."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, delete, insert, select, update

from api.errors import InvalidError, TooManyError
from api.store.desktables import throttle

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST: Final = 12
"""Characters of a password."""
LONGEST: Final = 200
TRIES_OF_NAME: Final = 5
"""Wrong passwords for one name, after which it has to wait."""
TRIES_OF_ADDRESS: Final = 30
WAIT: Final = timedelta(minutes=15)


@cache
def hasher() -> PasswordHasher:
    """Argon2id with the library's own parameters, which follow RFC 9106."""
    from argon2 import PasswordHasher  # its C library takes a while to load, and few commands need it

    return PasswordHasher()


@cache
def _nobodys() -> str:
    """A hash that no password fits, so that an unknown name takes as long as a known one."""
    return hasher().hash("nobody's password")


def hashed(password: str) -> str:
    """What is stored of a password.

    Raises:
        InvalidError: it is too short or too long.

    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidError(f"Choose a password of {SHORTEST} to {LONGEST} characters.")
    return hasher().hash(password)


def fits(stored: str | None, password: str) -> bool:
    """Whether this is the password; without a stored one it never is, and takes as long."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        right = hasher().verify(stored or _nobodys(), password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return right and stored is not None


def let_try(conn: Connection, now: datetime, keys: tuple[tuple[str, int], ...]) -> None:
    """Stop here when there were too many wrong passwords; each key comes with how many are allowed.

    Raises:
        TooManyError: with the time to wait.

    """
    for key, most in keys:
        row = conn.execute(select(throttle).where(throttle.c.key == key)).mappings().first()
        if row is not None and row["until"] > now and row["failures"] >= most:
            raise TooManyError(int((row["until"] - now).total_seconds()) + 1)


def failed(conn: Connection, now: datetime, keys: tuple[tuple[str, int], ...]) -> None:
    """One more wrong password."""
    conn.execute(delete(throttle).where(throttle.c.until <= now))
    for key, _ in keys:
        more = update(throttle).where(throttle.c.key == key).values(failures=throttle.c.failures + 1, until=now + WAIT)
        if conn.execute(more).rowcount == 0:
            conn.execute(insert(throttle).values(key=key, failures=1, until=now + WAIT))


def forget(conn: Connection, key: str) -> None:
    """The right password came."""
    conn.execute(delete(throttle).where(throttle.c.key == key))
