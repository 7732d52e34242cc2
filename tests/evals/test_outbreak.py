from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.outbreak import Trace, load_rules
from evals import outbreak
from evals.errors import DatasetError
from tests.fakes.desk import NOW, PROMPTS, pack


def row(name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "text": "It leaks, lot VB-2609.",
        "received_at": "2026-11-24T10:00:00Z",
        "channel": "email",
    } | more


def written(folder: Path, **files: list[dict[str, Any]]) -> Path:
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return folder


def trace(name: str, hour: float = 0, lot: str = "VB2609") -> Trace:
    vector = np.ones(4, np.float32) / 2
    at = NOW + timedelta(hours=hour)
    return Trace(name, at, name, "damaged_or_defective", lots=frozenset({lot} if lot else ()), vector=vector)


def test_rows_are_read_without_what_is_no_part_of_an_escalation(tmp_path: Path):
    folder = written(tmp_path, lot=[row("a", group="lot", expected={"language": "en"}), row("b")])
    assert [case.id for case in outbreak.load(folder / "lot.jsonl")] == ["a", "b"]


@pytest.mark.parametrize(
    "bad", ["{", '{"id": "a"}', "[]", '{"id": "a", "text": "", "received_at": "2026-11-24T10:00:00Z"}']
)
def test_a_row_that_is_no_escalation_is_named_by_file_and_line(tmp_path: Path, bad: str):
    path = tmp_path / "lot.jsonl"
    path.write_text(json.dumps(row("a")) + "\n" + bad + "\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"lot\.jsonl, line 2"):
        outbreak.load(path)


def test_a_folder_without_reports_ends_with_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert outbreak.main([str(tmp_path)]) == 2
    assert outbreak.main([str(written(tmp_path, lot=[], near=[]))]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "lot.jsonl: cannot be read" in first
    assert "holds no report" in second


def test_all_cases_come_in_within_two_days_and_the_lot_at_its_own_hours():
    lot = [trace("a", 0), trace("b", 30)]
    others = [trace(f"o{i}", hour) for i, hour in enumerate((-500, 3, 47.9, 48.1, 9000))]
    found = outbreak.timed(lot, others, seed=3)
    at = {t.case_id: t.at for t in found}
    assert [t.at for t in found] == sorted(at.values())
    assert all(NOW <= t.at < NOW + timedelta(hours=48) for t in found)
    assert (at["b"], at["o1"], at["o2"]) == (lot[1].at, others[1].at, others[2].at)
    assert at == {t.case_id: t.at for t in outbreak.timed(lot, others, seed=3)}


def test_hits_misses_and_wrong_links_are_counted():
    lot = [trace(n, i) for i, n in enumerate("abcd")]
    lot[3] = replace(lot[3], issue_type="billing_dispute", vector=np.zeros(0, np.float32))
    wrong = [trace("w", 5), *(replace(trace(n, 6, "KT1180"), vector=np.zeros(0, np.float32)) for n in "xyz")]
    again = replace(trace("a2", 7), customer="a")
    rules = load_rules(PROMPTS, pack())
    rules = rules.model_copy(update={"nearness": rules.nearness.model_copy(update={"same_lot": 0.0})})
    figures = outbreak.measure(outbreak.run(rules, outbreak.timed(lot, [*wrong, again])), [*"abcd", "a2"])
    assert figures == {
        "cases_of_the_lot": 5, "incidents_found": 2, "linked_of_the_lot": 4, "wrong_links": 4,
        "wrong_links_in_the_incident_of_the_lot": 1, "duplicates_offered": 1,
    }  # fmt: skip
