"""Measures the embedded engine's judgement on labelled escalations that it never learns from.

`python -m evals.judgement` prints the figures by language; `--show` lists what was judged wrongly, `--json` gives all,
`--wrapped` puts greeting, small talk, signature and a quoted answer around each text.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from agent import intake, learn, triage
from agent.case import Escalation, Triage
from agent.classifier import Classifier
from agent.errors import AgentError
from agent.pack import Pack, load_pack
from agent.signals import Signals
from agent.strip import body
from agent.understand import Reader, Understanding
from evals.errors import DatasetError, EvalsError
from evals.stats import calibration_error
from retrieval.precedent import Encoder

Json: TypeAlias = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
PROMPTS = ROOT / "prompts"
SAMPLE = PROMPTS / "sample_store"
DATASET = Path(__file__).parent / "datasets/judgement"
CACHE = ROOT / "var/classifier"
_UNDER = (4.0, 10.0, 20.0)
"""Cost of judging the most severe one, two or three levels too low; half of it for each level below."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One escalation with what two experienced leads would say of it."""

    case: Escalation
    expected: Json


@dataclass(frozen=True, slots=True)
class Judged:
    """One escalation with what was expected and what the engine decided."""

    case: Escalation
    expected: Json
    triage: Triage

    def right(self, what: str) -> bool:
        """Whether `issue_type` or `severity` is the expected one, or one that is as good."""
        return getattr(self.triage, what) in {self.expected[what], *self.expected.get(f"{what}_also_ok", ())}


@dataclass(frozen=True, slots=True)
class Judge:
    """The embedded engine up to its triage."""

    pack: Pack
    reader: Reader
    classifier: Classifier

    def decide(self, case: Escalation) -> Triage:
        """The triage of one case, read at the instant at which it came in.

        Vectors that only retrieval needs are left out, as when teaching: the triage is the same, in half the time.
        """
        return self.judged(self.reader.read(case, case.received_at, teaching=True))

    def judged(self, seen: Understanding) -> Triage:
        """The triage of what was read."""
        heads = self.classifier.predict(seen.sense)
        prior = triage.Prior(heads["issue_type"], heads["severity"], heads["human_lead"].get("yes", 0.0))
        return triage.decide(self.pack, seen, prior)


def load_reader() -> Reader:
    """What reads cases, with both encoders."""
    from retrieval.embed import SentenceEncoder
    from retrieval.multilingual import MultilingualEncoder

    pack = load_pack(PROMPTS, SAMPLE)
    return Reader(pack, Signals(pack), SentenceEncoder(), MultilingualEncoder())


def load_judge(english: Encoder, multilingual: Encoder, cache: Path = CACHE) -> Judge:
    """The engine taught by starter texts and the sample store's history; training is kept under `cache`."""
    pack = load_pack(PROMPTS, SAMPLE)
    reader = Reader(pack, Signals(pack), english, multilingual)
    taught = learn.rows(learn.files(PROMPTS, SAMPLE))
    name = learn.fingerprint(pack, taught, english.fingerprint, multilingual.fingerprint)
    return Judge(pack, reader, learn.learn(cache, taught, reader, name, _progress))


def load_dataset(folder: Path = DATASET) -> list[Labelled]:
    """All labelled escalations of the folder's JSONL files.

    Raises:
        DatasetError: with file and line.

    """
    found: list[Labelled] = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                row = json.loads(line)
                expected = row.pop("expected")
                at = datetime.fromisoformat(row["received_at"])
                found.append(Labelled(intake.parse(row, now=at, case_id=row["id"]), expected))
            except (ValueError, KeyError, TypeError, AgentError) as e:
                raise DatasetError(
                    f"{path}, line {number}: not a labelled escalation ({e}); correct that line."
                ) from None
    return found


def wrapped(row: Labelled) -> Labelled:
    """The escalation as mail brings it: a greeting, small talk, a signature and the quoted answer of the store around the last message."""
    around = _mail()["de" if row.expected["language"] == "de" else "en"]
    *earlier, last = row.case.messages
    mail = replace(last, text=f"{around['before']}\n\n{body(last.text) or last.text}\n\n{around['after']}")
    return replace(row, case=replace(row.case, messages=(*earlier, mail)))


@cache
def _mail() -> dict[str, dict[str, str]]:
    """What mail puts before and after a message, by language."""
    return yaml.safe_load((DATASET.parent / "mail.yaml").read_text(encoding="utf-8"))


def run(judge: Judge, dataset: Sequence[Labelled]) -> list[Judged]:
    """Every escalation judged."""
    return [Judged(row.case, row.expected, judge.decide(row.case)) for row in dataset]


def measure(judged: Sequence[Judged], pack: Pack) -> Json:
    """Figures of these judgements; shares are 0 to 1, None when there is nothing to measure them on."""
    order = pack.severity_order
    most = [j for j in judged if j.expected["severity"] == order[0]]
    others = [j for j in judged if order[0] not in {j.expected["severity"], *j.expected.get("severity_also_ok", ())}]
    led = [j for j in judged if j.expected["human_lead"]]
    called_led = [j for j in judged if j.triage.human_lead]
    wanted = [(team, j) for j in judged for team in j.expected["collaborators"]]
    return {
        "n": len(judged),
        "issue_type": _share(judged, lambda j: j.right("issue_type")),
        "severity": _share(judged, lambda j: j.right("severity")),
        "most_severe_given": dict(sorted(Counter(j.triage.severity for j in most).items())),
        "others_called_most_severe": _share(others, lambda j: j.triage.severity == order[0]),
        "human_lead_recall": _share(led, lambda j: j.triage.human_lead),
        "human_lead_precision": _share(called_led, lambda j: j.expected["human_lead"]),
        "collaborator_recall": _share(wanted, lambda w: w[0] in w[1].triage.collaborators),
        "severity_cost": round(sum(_cost(order, j) for j in judged) / len(judged), 3) if judged else None,
        "severity_cost_of_constant": _constant(order, judged),
        "needs_human": _share(judged, lambda j: j.triage.needs_human),
        "calibration_error": {
            what: calibration_error([(j.triage.confidence[what], j.right(what)) for j in judged])
            for what in ("issue_type", "severity")
        },
        "confusion": {
            "issue_type": _confusion(judged, "issue_type", tuple(pack.issue_types)),
            "severity": _confusion(judged, "severity", order),
        },
    }


def by_language(judged: Sequence[Judged], pack: Pack) -> dict[str, Json]:
    """Figures for each language, the one with most texts first, and for `all`."""
    counts = Counter(j.expected["language"] for j in judged)
    parts = {x: measure([j for j in judged if j.expected["language"] == x], pack) for x, _ in counts.most_common()}
    return {**parts, "all": measure(judged, pack)}


def severity_cost(order: Sequence[str], true: str, given: str) -> float:
    """Cost of giving one severity for another: too high costs its distance, too low several times that."""
    rank, low = order.index(true), order.index(given) - order.index(true)
    return _UNDER[min(low, len(_UNDER)) - 1] / 2**rank if low > 0 else float(-low)


def _cost(order: Sequence[str], j: Judged) -> float:
    return 0.0 if j.right("severity") else severity_cost(order, j.expected["severity"], j.triage.severity)


def _constant(order: Sequence[str], judged: Sequence[Judged]) -> float | None:
    """Mean cost of the one severity that, always given, costs least."""
    if not judged:
        return None
    costs = [sum(severity_cost(order, j.expected["severity"], given) for j in judged) for given in order]
    return round(min(costs) / len(judged), 3)


def _share(rows: Sequence[Any], holds: Callable[[Any], bool]) -> float | None:
    return round(sum(holds(row) for row in rows) / len(rows), 3) if rows else None


def _confusion(judged: Sequence[Judged], what: str, labels: Sequence[str]) -> dict[str, dict[str, int]]:
    """Expected label -> given label -> count; what is as good counts as expected."""
    table: dict[str, dict[str, int]] = {label: {} for label in labels}
    for j in judged:
        given = getattr(j.triage, what)
        row = table[given if j.right(what) else j.expected[what]]
        row[given] = row.get(given, 0) + 1
    return table


# --- on the command line --------------------------------------------------------------------------------------------


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty() or done == of or done % 200 == 0:
        print(f"\rlearning from {done} of {of} texts", end="\n" if done == of else "", file=sys.stderr, flush=True)


def render(parts: Mapping[str, Json]) -> str:
    """The figures as text: a table by language, then the confusion matrices of all."""
    rows = [key for key in parts["all"] if key not in {"confusion", "calibration_error"}]
    lines = [f"{'':28}" + "".join(f"{name:>22}" for name in parts)]
    lines += [f"{key:28}" + "".join(f"{_figure(part[key]):>22}" for part in parts.values()) for key in rows]
    for what in parts["all"]["calibration_error"]:
        figures = "".join(f"{_figure(part['calibration_error'][what]):>22}" for part in parts.values())
        lines.append(f"{'calibration_error ' + what:28}{figures}")
    for what, table in parts["all"]["confusion"].items():
        lines += ["", f"{what}: expected (rows) against given (columns), all languages"]
        lines += _matrix(table)
    return "\n".join(lines)


def _matrix(table: Mapping[str, Mapping[str, int]]) -> list[str]:
    columns = {label: (label if len(label) < 4 else str(at)) for at, label in enumerate(table, start=1)}
    head = f"{'':32}" + "".join(f"{short:>4}" for short in columns.values())
    named = [(f"{short} {label}" if short != label else label, label) for label, short in columns.items()]
    return [head] + [
        f"{name:32}" + "".join(f"{table[label].get(given, 0) or '.':>4}" for given in columns) for name, label in named
    ]


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{k}:{v}" for k, v in value.items()) or "-"  # pyright: ignore[reportUnknownVariableType]
    return "-" if value is None else str(value)


def _wrong(judged: Sequence[Judged]) -> list[str]:
    return [
        f"{j.case.id} {what}: expected {j.expected[what]}, given {getattr(j.triage, what)} "
        f"at {j.triage.confidence[what]:.0%}; {j.triage.severity_reason}"
        for j in judged
        for what in ("issue_type", "severity")
        if not j.right(what)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: figures on standard output; 2 when a file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m evals.judgement", description=__doc__)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--show", action="store_true", help="list what was judged wrongly")
    parser.add_argument("--language", nargs="+", default=[], help="only texts of these languages, e.g. en de")
    parser.add_argument("--wrapped", action="store_true", help="each text as mail brings it, in English and German")
    chosen = parser.parse_args(arguments)
    from retrieval.embed import SentenceEncoder
    from retrieval.multilingual import MultilingualEncoder

    try:
        judge = load_judge(SentenceEncoder(), MultilingualEncoder())
        wanted = [x for x in load_dataset() if not chosen.language or x.expected["language"] in chosen.language]
        judged = run(judge, [wrapped(x) for x in wanted] if chosen.wrapped else wanted)
    except (AgentError, EvalsError) as error:
        print(error, file=sys.stderr)
        return 2
    figures = by_language(judged, judge.pack)
    print(json.dumps(figures, indent=2) if chosen.json else render(figures))
    if chosen.show:
        print("\n".join(["", *_wrong(judged)]), file=sys.stderr if chosen.json else sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
