"""The one agent that serves every engine: its frozen deps, read tools and structured-output tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic_ai import Agent, ModelRetry, RunContext, ToolOutput

from agent.pack import Pack

Json = dict[str, Any]

FINAL = "final_result"
CLASSIFY = "classify_severity"
ROUTE = "route_team"


class OutCitation(BaseModel):
    """What a sentence rests on."""

    model_config = ConfigDict(extra="forbid")
    source: Literal["policy", "order", "dispute", "precedent", "clock", "message", "store"]
    ref: str


class OutPromise(BaseModel):
    """A commitment in the text."""

    model_config = ConfigDict(extra="forbid")
    action: str
    text: str
    due: datetime | None = None
    amount: str | None = None
    currency: str = ""
    backed_by: str = ""


class OutAction(BaseModel):
    """Something for the human to do."""

    model_config = ConfigDict(extra="forbid")
    kind: str
    reason: str
    amount: str | None = None
    currency: str = ""
    policy: str = ""


class DraftOutput(BaseModel):
    """The draft: text to the customer (`reply`, `question`) or for the human alone (`brief`)."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    kind: Literal["reply", "question", "brief"]
    subject: str
    body: str
    citations: list[OutCitation] = []
    promises: list[OutPromise] = []
    proposed_actions: list[OutAction] = []


@dataclass(frozen=True, slots=True)
class Bench:
    """What the tools may use for one case: order and dispute are the verified customer's own; no tool takes a customer."""

    pack: Pack
    instructions: str
    floor: str
    """Severity that no engine may go below; "" for none."""
    human_lead: bool
    order: Callable[[str], Json | None]
    dispute: Callable[[str], Json | None]
    search: Callable[[str, int], list[Json]]


def read_amount(amount: str | None) -> Decimal | None:
    """The figure of an amount that a model wrote.

    Raises:
        ModelRetry: it is no number.

    """
    if amount is None:
        return None
    try:
        return Decimal(amount)
    except InvalidOperation:
        raise ModelRetry(f"`{amount}` is not an amount; write it like 18.40") from None


async def _instructions(ctx: RunContext[Bench]) -> str:
    return ctx.deps.instructions


def search_precedents(ctx: RunContext[Bench], query: str, k: int = 3) -> list[Json]:
    """Past resolved escalations like `query`, as cards without personal data; the best are in the case file already."""
    return ctx.deps.search(query[:500], max(1, min(k, 10)))


async def look_up_order(ctx: RunContext[Bench], order_id: str) -> Json:
    """An order of this case's verified customer."""
    return ctx.deps.order(order_id) or {"found": False, "why": "no such order of this verified customer"}


async def look_up_dispute(ctx: RunContext[Bench], order_id: str) -> Json:
    """The bank dispute on an order of this case's verified customer."""
    return ctx.deps.dispute(order_id) or {"found": False, "why": "no dispute on an order of this verified customer"}


async def look_up_policy(ctx: RunContext[Bench], topic: str) -> list[Json]:
    """Lines of the store's policy on an issue type or with a word, with the ids to cite."""
    word = topic.strip().lower()
    lines = ctx.deps.pack.policy.items()
    return [
        {"id": name, "text": line.text["en"], **line.facts}
        for name, line in lines
        if word in line.topics or word in name or word in line.text["en"].lower()
    ]


async def classify_severity(
    ctx: RunContext[Bench], severity: str, criteria: list[str], reason: str, confidence: float
) -> str:
    """Decide the severity by the criteria that hold; never below the floor in the case file."""
    order = ctx.deps.pack.severity_order
    known = [c.id for c in ctx.deps.pack.criteria]
    if severity not in order:
        raise ModelRetry(f"unknown severity `{severity}`; use one of {', '.join(order)}")
    if unknown := [c for c in criteria if c not in known]:
        raise ModelRetry(f"unknown criteria {', '.join(unknown)}; use ids of {', '.join(known)}, or none")
    if not 0 <= confidence <= 1:
        raise ModelRetry("confidence is a probability between 0 and 1")
    if ctx.deps.floor and order.index(severity) > order.index(ctx.deps.floor):
        raise ModelRetry(f"`{severity}` is below the floor {ctx.deps.floor}, which rules have set; raise it")
    del reason
    return severity


async def route_team(
    ctx: RunContext[Bench], primary_team: str, collaborators: list[str], reason: str, issue_type: str = ""
) -> str:
    """Route the case to a primary team and those to pull in; `issue_type` only when the case file has it wrong."""
    pack = ctx.deps.pack
    if unknown := [t for t in (primary_team, *collaborators) if t not in pack.teams]:
        raise ModelRetry(f"unknown team {', '.join(unknown)}; use ids of {', '.join(pack.teams)}")
    if issue_type and issue_type not in pack.issue_types:
        raise ModelRetry(f"unknown issue type `{issue_type}`; use one of {', '.join(pack.issue_types)}")
    del reason
    return primary_team


async def _usable(ctx: RunContext[Bench], draft: DraftOutput) -> DraftOutput:
    if not draft.body.strip():
        raise ModelRetry("the draft is empty; write it")
    if ctx.deps.human_lead and draft.kind != "brief":
        raise ModelRetry("a person leads this case: write a `brief` for them, not a text to the customer")
    for amount in (*(p.amount for p in draft.promises), *(a.amount for a in draft.proposed_actions)):
        read_amount(amount)
    return draft


@lru_cache(maxsize=1)
def desk_agent() -> Agent[Bench, DraftOutput]:
    """The agent without a model; a run brings its own.

    What only looks at memory is a coroutine: a plain function would be sent to a thread and back, which costs more than
    it does. `search_precedents` encodes, so it is sent.
    """
    agent: Agent[Bench, DraftOutput] = Agent(
        deps_type=Bench,
        output_type=ToolOutput(DraftOutput, name=FINAL),
        retries=5,
        end_strategy="graceful",
    )
    agent.instructions(_instructions)
    agent.tool(search_precedents)
    agent.tool(look_up_order)
    agent.tool(look_up_dispute)
    agent.tool(look_up_policy)
    agent.tool(name=CLASSIFY)(classify_severity)
    agent.tool(name=ROUTE)(route_team)
    agent.output_validator(_usable)
    return agent


def decisions(messages: Mapping[str, Any] | Any) -> dict[str, Json]:
    """Arguments of the last successful call of each structured-output tool in a run's messages."""
    from pydantic_ai.messages import ModelRequest, ModelResponse, ToolCallPart, ToolReturnPart

    calls: dict[str, ToolCallPart] = {}
    done: dict[str, Json] = {}
    for message in messages:
        if isinstance(message, ModelResponse):
            calls |= {part.tool_call_id: part for part in message.parts if isinstance(part, ToolCallPart)}
        elif isinstance(message, ModelRequest):
            for part in message.parts:
                if isinstance(part, ToolReturnPart) and part.outcome == "success" and part.tool_call_id in calls:
                    call = calls[part.tool_call_id]
                    if call.tool_name in {CLASSIFY, ROUTE}:
                        done[call.tool_name] = call.args_as_dict()
    return done
