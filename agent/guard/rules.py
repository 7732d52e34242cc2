"""Every rule of the guard, each a small function of one reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from agent.guard import backing, form, precedents, says
from agent.guard.reading import Findings, Reading

Rule: TypeAlias = Callable[[Reading], Findings]

RULES: Final[dict[str, Rule]] = {
    rule.__name__: rule
    for rule in (
        form.nothing_said, backing.unsupported_fact, backing.foreign_personal_data, backing.unverified_order_fact, backing.invented_tracking,
        backing.invented_policy, backing.unbacked_promise, backing.claimed_action, says.money_sent, says.admits_fault, says.accuses,
        says.pressure, says.advises, says.reveals, says.asks_secret, says.other_channel, says.blocks_escalation, says.customer_deadline,
        says.unsafe, says.gives_away, says.vocabulary, form.active_content, form.leaked_prompt, form.hidden_characters, form.encoded_text,
        form.wrong_language, form.echoed_instruction, form.missing_content,
        precedents.differs_from_precedent,
    )
}  # fmt: skip
"""Every rule by its name, which is the name in its findings."""
BRIEF_RULES: Final = frozenset(
    {"nothing_said", "unsupported_fact", "foreign_personal_data", "leaked_prompt", "hidden_characters", "encoded_text"}
)
"""Rules that a brief is read for; it is for a colleague, so they only warn."""
