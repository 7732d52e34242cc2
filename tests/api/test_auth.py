from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from api.auth import MAY, SESSION, Doors, Principal
from api.errors import ConflictError, ForbiddenError, InvalidError, SignInError
from api.store import keys
from api.store.unit import Store


def test_a_key_opens_until_it_expires_or_is_revoked(doors: Doors, ada, clock):
    _, short = doors.make_key(ada, ada.id, lasts=timedelta(days=1))
    key_id, long = doors.make_key(ada, ada.id)
    assert doors.by_key(short).name == "Ada"
    clock.advance(days=1)
    for key in (short, long + "x", ""):
        with pytest.raises(SignInError):
            doors.by_key(key)
    doors.revoke_key(ada, key_id)
    with pytest.raises(SignInError):
        doors.by_key(long)


def test_a_key_may_do_less_than_its_principal_but_not_more(doors: Doors, ada):
    bob = doors.add_principal(ada, "Bob", "agent")
    _, key = doors.make_key(ada, bob.id, scopes={"read", "admin"})
    holder = doors.by_key(key)
    assert holder.may("read")
    assert not holder.may("work")
    assert not holder.may("admin")


def test_an_unknown_scope_or_role_is_refused(doors: Doors, ada):
    with pytest.raises(InvalidError, match="fly"):
        doors.make_key(ada, ada.id, scopes={"fly"})  # type: ignore[arg-type]
    with pytest.raises(InvalidError):
        doors.add_principal(ada, "Eve", "root")  # type: ignore[arg-type]


def test_only_an_admin_makes_principals_and_keys(doors: Doors, ada):
    bob = doors.add_principal(ada, "Bob", "reviewer")
    with pytest.raises(ForbiddenError):
        doors.add_principal(bob, "Eve", "admin")
    with pytest.raises(ForbiddenError):
        doors.make_key(bob, bob.id)
    with pytest.raises(ConflictError):
        doors.add_principal(ada, "Bob", "agent")


def test_a_sign_in_link_works_once_and_not_for_long(doors: Doors, ada, clock):
    link = doors.make_link(ada.id)
    who, session = doors.sign_in(link)
    assert (who.id, doors.by_session(session).id) == (ada.id, ada.id)
    with pytest.raises(SignInError):
        doors.sign_in(link)
    late = doors.make_link(ada.id)
    clock.advance(minutes=31)
    with pytest.raises(SignInError):
        doors.sign_in(late)


def test_a_session_ends_by_time_by_signing_out_and_by_being_shut_out(doors: Doors, store: Store, ada, clock):
    tokens = [doors.sign_in(doors.make_link(ada.id))[1] for _ in range(2)]
    doors.sign_out(tokens[0])
    with pytest.raises(SignInError):
        doors.by_session(tokens[0])
    clock.advance(seconds=SESSION.total_seconds())
    with pytest.raises(SignInError):
        doors.by_session(tokens[1])
    token = doors.sign_in(doors.make_link(ada.id))[1]
    with store.write("finish") as conn:
        keys.set_active(conn, ada.id, active=False)
    with pytest.raises(SignInError):
        doors.by_session(token)


def test_no_secret_is_in_the_database_files(doors: Doors, store: Store, ada, tmp_path: Path):
    _, key = doors.make_key(ada, ada.id)
    link = doors.make_link(ada.id)
    _, session = doors.sign_in(link)
    store.engine.dispose()
    sqlite3.connect(tmp_path / "desk.db").execute("PRAGMA wal_checkpoint(TRUNCATE)")
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Ada" in everything
    for secret in (key, link, session, key.removeprefix("desk_")):
        assert secret.encode() not in everything
    assert len(key) == len("desk_") + 43


def test_each_role_may_do_at_least_what_the_one_below_may():
    assert MAY["agent"] < MAY["reviewer"] < MAY["admin"]
    assert MAY["worker"].isdisjoint(MAY["admin"])


def test_a_refusal_names_who_and_why():
    with pytest.raises(ForbiddenError, match="Rae may not 'admin': the role 'agent'"):
        Principal("prn_r", "Rae", "agent").need("admin")
