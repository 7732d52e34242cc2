"""Measures outbreak detection: reports of one lot among near misses and cases that have nothing to do with it.

`python -m evals.outbreak DIR` reads `lot.jsonl` (every row reports the same lot, in the wire form of an escalation) and
`near.jsonl` (no row does), or one file of both, whose rows say `group` (`lot` or anything else) and `of` (the lot that they are
about, "" for none), one lot after the other. It mixes them with escalations of the judgement set as if all had come in within two days, and lets
each in turn pass the detector. `--show` lists every miss, wrong link and offered merge.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from agent import intake
from agent.case import Escalation
from agent.errors import AgentError
from agent.outbreak import Detector, Duplicate, Middle, OutbreakRules, Trace, Tracer, load_rules
from agent.wire import WireEscalation
from evals.errors import DatasetError, EvalsError
from evals.judgement import PROMPTS, Judge, load_dataset, load_judge

Json: TypeAlias = dict[str, Any]

HOURS = 48
"""All cases come in within so many hours of the first report of the lot."""
OTHERS = 300


@dataclass(slots=True)
class Run:
    """What the detector made of all cases."""

    incidents: dict[str, str] = field(default_factory=dict[str, str])
    """Case id -> incident."""
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    duplicates: list[tuple[str, Duplicate]] = field(default_factory=list[tuple[str, Duplicate]])
    """The later case with the earlier one that it may be merged with."""


def load(path: Path) -> list[Escalation]:
    """Escalations of a JSONL file; fields that are no part of the wire form are left out.

    Raises:
        DatasetError: with file and line.

    """
    found: list[Escalation] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise DatasetError(f"{path}: cannot be read ({e}); give a folder with lot.jsonl and near.jsonl.") from None
    for number, line in enumerate(lines, start=1):
        try:
            row = {k: v for k, v in json.loads(line).items() if k in WireEscalation.model_fields}
            found.append(intake.parse(row, now=datetime.fromisoformat(row["received_at"]), case_id=row["id"]))
        except (ValueError, KeyError, TypeError, AttributeError, AgentError) as e:
            raise DatasetError(f"{path}, line {number}: not an escalation ({e}); correct that line.") from None
    return found


def lots(source: Path) -> list[tuple[str, list[Escalation], list[Escalation]]]:
    """Name, reports and other cases of every lot of a folder or file.

    Raises:
        DatasetError: with file and line, or when there is no report.

    """
    if not source.is_file():
        found = [(source.name, load(source / "lot.jsonl"), load(source / "near.jsonl"))]
    else:
        cases = load(source)
        rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
        told = [(case, row.get("group"), str(row.get("of", ""))) for case, row in zip(cases, rows, strict=True)]
        found = [
            (name, [c for c, group, of in told if group == "lot" and of == name], [c for c, group, of in told if group != "lot" and of in {name, ""}])
            for name in dict.fromkeys(of for _, group, of in told if group == "lot")
        ]  # fmt: skip
    if not found or not all(reports for _, reports, _ in found):
        raise DatasetError(f"{source}: holds no report of a lot; give it at least three.")
    return found


def trace(judge: Judge, tracer: Tracer, case: Escalation) -> Trace:
    """One case read and judged as the desk does."""
    seen = judge.reader.read(case, case.received_at)
    judged = judge.judged(seen)
    return tracer.trace(case, seen, judged.issue_type, judged.severity)


def timed(lot: Sequence[Trace], mixed: Iterable[Trace], seed: int = 0) -> list[Trace]:
    """All traces in the order of their arrival: who came in outside the lot's two days gets an instant within them."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, no secret
    start = min(t.at for t in lot)
    found: list[Trace] = []
    for t in (*lot, *mixed):
        instant = start + timedelta(minutes=chance.randrange(HOURS * 60))
        inside = start <= t.at < start + timedelta(hours=HOURS)
        found.append(t if inside else replace(t, at=instant))
    return sorted(found, key=lambda t: (t.at, t.case_id))


def run(rules: OutbreakRules, traces: Sequence[Trace]) -> Run:
    """Every trace past the detector, in order."""
    detector, done = Detector(rules), Run()
    founded = 0
    for number, t in enumerate(traces):
        seen = detector.look(t, traces[:number], done.incidents)
        founded += seen.verdict == "founds"
        for link in seen.links:
            done.incidents[link.case_id] = seen.incident or f"incident {founded}"
            done.reasons[link.case_id] = str(link)
        done.duplicates += [(t.case_id, d) for d in seen.duplicates]
    return done


def measure(done: Run, lot: Iterable[str]) -> Json:
    """Figures of a run; `lot` are the ids of the cases that belong together."""
    ids = set(lot)
    incidents = Counter(done.incidents.values())
    of_lot = Counter(done.incidents[c] for c in ids if c in done.incidents)
    main = of_lot.most_common(1)[0][0] if of_lot else ""
    inside = {c for c, name in done.incidents.items() if name == main}
    return {
        "cases_of_the_lot": len(ids),
        "incidents_found": len(incidents),
        "linked_of_the_lot": len(inside & ids),
        "wrong_links": len(done.incidents.keys() - ids),
        "wrong_links_in_the_incident_of_the_lot": len(inside - ids),
        "duplicates_offered": len(done.duplicates),
    }


def _shown(done: Run, lot: Iterable[str], texts: dict[str, str]) -> list[str]:
    missed = [f"missed: {c} “{texts[c]}”" for c in lot if c not in done.incidents]
    ids = set(lot)
    wrong = [
        f"wrong: {c} in {name}, {done.reasons[c]} “{texts[c]}”" for c, name in done.incidents.items() if c not in ids
    ]
    offered = [f"merge offered: {c} into {d.case_id}, {d.reason}" for c, d in done.duplicates]
    return [*missed, *wrong, *offered]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: figures on standard output; 2 when a file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m evals.outbreak", description=__doc__)
    parser.add_argument("source", type=Path, help="folder with lot.jsonl and near.jsonl, or a file of both")
    parser.add_argument("--others", type=int, default=OTHERS, help="cases of the judgement set that are mixed in")
    parser.add_argument("--seed", type=int, default=0, help="which of them, and when they come in")
    parser.add_argument("--show", action="store_true", help="list misses, wrong links and offered merges")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    chosen = parser.parse_args(arguments)
    from retrieval.embed import SentenceEncoder
    from retrieval.multilingual import MultilingualEncoder

    try:
        sets = lots(chosen.source)
        judge = load_judge(SentenceEncoder(), MultilingualEncoder())
        rules = load_rules(PROMPTS, judge.pack)
        others = [row.case for row in load_dataset()]
    except (AgentError, EvalsError) as error:
        print(error, file=sys.stderr)
        return 2
    random.Random(chosen.seed).shuffle(others)  # noqa: S311 - reproducible, no secret
    tracer = Tracer(judge.pack, judge.reader.signals, rules, Middle.of(judge.classifier.taught), b"evals")
    mixed = [trace(judge, tracer, case) for case in others[: chosen.others]]
    told = [case for _, reports, near in sets for case in (*reports, *near)]
    texts = {case.id: " ".join(case.messages[-1].text.split())[:100] for case in (*others, *told)}
    figures: dict[str, Json] = {}
    for name, reports, near in sets:
        lot = [trace(judge, tracer, case) for case in reports]
        around = [trace(judge, tracer, case) for case in near]
        done = run(rules, timed(lot, [*around, *mixed], chosen.seed))
        ids = [case.id for case in reports]
        figures[name] = measure(done, ids)
        if not chosen.json:
            print("\n".join([name, *(f"  {what.replace('_', ' '):40}{n}" for what, n in figures[name].items())]))
        if chosen.show:
            print("\n".join(_shown(done, ids, texts)), file=sys.stderr if chosen.json else sys.stdout)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
