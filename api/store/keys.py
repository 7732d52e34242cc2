"""Principals and what proves who they are; of every secret only its SHA-256 is kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, insert, or_, select, update

from api.errors import ConflictError, NotFoundError
from api.ids import new_id
from api.store.tables import api_keys, principals, sessions, signin_links


def add_principal(conn: Connection, name: str, role: str, now: datetime) -> str:
    """A new principal, active at once.

    Raises:
        ConflictError: the name is taken.

    """
    if conn.execute(select(principals.c.id).where(principals.c.name == name)).first() is not None:
        raise ConflictError(f"There already is a principal named {name!r}; choose another name.")
    principal_id = new_id("prn", now)
    conn.execute(insert(principals).values(id=principal_id, name=name, role=role, active=True, created_at=now))
    return principal_id


def principal(conn: Connection, principal_id: str) -> RowMapping:
    """One principal.

    Raises:
        NotFoundError: there is no such principal.

    """
    row = conn.execute(select(principals).where(principals.c.id == principal_id)).mappings().first()
    if row is None:
        raise NotFoundError("principal", principal_id)
    return row


def named(conn: Connection, name: str) -> RowMapping | None:
    """The principal of that name, if there is one."""
    return conn.execute(select(principals).where(principals.c.name == name)).mappings().first()


def set_active(conn: Connection, principal_id: str, *, active: bool) -> None:
    """Let a principal in, or shut it out at once: its sessions end."""
    conn.execute(update(principals).where(principals.c.id == principal_id).values(active=active))
    if not active:
        conn.execute(delete(sessions).where(sessions.c.principal_id == principal_id))


def add_key(
    conn: Connection, principal_id: str, digest: str, shown: str, *, scopes: Collection[str] | None,
    expires_at: datetime | None, now: datetime,
) -> str:  # fmt: skip
    """An API key of a principal; `scopes` None means all that its role may."""
    key_id = new_id("key", now)
    conn.execute(
        insert(api_keys).values(
            id=key_id, principal_id=principal_id, hash=digest, shown=shown, expires_at=expires_at, created_at=now,
            scopes=None if scopes is None else sorted(scopes),
        )
    )  # fmt: skip
    return key_id


def by_key(conn: Connection, digest: str, now: datetime) -> RowMapping | None:
    """The active principal behind a key that is neither revoked nor expired, with `scopes` and `key_id`."""
    query: Select[Any] = (
        select(principals, api_keys.c.scopes, api_keys.c.id.label("key_id"))
        .join(api_keys, api_keys.c.principal_id == principals.c.id)
        .where(api_keys.c.hash == digest, api_keys.c.revoked_at.is_(None), principals.c.active)
        .where(or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now))
    )
    return conn.execute(query).mappings().first()


def revoke_key(conn: Connection, key_id: str, now: datetime) -> None:
    """End a key at once.

    Raises:
        NotFoundError: there is no such key.

    """
    if conn.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=now)).rowcount != 1:
        raise NotFoundError("API key", key_id)


def add_session(conn: Connection, principal_id: str, digest: str, *, expires_at: datetime, now: datetime) -> None:
    """A signed-in browser; those that ended are swept out on the way."""
    conn.execute(delete(sessions).where(sessions.c.expires_at <= now))
    conn.execute(insert(sessions).values(hash=digest, principal_id=principal_id, created_at=now, expires_at=expires_at))


def by_session(conn: Connection, digest: str, now: datetime) -> RowMapping | None:
    """The active principal behind a session that has not ended."""
    query = select(principals).join(sessions, sessions.c.principal_id == principals.c.id)
    query = query.where(sessions.c.hash == digest, sessions.c.expires_at > now, principals.c.active)
    return conn.execute(query).mappings().first()


def end_session(conn: Connection, digest: str) -> None:
    """Sign a browser out."""
    conn.execute(delete(sessions).where(sessions.c.hash == digest))


def add_link(conn: Connection, principal_id: str, digest: str, expires_at: datetime) -> None:
    """A one-time sign-in link."""
    conn.execute(insert(signin_links).values(hash=digest, principal_id=principal_id, expires_at=expires_at))


def use_link(conn: Connection, digest: str, now: datetime) -> str | None:
    """The principal of a link that is fresh, which is then used up; None when it is not fresh."""
    fresh = (signin_links.c.hash == digest, signin_links.c.used_at.is_(None), signin_links.c.expires_at > now)
    statement = update(signin_links).where(*fresh).values(used_at=now).returning(signin_links.c.principal_id)
    return conn.execute(statement).scalar()


def set_password(conn: Connection, principal_id: str, stored: str) -> None:
    """Another password; whoever is signed in with the old one is signed out."""
    conn.execute(update(principals).where(principals.c.id == principal_id).values(password_hash=stored))
    conn.execute(delete(sessions).where(sessions.c.principal_id == principal_id))


def everybody(conn: Connection) -> Sequence[RowMapping]:
    """All principals by name."""
    return conn.execute(select(principals).order_by(principals.c.name)).mappings().all()


def all_keys(conn: Connection, principal_id: str = "") -> Sequence[RowMapping]:
    """API keys with the name of who holds them, newest first; "" for everybody's."""
    query = select(api_keys, principals.c.name).join(principals, principals.c.id == api_keys.c.principal_id)
    query = query.where(api_keys.c.principal_id == principal_id) if principal_id else query
    return conn.execute(query.order_by(api_keys.c.id.desc())).mappings().all()
