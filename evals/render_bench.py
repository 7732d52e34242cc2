"""How fast active prompts render: every prompt with every fixture that fits it. `python -m evals.render_bench`."""

from __future__ import annotations

import argparse
import json
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from agent.prompts import load_prompts

PROMPTS = Path(__file__).resolve().parents[1] / "prompts"


def main() -> None:
    """Print p50, p95 and the most, in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="renderings of each pair (default: 5)")
    parser.add_argument("--json", action="store_true", help="for programs")
    chosen = parser.parse_args()
    prompts = load_prompts(PROMPTS)
    taken: list[float] = []
    for path in sorted((PROMPTS / "fixtures").glob("*.json")):
        fixture: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for id_ in (id_ for id_ in prompts.all if any(fnmatchcase(id_, pattern) for pattern in fixture["used_by"])):
            prompts.render(id_, fixture["values"])  # compiles it, which happens once in the life of a process
            for _ in range(chosen.rounds):
                started = time.perf_counter()
                prompts.render(id_, fixture["values"])
                taken.append((time.perf_counter() - started) * 1000)
    taken.sort()
    found = {
        "renderings": len(taken),
        "p50_ms": taken[len(taken) // 2],
        "p95_ms": taken[len(taken) * 95 // 100],
        "most_ms": taken[-1],
    }
    if chosen.json:
        print(json.dumps(found))
        return
    print(
        f"{found['renderings']} renderings: p50 {found['p50_ms']:.2f} ms, p95 {found['p95_ms']:.2f} ms, most {found['most_ms']:.2f} ms"
    )


if __name__ == "__main__":
    main()
