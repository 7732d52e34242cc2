"""Audits what `desk draft --batch` wrote: `python tests/audit_batch.py IN.JSONL OUT.JSONL` (from the project's root).

Counts lines, errors, empty drafts and hard findings, and lets the separate extractor look for the source of every fact in every
draft. Exit code 1 when a line has an error, an empty draft or a fact without a source.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from extractor import audit, records

PROMPTS = Path(__file__).resolve().parents[1] / "prompts"
STORE = PROMPTS / "sample_store"
OF_STORE = [STORE / "store.yaml", STORE / "policy.yaml", STORE / "products.yaml", PROMPTS / "pack/authority.yaml"]
EMERGENCY = "999 112 116 123"


def problems(given: dict[str, Any], answer: dict[str, Any], store: list[str]) -> list[str]:
    """What is wrong with one answer, in sentences."""
    if "error" in answer:
        return [f"error: {answer['error']['detail']}"]
    if not answer["draft"] or not answer["draft"]["body"].strip():
        return ["empty draft"]
    own = [*records(given), *records(answer["clocks"]), answer["case_id"], EMERGENCY]
    own += [f["text"] for f in answer["guard"]["facts"] if f["source"].startswith("clock:")]
    day = datetime.fromisoformat(given["received_at"]).date() if given.get("received_at") else None
    return audit(answer["draft"]["body"], answer["guard"]["facts"], [*own, *store], base=day)


def main(given: str, answered: str) -> int:
    """The command."""
    store = [text for path in OF_STORE for text in records(yaml.safe_load(path.read_text("utf-8")))]
    pairs = zip(*(Path(p).read_text("utf-8").splitlines() for p in (given, answered)), strict=True)
    states, wrong = Counter[str](), 0
    for line, other in pairs:
        case, answer = json.loads(line), json.loads(other)
        states[answer.get("state", "error")] += 1
        for problem in (found := problems(case, answer, store)):
            print(f"{case.get('id')}: {problem}")
        wrong += bool(found)
        for finding in answer.get("guard", {}).get("findings", ()):
            if finding["hard"]:
                print(f"{case.get('id')}: hard finding: {finding['message']}")
    print(
        f"{sum(states.values())} answers ({', '.join(f'{n} {s}' for s, n in states.most_common())}); {wrong} with an error, no draft or an unsourced fact"
    )
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:3]))
