"""Case files ("views") by hand for the texts: the least one says, and what a test adds to it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from agent.pack import load_pack

ROOT = Path(__file__).resolve().parents[1]
PROMPTS = ROOT / "prompts"

_TYPES = yaml.safe_load((PROMPTS / "pack/issue_types.yaml").read_text())["issue_types"]
_TEAMS = yaml.safe_load((PROMPTS / "pack/teams.yaml").read_text())["teams"]
_LINES = yaml.safe_load((PROMPTS / "sample_store/policy.yaml").read_text())["lines"]
_CONTACTS = yaml.safe_load((PROMPTS / "sample_store/store.yaml").read_text())["contacts"]
_PACK = load_pack(PROMPTS, PROMPTS / "sample_store")

ISSUE_TYPES: tuple[str, ...] = tuple(_TYPES)
TEXTS: dict[str, Any] = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((ROOT / "tests" / "agent" / "reply_texts").glob("*.yaml"))
}
"""Language -> what its letters are read for."""
LANGUAGES = tuple(TEXTS)


def word(name: str, language: str) -> str:
    """A date, amount or word as it stands in drafts of this language."""
    found: str = TEXTS[language]["words"][name]
    return found


def harm(id_: str, language: str) -> str:
    """The phrase of a harm."""
    return _PACK.harms[id_].phrase[language]


def order(language: str, **over: Any) -> dict[str, Any]:
    """A looked-up order, dispatched and on its way."""
    return {
        "id": "FH-104233", "placed_on": word("placed", language), "status": "dispatched",
        "total": word("price", language), "item": "Halo desk lamp",
        "items": [{"name": "Halo desk lamp", "quantity": 1, "price": word("price", language)}],
        "carrier": "Parcelwing", "tracking": "PW1234567890", "tracking_state": "in transit",
        "dispatched_on": word("dispatched", language), "expected_on": word("expected", language), "delivered_on": "",
        "refunds": [], "refunded_total": "",
        "charges": [{"amount": word("price", language), "on": word("placed", language), "status": "captured"}],
        "return": None, "days_since_delivery": None, "within_return_window": None,
        **over,
    }  # fmt: skip


def view(issue_type: str, language: str = "en", **over: Any) -> dict[str, Any]:
    """A case file of this type; `over` replaces keys, and keys of `said` where a dict is given for it."""
    team = _TYPES[issue_type]["primary_team"]
    made: dict[str, Any] = {
        "case": {"id": "case_01JD3M", "channel": "email", "language": language,
                 "received_on": word("received", language)},
        "store": {"name": "Fernhill", "support_email": "care@fernhill.example"},
        "customer": {"name": "Hanna Brandt", "verified": None},
        "issue_type": issue_type, "severity": "S3", "severity_reason": "one order hit", "flags": [],
        "human_lead": False, "human_lead_reason": "", "tone": "plain",
        "said": {
            "order_id": "FH-104233", "item": "Halo desk lamp", "items": ["Halo desk lamp"], "harms": [], "amounts": [],
            "deadline": "", "occasion": "", "contacts": 1, "photos": False, "wants": "", "delivered_scan": False,
            "tracking": "", "threat": "", "dispute_open": False, "many_affected": False, "workaround": False,
            "human_requested": False, "injury": False, "quote": "", "own_words": "", "notice": False, "question": False,
        },
        "order": None, "dispute": None,
        "policy": {
            id_: {"text": line["text"].get(language, line["text"]["en"]), **line["facts"]}
            for id_, line in _LINES.items() if issue_type in line["topics"]
        },
        "clock": {"next_update": word("update", language)},
        "contact": {"name": _CONTACTS[team], "team": _TEAMS[team]["title"]},
        "missing": [], "precedents": [],
        "brief": {"timeline": [], "earlier_promises": [], "options": [], "avoid": [], "found_order": ""},
    }  # fmt: skip
    for key, value in copy.deepcopy(over).items():
        if isinstance(made[key], dict) and isinstance(value, dict):
            made[key] = {**made[key], **value}
        else:
            made[key] = value
    said, customer = made["said"], made["customer"]
    said.setdefault("order_ids", [said["order_id"]] if said["order_id"] else [])
    customer.setdefault("given", customer["name"])
    return made
