"""The drafter of this process after the texts were swapped."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from api.livetexts import LiveTexts
from api.parts import Loaded

_NOTES: Final = {
    "words": "the classifier learns the new words of the pack when the desk is started again",
    "labels": "cases are drafted with the version before until the desk is started again, because the classifier must "
    "learn the new issue types or severities",
}
"""What `/readyz` says of a pack that the classifier has not learned."""


def retexted(live: LiveTexts, loaded: Loaded) -> Loaded:
    """The parts with a drafter for the texts in use; while its classifier does not know their labels, as they were."""
    from agent.retext import unlearned, with_texts

    texts, live.note = live.texts, ""
    if loaded.deps is None:
        return loaded
    lacking = unlearned(loaded.learned, texts.pack)
    if lacking:
        live.note = _NOTES[lacking]
    if lacking == "labels":
        return loaded
    deps = with_texts(loaded.deps, texts.pack, texts.prompts, texts.rules, texts.outbreak)
    return replace(loaded, deps=deps)
