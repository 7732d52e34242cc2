"""Teaches the embedded classifier from labelled texts, and keeps what was learned under the hash of what taught it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent import classifier
from agent.case import Customer, Escalation, Message
from agent.classifier import Classifier, Lesson
from agent.errors import BrokenFile
from agent.pack import Pack
from agent.packcheck import COMPUTED
from agent.understand import Reader

Row = dict[str, Any]
Progress = Callable[[int, int], None]


def rows(files: Iterable[Path]) -> list[Row]:
    """Labelled texts of JSONL files: starter texts, or past escalations whose opening text counts.

    Raises:
        BrokenFile: a line is not a JSON object with text and labels.

    """
    found: list[Row] = []
    for path in sorted(files):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                found.append(
                    {
                        **row,
                        "text": row.get("text") or row["messages"][0]["text"],
                        "issue_type": row["issue_type"],
                        "severity": row["severity"],
                    }
                )
            except (ValueError, KeyError, IndexError, TypeError, AttributeError) as e:
                fix = "give text, issue_type and severity"
                raise BrokenFile(path, number, f"not a labelled text ({e!r})", fix) from None
    return found


def lessons(taught: Sequence[Row], reader: Reader, progress: Progress = lambda done, of: None) -> list[Lesson]:
    """Reads every row as the desk would read a case; the slow part of training."""
    done: list[Lesson] = []
    for row in taught:
        at = datetime.fromisoformat(row["opened_at"]) if row.get("opened_at") else datetime(2026, 6, 1, tzinfo=UTC)
        case = Escalation(
            id=str(row.get("id", "")),
            messages=(Message(row["text"], at),),
            received_at=at,
            language_hint=row.get("lang", ""),
            customer=Customer(name=(row.get("customer") or {}).get("name", "")),
        )
        labels = {
            "issue_type": row["issue_type"],
            "severity": row["severity"],
            "human_lead": "yes" if row.get("human_lead") else "no",
        }
        done.append(Lesson(reader.read(case, at, teaching=True).sense, labels, float(row.get("weight", 1.0))))
        progress(len(done), len(taught))
    return done


def fingerprint(pack: Pack, taught: Sequence[Row], *encoders: str) -> str:
    """Content hash of everything that the weights depend on."""
    digest = hashlib.sha256(f"{classifier.VERSION} {pack.version} {' '.join(encoders)}".encode())
    for row in taught:
        taught_by = [
            row["text"],
            row["issue_type"],
            row["severity"],
            bool(row.get("human_lead")),
            row.get("weight", 1.0),
        ]
        digest.update(json.dumps([*taught_by, row.get("opened_at"), row.get("lang")]).encode())
    return digest.hexdigest()[:16]


def learn(
    folder: Path, taught: Sequence[Row], reader: Reader, fingerprint: str, progress: Progress = lambda done, of: None
) -> Classifier:
    """The classifier for these rows: from `folder` when it is there, else trained and kept there."""
    path = folder / f"classifier-{fingerprint}.npz"
    if path.exists():
        return Classifier.load(path)
    trained = classifier.train(lessons(taught, reader, progress), [*reader.pack.signals, *COMPUTED])
    trained.save(path)
    return Classifier.load(path)
