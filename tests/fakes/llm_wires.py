"""Language models in tests: whether litellm speaks httpx, which respx sees, or aiohttp as in production."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import respx


@pytest.fixture(autouse=True)
def own_clients(request: pytest.FixtureRequest) -> Iterator[None]:
    """Clients belong to one test; those that use respx speak httpx, since it cannot see aiohttp."""
    import litellm

    mocked = "wires" in request.fixturenames
    litellm.disable_aiohttp_transport = mocked
    litellm.in_memory_llm_clients_cache.flush_cache()
    yield
    litellm.in_memory_llm_clients_cache.flush_cache()
    litellm.disable_aiohttp_transport = False


@pytest.fixture(name="wires")
def respx_wires() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router
