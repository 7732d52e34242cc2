"""A drafter goes on with other texts: only what depends on them is made anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent import learn
from agent.embedded import EmbeddedModel
from agent.guard import Rulebook
from agent.llm import Chain
from agent.outbreak import OutbreakRules
from agent.pack import Pack
from agent.pipeline import Deps
from agent.prompts import Prompts
from agent.signals import Signals


def unlearned(learned: list[Any], pack: Pack) -> str:
    """What a classifier that learned from `learn.heard` of another pack does not know of this one: "" for nothing,
    `words`, or `labels`, without which it cannot work.
    """
    heard = learn.heard(pack)
    if learned == heard:
        return ""
    return "words" if [set(names) for names in learned[-2:]] == [set(names) for names in heard[-2:]] else "labels"


def with_texts(
    deps: Deps, pack: Pack, prompts: Prompts, rulebook: Rulebook, outbreak: OutbreakRules | None
) -> Deps:  # fmt: skip
    """The drafter with these texts; the classifier stays, so its labels must still be those of the pack."""
    embedded = EmbeddedModel(prompts)
    model = deps.model.with_embedded(embedded) if isinstance(deps.model, Chain) else embedded
    deps = replace(deps, prompts=prompts, rulebook=rulebook, model=model)
    if pack is deps.pack:
        return deps
    signals = Signals(pack)
    tracer = (
        deps.tracer.with_pack(pack, signals, outbreak) if deps.tracer is not None and outbreak is not None else None
    )
    reader = deps.reader.with_pack(pack, signals)
    return replace(deps, pack=pack, signals=signals, reader=reader, tracer=tracer)
