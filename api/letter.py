"""A proposal as plain text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from agent.pack import Pack
from api import say, show

WIDTH = 96


def letter(answer: Mapping[str, Any], pack: Pack, now: datetime) -> str:
    """Triage, draft, findings, sources, clocks and precedents of a proposal."""
    return "\n".join(_lines(answer, show.sheet(answer, pack, now), pack.store.time_zone, now))


def _lines(  # noqa: PLR0912 - one branch for each part that may be missing
    answer: Mapping[str, Any], sheet: show.Sheet, zone: str, now: datetime
) -> Iterator[str]:
    state = {"ready": "✓ ready", "blocked": "✕ blocked", "needs_human": "▲ needs a person"}[answer["state"]]
    yield f"{state}{': ' + answer['state_reason'] if answer.get('state_reason') else ''}"
    yield ""
    for line in sheet.triage:
        sure = f" ({line.sure})" if line.sure else ""
        yield from _wrap(f"{line.name:11} {line.value}{sure}{'. ' + line.reason if line.reason else ''}", 12)
    for name, values in (("Flags", sheet.flags), ("Missing", sheet.missing)):
        if values:
            yield from _wrap(f"{name:11} {', '.join(values)}", 12)
    if sheet.human_lead:
        yield from _wrap(f"{'Human lead':11} {sheet.human_lead}", 12)
    for clock in sheet.clocks:
        yield f"{'Due':11} {clock.metric}: {say.local(clock.at, zone, now)}"
    yield ""
    if sheet.plain:
        yield f"── {sheet.kind} by {sheet.engine} {'─' * (WIDTH - 10 - len(sheet.kind) - len(sheet.engine))}"
        if sheet.subject:
            yield f"Subject: {sheet.subject}\n"
        for paragraph in sheet.plain.split("\n"):
            yield from textwrap.wrap(paragraph, WIDTH) or [""]
        yield "─" * WIDTH
    for finding in sheet.findings:
        yield from _wrap(f"{'✕ blocks' if finding.hard else '▲ warns'}: {finding.message}", 2)
    if sheet.facts:
        yield "\nFacts"
        for fact in sheet.facts:
            yield f"  {fact.icon} {fact.text} ({fact.state}, from {fact.source})"
    yield "\nPrecedents"
    for past in sheet.precedents:
        yield from _wrap(f"  {past.issue_type} ({past.why}): {past.remedy} Cost {past.cost}, took {past.took}.", 4)
    if sheet.precedents_note or not sheet.precedents:
        yield from _wrap(f"  {sheet.precedents_note or 'none'}", 2)


def _wrap(text: str, indent: int) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * indent)
