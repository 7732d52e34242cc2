"""One request to a language model through litellm, its errors typed, its answer let in only when it is sound."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any, Literal, TypeAlias

from pydantic_ai import exceptions as ai
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextContent,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, check_allow_model_requests
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from agent.errors import AgentError

LONGEST_ANSWER = 60_000
"""Most characters of one answer; the longest real one (four tool calls and a draft) has about 8,000."""

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and with which key a model is reached, when litellm's own way to find them is not meant."""

    base: str = ""
    key: str = field(default="", repr=False)


# --- what can go wrong ---------------------------------------------------------------------------------------------

Flaw: TypeAlias = Literal["nothing", "cut_off", "filtered", "refused", "words", "too_long", "malformed"]

FLAWS: Mapping[Flaw, str] = {
    "nothing": "its answer was empty",
    "cut_off": "its answer was cut off at the token limit",
    "filtered": "its content filter held the answer back",
    "refused": "it refused to answer",
    "words": "it wrote text instead of calling the tools",
    "too_long": "its answer was far too long",
    "malformed": "its tool calls could not be read",
}
WORTH_ANOTHER_TRY: frozenset[Flaw] = frozenset({"nothing", "words", "malformed"})


class BadAnswer(AgentError):
    """The model answered with something that must not become a draft."""

    def __init__(self, flaw: Flaw, usage: RequestUsage) -> None:
        super().__init__(f"{FLAWS[flaw]}.")
        self.flaw: Flaw = flaw
        self.usage = usage
        """What the answer used; it is paid for all the same."""
        self.retryable = flaw in WORTH_ANOTHER_TRY


SECRETS = re.compile(
    r"""(?ix)
    (?P<keep> \b (?: bearer | basic | api[-_ ]?key (?:\ provided)? | authorization | password | token )
        ["']? \s* [:=\s] \s* ["']? ) [^\s"',}]{6,}
    | (?<=://) [^/\s:@]+ : [^/\s@]+ (?=@)
    | (?<=[?&]) (?: key | token | sig | api_key ) = [^&\s]+
    | \b (?: sk | pk | rk | gsk | hf | xai | ghp | xox[abp] | AIza ) [-_A-Za-z0-9*]{8,}
    | \b (?= [-_A-Za-z0-9]* [0-9] ) (?= [-_A-Za-z0-9]* [A-Za-z] ) [-_A-Za-z0-9]{28,} \b
    """
)


def scrub(text: str, *secrets: str) -> str:
    """The text without keys: the given ones and all that looks like one."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return SECRETS.sub(lambda found: f"{found['keep'] or ''}***", text)


# --- one request ---------------------------------------------------------------------------------------------------


@cache
def load_litellm() -> Any:
    """The litellm module, kept from the network while it is imported."""
    # Both must be set before the import: litellm else fetches a price list and reads a `.env` while it is imported.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.telemetry = False
    return litellm


class LiteLLMModel(Model):
    """A model as litellm names it, e.g. `openai/gpt-4o-mini`; one call is one request, and only a sound answer returns.

    Importing litellm takes seconds and 130 MB, so it happens here and not with this module.
    """

    def __init__(self, name: str, *, endpoint: Endpoint | None = None, settings: ModelSettings | None = None) -> None:
        super().__init__(settings=settings)
        self._name = name
        self._endpoint = endpoint or Endpoint()
        self._litellm = load_litellm()
        self._unobserved: ContextVar[bool] = importlib.import_module("litellm._internal_context").is_internal_call
        self._provider_errors: type[Exception] = importlib.import_module("openai").OpenAIError

    @property
    def model_name(self) -> str:
        """The name as litellm takes it."""
        return self._name

    @property
    def system(self) -> str:
        """Who is asked, as traces name it."""
        return "litellm"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One request, one answer.

        Raises:
            ModelAPIError: the provider did not answer; the subclass says why.
            BadAnswer: it answered with something that must not become a draft.

        """
        check_allow_model_requests()
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        # Else litellm copies and measures every answer for observers that the desk has none of: a third of its time.
        self._unobserved.set(True)
        try:
            raw = await self._litellm.acompletion(**self._call(messages, settings or {}, parameters))
        except self._provider_errors as error:
            # The provider's own error may quote the key or the case, so it is not chained.
            raise self._mapped(error) from None
        return _response(raw, parameters)

    def _call(self, messages: list[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters) -> Json:
        passed = ("max_tokens", "temperature", "top_p", "seed", "timeout", "parallel_tool_calls")
        call: Json = {name: value for name, value in settings.items() if name in passed and value is not None}
        call |= {
            "model": self._name,
            "messages": wire(messages, parameters),
            "num_retries": 0,  # both: litellm's layers read different ones, and none may retry unseen
            "max_retries": 0,
            "drop_params": True,
            "_skip_mcp_handler": True,  # litellm 1.106 else imports `mcp` for any tool call and fails without it
        }
        if self._endpoint.base:
            call["api_base"] = self._endpoint.base
        if self._endpoint.key:
            call["api_key"] = self._endpoint.key
        if tools := parameters.declared_tool_defs.values():
            call["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description or "",
                        "parameters": tool.parameters_json_schema,
                    },
                }
                for tool in tools
            ]
            call["tool_choice"] = "auto" if parameters.allow_text_output else "required"
        return call

    def _mapped(self, error: Any) -> ai.ModelAPIError:
        text = scrub(str(error), self._endpoint.key)[:300]
        # litellm keeps the real headers apart; `response` is one that it makes up without them.
        headers = getattr(error, "litellm_response_headers", None)
        status = getattr(error, "status_code", None)
        if isinstance(error, self._litellm.Timeout):
            return ai.ModelTimeoutError(self._name, text)
        if not isinstance(status, int) or status < 400 or (status >= 500 and not headers):
            return ai.ModelConnectionError(self._name, text)
        category = _CATEGORIES.get(status)
        if isinstance(error, self._litellm.ContextWindowExceededError):
            category = ai.ModelContextWindowExceededError
        elif "insufficient_quota" in text or "credit balance" in text:
            category = ai.ModelQuotaExceededError
        return ai.ModelHTTPError.for_category(
            category or (ai.ModelServerError if status >= 500 else ai.ModelRequestRejectedError),
            status_code=status,
            model_name=self._name,
            body=text,
            headers=dict(headers or {}),
        )


_CATEGORIES: Mapping[int, Any] = {
    401: ai.ModelAuthenticationError,
    403: ai.ModelAuthenticationError,
    402: ai.ModelQuotaExceededError,
    404: ai.ModelNotFoundError,
    429: ai.ModelRateLimitError,
    503: ai.ModelUnavailableError,
    529: ai.ModelUnavailableError,
}


def wire(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> list[Json]:
    """The conversation in OpenAI's chat form; litellm turns it into each provider's own."""
    out: list[Json] = []
    if parts := parameters.instruction_parts:
        out.append({"role": "system", "content": "\n\n".join(part.content for part in parts)})
    for message in messages:
        out += _asked(message) if isinstance(message, ModelRequest) else _answered(message)
    return out


def _asked(message: ModelRequest) -> list[Json]:
    out: list[Json] = []
    for part in message.parts:
        if isinstance(part, SystemPromptPart):
            out.append({"role": "system", "content": part.content})
        elif isinstance(part, ToolReturnPart) and not part.files:
            out.append({"role": "tool", "tool_call_id": part.tool_call_id, "content": part.model_response_str()})
        elif isinstance(part, UserPromptPart):
            items = [part.content] if isinstance(part.content, str) else part.content
            texts = [item.content if isinstance(item, TextContent) else item for item in items]
            if not all(isinstance(text, str) for text in texts):
                raise ai.UserError("A prompt holds something other than text; the desk sends text only.")
            out.append({"role": "user", "content": "\n\n".join(str(text) for text in texts)})
        else:
            raise ai.UserError(f"A {type(part).__name__} cannot be sent; the desk sends text and tool results only.")
    return out


def _answered(message: ModelResponse) -> list[Json]:
    text = "\n\n".join(part.content for part in message.parts if isinstance(part, TextPart))
    calls = [
        {
            "id": part.tool_call_id,
            "type": "function",
            "function": {"name": part.tool_name, "arguments": part.args_as_json_str()},
        }
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    if not text and not calls:
        return []
    return [{"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}]


def _response(raw: Any, parameters: ModelRequestParameters) -> ModelResponse:
    """The answer as parts, if it may become a draft."""
    usage = _usage(raw)
    if not raw.choices:
        raise BadAnswer("nothing", usage)
    choice = raw.choices[0]
    message, finish = choice.message, choice.finish_reason
    text = str(message.content or "")
    calls = [
        ToolCallPart(call.function.name or "", call.function.arguments or "{}", tool_call_id=str(call.id or n))
        for n, call in enumerate(message.tool_calls or ())
    ]
    if flaw := _flaw(message, finish, text, calls, parameters):
        raise BadAnswer(flaw, usage)
    # Text beside tool calls is thinking aloud; it must not end up as an answer.
    parts: list[ModelResponsePart] = [*calls] if calls else [TextPart(text)]
    return ModelResponse(
        parts=parts,
        usage=usage,
        model_name=str(raw.model),
        provider_name="litellm",
        provider_response_id=str(raw.id),
        finish_reason="tool_call" if calls else "stop",
    )


def _flaw(
    message: Any, finish: object, text: str, calls: Sequence[ToolCallPart], parameters: ModelRequestParameters
) -> Flaw | None:
    extra: Mapping[str, object] = getattr(message, "provider_specific_fields", None) or {}
    length = len(text) + sum(len(str(call.args)) for call in calls)
    readable = all(call.tool_name in parameters.tool_defs and _is_object(call) for call in calls)
    checks: tuple[tuple[Flaw, bool], ...] = (
        ("filtered", finish == "content_filter"),
        ("cut_off", finish == "length"),
        ("refused", bool(extra.get("refusal") or getattr(message, "refusal", None))),
        ("too_long", length > LONGEST_ANSWER),
        ("malformed", not readable),
        ("nothing", not calls and not text.strip()),
        ("words", not calls and not parameters.allow_text_output),
    )
    return next((flaw for flaw, holds in checks if holds), None)


def _is_object(call: ToolCallPart) -> bool:
    try:
        return isinstance(json.loads(str(call.args)), dict)  # `args_as_json_str` would mend what is broken
    except ValueError:
        return False


def _usage(raw: Any) -> RequestUsage:
    used = getattr(raw, "usage", None)
    hidden: Json = getattr(raw, "_hidden_params", None) or {}
    cost = hidden.get("response_cost")
    return RequestUsage(
        input_tokens=_count(used, "prompt_tokens"),
        output_tokens=_count(used, "completion_tokens"),
        cache_read_tokens=_count(getattr(used, "prompt_tokens_details", None), "cached_tokens"),
        cost=round(Decimal(str(cost)), 10) if isinstance(cost, (int, float)) and 0 <= cost < 1000 else None,
    )


def _count(used: object, name: str) -> int:
    value = getattr(used, name, None)  # a provider's figure: nothing says that it is one
    return value if isinstance(value, int) and 0 <= value < 10**9 else 0
