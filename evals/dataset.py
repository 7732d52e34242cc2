"""The stored cases: escalations with what an experienced lead would decide, loaded strictly.

`evals/datasets/cases/*.yaml` hold the expectations, `evals/cases/<name>.json` the escalation and its instant.
`python -m evals.dataset` checks them; `--schema` writes the schema by which editors check them too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from pydantic import AwareDatetime, ValidationError

from agent import intake
from agent.case import Escalation
from agent.errors import BadInput, BrokenFile
from agent.pack import Pack, load_pack
from agent.yamlfile import line_of, read_yaml
from evals.errors import DatasetError, EvalsError
from evals.expectations import Expected, Row, Severities, Strict, SuiteFile, Vocabulary, binds

Json: TypeAlias = dict[str, Any]
Split: TypeAlias = Literal["gate", "guard", "holdout", "quarantine"]

ROOT: Final = Path(__file__).resolve().parents[1]
PROMPTS: Final = ROOT / "prompts"
SAMPLE: Final = PROMPTS / "sample_store"
SUITES: Final = ROOT / "evals/datasets/cases"
FILES: Final = ROOT / "evals/cases"
SCHEMA: Final = ROOT / "evals/datasets/escalation.schema.json"
MOST_QUARANTINED: Final = 0.05
"""Share of the cases that may be in quarantine at a time: more, and the suite no longer says much."""


class CaseFile(Strict):
    """An escalation in the wire form, and the instant at which it is answered."""

    now: AwareDatetime
    escalation: Json


@dataclass(frozen=True)
class Case:
    """One case, ready to run."""

    row: Row
    now: datetime
    payload: Json
    """The escalation in the wire form."""
    split: Split
    """`quarantine` while that lasts, else the split of its row."""

    @property
    def name(self) -> str:
        """Its name, which no other case has."""
        return self.row.name

    @property
    def expected(self) -> Expected:
        """What must hold of the answer."""
        return self.row.expected

    @cached_property
    def escalation(self) -> Escalation:
        """The escalation as intake reads it."""
        return intake.parse(self.payload, now=self.now, case_id=case_id(self.name))


def case_id(name: str) -> str:
    """The id under which a case runs: the same in each run, and in the form of a real one."""
    return f"case_{hashlib.sha256(name.encode()).hexdigest()[:10].upper()}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """All cases by name, with the hash of what they hold."""

    cases: Mapping[str, Case]
    hash: str


def load(pack: Pack, today: date, *, suites: Path = SUITES, files: Path = FILES, prompts: Path = PROMPTS) -> Dataset:
    """Every case of the folder `suites`.

    Args:
        pack: whose ids the expectations name.
        today: decides which quarantines have ended.
        suites: folder of the YAML files.
        files: folder of the case files.
        prompts: folder with the guard's items.

    Raises:
        DatasetError: with file and line: an unknown key or id, a name used twice, a case file that is missing, unused
            or no escalation, a case that nothing can fail, no case at all, or too many in quarantine.

    """
    vocabulary = Vocabulary.of(pack, prompts)
    found: dict[str, tuple[Case, Path, int]] = {}
    for path in sorted(suites.glob("*.yaml")):
        for row, line in _rows(path):
            if row.name in found:
                _, first, at = found[row.name]
                raise _wrong(
                    path, line, f"`{row.name}` is also the name of a case in {first.name}, line {at}", "rename one"
                )
            _check(row, vocabulary, path, line)
            found[row.name] = (_case(row, files, path, line, today), path, line)
    if not found:
        raise _wrong(suites, 0, "there is no case", "add a YAML file of cases")
    for case, path, line in found.values():
        _check_twin(case.row, {name: c.row for name, (c, _, _) in found.items()}, path, line)
    for path in sorted(files.glob("*")):
        if path.suffix != ".json" or path.stem not in found:
            raise _wrong(path, 0, "no case of the suite has this name", "add the case, or remove the file")
    cases = {name: found[name][0] for name in sorted(found)}
    held = sum(c.split == "quarantine" for c in cases.values())
    if held > max(1, MOST_QUARANTINED * len(cases)):
        raise _wrong(
            suites, 0, f"{held} of {len(cases)} cases are in quarantine, at most {MOST_QUARANTINED:.0%} may be",
            "mend some",
        )  # fmt: skip
    return Dataset(cases, _hash(cases))


def _rows(path: Path) -> Iterator[tuple[Row, int]]:
    """The rows of a file with their lines."""
    try:
        suite = read_yaml(path, SuiteFile)
    except BrokenFile as error:
        raise DatasetError(str(error)) from None
    text = path.read_text(encoding="utf-8")
    starts = [n for n, line in enumerate(text.splitlines(), 1) if line.lstrip(" -").startswith("name:")]
    even = len(starts) == len(suite.cases)  # one mark a case: no need to compose the file anew for each
    for number, row in enumerate(suite.cases):
        yield row, starts[number] if even else line_of(text, ("cases", number))


def _wrong(path: Path, line: int, problem: str, fix: str) -> DatasetError:
    at = f"{path}, line {line}" if line else f"{path}"
    return DatasetError(f"{at}: {problem}; {fix}.")


def _check(row: Row, vocabulary: Vocabulary, path: Path, line: int) -> None:
    e = row.expected
    severity = e.severity or Severities(allow=())
    named: dict[str, Sequence[str]] = {
        "issue_type": e.issue_type, "severity.allow": severity.allow, "severity.forbid": severity.forbid,
        "primary_team": e.primary_team, "collaborators": e.collaborators, "flags": e.flags, "must_cover": e.must_cover,
        "must_not": e.must_not, "policy_refs": e.policy_refs, "language": [e.language] if e.language else [],
    }  # fmt: skip
    for field, ids in named.items():
        known = vocabulary.ids[field]
        if unknown := [i for i in ids if i not in known]:
            raise _wrong(
                path, line, f"{row.name}: `{field}` names the unknown `{unknown[0]}`", f"use one of {', '.join(known)}"
            )
    if both := set(severity.allow) & set(severity.forbid):
        raise _wrong(path, line, f"{row.name}: severity {min(both)} is allowed and forbidden", "keep one of the two")
    if e.severity and not e.severity.allow:
        raise _wrong(path, line, f"{row.name}: no severity is allowed", "name at least one")
    if not binds(row, vocabulary):
        raise _wrong(path, line, f"{row.name}: no answer can fail this case", "say what must hold of the answer")


def _check_twin(row: Row, rows: Mapping[str, Row], path: Path, line: int) -> None:
    if row.injection is None:
        return
    twin = rows.get(row.injection.twin)
    if twin is None or twin.injection is not None:
        problem = "is no case" if twin is None else "has injected words itself"
        raise _wrong(path, line, f"{row.name}: its twin `{row.injection.twin}` {problem}", "name the clean case")


def _case(row: Row, files: Path, suite: Path, line: int, today: date) -> Case:
    path = files / f"{row.name}.json"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _wrong(
            suite, line, f"{row.name}: the case file {path} is missing", "add it, or remove the case"
        ) from None
    except UnicodeDecodeError:
        raise _wrong(path, 0, "the file is not UTF-8", "save it as UTF-8") from None
    try:
        json.loads(text)
        held = CaseFile.model_validate_json(text)
    except json.JSONDecodeError as e:
        raise _wrong(path, e.lineno, f"not valid JSON ({e.msg})", "correct it there") from None
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise _wrong(path, _json_line(text, first["loc"]), f"{where}: {first['msg']}", "correct it there") from None
    paused = row.metadata.quarantine
    case = Case(row, held.now, held.escalation, "quarantine" if paused and today < paused.until else row.metadata.split)
    try:
        seen = case.escalation
    except BadInput as e:
        raise _wrong(
            path, _json_line(text, tuple(e.field.split("."))), f"no escalation: {e.field} {e}", e.fix
        ) from None
    if any(later := [w for w in seen.warnings if "lies in the future" in w]):
        raise _wrong(path, 0, f"{later[0]}", "set `now` after the last message")
    return case


def _json_line(text: str, where: Sequence[str | int]) -> int:
    """The line of the first place that has the deepest key named, 0 for none."""
    keys = [str(key) for key in where if isinstance(key, str) and not key.isdigit()]
    return next((n for n, row in enumerate(text.splitlines(), 1) if keys and f'"{keys[-1]}"' in row), 0)


def _hash(cases: Mapping[str, Case]) -> str:
    """Over expectations and escalations; who wrote a case and whether it is in quarantine change no score."""
    content = [
        [
            name, case.row.expected.model_dump(mode="json"), case.row.metadata.split, case.row.metadata.cluster,
            case.row.injection.model_dump(mode="json") if case.row.injection else None, case.row.reference,
            case.now.isoformat(), case.payload,
        ]
        for name, case in cases.items()
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def schema() -> Json:
    """JSON Schema of a YAML file of cases, with the ids of the present pack where a field names such."""
    made = SuiteFile.model_json_schema()
    ids = Vocabulary.of(load_pack(PROMPTS, SAMPLE), PROMPTS).ids
    fields = {**made["$defs"]["Expected"]["properties"]}
    fields |= {f"severity.{k}": v for k, v in made["$defs"]["Severities"]["properties"].items()}
    for name, known in ids.items():
        if name == "language":
            fields[name]["enum"] = ["", *known]
        else:
            fields[name]["items"] = {"enum": list(known)}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def write_schema(path: Path = SCHEMA) -> None:
    """Put the schema where the first line of each YAML file points to."""
    path.write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table(dataset: Dataset) -> str:
    """Counts of the cases by split, issue type, severity and language."""
    cases = list(dataset.cases.values())
    parts = {
        "split": Counter(c.split for c in cases),
        "issue type": Counter((c.expected.issue_type or ("-",))[0] for c in cases),
        "severity": Counter(c.expected.severity.allow[0] if c.expected.severity else "-" for c in cases),
        "language": Counter(c.expected.language or "-" for c in cases),
        "provenance": Counter(c.row.metadata.provenance for c in cases),
    }
    lines = [f"{name:12}" + "  ".join(f"{k} {n}" for k, n in sorted(counts.items())) for name, counts in parts.items()]
    return "\n".join([f"{len(cases)} cases, dataset {dataset.hash}", *lines])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: counts on standard output; 2 when a file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m evals.dataset", description="Check the stored cases.")
    parser.add_argument("--schema", action="store_true", help="write the schema for editors and check nothing")
    parser.add_argument("--today", type=date.fromisoformat, default=date.max, help="the day that quarantines end by")
    parser.add_argument("--suites", type=Path, default=SUITES, help="folder of the YAML files")
    parser.add_argument("--files", type=Path, default=FILES, help="folder of the case files")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.schema:
            write_schema()
            return 0
        print(table(load(load_pack(PROMPTS, SAMPLE), chosen.today, suites=chosen.suites, files=chosen.files)))
    except (EvalsError, BrokenFile) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
