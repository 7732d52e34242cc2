"""The one way to Zendesk: each request passes the send guard, carries a fresh token and ends by the wall clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar

import httpx
from pydantic import BaseModel, ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from api.clock import Clock
from api.integrations.errors import (
    HelpdeskAuthError,
    HelpdeskRefusedError,
    HelpdeskUnavailableError,
    TicketChangedError,
)
from api.integrations.zendesk_api import SCOPE, TOKEN_S, TOKENS, TokenAnswer, check
from api.integrations.zendesk_config import ZendeskConfig

A = TypeVar("A", bound=BaseModel)
T = TypeVar("T")
Sleep: TypeAlias = Callable[[float], Awaitable[None]]
Secret: TypeAlias = Callable[[str], str]
"""The secret with this name; it is asked for at each new token, so that a changed one counts at once."""

TRIES: Final = 6
"""Most tries of one read or one note."""
PATIENCE_S: Final = 60.0
"""Longest Retry-After that is waited out here unless told otherwise, in seconds; a longer one is left to the caller."""
DEADLINE_S: Final = 30.0
"""Longest wait for one answer by the wall clock, in seconds: a slow drip outlives the client's own timeouts."""
FRESH: Final = 0.8
"""Share of a token's life after which a new one is fetched."""


class ZendeskWire:
    """Asks Zendesk what is on the list of `zendesk_api`, and nothing else."""

    def __init__(
        self, config: ZendeskConfig, secret: Secret, clock: Clock, *, sleep: Sleep = asyncio.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:  # fmt: skip
        self._config, self._secret, self._clock, self._sleep = config, secret, clock, sleep
        self._patience_s = patience_s
        # no redirects and no proxy of the environment: a request goes to the configured address or nowhere
        self._client = httpx.AsyncClient(
            base_url=config.origin, timeout=DEADLINE_S, trust_env=False, follow_redirects=False
        )
        self._lock = asyncio.Lock()
        self._token = ""
        self._fresh_until: datetime | None = None

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def read(self, path: str, answer: type[A], params: Mapping[str, str] | None = None) -> A:
        """Read, as often as it takes within `TRIES`.

        Raises:
            SendGuardError: the path is not on the list.
            HelpdeskError: there is no answer, or it is a refusal.

        """
        return await self.retried(lambda: self.once("GET", path, answer, params=params))

    async def once(
        self, method: str, path: str, answer: type[A], *, body: Any = None, params: Mapping[str, str] | None = None
    ) -> A:
        """One request; only a token that is no longer taken is renewed, once.

        Raises:
            SendGuardError: the request is not on the list; nothing left the desk.
            HelpdeskError: there is no answer, or it is a refusal.

        """
        request = self._request(method, path, body=body, params=params)
        token = await self._fresh_token()
        response = await self._send(request, token)
        if response.status_code == 401:
            response = await self._send(request, await self._fresh_token(stale=token))
        return _read(response, answer)

    async def retried(self, action: Callable[[], Awaitable[T]]) -> T:
        """The result of `action`, repeated while Zendesk is overloaded or away, and once when the ticket changed.

        Raises:
            HelpdeskError: what the last try raised.

        """
        changes = 0

        def again(error: BaseException) -> bool:
            nonlocal changes
            if isinstance(error, TicketChangedError):
                changes += 1
                return changes == 1
            return isinstance(error, HelpdeskUnavailableError) and (error.retry_after or 0.0) <= self._patience_s

        async def attempt() -> T:  # tenacity awaits only what is declared async
            return await action()

        return await AsyncRetrying(
            stop=stop_after_attempt(TRIES), retry=retry_if_exception(again), wait=_wait, sleep=self._sleep, reraise=True
        )(attempt)

    def _request(self, method: str, path: str, *, body: Any = None, params: Any = None) -> httpx.Request:
        """A request that has passed the send guard; no other is ever built or sent."""
        request = self._client.build_request(method, path, json=body, params=params)
        check(request, self._config)
        return request

    async def _send(self, request: httpx.Request, token: str = "") -> httpx.Response:
        if token:
            request.headers["authorization"] = f"Bearer {token}"
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._client.send(request)
        except (httpx.RequestError, TimeoutError):
            raise HelpdeskUnavailableError("Zendesk cannot be reached, or its answer broke off") from None

    async def _fresh_token(self, stale: str = "") -> str:
        """The token in use; a new one when there is none, when it is old, or when it is the `stale` one."""
        async with self._lock:
            old = self._fresh_until is None or self._clock.now() >= self._fresh_until
            if old or self._token == stale:
                self._token, life = await self._new_token()
                self._fresh_until = self._clock.now() + life
            return self._token

    async def _new_token(self) -> tuple[str, timedelta]:
        secret = self._secret(self._config.secret)
        if not secret:
            raise HelpdeskAuthError(f"The secret {self._config.secret!r} is empty; store the client's secret there.")
        body = {
            "grant_type": "client_credentials",
            "client_id": self._config.client_id,
            "client_secret": secret,
            "scope": SCOPE,
            "expires_in": TOKEN_S,
        }
        response = await self._send(self._request("POST", TOKENS, body=body))
        if 300 <= response.status_code < 500 and response.status_code not in {408, 429}:
            raise HelpdeskAuthError(
                f"Zendesk gives no token (HTTP {response.status_code}); check the subdomain, client_id, its secret, and "
                "that the OAuth client is confidential and has the scopes tickets:read, tickets:write and users:read."
            )
        given = _read(response, TokenAnswer)
        return given.access_token, timedelta(seconds=FRESH * (given.expires_in or TOKEN_S))


def _read(response: httpx.Response, answer: type[A]) -> A:
    """The answer, or the error that its status stands for; the text of an error may quote the ticket and is dropped."""
    status = response.status_code
    if status in {408, 429} or status >= 500:
        raise HelpdeskUnavailableError(
            f"Zendesk is overloaded or down (HTTP {status})", retry_after=_seconds(response.headers.get("retry-after"))
        )
    if status == 409:
        raise TicketChangedError("The ticket was changed by someone else in the same moment; the desk tries again.")
    if status == 401:
        raise HelpdeskAuthError("Zendesk does not take its own token (HTTP 401); check the OAuth client and its user.")
    if status == 403:
        raise HelpdeskAuthError("Zendesk forbids this (HTTP 403); check the scopes and the role of the client's user.")
    if status >= 300:
        raise HelpdeskRefusedError(_refusal(status), status=status)
    try:
        return answer.model_validate_json(response.content)
    except ValidationError:
        raise HelpdeskUnavailableError("Zendesk's answer cannot be read") from None


def _refusal(status: int) -> str:
    if status == 404:
        return "Zendesk does not know this (HTTP 404); check the number of the ticket."
    if status < 400:
        return f"Zendesk answers from another address (HTTP {status}); check the subdomain."
    return f"Zendesk refuses this (HTTP {status}); the ticket may be closed, or a group, priority or field is wrong."


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None


def _wait(state: RetryCallState) -> float:
    """Nothing when the ticket changed, Retry-After where there is one, else full jitter over 0.5, 1, 2 ... 16 s."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, TicketChangedError):
        return 0.0
    if isinstance(error, HelpdeskUnavailableError) and error.retry_after is not None:
        return error.retry_after
    return random.uniform(0, 0.5 * 2 ** (state.attempt_number - 1))  # noqa: S311 - no secret hangs on it
