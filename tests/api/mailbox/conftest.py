from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from api.auth import Principal
from api.desk import Desk
from api.mailbox.config import MailboxConfig
from api.mailbox.imap import Poller
from api.mailbox.take import Raw, Taker
from tests.builders_mail import NOON, OWN, eml
from tests.fakes.dovecot import BINARY, PASSWORD, Dovecot


@pytest.fixture
def taker(desk: Desk, ada: Principal) -> Taker:
    return Taker(desk, ada, OWN)


@pytest.fixture
def take(taker: Taker) -> Callable[..., object]:
    """Takes one mail made of the parts given."""

    def one(*words: str, sent: bool = False, **parts: object) -> object:
        data = eml(*words, **parts)  # type: ignore[arg-type]
        return taker.take(Raw("the mail", data, NOON + timedelta(hours=20)), sent=sent)

    return one


@pytest.fixture(scope="session")
def shared_dovecot() -> Iterator[Dovecot]:
    if BINARY is None:
        pytest.skip("dovecot is not installed (apt-get install dovecot-imapd)")
    server = Dovecot()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def dovecot(shared_dovecot: Dovecot) -> Iterator[Dovecot]:
    """The server; a test may stop it."""
    yield shared_dovecot
    shared_dovecot.start()


@pytest.fixture
def user() -> str:
    """A mailbox of its own for every test."""
    return f"u{uuid4().hex[:12]}@shop.example"


@pytest.fixture
def config(dovecot: Dovecot, user: str) -> Callable[..., MailboxConfig]:
    def make(**changed: Any) -> MailboxConfig:
        given = {"host": "127.0.0.1", "port": dovecot.port, "tls": "none", "user": user, "secret": "MAILBOX"}
        return MailboxConfig(**{**given, "own_addresses": ("help@shop.example",), **changed})

    return make


@pytest.fixture
def poller(desk, ada, config) -> Iterator[Callable[..., Poller]]:
    """Makes pollers; each is like another start of the desk."""
    made: list[Poller] = []

    def make(password: str = PASSWORD, **changed: Any) -> Poller:
        made.append(Poller(desk, ada, config(**changed), {"MAILBOX": password}.__getitem__))
        return made[-1]

    yield make
    for one in made:
        one.close()
