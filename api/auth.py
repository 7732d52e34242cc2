"""Who acts, what they may do, and how they prove who they are."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, cast, get_args

from sqlalchemy import Connection, RowMapping

from api import passwords
from api.clock import Clock
from api.errors import ConflictError, ForbiddenError, InvalidError, SignInError
from api.store import audit, casework, keys
from api.store.unit import Store

Role: TypeAlias = Literal["worker", "agent", "reviewer", "admin"]
Action: TypeAlias = Literal["read", "receive", "work", "review", "rate", "admin", "apply"]
"""read cases; hand escalations in; work a case (messages, sends, status); decide on drafts; score outputs;
edit prompts, pack, users and keys; store a finished proposal."""

ACTIONS: Final = frozenset(get_args(Action))
_AGENT: Final = frozenset[Action]({"read", "receive", "work", "review"})
MAY: Final[Mapping[Role, frozenset[Action]]] = {
    "worker": frozenset({"apply"}),
    "agent": _AGENT,
    "reviewer": _AGENT | frozenset[Action]({"rate"}),
    "admin": _AGENT | frozenset[Action]({"rate", "admin"}),
}
"""What each role may do; amounts and severities on top of that are the pack's authority limits."""

KEY_PREFIX: Final = "desk_"
SESSION: Final = timedelta(hours=12)
LINK: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or program that acts, by name."""

    id: str
    name: str
    role: Role
    scopes: frozenset[str] | None = None
    """Actions that the API key allows; None when there is no such limit."""

    def may(self, action: Action) -> bool:
        """Whether role and key allow `action`."""
        return action in MAY[self.role] and (self.scopes is None or action in self.scopes)

    def need(self, action: Action) -> None:
        """Stop here unless `action` is allowed.

        Raises:
            ForbiddenError: role or key do not allow it.

        """
        if not self.may(action):
            why = f"the role {self.role!r}" if action not in MAY[self.role] else "this API key"
            raise ForbiddenError(f"{self.name} may not {action!r}: {why} does not allow it; ask an admin.")


WORKER: Final = Principal("prn_worker", "worker", "worker")
"""The desk's own worker: it stores proposals and may do nothing else."""


class Doors:
    """Issues and checks keys, sessions and sign-in links. Secrets are 256 random bits, so a plain SHA-256 is enough."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def add_principal(self, who: Principal | None, name: str, role: Role) -> Principal:
        """A new person or program; `who` is None only when the desk itself makes its first admin.

        Raises:
            ConflictError: the name is taken.

        """
        if who is not None:
            who.need("admin")
        if not name.strip() or role not in get_args(Role):
            raise InvalidError(f"A principal needs a name and one of the roles {', '.join(get_args(Role)[1:])}.")
        now = self._clock.now()
        with self._store.write("add_principal") as conn:
            new = Principal(keys.add_principal(conn, name.strip(), role, now), name.strip(), role)
            actor = who.id if who else new.id
            audit.append(conn, "principal_added", actor=actor, at=now, data={"principal": new.id, "role": role})
        return new

    def principal_named(self, name: str) -> Principal | None:
        """The principal of that name, if there is one."""
        with self._store.read() as conn:
            row = keys.named(conn, name)
        return None if row is None else _principal(row)

    def make_key(
        self,
        who: Principal,
        principal_id: str,
        *,
        scopes: Collection[Action] | None = None,
        lasts: timedelta | None = None,
    ) -> tuple[str, str]:
        """A new API key as (id, key); the key is shown this once and cannot be read again.

        Raises:
            NotFoundError: there is no such principal.

        """
        who.need("admin")
        if scopes is not None and (unknown := set(scopes) - ACTIONS):
            raise InvalidError(f"Unknown scopes: {', '.join(sorted(unknown))}; known are {', '.join(sorted(ACTIONS))}.")
        key, now = KEY_PREFIX + secrets.token_urlsafe(32), self._clock.now()
        with self._store.write("make_key") as conn:
            keys.principal(conn, principal_id)
            key_id = keys.add_key(
                conn, principal_id, digest(key), f"{key[:9]}...{key[-4:]}", scopes=scopes,
                expires_at=now + lasts if lasts else None, now=now,
            )  # fmt: skip
            audit.append(conn, "key_made", actor=who.id, at=now, data={"key": key_id, "principal": principal_id})
        return key_id, key

    def revoke_key(self, who: Principal, key_id: str) -> None:
        """End an API key at once.

        Raises:
            NotFoundError: there is no such key.

        """
        who.need("admin")
        now = self._clock.now()
        with self._store.write("revoke_key") as conn:
            keys.revoke_key(conn, key_id, now)
            audit.append(conn, "key_revoked", actor=who.id, at=now, data={"key": key_id})

    def by_key(self, key: str) -> Principal:
        """Who holds this API key.

        Raises:
            SignInError: it is unknown, revoked or expired, or its principal is shut out; it does not say which.

        """
        with self._store.read() as conn:
            row = keys.by_key(conn, digest(key), self._clock.now())
        if row is None:
            raise SignInError("This API key is not valid; ask an admin for a new one.")
        return _principal(row, row["scopes"])

    def make_link(self, principal_id: str, lasts: timedelta = LINK) -> str:
        """A token that signs this principal in once."""
        token = secrets.token_urlsafe(32)
        with self._store.write("make_link") as conn:
            keys.principal(conn, principal_id)
            keys.add_link(conn, principal_id, digest(token), self._clock.now() + lasts)
        return token

    def sign_in(self, link_token: str) -> tuple[Principal, str]:
        """The principal of a sign-in link and the token of its new session; the link is used up.

        Raises:
            SignInError: the link is unknown, used or too old, or its principal is shut out.

        """
        now, token = self._clock.now(), secrets.token_urlsafe(32)
        with self._store.write("sign_in") as conn:
            principal_id = keys.use_link(conn, digest(link_token), now)
            row = None if principal_id is None else keys.principal(conn, principal_id)
            if row is None or not row["active"]:
                raise SignInError("This sign-in link was used before or is too old; make a new one with `desk signin`.")
            self._begin_session(conn, row, token, now)
        return _principal(row), token

    def sign_in_with_password(self, name: str, password: str, address: str) -> tuple[Principal, str]:
        """The principal of that name and the token of its new session; any older one of this browser is of no matter.

        Raises:
            SignInError: name or password are wrong; it does not say which.
            TooManyError: too many wrong ones came for this name or from this address.

        """
        now, token = self._clock.now(), secrets.token_urlsafe(32)
        tries = (
            (self._store.keyed("name", name.casefold()), passwords.TRIES_OF_NAME),
            (self._store.keyed("address", address), passwords.TRIES_OF_ADDRESS),
        )
        with self._store.read() as conn:
            passwords.let_try(conn, now, tries)
            row = keys.named(conn, name)
        known = row is not None and row["active"]
        right = passwords.fits(row["password_hash"] if known and row else None, password)  # slow, with nothing locked
        with self._store.write("throttle") as conn:
            if right and row is not None:
                passwords.forget(conn, tries[0][0])
                self._begin_session(conn, row, token, now)
                return _principal(row), token
            passwords.failed(conn, now, tries)
        raise SignInError("Name or password is wrong.")

    def set_password(self, who: Principal, password: str) -> None:
        """Give oneself a password; the other sessions of this person end.

        Raises:
            InvalidError: it is too short or too long.

        """
        stored = passwords.hashed(password)
        with self._store.write("set_password") as conn:
            keys.set_password(conn, who.id, stored)
            audit.append(conn, "password_set", actor=who.id, at=self._clock.now(), data={"principal": who.id})

    def set_active(self, who: Principal, principal_id: str, *, active: bool) -> None:
        """Let somebody in, or shut them out at once.

        Raises:
            ConflictError: it is oneself.

        """
        who.need("admin")
        if principal_id == who.id:
            raise ConflictError("You cannot shut yourself out; ask another admin.")
        with self._store.write("set_person") as conn:
            keys.principal(conn, principal_id)
            keys.set_active(conn, principal_id, active=active)
            kind = "principal_let_in" if active else "principal_shut_out"
            audit.append(conn, kind, actor=who.id, at=self._clock.now(), data={"principal": principal_id})

    def set_shortcuts(self, who: Principal, *, on: bool) -> None:
        """Whether single keys do something on this person's pages."""
        with self._store.write("preferences") as conn:
            casework.set_preferences(conn, who.id, {"shortcuts": on})

    def people(self, who: Principal) -> Sequence[RowMapping]:
        """Everybody, by name."""
        who.need("admin")
        with self._store.read() as conn:
            return keys.everybody(conn)

    def keys(self, who: Principal) -> Sequence[RowMapping]:
        """All API keys without the keys themselves, newest first; one's own alone for who is no admin."""
        with self._store.read() as conn:
            return keys.all_keys(conn, "" if who.may("admin") else who.id)

    @staticmethod
    def _begin_session(conn: Connection, row: RowMapping, token: str, now: datetime) -> None:
        keys.add_session(conn, row["id"], digest(token), expires_at=now + SESSION, now=now)
        audit.append(conn, "signed_in", actor=row["id"], at=now, data={"principal": row["id"]})

    def by_session(self, token: str) -> Principal:
        """Who is signed in with this session token.

        Raises:
            SignInError: the session is unknown or has ended.

        """
        with self._store.read() as conn:
            row = keys.by_session(conn, digest(token), self._clock.now())
        if row is None:
            raise SignInError("The session has ended; sign in again.")
        return _principal(row)

    def sign_out(self, token: str) -> None:
        """End a session; an unknown one is no error."""
        with self._store.write("sign_out") as conn:
            keys.end_session(conn, digest(token))


def digest(secret: str) -> str:
    """What is stored of a 256-bit secret. It is looked up by this hash, so timing tells nothing about the secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _principal(row: RowMapping, scopes: Collection[str] | None = None) -> Principal:
    return Principal(row["id"], row["name"], cast("Role", row["role"]), None if scopes is None else frozenset(scopes))
