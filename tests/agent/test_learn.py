from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent import learn
from agent.classifier import Classifier
from agent.errors import BrokenFile
from agent.signals import Signals
from agent.understand import Reader
from retrieval.precedent import Vectors
from tests.fakes.desk import WordEncoder, pack

ROWS: list[dict[str, Any]] = [
    {"text": text, "issue_type": kind, "severity": severity, "human_lead": lead}
    for text, kind, severity, lead in [
        ("The plug burnt my hand and smoke came out.", "product_safety", "S1", False),
        ("My daughter was burned by the kettle.", "product_safety", "S1", False),
        ("Is this recalled? The plug smells of smoke.", "product_safety", "S3", False),
        ("You charged me twice for the membership.", "billing_dispute", "S3", False),
        ("The bank statement shows two charges.", "billing_dispute", "S3", False),
        ("Could I get an invoice with our VAT number?", "billing_dispute", "S4", False),
        ("Your courier swore at my mother.", "conduct_or_welfare", "S3", True),
        ("The driver threatened me at the door.", "conduct_or_welfare", "S2", True),
        ("The parcel has not arrived for a week.", "not_received_or_late", "S3", False),
        ("Tracking has been stuck since Monday, parcel missing.", "not_received_or_late", "S3", False),
        ("Parcel late, when will it arrive?", "not_received_or_late", "S4", False),
    ]
]


class Counting(WordEncoder):
    """Remembers how many texts it was asked for."""

    def __init__(self) -> None:
        self.texts = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        return super().encode(texts)


@pytest.fixture
def reader() -> Reader:
    words = WordEncoder()
    return Reader(pack(), Signals(pack()), words, words)


def jsonl(path: Path, *rows: dict[str, Any] | str) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), encoding="utf-8")
    return path


def test_starter_texts_and_past_escalations_are_read_alike(tmp_path: Path):
    past = {
        "issue_type": "chargeback", "severity": "S2", "opened_at": "2026-01-02T03:04:05Z",
        "messages": [{"text": "The bank opened a dispute."}, {"text": "We are on it."}],
    }  # fmt: skip
    found = learn.rows([jsonl(tmp_path / "b.jsonl", past, ""), jsonl(tmp_path / "a.jsonl", ROWS[0])])
    assert [row["text"] for row in found] == [ROWS[0]["text"], "The bank opened a dispute."]


@pytest.mark.parametrize(
    "bad",
    [
        "{not json", '"text"', "[]", "7", '{"text": "no labels"}', '{"issue_type": "x", "severity": "S1"}',
        '{"issue_type": "x", "severity": "S1", "messages": []}', '{"text": "x", "severity": "S1"}',
    ],
)  # fmt: skip
def test_a_line_that_is_no_labelled_text_is_named_with_file_line_and_fix(tmp_path: Path, bad: str):
    with pytest.raises(BrokenFile, match="give text, issue_type and severity") as caught:
        learn.rows([jsonl(tmp_path / "a.jsonl", ROWS[0], "", bad)])
    assert (caught.value.line, Path(caught.value.path).name) == (3, "a.jsonl")


def test_a_lesson_is_read_as_the_desk_reads_a_case(reader: Reader):
    taught = learn.lessons(ROWS, reader)
    assert [x.labels["issue_type"] for x in taught] == [r["issue_type"] for r in ROWS]
    assert [x.labels["human_lead"] for x in taught].count("yes") == 2
    assert "injury" in taught[0].sense.signals
    assert taught[0].sense.language == "en"


def test_a_row_with_a_label_that_the_pack_no_longer_has_teaches_nothing(reader: Reader):
    old = [{**ROWS[0], "issue_type": "fax_machine"}, {**ROWS[0], "severity": "P0"}]
    assert len(learn.lessons([*old, *ROWS], reader)) == len(ROWS)


def test_progress_is_told_for_every_text(reader: Reader):
    told: list[tuple[int, int]] = []
    learn.lessons(ROWS[:3], reader, lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_vectors_that_the_classifier_never_looks_at_are_not_made():
    english, multilingual = Counting(), Counting()
    reader = Reader(pack(), Signals(pack()), english, multilingual)
    german = {"text": "Das Paket ist nicht da. Seit Montag steht die Sendung still. Was nun?", "lang": "de"}
    spoken = {"text": "The parcel is missing. Tracking has stood still since Monday. What now?", "lang": "en"}
    learn.lessons([{**ROWS[8], **german}, {**ROWS[8], **spoken}], reader)
    assert english.texts == 1
    assert multilingual.texts == 2


def test_a_lesson_teaches_what_the_whole_reading_would_teach(reader: Reader):
    from agent.case import Escalation, Message
    from agent.classifier import terms, vectors

    case = Escalation("x", (Message(ROWS[0]["text"] + " It was plugged in. I am shaken.", NOW),), NOW)
    places = {name: i for i, name in enumerate(pack().signals)}
    whole, taught = (reader.read(case, NOW, teaching=teaching).sense for teaching in (False, True))
    for one, other in zip(vectors([whole]), vectors([taught]), strict=True):
        assert one.tolist() == other.tolist()
    for one, other in zip(terms(whole, places, {}, np.empty(0)), terms(taught, places, {}, np.empty(0)), strict=True):
        assert one.tolist() == other.tolist()


NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "value"),
    [("text", "Another text."), ("issue_type", "chargeback"), ("severity", "S2"), ("human_lead", True),
     ("weight", 2.0), ("lang", "de"), ("opened_at", "2026-01-01T00:00:00Z")],
)  # fmt: skip
def test_the_fingerprint_changes_with_everything_that_teaches(key: str, value: Any):
    first = learn.fingerprint(pack(), ROWS, "a", "b")
    assert learn.fingerprint(pack(), [{**ROWS[0], key: value}, *ROWS[1:]], "a", "b") != first


def test_the_fingerprint_changes_with_encoders_and_not_with_notes_that_teach_nothing():
    first = learn.fingerprint(pack(), ROWS, "a", "b")
    assert learn.fingerprint(pack(), ROWS, "a", "c") != first
    assert learn.fingerprint(pack(), [{**ROWS[0], "id": "GB-1", "flags": ["angry"]}, *ROWS[1:]], "a", "b") == first


def test_what_was_learned_is_kept_and_not_learned_again(reader: Reader, tmp_path: Path):
    first = learn.learn(tmp_path, ROWS, reader, "abc")
    read: list[int] = []
    again = learn.learn(tmp_path, ROWS, reader, "abc", lambda done, of: read.append(done))
    assert read == []
    assert again.version == first.version
    learn.learn(tmp_path, ROWS, reader, "def", lambda done, of: read.append(done))
    assert len(read) == len(ROWS)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"PK" + b[2:40]])
def test_a_damaged_file_is_learned_anew(reader: Reader, tmp_path: Path, damage: Any):
    first = learn.learn(tmp_path, ROWS, reader, "abc")
    (path,) = tmp_path.glob("*.npz")
    path.write_bytes(damage(path.read_bytes()))
    assert learn.learn(tmp_path, ROWS, reader, "abc").version == first.version
    assert Classifier.load(path).version == first.version
