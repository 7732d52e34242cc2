from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.errors import BrokenFile
from api.mailbox.config import FILE, MailboxConfig, load
from tests.fakes.desk import PROMPTS

GIVEN = {"host": "imap.shop.example", "user": "help@shop.example", "secret": "MAILBOX"}


def make(**changed: Any) -> MailboxConfig:
    return MailboxConfig(**{**GIVEN, **changed})


def put(folder: Path, text: str) -> Path:
    path = folder / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return folder


def test_without_a_file_there_is_no_mailbox(tmp_path: Path):
    assert load(tmp_path) is None


def test_the_example_can_be_used_as_it_is(tmp_path: Path):
    example = PROMPTS / f"{FILE}.example"
    config = load(put(tmp_path, example.read_text(encoding="utf-8")))
    assert config == make(own_addresses=("help@shop.example", "@shop.example"))


def test_every_setting_stands_in_the_example():
    example = (PROMPTS / f"{FILE}.example").read_text(encoding="utf-8")
    assert [name for name in MailboxConfig.model_fields if f"{name}:" not in example] == []


def test_the_user_is_an_own_address_and_the_first_address_writes_the_drafts():
    assert make().own == ("help@shop.example",)
    config = make(own_addresses=("@shop.example", "service@shop.example"))
    assert config.own == ("@shop.example", "service@shop.example", "help@shop.example")
    assert config.sender == "service@shop.example"


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"tls": "none"}, "readable through the network"),
        ({"tls": "none", "host": "192.0.2.1"}, "readable through the network"),
        ({"tls": "starttls"}, "write 143"),
        ({"user": "shop"}, "own_addresses"),
        ({"user": "shop", "own_addresses": ["@shop.example"]}, "own_addresses"),
        ({"own_addresses": ["help"]}, "neither an address"),
        ({"own_addresses": ["a@b.example, c@d.example"]}, "neither an address"),
        ({"own_addresses": ["Help <help@shop.example>"]}, "neither an address"),
        ({"folder": "INBOX\r\nA1 DELETE INBOX"}, "control character"),
        ({"secret": "my password"}, "secret"),
        ({"poll_s": 1}, "poll_s"),
        ({"password": "x"}, "password"),
    ],
)
def test_a_setting_that_cannot_be_used_says_why(changed: dict[str, Any], word: str):
    with pytest.raises(ValidationError, match=word):
        make(**changed)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_on_this_machine_the_line_may_be_plain(host: str):
    assert make(tls="none", host=host).tls == "none"


def test_a_broken_file_names_its_line(tmp_path: Path):
    with pytest.raises(BrokenFile, match=r"mailbox\.yaml"):
        load(put(tmp_path, "host: x\nuser: help@shop.example\nsecret: MAILBOX\nprot: 993\n"))
