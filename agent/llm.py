"""The order of engines: language models first, each retried by one owner, the embedded engine always last."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeAlias

from pydantic_ai import exceptions as ai
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_never

from agent.case import Usage
from agent.errors import AgentError
from agent.llm_request import BadAnswer, Endpoint, LiteLLMModel

EMBEDDED = "embedded"
"""Name of the engine that needs no key and no network; every order ends in it."""

PATIENCE_S = 20.0
"""Longest Retry-After that is waited out, in seconds; a longer one passes the case on at once and pauses the engine."""

Sleep: TypeAlias = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one case may take from the language models; beyond it the embedded engine goes on."""

    answer_s: float = 60.0
    """Longest wait for one answer of one engine, retries and their waits included, in seconds."""
    case_s: float = 180.0
    """Longest wait for all answers to one case, in seconds."""
    attempts: int = 3
    """Most requests for one answer of one engine."""
    answers: int = 4
    """Most answers for one case."""
    tokens: int = 30_000
    """Most tokens for one case, input and output together."""
    cost_usd: Decimal = Decimal("0.50")
    """Most money for one case; an answer of unknown price counts as nothing."""
    output_tokens: int = 4_000
    """Most tokens of one answer."""


class EngineFailed(AgentError):
    """One engine gave no usable answer: why, as half a sentence, and what its tries used."""

    retryable = True

    def __init__(self, reason: str, *, requests: int = 0, usage: RequestUsage | None = None) -> None:
        super().__init__(f"The engine gave no answer: {reason}.")
        self.reason = reason
        self.requests = requests
        self.usage = usage or RequestUsage()


REASONS: tuple[tuple[type[ai.ModelAPIError], str], ...] = (
    (ai.ModelRateLimitError, "it is over its rate limit"),
    (ai.ModelQuotaExceededError, "its account has no credit left; top it up"),
    (ai.ModelAuthenticationError, "it refuses the key; set a valid key for this provider"),
    (ai.ModelNotFoundError, "it does not know this model; check the name and the address"),
    (ai.ModelContextWindowExceededError, "the case is too long for it"),
    (ai.ModelRequestRejectedError, "it refuses the request"),
    (ai.ModelTimeoutError, "it did not answer in time"),
    (ai.ModelConnectionError, "it cannot be reached, or its answer broke off"),
    (ai.ModelAPIError, "it failed"),
)
"""Our own words for each kind of failure: a provider's text may quote the case, so it never enters a proposal."""

TRANSIENT = (ai.ModelRateLimitError, ai.ModelUnavailableError, ai.ModelServerError, ai.ModelConnectionError)


def _reason(error: ai.ModelAPIError) -> str:
    words = next(words for kind, words in REASONS if isinstance(error, kind))
    return f"{words} (HTTP {error.status_code})" if isinstance(error, ai.ModelHTTPError) else words


class Breaker:
    """Keeps calls from a provider that is down: after `threshold` failures in a row only one probe each `pause_s`.

    Instants are seconds of any steady clock.
    """

    def __init__(self, threshold: int = 5, pause_s: float = 30.0) -> None:
        self._threshold, self._pause_s = threshold, pause_s
        self._failures = 0
        self._closed_until = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next call may go out; 0 when it may go now."""
        return max(0.0, self._closed_until - now)

    def enter(self, now: float) -> None:
        """A call goes out now; when it is a probe, the others wait for what it finds."""
        if self._failures >= self._threshold:
            self._closed_until = now + self._pause_s

    def succeeded(self) -> None:
        """The provider answered."""
        self._failures, self._closed_until = 0, 0.0

    def failed(self, now: float, retry_after: float | None = None) -> None:
        """The provider failed; a `retry_after` beyond our patience pauses it for that long, an hour at most."""
        long = min(retry_after or 0.0, 3600.0)
        self._failures = self._threshold if long > PATIENCE_S else self._failures + 1
        if self._failures >= self._threshold:
            self._closed_until = max(self._closed_until, now + max(self._pause_s, long))


class RetryingModel(WrapperModel):
    """The one owner of retries and of the wall-clock deadline; it gives an answer or raises `EngineFailed`.

    A refusal of the request (400, 401, 404 ...) and a refused or cut-off answer are final. Failures that may pass are
    tried again, an unreadable answer once. litellm's own timeout counts silence only, so a slow drip outlives it: the
    deadline here does not.
    """

    def __init__(
        self,
        wrapped: Model,
        limits: Limits,
        *,
        breaker: Breaker | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(wrapped)
        self._limits, self._sleep = limits, sleep
        self.breaker = breaker or Breaker()

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One answer, by as many requests as `Limits.attempts` allows.

        Raises:
            EngineFailed: no usable answer within the deadline.

        """
        clock = asyncio.get_running_loop().time
        settings: ModelSettings = {**(model_settings or {})}
        settings["timeout"] = seconds = self._seconds(settings.get("timeout"))
        deadline = clock() + seconds
        tally = _Tally()
        self._enter(clock())

        async def attempt() -> ModelResponse:
            tally.requests += 1
            try:
                answer = await self.wrapped.request(messages, settings, model_request_parameters)
            except BadAnswer as bad:
                self.breaker.succeeded()
                tally.flaws += 1
                tally.usage += bad.usage
                raise
            except TRANSIENT as error:
                self.breaker.failed(clock(), error.retry_after)
                raise
            self.breaker.succeeded()
            return answer

        def again(error: BaseException) -> bool:
            if tally.requests >= self._limits.attempts or self.breaker.wait(clock()):
                return False
            if isinstance(error, BadAnswer):
                return error.retryable and tally.flaws == 1
            if not isinstance(error, TRANSIENT) or getattr(error, "provider_retry_hint", None) is False:
                return False
            return clock() + (error.retry_after or 0.0) < deadline

        try:
            async with asyncio.timeout_at(deadline):
                answer: ModelResponse = await AsyncRetrying(
                    stop=stop_never, retry=retry_if_exception(again), wait=_wait, sleep=self._sleep, reraise=True
                )(attempt)
        except TimeoutError:
            if seconds >= self._limits.answer_s:  # a case that has little time left says nothing about the provider
                self.breaker.failed(clock())
            raise EngineFailed(f"it did not answer within {seconds:g} seconds", **tally.spent) from None
        except BadAnswer as bad:
            raise EngineFailed(str(bad).rstrip("."), **tally.spent) from bad
        except ai.ModelAPIError as error:
            raise EngineFailed(_reason(error), **tally.spent) from error
        answer.usage = answer.usage + tally.usage
        answer.metadata = {**(answer.metadata or {}), "requests": tally.requests}
        return answer

    def _seconds(self, given: object) -> float:
        """Time for one answer: the least of the limit and what is given."""
        return min(self._limits.answer_s, given if isinstance(given, (int, float)) else self._limits.answer_s)

    def _enter(self, now: float) -> None:
        if wait := self.breaker.wait(now):
            raise EngineFailed(f"it failed too often and rests for another {wait:.0f} seconds")
        self.breaker.enter(now)


class _Tally:
    """What the tries for one answer used so far."""

    def __init__(self) -> None:
        self.requests = 0
        self.flaws = 0
        self.usage = RequestUsage()

    @property
    def spent(self) -> dict[str, Any]:
        return {"requests": self.requests, "usage": self.usage}


def _wait(state: RetryCallState) -> float:
    """Retry-After when the provider names one, else full jitter over 0.5, 1, 2 ... 8 seconds."""
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after", None)
    if asked is not None:
        return float(asked)
    return random.uniform(0, min(8.0, 0.5 * 2 ** (state.attempt_number - 1)))  # noqa: S311 - no secret hangs on it


class Chain(Model):
    """Engines in order; the first that gives a sound answer wins, and the answer says who wrote it and why.

    What a case has used is read from its own messages, so one chain serves any number of cases at once. An engine that
    failed for a case is not asked again for it.
    """

    def __init__(self, engines: Mapping[str, Model], limits: Limits, *, paused: Callable[[], str] = lambda: "") -> None:
        super().__init__()
        self._engines, self._limits, self._paused = dict(engines), limits, paused

    def with_embedded(self, embedded: Model) -> Chain:
        """The same engines with another embedded one, e.g. of other texts."""
        return Chain({**self._engines, EMBEDDED: embedded}, self._limits, paused=self._paused)

    @property
    def model_name(self) -> str:
        """The engines in order."""
        return ",".join(self._engines)

    @property
    def system(self) -> str:
        """Who is asked, as traces name it."""
        return "desk"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The answer of the first engine that gives one, with `metadata["desk"]` for `authorship`."""
        clock = asyncio.get_running_loop().time
        began = clock()
        past = [note for message in messages if (note := _note(message))]
        names = list(self._engines)
        failed: dict[str, str] = {}
        requests, spent = 0, RequestUsage()
        latest = past[-1]["engine"] if past else names[0]
        for name in names[names.index(latest) if latest in names else 0 : -1]:
            left = self._limits.case_s - sum(note["seconds"] for note in past) - (clock() - began)
            try:
                if reason := self._paused() or self._used_up(messages, left):
                    raise EngineFailed(reason)
                settings: ModelSettings = {**(model_settings or {}), "timeout": left}
                answer = await self._engines[name].request(messages, settings, model_request_parameters)
                break
            except EngineFailed as error:
                failed[name] = error.reason
                requests += error.requests
                spent += error.usage
        else:
            name = names[-1]
            answer = await self._engines[name].request(messages, model_settings, model_request_parameters)
        metadata = dict(answer.metadata or {})
        note = {
            "engine": name,
            "degraded": name != names[0],
            "failed": failed,
            "requests": requests + int(metadata.pop("requests", 1 if name != names[-1] else 0)),
            "seconds": clock() - began,
            "priced": name == names[-1] or answer.usage.cost is not None,
        }
        return replace(answer, usage=answer.usage + spent, metadata={**metadata, "desk": note})

    def _used_up(self, messages: Sequence[ModelMessage], left: float) -> str:
        """Which limit of the case is reached; "" when none is."""
        answers = [m for m in messages if isinstance(m, ModelResponse)]
        usage = sum((answer.usage for answer in answers), RequestUsage())
        limits = self._limits
        checks = (
            (left <= 0, f"{limits.case_s:g} seconds"),
            (len(answers) >= limits.answers, f"{limits.answers} answers"),
            (usage.total_tokens >= limits.tokens, f"{limits.tokens:,} tokens"),
            (bool(usage.cost) and usage.cost >= limits.cost_usd, f"{limits.cost_usd} US dollars"),
        )
        return next((f"the {what} allowed for one case are used up" for reached, what in checks if reached), "")


def _note(message: ModelMessage) -> dict[str, Any] | None:
    return (message.metadata or {}).get("desk") if isinstance(message, ModelResponse) else None


@dataclass(frozen=True, slots=True)
class Authorship:
    """Which engine wrote the last answer of a run, and what the run used."""

    engine: str
    degraded: bool
    """Another engine than the first in order wrote it."""
    reason: str
    """Why, as one sentence; "" when not degraded."""
    usage: Usage


def authorship(messages: Sequence[ModelMessage]) -> Authorship:
    """Who wrote the end of these messages of a `Chain`; the embedded engine when no one did."""
    notes = [note for message in messages if (note := _note(message))]
    answers = [message for message in messages if isinstance(message, ModelResponse)]
    if not notes:
        return Authorship(EMBEDDED, degraded=False, reason="", usage=Usage())
    used = sum((answer.usage for answer in answers), RequestUsage())
    failed: dict[str, str] = {}
    for note in notes:
        failed |= note["failed"]
    engine, degraded = notes[-1]["engine"], notes[-1]["degraded"]
    reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
    return Authorship(
        engine=engine,
        degraded=degraded,
        reason=f"{reasons}." if degraded else "",
        usage=Usage(
            requests=sum(note["requests"] for note in notes),
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cost_usd=(used.cost or Decimal(0)) if all(note["priced"] for note in notes) else None,
        ),
    )


def build_model(
    names: Sequence[str],
    *,
    embedded: Model,
    limits: Limits | None = None,
    endpoints: Mapping[str, Endpoint] | None = None,
    paused: Callable[[], str] = lambda: "",
    sleep: Sleep = asyncio.sleep,
) -> Chain:
    """The engines of this order as one model that always answers, since the embedded one is last.

    Args:
        names: Models as litellm names them, first choice first; what follows `embedded` is never reached.
        embedded: The engine that needs no key and no network.
        limits: What one case may take from the others.
        endpoints: Address and key by name, where litellm shall not find them itself.
        paused: Why no language model may be asked now, e.g. a day's budget that is used up; "" when it may.
        sleep: Waits between tries.

    """
    limits = limits or Limits()
    settings = ModelSettings(temperature=0.0, max_tokens=limits.output_tokens)
    engines: dict[str, Model] = {}
    for name in names:
        if name == EMBEDDED:
            break
        model = LiteLLMModel(name, endpoint=(endpoints or {}).get(name), settings=settings)
        engines[name] = RetryingModel(model, limits, sleep=sleep)
    return Chain({**engines, EMBEDDED: embedded}, limits, paused=paused)
