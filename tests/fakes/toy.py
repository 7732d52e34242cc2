"""A toy of the agent: three tools, an embedded engine that fills them, and a provider to draft with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    ToolCallPart,
)
from pydantic_ai.models import Model
from pydantic_ai.usage import UsageLimits

from agent.llm import EMBEDDED, Authorship, Limits, authorship, build_model
from agent.llm_request import Endpoint
from tests.fakes.provider import Provider

NAME = "openai/gpt-4o-mini"
OTHER = "openai/gpt-4o"
CLAUDE = "anthropic/claude-sonnet-4-5"
KEY = "sk-proj-0123456789abcdefghijkl"
ANSWERS: dict[str, dict[str, Any]] = {
    "classify_severity": {"severity": "S3", "reason": "one order damaged"},
    "route_team": {"team": "fulfilment", "reason": "goods arrived broken"},
    "final_result": {"body": "written by the model"},
}


class Letter(BaseModel):
    body: str


class ToyEmbedded(Model):
    """What the embedded engine is to the chain: a pure function of the messages that fills every tool."""

    model_name = property(lambda _: EMBEDDED)
    system = property(lambda _: EMBEDDED)

    async def request(
        self, messages: list[ModelMessage], model_settings: Any, model_request_parameters: Any
    ) -> ModelResponse:
        answers = {**ANSWERS, "final_result": {"body": "written by the embedded engine"}}
        return ModelResponse(parts=[ToolCallPart(name, arguments) for name, arguments in answers.items()])


def toy_agent(*, retries: int = 5) -> Agent[None, Letter]:
    agent = Agent(output_type=Letter, instructions="Answer the case.", retries=retries)

    @agent.tool_plain
    def classify_severity(severity: Literal["S1", "S2", "S3", "S4"], reason: str) -> str:
        if severity == "S4":
            raise ModelRetry("The floor of this case is S3.")
        return f"{severity} noted"

    @agent.tool_plain
    def route_team(team: str, reason: str) -> dict[str, Any]:
        return {"team": team, "collaborators": ["returns"], "lines": [reason, "two"]}

    return agent


@dataclass
class Run:
    body: str
    by: Authorship
    messages: list[ModelMessage]
    seconds: float


async def no_wait(_: float) -> None:
    await asyncio.sleep(0)


async def draft(model: Model, text: str = "My lamp is broken.") -> Run:
    began = time.monotonic()
    result = await toy_agent().run(text, model=model, usage_limits=UsageLimits(request_limit=10))
    messages = result.all_messages()
    return Run(result.output.body, authorship(messages), messages, time.monotonic() - began)


def serve(
    *script: str,
    limits: Limits | None = None,
    times: int = 1,
    sleep: Callable[[float], Awaitable[None]] = no_wait,
    answers: dict[str, dict[str, Any]] | None = None,
    settle: float = 0.0,
) -> tuple[Run, Provider]:
    """Draft `times` cases with one model that behaves as scripted; the last run is returned."""

    async def go() -> tuple[Run, Provider]:
        async with Provider(script, answers=ANSWERS if answers is None else answers) as provider:
            model = build_model(
                [NAME],
                embedded=ToyEmbedded(),
                limits=limits or Limits(answer_s=5),
                endpoints={NAME: Endpoint(provider.base_url, KEY)},
                sleep=sleep,
            )
            for _ in range(times):
                run = await draft(model)
            await closed(provider, settle)
            return run, provider

    return asyncio.run(go())


async def closed(provider: Provider, within: float) -> int:
    """Connections still open after at most this many seconds."""
    for _ in range(int(within / 0.02)):
        if not provider.open_connections:
            break
        await asyncio.sleep(0.02)
    return provider.open_connections
