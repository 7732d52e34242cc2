from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from api.auth import Principal
from api.desk import Desk
from api.mailbox.take import Raw, Taker
from tests.builders_mail import NOON, OWN, eml


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
