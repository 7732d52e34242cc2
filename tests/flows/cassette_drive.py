"""Plays a stored case: the whole pipeline, with a language model in front of the embedded engine.

What is learned is pinned: each case says what the classifier answers, and texts are placed by their words. So a prompt
depends on files and code alone and is the same on every machine and after every retraining.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from agent.case import Proposal
from agent.llm import build_model
from agent.llm_request import Endpoint
from agent.pipeline import Deps, propose
from agent.prompts import Prompts
from evals.cassette import FOLDER, Cassette
from tests.fakes import desk

CASES = FOLDER / "cases.jsonl"


@cache
def cases() -> dict[str, dict[str, Any]]:
    """The stored cases by id: `now`, what the classifier says, and the escalation in wire form."""
    rows = (json.loads(line) for line in CASES.read_text("utf-8").splitlines())
    return {row["case"]: row for row in rows}


async def play(cassette: Cassette, *, prompts: Prompts | None = None) -> Proposal:
    """The desk's answer to the case of this cassette, whose model is asked first; notes what shaped the prompt."""
    row = cases()[cassette.case]
    deps = desk.pinned(**row["classifier"])
    if prompts:
        deps = replace(deps, prompts=prompts)
    model = build_model(
        [cassette.model], embedded=deps.model, endpoints={cassette.model: Endpoint(key="test-key")}, sleep=_at_once
    )
    now = datetime.fromisoformat(row["now"])
    proposal = await propose(desk.escalation(row["escalation"], now=now), replace(deps, model=model), now=now)
    cassette.versions = _versions(deps, row["classifier"]["issue_type"])
    return proposal


def _versions(deps: Deps, issue_type: str) -> dict[str, str]:
    parts = ("triage", "draft/case", f"draft/{issue_type}")
    return {"pack": deps.pack.version, **{part: deps.prompts.version(part)[:16] for part in parts}}


async def _at_once(_: float) -> None:
    await asyncio.sleep(0)
