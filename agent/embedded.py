"""The embedded engine: a model without a network, a pure function of the messages that it is given.

It reads the case file out of the first prompt, takes the triage that rules and classifier made, and writes the draft
from the templates of the issue type and language.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from agent.case import HOLDING
from agent.errors import AgentError
from agent.llm import EMBEDDED
from agent.prompts import SHORT, Prompts
from agent.tools import CLASSIFY, FINAL, ROUTE

Json = dict[str, Any]

_CASE_FILE = re.compile(r"<case_file>\n(.*?)\n</case_file>", re.DOTALL)
_STOP = re.compile(r"[.!?](?=\s|$)|\n\n")
_SUBJECT = "Subject: "
_DEFAULT_LANGUAGE = "en"


class NoCaseFileError(AgentError):
    """The messages hold no case file, so there is nothing to answer."""


def draft_language(prompts: Prompts, language: str, issue_type: str) -> str:
    """The language of the draft: the customer's where there are texts for it, else English."""
    return language if f"reply/{language}/{issue_type}" in prompts.all else _DEFAULT_LANGUAGE


class EmbeddedModel(Model):
    """Fills the same tools as a language model does, from rules, classifier and templates."""

    def __init__(self, prompts: Prompts) -> None:
        super().__init__()
        self._prompts = prompts

    @property
    def model_name(self) -> str:
        """Name of the engine."""
        return "embedded"

    @property
    def system(self) -> str:
        """Name of the provider."""
        return "embedded"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """All three decisions in one answer."""
        file = case_file(messages)
        return ModelResponse(
            parts=[
                ToolCallPart(CLASSIFY, file["triage"]["severity"]),
                ToolCallPart(ROUTE, file["triage"]["route"]),
                ToolCallPart(FINAL, write(self._prompts, file)),
            ],
            model_name=self.model_name,
            usage=RequestUsage(),
        )


def case_file(messages: list[ModelMessage]) -> Json:
    """The case file in the first prompt.

    Raises:
        NoCaseFileError: there is none.

    """
    for message in messages:
        if isinstance(message, ModelRequest):
            for part in message.parts:
                if isinstance(part, UserPromptPart) and isinstance(part.content, str):
                    found = _CASE_FILE.search(part.content)
                    if found:
                        return json.loads(found[1])
    raise NoCaseFileError("The prompt holds no case file; restore prompts/draft/case.md.")


def template_of(prompts: Prompts, file: Json) -> tuple[str, str]:
    """Kind of the draft that the embedded engine writes for a case file, and the prompt file that it writes it from."""
    view, language = file["view"], file["language"]
    holding = f"reply/{language}/{HOLDING}"
    if view["human_lead"]:
        return "brief", f"brief/{language}"
    if file["hint"] == HOLDING and holding in prompts.all:
        return "reply", holding
    if view["missing"] == ["what_happened"]:
        return "question", f"reply/{language}/question"
    return "reply", f"reply/{language}/{view['issue_type']}"


def used(prompts: Prompts, instruction: str, file: Json, engine: str) -> dict[str, str]:
    """Version of each prompt file that a draft was made with, by id; `instruction` is that of its issue type."""
    ids = ["triage", "draft/case", instruction]
    if engine == EMBEDDED:
        ids.append(template_of(prompts, file)[1])
    return {id_: prompts.version(id_)[:SHORT] for id_ in ids}


def write(prompts: Prompts, file: Json) -> Json:
    """The draft of a case file as arguments of the final output."""
    view = file["view"]
    kind, template = template_of(prompts, file)
    rendered = prompts.compose(template, view)
    head, _, body = rendered.text.partition("\n")
    body = body.strip()
    slot = view["clock"]["next_update"]
    promises = []
    if slot and slot in body and kind != "brief":
        promises = [
            {
                "action": "next_update",
                "text": _around(body, slot),
                "due": file["slots"]["next_update"],
                "backed_by": "clock:next_update",
            }
        ]
    citations = [{"source": "policy", "ref": name} for name in rendered.cites]
    if promises:
        citations.append({"source": "clock", "ref": "next_update"})
    return {
        "kind": kind,
        "subject": head.removeprefix(_SUBJECT).strip(),
        "body": body,
        "citations": citations,
        "promises": promises,
        "proposed_actions": [{"kind": name, "reason": view["severity_reason"]} for name in rendered.proposes],
    }


def _around(body: str, slot: str) -> str:
    """The sentence of `body` that holds `slot`, whose own full stops end nothing."""
    at = body.index(slot)
    opens = max((m.end() for m in _STOP.finditer(body, 0, at)), default=0)
    closes = _STOP.search(body, at + len(slot))
    return body[opens : closes.end() if closes else len(body)].strip()
