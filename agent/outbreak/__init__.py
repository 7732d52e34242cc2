"""Outbreaks: three customers and more who report the same thing, found as their cases come in."""

from __future__ import annotations

from agent.outbreak.detect import Detector, Duplicate, Link, Sighting
from agent.outbreak.rules import OutbreakRules, load_rules
from agent.outbreak.trace import Middle, Trace, Tracer, customer_key

__all__ = [
    "Detector", "Duplicate", "Link", "Middle", "OutbreakRules", "Sighting", "Trace", "Tracer", "customer_key", "load_rules",
]  # fmt: skip
