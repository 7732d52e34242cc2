from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from agent.yamlfile import read_yaml
from evals.past import PastCase, PastMapping, Reader, as_body, of_body
from evals.rows import of_file

KNOWN = {
    "issue_type": frozenset({"billing_dispute", "chargeback"}), "severity": frozenset({"S1", "S2", "S3", "S4"}),
    "team": frozenset({"returns", "payments_finance"}),
}  # fmt: skip


def keyed(word: str) -> str:
    return hashlib.sha256(b"key" + word.encode()).hexdigest()


def taken(path: Path, mapping: PastMapping | None = None) -> tuple[list[PastCase], Reader]:
    reader = Reader(KNOWN, keyed, "Europe/London", mapping)
    reader.look(of_file(path))
    cases = (reader.take(line, row) for line, row in of_file(path))
    return [case for case in cases if case is not None], reader


def rows(folder: Path, *given: dict, name: str = "past.jsonl") -> Path:
    path = folder / name
    path.write_text(
        "\n".join(
            json.dumps({"issue_type": "billing_dispute", "severity": "S3", "team": "returns", **r}) for r in given
        )
    )
    return path


def csv(folder: Path, *lines: str) -> Path:
    path = folder / "past.csv"
    path.write_text("\n".join(lines))
    return path


def plain(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


# --- instants -----------------------------------------------------------------------------------------------------------


def test_a_file_whose_dates_show_that_the_day_comes_first_is_read_so_and_says_so(tmp_path: Path):
    path = csv(
        tmp_path,
        "id,opened_at,resolved_at",
        "1,03/04/2026 09:00,04/04/2026 10:00",
        "2,28/04/2026 09:00,29/04/2026 08:00",
    )
    cases, reader = taken(path)
    assert [plain(c.opened) for c in cases] == ["2026-04-03 08:00", "2026-04-28 08:00"], "London keeps summer time then"
    assert reader.report.kinds["opened_at: read with the day first"] == 2
    assert reader.report.kinds["opened_at: without a zone, read in the zone of the file"] == 2


def test_dates_that_can_be_two_days_are_refused_until_the_mapping_says_which(tmp_path: Path):
    path = csv(tmp_path, "id,opened_at", "1,03/04/2026", "2,05/06/2026")
    cases, reader = taken(path)
    assert cases == []
    assert "can be two days" in reader.report.rejected[0].what
    assert [plain(c.opened) for c in taken(path, PastMapping(dates="month_first", zone="UTC"))[0]] == [
        "2026-03-04 00:00",
        "2026-05-06 00:00",
    ]


def test_dates_that_contradict_each_other_are_not_averaged_into_an_order(tmp_path: Path):
    path = csv(tmp_path, "id,opened_at", "1,28/04/2026", "2,04/28/2026", "3,03/04/2026")
    cases, reader = taken(path)
    assert [plain(c.opened) for c in cases] == ["2026-04-27 23:00", "2026-04-27 23:00"]
    assert [note.line for note in reader.report.rejected] == [4]


@pytest.mark.parametrize(("given", "read"), [
    ("2026-04-03T09:00:00+02:00", "2026-04-03 07:00"), ("2026-04-03 09:00:00 UTC", "2026-04-03 09:00"),
    (1775206800, "2026-04-03 09:00"), ("1775206800000", "2026-04-03 09:00"), ("3.4.2026 9:00", "2026-04-03 08:00"),
    ("13/4/2026 3:30 PM", "2026-04-13 14:30"), ("13/4/2026 09:00 +0200", "2026-04-13 07:00"),
])  # fmt: skip
def test_instants_are_read_as_they_are_written(given: object, read: str, tmp_path: Path):
    (case,), _ = taken(rows(tmp_path, {"id": 1, "opened_at": given}))
    assert plain(case.opened) == read


@pytest.mark.parametrize("nothing", ["1970-01-01T00:00:00Z", "9999-12-31", "N/A", "0000-00-00", "-", "1900-01-01", 0])
def test_placeholders_stand_for_nothing_and_are_told(nothing: object, tmp_path: Path):
    (case,), reader = taken(rows(tmp_path, {"id": 1, "opened_at": "2026-04-03T09:00Z", "resolved_at": nothing}))
    assert case.resolved is None
    assert reader.report.kinds["resolved_at: a placeholder, read as not known"] == 1


# --- rows that cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "why"), [
    ({"resolved_at": "2026-04-03T09:00Z"}, "nothing says when it was opened"),
    ({"opened_at": "2026-04-03T09:00Z", "resolved_at": "2026-04-02T09:00Z"}, "resolved_at lies before opened_at"),
    ({"opened_at": "2026-04-03T09:00Z", "first_reply_at": "2026-04-02T09:00Z"}, "first_reply_at lies before opened_at"),
    ({"opened_at": "last Tuesday"}, "no instant that can be read"),
    ({"opened_at": "31/02/2026 10:00"}, "no day of the calendar"),
    ({"opened_at": "2026-04-03T09:00Z", "status": "closed"}, "nothing says when"),
])  # fmt: skip
def test_a_row_that_cannot_be_is_rejected_and_says_why(row: dict, why: str, tmp_path: Path):
    cases, reader = taken(rows(tmp_path, row))
    assert cases == []
    assert why in reader.report.rejected[0].what


def test_a_resolution_before_the_first_reply_is_kept_and_shown(tmp_path: Path):
    row = {
        "id": 1,
        "opened_at": "2026-04-03T09:00Z",
        "first_reply_at": "2026-04-03T12:00Z",
        "resolved_at": "2026-04-03T10:00Z",
    }
    (case,), reader = taken(rows(tmp_path, row))
    assert case.first_reply is not None
    assert reader.report.kinds["resolved before the first reply"] == 1


def test_the_same_row_twice_counts_once_and_another_row_of_its_id_is_rejected(tmp_path: Path):
    row = {"id": "A", "opened_at": "2026-04-03T09:00Z"}
    cases, reader = taken(rows(tmp_path, row, row, {**row, "opened_at": "2026-04-04T09:00Z"}))
    assert len(cases) == 1
    assert [(n.line, n.what) for n in reader.report.twice] == [(2, "the same as line 1")]
    assert "stands on line 1 with other content" in reader.report.rejected[0].what


def test_words_that_the_pack_does_not_have_are_left_out_by_name_and_a_mapping_mends_them(tmp_path: Path):
    path = csv(tmp_path, "Ticket;Created;Group;Reason", "7;2026-04-03T09:00Z;Tier 2;Invoice")
    bare = PastMapping(fields={"id": "Ticket", "opened_at": "Created", "team": "Group", "issue_type": "Reason"})
    (case,), reader = taken(path, bare)
    assert (case.team, case.issue_type) == ("", "")
    assert "team: 'Tier 2' is not in the pack, left out; map it" in reader.report.kinds
    mapped = bare.model_copy(
        update={"values": {"team": {"Tier 2": "returns"}, "issue_type": {"Invoice": "billing_dispute"}}}
    )
    (case,), reader = taken(path, mapped)
    assert (case.team, case.issue_type) == ("returns", "billing_dispute")


def test_columns_that_nothing_is_read_from_are_named(tmp_path: Path):
    _, reader = taken(csv(tmp_path, "id,opened_at,Resolved On", "7,2026-04-03T09:00Z,2026-04-04"))
    assert dict(reader.report.unused) == {"Resolved On": 1}


def test_a_case_that_came_back_after_its_resolution_is_open(tmp_path: Path):
    row = {
        "id": 1,
        "opened_at": "2026-04-01T09:00Z",
        "resolved_at": "2026-04-02T09:00Z",
        "reopened_at": "2026-04-03T09:00Z",
    }
    (case,), reader = taken(rows(tmp_path, row))
    assert (case.resolved, case.reopens) == (None, 1)
    assert any("read as open" in what for what in reader.report.kinds)


def test_broken_lines_are_told_and_the_others_are_used(tmp_path: Path):
    path = rows(tmp_path, {"id": 1, "opened_at": "2026-04-01T09:00Z"})
    path.write_text(path.read_text() + "\n{broken\n[1]\n")
    cases, reader = taken(path)
    assert len(cases) == 1
    assert [note.line for note in reader.report.rejected] == [2, 3]


# --- the shapes of Zendesk -------------------------------------------------------------------------------------------------

TICKET = {
    "id": 141, "created_at": "2026-04-01T09:00:00Z", "status": "closed", "priority": "high", "group_id": 9, "requester_id": 55,
    "assignee_id": 7, "via": {"channel": "email"}, "tags": ["vip", "complaint"], "subject": "My name is Ada Quist",
    "custom_fields": [{"id": 3600, "value": "payment_dispute"}], "satisfaction_rating": {"score": "bad"},
    "comments": [
        {"author_id": 55, "created_at": "2026-04-01T09:00:00Z", "public": True, "body": "Ada Quist here"},
        {"author_id": 7, "created_at": "2026-04-01T10:00:00Z", "public": False, "body": "look"},
        {"author_id": 7, "created_at": "2026-04-01T11:00:00Z", "public": True, "body": "Dear Ada"},
    ],
    "metric_set": {"solved_at": "2026-04-03T09:00:00Z", "reopens": 1},
}  # fmt: skip
MAPPING = PastMapping(
    fields={"issue_type": "custom_fields.3600"},
    values={
        "severity": {"high": "S2"},
        "team": {"9": "payments_finance"},
        "issue_type": {"payment_dispute": "chargeback"},
    },
    marks={"complaint": ("complaint",)},
)


@pytest.mark.parametrize("shape", ["array", "lines", "object"])
def test_each_shape_of_a_zendesk_export_says_the_same(shape: str, tmp_path: Path):
    text = {
        "array": json.dumps([TICKET]),
        "lines": json.dumps(TICKET) + "\n",
        "object": json.dumps({"tickets": [TICKET]}),
    }[shape]
    path = tmp_path / "export.json"
    path.write_text(text)
    (case,), _ = taken(path, MAPPING)
    assert (case.issue_type, case.severity, case.team, case.channel) == (
        "chargeback",
        "S2",
        "payments_finance",
        "email",
    )
    assert (plain(case.first_reply), plain(case.resolved)) == ("2026-04-01 11:00", "2026-04-03 09:00")
    assert (case.reopens, case.touches, case.satisfaction, case.complaint, case.error) == (1, 2, 1, True, None)
    assert [step.kind for step in case.steps] == ["note", "reply"]


def test_a_ticket_that_is_open_again_has_no_resolution_and_a_solved_one_needs_an_instant(tmp_path: Path):
    path = tmp_path / "export.json"
    path.write_text(json.dumps([{**TICKET, "status": "open"}, {**TICKET, "id": 2, "metric_set": {}}]))
    cases, reader = taken(path, MAPPING)
    assert [case.resolved for case in cases] == [None]
    assert "nothing says when" in reader.report.rejected[0].what


def test_no_text_name_or_id_of_anybody_is_kept(tmp_path: Path):
    path = tmp_path / "export.json"
    path.write_text(json.dumps([TICKET]))
    (case,), _ = taken(path, MAPPING)
    kept = repr(case) + json.dumps(as_body(case))
    assert not [word for word in ("Ada", "Quist", "Dear", "141", "'7'", "55") if word in kept.replace(case.id, "")]
    assert case.steps[0].who == case.steps[1].who != ""


def test_a_case_comes_back_from_the_store_as_it_was(tmp_path: Path):
    more = {"id": 1, "opened_at": "2026-04-01T09:00Z", "cost": {"amount": "9.60", "currency": "GBP"},
            "steps": [{"at": "2026-04-01T10:00Z", "kind": "status", "status": "waiting_customer", "who": "Bo"},
                      {"at": "2026-04-01T11:00Z", "kind": "team", "value": "returns"}, {"kind": "dance", "at": "2026-04-01"}]}  # fmt: skip
    (case,), reader = taken(rows(tmp_path, more))
    assert case.cost == Decimal("9.60")
    assert [s.value for s in case.steps] == ["waiting_customer", "returns"]
    assert "steps: one without a known kind or an instant, left out" in reader.report.kinds
    instants, labels = (case.opened, case.first_reply, case.resolved), (case.issue_type, case.severity, case.team)
    assert of_body(case.id, instants, labels, json.loads(json.dumps(as_body(case)))) == case


def test_a_mapping_names_zones_and_fields_that_exist(tmp_path: Path):
    path = tmp_path / "map.yaml"
    path.write_text("fields: {id: Ticket}\nzone: Europe/Nowhere\n")
    with pytest.raises(Exception, match="unknown time zone `Europe/Nowhere`"):
        read_yaml(path, PastMapping)


def test_a_large_file_is_read_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("evals.rows.MOST_WHOLE", 10)
    path = csv(tmp_path, "id,opened_at", *(f"{n},2026-04-03T09:{n:02}Z" for n in range(30)))
    cases, _ = taken(path)
    assert len(cases) == 30
    assert cases[0].opened == datetime(2026, 4, 3, 9, tzinfo=UTC)
    array = tmp_path / "all.json"
    array.write_text(json.dumps([{"id": 1, "opened_at": "2026-04-03T09:00Z"}] * 3))
    cases, reader = taken(array)
    assert cases == []
    assert "export one object on each line" in reader.report.rejected[0].what
