"""The facts of a case: what a draft may rest on, and the ledger that says what each of its words rests on."""

from agent.facts.evidence import Evidence, PolicyLine, Slot, StoreFacts
from agent.facts.judge import PERSONAL, ledger
from agent.facts.text import Text, fold

__all__ = ["PERSONAL", "Evidence", "PolicyLine", "Slot", "StoreFacts", "Text", "fold", "ledger"]
