"""Teaches the embedded classifier from labelled texts, and keeps what was learned under the hash of what taught it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from agent import classifier, small_talk
from agent.case import Customer, Escalation, Message
from agent.classifier import Classifier, Lesson
from agent.errors import BrokenFile
from agent.pack import Pack
from agent.packcheck import COMPUTED
from agent.understand import Reader

Row = dict[str, Any]
Progress = Callable[[int, int], None]

FAIR = "calibration"
"""Folder of texts that teach nothing: a fair sample of what arrives, which sets how sure the classifier may sound."""
_TAUGHT_BY = ("text", "issue_type", "severity", "human_lead", "weight", "opened_at", "lang", "customer", "fair", "talk")
"""Fields of a row on which the weights depend."""


def files(prompts: Path, store: Path | None) -> list[Path]:
    """What teaches the classifier: starter texts, the store's own history if any, calibration texts and small talk."""
    folders = [prompts / "starter", prompts / FAIR, *([store / "history"] if store else [])]
    return [*sorted(path for folder in folders for path in folder.glob("*.jsonl")), *small_talk.files(prompts)]


def rows(files: Iterable[Path]) -> list[Row]:
    """Labelled texts of JSONL files: starter texts, or past escalations whose opening text counts; and small talk.

    Raises:
        BrokenFile: a line is not a JSON object with text and labels.

    """
    found: list[Row] = []
    for path in sorted(files):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            if path.suffix == small_talk.SUFFIX:
                found.append({"text": line, "talk": True})
                continue
            try:
                row = json.loads(line)
                found.append(
                    {
                        **row,
                        "text": row.get("text") or row["messages"][0]["text"],
                        "issue_type": row["issue_type"],
                        "severity": row["severity"],
                        "fair": path.parent.name == FAIR,
                    }
                )
            except (ValueError, KeyError, IndexError, TypeError, AttributeError) as e:
                fix = "give text, issue_type and severity"
                raise BrokenFile(path, number, f"not a labelled text ({e!r})", fix) from None
    return found


def lessons(taught: Sequence[Row], reader: Reader, progress: Progress = lambda done, of: None) -> list[Lesson]:
    """Reads every row as the desk would read a case; the slow part of training.

    Rows whose issue type or severity the pack no longer has are left out.
    """
    known = reader.pack
    taught = [x for x in taught if not x.get("talk")]
    taught = [x for x in taught if x["issue_type"] in known.issue_types and x["severity"] in known.severities]
    done: list[Lesson] = []
    for row in taught:
        at = datetime.fromisoformat(row["opened_at"]) if row.get("opened_at") else datetime(2026, 6, 1, tzinfo=UTC)
        customer: Row = row.get("customer") or {}
        case = Escalation(
            id=str(row.get("id", "")),
            messages=(Message(row["text"], at),),
            received_at=at,
            language_hint=row.get("lang", ""),
            customer=Customer(name=customer.get("name", "")),
        )
        labels = {
            "issue_type": row["issue_type"],
            "severity": row["severity"],
            "human_lead": "yes" if row.get("human_lead") else "no",
        }
        done.append(
            Lesson(
                reader.read(case, at, teaching=True).sense, labels, float(row.get("weight", 1.0)), not row.get("fair")
            )
        )
        progress(len(done), len(taught))
    return done


def fingerprint(pack: Pack, taught: Sequence[Row], *encoders: str) -> str:
    """Content hash of everything that the weights depend on; texts of the pack that only drafts use are not part of it."""
    digest = hashlib.sha256(json.dumps([classifier.VERSION, heard(pack), encoders]).encode())
    for row in taught:
        digest.update(json.dumps([row.get(key) for key in _TAUGHT_BY]).encode())
    return digest.hexdigest()[:16]


def heard(pack: Pack) -> list[Any]:
    """What of the pack the weights depend on, as plain data; the last two are the labels."""
    return [
        {name: rule.model_dump(mode="json") for name, rule in pack.signals.items()},
        {code: [w.negations, {n: x.model_dump() for n, x in w.signals.items()}] for code, w in pack.words.items() if w.signals},
        pack.negations, pack.binding.model_dump(mode="json"), pack.store.model_dump(mode="json"),
        list(pack.issue_types), list(pack.severities),
    ]  # fmt: skip


def learn(
    folder: Path, taught: Sequence[Row], reader: Reader, fingerprint: str, progress: Progress = lambda done, of: None
) -> Classifier:
    """The classifier for these rows: from `folder` when it is there and whole, else trained and kept there."""
    path = folder / f"classifier-{fingerprint}.npz"
    with suppress(FileNotFoundError, BadZipFile, ValueError, KeyError, EOFError):
        return Classifier.load(path)
    talk = reader.multilingual.encode([row["text"] for row in taught if row.get("talk")])
    classifier.train(lessons(taught, reader, progress), [*reader.pack.signals, *COMPUTED], talk).save(path)
    return Classifier.load(path)
