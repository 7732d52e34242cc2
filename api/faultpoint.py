"""Named places where a test may kill the process, to show that nothing is lost or done twice.

A crash can only matter between two effects, so there is a point before and after each commit and each call that
leaves the process. In production nothing is armed and a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VERBS: Final = (
    "receive", "record_message", "request_draft", "apply_proposal", "draft_failed", "record_review", "record_sent",
    "set_status", "claim", "extend", "requeue", "finish", "take_letters", "delivered", "refused", "sweep",
    "acknowledge", "settle_promise", "set_severity", "adopt_policy", "no_reply_needed", "meet_deadline",
    "record_satisfaction", "outbox",
    "incident", "sight",
    "undo_approval", "resolve_finding", "assign", "take_over", "snooze", "add_note", "set_routing", "look", "rate", "misled",
    "set_password", "throttle", "set_person", "preferences",
    "add_principal", "make_key", "revoke_key", "make_link", "sign_in", "sign_out",
    "put_precedents", "set_vectors", "remove_precedents", "mailbox_place", "mailbox_draft",
    "take_deliveries", "apply_delivery", "replay_delivery", "activate_texts", "propose_texts", "note_evidence",
    "import_past", "freeze_baseline", "erase", "rate_items", "rate_output", "adjudicate",
)  # fmt: skip
"""All transactions that write; each has a point before and after its commit."""

POINTS: Final = frozenset(
    {f"{verb}.{place}" for verb in VERBS for place in ("before_commit", "committed")}
    | {"job.loaded", "job.processed", "deliver.before_send", "deliver.after_send"}
)
"""Every place; a run of the fault loop that misses one of them fails."""


@dataclass(slots=True)
class _Armed:
    at: int = 0
    hits: int = 0
    log: Path | None = None


_armed: _Armed | None = None


def arm(at: int, log: Path | None = None) -> None:
    """Kill this process (SIGKILL) at the `at`-th hit of any point; 0 kills never. Names hit are appended to `log`."""
    global _armed  # noqa: PLW0603 - one process, one plan of when to die
    _armed = _Armed(at, 0, log)


def faultpoint(name: str) -> None:
    """A place where the process may die."""
    if name not in POINTS:
        raise ValueError(f"{name!r} is not listed in api/faultpoint.py; add it to POINTS.")
    if _armed is None:
        return
    _armed.hits += 1
    if _armed.log is not None:
        with _armed.log.open("a") as file:
            file.write(name + "\n")
    if _armed.hits == _armed.at:
        os.kill(os.getpid(), signal.SIGKILL)
