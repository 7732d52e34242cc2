"""What all tests share: no request to a language model unless a test says so, and one desk that takes seconds to load."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic_ai import models

if TYPE_CHECKING:
    from agent.pipeline import Deps

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # litellm else fetches a price list when it is imported


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "asks_models: requests to language models are let out (sockets stay closed)")


@pytest.fixture(autouse=True)
def _models_are_not_asked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuses every request to a language model, apart from tests marked `asks_models`."""
    with models.override_allow_model_requests(request.node.get_closest_marker("asks_models") is not None):
        yield


def pytest_collection_finish(session: pytest.Session) -> None:
    """Loads the desk before the first test that needs it, since teaching it outlasts the time that one test may take."""
    if not session.config.option.collectonly and any("deps" in getattr(i, "fixturenames", ()) for i in session.items):
        with suppress(Exception):  # the fixture fails with it again, in the test that asks
            _desk()


@cache
def _desk() -> Deps:
    from agent.signals import Signals
    from agent.small_talk import SmallTalk
    from agent.understand import Reader
    from retrieval.embed import SentenceEncoder
    from retrieval.multilingual import MultilingualEncoder
    from tests.fakes import desk

    english, multilingual = SentenceEncoder(), MultilingualEncoder()
    reader = Reader(desk.pack(), Signals(desk.pack()), english, multilingual)
    classifier = desk.trained(reader, english, multilingual, desk.ROOT / "var" / "test")
    return desk.make_deps(reader.leaving_out(SmallTalk.of(classifier.taught)), classifier, english)


@pytest.fixture(scope="session")
def deps() -> Deps:
    """The desk with the embedded engine as it is: real encoders, a trained classifier, a dozen past cases, a few orders.

    The first use after a change of starter texts, history or pack trains anew (about a minute); `var/test` keeps it.
    """
    return _desk()
