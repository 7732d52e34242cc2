from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from agent.pack import load_pack

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders_view import ISSUE_TYPES, LANGUAGES, PROMPTS

PACK = load_pack(PROMPTS, PROMPTS / "sample_store")
HARMS: dict[str, Any] = yaml.safe_load((PROMPTS / "pack/harms.yaml").read_text())["harms"]


def test_every_harm_has_a_clause_in_every_language_and_patterns_that_compile():
    types = set(ISSUE_TYPES)
    for id_, entry in HARMS.items():
        assert set(entry) - {"general"} == {"issue_types", "any", "phrase"}, id_
        assert set(entry["issue_types"]) <= types, id_
        phrases = PACK.harms[id_].phrase
        assert set(phrases) == set(LANGUAGES), id_
        assert all(not p.endswith(".") and p[0] != " " for p in phrases.values()), id_
        assert not re.search(
            r"\bour (?:fault|mistake)|\bwe (?:sent|made)|wir haben", entry["phrase"]["en"] + entry["phrase"]["de"]
        ), id_
        for pattern in entry["any"]:
            re.compile(pattern.replace("~ ", "(?: [^ ]+){0,5}? ").replace("~", "(?:[^ ]+ ){0,5}?"), re.IGNORECASE)
