"""A reviewed draft becomes a case without a trace of the people in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from evals import dataset, from_draft
from evals.errors import DatasetError
from evals.from_draft import Reviewed, Scrubber, keep, make, renamed
from tests.evals.suite import grounds

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
PEOPLE = ("Hanna", "Brandt", "Wolter", "hanna.brandt", "104233", "PW1234567890", "170 4455667", "Lindenweg", "dp_77aa")
PAYLOAD: dict[str, Any] = {
    "channel": "email",
    "customer": {"name": "Hanna Brandt", "email": "hanna.brandt@web.example", "phone": "+49 170 4455667"},
    "order_ref": "FH-104233",
    "messages": [
        {"author": "customer", "at": "2026-11-24T09:00:00Z", "subject": "FH104233",
         "text": "My Halo desk lamp, order FH-104233, came cracked on 23 November. Parcel PW1234567890. My neighbour Jens Wolter "
                 "saw it. Call +49 170 4455667.\n\nHanna Brandt\nhanna.brandt@web.example"},
        {"author": "staff", "at": "2026-11-24T09:20:00Z", "text": "Dear Hanna, we look at order 104233."},
    ],
    "context": {
        "customer_verified": True,
        "order": {
            "id": "FH-104233", "status": "delivered", "total": "74.00", "currency": "GBP",
            "items": [{"sku": "LMP-210", "name": "Halo desk lamp", "quantity": 1}],
            "fulfilments": [{"carrier": "DPD", "tracking": "PW1234567890", "note": "Signed for: BRANDT"}],
            "customer": {"name": "Hanna Brandt", "email": "hanna.brandt@web.example"},
            "shipping_address": {"name": "Hanna Brandt", "street": "Lindenweg 14"},
        },
        "dispute": {"id": "dp_77aa", "status": "needs_response"},
    },
}  # fmt: skip
PROPOSAL: dict[str, Any] = {
    "issue_type": "damaged_or_defective", "severity": "S3", "primary_team": "fulfilment", "human_lead": False, "language": "en",
    "draft": {"kind": "reply", "subject": "", "body": "..."},
    "guard": {"findings": [{"rule": "accuses", "hard": True}, {"rule": "missing_content", "hard": False}]},
}  # fmt: skip
SENT = (
    "Dear Hanna Brandt,\n\nI am sorry that the Halo desk lamp of order FH-104233 came cracked. Please keep the lamp and its "
    "packaging, and send us 2 photos.\n\nPetra Nowak, Fernhill"
)


def reviewed(**over: Any) -> Reviewed:
    return Reviewed(**{"case_id": "case_01JD3M", "payload": PAYLOAD, "now": NOW, "proposal": PROPOSAL, "decision": "edited", "sent": SENT, **over})  # fmt: skip


def made(**over: Any) -> from_draft.Made:
    return make(reviewed(**over), grounds().pack, grounds().rulebook)


def test_no_name_address_number_or_id_is_left():
    whole = json.dumps([made().row, made().file], ensure_ascii=False)
    assert [p for p in PEOPLE if p.casefold() in whole.casefold()] == []
    assert "case_01JD3M" not in whole


def test_the_same_becomes_the_same_so_that_the_case_hangs_together():
    escalation = made().file["escalation"]
    order = escalation["order_ref"]
    assert order == escalation["context"]["order"]["id"]
    first, second = (m["text"] for m in escalation["messages"])
    assert f"order {order}" in first
    assert f"order {order.removeprefix('FH-')}" in second
    assert escalation["messages"][0]["subject"] == order.replace("-", "")
    name = escalation["customer"]["name"]
    assert name == escalation["context"]["order"]["customer"]["name"]
    assert second.startswith(f"Dear {name.split()[0]},")
    assert escalation["context"]["order"]["fulfilments"][0]["note"].endswith(name.split()[1])
    assert escalation["context"]["order"]["fulfilments"][0]["tracking"] in first
    assert escalation["customer"]["email"] in first


def test_what_the_case_is_about_stays():
    text = made().file["escalation"]["messages"][0]["text"]
    assert "Halo desk lamp" in text
    assert "cracked on 23 November" in text
    assert "Petra Nowak, Fernhill" in made().row["reference"]
    assert made().file["escalation"]["context"]["order"]["total"] == "74.00"


def test_the_expectations_are_what_the_person_let_stand_and_sent():
    row = made().row
    expected = row["expected"]
    assert expected["issue_type"] == ["damaged_or_defective"]
    assert expected["severity"] == {"allow": ["S3"]}
    assert expected["must_not"] == ["accuses"]
    assert expected["facts_required"] == [made().file["escalation"]["order_ref"]]
    assert {"regret", "keep_goods", "photos"} <= set(expected["must_cover"])
    assert row["metadata"]["provenance"] == "from_draft"
    assert row["metadata"]["reference"] == "golden"


def test_a_rejected_draft_without_another_text_expects_the_triage_alone():
    row = made(decision="rejected", sent="").row
    assert row["metadata"]["reference"] == "none"
    assert not {"reference", "must_cover", "facts_required", "kind"} & {*row, *row["expected"]}


def test_the_files_load_as_a_suite_and_a_second_time_is_refused(tmp_path: Path):
    suites, files = tmp_path / "cases", tmp_path / "files"
    keep(made(), suites, files)
    keep(renamed(made(sent=""), "another-one"), suites, files)
    found = dataset.load(grounds().pack, NOW.date(), suites=suites, files=files)
    assert set(found.cases) == {made().name, "another-one"}
    assert found.cases[made().name].row.reference == made().row["reference"]
    with pytest.raises(DatasetError, match="is a case already"):
        keep(made(), suites, files)
    assert len(yaml.safe_load((suites / from_draft.SUITE).read_text("utf-8"))["cases"]) == 2


def test_a_name_that_is_a_word_is_replaced_only_where_it_is_written_as_a_name():
    scrubber = Scrubber()
    scrubber.person("Will Summers")
    text = scrubber.text("Will Summers: I will be away all summer. WILL SUMMERS, will summers, Will.")
    assert text == "Alma Winter: I will be away all summer. Alma Winter, Alma Winter, Alma."


def test_ids_keep_their_shape_and_never_meet():
    scrubber = Scrubber()
    ids = [f"FH-{n}" for n in range(100000, 100030)]
    for one in ids:
        scrubber.value("order_id", one)
    new = [scrubber.text(one) for one in ids]
    assert len(set(new)) == len(ids)
    assert all(len(n) == 9 and n.startswith("FH-") and n not in ids for n in new)
